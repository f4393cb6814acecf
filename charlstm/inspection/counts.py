"""The view of counts: how well an n-gram model of the training set predicts a text, beside and mixed with the network.

A character is an error of a model that gives it a probability below one half, as in Karpathy, Johnson & Fei-Fei 2015.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from charlstm.base.errors import ConfigError, CorpusError
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.inspection.error_kinds import KINDS, PLACES, Sorter
from charlstm.inspection.passages import COUNT, Passage, PassageFinder
from charlstm.inspection.score import cut_evenly
from charlstm.inspection.surprisal import StaticEvaluation
from charlstm.inspection.view import (
    Column,
    CorpusInput,
    Kind,
    Part,
    Strip,
    Table,
    TextInput,
    TextSource,
    View,
    skip_remark,
)
from charlstm.model.counts import Counts
from charlstm.model.model import Model
from charlstm.network.loss import NATS_PER_BIT, perplexity
from charlstm.sampling.mixture import mix
from charlstm.text.ngrams import NOTHING
from charlstm.training.counting import ORDER, Counted, check_order, count_corpus
from charlstm.training.options import check_paths

PIECE = 1 << 18
KEPT = 1_000_000
HEAD = 200
ERROR_BELOW = 0.5
NETWORK, NGRAM, MIXTURE = "network", "n-gram", "mixture"


class Sums(NamedTuple):
    """Sums over the characters of texts that are predicted.

    Attributes
    ----------
    bits : dict
        Name of a predictor → (places,) sums of its surprisal, in bits.
    errors, error_bits : dict
        Name of a predictor → (kinds,) numbers of its errors, and sums of their surprisal.
    order_bits : (order,) array
        Sum of the surprisal under the n-gram model of each order.
    characters, ngram_better : (places,) arrays
        Number of characters, and of those that the n-gram model gives a higher probability than the network.
    """

    bits: dict[str, Array]
    errors: dict[str, Array]
    error_bits: dict[str, Array]
    order_bits: Array
    characters: Array
    ngram_better: Array


class Comparison:
    """Reads texts with a network and an n-gram model, and sums up how well each predicts them.

    Parameters
    ----------
    model
        The model.
    counts
        The counts, with or without a weight.

    Attributes
    ----------
    sums : Sums
        The sums so far.
    text : str
        The first million characters.
    passages : list of (str, Passage)
        The passages that the two predict most differently, each with the name of its text.
    """

    def __init__(self, model: Model, counts: Counts) -> None:
        self._model, self._counts = model, counts
        names = [NETWORK, NGRAM, *[MIXTURE] * (counts.weight is not None)]
        self.sums = Sums(
            {name: np.zeros(len(PLACES)) for name in names},
            {name: np.zeros(len(KINDS)) for name in (NETWORK, NGRAM)},
            {name: np.zeros(len(KINDS)) for name in (NETWORK, NGRAM)},
            np.zeros(counts.order),
            np.zeros(len(PLACES)),
            np.zeros(len(PLACES)),
        )
        self.text = ""
        self.read = 0
        self.passages: list[tuple[str, Passage]] = []
        self._kept: list[Array] = []

    def add(self, text: TextSource, skip: bool) -> int:
        """Read a text; return the number of characters of it that were skipped."""
        model = self._model
        evaluation, sorter = StaticEvaluation(model), Sorter(self._counts.words)
        finder = PassageFinder(model.documents.separator.count("\n"))
        before = np.full(1, NOTHING)
        if model.documents:
            before = model.opening_ids(1).astype(np.int64)
        given = predicted = 0
        for piece in _cut_between_words(text.parse(model.documents)):
            known = model.vocabulary.known(piece) if skip else piece
            ids = model.vocabulary.encode(known, text.name, given)  # (N,)
            given += len(piece)
            network = np.exp2(-evaluation.read(ids))  # (N,)
            read = np.concatenate([before, model.inputs(ids[:, None])[:, 0]])  # (C + N,)
            orders = self._predict(read[:-1], ids)  # (order, N)
            before = read[-max(self._counts.order - 1, 1) :].astype(np.int64)
            bits = self._sum(known, network, orders, sorter)
            finder.add(known, np.stack([bits[NETWORK], bits[NGRAM]]))
            predicted += len(known)
        if not given:
            raise CorpusError(f"{text.name} is empty; give one character or more")
        found = [*self.passages, *((text.name, passage) for passage in finder.finish())]
        self.passages = sorted(found, key=lambda each: -each[1].weight)[:COUNT]
        self.read += predicted
        return given - predicted

    def _predict(self, read: Array, ids: Array) -> Array:
        """Return the probability of each character under the n-gram model of every order: (order, N).

        Parameters
        ----------
        read : (C + N − 1,) array
            What is read: C symbols before the text, and all of it but the last character.
        ids : (N,) array of ids
            The text.
        """
        targets = np.concatenate([np.zeros(len(read) - len(ids), np.int64), ids])
        return self._counts.ngrams.model.predict_by_order(read, targets)[:, len(read) - len(ids) :]

    def _sum(self, text: str, network: Array, orders: Array, sorter: Sorter) -> dict[str, Array]:
        """Add characters to the sums; return the surprisal under each predictor: name → (N,)."""
        kinds, places = sorter.add(text, np.asarray((orders >= ERROR_BELOW).any(axis=0)))  # (N,) each
        p = {NETWORK: network, NGRAM: orders[-1]}
        if self._counts.weight is not None:
            p[MIXTURE] = mix(network, orders[-1], self._counts.weight)
        counted = ~np.isnan(network)  # (N,)  all but the first character of a stream
        sums = self.sums
        with np.errstate(divide="ignore"):
            bits = {name: 0.0 - np.log2(np.where(counted, values, np.nan)) for name, values in p.items()}
            order_bits = -np.log2(orders[:, counted]).sum(axis=1)
        for name, values in bits.items():
            sums.bits[name][:] += np.bincount(places[counted], values[counted], len(PLACES))
        for name in (NETWORK, NGRAM):
            wrong = counted & (p[name] < ERROR_BELOW)
            sums.errors[name][:] += np.bincount(kinds[wrong], minlength=len(KINDS))
            sums.error_bits[name][:] += np.bincount(kinds[wrong], bits[name][wrong], len(KINDS))
        sums.order_bits[:] += order_bits
        sums.characters[:] += np.bincount(places[counted], minlength=len(PLACES))
        sums.ngram_better[:] += np.bincount(places[counted & (p[NGRAM] > p[NETWORK])], minlength=len(PLACES))
        room = KEPT - len(self.text)
        self.text += text[:room]
        gain = network - orders[-1]  # (N,)
        self._kept.append(np.stack([*bits.values(), gain])[:, : max(room, 0)])
        return bits

    @property
    def strip(self) -> Strip:
        """The text with the surprisal of each character under each predictor, and the gain of the network."""
        *bits, gain = np.concatenate(self._kept, axis=1)
        rows = [Column(name, values, Kind.BITS) for name, values in zip(self.sums.bits, bits, strict=True)]
        return Strip(self.text, (*rows, Column("gain", gain, Kind.SIGNED)), head=HEAD)


def _cut_between_words(pieces: Iterable[str]) -> Iterator[str]:
    """Yield a text in pieces that do not end within a word, unless it fills a piece."""
    rest = ""
    for piece in cut_evenly(pieces, PIECE):
        rest += piece
        cut = len(rest)
        while cut and rest[cut - 1].isalnum():
            cut -= 1
        if cut or len(rest) > PIECE:
            yield rest[: cut or len(rest)]
            rest = rest[cut or len(rest) :]
    if rest:
        yield rest


def view_counts(
    model: Model,
    given: TextInput | None = None,
    against: CorpusInput | str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    order: int | None = None,
) -> View:
    """Return how well an n-gram model predicts texts, beside the network, and mixed with it.

    Parameters
    ----------
    model
        The model.
    given
        The texts; None: the validation set of `against`.
    against
        The corpus whose training set is counted; None: the model holds counts.
    order
        Symbols of the longest n-gram, 1 to 12; None: 6, or that of the counts that the model holds.

    Raises
    ------
    ConfigError
        If there are no counts and no corpus, the order is out of range, or there is no text.
    CorpusError
        If a corpus cannot be read, or has characters that the model does not know; or a text is empty.
    UnknownCharacterError
        If the model does not know a character of a text and does not skip it.
    """
    counted = _count(model, against, order)
    counts = model.counts if counted is None else counted.model.counts
    if counts is None:
        raise ConfigError(
            "the model holds no counts",
            python='name the corpus to count with against="corpus.txt", or add counts with model.with_counts(corpus)',
            command="name the corpus to count with --against, or train with --counts",
        )
    texts = given or TextInput([_find_validation_set(model, counted)])
    comparison = Comparison(model, counts)
    skipped = sum(comparison.add(text, texts.skip_unknown) for text in texts.texts)
    parts: dict[str, Part] = {
        "text": _list_facts(comparison, counts),
        **({"surprisal in bits": comparison.strip} if len(texts.texts) == 1 else {}),
        "score": _build_score_table(comparison.sums),
        "by place": _build_place_table(comparison.sums),
        "errors": _build_kind_table(comparison.sums),
        "by order": _build_order_table(comparison.sums),
        "passages that differ most": _build_passage_table(comparison.passages, len(texts.texts) > 1),
    }
    return View(parts, tuple(_list_remarks(model, counts, counted, given, comparison, skipped)))


def _count(model: Model, against: Any, order: int | None) -> Counted | None:
    """Return the model with the counts of a corpus; None without a corpus."""
    if order is not None:
        check_order(order, "order")
    if against is None:
        if order is not None and model.counts is not None and order != model.counts.order:
            raise ConfigError(
                f"order is {order}, and the counts that the model holds have order {model.counts.order}",
                python="leave it out, or name the corpus to count with against",
                command="leave it out, or name the corpus to count with --against",
            )
        return None
    if not isinstance(against, CorpusInput):
        against = CorpusInput(check_paths("against", against))
    if not against.paths:
        raise ConfigError("against names no file; give one or more")
    return count_corpus(model, against.paths, order or ORDER, against.encoding, against.field)


def _find_validation_set(model: Model, counted: Counted | None) -> TextSource:
    """Return the validation set of a corpus as a text; of a model with labels, the documents with the chosen one."""
    spans = [] if counted is None else counted.split.validation_spans.tolist()
    if counted is not None and model.label is not None:
        label = model.labels.index(model.label)
        spans = [
            span for span, mine in zip(spans, counted.split.validation_labels.tolist(), strict=True) if mine == label
        ]
    if counted is None or not spans:
        raise ConfigError("there is no validation set to read; give a text of one character or more")
    end = END if model.documents else ""
    ids, decode = counted.corpus.ids, counted.corpus.vocabulary.decode
    return TextSource("the validation set", (decode(ids[start:stop]) + end for start, stop in spans))


def _list_facts(comparison: Comparison, counts: Counts) -> dict[str, Any]:
    sums, total = comparison.sums, float(comparison.sums.characters.sum())
    facts: dict[str, Any] = {
        "characters": comparison.read,
        "predicted": int(total),
        "order of the n-gram": counts.order,
    }
    if counts.weight is not None:
        facts["weight of the n-gram"] = counts.weight
    return facts | {"n-gram better": float(_share(sums.ngram_better.sum(), total))}


def _build_score_table(sums: Sums) -> Table:
    """Return one row per predictor: its surprisal."""
    bits = np.array([values.sum() for values in sums.bits.values()])  # (R,)
    mean = _share(bits, float(sums.characters.sum()))
    return Table(
        (
            Column("predictor", list(sums.bits), Kind.TEXT),
            Column("bits", bits, Kind.WHOLE),
            Column("bits/char", mean, Kind.NUMBER),
            Column("nats/char", mean * NATS_PER_BIT, Kind.NUMBER),
            Column("perplexity", [perplexity(value) for value in mean.tolist()], Kind.NUMBER),
        )
    )


def _share(values: Array, of: Array | float) -> Array:
    """Return values divided by others; NaN where these are 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(values / np.where(np.asarray(of) > 0, of, np.nan))


