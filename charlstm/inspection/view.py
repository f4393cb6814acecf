"""What views read and what they are made of: a few kinds of parts. A renderer that draws the parts draws every view."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from charlstm.base.inputs import Input
from charlstm.base.parameters import Array
from charlstm.inspection.trace import Trace
from charlstm.text.documents import Documents
from charlstm.text.sources import Block, cut_documents


class TextSource(NamedTuple):
    """A text of any length.

    Attributes
    ----------
    name
        What it is called.
    pieces
        Its characters in pieces, which can be iterated over once.
    blocks
        In place of the pieces: what `Sources.read_joined` returned of files, which hold whole documents.
    """

    name: str
    pieces: Iterable[str] = ()
    blocks: Iterable[Block] | None = None

    def read(self) -> Iterator[str]:
        """Return the text in pieces."""
        return iter(self.pieces) if self.blocks is None else (block.text for block in self.blocks)

    def parse(self, documents: Documents) -> Iterator[str]:
        """Return the text in pieces, with the end symbol after each document."""
        if self.blocks is None:
            return documents.parse_blocks(self.pieces)
        return (text for _, text, _ in cut_documents(self.blocks, documents))


class TextInput(NamedTuple):
    """The texts for a view that reads texts of any length.

    Attributes
    ----------
    texts
        One or more.
    skip_unknown
        True: characters that a model does not know are skipped.
    model_name
        Name of the model, for headings beside another one.
    """

    texts: Sequence[TextSource]
    skip_unknown: bool = False
    model_name: str = "this model"


class CorpusInput(NamedTuple):
    """A corpus for a view that reads one as training does.

    Attributes
    ----------
    paths
        Files and folders.
    encoding
        Their text encoding.
    field
        Name of the field of tables that has the texts; None: the files are texts.
    """

    paths: Sequence[str | os.PathLike[str] | Input]
    encoding: str = "utf-8"
    field: str | None = None


class Kind(Enum):
    """The kind of the values of a column, which decides how a renderer formats and shades them."""

    TEXT = "text"
    CHARACTER = "character"
    GUESS = "guess"  # a character and its probability
    SHARE = "share"  # 0 … 1, such as a gate
    SIGNED = "signed"  # around 0 and about −1 … 1, such as tanh(c)
    BITS = "bits"
    PERCENT = "percent"  # 0 … 1, shown as a percentage
    WHOLE = "whole"
    NUMBER = "number"


class Column(NamedTuple):
    """One column of values.

    Attributes
    ----------
    name
        Heading of the column.
    values : sequence of N
        Texts or numbers; NaN where there is none.
    kind
        Their kind.
    group
        Heading above several columns, such as a layer or a unit.
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
        Columns of equal length.
    keys
        Number of columns that identify a row; they are repeated where a wide table is split.
    head
        Number of rows that a terminal or page shows; 0 shows all. Data formats have all.
    """

    columns: tuple[Column, ...]
    keys: int = 1
    head: int = 0


class Strip(NamedTuple):
    """A coloured text: rows of N numbers, each of which colours its N characters.

    Attributes
    ----------
    text
        N characters.
    rows
        The colourings.
    head
        Number of characters that a terminal or page shows; 0 shows all. Data formats have all.
    """

    text: str
    rows: tuple[Column, ...]
    head: int = 0


class Curves(NamedTuple):
    """Curves over a common axis, or points where the values of that axis do not increase.

    Attributes
    ----------
    x
        Values on the common axis.
    ys
        The curves, with NaN where a curve has no value.
    log, log_x
        True: the axis of the curves, or the common one, is logarithmic.
    """

    x: Column
    ys: tuple[Column, ...]
    log: bool = False
    log_x: bool = False


class Bars(NamedTuple):
    """A bar chart: labels and their values."""

    label: Column
    value: Column


Facts = Mapping[str, Any]
Part = Table | Strip | Curves | Bars | Facts


class View(NamedTuple):
    """The result of one way to inspect a model.

    Attributes
    ----------
    parts : dict
        Name → part, in reading order.
    remarks
        Sentences that explain the parts.
    exact
        What data formats hold instead of parts that summarise it.
    """

    parts: Mapping[str, Part]
    remarks: tuple[str, ...] = ()
    exact: Trace | None = None


def count_of(count: int, noun: str) -> str:
    """Return a count with a noun, in the plural where it belongs.

    Examples
    --------
    >>> count_of(1, "more row"), count_of(2000, "more row")
    ('1 more row', '2,000 more rows')
    """
    return f"{count:,} {noun}" + "s" * (count != 1)


def skip_remark(skipped: int, characters: int) -> str:
    """Return the remark that some characters of a text are skipped.

    Examples
    --------
    >>> skip_remark(1, 2000)
    '1 of 2,000 characters is unknown to the model and is skipped.'
    """
    verb = "is" if skipped == 1 else "are"
    return f"{skipped:,} of {count_of(characters, 'character')} {verb} unknown to the model and {verb} skipped."


def columns_of(part: Part) -> tuple[Column, ...]:
    """Return the columns of a part, all of equal length."""
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
