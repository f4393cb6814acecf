"""`charlstm sample`: text from a model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import tee
from pathlib import Path
from typing import Any

import click

from charlstm import checkpoint, sampler
from charlstm.cli.console import GroupedCommand, WrongUsage, known_only, model_option, option_of, unknown_option
from charlstm.drawing import Drawing

DRAWING = Drawing()
LENGTH = 500
text_option = option_of("Text")
drawing_option = option_of("Drawing")


@click.command("sample", cls=GroupedCommand)
@model_option("Text", help="Model file to read.")
@text_option("--seed", default="", show_default="begin as a text of the corpus would", help="The text to continue.")
@unknown_option("Text")
@text_option(
    "-n",
    "--length",
    type=click.IntRange(min=0),
    show_default=f"{LENGTH}, or to the end of the line for a model of lines",
    help="Characters to write.",
)
@text_option("--stop", help="End after this text.")
@text_option("--samples", type=click.IntRange(min=1), default=1, help="Texts to write, drawn side by side.")
@drawing_option(
    "--temperature",
    type=click.FloatRange(min=0),
    default=DRAWING.temperature,
    help="Below 1 safer, above 1 wilder; 0 always takes the likeliest character.",
)
@drawing_option("--top-k", type=click.IntRange(min=1), help="Draw among the k likeliest characters only.")
@drawing_option(
    "--top-p",
    type=click.FloatRange(min=0, max=1, min_open=True),
    default=DRAWING.top_p,
    help="Draw among the likeliest that together have this probability.",
)
@drawing_option(
    "--min-p",
    type=click.FloatRange(min=0, max=1),
    default=DRAWING.min_p,
    help="Draw none with less than this share of the likeliest one's probability.",
)
@drawing_option(
    "--repeat-penalty",
    type=click.FloatRange(min=1),
    default=DRAWING.repeat_penalty,
    help="Raise the probability of recent characters to this power: unsure ones are repeated less.",
)
@drawing_option(
    "--repeat-window",
    type=click.IntRange(min=1),
    default=DRAWING.repeat_window,
    help="Characters back that count as recent.",
)
@drawing_option("--forbid", default="", help="Characters that are never drawn.")
@drawing_option("--only", help="The only characters that may be drawn.")
@drawing_option("--random-seed", type=click.IntRange(min=0), default=DRAWING.random_seed, help="Seed of the draws.")
def command(
    model: Path,
    seed: str,
    unknown: str,
    length: int | None,
    stop: str | None,
    samples: int,
    **rules: Any,
) -> None:
    """Write the seed and a continuation of it, or several, with an empty line between."""
    if stop == "":
        raise WrongUsage("the text of --stop is empty; give one character or more, or leave it out.")
    loaded = checkpoint.load(model)
    seed = known_only(loaded, seed, unknown)
    stops = [stop] if stop else []
    if length is None and loaded.training.lines:
        stops.append("\n")
    elif length is None:
        length = LENGTH
    copies = tee(sampler.streams(loaded, seed, Drawing(**rules), samples), samples)
    for row, steps in enumerate(copies):
        if row and not loaded.training.lines:
            sys.stdout.write("\n")
        write(seed, sampler.until((step.characters[row] for step in steps), length, stops))


def write(seed: str, characters: Iterator[str]) -> None:
    """Write a text to stdout, character by character to a terminal, and end its last line."""
    live = sys.stdout.isatty()
    sys.stdout.write(seed)
    last = seed[-1:]
    for last in characters:
        sys.stdout.write(last)
        if live:
            sys.stdout.flush()
    if last != "\n":
        sys.stdout.write("\n")
