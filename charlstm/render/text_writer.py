"""Sampled text for a terminal or a file: plain, coloured, or with alternatives under each line."""

from __future__ import annotations

import numpy as np

from charlstm.base.symbols import END
from charlstm.render.characters import escape_character, escape_in_line, shown_text, width_of
from charlstm.sampling.sampler import SampledCharacter

COLOURS = ("surprise", "entropy")
SHADES_PER_BIT = {"surprise": 1.0, "entropy": 2.0}
MIN_PROBABILITY = 0.01  # of an alternative that is shown


class TextWriter:
    """Turns the seed and the characters of one text into what is written for them.

    Parameters
    ----------
    colour
        "surprise": shade each character by its surprisal, one of eight shades per bit; "entropy": by the entropy of
        the prediction, one per half bit; None: no colour.
    shown
        True: a terminal shows the text, so control characters are written as signs; False: the text stays as it is.
    end
        What is written for the end symbol.
    """

    def __init__(self, colour: str | None = None, shown: bool = False, end: str = "") -> None:
        self._colour = colour
        self._shown = shown
        self._end = end
        self._last = ""

    def seed(self, text: str) -> str:
        """Return what is written for the seed."""
        self._last = text[-1:]
        return shown_text(text) if self._shown else text

    def add(self, sampled: SampledCharacter) -> str:
        """Return what is written for the next character."""
        if sampled.character == END:
            self._last = self._end[-1:] or self._last
            return self._end
        self._last = sampled.character
        return self._shade(sampled)

    def end(self) -> str:
        """Return what is written after the last character: a newline if the text does not end with one."""
        return "" if self._last == "\n" else "\n"

    def _shade(self, sampled: SampledCharacter) -> str:
        sign = self._sign(sampled.character)
        if self._colour is None or sampled.character == "\n":
            return sign
        from charlstm.render.colour import BLUES, ORANGES, shade_by_step  # text without colour starts sooner

        step = sampled.step
        bits = (step.surprisal if self._colour == "surprise" else step.entropy)[sampled.row]
        palette = ORANGES if self._colour == "surprise" else BLUES
        return shade_by_step(sign, palette, int(min(bits * SHADES_PER_BIT[self._colour], len(palette))))

    def _sign(self, character: str) -> str:
        return shown_text(character) if self._shown else character


def draw_legend(colour: str) -> str:
    r"""Return a line that says what the shades of a text mean, for a terminal with 256 colours.

    Examples
    --------
    >>> import re
    >>> re.sub(r"\x1b\[[0-9;]*m", "", draw_legend("surprise"))
    'surprisal: 0                 7 bits and more'
    """
    from charlstm.render.colour import BLUES, ORANGES, shade_by_step  # text without colour starts sooner

    palette, name = (ORANGES, "surprisal") if colour == "surprise" else (BLUES, "entropy of the prediction")
    shades = "".join(shade_by_step("  ", palette, step) for step in range(len(palette) + 1))
    return f"{name}: 0{shades} {len(palette) / SHADES_PER_BIT[colour]:g} bits and more"


class AlternativesWriter(TextWriter):
    """Adds, under each line, the most likely characters that were not sampled.

    Parameters
    ----------
    count
        Number of alternatives (rows under each line); those below 1% are left blank.
    width
        Columns of a line.
    vocabulary
        The characters of the model, by id.
    colour, shown
        See `TextWriter`.
    """

    def __init__(self, count: int, width: int, vocabulary: str, colour: str | None = None, shown: bool = False) -> None:
        super().__init__(colour, shown)
        self._rows = [""] * min(count, len(vocabulary))
        self._width = width
        self._vocabulary = vocabulary
        self._column = 0

    def seed(self, text: str) -> str:
        """Return the seed broken into lines; it has no alternatives."""
        self._last = text[-1:]
        pieces = []
        for character in text:
            pieces.append(self._sign(character))
            self._column = 0 if character == "\n" else self._column + 1
            if self._column == self._width:
                pieces.append("\n")
                self._column = 0
        self._rows = [" " * self._column for _ in self._rows]
        return "".join(pieces)

    def add(self, sampled: SampledCharacter) -> str:
        """Return the next character, followed by the rows of alternatives if it ends a line or the text."""
        character = super().add(sampled)
        for rank, alternative in enumerate(self._alternatives(sampled)):
            self._rows[rank] += alternative
        self._column += 1
        if sampled.character in ("\n", END):
            return ("⏎" if sampled.character == "\n" else escape_character(END)) + self._end_line()
        return character + (self._end_line() if self._column == self._width else "")

    def end(self) -> str:
        """Return the rows of alternatives under the last line."""
        return self._end_line() if self._column else ""

    def _sign(self, character: str) -> str:
        """Return a character as one column, so that its alternatives are under it; a newline stays."""
        return character if character == "\n" else _one_column(escape_in_line(character))

    def _end_line(self) -> str:
        rows = "".join(f"{row.rstrip()}\n" for row in self._rows if row.strip())
        self._rows = [""] * len(self._rows)
        self._column = 0
        return "\n" + rows

    def _alternatives(self, sampled: SampledCharacter) -> list[str]:
        """Return one column for each row."""
        p = np.exp(sampled.step.log_probabilities[sampled.row])  # (V,)
        order = np.argsort(-p, kind="stable")  # (V,)
        ids = [index for index in order if index != sampled.step.ids[sampled.row]][: len(self._rows)]
        names = [escape_character(self._vocabulary[index]) if p[index] >= MIN_PROBABILITY else " " for index in ids]
        columns = ["⏎" if name == "\\n" else _one_column(name) for name in names]
        return columns + [" "] * (len(self._rows) - len(columns))


def _one_column(sign: str) -> str:
    """Return an escaped character if it takes one column, otherwise a dot."""
    return sign if width_of(sign) == 1 else "·"
