"""Beam search: find likely continuations of a text while keeping the N best partial ones.

Each step tries every next character of every text in the beam and keeps the N most likely results:

    log p(text) = Σ_t log p(character_t | seed, character_1 … character_{t−1})

Texts that stop leave the beam. Probabilities never grow, so the search ends when no text in the beam is more likely
than the worst result that is wanted. The greedy text, which takes the most likely character at every step, stays in the
beam to its end, so the best result is never less likely than it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from charlstm.base.config import check_whole
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.model.model import Model, Reader
from charlstm.network.loss import NATS_PER_BIT, log_softmax
from charlstm.sampling.decoder import MAX_ROWS, check_finite
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.sampler import Origin, Sample
from charlstm.sampling.stopping import Stopper, StoppingRules

MAX_LENGTH = 10_000


class BeamResult(NamedTuple):
    """A text that the search found.

    Attributes
    ----------
    text
        The new characters.
    log_probability
        Log-probability of all characters under the network, in nats, including a hidden stop string.
    shown_log_probability
        Log-probability of the characters of `text`, and of the end symbol after a whole document, in nats.
    stop
        Why it stopped.
    """

    text: str
    log_probability: float
    shown_log_probability: float
    stop: str

    @property
    def predicted(self) -> int:
        """Number of predictions in the text: its characters, and the end symbol after a whole document."""
        return len(self.text) + (self.stop == "end")


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A partial text: its last character and the hypothesis that it extends.

    Attributes
    ----------
    stopper
        Applies the stopping rules to the whole text.
    log_probability
        Of the whole text, in nats.
    character
        The last character.
    parent
        The text before it; None: the seed.
    shown
        Number of characters that can be shown.
    greedy
        Whether every character was the most likely one.
    """

    stopper: Stopper
    log_probability: float = 0.0
    character: str = ""
    parent: Hypothesis | None = None
    shown: int = 0
    greedy: bool = True

    def extend(self, character: str, log_probability: float, greedy: bool) -> Hypothesis:
        """Return the text with one more character; `log_probability` is that of the longer text."""
        stopper = copy(self.stopper)
        shown = self.shown + stopper.add(character)
        return Hypothesis(stopper, log_probability, character, self, shown, greedy)

    def result(self) -> BeamResult:
        """Return the whole text."""
        path = []
        node: Hypothesis | None = self
        while node is not None and node.parent is not None:
            path.append(node)
            node = node.parent
        shown = path[::-1][: self.shown]
        shown_log_probability = shown[-1].log_probability if shown else 0.0
        text = "".join(node.character for node in shown).removesuffix(END)
        return BeamResult(text, self.log_probability, shown_log_probability, self.stopper.reason or "length")


def beam_search(
    model: Model,
    seed: str,
    width: int,
    stopping: StoppingRules,
    sampling: SamplingConfig,
    count: int = 1,
    report: Callable[[int], object] | None = None,
) -> list[BeamResult]:
    """Find likely continuations of a text.

    Parameters
    ----------
    model
        The model that predicts the characters.
    seed
        The text to continue; empty: begin a document, or in a stream a line.
    width
        Number of texts in the beam (N), 1 to 100,000; 1 is greedy decoding.
    stopping
        Where a text stops; at the latest after 10,000 characters.
    sampling
        Only its `forbid` and `only` apply.
    count
        Number of results, at most N.
    report
        Called with the number of characters of the seed that are read, again and again until all are.

    Returns
    -------
    list of BeamResult
        The most likely first; among equal ones the one with lower ids. Fewer than `count` if there are no more texts.

    Raises
    ------
    UnknownCharacterError
        If the seed contains characters that the model does not know.
    ConfigError
        If a number is out of range, or the rules allow no character.
    CharlstmError
        If a prediction has no probabilities.
    """
    width = check_whole("width", width, 1, MAX_ROWS)
    count = check_whole("count", count, 1, width)
    allowed = sampling.allowed(model.vocabulary.code_points)  # (V,)
    stopping.check_allowed(model.vocabulary.code_points, allowed)
    text = model.documents.parse(seed)
    start = model.opening if text else model.start
    reader = Reader(model)
    reader.read(model.vocabulary.encode(start + text, "the seed", -len(start))[:, None], report)
    reader = reader.copies(width)
    root = Hypothesis(Stopper(stopping if stopping.length is not None else replace(stopping, length=MAX_LENGTH)))
    if root.stopper.reason:
        return [root.result()]
    beam, done = [root], list[Hypothesis]()
    while beam and (len(done) < count or max(text.log_probability for text in beam) > done[-1].log_probability):
        log_p = log_softmax(reader.logits[: len(beam)].astype(np.float64))  # (n, V)
        check_finite(log_p)
        kept = _expand(model, beam, done, log_p if allowed is None else np.where(allowed, log_p, -np.inf), width, count)
        beam = [text for _, text in kept]
        places = np.array([place for place, _ in kept] + [0] * (width - len(kept)), np.intp)  # (N,)
        reader.choose(places // log_p.shape[1])
        reader.read((places % log_p.shape[1])[None])
    return [text.result() for text in done]


def search_samples(
    model: Model,
    seed: str,
    width: int,
    stopping: StoppingRules,
    sampling: SamplingConfig,
    count: int,
    report: Callable[[int], object] | None = None,
) -> list[Sample]:
    """Return the results of `beam_search` as samples; the number of each is its rank, from 0."""
    results = beam_search(model, seed, width, stopping, sampling, count, report)
    shown = model.documents.format(model.documents.parse(seed))
    return [
        Sample(
            shown,
            result.text,
            -result.shown_log_probability / NATS_PER_BIT / result.predicted if result.predicted else math.nan,
            result.stop,
            rank,
            Origin(sampling, stopping, beam=width, adapt_rate=model.adapt_rate),
        )
        for rank, result in enumerate(results)
    ]


def _expand(
    model: Model, beam: list[Hypothesis], done: list[Hypothesis], log_p: Array, width: int, count: int
) -> list[tuple[int, Hypothesis]]:
    """Return the texts of the next beam, each with its flat index into `log_p`, (n, V); add the others to `done`."""
    totals = (np.array([text.log_probability for text in beam])[:, None] + log_p).reshape(-1)  # (n·V,)
    greedy = {row * log_p.shape[1] + int(log_p[row].argmax()) for row, text in enumerate(beam) if text.greedy}
    kept: list[tuple[int, Hypothesis]] = []

    def take(place: int) -> None:
        row, character = divmod(place, log_p.shape[1])
        text = beam[row].extend(model.vocabulary.character(character), float(totals[place]), place in greedy)
        if text.stopper.reason:
            done[:] = sorted([*done, text], key=lambda other: -other.log_probability)[:count]
        else:
            kept.append((place, text))

    reserved = set(greedy)
    for place in np.argsort(-totals, kind="stable").tolist():
        hopeless = totals[place] == -np.inf or (len(done) == count and totals[place] <= done[-1].log_probability)
        if len(kept) + len(reserved) >= width or hopeless:
            break
        reserved.discard(place)
        take(place)
    for place in reserved:
        take(place)
    return kept
