"""What every view is made of: a few kinds of parts. A renderer that draws the parts draws every view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from charlstm.inspection.trace import Trace
from charlstm.parameters import Array


class Kind(Enum):
    """What the values of a column are; a renderer knows from it how to write and to shade them."""

    TEXT = "text"
    CHARACTER = "character"
    GUESS = "guess"  # a character and its probability
    SHARE = "share"  # 0 … 1, such as a gate
    SIGNED = "signed"  # around 0 and about −1 … 1, such as tanh(c)
    BITS = "bits"
    PERCENT = "percent"  # 0 … 1, of a whole
    WHOLE = "whole"
    NUMBER = "number"


class Column(NamedTuple):
    """One column of values.

    Attributes
    ----------
    name
        What they are.
    values : sequence of N
        Texts or numbers; NaN where there is none.
    kind
        How they are to be read.
    group
        What stands above several columns: a layer, a unit.
    """

    name: str
    values: Sequence[Any] | Array
    kind: Kind = Kind.NUMBER
    group: str = ""


class Table(NamedTuple):
    """Rows and columns.

    Attributes
    ----------
    columns
        Each of as many values as there are rows.
    keys
        How many columns say what a row is; they are said again where the table has to be cut.
    head
        How many rows a person is shown; 0: all. Programs get all.
    """

    columns: tuple[Column, ...]
    keys: int = 1
    head: int = 0


class Strip(NamedTuple):
    """A text, coloured: a row of N numbers for every colouring of its N characters.

    Attributes
    ----------
    text
        N characters.
    rows
        The colourings.
    head
        How many characters a person is shown; 0: all. Programs get all.
    """

    text: str
    rows: tuple[Column, ...]
    head: int = 0


class Curves(NamedTuple):
    """Points over an axis that they share; `log` says that the values are told apart by their ratios."""

    x: Column
    ys: tuple[Column, ...]
    log: bool = False


class Bars(NamedTuple):
    """How much of each of several things there is."""

    label: Column
    value: Column


Facts = Mapping[str, Any]
Part = Table | Strip | Curves | Bars | Facts


class View(NamedTuple):
    """What one look into a model shows.

    Attributes
    ----------
    parts : dict
        Name of a part → the part, in the order in which a person reads them.
    remarks
        Sentences that have to be said of it.
    exact
        What programs get instead, where the parts hold less than there is to know.
    """

    parts: Mapping[str, Part]
    remarks: tuple[str, ...] = ()
    exact: Trace | None = None


def columns_of(part: Part) -> tuple[Column, ...]:
    """Return a part as columns of equal length."""
    if isinstance(part, Table):
        return part.columns
    if isinstance(part, Strip):
        characters = Column("character", list(part.text), Kind.CHARACTER)
        return (Column("position", list(range(len(part.text))), Kind.WHOLE), characters, *part.rows)
    if isinstance(part, Curves):
        return (part.x, *part.ys)
    if isinstance(part, Bars):
        return (part.label, part.value)
    return (Column("name", list(part), Kind.TEXT), Column("value", list(part.values()), Kind.TEXT))
