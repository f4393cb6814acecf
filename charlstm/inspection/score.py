"""The view of a score: how well a model, or each of two, predicts texts of any length.

A text is read in pieces, so a long text needs little memory. The score is the sum of the surprisal over the characters
that all models predict, so that the scores of two models on a text are comparable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from charlstm.base.config import ADAPT_RATE, AdaptConfig
from charlstm.base.errors import CorpusError
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.inspection.calibration import BINS, Calibration
from charlstm.inspection.passages import Passage, PassageFinder
from charlstm.inspection.surprisal import Evaluation, SequentialEvaluation, StaticEvaluation
from charlstm.inspection.view import (
    Column,
    Kind,
    Part,
    Strip,
    Table,
    TextInput,
    TextSource,
    View,
    skip_remark,
)
from charlstm.model.adaptation import SEGMENT
from charlstm.model.model import Model
from charlstm.network.loss import perplexity
from charlstm.sampling.filters import CACHE, SamplingConfig, check_mix
from charlstm.text.cache import LONGEST, SHORTEST
from charlstm.text.documents import Documents
from charlstm.text.vocabulary import code_points_of, text_of

PIECE = 1 << 16
KEPT = 100_000
HEAD = 400


class Score(NamedTuple):
    """How well a text is predicted.

    Attributes
    ----------
    text
        The text; of a text read in pieces, its first 100,000 characters.
    surprise : (N,) float64 array
        Surprisal −log₂ p of each of its characters given those before it, in bits. NaN where there is no prediction: at
        the first character of a stream, and at a character that is skipped because a model does not know it.
    characters
        Number of characters in the whole text.
    predicted
        Number of characters that count: those that all models predict.
    bits
        Sum of their surprisal.
    passages : list of Passage
        The most surprising passages, without overlaps, best first; with two models, those predicted most differently.
    documents
        Number of documents that end in the text: separators in it, and the end of a file. 0 for a stream.
    document_bits
        Sum of the surprisal of these documents, with that of the end symbols.
    calibration : Calibration
        How well the probabilities agree with what occurs, and the fitted temperature.
    """

    text: str
    surprise: Array
    characters: int
    predicted: int
    bits: float
    passages: list[Passage]
    documents: int = 0
    document_bits: float = 0.0
    calibration: Calibration | None = None

    def __repr__(self) -> str:
        bits = f"{self.bits_per_character:.4f} bits per character"
        if self.documents:
            bits += f", {self.bits_per_document:.1f} bits per document"
        return f"<Score: {bits}, {self.predicted:,} of {self.characters:,} characters predicted>"

    @property
    def bits_per_character(self) -> float:
        """Mean surprisal in bits; NaN where nothing was predicted."""
        return self.bits / self.predicted if self.predicted else math.nan

    @property
    def bits_per_document(self) -> float:
        """Mean surprisal of a document with its end symbol, in bits; NaN where no document ends."""
        return self.document_bits / self.documents if self.documents else math.nan

    @property
    def perplexity(self) -> float:
        """2 to the power of the bits per character: the number of equally probable characters with this surprisal."""
        return perplexity(self.bits_per_character)


class Scorer(NamedTuple):
    """A model that is scored.

    Attributes
    ----------
    name
        Name of the model, for headings.
    model
        The model.
    rate
        Learning rate of dynamic evaluation; 0 keeps the weights fixed.
    mix
        Weights of the counts that are mixed in, by name, as `SamplingConfig.mix` has them.
    """

    name: str
    model: Model
    rate: float = 0.0
    mix: tuple[tuple[str, float], ...] = ()

    @property
    def is_static(self) -> bool:
        """Whether the weights are fixed, and nothing is mixed in."""
        return not self.rate and not self.mix

    def start(self) -> Evaluation:
        """Return an evaluation on a new text, with the weights of the model file."""
        if self.is_static:
            return StaticEvaluation(self.model)
        return SequentialEvaluation(self.model, self.rate, self.mix)


def score_text(text: TextSource, scorers: Sequence[Scorer], skip: bool = False, kept: int | None = None) -> list[Score]:
    """Read a text once and return the score of each model.

    Parameters
    ----------
    text
        The text.
    scorers
        The models. The passages are those of the first, or of the difference between the first two if both are static.
    skip
        True: each model skips the characters that it does not know.
    kept
        Number of characters whose surprisal is kept; None keeps all.

    Raises
    ------
    CorpusError
        If the text is empty.
    UnknownCharacterError
        If a model does not know a character and does not skip it.
    TrainingError
        If dynamic evaluation diverges.
    """
    evaluations = [scorer.start() for scorer in scorers]
    compared = 2 if sum(scorer.is_static for scorer in scorers[:2]) == 2 else 1
    documents = choose_documents(scorers)
    finder = PassageFinder(documents.separator.count("\n"))
    totals, whole, characters, predicted, ended = np.zeros(len(scorers)), np.zeros(len(scorers)), 0, 0, 0
    head: list[str] = []
    surprise: list[Array] = []
    for piece in cut_evenly(text.parse(documents), PIECE):
        rows = np.stack(
            [
                _read(evaluation, scorer, piece, text.name, characters, skip, documents)
                for evaluation, scorer in zip(evaluations, scorers, strict=True)
            ]
        )  # (R, N)
        rows[:, np.isnan(rows).any(axis=0)] = np.nan
        left = len(piece) if kept is None else max(0, kept - characters)
        head.append(piece[:left])
        surprise.append(rows[:, :left].copy())
        if END in piece:
            whole = totals + np.nansum(rows[:, : piece.rindex(END) + 1], axis=1)
            ended += piece.count(END)
        totals += np.nansum(rows, axis=1)
        characters += len(piece)
        predicted += int((~np.isnan(rows[0])).sum())
        finder.add(piece, rows[:compared])
    if not characters:
        raise CorpusError(f"{text.name} is empty; give one character or more")
    passages, rows = finder.finish(), np.concatenate(surprise, axis=1)  # (R, kept)
    return [
        Score(
            "".join(head),
            row,
            characters,
            predicted,
            float(total),
            passages,
            ended,
            float(bits),
            evaluation.calibration,
        )
        for row, total, bits, evaluation in zip(rows, totals, whole, evaluations, strict=True)
    ]


def choose_documents(scorers: Sequence[Scorer]) -> Documents:
    """Return how a text is cut: as the first model of documents cuts it, whatever the order of the models."""
    every = [scorer.model.documents for scorer in scorers]
    return next(filter(None, every), every[0])


def cut_evenly(pieces: Iterable[str], size: int) -> Iterator[str]:
    """Yield a text in pieces of one size; the last one may be shorter.

    Examples
    --------
    >>> list(cut_evenly(["ab", "cde", "", "fg"], 3))
    ['abc', 'def', 'g']
    """
    rest = ""
    for piece in pieces:
        rest += piece
        whole = len(rest) - len(rest) % size
        for first in range(0, whole, size):
            yield rest[first : first + size]
        rest = rest[whole:]
    if rest:
        yield rest


def _read(
    evaluation: Evaluation, scorer: Scorer, piece: str, name: str, before: int, skip: bool, documents: Documents
) -> Array:
    """Return the surprisal of every character of a piece, (N,), NaN where it is skipped.

    A stream reads the text that separates documents in the place of an end symbol, whose surprisal is the sum of its.
    """
    if END in piece and not scorer.model.documents and len(documents.separator) > 1 and documents.separates:
        sizes = [len(documents.separator) if character == END else 1 for character in piece]  # (N,)
        bits = _read(evaluation, scorer, documents.format(piece), name, before, skip, documents)
        return np.add.reduceat(bits, np.cumsum([0, *sizes[:-1]]))
    vocabulary = scorer.model.vocabulary
    if not skip:
        return evaluation.read(vocabulary.encode(piece, f"{name}, read by {scorer.name},", before))
    points = code_points_of(vocabulary.translate(piece))
    known = np.isin(points, vocabulary.code_points)  # (N,)
    bits = np.full(len(points), np.nan)
    bits[known] = evaluation.read(vocabulary.encode(text_of(points[known])))
    return bits


def view_score(
    model: Model,
    given: TextInput,
    compare: Mapping[str, Model] | None = None,
    adapt: bool = False,
    adapt_rate: float = ADAPT_RATE,
    mix: Sequence[tuple[str, float]] = (),
) -> View:
    """Return the scores of texts for a model, or two: with fixed weights, with dynamic evaluation, mixed with counts.

    Parameters
    ----------
    model
        The model.
    given
        The texts.
    compare
        Name → another model to score beside it.
    adapt
        True: also score with dynamic evaluation, which starts each text from the weights of the model file.
    adapt_rate
        Its learning rate.
    mix
        Also score with a mixture, of dynamic evaluation if that is asked for: weights by name, as `SamplingConfig.mix`.

    Raises
    ------
    CorpusError, UnknownCharacterError, TrainingError
        As for `score_text`.
    ConfigError
        If `adapt` is not True or False, the rate is not a number above 0, or `mix` is not possible.
    """
    config, mixed = AdaptConfig(adapt, adapt_rate), check_mix(mix)
    static = [Scorer(given.model_name, model), *(Scorer(name, other) for name, other in (compare or {}).items())]
    kinds = {"": static}
    learning = f" with dynamic evaluation at a learning rate of {config.adapt_rate:g}" if config.adapt else ""
    if learning:
        kinds[learning] = [scorer._replace(rate=config.adapt_rate) for scorer in static]
    if mixed:
        for scorer in static:
            SamplingConfig(mix=mixed).check_counts(scorer.model, scorer.name)
        weights = " and ".join(f"{name} at weight {weight:g}" for name, weight in mixed)
        kinds[f"{learning}, mixed with {weights}"] = [scorer._replace(mix=mixed) for scorer in kinds[learning]]
    scorers = [scorer for kind in kinds.values() for scorer in kind]
    found = [score_text(text, scorers, given.skip_unknown, KEPT) for text in given.texts]
    names, count = [text.name for text in given.texts], len(static)
    groups = {kind: [row[count * k : count * (k + 1)] for row in found] for k, kind in enumerate(kinds)}
    parts: dict[str, Part] = {
        f"score{which}": _build_score_table(names, static, scores) for which, scores in groups.items()
    }
    label = "most surprising passages" if count == 1 else "passages that differ most"
    parts[label] = _build_passage_table(names, static, [row[0] for row in found])
    for which, scores in groups.items():
        calibrations = [_merge([row[number] for row in scores]) for number in range(count)]
        parts[f"calibration{which}"] = _build_reliability_table(static, calibrations)
        parts[f"fitted temperature{which}"] = _build_temperature_table(static, calibrations)
    if len(given.texts) == 1:
        titles = [scorer.name for scorer in static] if count > 1 else ["bits"]
        rows = [Column(name, one.surprise, Kind.BITS) for name, one in zip(titles, found[0], strict=False)]
        parts["surprisal in bits"] = Strip(found[0][0].text, tuple(rows), head=HEAD)
    return View(parts, tuple(_list_remarks(static, [row[0] for row in found], config.adapt, dict(mixed))))


def _merge(scores: Sequence[Score]) -> Calibration:
    """Return the calibration over several texts."""
    merged = Calibration()
    for score in scores:
        if score.calibration is not None:
            merged.merge(score.calibration)
    return merged


def _build_reliability_table(scorers: Sequence[Scorer], calibrations: Sequence[Calibration]) -> Table:
    """Return one row per bin of probabilities."""
    columns = [Column("probability", [f"{10 * k} to {10 * k + 10} %" for k in range(BINS)], Kind.TEXT)]
    for scorer, calibration in zip(scorers, calibrations, strict=True):
        group = scorer.name if len(scorers) > 1 else ""
        columns += [
            Column("predictions", calibration.predictions, Kind.WHOLE, group),
            Column("predicted", calibration.predicted, Kind.PERCENT, group),
            Column("observed", calibration.observed, Kind.PERCENT, group),
        ]
    return Table(tuple(columns))


def _build_temperature_table(scorers: Sequence[Scorer], calibrations: Sequence[Calibration]) -> Table:
    """Return one row per model."""
    return Table(
        (
            Column("model", [scorer.name for scorer in scorers], Kind.TEXT),
            Column("temperature", [calibration.temperature for calibration in calibrations]),
            Column("bits/char", [calibration.bits_per_character for calibration in calibrations]),
        )
    )


def _build_score_table(names: Sequence[str], scorers: Sequence[Scorer], found: Sequence[Sequence[Score]]) -> Table:
    """Return one row per text, and one for the total of several texts."""
    several = len(names) > 1
    characters, predicted = sum(row[0].characters for row in found), sum(row[0].predicted for row in found)
    columns = [
        Column("text", [*names, *["total"] * several], Kind.TEXT),
        Column("characters", [*(row[0].characters for row in found), *[characters] * several], Kind.WHOLE),
        Column("predicted", [*(row[0].predicted for row in found), *[predicted] * several], Kind.WHOLE),
    ]
    ended = sum(row[0].documents for row in found)
    if ended:
        columns.append(Column("documents", [*(row[0].documents for row in found), *[ended] * several], Kind.WHOLE))
    for number, scorer in enumerate(scorers):
        total = sum(row[number].bits for row in found)
        mean = total / predicted if predicted else math.nan
        mine = [(row[number].bits, row[number].bits_per_character, row[number].perplexity) for row in found]
        mine += [(total, mean, perplexity(mean))] * several
        bits, per_character, perplexities = zip(*mine, strict=True)
        group = scorer.name if len(scorers) > 1 else ""
        columns += [
            Column("bits", bits, Kind.WHOLE, group),
            Column("bits/char", per_character, Kind.NUMBER, group),
            Column("perplexity", perplexities, Kind.NUMBER, group),
        ]
        if ended:
            mean = sum(row[number].document_bits for row in found) / ended
            per_document = [*(row[number].bits_per_document for row in found), *[mean] * several]
            columns.append(Column("bits/doc", per_document, Kind.NUMBER, group))
    return Table(tuple(columns))


def _build_passage_table(names: Sequence[str], scorers: Sequence[Scorer], found: Sequence[Score]) -> Table:
    rows = [(name, passage) for name, one in zip(names, found, strict=True) for passage in one.passages]
    rows = sorted(rows, key=lambda row: -row[1].weight)[: max(len(one.passages) for one in found)]
    several = [Column("text", [name for name, _ in rows], Kind.TEXT)] if len(names) > 1 else []
    place = Column("line:column", [f"{passage.line}:{passage.column}" for _, passage in rows], Kind.TEXT)
    bits = [
        Column(
            "bits/char",
            [passage.bits_per_character[number] for _, passage in rows],
            Kind.BITS,
            scorer.name if len(scorers) > 1 else "",
        )
        for number, scorer in enumerate(scorers)
    ]
    return Table((*several, place, *bits, Column("passage", [passage.text for _, passage in rows], Kind.TEXT)))


def _list_remarks(
    scorers: Sequence[Scorer], found: Sequence[Score], adapts: bool, mix: Mapping[str, float]
) -> Iterator[str]:
    predicts_first = all(scorer.model.opening for scorer in scorers)
    if not predicts_first:
        yield "The first character of a text does not count, because there is no prediction of it."
    characters, predicted = sum(one.characters for one in found), sum(one.predicted for one in found)
    skipped = characters - predicted - (0 if predicts_first else len(found))
    if predicted and skipped > 0:
        yield skip_remark(skipped, characters)
    streams = [scorer.name for scorer in scorers if not scorer.model.documents]
    if streams and choose_documents(scorers).separates:
        yield (
            f"Where a document ends, {' and '.join(streams)} reads the text that separates documents, and its bits are"
            " added up."
        )
    sizes = [len(scorer.model.vocabulary) for scorer in scorers]
    if len(set(sizes)) > 1:
        each = " and ".join(f"{scorer.name} has {size:,}" for scorer, size in zip(scorers, sizes, strict=True))
        yield f"The models have vocabularies of different size: {each} characters. Characters that both know count."
    if adapts:
        yield (
            f"Dynamic evaluation takes a gradient step after every {SEGMENT} characters and at the end of a document."
            " Each text starts from the weights of the model file, which stays unchanged."
        )
    if CACHE in mix:
        yield (
            f"The cache is an n-gram model of the text that was read before each character, with contexts of"
            f" {SHORTEST} to {LONGEST} characters. Each text starts with an empty cache."
        )
    yield (
        "Calibration counts the probability that the model gives to each character of its vocabulary at each place. The"
        " fitted temperature, from 0.2 to 5, is the one with the fewest bits per character on this text. Above 1, the"
        " model is overconfident."
    )
    if any(one.characters > len(one.text) for one in found):
        yield f"The surprisal of single characters is kept for the first {KEPT:,} characters."
