"""The trace: everything that the network did while it read a text, as plain arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from os import PathLike
from typing import Any, NamedTuple

import numpy as np

from charlstm.base.errors import ConfigError
from charlstm.base.files import write_output
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.model.model import BLOCK, Model, Reader
from charlstm.network.cell import Cell
from charlstm.network.loss import NATS_PER_BIT, log_softmax
from charlstm.text import batches
from charlstm.text.vocabulary import code_points_of

BLOCKS = 4  # blocks of lines that are read at once
MAX_NUMBERS = 250_000_000  # a gigabyte of float32
REACH = 300  # last characters of a text that a view examines where each one costs a new reading
MAX_BATCH = 16_384  # characters of a batch, over all of its rows


class Trace(NamedTuple):
    """The activations and predictions of a network over one text.

    Attributes
    ----------
    text
        The text that was read, N characters.
    layers : tuple of L dict
        For each layer, name of a quantity (f, i, o, c_tilde, c, h for the LSTM) → (N, H) array: gates and candidates
        after their activation function, states as they are after the character.
    log_probabilities : (N, V) array
        Prediction after each character, in nats.
    surprise : (N,) float64 array
        Surprisal of each character given the text before it: −log₂ p, in bits. NaN for the first character of a
        stream, for which there is no prediction.
    vocabulary : str
        The characters of the V columns.
    cell : Cell
        The kind of cell, which says what each quantity is.
    before : tuple of L dict
        For each layer, name of a state (h and c for the LSTM) → (N, H) array: the state that the network reads each
        character in. It is zero at the start of a stream and at an end symbol; at the first character of a document it
        is the state after the end symbol before it.
    """

    text: str
    layers: tuple[dict[str, Array], ...]
    log_probabilities: Array
    surprise: Array
    vocabulary: str
    cell: Cell
    before: tuple[dict[str, Array], ...]

    def __repr__(self) -> str:
        units = self.layers[0]["h"].shape[1]
        return (
            f"<Trace: {len(self.text):,} characters, {len(self.layers)} × {units} units, {', '.join(self.layers[0])}>"
        )

    @property
    def arrays(self) -> dict[str, Array]:
        """All arrays by the names that `save` gives them.

        Returns
        -------
        dict
            text (N,) uint32 and vocabulary (V,) uint32, code points; surprise (N,), bits; log_probabilities (N, V),
            nats; layer0/f (N, H), …: every quantity of every layer; before/layer0/h (N, H), …: every state of every
            layer before each character.
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
            **{
                f"before/layer{number}/{name}": values
                for number, layer in enumerate(self.before)
                for name, values in layer.items()
            },
        }

    def save(self, path: str | PathLike[str], force: bool = False) -> None:
        """Save `arrays` as an `.npz` file, which `numpy.load` reads without pickle.

        The path is used as given, without a suffix added. An existing file is replaced completely or not at all.

        Parameters
        ----------
        path
            The file.
        force
            True: it may replace a model or a session.

        Raises
        ------
        ConfigError
            If it would replace a model or a session and `force` is False.
        CharlstmError
            If the file cannot be written; an existing file is then unchanged.
        """
        arrays: dict[str, Any] = self.arrays
        write_output(path, lambda file: np.savez(file, **arrays), force)

    def to_dict(self) -> dict[str, Any]:
        """Return `arrays` as nested lists for JSON: text and vocabulary are strings, what is not finite is None."""
        lists = {name: _to_lists(values) for name, values in self.arrays.items()}
        return lists | {"text": self.text, "vocabulary": self.vocabulary}

    def first(self, count: int) -> Trace:
        """Return the trace of the first characters only."""
        return self._replace(
            text=self.text[:count],
            layers=tuple({name: values[:count] for name, values in layer.items()} for layer in self.layers),
            log_probabilities=self.log_probabilities[:count],
            surprise=self.surprise[:count],
            before=tuple({name: values[:count] for name, values in layer.items()} for layer in self.before),
        )

    def most_probable(self, count: int) -> list[list[tuple[str, float]]]:
        """Return the most probable next characters after each character, with their probabilities, best first."""
        result = []
        for start in range(0, len(self.text), BLOCK):  # sorting all at once would need several times the memory
            predictions = self.log_probabilities[start : start + BLOCK]  # (T, V)
            order = np.argsort(-predictions, axis=1, kind="stable")[:, :count]  # (T, count)
            chances = np.exp(np.take_along_axis(predictions, order, axis=1))  # (T, count)
            result += [
                [(self.vocabulary[index], float(chance)) for index, chance in zip(indices, row, strict=True)]
                for indices, row in zip(order, chances, strict=True)
            ]
        return result


def _to_lists(values: Array) -> Any:
    """Return an array as nested lists, with None for what is not finite."""
    finite = np.isfinite(values)
    if finite.all():
        return values.tolist()
    objects = values.astype(object)
    objects[~finite] = None
    return objects.tolist()


