"""The views by name: what each reads, its options, and how it is made of them. One entry a view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

from charlstm.errors import ConfigError
from charlstm.inspection.cell import cell
from charlstm.inspection.cloze import cloze, questions_in
from charlstm.inspection.gates import gates
from charlstm.inspection.gradients import gradients
from charlstm.inspection.history import history
from charlstm.inspection.like import like
from charlstm.inspection.memory import memory_kept
from charlstm.inspection.patch import changes, patch
from charlstm.inspection.saturation import saturation
from charlstm.inspection.score import Scorer, Text, score
from charlstm.inspection.summary import summary
from charlstm.inspection.trace import REACH, trace
from charlstm.inspection.unit import Unit, units_named
from charlstm.inspection.units import units
from charlstm.inspection.view import View
from charlstm.inspection.why import why
from charlstm.model.model import Model

NOTHING, A_TEXT, TEXTS = "nothing", "a text", "texts"
THIS = "this model"
SEVERAL = {"units", "answers", "set", "freeze", "without"}  # options that take more than one
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
        What the model is called beside others.
    """

    texts: list[Text]
    skip: bool = False
    model: str = THIS


Read = str | Given | None  # a text as a whole, texts to go by, nothing


class Entry(NamedTuple):
    """A view as it is known by its name.

    Attributes
    ----------
    make
        Makes it of a model, of what it reads, if anything, and of its options.
    reads
        `A_TEXT`, given as a `str`; `TEXTS`, given as `Given`; or `NOTHING`.
    sentence
        What it shows.
    options
        Names of the parameters that `make` takes besides.
    """

    make: Made
    reads: str
    sentence: str
    options: tuple[str, ...]


VIEWS: dict[str, Entry] = {}


def view(name: str, reads: str, sentence: str) -> Callable[[Made], Made]:
    """Return a decorator that enters a view."""

    def enter(make: Made) -> Made:
        read = 1 if reads == NOTHING else 2
        VIEWS[name] = Entry(make, reads, sentence, tuple(signature(make).parameters)[read:])
        return make

    return enter


def made(name: str, model: Model, read: Read, options: Mapping[str, Any]) -> View:
    """Return a view by its name, of what it reads, with its own among some options.

    Parameters
    ----------
    name
        One of `VIEWS`.
    model
        What is looked at.
    read
        What the view reads.
    options
        By name; those that are not there are as the view has them by itself, those that it has no use for are left out.
    """
    entry = VIEWS[name]
    texts = [] if entry.reads == NOTHING else [read]
    return entry.make(model, *texts, **{option: options[option] for option in entry.options if option in options})


def looked_at(model: Model, name: str, text: str | None, options: Mapping[str, Any]) -> View:
    """Return a view by its name and the names that a person has for its options.

    Raises
    ------
    ConfigError
        If there is no such view, it has no such option, or the text is missing or too much.
    """
    if name not in VIEWS:
        raise ConfigError(f"there is no view {name!r}; there are {', '.join(VIEWS)}")
    entry = VIEWS[name]
    known = {option.rstrip("_"): option for option in entry.options}
    for option in options:
        if option not in known:
            raise ConfigError(f"the view {name} has no option {option!r}; it has {', '.join(known) or 'none'}")
    if entry.reads == NOTHING and text is not None:
        raise ConfigError(f"the view {name} looks at the model alone; leave the text out")
    if entry.reads != NOTHING and not text:
        raise ConfigError(f"the view {name} shows what the model does with a text; give one, of one character or more")
    read = Given([Text("the text", [text])]) if entry.reads == TEXTS and text is not None else text
    several = {
        option: (value,) if option in SEVERAL and isinstance(value, str) else value for option, value in options.items()
    }
    return made(name, model, read, {known[option]: value for option, value in several.items()})


def every_view(model: Model, read: Read, asked: str | None, options: Mapping[str, Any]) -> dict[str, View]:
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


def chosen(model: Model, names: Sequence[str]) -> list[Unit]:
    """Return the units that names ask for."""
    return [unit for name in names for unit in units_named(name, model.network.config)]


@view("gates", A_TEXT, "a row a character: surprise, guesses, and f, i, o, c~, c, h of every layer")
def _gates(model: Model, text: str, units: Sequence[str] = (), show: str | None = None, most_active: int = 0) -> View:
    return gates(trace(model, text), chosen(model, units), show.split(",") if show else (), most_active)


@view("cell", A_TEXT, "the text itself, coloured by what single units hold")
def _cell(model: Model, text: str, units: Sequence[str] = (), by: str = "memory") -> View:
    return cell(trace(model, text), chosen(model, units), by)


@view("units", A_TEXT, "which unit tracks what: quotes, brackets, lines, a pattern of your own")
def _units(
    model: Model, text: str, match: str | None = None, question: str | None = None, like_: str | None = None
) -> View:
    if like_ is None:
        return units(model, text, match, question)
    if match or question:
        raise ConfigError("like is given with match or question; give one of them")
    return like(model, text, like_)


@view(
    "score",
    TEXTS,
    "how well the model predicts texts: bits per character, perplexity, the most surprising passages",
)
def _score(model: Model, given: Given, compare: Mapping[str, Model] | None = None, adapt: float | None = None) -> View:
    readers = [Scorer(given.model, model), *(Scorer(name, other) for name, other in (compare or {}).items())]
    return score(given.texts, readers, adapt or 0.0, given.skip)


@view("cloze", TEXTS, "how many prompts with a known answer it answers right, by the likeliest continuation")
def _cloze(model: Model, given: Given) -> View:
    asked = [question for name, pieces in given.texts for question in questions_in(pieces, name)]
    return cloze(model, asked, given.skip)


@view("saturation", A_TEXT, "how often each gate is nearly shut or nearly open")
def _saturation(model: Model, text: str) -> View:
    return saturation(model, text)


@view(
    "memory",
    A_TEXT,
    "how long what is written stays, where it is written and erased, and what the memory knows",
)
def _memory(model: Model, text: str, ask: str | None = None, answers: Sequence[str] = ()) -> View:
    return memory_kept(model, trace(model, text), ask, answers)


@view("why", A_TEXT, "what in the text made the network predict what comes next, by occlusion and by gradient")
def _why(model: Model, text: str, target: str | None = None, reach: int = REACH) -> View:
    if target == "":
        raise ConfigError("the text of target is empty; give one character or more, or leave it out")
    return why(model, text, target, reach)


@view(
    "patch",
    A_TEXT,
    "what would be predicted without each unit, or with memories set, held, cut off, or taken from another text",
)
def _patch(
    model: Model,
    text: str,
    set_: Sequence[str] = (),
    freeze: Sequence[str] = (),
    without: Sequence[str] = (),
    swap_memory: str | None = None,
    at: int | None = None,
) -> View:
    if at is not None and swap_memory is None:
        raise ConfigError("at says where swap_memory takes place; give both")
    return patch(model, text, changes(model, text, set_, freeze, without, swap_memory, at))


@view("gradients", A_TEXT, "how much of the gradient of a prediction reaches the characters before it")
def _gradients(model: Model, text: str, compare: Mapping[str, Model] | None = None, lags: int | None = None) -> View:
    others = {Path(name).name: other for name, other in (compare or {}).items()}
    return gradients({THIS: model, **others}, text, lags)


@view("history", NOTHING, "the losses and the learning rate over the steps of training")
def _history(model: Model) -> View:
    return history(model)


@view("summary", NOTHING, "what the model is, what it learnt from, how that went")
def _summary(model: Model) -> View:
    return summary(model)
