"""The views by name: what each of them reads, its options, and how it is made of them. One entry a view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import click

from charlstm import inspect
from charlstm.cli.console import Decorated, option_of
from charlstm.inspect import View, trace, units_named
from charlstm.model import Model

NOTHING, A_TEXT = "nothing", "a text"
Option = Callable[[Callable[..., Any]], Callable[..., Any]]
Made = Callable[..., View]


class Entry(NamedTuple):
    """A view as the command line knows it.

    Attributes
    ----------
    make
        Makes it of a model, of the text where it reads one, and of its options by name.
    reads
        `A_TEXT` or `NOTHING`.
    options
        Names of the parameters that `make` takes.
    sentence
        What it shows.
    """

    make: Made
    reads: str
    options: tuple[str, ...]
    sentence: str


VIEWS: dict[str, Entry] = {}
OPTIONS: dict[str, Option] = {}


def view(name: str, reads: str, sentence: str, **options: Option) -> Callable[[Made], Made]:
    """Return a decorator that enters a view: its options by the name of the parameter that takes each."""

    def enter(make: Made) -> Made:
        VIEWS[name] = Entry(make, reads, tuple(options), sentence)
        OPTIONS.update(options)
        return make

    return enter


def every_option(command: Decorated) -> Decorated:
    """Give a command the options of all views."""
    for option in reversed(OPTIONS.values()):
        option(command)
    return command


units_option = option_of("Views gates and cell")(
    "--unit",
    "units",
    metavar="L:N",
    multiple=True,
    help="Show this unit: layer:number, or a number for every layer; may be given again.",
)


@view(
    "gates",
    A_TEXT,
    "a row a character: surprise, guesses, and f, i, o, c~, c, h of every layer",
    units=units_option,
    show=option_of("Views gates and cell")(
        "--show", metavar="NAMES", help="Quantities to show, such as f,c; all of them without."
    ),
    most_active=option_of("Views gates and cell")(
        "--most-active",
        type=click.IntRange(min=0),
        default=0,
        help="Show so many units of each layer, the most active.",
    ),
)
def gates(model: Model, text: str, units: tuple[str, ...], show: str | None, most_active: int) -> View:
    """Return the view of the gates."""
    chosen = [unit for name in units for unit in units_named(name, model.network.config)]
    return inspect.gates(trace(model, text), chosen, show.split(",") if show else (), most_active)


@view("history", NOTHING, "the losses and the learning rate over the steps of training")
def history(model: Model) -> View:
    """Return the view of the training."""
    return inspect.history(model)


@view("summary", NOTHING, "what the model is, what it learnt from, how that went")
def summary(model: Model) -> View:
    """Return the summary."""
    return inspect.summary(model)
