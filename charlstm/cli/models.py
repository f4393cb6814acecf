"""The models that commands read: found by a path or a name, and listed where none is found."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from charlstm.api import language_model as api
from charlstm.base.errors import CheckpointError
from charlstm.cli.commands import DEFAULT_MODEL, Decorated, FilePath, model_option
from charlstm.cli.console import print_note
from charlstm.model import bundled

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class ModelPath(FilePath):
    """The path of a model file, or the name of a model that is part of the package."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path."""
        return super().convert(bundled.locate(value), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        """Return the models that the path or the name can be."""
        from charlstm.cli import candidates  # only the tab key needs it

        return candidates.list_models(incomplete)


def model_to_read(heading: str) -> Callable[[Decorated], Decorated]:
    """Return the option for a model that a command reads."""
    return model_option(
        heading,
        type=ModelPath(),
        metavar="FILE",
        help=f"Model file, or the name of a model that is part of charlstm: {', '.join(bundled.names())}.",
    )


def open_model(path: Path) -> api.LanguageModel:
    """Return the model of --model. A note says which one it is where a name could mean two.

    Raises
    ------
    CheckpointError
        If there is no such model, or it cannot be read; where no model was chosen, the message says how.
    """
    is_default = click.get_current_context().get_parameter_source("model") is ParameterSource.DEFAULT
    if is_default and not os.path.lexists(path):
        here = bundled.find_models(Path())
        raise CheckpointError(
            f"no model is chosen, and there is no {DEFAULT_MODEL} in this folder",
            command=f"choose one with --model: {bundled.list_known(here)}; or train one with charlstm train CORPUS",
        )
    loaded = api.load(path)
    name = f"{loaded.name}{bundled.SUFFIX}"
    if loaded.name in bundled.names() and Path(name).exists():
        print_note(f"--model {loaded.name} is part of charlstm; --model {name} is the file in this folder")
    return loaded
