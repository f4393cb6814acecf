"""Where a text that is being made ends, and what of it can be shown meanwhile."""

from __future__ import annotations

import re
from dataclasses import dataclass

from charlstm.errors import ConfigError

SENTENCE_REACH = 8
# Full stops of western scripts end a sentence where white space follows them, and the quotes and brackets after them.
BEFORE_SPACE = r"[.!?…][\"'»«”“’‘)\]]*\s\Z"
AT_ONCE = frozenset("。！？")


@dataclass(frozen=True)
class StoppingRules:
    """Where a text ends: at whichever comes first.

    Attributes
    ----------
    length
        New characters, 0 or more; None: any number.
    stops
        Texts, none of them empty, at which it ends, wherever they begin in what is new.
    hide_stop
        True: the stop text is not part of the result.
    lines
        Line ends among the new characters, 1 or more; None: any number.
    sentence
        True: at the end of the first sentence.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    length: int | None = None
    stops: tuple[str, ...] = ()
    hide_stop: bool = False
    lines: int | None = None
    sentence: bool = False

    def __post_init__(self) -> None:
        for name, value, least in (("length", self.length, 0), ("lines", self.lines, 1)):
            if value is not None and (type(value) is not int or value < least):
                raise ConfigError(f"{name} is {value!r}; it must be a whole number, {least} or more")
        for name, flag in (("hide_stop", self.hide_stop), ("sentence", self.sentence)):
            if type(flag) is not bool:
                raise ConfigError(f"{name} is {flag!r}; it must be true or false")
        if isinstance(self.stops, str) or not all(isinstance(stop, str) and stop for stop in self.stops):
            raise ConfigError(f"stops is {self.stops!r}; it must be texts of one character or more")


class Stopper:
    """Watches for the end of one text.

    Parameters
    ----------
    ending
        Where it ends.

    Attributes
    ----------
    reason : str or None
        Why it has ended: "length", "stop", "lines" or "sentence"; None while it goes on.
    """

    def __init__(self, ending: StoppingRules) -> None:
        self.reason: str | None = "length" if ending.length == 0 else None
        self._ending = ending
        self._reach = max([SENTENCE_REACH, *map(len, ending.stops)])
        self._recent = ""
        self._count = self._lines = self._held = 0

    def add(self, character: str) -> int:
        """Take the next character and return how many of those not yet shown can be shown now, this one included.

        What may turn out to be the beginning of a hidden stop text is held back. Once there is a reason, the rest is
        never shown.
        """
        ending, waiting = self._ending, self._held + 1
        self._count += 1
        self._lines += character == "\n"
        self._recent = (self._recent + character)[-self._reach :]
        self._held = 0
        found = [len(stop) for stop in ending.stops if self._recent.endswith(stop)]
        if found:
            self.reason = "stop"
            return waiting - max(found) if ending.hide_stop else waiting
        if ending.sentence and (character in AT_ONCE or re.search(BEFORE_SPACE, self._recent)):
            self.reason = "sentence"
            return waiting - character.isspace()
        if self._lines == ending.lines:
            self.reason = "lines"
        elif self._count == ending.length:
            self.reason = "length"
        elif ending.hide_stop:
            self._held = max(map(self._begun, ending.stops), default=0)
        return waiting - self._held

    def _begun(self, stop: str) -> int:
        """Return how many characters of a stop text the new text may have begun with at its end."""
        return next((n for n in range(len(stop) - 1, 0, -1) if self._recent.endswith(stop[:n])), 0)
