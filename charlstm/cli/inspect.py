"""`charlstm inspect`: show what a model is, and what it does while it reads a text."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click
from click.core import ParameterSource

from charlstm import api
from charlstm.base.config import check_choice, check_text
from charlstm.base.files import write_file
from charlstm.base.inputs import as_inputs
from charlstm.cli.commands import (
    MAIN_OPTIONS,
    Decorated,
    FilePath,
    GroupedCommand,
    Mix,
    adapt_rate_option,
    check_encoding,
    check_files,
    complete_with,
    field_option,
    option_of,
    output_file_option,
    unknown_option,
)
from charlstm.cli.console import count_colours, has_dots, print_message, skip_unknown, skip_unknown_in_all
from charlstm.cli.group import WrongUsage
from charlstm.cli.models import ModelPath, model_to_read, open_model
from charlstm.cli.output import binary_output, is_shown, terminal_height, terminal_width, write_text
from charlstm.cli.status import show_elapsed
from charlstm.cli.streams import is_piped, read_standard_input
from charlstm.inspection.questions import QUESTIONS
from charlstm.inspection.registry import VIEWS, Reads
from charlstm.inspection.trace import REACH
from charlstm.inspection.view import CorpusInput, TextSource
from charlstm.render import terminal
from charlstm.render.data import FORMATS
from charlstm.render.data import write as write_view
from charlstm.text.ngrams import MOST_ORDER
from charlstm.text.sources import Block, Sources
from charlstm.training.counting import ORDER

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

NO_PNG = "charlstm writes no png; choose svg, which browsers and word processors show."
STANDARD_INPUT = Path("-")
TABLE, CSV, PAGE, PNG = "table", "csv", "html", "png"
FILE_WIDTH = 80
# Rows of a screen that a table leaves to its header and the prompt, and the fewest rows between two headers.
ROWS_BESIDE, LEAST_EVERY = 4, 5
TABLE_SUFFIXES = ("", ".txt")
NOT_FOR_TERMINALS = {"npz", PAGE}
EXAMPLES = (
    (
        'charlstm inspect "mady said hi to"',
        "Print surprisal, predictions and the mean of every gate at each character.",
    ),
    (
        'charlstm inspect "monica walks in. mady said hi to" --view why --target " monica"',
        "Print which characters and words led to a continuation.",
    ),
    ("charlstm inspect --score --file corpus.txt", "Print how well the model predicts a file."),
)


class Format(click.Choice[str]):
    """A format; png is an error that names svg."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the format."""
        if str(value).lower() == PNG:
            self.fail(NO_PNG, param, ctx)
        return super().convert(value, param, ctx)


main_option = option_of(MAIN_OPTIONS)
text_option = option_of("Text")
unit_option = option_of("Options of the views gates and cell")
units_option = option_of("Options of the view units")
memory_option = option_of("Options of the view memory")
why_option = option_of("Options of the view why")
patch_option = option_of("Options of the view patch")

