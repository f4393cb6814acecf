"""Tables for a terminal: columns of fixed width, a dash where a figure is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MISSING = "–"


class Column(NamedTuple):
    """A column of a table.

    Attributes
    ----------
    title
        Its heading.
    width
        Its characters.
    form
        How `format` writes its values; texts stand at the left.
    """

    title: str
    width: int
    form: str = ",.0f"


def format_heading(columns: Sequence[Column]) -> str:
    """Return the line above a table.

    >>> format_heading([Column("row", 5, ""), Column("ratio", 6, ".2f")])
    'row    ratio'
    """
    return " ".join(f"{column.title:{'>' if column.form else '<'}{column.width}}" for column in columns).rstrip()


def format_line(columns: Sequence[Column], values: Sequence[float | str | None]) -> str:
    """Return one line of a table.

    >>> format_line([Column("row", 5, ""), Column("ratio", 6, ".2f")], ["128", None])
    '128        –'
    """
    cells = []
    for column, value in zip(columns, values, strict=True):
        if isinstance(value, str):
            cells.append(f"{value:{column.width}}")
        else:
            cells.append(f"{MISSING if value is None else format(value, column.form):>{column.width}}")
    return " ".join(cells).rstrip()