def _build_place_table(sums: Sums) -> Table:
    """Return one row per place in a word that occurs: the surprisal per character, and where the n-gram is better."""
    rows = np.flatnonzero(sums.characters)
    bits = [Column(name, _share(values, sums.characters)[rows], Kind.NUMBER) for name, values in sums.bits.items()]
    return Table(
        (
            Column("place", [PLACES[row] for row in rows], Kind.TEXT),
            Column("characters", sums.characters[rows].astype(np.int64), Kind.WHOLE),
            *(column._replace(group="bits/char") for column in bits),
            Column("n-gram better", _share(sums.ngram_better, sums.characters)[rows], Kind.PERCENT),
        )
    )


def _build_kind_table(sums: Sums) -> Table:
    """Return one row per kind of error that occurs, and one for all errors."""
    rows = np.flatnonzero(sums.errors[NETWORK] + sums.errors[NGRAM])
    columns = [Column("kind", [*(KINDS[row] for row in rows), "all errors"], Kind.TEXT)]
    for name in (NETWORK, NGRAM):
        errors, bits = sums.errors[name], sums.error_bits[name]
        columns += [
            Column("errors", np.append(errors[rows], errors.sum()).astype(np.int64), Kind.WHOLE, name),
            Column("share", _share(np.append(errors[rows], errors.sum()), errors.sum()), Kind.PERCENT, name),
            Column("of bits", _share(np.append(bits[rows], bits.sum()), bits.sum()), Kind.PERCENT, name),
        ]
    return Table(tuple(columns))


