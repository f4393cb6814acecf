"""The views by name: the function that builds each, what it reads, its options, and a sentence about it.

A view is one module and one entry here. Its module is imported when the view is built.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from charlstm.base.config import check_choice, check_text, check_texts
from charlstm.base.errors import ConfigError, did_you_mean, show_value

if TYPE_CHECKING:
    from charlstm.inspection.trace import Trace
    from charlstm.inspection.view import TextInput, TextSource, View
    from charlstm.model.model import Model

SEVERAL = {"units", "answers", "set", "freeze", "gate", "without"}  # options that take one value or more
WORDS = {"show", "by", "match", "question", "like", "ask", "target", "swap_memory"}  # options that take one text
# The views that are about the prediction after a text, and those of their options that say where the text is changed or
# what follows it.
ABOUT_THE_END: Mapping[str, frozenset[str]] = {
    "why": frozenset({"target"}),
    "patch": frozenset({"set", "freeze", "swap_memory", "at"}),
}
HIDING = {"set"}  # options whose parameter has an underscore, because it would hide a built-in name


class Reads(Enum):
    """What a view reads besides the model: the second argument of its function."""

    NOTHING = "nothing"
    TEXT = "a text"
    TRACE = "the trace of a text"
    TEXTS = "texts of any length"


class Entry(NamedTuple):
    """A view.

    Attributes
    ----------
    module
        Module in `charlstm.inspection` with the function `view_NAME(model, [text, trace or texts], **options)`.
    reads
        What it reads besides the model.
    sentence
        What it shows.
    options
        Names of its options: the further parameters of its function.
    in_place_of_text
        Name of an option with which the view needs no text; empty: none.
    """

    module: str
    reads: Reads
    sentence: str
    options: tuple[str, ...] = ()
    in_place_of_text: str = ""

    def needs_text(self, options: Collection[str]) -> bool:
        """Return whether the view cannot be built with some options, by name, and without a text."""
        return self.reads is not Reads.NOTHING and self.in_place_of_text not in options


VIEWS: Mapping[str, Entry] = {
    "gates": Entry(
        "gates",
        Reads.TRACE,
        "surprisal, predictions, and all gates and states at each character",
        ("units", "show", "most_active"),
    ),
    "cell": Entry("colouring", Reads.TRACE, "the text coloured by the memory of single units", ("units", "by")),
    "units": Entry(
        "units",
        Reads.TEXT,
        "which unit tracks what: quotes, brackets, lines, or a pattern of your own",
        ("match", "question", "like"),
    ),
    "score": Entry(
        "score",
        Reads.TEXTS,
        "how well the model predicts texts: bits per character, perplexity, calibration, surprising passages",
        ("compare", "adapt", "adapt_rate", "mix"),
    ),
    "counts": Entry(
        "counts",
        Reads.TEXTS,
        "how well an n-gram model predicts the same text, and which kinds of errors it and the network make",
        ("against", "order"),
        in_place_of_text="against",
    ),
    "cloze": Entry("cloze", Reads.TEXTS, "how many prompts with a known answer the model completes correctly"),
    "saturation": Entry("saturation", Reads.TEXT, "how often the gates of each unit are nearly closed or nearly open"),
    "memory": Entry(
        "memory",
        Reads.TRACE,
        "how long units remember, where they write and erase, and what the memory answers",
        ("ask", "answers"),
    ),
    "why": Entry("why", Reads.TEXT, "which characters and words led to a prediction", ("target", "reach")),
    "patch": Entry(
        "patch",
        Reads.TEXT,
        "how the prediction changes without a unit, or with other gates or cell states",
        ("set", "freeze", "gate", "without", "swap_memory", "at"),
    ),
    "gradients": Entry(
        "gradients", Reads.TEXT, "how far back the gradient of a prediction reaches", ("compare", "lags")
    ),
    "labels": Entry("labels", Reads.TEXT, "which label a text probably has after each character, and which words tell"),
    "history": Entry(
        "summary", Reads.NOTHING, "losses, learning rate and gradient norm over the training steps", ("compare",)
    ),
    "summary": Entry("summary", Reads.NOTHING, "architecture, corpus, training settings and final losses"),
}


class Subject:
    """A model and what it reads. The trace is computed once, when the first view needs it.

    Parameters
    ----------
    model
        The model.
    given
        A text; or texts with a name and in pieces, for the views that read texts of any length; None: no text.
    skip_unknown
        True: characters that the model does not know are skipped.
    name
        Name of the model, for headings beside another one.
    """

    def __init__(
        self,
        model: Model,
        given: str | TextSource | Sequence[TextSource] | None = None,
        skip_unknown: bool = False,
        name: str = "this model",
    ) -> None:
        self.model = model
        self.texts: TextInput | None = None
        self.text: str | None = None
        self.remarks: tuple[str, ...] = ()
        if given is None:
            return
        from charlstm.inspection.view import TextInput, TextSource, skip_remark

        if not isinstance(given, str):
            self.texts = TextInput([given] if isinstance(given, TextSource) else given, skip_unknown, name)
            return
        given = model.documents.parse(given)
        self.texts = TextInput([TextSource("the text", [given])], skip_unknown, name)
        self.text = model.vocabulary.known(given) if skip_unknown else given
        if len(self.text) < len(given):
            self.remarks = (skip_remark(len(given) - len(self.text), len(given)),)

    @cached_property
    def trace(self) -> Trace:
        """The trace of the text."""
        from charlstm.inspection.trace import trace

        assert self.text is not None
        return trace(self.model, self.text)

    @cached_property
    def telling_place(self) -> int:
        """The position in the text after which the long memory of the model shows most."""
        from charlstm.inspection.telling_place import find_telling_place

        assert self.text
        return find_telling_place(self.model, self.text)

    def has(self, reads: Reads) -> bool:
        """Return True if there is what a view reads."""
        if reads is Reads.TEXTS:
            return self.texts is not None
        return reads is Reads.NOTHING or bool(self.text)


def check_view(name: str, subject: Subject, options: Collection[str]) -> None:
    """Refuse a view that does not exist, that has no such options, or that reads something else.

    Parameters
    ----------
    name
        Name of the view.
    subject
        The model and what it reads.
    options
        Names of options.

    Raises
    ------
    ConfigError
        If the view cannot be built from these.
    """
    entry = VIEWS[check_choice("view", name, VIEWS)]
    reads, known = entry.reads, entry.options
    for option in options:
        if option not in known:
            end = did_you_mean(option, known)
            raise ConfigError(
                f"the view {name} has no option {show_value(option)}; it has {', '.join(known) or 'none'}{end}"
            )
    if reads is Reads.NOTHING and subject.texts is not None:
        raise ConfigError(f"the view {name} shows the model alone; leave the text out")
    if not subject.has(reads) and entry.needs_text(options):
        raise ConfigError(f"the view {name} reads {reads.value}; give one of one character or more")


def build_view(name: str, subject: Subject, options: Mapping[str, Any]) -> View:
    """Return a view by its name; `check_view` has checked that it can be built.

    Parameters
    ----------
    name
        Name of the view.
    subject
        The model and what it reads.
    options
        Options of the view by name.

    Raises
    ------
    ConfigError
        If the view refuses the value of an option, the text or the model.
    """
    reads = VIEWS[name].reads
    function: Callable[..., View] = getattr(import_module(f"charlstm.inspection.{VIEWS[name].module}"), f"view_{name}")
    arguments = {option + "_" * (option in HIDING): _check_option(option, value) for option, value in options.items()}
    if reads is Reads.NOTHING:
        return function(subject.model, **arguments)
    if reads is Reads.TEXTS:
        return function(subject.model, subject.texts, **arguments)
    view = function(subject.model, subject.trace if reads is Reads.TRACE else subject.text, **arguments)
    return view._replace(remarks=(*view.remarks, *subject.remarks))


def _check_option(option: str, value: Any) -> Any:
    """Return the value of an option that takes texts; raise ConfigError if it is something else."""
    if option in SEVERAL:
        return check_texts(option, value, 1)
    return check_text(option, value) if option in WORDS and value is not None else value


def build_all_views(
    subject: Subject, first: str | None, options: Mapping[str, Any], left_out: Collection[str] = ()
) -> dict[str, View]:
    """Return all views that the model and the text give without options, and one that is asked for.

    Views that the model or the text cannot give, such as the saturation of a cell without gates, are left out. The
    views why and patch read the text up to its telling place only, unless their options name a place or a continuation.

    Parameters
    ----------
    subject
        The model and what it reads.
    first
        Name of the view that is asked for; None: none.
    options
        Options by name; each goes to the views that have it.
    left_out
        Names of views that are not built.

    Raises
    ------
    ConfigError
        If the view that is asked for, or one that has some of the options, cannot be built.
    """
    if first is not None:
        known = VIEWS[check_choice("view", first, VIEWS)].options
        check_view(first, subject, [option for option in options if option in known])
    views = {}
    for name, entry in VIEWS.items():
        reads = entry.reads
        mine = {option: value for option, value in options.items() if option in entry.options}
        if name in left_out:
            continue
        if name == first or (reads is not Reads.TEXTS and subject.has(reads)):
            try:
                views[name] = build_view(name, _choose_place(subject, name, mine), mine)
            except ConfigError:
                if mine or name == first:
                    raise
    return views


def _choose_place(subject: Subject, name: str, options: Collection[str]) -> Subject:
    """Return what a view of a page reads: for a view about the prediction after a text, the text up to a telling place.

    Parameters
    ----------
    subject
        The model and what it reads.
    name
        Name of the view.
    options
        Names of the options that are given to it.
    """
    if not subject.text or name not in ABOUT_THE_END or ABOUT_THE_END[name] & set(options):
        return subject
    from charlstm.inspection.telling_place import NEAR

    place = subject.telling_place
    if place == len(subject.text) - 1:
        return subject
    begun = Subject(subject.model, subject.text[: place + 1])
    begun.remarks = (
        *subject.remarks,
        f"The page asks about the prediction after character {place:,}, counted from 0, which gains most from what"
        f" stands more than {NEAR} characters back.",
    )
    return begun
