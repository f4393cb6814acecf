"""A session: a user and a model write a text in turns, and the state of the network is kept between them.

Randomness: continuation number k of a session, from 0, uses random stream number k of its random seed. Undo does not
return a stream, so another continuation of the same text differs. The same seed and the same calls give the same text,
and the first continuation equals a sample of the same text.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from charlstm.base.config import LARGEST, AdaptConfig, check_text, check_whole
from charlstm.base.errors import ConfigError, SessionError
from charlstm.base.files import Files, as_path, charlstm_format
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.model.adaptation import Learner
from charlstm.model.model import BLOCK, Model, Reader
from charlstm.sampling import session_state
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.sampler import SampledCharacter, Sampler
from charlstm.sampling.session_state import NO_LEARNING, SavedSession, SessionState, Span
from charlstm.sampling.stopping import StoppingRules

if TYPE_CHECKING:
    from charlstm.text.cache import Cache

MAX_UNDO = 100
SUGGESTION_LENGTH = 60
MAX_SUGGESTIONS = 1000


class Session:
    """A text that a user and a model extend in turns.

    With `learning`, the model also learns from what the user adds, not from what it writes itself. The weights follow
    from the text alone, so `undo`, `reset` and switching it off undo the learning too. No file changes. A mixture with
    the cache counts the same: what the user adds.

    The last 100 changes of the text can be undone. Each needs memory for the text, the state and the prediction before
    it: L·S·H + V numbers.

    Parameters
    ----------
    model
        The model that writes.
    sampling
        How it samples the next character.
    stopping
        Where each continuation stops.
    learning
        Whether the model learns from what the user adds.

    Attributes
    ----------
    suggestions : tuple of str
        The result of `suggest`; empty again when the text changes.
    report
        Called while a text is read, with the number of its characters that are; None: nothing is. An exception that it
        raises leaves the session unchanged.

    Raises
    ------
    ConfigError
        If the sampling rules allow none of the model's characters, or a stop string or `only` has a character that the
        model does not know.

    Examples
    --------
    >>> session = model.session(length=5)
    >>> first = "".join(sampled.character for sampled in session.generate("a"))
    >>> session.text == "a" + first
    True
    >>> session.undo()
    >>> session.text
    ''
    """

    def __init__(
        self,
        model: Model,
        sampling: SamplingConfig,
        stopping: StoppingRules,
        learning: AdaptConfig = NO_LEARNING,
    ) -> None:
        self.model = model
        self._learning = learning
        self._learner: Learner | None = None
        self._stopping = stopping
        self.sampling = sampling
        self.suggestions: tuple[str, ...] = ()
        self.report: Callable[[int], object] | None = None
        self._streams_used = 0
        self._before: deque[SessionState] = deque(maxlen=MAX_UNDO)
        self._sampler: Sampler | None = None
        self._unread: list[str] = []
        self._cache: Cache | None = None  # of the text up to `_cached`, with its added spans
        self._cached: tuple[str, tuple[Span, ...]] = ("", ())
        self._text, self._continuation_start = "", 0
        self._added: tuple[Span, ...] = ()
        self._read_from_start()

    @property
    def sampling(self) -> SamplingConfig:
        """How the next character is sampled; can be set at any time."""
        return self._sampling

    @sampling.setter
    def sampling(self, sampling: SamplingConfig) -> None:
        sampling.check_possible(self.model)
        self._check_together(sampling, self._stopping)
        self._sampling = sampling

    @property
    def stopping(self) -> StoppingRules:
        """Where each continuation stops; can be set at any time."""
        return self._stopping

    @stopping.setter
    def stopping(self, stopping: StoppingRules) -> None:
        stopping.check_possible(self.model.vocabulary)
        self._check_together(self._sampling, stopping)
        self._stopping = stopping

    @property
    def learning(self) -> AdaptConfig:
        """Whether the model learns from what the user adds, and how fast; can be set at any time.

        The weights are those that follow from the text and this setting alone: a change reads the text again.
        """
        return self._learning

    @learning.setter
    def learning(self, learning: AdaptConfig) -> None:
        self._catch_up()
        before, self._learning = self._learning, learning
        if before == learning or not (before.adapt or learning.adapt):
            return
        try:
            self._read_from_start()
        except BaseException:
            self._learning = before
            raise
        self._discard_continuation()

    def _check_together(self, sampling: SamplingConfig, stopping: StoppingRules) -> None:
        code_points = self.model.vocabulary.code_points
        stopping.check_allowed(code_points, sampling.allowed(code_points))

    @property
    def text(self) -> str:
        """The whole text: what the user added and what the model wrote, with a separator after each whole document."""
        self._catch_up()
        return self.model.documents.format(self._text)

    @property
    def state(self) -> SessionState:
        """The text and what the network knows of it, as a value that does not change any more."""
        self._catch_up()
        network_state, logits = self._reader.state.copy(), self._reader.logits.copy()
        return SessionState(self._text, self._continuation_start, network_state, logits, self._added, self._learning)

    def reseed(self, random_seed: int) -> None:
        """Set the random seed; the next continuation uses its stream number 0."""
        self.sampling = replace(self.sampling, random_seed=random_seed)
        self._streams_used = 0

    def add(self, text: str) -> None:
        """Append a text without continuing it.

        Raises
        ------
        UnknownCharacterError
            If it contains characters that the model does not know; the session is then unchanged.
        """
        self._append(self.model.documents.parse(check_text("text", text)))

    def _append(self, text: str) -> None:
        ids, before = self.model.vocabulary.encode(text), self.state  # (N,)
        if self._learning.adapt and text:
            self._learn(ids)
        else:
            self._read(ids)
        self._remember(before)
        if text:
            self._added = (*self._added, (len(self._text), len(self._text) + len(text)))
        self._text += text
        self._continuation_start = len(self._text)

    @property
    def has_ended(self) -> bool:
        """Whether the text ends with a whole document, so that what follows begins another one."""
        self._catch_up()
        return self._text.endswith(END)

    def end(self) -> None:
        """End the document; the next text begins another one.

        Raises
        ------
        SessionError
            If the model was not trained on documents, or the document has no text.
        """
        if not self.model.documents:
            raise SessionError("the model writes a stream, which has no documents; start a new text instead")
        if self.has_ended or not self._text:
            raise SessionError("there is no document to end; add a text first")
        self._append(END)

    def generate(self, text: str = "") -> Iterator[SampledCharacter]:
        """Append a text and continue it.

        Parameters
        ----------
        text
            The text; empty: only continue.

        Returns
        -------
        iterator of SampledCharacter
            The characters as they are sampled. The text has been read when the iterator is returned. Each character
            that you take from it becomes part of the session; you can stop at any of them. The iterator ends when
            another method changes the text, or with the document; the next continuation then begins another one.

        Raises
        ------
        UnknownCharacterError
            If the text contains characters that the model does not know; the session is then unchanged.
        """
        self.add(text)
        return self._continue()

    def again(self) -> Iterator[SampledCharacter]:
        """Replace the last continuation by another one of the same text; return the same as `generate`."""
        before = self.state
        text = before.text[: self._continuation_start]
        added = tuple(span for span in before.added if span[1] <= len(text))
        self._read_from_start(text, added)
        self._remember(before)
        self._text, self._added = text, added
        return self._continue()

    def suggest(self, count: int, show: Callable[[SampledCharacter], object] | None = None) -> tuple[str, ...]:
        """Sample short continuations to choose from, and return those that differ.

        Parameters
        ----------
        count
            Number of continuations to sample, 1 to 1,000.
        show
            Called with each character that is sampled; an exception that it raises ends the sampling.

        Returns
        -------
        tuple of str
            At most `count`. Each stops where a continuation stops, or after the last whole word within 60 characters.

        Raises
        ------
        ConfigError
            If `count` is not a whole number, 1 to 1,000.
        """
        self._catch_up()
        length = SUGGESTION_LENGTH if self.stopping.length is None else min(self.stopping.length, SUGGESTION_LENGTH)
        sampler = self._sample(replace(self.stopping, length=length), check_whole("count", count, 1, MAX_SUGGESTIONS))
        samples = sampler.collect(show)
        texts = [_drop_cut_word(sample.text) if sample.stop == "length" else sample.text for sample in samples]
        self.suggestions = tuple(dict.fromkeys(filter(None, texts)))
        return self.suggestions

    def pick(self, number: int) -> str:
        """Append suggestion `number`, from 1, and return it.

        Raises
        ------
        SessionError
            If there is no such suggestion.
        """
        number, count = check_whole("number", number, -LARGEST), len(self.suggestions)
        if not 1 <= number <= count:
            numbers = "its number is 1" if count == 1 else f"the numbers are 1 to {count}"
            existing = numbers if count else "ask for suggestions first"
            raise SessionError(f"there is no suggestion {number}; {existing}")
        chosen, before = self.suggestions[number - 1], len(self._text)
        self.add(chosen)
        self._continuation_start = before
        return chosen

    def reset(self) -> None:
        """Start a new text with the same settings and the trained weights."""
        self._remember()
        self._text, self._continuation_start, self._added = "", 0, ()
        self._read_from_start()

    def undo(self) -> None:
        """Undo the last change of the text.

        Raises
        ------
        SessionError
            If there is no change to undo; the last 100 changes are kept.
        """
        if not self._before:
            raise SessionError(f"there is no change to undo; a session keeps the last {MAX_UNDO} changes")
        self._catch_up()
        self._restore(self._before[-1])
        self._before.pop()
        self._discard_continuation()

    def save(self, path: str | os.PathLike[str], replace: bool = False) -> None:
        """Write the text, the state and the settings to a file; see `charlstm.sampling.session_state`.

        Parameters
        ----------
        path
            The file.
        replace
            True: replace an existing file.

        Raises
        ------
        SessionError
            If the file exists and `replace` is False, or it is a model, a device or a pipe.
        CharlstmError
            If the file cannot be written; an existing file is then unchanged.
        """
        file = as_path(path)
        if charlstm_format(file) == "charlstm":
            raise SessionError(f"{file} is a model, and a session does not replace it; give another name")
        if not replace and os.path.isfile(file):  # noqa: PTH113 - also for a name that is too long for a file
            raise SessionError(
                f"{file} exists",
                python="give another name, or replace it with replace=True",
                session="give another name, or replace it with /save!",
            )
        try:
            Files("replace=True").add_output(file, model=True, replace=replace)
        except ConfigError as error:
            raise SessionError(str(error)) from error
        saved = SavedSession(self.state, self._streams_used, self.sampling, self.stopping)
        session_state.save(saved, self.model, file)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Continue the session that a file holds, with its settings.

        Raises
        ------
        CheckpointError
            If the file is missing, damaged, of another kind or a later version, or was saved with another model; the
            session is then unchanged.
        """
        saved = session_state.load(self.model, path)
        before, learning = self.state, self._learning
        self._learning = saved.state.learning
        try:
            self._restore(saved.state)
        except BaseException:
            self._learning = learning
            raise
        self._remember(before)
        self._streams_used, self._sampling, self._stopping = saved.streams_used, saved.sampling, saved.stopping

    def _read_from_start(self, text: str | None = None, added: Sequence[Span] | None = None) -> None:
        """Read a text from its start, with the trained weights or learning from the spans that the user added.

        Parameters
        ----------
        text, added
            The text and the spans; None: those of the session.
        """
        text, added = self._text if text is None else text, self._added if added is None else added
        ids = self.model.vocabulary.encode(text)  # (N,)
        if not self._learning.adapt:
            reader = Reader(self.model)
            opening = self.model.vocabulary.encode(self.model.opening)
            reader.read(np.concatenate([opening, ids])[:, None], self.report)
            self._reader, self._learner = reader, None
            return
        learner, place = Learner(self.model, self._learning.adapt_rate), 0
        for start, stop in added:
            learner.read(ids[place:start], learn=False)
            self._teach(learner, ids[start:stop], start)
            place = stop
        learner.read(ids[place:], learn=False)
        self._learner, self._learnt, self._reader = learner, len(ids), learner.start_reader()

    def _teach(self, learner: Learner, ids: Array, before: int = 0) -> None:
        """Let a learner learn from characters, (N,) ids, and report how many are read, counted from `before`."""
        for start in range(0, len(ids), BLOCK):
            learner.read(ids[start : start + BLOCK])
            if self.report is not None:
                self.report(before + min(start + BLOCK, len(ids)))
        learner.learn()

    def _learn(self, ids: Array) -> None:
        """Read the next characters of the text, (N,) ids, and learn from them: all of them, or after an error none."""
        learner, place = self._learner, self._learnt
        assert learner is not None
        try:
            learner.read(self.model.vocabulary.encode(self._text[place:]), learn=False)
            self._teach(learner, ids)
            self._reader, self._learnt = learner.start_reader(), len(self._text) + len(ids)
        except BaseException:
            self._read_from_start()
            raise

    def _continue(self) -> Iterator[SampledCharacter]:
        self._sampler = self._sample(self.stopping, 1)
        return self._take(self._sampler)

    def _sample(self, stopping: StoppingRules, count: int) -> Sampler:
        streams = range(self._streams_used, self._streams_used + count)
        reader = self._reader if self._text else None  # an empty text begins as a sample without a seed does
        model = self.model if self._learner is None else self._learner.model
        cache = self._count_added() if self.sampling.mixes_cache else None
        sampler = Sampler(
            model, self._text, self.sampling, stopping, count, reader=reader, streams=streams, cache=cache
        )
        self._streams_used += count
        return sampler

    def _count_added(self) -> Cache:
        """Return the cache that has read the text, and counted what the user added."""
        from charlstm.text.cache import Cache

        cache, self._cache = self._cache, None  # an interrupt leaves none
        text, spans = self._cached
        read, done = len(text), len(spans)
        goes_on = self._text.startswith(text) and self._added[:done] == spans
        if cache is None or not goes_on or any(start < read for start, _ in self._added[done:]):
            cache, read, done = Cache(), 0, 0
            cache.read(self.model.vocabulary.encode(self.model.opening))
        ids = self.model.vocabulary.encode(self._text)  # (N,)
        cuts = [read, *(place for span in self._added[done:] for place in span), len(ids)]
        for number, part in enumerate(pairwise(cuts)):  # in turns the model's and the user's
            for start in range(*part, BLOCK):
                stop = min(start + BLOCK, part[1])
                cache.read(ids[start:stop], counted=number % 2 == 1)
                if self.report is not None:
                    self.report(stop)
        self._cache, self._cached = cache, (self._text, self._added)
        return cache

    def _take(self, sampler: Sampler) -> Iterator[SampledCharacter]:
        """Yield characters and note them as unread, until the text changes."""
        for sampled in sampler:
            if self._sampler is not sampler:
                return
            self._unread.append(sampled.character)
            if sampled.character != END:
                yield sampled

    def _catch_up(self) -> None:
        """Read the characters that were shown, and no others that were sampled."""
        shown = "".join(self._unread)
        self._read(self.model.vocabulary.encode(shown))
        self._text += shown
        self._unread.clear()

    def _read(self, ids: Array) -> None:
        """Read the next characters of the text, (N,) ids: all of them, or after an interrupt none."""
        state, logits = self._reader.state.copy(), self._reader.logits.copy()
        try:
            self._reader.read(ids[:, None], self.report)
        except BaseException:
            self._reader.state, self._reader.logits = state, logits
            raise

    def _remember(self, state: SessionState | None = None) -> None:
        """Keep the state before a change: the present one, or a given one."""
        self._before.append(state or self.state)
        self._discard_continuation()

    def _discard_continuation(self) -> None:
        """End the current iterator and drop the suggestions."""
        self._sampler, self.suggestions = None, ()

    def _restore(self, state: SessionState) -> None:
        """Return to an earlier state; the settings stay as they are."""
        if self._learning.adapt or state.learning.adapt:
            self._read_from_start(state.text, state.added)
        if state.learning == self._learning:
            self._reader.state, self._reader.logits = state.network_state.copy(), state.logits.copy()
        self._text, self._continuation_start, self._added = state.text, state.continuation_start, state.added


def _drop_cut_word(text: str) -> str:
    """Return a text without its last word, which may be incomplete, unless it is the only one."""
    return text.rpartition(" ")[0].rstrip(" ") or text