def trace(model: Model, text: str) -> Trace:
    """Read a text as in training and keep every activation.

    Parameters
    ----------
    model
        The model that reads.
    text
        One character or more. A model of documents also reads the end symbol before it, which is not part of the trace.

    Raises
    ------
    ConfigError
        If the trace would hold more than 250 million numbers.
    UnknownCharacterError
        If the text has characters that the model does not know.
    """
    config, cell = model.network.config, model.network.cell
    per_character = config.layers * config.hidden * (len(cell.quantities) + len(cell.states)) + len(model.vocabulary)
    if len(text) * per_character > MAX_NUMBERS:
        raise ConfigError(
            f"the trace of {len(text):,} characters would hold {len(text) * per_character:,} numbers; give a text of"
            f" at most {MAX_NUMBERS // per_character:,} characters, or use the views saturation, units or score, which"
            " read texts of any length"
        )
    text = model.documents.parse(text)
    ids = model.vocabulary.encode(text)  # (N,)
    before = start_reader(model).logits  # (1, V)
    primes = {f"{name}'": name for name in cell.states}
    names = (*cell.quantities, *primes)
    blocks = [(log_softmax(logits), layers) for logits, layers in read_activations(model, ids, names)]
    layers, states = (
        tuple(
            {new: np.concatenate([block[layer][name] for _, block in blocks]) for name, new in wanted.items()}
            for layer in range(config.layers)
        )
        for wanted in ({name: name for name in cell.quantities}, primes)
    )  # (N, H) each
    after = np.concatenate([predictions for predictions, _ in blocks])  # (N, V)
    predicted = np.concatenate([log_softmax(before), after[:-1]])[np.arange(len(ids)), ids]  # (N,)
    surprise = 0.0 - predicted.astype(np.float64) / NATS_PER_BIT  # 0.0 − 0.0 avoids −0.0
    if not model.opening:
        surprise[0] = np.nan
    return Trace(text, layers, after, surprise, model.vocabulary.characters, cell, states)


def start_reader(model: Model, rows: int = 1) -> Reader:
    """Return a reader at the start of a text: in a model of documents it has read an end symbol."""
    reader = Reader(model, rows)
    reader.read(np.tile(model.vocabulary.encode(model.opening)[:, None], (1, rows)))
    return reader


def read_activations(
    model: Model, ids: Array, names: Collection[str] = ()
) -> Iterator[tuple[Array, list[dict[str, Array]]]]:
    """Read a text and yield logits and activations block by block, so that a long text needs little memory.

    Parameters
    ----------
    model
        The model that reads.
    ids : (N,) array of ids
        The text.
    names
        Names of the quantities to yield, as `Cell.read` takes them; without names all quantities of the cell.

    Returns
    -------
    iterator of ((T, V) array, list of L dict)
        The logits after each character of a block, and for each layer name of a quantity → (T, H) array.
    """
    names = names or model.network.cell.quantities
    if model.documents:
        yield from _read_documents(model, ids, names)
        return
    for logits, layers in _copy_passes(Reader(model), ids[:, None], names):
        yield logits[:, 0], [{name: values[:, 0] for name, values in layer.items()} for layer in layers]


def _copy_passes(reader: Reader, ids: Array, names: Collection[str]) -> Iterator[tuple[Array, list[dict[str, Array]]]]:
    """Read (T, B) ids and yield copies of the logits and activations, piece by piece."""
    cell = reader.model.network.cell
    for done in reader.passes(ids):
        layers = [{name: cell.read(tape, name).copy() for name in names} for tape in done.tapes]
        yield done.logits.copy(), layers


def _read_documents(model: Model, ids: Array, names: Collection[str]) -> Iterator[tuple[Array, list[dict[str, Array]]]]:
    """Read the documents of a text in batches, for `read_activations`; each starts with the end symbol before it."""
    end = model.vocabulary.end
    assert end is not None
    ids = np.concatenate([np.array([end], ids.dtype), ids])  # (N + 1,)
    starts = np.flatnonzero(ids == end)
    stops = np.append(starts[1:], len(ids))
    for lines in _group_neighbours(stops - starts):
        where, loss_mask = batches.pad_spans(starts[lines], stops[lines])  # (T, B) each
        padding = (end + 1) % len(model.vocabulary)  # not an end symbol, which would reset the state
        rows = np.where(loss_mask, ids[where], padding)  # (T, B)
        loss_mask &= where > 0  # the end symbol before the text is not part of the text
        logits, layers = zip(*_copy_passes(Reader(model, rows.shape[1]), rows, names), strict=True)
        yield (
            _join_rows(logits, loss_mask),
            [
                {name: _join_rows([layer[name] for layer in pieces], loss_mask) for name in names}
                for pieces in zip(*layers, strict=True)
            ],
        )


def _join_rows(pieces: Sequence[Array], mask: Array) -> Array:
    """Return the (N, …) values that a (T, B) mask keeps, row by row; the (T, B, …) values come in pieces of T."""
    return np.asarray(np.concatenate(pieces).swapaxes(0, 1)[mask.T])


def _group_neighbours(lengths: Array) -> Iterator[slice]:
    """Yield groups of consecutive lines that fit into a few blocks when padded to the longest."""
    first, longest = 0, 0
    for place, length in enumerate(lengths.tolist()):
        longest = max(longest, length)
        if place > first and longest * (place + 1 - first) > BLOCKS * BLOCK:
            yield slice(first, place)
            first, longest = place, length
    yield slice(first, len(lengths))


def find_last_stretch(reader: Reader, text: str) -> tuple[Array, str]:
    """Return the end of a text that is read without a reset of the state, and the state before it: (L, S, 1, H).

    Parameters
    ----------
    reader
        A reader at the start of the text.
    text
        One character or more. The stretch starts at the last end symbol.
    """
    if END in text:
        return reader.model.network.zero_state(1), text[text.rindex(END) :]
    return reader.state, text


def group_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indices of texts of equal length, as many together as one batch may hold."""
    order = np.argsort(lengths, kind="stable")  # (N,)
    bounds = {0, *(np.flatnonzero(np.diff(np.array(lengths)[order])) + 1).tolist(), len(order)}
    for first, last in pairwise(sorted(bounds)):
        rows = max(1, MAX_BATCH // max(1, lengths[order[first]]))
        for place in range(first, last, rows):
            yield order[place : min(place + rows, last)].tolist()
