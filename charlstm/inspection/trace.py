"""The trace: everything that the network did while it read a text, as plain arrays. All views are made of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from charlstm.errors import ConfigError
from charlstm.model.files import replace_atomically
from charlstm.model.model import BLOCK, Model, Reader
from charlstm.network.cell import Cell
from charlstm.network.loss import NATS_PER_BIT, log_softmax
from charlstm.parameters import Array
from charlstm.text import batches
from charlstm.text.vocabulary import code_points_of

BLOCKS = 4  # of lines that are read at once
MOST_NUMBERS = 250_000_000  # a gigabyte
REACH = 300  # characters, the last ones of a text, that are looked at where each look reads them anew
AT_ONCE = 16_384  # characters read side by side, in all rows together


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
    cell : Cell
        What the quantities are.
    """

    text: str
    layers: tuple[dict[str, Array], ...]
    log_probabilities: Array
    surprise: Array
    vocabulary: str
    cell: Cell

    @property
    def arrays(self) -> dict[str, Array]:
        """All numbers by name, as `save` writes them.

        Returns
        -------
        dict
            text (N,) uint32 and vocabulary (V,) uint32, code points; surprise (N,), bits; log_probabilities (N, V),
            nats; layer0/f (N, H), …: every quantity of every layer.
        """
        return {
            "text": code_points_of(self.text),
            "vocabulary": code_points_of(self.vocabulary),
            "surprise": self.surprise,
            "log_probabilities": self.log_probabilities,
            **{
                f"layer{number}/{name}": values
                for number, layer in enumerate(self.layers)
                for name, values in layer.items()
            },
        }

    def save(self, path: str | Path) -> None:
        """Write `arrays` as an `.npz` that `numpy.load` reads without pickle.

        The path is taken as it stands. What stood there is replaced whole, or not at all.

        Raises
        ------
        CharlstmError
            If it cannot be written; what stood there is then unchanged.
        """
        arrays: dict[str, Any] = self.arrays
        replace_atomically(Path(path), lambda file: np.savez(file, **arrays))

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold: `arrays` as nested lists, text and vocabulary as texts, None for no number."""
        lists = {name: values.tolist() for name, values in self.arrays.items()}
        bits = [None if math.isnan(value) else value for value in lists["surprise"]]
        return lists | {"text": self.text, "vocabulary": self.vocabulary, "surprise": bits}

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
    ConfigError
        If it would be more than memory should hold.
    UnknownCharacterError
        If the text has characters that the model does not know.
    """
    config = model.network.config
    each = config.layers * config.hidden * len(model.network.cell.quantities) + len(model.vocabulary)
    if len(text) * each > MOST_NUMBERS:
        raise ConfigError(
            f"a trace of {len(text):,} characters would hold {len(text) * each:,} numbers; give a text of at most"
            f" {MOST_NUMBERS // each:,}, or look at saturation, units or the score, for which a text goes by"
        )
    ids = model.vocabulary.encode(text)  # (N,)
    before = start(model).logits  # (1, V)
    blocks = [(log_softmax(logits), layers) for logits, layers in read(model, ids)]
    layers = tuple(
        {name: np.concatenate([block[layer][name] for _, block in blocks]) for name in model.network.cell.quantities}
        for layer in range(config.layers)
    )  # (N, H) each
    after = np.concatenate([predictions for predictions, _ in blocks])  # (N, V)
    predicted = np.concatenate([log_softmax(before), after[:-1]])[np.arange(len(ids)), ids]  # (N,)
    surprise = 0.0 - predicted.astype(np.float64) / NATS_PER_BIT  # 0.0 − 0.0 is no −0.0
    if not model.opening:
        surprise[0] = np.nan
    return Trace(text, layers, after, surprise, model.vocabulary.characters, model.network.cell)


def start(model: Model, rows: int = 1) -> Reader:
    """Return a reader that stands where a text begins: a model of lines has read the newline before it."""
    reader = Reader(model, rows)
    reader.read(np.tile(model.vocabulary.encode(model.opening)[:, None], (1, rows)))
    return reader


