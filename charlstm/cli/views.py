"""The views by name: what each of them reads, its options, and how it is made of them. One entry a view."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from charlstm import checkpoint
from charlstm.cli.console import Decorated, WrongUsage, option_of
from charlstm.errors import ConfigError
from charlstm.inspect.cell import cell
from charlstm.inspect.cloze import cloze, questions_in
from charlstm.inspect.gates import gates
from charlstm.inspect.gradients import gradients
from charlstm.inspect.history import history
from charlstm.inspect.like import like
from charlstm.inspect.memory import memory_kept
from charlstm.inspect.patch import changes, patch
from charlstm.inspect.questions import QUESTIONS
from charlstm.inspect.saturation import saturation
from charlstm.inspect.score import Scorer, Text, score
from charlstm.inspect.summary import summary
from charlstm.inspect.trace import REACH, trace
from charlstm.inspect.unit import Unit, units_named
from charlstm.inspect.units import units
from charlstm.inspect.view import View
from charlstm.inspect.why import why
from charlstm.model import Model

NOTHING, A_TEXT, TEXTS = "nothing", "a text", "texts"
Option = Callable[[Callable[..., Any]], Callable[..., Any]]
Made = Callable[..., View]


class Given(NamedTuple):
    """Texts of any length for a view.

    Attributes
    ----------
    texts
        What they are called, and their characters in pieces.
    skip
        True: characters that a model does not know are left out.
    model
        The file of the model.
    """

    texts: list[Text]
    skip: bool
    model: Path


Read = str | Given | None  # a text as a whole, texts to go by, nothing


class Entry(NamedTuple):
    """A view as the command line knows it.

    Attributes
    ----------
    make
        Makes it of a model, of the text where it reads one, and of its options by name.
    reads
        `A_TEXT`, given as a `str`; `TEXTS`, given as `Given`; or `NOTHING`.
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


def chosen(model: Model, names: tuple[str, ...]) -> list[Unit]:
    """Return the units that names ask for."""
    return [unit for name in names for unit in units_named(name, model.network.config)]


def made(name: str, model: Model, read: Read, options: dict[str, Any]) -> View:
    """Return a view by its name, of what it reads, with its own of the options of all views."""
    entry = VIEWS[name]
    texts = [] if entry.reads == NOTHING else [read]
    return entry.make(model, *texts, **{option: options[option] for option in entry.options})


def every_view(model: Model, read: Read, asked: str | None, options: dict[str, Any]) -> dict[str, View]:
    """Return the views that a model and a text give without being asked for more, and the one that is asked for.

    A view that asks for more is left out unless it is asked for.
    """
    views = {}
    for name, entry in VIEWS.items():
        given = entry.reads == NOTHING or (entry.reads == A_TEXT and isinstance(read, str))
        if name != asked and not given:
            continue
        try:
            views[name] = made(name, model, read, options)
        except ConfigError:
            if name == asked:
                raise
    return views


units_option = option_of("Views gates and cell")(
    "--unit",
    "units",
    metavar="L:N",
    multiple=True,
    help="Show this unit: layer:number, or a number for every layer; may be given again.",
)


