"""`charlstm inspect`: what a model is, and what it does while it reads a text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from charlstm.cli.console import (
    GroupedCommand,
    WrongUsage,
    colours,
    columns,
    known_encoding,
    known_only,
    model_option,
    option_of,
    unknown_option,
)
from charlstm.cli.streams import is_piped, standard_input
from charlstm.cli.views import OPTIONS, every_option, with_models
from charlstm.cli.waiting import waiting
from charlstm.inspection.score import Text
from charlstm.inspection.view import View
from charlstm.inspection.views import A_TEXT, NOTHING, TEXTS, VIEWS, Given, Read, made
from charlstm.model import checkpoint
from charlstm.model.files import replace_with
from charlstm.model.model import Model
from charlstm.render import data, page, terminal
from charlstm.text import corpus

text_option = option_of("Text")
view_option = option_of("View")
STANDARD_INPUT = Path("-")
PAGE = "html"
NOT_FOR_TERMINALS = {"npz", PAGE}


@click.command("inspect", cls=GroupedCommand)
@click.argument("text", required=False)
@model_option("Text", help="Model file to read.")
@text_option(
    "--file",
    "files",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Read the text from a file; -: from standard input; may be given again for a score.",
)
@text_option("--encoding", default="utf-8", callback=known_encoding, help="How the file or standard input is encoded.")
@unknown_option("Text")
@view_option(
    "--view",
    "name",
    type=click.Choice(tuple(VIEWS)),
    show_default="gates with a text, summary without",
    help="What to look at.",
)
@view_option("--score", is_flag=True, help="Short for --view score.")
@view_option("--cloze", type=click.Path(path_type=Path), help="Short for --view cloze --file with this file.")
@view_option(
    "--format",
    "shape",
    type=click.Choice(("table", *data.SHAPES, PAGE)),
    default="table",
    help="Table for people; csv, json and npz for programs; html is a page with all views.",
)
@view_option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write into this file.")
@every_option
def command(
    text: str | None,
    model: Path,
    files: tuple[Path, ...],
    encoding: str,
    unknown: str,
    name: str | None,
    score: bool,
    cloze: Path | None,
    shape: str,
    output: Path | None,
    **options: Any,
) -> None:
    """Look into a model.

    Without TEXT: what it is, what it learnt from, how the loss went. With TEXT: a row a character, with the surprise
    at it in bits, what was predicted to come next, and for each layer the forget gate f, the input gate i, the output
    gate o, the candidate c~, the memory c and the hidden state h. --view shows something else. A TEXT of - is read from
    standard input.
    """
    asked, files = asked_for(name, score, cloze, files)
    texts = given_texts(text, files, encoding, wanted=asked is not None and VIEWS[asked].reads != NOTHING)
    name = asked or ("gates" if texts else "summary")
    check(name, len(texts), options)
    loaded, options = checkpoint.load(model), with_models(options)
    read: Read = None
    if VIEWS[name].reads == TEXTS:
        read = Given(texts, unknown == "skip", str(model))
    elif VIEWS[name].reads == A_TEXT:
        read = whole(loaded, texts[0], unknown)
    with waiting("looking"):
        product = (
            page.of(loaded, read, asked, options)
            if shape == PAGE
            else drawn(made(name, loaded, read, options), shape, output)
        )
    write(product, shape, output)


def asked_for(
    name: str | None, score: bool, cloze: Path | None, files: tuple[Path, ...]
) -> tuple[str | None, tuple[Path, ...]]:
    """Return the view and the files that are asked for, at length or in the short forms."""
    asked = {*[name] * (name is not None), *["score"] * score, *["cloze"] * (cloze is not None)}
    if len(asked) > 1:
        raise WrongUsage(f"{' and '.join(sorted(map(str, asked)))} are different views; ask for one of them.")
    return next(iter(asked), None), files if cloze is None else (*files, cloze)


def given_texts(text: str | None, files: tuple[Path, ...], encoding: str, wanted: bool) -> list[Text]:
    """Return the texts given, to be read when they are needed: what is piped in where one is wanted and none given."""
    if text is not None and files:
        raise WrongUsage("a text is given, and --file or --cloze as well; give one of them.")
    if text == "-" or (wanted and text is None and not files and is_piped()):
        files = (STANDARD_INPUT,)
    if text is not None and not files:
        return [Text("the text", [text])]
    if files.count(STANDARD_INPUT) > 1:
        raise WrongUsage("standard input is given twice; it can be read once.")
    return [
        Text("standard input", standard_input(encoding))
        if file == STANDARD_INPUT
        else Text(str(file), corpus.read_blocks(file, encoding, {}))
        for file in files
    ]


def whole(model: Model, text: Text, unknown: str) -> str:
    """Return all characters of a text, as a model can read it."""
    read = known_only(model, "".join(text.pieces), unknown)
    if not read:
        raise WrongUsage("the text is empty; give one character or more, or no text for a summary of the model.")
    return read


def check(name: str, given: int, options: dict[str, Any]) -> None:
    """Refuse texts or an option that the view has no use for, and a view without the text that it reads."""
    context = click.get_current_context()
    flags = {parameter.name: parameter.opts[-1] for parameter in context.command.params}
    for option in OPTIONS:
        if context.get_parameter_source(option) is ParameterSource.COMMANDLINE and option not in VIEWS[name].options:
            takers = " or ".join(other for other, entry in VIEWS.items() if option in entry.options)
            raise WrongUsage(f"{flags[option]} goes with --view {takers}, and this is --view {name}.")
    if given and VIEWS[name].reads == NOTHING:
        raise WrongUsage(f"--view {name} looks at the model alone; leave the text out.")
    if not given and VIEWS[name].reads != NOTHING:
        raise WrongUsage(f"--view {name} shows what the model does with a text; give one, or name a --file.")
    if given > 1 and VIEWS[name].reads == A_TEXT:
        raise WrongUsage(f"--view {name} reads one text, and {given} are given; give one of them.")


def drawn(view: View, shape: str, output: Path | None) -> str | bytes:
    """Return a view in a shape, for a file or for stdout."""
    if shape in data.SHAPES:
        return data.SHAPES[shape](view)
    width, depth = (columns(), colours()) if output is None else (80, 0)
    return terminal.text(view, width, depth)


def write(product: str | bytes, shape: str, output: Path | None) -> None:
    """Write what was made into a file or to stdout."""
    if output is not None:
        replace_with(output, product)
        return
    if shape in NOT_FOR_TERMINALS and sys.stdout.isatty():
        raise WrongUsage(f"--format {shape} is not for a terminal; name a file with -o, or send it into a pipe.")
    click.echo(product, nl=False, color=colours() > 0)
