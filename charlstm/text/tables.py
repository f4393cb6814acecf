"""One field of a table: the rows of CSV, TSV and JSON lines, each with the text of the field.

The first row of a CSV or TSV file names its fields. Fields with delimiters, quotes or line ends stand in double quotes,
and quotes within them are doubled (RFC 4180). In JSON lines every line is an object. Blank lines are no rows.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from charlstm.base.errors import CorpusError, did_you_mean, shorten
from charlstm.text.decoding import LINE_ENDS
from charlstm.text.remarks import Remarks

DELIMITERS = {"csv": ",", "tsv": "\t"}
JSON_LINES = "jsonl"
SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".jsonl": JSON_LINES, ".ndjson": JSON_LINES}
COMPRESSED = (".gz", ".bz2", ".xz")
LONGEST = 1 << 28  # characters of a field, and of a line of JSON
SHOWN_FIELDS = 20
WORDS: dict[Any, str] = {None: "", True: "true", False: "false"}


class Row(NamedTuple):
    """A row of a table.

    Attributes
    ----------
    number : int
        Its number in the table, counted from 0, without the row of names.
    text : str
        The text of the field; never empty.
    label : str
        The text of the field with the label; empty without one.
    """

    number: int
    text: str
    label: str


class Fields(NamedTuple):
    """The fields to read.

    Attributes
    ----------
    text : str
        Name of the field with the text.
    label : str
        Name of the field with the label; empty: none.
    """

    text: str
    label: str = ""


def remove_suffixes(name: str) -> str:
    """Return the name of a file without the suffixes of compressed files."""
    while name.lower().endswith(COMPRESSED):
        name = name.rpartition(".")[0]
    return name


def find_table_kind(name: str) -> str:
    """Return the kind of table that belongs to the name of a file, compressed or not: csv, tsv, jsonl; "" for none."""
    lower = remove_suffixes(name).lower()
    return next((kind for suffix, kind in SUFFIXES.items() if lower.endswith(suffix)), "")


def read_rows(blocks: Iterable[str], kind: str, name: str, fields: Fields, remarks: Remarks) -> Iterator[Row]:
    """Yield the rows of a table that have a text.

    Parameters
    ----------
    blocks
        The table, with its line ends as they are; no block ends within a line end.
    kind
        csv, tsv or jsonl; "": as its first line looks, for a table without a name.
    name
        What the table is called in errors and remarks.
    fields
        The fields to read.
    remarks
        Receives the number of rows without a text, and whether line ends were changed.

    Raises
    ------
    CorpusError
        If it is not a table of this kind, or it has no such field.
    """
    lines = _split_lines(blocks, name)
    first = next(lines, "")
    kind = kind or _guess_kind(first)
    again = _prepend(first, lines)
    rows = (
        _read_json_lines(again, name, fields)
        if kind == JSON_LINES
        else _read_delimited(again, DELIMITERS[kind], name, fields)
    )
    skipped = 0
    for number, (text, label) in enumerate(rows):
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
            remarks.add(LINE_ENDS, name)
        if text:
            yield Row(number, text, label)
        else:
            skipped += 1
    if skipped:
        remarks.add(f"skipped rows without a text in the field {shorten(repr(fields.text))}", name, skipped)


def _prepend(first: str, lines: Iterator[str]) -> Iterator[str]:
    if first:
        yield first
    yield from lines


def _guess_kind(first_line: str) -> str:
    """Return the kind of a table by its first line."""
    if first_line.lstrip().startswith("{"):
        return JSON_LINES
    return "tsv" if "\t" in first_line else "csv"


def _split_lines(blocks: Iterable[str], name: str) -> Iterator[str]:
    """Yield the lines of a text, each with its line end.

    Raises
    ------
    CorpusError
        If one is too long.
    """
    begun: list[str] = []  # parts of a line that has not ended yet
    length, number = 0, 1
    for block in blocks:
        for line in io.StringIO(block, newline=""):
            if begun:
                begun.append(line)
            if line[-1] in "\r\n":
                yield "".join(begun) if begun else line
                begun, length, number = [], 0, number + 1
            else:
                begun = begun or [line]
                length += len(line)
                if length > LONGEST:
                    raise CorpusError(
                        f"line {number:,} of {shorten(name)} has more than {LONGEST:,} characters; split it"
                    )
    if begun:
        yield "".join(begun)


def _read_delimited(lines: Iterator[str], delimiter: str, name: str, fields: Fields) -> Iterator[tuple[str, str]]:
    """Yield the text and the label of each row of a CSV or TSV file."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    text, label = 0, None
    while True:
        before = reader.line_num + 1
        row = _next_row(reader, before, name)
        if row is None:
            break
        if not row:
            continue
        if header is None:
            header = [field.strip() for field in row]
            text = _find_field(fields.text, header, name)
            label = _find_field(fields.label, header, name) if fields.label else None
            continue
        if any(row[len(header) :]):
            raise CorpusError(
                f"the row in line {before:,} of {shorten(name)} has {len(row):,} fields, and its first row names"
                f" {len(header):,}; put fields that contain the delimiter in double quotes"
            )
        yield row[text] if text < len(row) else "", row[label] if label is not None and label < len(row) else ""
    if header is None:
        raise CorpusError(f"{shorten(name)} is empty; its first row must name its fields")


