"""Find the place in a text where the long memory of a model shows most."""

from __future__ import annotations

import re

import numpy as np

from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.inspection.trace import REACH, start_reader
from charlstm.model.model import Model, Reader
from charlstm.network.loss import log_softmax

# What begins within a word or a sentence misleads a model. So a prediction must gain over two beginnings.
NEAR, LONGER = 16, 32


def find_telling_place(model: Model, text: str) -> int:
    """Return the character after which the prediction gains most from what stands more than 16 characters back.

    The gain at character n is log p(text[n + 1] | text[: n + 1]) − log p(text[n + 1] | its last 16 characters, read as
    the start of a text), or that over its last 32 characters (two thirds of a text of fewer than 48) if it is less.
    Only the last 300 characters are examined, and no gain reaches over an end symbol. Places before the first character
    of a word come before all others. If no prediction gains, the place is the last character.

    Parameters
    ----------
    model
        The model that reads.
    text
        N characters, one or more, with the end symbol between documents.

    Returns
    -------
    int
        Position of the character, from 0; of several equal gains the first.

    Raises
    ------
    UnknownCharacterError
        If the text has characters that the model does not know.
    ConfigError
        If the model has labels, and none is chosen.
    """
    text = model.vocabulary.translate(text)
    ids = model.vocabulary.encode(text)  # (N,)
    begin, longest = max(0, len(text) - 1 - REACH), max(NEAR, min(LONGER, 2 * len(text) // 3))
    found = [n for n in range(max(begin, longest), len(text) - 1) if END not in text[n + 1 - longest : n + 2]]
    before_words = [n for n in found if re.match(r"\W\w", text[n : n + 2])]
    reader = start_reader(model)
    reader.read(ids[:begin, None])
    blocks = [done.logits[:, 0].copy() for done in reader.passes(ids[begin:, None])]  # (≤ 1024, V) each
    for places in (np.array(before_words, np.intp), np.array(sorted({*found} - {*before_words}), np.intp)):  # (K,) each
        if not places.size:
            continue
        far = _score(np.concatenate(blocks)[places - begin], ids[places + 1])  # (K,)
        near = [_read_near(start_reader(model, len(places)), ids, places, characters) for characters in (NEAR, longest)]
        gains = far - np.maximum(*near)  # (K,)
        if gains.max() > 0.0:
            return int(places[gains.argmax()])
    return len(text) - 1


def _read_near(reader: Reader, ids: Array, places: Array, characters: int) -> Array:
    """Return the log-probability of what follows each of K places after only some characters before it: (K,).

    Parameters
    ----------
    reader
        K readers at the start of a text.
    ids : (N,) array of ids
        The text.
    places : (K,) array
        Positions of the last characters to read.
    characters
        How many to read.
    """
    reader.read(ids[places + np.arange(1 - characters, 1)[:, None]])
    return _score(reader.logits, ids[places + 1])


def _score(logits: Array, ids: Array) -> Array:
    """Return the log-probability of one id under each of K rows of logits: (K,), in nats."""
    return np.asarray(log_softmax(logits.astype(np.float64))[np.arange(len(ids)), ids])