compare_option = option_of("Views score and gradients")(
    "--compare", type=click.Path(dir_okay=False, path_type=Path), help="Show another model beside this one."
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
def gates_view(model: Model, text: str, units: tuple[str, ...], show: str | None, most_active: int) -> View:
    """Return the view of the gates."""
    return gates(trace(model, text), chosen(model, units), show.split(",") if show else (), most_active)


@view(
    "cell",
    A_TEXT,
    "the text itself, coloured by what single units hold",
    units=units_option,
    quantity=option_of("Views gates and cell")(
        "--by", "quantity", default="memory", help="What colours the text: memory, which is tanh(c), or f, i, o, c, h."
    ),
)
def cell_view(model: Model, text: str, units: tuple[str, ...], quantity: str) -> View:
    """Return the view of single units."""
    return cell(trace(model, text), chosen(model, units), quantity)


@view(
    "units",
    A_TEXT,
    "which unit tracks what: quotes, brackets, lines, a pattern of your own",
    match=option_of("View units")(
        "--match", metavar="REGEX", help="Rank the units by how well they tell inside its matches from outside."
    ),
    question=option_of("View units")(
        "--question", type=click.Choice(tuple(QUESTIONS)), help="Rank the units by this question."
    ),
    span=option_of("View units")(
        "--like",
        "span",
        metavar="TEXT[a:b]",
        help="Find the units that are on over characters a to b of a text, and the places where they are on too.",
    ),
)
def units_view(model: Model, text: str, match: str | None, question: str | None, span: str | None) -> View:
    """Return the view of what the units track."""
    if span is None:
        return units(model, text, match, question)
    if match or question:
        raise WrongUsage("--like is given with --match or --question; give one of them.")
    return like(model, text, span)


@view(
    "score",
    TEXTS,
    "how well the model predicts texts: bits per character, perplexity, the most surprising passages",
    compare=compare_option,
    rate=option_of("View score")(
        "--adapt",
        "rate",
        type=click.FloatRange(min=0, min_open=True),
        help="Show as well how it would score if it went on learning while it reads, at this rate.",
    ),
)
def score_view(model: Model, given: Given, compare: Path | None, rate: float | None) -> View:
    """Return the view of the scores."""
    readers = [Scorer(str(given.model), model)]
    if compare is not None:
        readers.append(Scorer(str(compare), checkpoint.load(compare)))
    return score(given.texts, readers, rate or 0.0, given.skip)


@view("cloze", TEXTS, "how many prompts with a known answer it answers right, by the likeliest continuation")
def cloze_view(model: Model, given: Given) -> View:
    """Return the view of the answers."""
    asked = [question for name, pieces in given.texts for question in questions_in(pieces, name)]
    return cloze(model, asked, given.skip)


@view("saturation", A_TEXT, "how often each gate is nearly shut or nearly open")
def saturation_view(model: Model, text: str) -> View:
    """Return the view of saturation."""
    return saturation(model, text)


@view(
    "memory",
    A_TEXT,
    "how long what is written stays, where it is written and erased, and what the memory knows",
    ask=option_of("View memory")("--ask", help="Put this question after every character, as if it stood there."),
    answers=option_of("View memory")(
        "--answer", "answers", multiple=True, help="What may come after the question; may be given again."
    ),
)
def memory_view(model: Model, text: str, ask: str | None, answers: tuple[str, ...]) -> View:
    """Return the view of the memory."""
    return memory_kept(model, trace(model, text), ask, answers)


@view(
    "why",
    A_TEXT,
    "what in the text made the network predict what comes next, by occlusion and by gradient",
    target=option_of("View why")("--target", help="What may come next.", show_default="the likeliest character"),
    reach=option_of("View why")(
        "--reach", type=click.IntRange(min=1), default=REACH, help="How many characters back from it to look."
    ),
)
def why_view(model: Model, text: str, target: str | None, reach: int) -> View:
    """Return the view of influences."""
    if target == "":
        raise WrongUsage("the text of --target is empty; give one character or more, or leave it out.")
    return why(model, text, target, reach)


patch_option = option_of("View patch")


@view(
    "patch",
    A_TEXT,
    "what would be predicted without each unit, or with memories set, held, cut off, or taken from another text",
    set_=patch_option(
        "--set", "set_", metavar="L:N=V@P", multiple=True, help="Set a unit's memory to V before character P is read."
    ),
    freeze=patch_option(
        "--freeze", metavar="L:N@P", multiple=True, help="Hold a unit's memory as it is from before character P on."
    ),
    without=patch_option("--without", metavar="L:N", multiple=True, help="Cut a unit off, all the time."),
    swap=patch_option("--swap-memory", "swap", metavar="TEXT", help="Take the memory that another text leaves."),
    at=patch_option(
        "--at",
        type=click.IntRange(min=0),
        show_default="the last character",
        help="Take it before this character is read, counted from 0.",
    ),
)
def patch_view(
    model: Model,
    text: str,
    set_: tuple[str, ...],
    freeze: tuple[str, ...],
    without: tuple[str, ...],
    swap: str | None,
    at: int | None,
) -> View:
    """Return the view of what would be."""
    if at is not None and swap is None:
        raise WrongUsage("--at says where --swap-memory takes place; give both.")
    return patch(model, text, changes(model, text, set_, freeze, without, swap, at))


@view(
    "gradients",
    A_TEXT,
    "how much of the gradient of a prediction reaches the characters before it",
    compare=compare_option,
    lags=option_of("View gradients")(
        "--lags",
        type=click.IntRange(min=1),
        show_default="half of the text, at most 100",
        help="How many characters back.",
    ),
)
def gradients_view(model: Model, text: str, compare: Path | None, lags: int | None) -> View:
    """Return the view of the gradients."""
    others = {} if compare is None else {compare.name: checkpoint.load(compare)}
    return gradients({"this model": model, **others}, text, lags)


@view("history", NOTHING, "the losses and the learning rate over the steps of training")
def history_view(model: Model) -> View:
    """Return the view of the training."""
    return history(model)


@view("summary", NOTHING, "what the model is, what it learnt from, how that went")
def summary_view(model: Model) -> View:
    """Return the summary."""
    return summary(model)