# Name of an option of the Python API → the same option on the command line.
OPTIONS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "units": unit_option(
        "--unit",
        "units",
        metavar="L:N",
        multiple=True,
        shell_complete=complete_with("list_units"),
        help="Show this unit: layer:number, or a number for every layer. Can be repeated.",
    ),
    "show": unit_option(
        "--show", metavar="NAMES", show_default="all", help="Show these quantities, such as f,c (gates)."
    ),
    "most_active": unit_option(
        "--most-active",
        type=click.IntRange(min=0),
        default=0,
        help="Show this number of units of each layer: those with the largest mean |h| (gates).",
    ),
    "by": unit_option(
        "--by",
        metavar="NAME",
        default="memory",
        help="Colour the text by memory or by a quantity, such as f (cell).",
    ),
    "match": units_option(
        "--match", metavar="REGEX", help="Rank the units by how well they separate its matches (ROC AUC)."
    ),
    "question": units_option(
        "--question",
        type=click.Choice(tuple(QUESTIONS)),
        metavar="NAME",
        help=f"Rank the units by {', '.join(QUESTIONS)}.",
    ),
    "like": units_option(
        "--like",
        metavar="TEXT[a:b]",
        help="Find the units that are on over characters a to b of a text, and other places where they are on.",
    ),
    "ask": memory_option("--ask", metavar="TEXT", help="Ask this question after every character."),
    "answers": memory_option(
        "--answer", "answers", metavar="TEXT", multiple=True, help="A possible answer to the question. Can be repeated."
    ),
    "target": why_option(
        "--target", metavar="TEXT", show_default="auto", help="Explain the probability of this continuation."
    ),
    "reach": why_option(
        "--reach", type=click.IntRange(min=1), default=REACH, help="Number of characters before it to examine."
    ),
    "set": patch_option(
        "--set",
        metavar="L:N=V@P",
        multiple=True,
        shell_complete=complete_with("list_units"),
        help="Set the cell state of a unit to V before character P is read. Can be repeated.",
    ),
    "freeze": patch_option(
        "--freeze",
        metavar="L:N@P",
        multiple=True,
        shell_complete=complete_with("list_units"),
        help="Keep the cell state of a unit from character P on. Can be repeated.",
    ),
    "gate": patch_option(
        "--gate",
        metavar="NAME:L:N=V[@P]",
        multiple=True,
        help="Force a logistic gate of a unit to V (0 to 1) from character P on or over the whole text. Can be"
        " repeated.",
    ),
    "without": patch_option(
        "--without",
        metavar="L:N[@P]",
        multiple=True,
        shell_complete=complete_with("list_units"),
        help="Ablate a unit from character P on or over the whole text. Can be repeated.",
    ),
    "swap_memory": patch_option("--swap-memory", metavar="TEXT", help="Patch in the cell state of another text."),
    "at": patch_option(
        "--at",
        type=click.IntRange(min=0),
        metavar="P",
        show_default="the last character",
        help="Patch it in before character P is read, counted from 0.",
    ),
    "compare": option_of("Options of the views score, gradients and history")(
        "--compare", type=ModelPath(), metavar="FILE", help="Show another model beside this one."
    ),
    "adapt": option_of("Options of the view score")(
        "--adapt",
        is_flag=True,
        help="Show the score with dynamic evaluation as well: the model learns from what it has read.",
    ),
    "adapt_rate": adapt_rate_option("Options of the view score"),
    "mix": option_of("Options of the view score")(
        "--mix",
        type=Mix(),
        metavar="NAME=W",
        multiple=True,
        help="Show the score of a mixture as well, with counts at weight W, 0 to 1: counts=W are those that the model"
        " holds, cache=W those of the text that it has read. Can be repeated.",
    ),
    "against": option_of("Options of the view counts")(
        "--against",
        type=FilePath(),
        multiple=True,
        metavar="CORPUS",
        help="Count the training set of this corpus, which is split as for the training of the model. Without a text,"
        " read its validation set. Can be repeated.",
    ),
    "order": option_of("Options of the view counts")(
        "--order",
        type=click.IntRange(1, MOST_ORDER),
        metavar="N",
        show_default=str(ORDER),
        help="Characters of the longest n-gram.",
    ),
    "lags": option_of("Options of the view gradients")(
        "--lags", type=click.IntRange(min=1), show_default="auto", help="Largest number of characters to look back."
    ),
}


def add_view_options(command: Decorated) -> Decorated:
    """Add the options of all views to a command."""
    for option in reversed(OPTIONS.values()):
        option(command)
    return command


