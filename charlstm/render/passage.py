"""Text as it is made: plain, or coloured, or with the runners-up under each line."""

from __future__ import annotations

import click
import numpy as np

from charlstm.render.characters import shown
from charlstm.sampling.sampler import Shown

COLOURS = ("surprise", "entropy")
SHADES_A_BIT = {"surprise": 1.0, "entropy": 2.0}
LEAST_SHARE = 0.01


class Passage:
    """One text, character by character as it is.

    Parameters
    ----------
    colour
        "surprise": shade each character by how unlikely it was, one of eight shades a bit; "entropy": by how unsure
        the network was before it, one a half bit; None: no colour.
    """

    def __init__(self, colour: str | None = None) -> None:
        self._colour = colour
        self._last = ""

    def seed(self, text: str) -> str:
        """Return what is shown for the seed."""
        self._last = text[-1:]
        return text

    def add(self, made: Shown) -> str:
        """Return what is shown for the next character."""
        self._last = made.character
        return self._shaded(made)

    def end(self) -> str:
        """Return what is shown after the last character: the end of its line, where it has none."""
        return "" if self._last == "\n" else "\n"

    def _shaded(self, made: Shown) -> str:
        if self._colour is None or made.character == "\n":
            return made.character
        from charlstm.render.colour import BLUES, DARK_FROM, ORANGES  # a text without colours begins sooner

        bits = (made.step.surprise if self._colour == "surprise" else made.step.entropy)[made.row]
        palette = ORANGES if self._colour == "surprise" else BLUES
        shade = min(int(bits * SHADES_A_BIT[self._colour]), len(palette) - 1)
        if shade == 0:
            return made.character
        return click.style(made.character, fg=231 if shade >= DARK_FROM[palette is BLUES] else 16, bg=palette[shade])


class WithRunnersUp(Passage):
    """One text, and under each of its lines the likeliest characters that were not drawn there.

    Parameters
    ----------
    count
        How many, a row each; those below 1% are left out.
    width
        Columns of a line.
    colour
        As for `Passage`.
    """

    def __init__(self, count: int, width: int, vocabulary: str, colour: str | None = None) -> None:
        super().__init__(colour)
        self._rows = [""] * count
        self._width = width
        self._vocabulary = vocabulary
        self._column = 0

    def seed(self, text: str) -> str:
        """Return the seed, broken into lines, with nothing under it."""
        pieces = []
        for character in super().seed(text):
            pieces.append(character)
            self._column = 0 if character == "\n" else self._column + 1
            if self._column == self._width:
                pieces.append("\n")
                self._column = 0
        self._rows = [" " * self._column for _ in self._rows]
        return "".join(pieces)

    def add(self, made: Shown) -> str:
        """Return the next character, and at the end of a line what stands under it."""
        character = super().add(made)
        for rank, other in enumerate(self._others(made)):
            self._rows[rank] += other
        self._column += 1
        if made.character == "\n":
            return "⏎" + self._under()
        return character + (self._under() if self._column == self._width else "")

    def end(self) -> str:
        """Return what stands under the last line."""
        return self._under() if self._column else ""

    def _under(self) -> str:
        rows = "".join(f"{row.rstrip()}\n" for row in self._rows if row.strip())
        self._rows = [""] * len(self._rows)
        self._column = 0
        return "\n" + rows

    def _others(self, made: Shown) -> list[str]:
        chances = np.exp(made.step.log_probabilities[made.row])  # (V,)
        order = np.argsort(-chances, kind="stable")  # (V,)
        others = [index for index in order if index != made.step.ids[made.row]][: len(self._rows)]
        named = [shown(self._vocabulary[index]) if chances[index] >= LEAST_SHARE else " " for index in others]
        marks = ["⏎" if name == "\\n" else name if len(name) == 1 else "·" for name in named]
        return marks + [" "] * (len(self._rows) - len(marks))
