"""A text that a person and a model write in turns: the network's state goes on from turn to turn.

Chance: continuation number k of a session, counted from 0, is drawn by random stream number k of its random seed. What
is taken back does not give its streams back, so another continuation of the same text is another one. The same seed
and the same calls give the same text, and the first continuation is the one that `sample` makes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from charlstm.errors import SessionError
from charlstm.model.model import Model, Reader
from charlstm.sampling import session_state as place
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.sampler import Shown, Texts, samples
from charlstm.sampling.session_state import SavedSession, SessionState
from charlstm.sampling.stopping import StoppingRules

KEPT = 100
SUGGESTED = 60


class Session:
    """A text that grows by what a person types and what the network adds.

    Whatever changes the text can be undone: the last `KEPT` changes are kept, each with the text, the state and the
    prediction before it. That is the memory it needs: a hundred times the text, and L·S·H + V numbers.

    Parameters
    ----------
    model
        Who writes.
    drawing
        How the next character is drawn.
    ending
        Where each continuation ends.

    Attributes
    ----------
    ending : StoppingRules
        May be set at any time.
    suggestions : tuple of str
        What `suggest` found, until the text changes.

    Raises
    ------
    ConfigError
        If the drawing allows none of the model's characters.
    """

    def __init__(self, model: Model, drawing: SamplingConfig, ending: StoppingRules) -> None:
        self.model = model
        self.drawing = drawing
        self.ending = ending
        self.suggestions: tuple[str, ...] = ()
        self._draws = 0
        self._before: deque[SessionState] = deque(maxlen=KEPT)
        self._making: Texts | None = None
        self._unread: list[str] = []
        self._text, self._begun, self._reader = "", 0, self._opened()

    @property
    def drawing(self) -> SamplingConfig:
        """How the next character is drawn; may be set at any time."""
        return self._drawing

    @drawing.setter
    def drawing(self, drawing: SamplingConfig) -> None:
        drawing.allowed(self.model.vocabulary.code_points)
        self._drawing = drawing

    @property
    def text(self) -> str:
        """All that was read: what was typed and what was shown."""
        self._catch_up()
        return self._text

    @property
    def place(self) -> SessionState:
        """Where it stands: a value that nothing changes any more."""
        self._catch_up()
        return SessionState(self._text, self._begun, self._reader.state.copy(), self._reader.logits.copy())

    def reseed(self, random_seed: int) -> None:
        """Take another random seed, and count its streams from 0."""
        self.drawing = replace(self.drawing, random_seed=random_seed)
        self._draws = 0

    def add(self, typed: str) -> None:
        """Read a text right after what there is, and write nothing.

        Raises
        ------
        UnknownCharacterError
            If it has characters that the model does not know; nothing has changed then.
        """
        ids = self.model.vocabulary.encode(typed)  # (N,)
        self._remember()
        self._reader.read(ids[:, None])
        self._text += typed
        self._begun = len(self._text)

    def go_on(self, typed: str = "") -> Iterator[Shown]:
        """Read a text right after what there is, and continue it.

        Parameters
        ----------
        typed
            The text; empty: only continue.

        Returns
        -------
        iterator of Shown
            The characters as they are made; the text has been read when it is returned. Those that were taken belong
            to the session, however few: whoever stops early stands where he stopped. Once the session does something
            else, it has no more.

        Raises
        ------
        UnknownCharacterError
            If the text has characters that the model does not know; nothing has changed then.
        """
        self.add(typed)
        return self._continued()

    def again(self) -> Iterator[Shown]:
        """Replace the last continuation by another one of the same text; returns the same as `go_on`."""
        self._remember()
        self._text = self._text[: self._begun]
        self._reader = self._opened(self._text)
        return self._continued()

    def suggest(self, count: int) -> tuple[str, ...]:
        """Return short continuations to choose from, those that differ of so many that are drawn side by side.

        Each ends where a continuation would, and with the last whole word of 60 characters at most.
        """
        self._catch_up()
        most = SUGGESTED if self.ending.length is None else min(self.ending.length, SUGGESTED)
        texts = self._texts(replace(self.ending, length=most), count)
        made = [_whole_words(it.text) if it.stop == "length" else it.text for it in samples(texts)]
        self.suggestions = tuple(dict.fromkeys(filter(None, made)))
        return self.suggestions

    def pick(self, number: int) -> str:
        """Continue with a suggestion, counted from 1, and return it.

        Raises
        ------
        SessionError
            If there is none of that number.
        """
        if not 1 <= number <= len(self.suggestions):
            count = len(self.suggestions)
            there = f"there are {count}, counted from 1" if count else "there are none; ask for some first"
            raise SessionError(f"there is no suggestion {number}; {there}")
        chosen, before = self.suggestions[number - 1], len(self._text)
        self.add(chosen)
        self._begun = before
        return chosen

    def reset(self) -> None:
        """Begin a new text; the settings stay."""
        self._remember()
        self._text, self._begun, self._reader = "", 0, self._opened()

    def undo(self) -> None:
        """Take back the last change of the text.

        Raises
        ------
        SessionError
            If there is none, or it is too long ago.
        """
        if not self._before:
            raise SessionError(f"there is nothing more to undo; the last {KEPT} changes of the text are kept")
        self._catch_up()
        self._forget()
        self._go_to(self._before.pop())

    def save(self, path: Path, replace: bool = False) -> None:
        """Write the text, the state, the settings and the place in chance into a file; see `charlstm.sampling.session_state`.

        Parameters
        ----------
        path
            The file.
        replace
            True: replace it if it exists.

        Raises
        ------
        SessionError
            If the file exists and may not be replaced, or is a device or a pipe.
        CharlstmError
            If it cannot be written; what stood there is then unchanged.
        """
        if path.exists() and not path.is_dir():
            if not path.is_file():
                raise SessionError(f"{path} is not a file that could be replaced; give another name")
            if not replace:
                raise SessionError(f"{path} exists already; give another name, or /save! (replace=True) to replace it")
        place.save(SavedSession(self.place, self._draws, self.drawing, self.ending), self.model, path)

    def load(self, path: Path) -> None:
        """Go on where a file was saved, as if the session had never been left; its settings come back too.

        Raises
        ------
        CheckpointError
            If the file is missing, damaged, not ours, of a later version, or was saved with another model; nothing
            has changed then.
        """
        saved = place.load(self.model, path)
        self._remember()
        self._go_to(saved.place)
        self._draws, self.drawing, self.ending = saved.draws, saved.drawing, saved.ending

    def _opened(self, text: str = "") -> Reader:
        """Return a reader that has read a text from its beginning."""
        reader = Reader(self.model)
        reader.read(self.model.vocabulary.encode(self.model.opening + text)[:, None])
        return reader

    def _continued(self) -> Iterator[Shown]:
        self._making = self._texts(self.ending, 1)
        return self._taken(self._making)

    def _texts(self, ending: StoppingRules, count: int) -> Texts:
        texts = Texts(self.model, self._text, self.drawing, ending, count, reader=self._reader, first=self._draws)
        self._draws += count
        return texts

    def _taken(self, texts: Texts) -> Iterator[Shown]:
        for shown in texts:
            if self._making is not texts:
                return
            self._unread.append(shown.character)
            yield shown

    def _catch_up(self) -> None:
        """Read what was shown: only that, whatever was drawn beyond it."""
        made = "".join(self._unread)
        self._unread.clear()
        self._reader.read(self.model.vocabulary.encode(made)[:, None])
        self._text += made

    def _remember(self) -> None:
        """Keep the place before a change."""
        self._before.append(self.place)
        self._forget()

    def _forget(self) -> None:
        """Drop what belongs to the text as it was."""
        self._making, self.suggestions = None, ()

    def _go_to(self, there: SessionState) -> None:
        self._text, self._begun = there.text, there.begun
        self._reader.state, self._reader.logits = there.state.copy(), there.logits.copy()


def _whole_words(text: str) -> str:
    """Return a text without the word that it may have been cut in, if there is another before it."""
    return text.rpartition(" ")[0].rstrip(" ") or text
