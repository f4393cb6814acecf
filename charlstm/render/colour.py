"""Shades: blue for high values, orange for values below zero, which colour-blind people can distinguish as well."""

from __future__ import annotations

import math

import click

from charlstm.inspection.view import Kind

NONE, EIGHT, MANY, ALL = 0, 8, 256, 1 << 24  # numbers of colours of a terminal
BLUES = (231, 195, 159, 117, 75, 33, 26, 19)
ORANGES = (231, 230, 223, 216, 209, 202, 166, 130)
DARK_FROM = {True: 6, False: 7}  # first shade of blue, of orange, on which white is easier to read than black
WHITE, BLUE, ORANGE = (255, 255, 255), (0, 68, 170), (190, 80, 0)
LEVELS = "▁▂▃▄▅▆▇█"
MOST_BITS = 8.0


def strength(value: float, kind: Kind) -> float:
    """Return how dark a value is drawn: from −1, dark orange, to 1, dark blue; 0 for NaN."""
    if math.isnan(value):
        return 0.0
    scaled = value / MOST_BITS if kind is Kind.BITS else value
    return max(-1.0, min(1.0, scaled))


def shade(text: str, value: float, kind: Kind, colours: int) -> str:
    """Return a text on a background in the shade of a value, for a terminal with a number of colours."""
    if colours == NONE:
        return text
    s = strength(value, kind)
    if colours >= ALL:
        background = mix_rgb(s)
        return click.style(text, fg=choose_ink(background), bg=background)
    if colours >= MANY:
        palette = BLUES if s >= 0 else ORANGES
        step = min(int(abs(s) * len(palette)), len(palette) - 1)
        return click.style(text, fg=231 if step >= DARK_FROM[s >= 0] else 16, bg=palette[step])
    if abs(s) < 0.25:
        return text
    if s > 0:
        return click.style(text, fg="white", bg="blue") if s >= 0.6 else click.style(text, fg="black", bg="cyan")
    return click.style(text, fg="white", bg="red") if s <= -0.6 else click.style(text, fg="black", bg="yellow")


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
