"""`charlstm inspect`: what a model is, and what its gates do at every character of a text."""

from __future__ import annotations

from pathlib import Path

import click

from charlstm import checkpoint, corpus
from charlstm.cli.console import (
    GroupedCommand,
    WrongUsage,
    colour_wanted,
    columns,
    known_encoding,
    known_only,
    model_option,
    option_of,
    unknown_option,
)
from charlstm.inspect import gates, summary, trace
from charlstm.model import Model
from charlstm.render import data, report, terminal

text_option = option_of("Text")
view_option = option_of("View")


@click.command("inspect", cls=GroupedCommand)
@click.argument("text", required=False)
@model_option("Text", help="Model file to read.")
@text_option("--file", type=click.Path(path_type=Path), help="Read the text from a file.")
@text_option("--encoding", default="utf-8", callback=known_encoding, help="How the file is encoded.")
@unknown_option("Text")
@view_option(
    "--unit",
    "units",
    type=click.IntRange(min=0),
    multiple=True,
    help="Show the exact values of this unit instead of the mean; may be given again.",
)
@view_option(
    "--format",
    "shape",
    type=click.Choice(("table", "csv", "json")),
    default="table",
    help="Table for people; csv and json with every unit's value.",
)
def command(
    text: str | None, model: Path, file: Path | None, encoding: str, unknown: str, units: tuple[int, ...], shape: str
) -> None:
    """Look into a model.

    Without TEXT: what it is, what it learnt from, how the loss went. With TEXT: a row a character, with the surprise
    at it in bits, what was predicted to come next, and for each layer the forget gate f, the input gate i, the output
    gate o, the candidate c~, the memory c and the hidden state h.
    """
    if text is not None and file is not None:
        raise WrongUsage("a text and --file are both given; give one of them.")
    loaded = checkpoint.load(model)
    if file is not None:
        text = corpus.read_text(file, encoding)
    if text is None:
        if units:
            raise WrongUsage("--unit shows what a unit did at each character; give a text to read with it.")
        click.echo(summary_as(loaded, shape), nl=False)
        return
    text = known_only(loaded, text, unknown)
    if not text:
        raise WrongUsage("the text is empty; give one character or more, or no text for a summary of the model.")
    click.echo(text_as(loaded, text, units, shape), nl=False, color=colour_wanted())


def summary_as(model: Model, shape: str) -> str:
    """Return the summary of a model in the shape asked for."""
    view = summary(model)
    if shape == "csv":
        return data.summary_csv(view)
    return data.summary_json(view) if shape == "json" else report.summary_text(view, columns())


def text_as(model: Model, text: str, units: tuple[int, ...], shape: str) -> str:
    """Return what the network did while it read a text, in the shape asked for."""
    read = trace(model, text)
    if shape == "csv":
        return data.trace_csv(read)
    return (
        data.trace_json(read)
        if shape == "json"
        else terminal.gates_table(gates(read, units), columns(), colour_wanted())
    )