def read(model: Model, ids: Array) -> Iterator[tuple[Array, list[dict[str, Array]]]]:
    """Read a text and yield, block after block, logits and every layer's quantities; so a long text needs one block.

    Parameters
    ----------
    model
        What reads.
    ids : (N,) array of ids
        The text.

    Returns
    -------
    iterator of ((T, V) array, list of L dict)
        The logits after each character of a block, and for each layer name of a quantity → (T, H) array.
    """
    if model.training.lines:
        yield from _read_lines(model, ids)
        return
    for logits, layers in _passes(Reader(model), ids[:, None]):
        yield logits[:, 0], [{name: values[:, 0] for name, values in layer.items()} for layer in layers]


def _passes(reader: Reader, ids: Array) -> Iterator[tuple[Array, list[dict[str, Array]]]]:
    """Read (T, B) ids and yield, piece after piece, copies of the logits and of every layer's quantities."""
    cell = reader.model.network.cell
    for done in reader.passes(ids):
        yield (
            done.logits.copy(),
            [{name: cell.read(tape, name).copy() for name in cell.quantities} for tape in done.tapes],
        )


def _read_lines(model: Model, ids: Array) -> Iterator[tuple[Array, list[dict[str, Array]]]]:
    """Read a text for `read`, lines that follow one another side by side: each begins with the newline before it."""
    newline = model.vocabulary.id("\n")
    ids = np.concatenate([np.array([newline], ids.dtype), ids])  # (N + 1,)
    begins = np.flatnonzero(ids == newline)
    ends = np.append(begins[1:], len(ids))
    for some in _groups(ends - begins):
        where, counted = batches.pad_spans(begins[some], ends[some])  # (T, B) each
        rows = np.where(
            counted, ids[where], (newline + 1) % len(model.vocabulary)
        )  # (T, B)  no newline: it begins anew
        counted &= where > 0  # the newline before the text is no part of it
        logits, layers = zip(*_passes(Reader(model, rows.shape[1]), rows), strict=True)
        yield (
            _in_order(logits, counted),
            [
                {name: _in_order([layer[name] for layer in pieces], counted) for name in model.network.cell.quantities}
                for pieces in zip(*layers, strict=True)
            ],
        )


def _in_order(pieces: Sequence[Array], counted: Array) -> Array:
    """Return what counts of values (T, B, …), given in pieces one after another, row by row: (N, …)."""
    return np.asarray(np.concatenate(pieces).swapaxes(0, 1)[counted.T])


def _groups(lengths: Array) -> Iterator[slice]:
    """Yield which of some texts are read side by side: those that follow one another, as many as make a few blocks."""
    first, longest = 0, 0
    for place, length in enumerate(lengths.tolist()):
        longest = max(longest, length)
        if place > first and longest * (place + 1 - first) > BLOCKS * BLOCK:
            yield slice(first, place)
            first, longest = place, length
    yield slice(first, len(lengths))


def last_stretch(begun: Reader, text: str) -> tuple[Array, str]:
    """Return what of a text is read without a break up to its end, and the state before it: (L, S, 1, H).

    Parameters
    ----------
    begun
        A reader that stands where the text begins.
    text
        One character or more; in a model of lines what stands before its last newline does not count.
    """
    model = begun.model
    if model.training.lines and "\n" in text:
        return model.network.zero_state(1), text[text.rindex("\n") :]
    return begun.state, text


def side_by_side(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the places of texts of one length, as many together as can be read at once."""
    order = np.argsort(lengths, kind="stable")  # (N,)
    bounds = {0, *(np.flatnonzero(np.diff(np.array(lengths)[order])) + 1).tolist(), len(order)}
    for first, last in pairwise(sorted(bounds)):
        rows = max(1, AT_ONCE // max(1, lengths[order[first]]))
        for place in range(first, last, rows):
            yield order[place : min(place + rows, last)].tolist()
