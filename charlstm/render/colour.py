"""Shades: blue for high values, orange for values below zero, which colour-blind people can distinguish as well.

On a terminal a value near zero has no shade, so that it has the background of the terminal, light or dark. The others
become more colourful with their strength and stay of medium lightness, so that they differ from both backgrounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import click

from charlstm.inspection.view import Kind

NONE, EIGHT, MANY, ALL = 0, 8, 256, 1 << 24  # numbers of colours of a terminal
BLUES = (103, 67, 68, 69, 33, 27, 21)  # of the 256 colours, the weakest first
ORANGES = (138, 137, 173, 209, 172, 208, 202)
CUBE = (0, 95, 135, 175, 215, 255)  # the values of red, green and blue in these colours
WHITE, BLUE, ORANGE = (255, 255, 255), (0, 68, 170), (190, 80, 0)
GREY, BRIGHT_BLUE, BRIGHT_ORANGE = (135, 135, 140), (0, 60, 255), (255, 95, 0)
WEAKEST = 1 / (len(BLUES) + 1)  # strength below which there is no shade
LEVELS = "▁▂▃▄▅▆▇█"
MOST_BITS = 8.0
DIGITS = 6  # of a strength


def strength(value: float, kind: Kind) -> float:
    """Return how dark a value is drawn: from −1, dark orange, to 1, dark blue; 0 for NaN.

    It is rounded: scores of units are often fractions such as ¾, the edge between two shades, and their rounding errors
    depend on the processor.
    """
    if math.isnan(value):
        return 0.0
    scaled = value / MOST_BITS if kind is Kind.BITS else value
    return round(max(-1.0, min(1.0, scaled)), DIGITS)


def shade(text: str, value: float, kind: Kind, colours: int) -> str:
    """Return a text on a background in the shade of a value, for a terminal with a number of colours."""
    s = strength(value, kind)
    if colours == NONE or abs(s) < WEAKEST:
        return text
    if colours >= ALL:
        background = mix_rgb(s, GREY, BRIGHT_BLUE, BRIGHT_ORANGE)
        return click.style(text, fg=choose_ink(background), bg=background)
    if colours >= MANY:
        return shade_by_step(text, BLUES if s >= 0 else ORANGES, int(abs(s) / WEAKEST))
    if abs(s) < 0.25:
        return text
    if s > 0:
        return click.style(text, fg="white", bg="blue") if s >= 0.6 else click.style(text, fg="black", bg="cyan")
    return click.style(text, fg="white", bg="red") if s <= -0.6 else click.style(text, fg="black", bg="yellow")


def shade_by_step(text: str, palette: Sequence[int], step: int) -> str:
    """Return a text on a background in one of the 256 colours: step 0 has none, and larger steps the last one."""
    if step == 0:
        return text
    background = palette[min(step, len(palette)) - 1]
    red, green, blue = (CUBE[(background - 16) // size % 6] for size in (36, 6, 1))
    return click.style(text, fg=16 if choose_ink((red, green, blue)) == (0, 0, 0) else 231, bg=background)


def mix_rgb(
    s: float,
    middle: tuple[int, int, int] = WHITE,
    high: tuple[int, int, int] = BLUE,
    low: tuple[int, int, int] = ORANGE,
) -> tuple[int, int, int]:
    """Return the colour of a strength between −1 (low) and 1 (high)."""
    end = high if s >= 0 else low
    r, g, b = (round(m + (e - m) * abs(s)) for m, e in zip(middle, end, strict=True))
    return r, g, b


def choose_ink(background: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return black or white, whichever has the larger contrast, by the relative luminance of WCAG 2.1."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in background)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if (luminance + 0.05) ** 2 > 0.05 * 1.05 else WHITE


def level(value: float, kind: Kind) -> str:
    """Return a bar for a value where there is no colour: from 0 to 1, or from −1 to 1; a space for NaN."""
    s = strength(value, kind)
    share = (s + 1.0) / 2.0 if kind is Kind.SIGNED else s
    return " " if math.isnan(value) else LEVELS[min(int(share * len(LEVELS)), len(LEVELS) - 1)]