def _build_order_table(sums: Sums) -> Table:
    """Return one row per order of n-gram models: the surprisal per character if it is the highest order."""
    bits = _share(sums.order_bits, float(sums.characters.sum()))
    return Table(
        (
            Column("order", range(1, len(bits) + 1), Kind.WHOLE),
            Column("bits/char", bits, Kind.NUMBER),
            Column("nats/char", bits * NATS_PER_BIT, Kind.NUMBER),
        )
    )


def _build_passage_table(found: Sequence[tuple[str, Passage]], several: bool) -> Table:
    passages = [passage for _, passage in found]
    names = [Column("text", [name for name, _ in found], Kind.TEXT)] if several else []
    bits = [
        Column(name, [passage.bits_per_character[number] for passage in passages], Kind.BITS, "bits/char")
        for number, name in enumerate((NETWORK, NGRAM))
    ]
    places = [f"{passage.line}:{passage.column}" for passage in passages]
    texts = [passage.text for passage in passages]
    return Table((*names, Column("line:column", places, Kind.TEXT), *bits, Column("passage", texts, Kind.TEXT)))


def _list_remarks(
    model: Model,
    counts: Counts,
    counted: Counted | None,
    given: TextInput | None,
    comparison: Comparison,
    skipped: int,
) -> Iterator[str]:
    yield (
        "A character is an error if its probability is below one half. An error belongs to the first kind that fits."
        " The gain is the probability of a character under the network minus that under the n-gram model."
    )
    if counts.weight is None:
        yield "The model has no validation set on which the weight of a mixture is fitted, so there is no mixture."
    elif given is None:
        yield "The weight of the mixture was fitted on the same text, the validation set."
    if counted is not None and counted.corpus.facts.sha256 != model.facts.sha256:
        yield "The corpus is not the one that the model was trained on."
    if not model.documents:
        yield "The first character of a text does not count, because there is no prediction of it."
    if skipped:
        yield skip_remark(skipped, comparison.read + skipped)
    if comparison.read > KEPT:
        yield f"The surprisal of single characters is kept for the first {KEPT:,} characters."