def _next_row(reader: Any, line: int, name: str) -> list[str] | None:
    """Return the next row of a CSV reader; None at the end."""
    limit = csv.field_size_limit(LONGEST)  # of the whole process, so it is set back
    try:
        row: list[str] | None = next(reader, None)
    except csv.Error as error:
        problem = str(error)
        if problem == "unexpected end of data":
            problem = "a double quote opens a field and no quote closes it"
        raise CorpusError(
            f"the row in line {line:,} of {shorten(name)} cannot be read: {problem}; put such fields in double quotes,"
            " and double the quotes within them"
        ) from error
    finally:
        csv.field_size_limit(limit)
    return row


def _read_json_lines(lines: Iterator[str], name: str, fields: Fields) -> Iterator[tuple[str, str]]:
    """Yield the text and the label of each line of a JSON lines file."""
    decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
    wanted = [field for field in fields if field]
    known: dict[str, None] = {}
    found: set[str] = set()
    number = 0
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        where = f"line {number:,} of {shorten(name)}"
        row = _decode_object(decoder, line, where)
        if len(known) < SHOWN_FIELDS:
            known |= dict.fromkeys(row)
        values = {field: _as_text(row[field], field, where) for field in wanted if field in row}
        found |= set(values)
        yield values.get(fields.text, ""), values.get(fields.label, "")
    for field in wanted:
        if known and field not in found:
            raise _missing_field(field, list(known), name)


def _decode_object(decoder: json.JSONDecoder, line: str, where: str) -> dict[str, Any]:
    """Return the JSON object in a line."""
    try:
        row = decoder.decode(line)
    except json.JSONDecodeError as error:
        raise CorpusError(
            f"{where} is not valid JSON: {error.msg} at character {error.colno:,}; every line must be a JSON object"
        ) from error
    except RecursionError as error:
        raise CorpusError(f"{where} has too many levels of brackets; every line must be a JSON object") from error
    if not isinstance(row, dict):
        raise CorpusError(f'{where} is not a JSON object; every line must be one, such as {{"text": "…"}}')
    return row


def _as_text(value: Any, field: str, where: str) -> str:
    """Return a value of JSON as text: a string, or a number or word as it is written; null is empty."""
    if isinstance(value, (dict, list)):
        kind = "an object" if isinstance(value, dict) else "a list"
        raise CorpusError(
            f"the field {shorten(repr(field))} in {where} is {kind}; it must be a text, a number, true, false or null"
        )
    if not isinstance(value, str):
        return WORDS[value]
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise CorpusError(
            f"the field {shorten(repr(field))} in {where} has a surrogate, U+{ord(value[error.start]):04X}, which is no"
            " character; remove it"
        ) from error
    return value


def _find_field(field: str, fields: Sequence[str], name: str) -> int:
    """Return the position of a field.

    Raises
    ------
    CorpusError
        If there is no such field, or there are several.
    """
    count = fields.count(field.strip())
    if count == 1:
        return fields.index(field.strip())
    if count:
        raise CorpusError(f"{shorten(name)} has {count:,} fields with the name {shorten(repr(field))}; rename one")
    raise _missing_field(field, fields, name)


def _missing_field(field: str, fields: Sequence[str], name: str) -> CorpusError:
    end = did_you_mean(field, fields)
    shown = ", ".join(shorten(repr(each)) for each in fields[:SHOWN_FIELDS])
    more = f" and {len(fields) - SHOWN_FIELDS:,} more" if len(fields) > SHOWN_FIELDS else ""
    return CorpusError(f"{shorten(name)} has no field {shorten(repr(field))}; its fields are {shown}{more}{end}")
