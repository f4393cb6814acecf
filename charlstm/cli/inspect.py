"""`charlstm inspect`: what a model is, and what it does while it reads a text."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import click
from click.core import ParameterSource

from charlstm import checkpoint, corpus
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
from charlstm.cli.views import A_TEXT, OPTIONS, VIEWS, every_option
from charlstm.files import replace_atomically
from charlstm.inspect import View
from charlstm.render import data, terminal

text_option = option_of("Text")
view_option = option_of("View")
SHAPES: dict[str, Callable[[View], str | bytes]] = {"csv": data.as_csv, "json": data.as_json, "npz": data.as_npz}
BINARY = {"npz"}


@click.command("inspect", cls=GroupedCommand)
@click.argument("text", required=False)
@model_option("Text", help="Model file to read.")
@text_option("--file", type=click.Path(path_type=Path), help="Read the text from a file.")
@text_option("--encoding", default="utf-8", callback=known_encoding, help="How the file is encoded.")
@unknown_option("Text")
@view_option(
    "--view",
    "name",
    type=click.Choice(tuple(VIEWS)),
    show_default="gates with a text, summary without",
    help="What to look at.",
)
@view_option(
    "--format",
    "shape",
    type=click.Choice(("table", *SHAPES)),
    default="table",
    help="Table for people; csv, json and npz for programs.",
)
@view_option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write into this file.")
@every_option
def command(
    text: str | None,
    model: Path,
    file: Path | None,
    encoding: str,
    unknown: str,
    name: str | None,
    shape: str,
    output: Path | None,
    **options: Any,
) -> None:
    """Look into a model.

    Without TEXT: what it is, what it learnt from, how the loss went. With TEXT: a row a character, with the surprise
    at it in bits, what was predicted to come next, and for each layer the forget gate f, the input gate i, the output
    gate o, the candidate c~, the memory c and the hidden state h. --view shows something else.
    """
    if text is not None and file is not None:
        raise WrongUsage("a text and --file are both given; give one of them.")
    given = text is not None or file is not None
    name = name or ("gates" if given else "summary")
    check(name, given, options)
    loaded = checkpoint.load(model)
    if file is not None:
        text = corpus.read_text(file, encoding)
    if text is not None:
        text = known_only(loaded, text, unknown)
        if not text:
            raise WrongUsage("the text is empty; give one character or more, or no text for a summary of the model.")
    entry = VIEWS[name]
    read = [text] if entry.reads == A_TEXT else []
    write(entry.make(loaded, *read, **{option: options[option] for option in entry.options}), shape, output)


def check(name: str, given: bool, options: dict[str, Any]) -> None:
    """Refuse a text or an option that the view has no use for, and a view without the text that it reads."""
    context = click.get_current_context()
    flags = {parameter.name: parameter.opts[-1] for parameter in context.command.params}
    for option in OPTIONS:
        if context.get_parameter_source(option) is ParameterSource.COMMANDLINE and option not in VIEWS[name].options:
            takers = " or ".join(other for other, entry in VIEWS.items() if option in entry.options)
            raise WrongUsage(f"{flags[option]} goes with --view {takers}, and this is --view {name}.")
    if given and VIEWS[name].reads != A_TEXT:
        raise WrongUsage(f"--view {name} looks at the model alone; leave the text out.")
    if not given and VIEWS[name].reads == A_TEXT:
        raise WrongUsage(f"--view {name} shows what the model does with a text; give one, or name a --file.")


def write(view: View, shape: str, output: Path | None) -> None:
    """Write a view in a shape, into a file or to stdout."""
    if shape == "table":
        width, depth = (columns(), colours()) if output is None else (80, 0)
        product: str | bytes = terminal.text(view, width, depth)
    else:
        product = SHAPES[shape](view)
    if output is not None:
        replace_atomically(output, lambda stream: put(stream, product))
        return
    if shape in BINARY and sys.stdout.isatty():
        raise WrongUsage(f"--format {shape} is not for a terminal; name a file with -o, or send it into a pipe.")
    click.echo(product, nl=False, color=colours() > 0)


def put(stream: BinaryIO, product: str | bytes) -> None:
    """Write a text as UTF-8, or bytes, into a file."""
    stream.write(product.encode("utf-8", "surrogatepass") if isinstance(product, str) else product)
