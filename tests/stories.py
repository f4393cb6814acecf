"""A small network that has learnt small stories in the article's form, and stories that it never read."""

from itertools import permutations

import numpy as np

from charlstm.base.config import TrainingConfig
from charlstm.base.symbols import END
from charlstm.model.model import Model
from charlstm.network.config import NetworkConfig
from charlstm.network.network import Network
from charlstm.text.corpus import Corpus
from charlstm.text.facts import CorpusFacts
from charlstm.text.split import split_documents
from charlstm.text.vocabulary import Vocabulary
from charlstm.training.trainer import train

NAMES = ("monica", "richard", "ben", "anna", "clara", "felix")
SPEAKERS = ("mady", "emma")
HELD_OUT = 4
STEPS = 1000


def stories():
    """All stories: what is read, and whom the speaker greets: who came in last."""
    one = [(f"{b} is in. {a} hi", b) for b in NAMES for a in SPEAKERS]
    two = [(f"{b} is in, {c} is in. {a} hi", c) for b, c in permutations(NAMES, 2) for a in SPEAKERS]
    return one, two


def learnt(steps=STEPS):
    """A model that has read all stories of one and most stories of two, and the others: (story, answer) each."""
    one, two = stories()
    asked = [story for k, story in enumerate(two) if k // len(SPEAKERS) % HELD_OUT == 1]
    known = one + [story for story in two if story not in asked]
    text = END + "".join(f"{story} {answer}.{END}" for story, answer in known)
    vocabulary = Vocabulary.of(np.array([*set(map(ord, text))]))
    training = TrainingConfig(steps, batch_size=16, documents="line", learning_rate=0.02, val_fraction=0.0)
    network = Network(NetworkConfig(hidden=32, chrono_init=40), len(vocabulary))
    network.initialise(0)
    facts = CorpusFacts((), len(text), 0, "")
    lines = split_documents(Corpus(vocabulary.encode(text), vocabulary, facts, (), np.array([1])), training).training
    for _ in train(network, lines, None, training):
        pass
    return Model(network, vocabulary, training, facts), asked
