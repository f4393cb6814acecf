"""One run of training that can be shared: the same network, corpus and settings in every process."""

import numpy as np
from small import network

from charlstm.base.config import TrainingConfig
from charlstm.text.batches import DocumentBatches, StreamBatches
from charlstm.text.documents import find_documents
from charlstm.text.split import validation_batches
from charlstm.training.trainer import train

STEPS = 100
ROWS = 5  # not a multiple of any team's size
KINDS = ("streams", "lines", "dropout")


def prepared(kind):
    """A network in float64, its training set, its validation set, and the settings of its training."""
    rng = np.random.default_rng(3)
    it = network("lstm", hidden=6, layers=2, dropout=0.3 if kind == "dropout" else 0.0)
    it.initialise(1)
    ids = np.concatenate([[0], rng.integers(0, 5, 900), [0]])
    batches = DocumentBatches(ids, spans_of(ids), ROWS) if kind == "lines" else StreamBatches(ids[:800], ROWS, 12)
    return (
        it,
        batches,
        lambda: validation_batches(ids, [(800, len(ids))], 12),
        TrainingConfig(STEPS, batch_size=ROWS, seq_len=12),
    )


def spans_of(ids):
    """Where the lines stand; their number leaves a last batch of one row, too few for every process to have one."""
    spans = find_documents(ids, 0)
    return spans[: len(spans) - (len(spans) - 1) % ROWS]


def run(team, kind):
    """Train as one of a team; return the loss of every step and the weights."""
    it, batches, held_out, config = prepared(kind)
    losses = [progress.loss for progress in train(it, batches, held_out, config, team)]
    return losses, it.parameters
