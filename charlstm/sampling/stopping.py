"""Where a text stops, and how much of it can be shown before that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from charlstm.base.config import check_flag, check_texts, check_whole, set_fields
from charlstm.base.errors import ConfigError, named, show_value
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.text.vocabulary import Vocabulary, name, text_of

SENTENCE_WINDOW = 8  # characters that the pattern of a sentence's end can span
# A full stop of a western script ends a sentence if white space follows it and its closing quotes and brackets.
SENTENCE_END = r"[.!?…][\"'»«”“’‘)\]]*\s\Z"
IDEOGRAPHIC_STOPS = frozenset("。！？")  # no white space needs to follow


@dataclass(frozen=True)
class StoppingRules:
    """Where a text stops: at the first rule that applies.

    Attributes
    ----------
    length
        Maximum number of new characters, 0 or more; None: no limit.
    stop
        Stop after this string, or any of several, each of one character or more. Only new characters count. The
        attribute is a tuple.
    hide_stop
        True: the result does not include the stop string.
    lines
        Stop after this many newlines among the new characters, 1 or more; None: no limit.
    sentence
        True: stop at the end of the first sentence.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range.
    """

    length: int | None = None
    stop: Sequence[str] = ()
    hide_stop: bool = False
    lines: int | None = None
    sentence: bool = False

    def __post_init__(self) -> None:
        set_fields(
            self,
            length=None if self.length is None else check_whole("length", self.length, 0),
            stop=check_texts("stop", self.stop, 1),
            hide_stop=check_flag("hide_stop", self.hide_stop),
            lines=None if self.lines is None else check_whole("lines", self.lines, 1),
            sentence=check_flag("sentence", self.sentence),
        )

    def check_possible(self, vocabulary: Vocabulary) -> None:
        """Refuse a stop string that can never occur.

        Raises
        ------
        ConfigError
            If it has a character that is not in the vocabulary.
        """
        for stop in self.stop:
            vocabulary.check_possible("stop", stop)

    def check_allowed(self, code_points: Array, allowed: Array | None) -> None:
        """Refuse a stop string that the sampling rules exclude.

        Parameters
        ----------
        code_points : (V,) array
            The characters of the vocabulary.
        allowed : (V,) array of bool, optional
            Result of `SamplingConfig.allowed`.

        Raises
        ------
        ConfigError
            If it has a character that is never sampled.
        """
        if allowed is None:
            return
        sampled = set(text_of(code_points[allowed]))
        for stop in self.stop:
            for character in stop:
                if character not in sampled:
                    raise ConfigError(
                        f"{named('stop')} is {show_value(stop)}, which is never sampled because {named('forbid')} or"
                        f" {named('only')} excludes {name(character)}; give another stop text, or allow that character"
                    )

    @property
    def can_stop(self) -> bool:
        """Whether any rule is set; without one, sampling never stops."""
        return self.length is not None or self.lines is not None or bool(self.stop) or self.sentence


class Stopper:
    """Applies the stopping rules to one text.

    Parameters
    ----------
    rules
        Where the text stops.

    Attributes
    ----------
    reason : str or None
        Why the text stopped: "end" after the end symbol, or the rule: "length", "stop", "lines" or "sentence"; None
        before that.
    """

    def __init__(self, rules: StoppingRules) -> None:
        self.reason: str | None = "length" if rules.length == 0 else None
        self._rules = rules
        self._window = max([SENTENCE_WINDOW, *map(len, rules.stop)])
        self._recent = ""
        self._count = self._lines = self._held_back = 0

    @property
    def left(self) -> int | None:
        """How many more characters the length allows; None: any number."""
        return None if self._rules.length is None else self._rules.length - self._count

    def add(self, character: str) -> int:
        """Take the next character and return how many characters can be shown now, this one and held-back ones.

        Characters that may begin a hidden stop string are held back. What is still held back when there is a reason is
        never shown. The end symbol counts as shown.
        """
        rules, waiting = self._rules, self._held_back + 1
        if character == END:
            self.reason = "end"
            return waiting
        self._count += 1
        self._lines += character == "\n"
        self._recent = (self._recent + character)[-self._window :]
        self._held_back = 0
        found = [len(stop) for stop in rules.stop if self._recent.endswith(stop)]
        if found:
            self.reason = "stop"
            return waiting - max(found) if rules.hide_stop else waiting
        if rules.sentence and (character in IDEOGRAPHIC_STOPS or re.search(SENTENCE_END, self._recent)):
            self.reason = "sentence"
            return waiting - character.isspace()
        if self._lines == rules.lines:
            self.reason = "lines"
        elif self._count == rules.length:
            self.reason = "length"
        elif rules.hide_stop:
            self._held_back = max(map(self._begun, rules.stop), default=0)
        return waiting - self._held_back

    def _begun(self, stop: str) -> int:
        """Return the length of the longest beginning of a stop string that ends the text so far."""
        return next((n for n in range(len(stop) - 1, 0, -1) if self._recent.endswith(stop[:n])), 0)
