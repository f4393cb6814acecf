"""Views as values that show themselves: printed, in a notebook, as data, as a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from charlstm.errors import ConfigError
from charlstm.inspection.view import View
from charlstm.model.files import replace_with
from charlstm.render import data, terminal

WIDTH = 100
SHAPES: dict[str, Callable[[View], str | bytes]] = {**data.SHAPES, "txt": repr}


class ShownView(View):
    """A view that shows itself; see `View` for what it holds."""

    __slots__ = ()

    def __repr__(self) -> str:
        return terminal.text(self, WIDTH, 0)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold: part → column → list of values, and the remarks."""
        made: dict[str, Any] = json.loads(data.as_json(self))
        return made

    def save(self, path: str | Path) -> None:
        """Write the view into a file: as CSV, JSON, npz or text, by the end of its name.

        What stood there is replaced whole, or not at all.

        Raises
        ------
        ConfigError
            If the name ends otherwise.
        CharlstmError
            If it cannot be written; what stood there is then unchanged.
        """
        shape = Path(path).suffix[1:]
        if shape not in SHAPES:
            raise ConfigError(f"the name of {path} ends in none of .{', .'.join(SHAPES)}, which say what it shall be")
        replace_with(Path(path), SHAPES[shape](self))
