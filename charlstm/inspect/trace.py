"""The trace: everything that the network did while it read a text, as plain arrays. All views are made of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charlstm.loss import NATS_PER_BIT, log_softmax
from charlstm.model import Model, Reader
from charlstm.parameters import Array


class Trace(NamedTuple):
    """One text, read once.

    Attributes
    ----------
    text
        The characters read, N of them.
    layers : tuple of L dict
        For each layer, name of a quantity (f, i, o, c_tilde, c, h for the lstm) → (N, H) array: its value in every
        unit after the gate's non-linearity, states as they are once the character was read.
    log_probabilities : (N, V) array
        What was predicted after each character, in nats.
    surprise : (N,) float64 array
        −log₂ of the probability that the text before gave to each character, in bits; NaN for the first character
        of a stream, which nothing predicts.
    vocabulary : str
        The characters of the V columns.
    """

    text: str
    layers: tuple[dict[str, Array], ...]
    log_probabilities: Array
    surprise: Array
    vocabulary: str

    def likeliest(self, count: int) -> list[list[tuple[str, float]]]:
        """Return, for each character read, the likeliest next ones with their probabilities, best first."""
        order = np.argsort(-self.log_probabilities, axis=1, kind="stable")[:, :count]  # (N, count)
        chances = np.exp(np.take_along_axis(self.log_probabilities, order, axis=1))  # (N, count)
        return [
            [(self.vocabulary[index], float(chance)) for index, chance in zip(indices, row, strict=True)]
            for indices, row in zip(order, chances, strict=True)
        ]


def trace(model: Model, text: str) -> Trace:
    """Read a text as training reads one and keep every activation.

    Parameters
    ----------
    model
        What reads.
    text
        One character or more; a model of lines reads the newline before it as well, which is not part of the trace.

    Raises
    ------
    UnknownCharacterError
        If the text has characters that the model does not know.
    """
    reader, cell = Reader(model), model.network.cell
    ids = model.vocabulary.encode(text)  # (N,)
    reader.read(model.vocabulary.encode(model.opening)[:, None])
    before = log_softmax(reader.logits)  # (1, V)

    predictions: list[Array] = []
    pieces: list[list[dict[str, Array]]] = []
    for done in reader.passes(ids[:, None]):
        predictions.append(log_softmax(done.logits[:, 0]))  # (T, V)
        pieces.append([{name: cell.read(tape, name)[:, 0].copy() for name in cell.shown} for tape in done.tapes])
    layers = tuple(
        {name: np.concatenate([piece[layer][name] for piece in pieces]) for name in cell.shown}  # (N, H)
        for layer in range(model.network.config.layers)
    )
    after = np.concatenate(predictions)  # (N, V)
    predicted = np.concatenate([before, after[:-1]])[np.arange(len(ids)), ids]  # (N,)
    surprise = 0.0 - predicted.astype(np.float64) / NATS_PER_BIT  # 0.0 − 0.0 is no −0.0
    if not model.opening:
        surprise[0] = np.nan
    return Trace(text, layers, after, surprise, model.vocabulary.characters)
