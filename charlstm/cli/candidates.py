"""What can stand on a command line in a place: files, models, labels and units. Shells ask for it with the tab key."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from charlstm.base.errors import CharlstmError
from charlstm.base.files import charlstm_format

if TYPE_CHECKING:
    from charlstm.model.checkpoint import Settings

MOST_ENTRIES = 2_000  # of a folder
OPEN = "open"  # type of a value that goes on

Items = list[CompletionItem[str]]


def list_paths(incomplete: str, accept: Callable[[Path], bool] = lambda path: True) -> Items:
    """Return the files and folders whose paths begin with a text; hidden ones where the name begins with a dot.

    Parameters
    ----------
    incomplete
        The beginning, as the user writes it: ~ is the home folder.
    accept
        Whether a file is offered; folders always are.
    """
    start, name = os.path.split(incomplete)
    before = incomplete[: len(incomplete) - len(name)]
    try:
        with os.scandir(Path(start).expanduser()) as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in islice(entries, MOST_ENTRIES))
    except (OSError, RuntimeError, ValueError):
        return []
    folder = Path(start).expanduser()
    return [
        CompletionItem(f"{before}{each}{'/' if is_folder else ''}", type=OPEN if is_folder else "plain")
        for each, is_folder in found
        if each.startswith(name) and (name.startswith(".") or not each.startswith("."))
        if is_folder or accept(folder / each)
    ]


def list_models(incomplete: str) -> Items:
    """Return the bundled models, the model files and the folders whose paths begin with a text."""
    from charlstm.model import bundled

    included = [
        CompletionItem(name, help="part of charlstm") for name in bundled.names() if name.startswith(incomplete)
    ]
    return included + list_paths(incomplete, lambda path: charlstm_format(path) == bundled.MODEL_FORMAT)


def list_labels(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Return the labels of the chosen model that begin with a text."""
    settings = _read_settings(ctx)
    labels = [] if settings is None else settings.facts.labels
    return [CompletionItem(label) for label, _ in labels if label.startswith(incomplete)]


def list_units(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Return the layers of the chosen model, or after a colon the units of a layer, that begin with a text."""
    settings = _read_settings(ctx)
    if settings is None:
        return []
    layer, colon, _ = incomplete.partition(":")
    if not colon and settings.network.layers > 1:
        return [CompletionItem(f"{n}:", type=OPEN) for n in range(settings.network.layers) if f"{n}".startswith(layer)]
    layer = layer if colon else "0"
    if not (layer.isdecimal() and int(layer) < settings.network.layers):
        return []
    units = (f"{layer}:{unit}" for unit in range(settings.network.hidden))
    kind = "plain" if getattr(parameter, "metavar", "") == "L:N" else OPEN  # of others a number follows
    return [CompletionItem(unit, type=kind) for unit in units if unit.startswith(incomplete)]


def _read_settings(ctx: click.Context) -> Settings | None:
    """Return the settings of the chosen model; None if there is no such model."""
    from charlstm.model import checkpoint

    try:
        return checkpoint.read_settings(ctx.params.get("model") or "")
    except CharlstmError:
        return None
