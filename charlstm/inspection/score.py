"""The view of a score: how well a network, or each of two, predicts a text of any length.

A text goes by in pieces, so it costs no memory. Every reader of it gives the surprise at every character; the score is
their sum over the characters that all of them predict, so that two scores of a text are comparable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from charlstm.errors import ConfigError, CorpusError
from charlstm.inspection.passages import Passage, Passages
from charlstm.inspection.surprise import Learning, Reading, Static
from charlstm.inspection.view import Column, Kind, Part, Strip, Table, View
from charlstm.model.model import Model
from charlstm.parameters import Array
from charlstm.text.vocabulary import code_points_of, text_of

PIECE = 1 << 16
KEPT = 100_000
SHOWN = 400


class Score(NamedTuple):
    """How well a text was predicted.

    Attributes
    ----------
    text
        What was read; of a text that was not given whole, its first 100,000 characters.
    surprise : (N,) float64 array
        −log₂ of the probability that the characters before gave to each of its characters, in bits; NaN where nothing
        predicts it: at the first character of a stream, and at one that a reader does not know and leaves out.
    characters
        How many there were in all.
    predicted
        How many of them count: those that were predicted, by all readers.
    bits
        Sum of their surprise.
    passages : list of Passage
        Those that surprise most, none over another, the most surprising one first; of two readers, those that they
        take most differently.
    """

    text: str
    surprise: Array
    characters: int
    predicted: int
    bits: float
    passages: list[Passage]

    @property
    def bits_per_character(self) -> float:
        """Mean surprise in bits; NaN where nothing was predicted."""
        return self.bits / self.predicted if self.predicted else math.nan

    @property
    def perplexity(self) -> float:
        """2 to the power of the bits per character: among how many equally likely characters it was in doubt."""
        return perplexity(self.bits_per_character)


class Scorer(NamedTuple):
    """Who reads.

    Attributes
    ----------
    name
        What the model is called.
    model
        The model.
    rate
        At what rate it learns while it reads; 0: not at all.
    """

    name: str
    model: Model
    rate: float = 0.0

    def begin(self) -> Reading:
        """Return a reading of a new text, with the weights that the model has.

        Raises
        ------
        ConfigError
            If the rate is not a number, 0 or more.
        """
        if not 0.0 <= self.rate < math.inf:
            raise ConfigError(f"the learning rate is {self.rate}; it must be a number, 0 or more")
        return Learning(self.model, self.rate) if self.rate else Static(self.model)


class Text(NamedTuple):
    """A text of any length: its name, and its characters in pieces, which may be iterated over once."""

    name: str
    pieces: Iterable[str]


def perplexity(bits_per_character: float) -> float:
    """Return 2 to the power of bits per character; infinite beyond what a number can hold."""
    return 2.0**bits_per_character if not bits_per_character >= 1024 else math.inf


def scores(text: Text, readers: Sequence[Scorer], skip: bool = False, kept: int | None = None) -> list[Score]:
    """Read a text once with several readers and return the score of each.

    Parameters
    ----------
    text
        What is read.
    readers
        Who reads it, each for itself. The passages are told by the first, or by how the first two differ if neither of
        them learns.
    skip
        True: a reader leaves out what it does not know.
    kept
        Of how many characters the surprise is kept; None: of all.

    Raises
    ------
    CorpusError
        If the text is empty.
    UnknownCharacterError
        If a reader does not know a character of it, and does not leave it out.
    TrainingError
        If a reader learns at too high a rate.
    """
    readings = [reader.begin() for reader in readers]
    compared = 2 if [reader.rate for reader in readers[:2]] == [0.0, 0.0] else 1
    passages, totals, characters, predicted = Passages(), np.zeros(len(readers)), 0, 0
    shown: list[str] = []
    surprise: list[Array] = []
    for piece in even(text.pieces, PIECE):
        rows = np.stack(
            [
                _read(reading, reader, piece, text.name, characters, skip)
                for reading, reader in zip(readings, readers, strict=True)
            ]
        )  # (R, N)
        rows[:, np.isnan(rows).any(axis=0)] = np.nan
        left = len(piece) if kept is None else max(0, kept - characters)
        shown.append(piece[:left])
        surprise.append(rows[:, :left].copy())
        totals += np.nansum(rows, axis=1)
        characters += len(piece)
        predicted += int((~np.isnan(rows[0])).sum())
        passages.add(piece, rows[:compared])
    if not characters:
        raise CorpusError(f"{text.name} is empty; one character or more are needed")
    best, whole = passages.end(), np.concatenate(surprise, axis=1)  # (R, kept)
    return [
        Score("".join(shown), row, characters, predicted, float(total), best)
        for row, total in zip(whole, totals, strict=True)
    ]


def even(pieces: Iterable[str], size: int) -> Iterator[str]:
    """Yield the same text in pieces of one size, the last one aside."""
    held = ""
    for piece in pieces:
        held += piece
        whole = len(held) - len(held) % size
        for first in range(0, whole, size):
            yield held[first : first + size]
        held = held[whole:]
    if held:
        yield held


def _read(reading: Reading, reader: Scorer, piece: str, name: str, before: int, skip: bool) -> Array:
    """Return the surprise at every character of a piece, (N,), NaN where it is left out."""
    vocabulary = reader.model.vocabulary
    if not skip:
        return reading.read(vocabulary.encode(piece, f"{name}, read by {reader.name},", before))
    points = code_points_of(piece)
    known = np.isin(points, vocabulary.code_points)  # (N,)
    found = np.full(len(points), np.nan)
    found[known] = reading.read(vocabulary.encode(text_of(points[known])))
    return found


def score(texts: Sequence[Text], readers: Sequence[Scorer], rate: float = 0.0, skip: bool = False) -> View:
    """Return the scores of texts: of a reader, or of two side by side, and apart from them of those that learn.

    Parameters
    ----------
    texts
        One or more.
    readers
        One or two that do not learn.
    rate
        At what rate they shall learn while they read, each text from the weights of the model file; 0: not at all.
    skip
        True: a reader leaves out what it does not know.

    Raises
    ------
    CorpusError, UnknownCharacterError, TrainingError
        As for `scores`.
    ConfigError
        If the rate is not a number, 0 or more.
    """
    learning = [reader._replace(rate=rate) for reader in readers] if rate else []
    found = [scores(text, [*readers, *learning], skip, KEPT) for text in texts]
    names, still = [text.name for text in texts], len(readers)
    parts: dict[str, Part] = {"score": _table(names, readers, [row[:still] for row in found])}
    if rate:
        parts[f"score while learning at {rate:g}"] = _table(names, readers, [row[still:] for row in found])
    called = "most surprising passages" if still == 1 else "where they differ most"
    parts[called] = _passages(names, readers, [row[0] for row in found])
    if len(texts) == 1:
        titles = [reader.name for reader in readers] if still > 1 else ["bits"]
        rows = [Column(name, one.surprise, Kind.BITS) for name, one in zip(titles, found[0], strict=False)]
        parts["surprise in bits"] = Strip(found[0][0].text, tuple(rows), head=SHOWN)
    return View(parts, tuple(_remarks(readers, [row[0] for row in found], rate)))


def _table(names: Sequence[str], readers: Sequence[Scorer], found: Sequence[Sequence[Score]]) -> Table:
    """Return a row a text, and one for all of them together where there are several."""
    several = len(names) > 1
    of_all = [sum(row[0].characters for row in found), sum(row[0].predicted for row in found)]
    columns = [
        Column("text", [*names, *["total"] * several], Kind.TEXT),
        Column("characters", [*(row[0].characters for row in found), *of_all[:several]], Kind.WHOLE),
        Column("predicted", [*(row[0].predicted for row in found), *of_all[1 : 1 + several]], Kind.WHOLE),
    ]
    for number, reader in enumerate(readers):
        total = sum(row[number].bits for row in found)
        mean = total / of_all[1] if of_all[1] else math.nan
        mine = [(row[number].bits, row[number].bits_per_character, row[number].perplexity) for row in found]
        mine += [(total, mean, perplexity(mean))] * several
        group = reader.name if len(readers) > 1 else ""
        for name, kind, values in zip(
            ("bits", "bits/char", "perplexity"),
            (Kind.WHOLE, Kind.NUMBER, Kind.NUMBER),
            zip(*mine, strict=True),
            strict=True,
        ):
            columns.append(Column(name, values, kind, group))
    return Table(tuple(columns))


def _passages(names: Sequence[str], readers: Sequence[Scorer], found: Sequence[Score]) -> Table:
    rows = [(name, passage) for name, one in zip(names, found, strict=True) for passage in one.passages]
    rows = sorted(rows, key=lambda row: -row[1].weight)[: max(len(one.passages) for one in found)]
    several = [Column("text", [name for name, _ in rows], Kind.TEXT)] if len(names) > 1 else []
    place = Column("place", [f"{passage.line}:{passage.column}" for _, passage in rows], Kind.TEXT)
    bits = [
        Column(
            "bits/char",
            [passage.bits_per_character[number] for _, passage in rows],
            Kind.BITS,
            reader.name if len(readers) > 1 else "",
        )
        for number, reader in enumerate(readers)
    ]
    return Table((*several, place, *bits, Column("passage", [passage.text for _, passage in rows], Kind.TEXT)))


def _remarks(readers: Sequence[Scorer], found: Sequence[Score], rate: float) -> Iterator[str]:
    if not all(reader.model.opening for reader in readers):
        yield "The first character of a text does not count: nothing predicts it."
    characters, predicted = (
        sum(column) for column in zip(*((one.characters, one.predicted) for one in found), strict=True)
    )
    first = 0 if all(reader.model.opening for reader in readers) else len(found)
    if 0 < predicted < characters - first:
        yield f"{characters - first - predicted:,} of {characters:,} characters are unknown, and were left out."
    sizes = [len(reader.model.vocabulary) for reader in readers]
    if len(set(sizes)) > 1:
        told = " and ".join(f"{reader.name} among {size:,}" for reader, size in zip(readers, sizes, strict=True))
        yield f"They choose from different characters: {told}. Only characters that both know count."
    if rate:
        spans = {"line" if r.model.training.lines else f"{r.model.training.seq_len} characters": None for r in readers}
        yield (
            f"While learning, the weights take a step after every {' or '.join(spans)}. Each text begins with those of"
            " the model file, which stays as it is."
        )
    for one in found:
        if one.characters > len(one.text):
            yield f"The surprise at single characters is kept for the first {KEPT:,}."
            return
