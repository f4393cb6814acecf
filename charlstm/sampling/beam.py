"""Beam search: the likeliest continuation of a text, as far as it can be found by keeping the N best so far.

Of every text in the beam all characters that may come next are tried, and the N likeliest texts of all go on:

    log p(text) = Σ_t log p(character_t | the seed and all before it)

Texts that end leave the beam and are kept. A probability never grows, so the search is over when none in the beam is
likelier than the worst of those that are wanted. The greedy text, which always takes the likeliest character, stays in
the beam to its end, so what is found is never less likely.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from charlstm.errors import ConfigError
from charlstm.model.model import Model, Reader
from charlstm.network.loss import log_softmax
from charlstm.parameters import Array
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.stopping import Stopper, StoppingRules

LONGEST = 10_000


class Found(NamedTuple):
    """A text that the search found.

    Attributes
    ----------
    text
        What continues the seed.
    log_probability
        Of all its characters together, in nats, as the network predicts them; of those too at which it ended and that
        are not shown.
    shown_log_probability
        Of the characters of `text`.
    stop
        Why it ended.
    """

    text: str
    log_probability: float
    shown_log_probability: float
    stop: str


@dataclass(frozen=True, eq=False)
class _Text:
    """One text in the beam: what it adds to the one that it goes on from."""

    end: Stopper
    total: float = 0.0
    character: str = ""
    before: _Text | None = None
    shown: int = 0
    greedy: bool = True

    def plus(self, character: str, total: float, greedy: bool) -> _Text:
        """Return the text with one character more, and what the log-probability is then in total."""
        end = copy(self.end)
        shown = self.shown + end.add(character)
        return _Text(end, total, character, self, shown, greedy)

    def found(self) -> Found:
        """Return the whole text."""
        texts = []
        text: _Text | None = self
        while text is not None and text.before is not None:
            texts.append(text)
            text = text.before
        shown = texts[::-1][: self.shown]
        total = shown[-1].total if shown else 0.0
        return Found("".join(text.character for text in shown), self.total, total, self.end.reason or "length")


def beam(
    model: Model, seed: str, width: int, ending: StoppingRules, drawing: SamplingConfig, count: int = 1
) -> list[Found]:
    """Find likely continuations of a text.

    Parameters
    ----------
    model
        What predicts.
    seed
        The text to continue; empty: begin as a text of the corpus would.
    width
        Texts that are kept side by side (N); 1 takes the likeliest character always.
    ending
        Where a text ends; at the latest after 10,000 characters.
    drawing
        Its `forbid` and `only` are kept to; nothing is drawn.
    count
        How many are wanted, at most N.

    Returns
    -------
    list of Found
        The likeliest first; of equal ones the one whose characters have lower ids. Fewer than `count` where there are
        no more texts.

    Raises
    ------
    UnknownCharacterError
        If the seed has characters that the model does not know.
    ConfigError
        If the numbers are out of range, or no character may be taken.
    """
    for name, value, most in (("beam", width, None), ("samples", count, width)):
        if type(value) is not int or value < 1 or (most is not None and value > most):
            allowed = "1 or more" if most is None else f"1 to {most}, the texts in the beam"
            raise ConfigError(f"{name} is {value!r}; it must be a whole number, {allowed}")
    may = drawing.allowed(model.vocabulary.code_points)  # (V,)
    reader = Reader(model)
    reader.read(model.vocabulary.encode(model.opening + seed, "the seed")[:, None])
    reader = reader.copies(width)
    first = _Text(Stopper(ending if ending.length is not None else replace(ending, length=LONGEST)))
    if first.end.reason:
        return [first.found()]
    live, done = [first], list[_Text]()
    while live and (len(done) < count or max(text.total for text in live) > done[-1].total):
        log_p = log_softmax(reader.logits[: len(live)].astype(np.float64))  # (n, V)
        going = _next(model, live, done, log_p if may is None else np.where(may, log_p, -np.inf), width, count)
        live = [text for _, text in going]
        places = np.array([place for place, _ in going] + [0] * (width - len(going)), np.intp)  # (N,)
        reader.choose(places // log_p.shape[1])
        reader.read((places % log_p.shape[1])[None])
    return [text.found() for text in done]


def _next(
    model: Model, live: list[_Text], done: list[_Text], log_p: Array, width: int, count: int
) -> list[tuple[int, _Text]]:
    """Return the texts that go on, each with its place in `log_p`, (n, V); those that end are sorted into `done`."""
    totals = (np.array([text.total for text in live])[:, None] + log_p).reshape(-1)  # (n·V,)
    likeliest = {row * log_p.shape[1] + int(log_p[row].argmax()) for row, text in enumerate(live) if text.greedy}
    going: list[tuple[int, _Text]] = []

    def take(place: int) -> None:
        row, character = divmod(place, log_p.shape[1])
        text = live[row].plus(model.vocabulary.character(character), float(totals[place]), place in likeliest)
        if text.end.reason:
            done[:] = sorted([*done, text], key=lambda other: -other.total)[:count]
        else:
            going.append((place, text))

    reserved = set(likeliest)
    for place in np.argsort(-totals, kind="stable").tolist():
        hopeless = totals[place] == -np.inf or (len(done) == count and totals[place] <= done[-1].total)
        if len(going) + len(reserved) >= width or hopeless:
            break
        reserved.discard(place)
        take(place)
    for place in reserved:
        take(place)
    return going