def check_view_name(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return the name of a view; refuse an unknown one."""
    return None if value is None else check_choice("--view", value, VIEWS)


def list_views(start: str) -> list[CompletionItem[str]]:
    """Return the views whose names begin with a text."""
    from click.shell_completion import CompletionItem  # only the tab key needs it

    return [CompletionItem(name, help=entry.sentence) for name, entry in VIEWS.items() if name.startswith(start)]


@click.command(
    "inspect",
    cls=GroupedCommand,
    sections={
        "Views": [(name, entry.sentence[:1].upper() + entry.sentence[1:] + ".") for name, entry in VIEWS.items()]
    },
    examples=EXAMPLES,
)
@click.argument("text", required=False)
@main_option(
    "--view",
    "name",
    metavar="VIEW",
    callback=check_view_name,
    shell_complete=lambda ctx, parameter, start: list_views(start),
    show_default="gates with a text, summary without",
    help="Show this view; the list of views is below.",
)
@model_to_read(MAIN_OPTIONS)
@main_option(
    "--file",
    "files",
    type=FilePath(),
    multiple=True,
    help="Read the text from a file, from a folder as in training, or from standard input (-). The view score takes"
    " several files.",
)
@main_option("--score", is_flag=True, help="Short for --view score.")
@main_option(
    "--format",
    "shape",
    type=Format((TABLE, *FORMATS, PAGE)),
    show_default="auto",
    help="Print a table; data for programs (csv, json, npz); the curves as a picture (svg); or a page that runs the"
    " model in a browser (html). Auto: as the name of the output ends; table without one.",
)
@output_file_option(
    MAIN_OPTIONS,
    help="Write to this file. Its name chooses the format: .csv, .json, .npz, .svg, .html; table for .txt or no"
    " suffix.",
)
@main_option(
    "--bom",
    is_flag=True,
    help="Write csv as Excel reads it: with a byte-order mark, lines that end with CR LF, and an apostrophe before a"
    " text that Excel would compute.",
)
@main_option(
    "--every",
    type=click.IntRange(min=0),
    metavar="N",
    show_default="the height of the terminal; 0 elsewhere",
    help="Repeat the header of a table after N rows; 0: never.",
)
@text_option("--cloze", type=FilePath(), help="Short for --view cloze --file with this file.")
@field_option("Text", help="Read this field of tables (.csv, .tsv, .jsonl).")
@text_option("--encoding", default="utf-8", callback=check_encoding, help="Encoding of the files or of standard input.")
@unknown_option("Text")
@text_option(
    "--label",
    metavar="NAME",
    shell_complete=complete_with("list_labels"),
    help="Read the text as a document with this label.",
)
@text_option(
    "--example",
    "examples",
    metavar="TEXT",
    multiple=True,
    help="With --format html: offer this text on the page instead of the examples in the model file. Can be repeated.",
)
@add_view_options
def command(
    text: str | None,
    name: str | None,
    model: Path,
    files: tuple[Path, ...],
    score: bool,
    shape: str | None,
    output: Path | None,
    force: bool,
    cloze: Path | None,
    field: str | None,
    encoding: str,
    unknown: str,
    label: str | None,
    examples: tuple[str, ...],
    every: int | None,
    bom: bool,
    **options: Any,
) -> None:
    """Show what a model does while it reads TEXT, or without TEXT what the model is.

    By default this prints one row per character: the surprisal in bits, the most probable next characters, and for
    each layer the forget gate f, the input gate i, the output gate o, the candidate c~, the cell state c and the
    hidden state h. A TEXT of - is read from standard input.
    """
    shape = shape or choose_format(output)
    for example in examples:
        check_text("--example", example, 1)
    if examples and shape != PAGE:
        raise WrongUsage(f"--example offers a text on a page, and this is --format {shape}; choose --format {PAGE}.")
    if bom and shape != CSV:
        raise WrongUsage(f"--bom is for csv, and this is --format {shape}; choose --format {CSV}.")
    asked, files = find_view(name, score, cloze, files)
    output = check_files((model, options["compare"], *options["against"], *files), output, force)
    source = click.get_current_context().get_parameter_source
    given = {option: value for option, value in options.items() if source(option) is ParameterSource.COMMANDLINE}
    texts = open_texts(text, files, encoding, field, asked is not None and VIEWS[asked].needs_text(given))
    name = asked or ("gates" if texts else "summary")
    check_usage(name, len(texts), given)
    if "adapt_rate" in given and not given.get("adapt"):
        raise WrongUsage("--adapt-rate needs --adapt; add it, or leave out --adapt-rate.")
    loaded = open_model(model).with_label(label)
    if "compare" in given:
        other = api.load(given["compare"])
        given["compare"] = {other.name: other}
    if "against" in given:
        given["against"] = CorpusInput(as_inputs(given["against"]), encoding, field)
    read: str | list[TextSource] | None = texts or None
    if VIEWS[name].reads is not Reads.TEXTS:
        read = read_whole(loaded, texts[0], unknown) if texts else None
    skip = unknown == "skip"
    if shape in NOT_FOR_TERMINALS and output is None and is_shown():
        raise WrongUsage(f"--format {shape} is not for a terminal; name a file with -o, or use a pipe.")
    with show_elapsed("inspecting"):
        if shape == PAGE:
            skip_unknown_in_all(loaded.model, list(examples), unknown)  # prints how many
            page = loaded.html(read, asked, examples=examples, skip_unknown=skip, **given).encode("utf-8", "replace")
            write(output, lambda file: file.write(page))
            return
        view = loaded.view(name, read, skip_unknown=skip, **given)
    if output is None and shape == TABLE:  # it has signs for control characters, and colours
        for line in terminal.draw_lines(view, find_screen(every)):
            sys.stdout.write(line)
    elif shape == TABLE:
        write(output, partial(terminal.write, view, terminal.Screen(FILE_WIDTH, every=every or 0)))
    elif output is None and is_shown():
        write_text(str(view.dump(shape)))
    else:
        write(output, partial(write_view, view, shape, bom=bom))


def find_screen(every: int | None) -> terminal.Screen:
    """Return what standard output can show; on a terminal a header is repeated before it leaves the screen.

    Parameters
    ----------
    every
        The option of this name.
    """
    if every is None:
        every = max(LEAST_EVERY, terminal_height() - ROWS_BESIDE) if is_shown() else 0
    return terminal.Screen(terminal_width(), count_colours(), has_dots(), every)


def choose_format(output: Path | None) -> str:
    """Return the format that belongs to the name of the output: a table without a name or a suffix."""
    suffix = "" if output is None else output.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return TABLE
    if suffix[1:] in (*FORMATS, PAGE):
        return suffix[1:]
    if suffix[1:] == PNG:
        raise WrongUsage(f"{output}: {NO_PNG}")
    known = ", ".join(f".{name}" for name in (*FORMATS, PAGE))
    raise WrongUsage(f"no format belongs to the name {output}; end it with {known} or .txt, or choose a --format.")


def find_view(
    name: str | None, score: bool, cloze: Path | None, files: tuple[Path, ...]
) -> tuple[str | None, tuple[Path, ...]]:
    """Return the view and the files that are asked for by --view, --score and --cloze."""
    names = {*[name] * (name is not None), *["score"] * score, *["cloze"] * (cloze is not None)}
    if len(names) > 1:
        raise WrongUsage(f"{' and '.join(sorted(map(str, names)))} are different views; ask for one of them.")
    return next(iter(names), None), files if cloze is None else (*files, cloze)


def open_texts(
    text: str | None, files: tuple[Path, ...], encoding: str, field: str | None, wanted: bool
) -> list[TextSource]:
    """Return the texts given; standard input if a text is wanted, none is given, and something is piped in."""
    if text is not None and files:
        raise WrongUsage("a text is given, and --file or --cloze as well; give one of them.")
    if text == "-" or (wanted and text is None and not files and is_piped()):
        files = (STANDARD_INPUT,)
    if text is not None and not files:
        return [TextSource("the text", [check_text("text", text)])]
    if files.count(STANDARD_INPUT) > 1:
        raise WrongUsage("standard input is given twice; it can be read once.")
    typed = sys.stdin is not None and sys.stdin.isatty()
    read: Callable[[Iterator[Block]], Iterable[Block]] = (
        list if typed else iter
    )  # before a status line is drawn over it
    return [
        TextSource("standard input", blocks=read(read_standard_input(encoding, field)))
        if file == STANDARD_INPUT
        else TextSource(str(file), blocks=read_file(file, encoding, field))
        for file in files
    ]


def read_file(file: Path, encoding: str, field: str | None) -> Iterator[Block]:
    """Yield the documents of a file or a folder as one text; see `Sources.read_joined`."""
    sources = Sources([file], encoding, field)
    for remark in sources.remarks.list():
        print_message(remark)
    yield from sources.read_joined()


def read_whole(loaded: api.LanguageModel, text: TextSource, unknown: str) -> str:
    """Return the whole text, without the characters that are to be skipped."""
    read = skip_unknown(loaded.model, "".join(text.parse(loaded.model.documents)), unknown)
    if not read:
        raise WrongUsage("the text is empty; give one character or more, or leave it out.")
    return read


def check_usage(name: str, count: int, options: Mapping[str, Any]) -> None:
    """Refuse options that belong to other views, and a number of texts that the view does not read."""
    flags = {parameter.name: parameter.opts[-1] for parameter in click.get_current_context().command.params}
    for option in options:
        if option not in VIEWS[name].options:
            takers = " or ".join(other for other, entry in VIEWS.items() if option in entry.options)
            raise WrongUsage(f"{flags[option]} goes with --view {takers}, and this is --view {name}.")
    reads = VIEWS[name].reads
    if count and reads is Reads.NOTHING:
        raise WrongUsage(f"--view {name} shows the model alone; leave the text out.")
    if not count and VIEWS[name].needs_text(options):
        raise WrongUsage(f"--view {name} reads a text; give one, or name a --file.")
    if count > 1 and reads is not Reads.TEXTS:
        raise WrongUsage(f"--view {name} reads one text, and {count} are given; give one of them.")


def write(output: Path | None, write_into: Callable[[BinaryIO], object]) -> None:
    """Let `write_into` write bytes into a file, or to standard output."""
    if output is not None:
        write_file(output, write_into)
    else:
        write_into(binary_output())
