"""The options of the views, by the names of the parameters that take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from charlstm.cli.console import Decorated, option_of
from charlstm.inspection.questions import QUESTIONS
from charlstm.inspection.trace import REACH
from charlstm.model import checkpoint

Option = Callable[[Callable[..., Any]], Callable[..., Any]]


of_gates_and_cell = option_of("Views gates and cell")
of_units = option_of("View units")
of_memory = option_of("View memory")
of_why = option_of("View why")
of_patch = option_of("View patch")

OPTIONS: dict[str, Option] = {
    "units": of_gates_and_cell(
        "--unit",
        "units",
        metavar="L:N",
        multiple=True,
        help="Show this unit: layer:number, or a number for every layer; may be given again.",
    ),
    "show": of_gates_and_cell("--show", metavar="NAMES", help="Quantities to show, such as f,c; all of them without."),
    "most_active": of_gates_and_cell(
        "--most-active",
        type=click.IntRange(min=0),
        default=0,
        help="Show so many units of each layer, the most active.",
    ),
    "by": of_gates_and_cell(
        "--by", default="memory", help="What colours the text: memory, which is tanh(c), or f, i, o, c, h."
    ),
    "match": of_units(
        "--match", metavar="REGEX", help="Rank the units by how well they tell inside its matches from outside."
    ),
    "question": of_units("--question", type=click.Choice(tuple(QUESTIONS)), help="Rank the units by this question."),
    "like_": of_units(
        "--like",
        "like_",
        metavar="TEXT[a:b]",
        help="Find the units that are on over characters a to b of a text, and the places where they are on too.",
    ),
    "compare": option_of("Views score and gradients")(
        "--compare",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Show another model beside this one.",
    ),
    "adapt": option_of("View score")(
        "--adapt",
        type=click.FloatRange(min=0, min_open=True),
        help="Show as well how it would score if it went on learning while it reads, at this rate.",
    ),
    "ask": of_memory("--ask", help="Put this question after every character, as if it stood there."),
    "answers": of_memory(
        "--answer", "answers", multiple=True, help="What may come after the question; may be given again."
    ),
    "target": of_why("--target", help="What may come next.", show_default="the likeliest character"),
    "reach": of_why(
        "--reach", type=click.IntRange(min=1), default=REACH, help="How many characters back from it to look."
    ),
    "set_": of_patch(
        "--set", "set_", metavar="L:N=V@P", multiple=True, help="Set a unit's memory to V before character P is read."
    ),
    "freeze": of_patch(
        "--freeze", metavar="L:N@P", multiple=True, help="Hold a unit's memory as it is from before character P on."
    ),
    "without": of_patch("--without", metavar="L:N", multiple=True, help="Cut a unit off, all the time."),
    "swap_memory": of_patch("--swap-memory", metavar="TEXT", help="Take the memory that another text leaves."),
    "at": of_patch(
        "--at",
        type=click.IntRange(min=0),
        show_default="the last character",
        help="Take it before this character is read, counted from 0.",
    ),
    "lags": option_of("View gradients")(
        "--lags",
        type=click.IntRange(min=1),
        show_default="half of the text, at most 100",
        help="How many characters back.",
    ),
}


def with_models(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the models, by the names of their files, where the command line names files."""
    path = options["compare"]
    return {**options, "compare": {} if path is None else {str(path): checkpoint.load(path)}}


def every_option(command: Decorated) -> Decorated:
    """Give a command the options of all views."""
    for option in reversed(OPTIONS.values()):
        option(command)
    return command
