"""Render views for other programs: as CSV, JSON and npz, with the digits that a float32 has, and as SVG."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, BinaryIO

import numpy as np

from charlstm.base.parameters import Array
from charlstm.inspection.trace import Trace
from charlstm.inspection.view import Column, Kind, Part, Table, View, columns_of
from charlstm.render import svg

GUESSES = 5


def as_csv(view: View) -> str:
    """Return the rows of a view as CSV: those of its exact part, or of its first part that is not a list of facts.

    A column below a heading has the heading before its name: «layer 0, unit 3: f». A cell is empty for NaN, and inf or
    -inf for an infinite number.
    """
    return "".join(_csv_pieces(view))


def as_json(view: View) -> str:
    """Return `to_objects` of a view as JSON, on one line."""
    return "".join(_json_pieces(view))


def write(view: View, format: str, file: BinaryIO, bom: bool = False) -> None:
    """Write a view to a file in one of the `FORMATS`, piece by piece: a long text needs little more than its trace.

    Parameters
    ----------
    view
        The view.
    format
        Name of the format.
    file
        An open binary file.
    bom
        True: write CSV as Excel reads it: with a byte-order mark, lines that end with CR LF, and an apostrophe before a
        text that Excel would take for a formula.
    """
    if format == "npz" and file.seekable():
        np.savez(file, **_to_arrays(view))
    elif format == "npz":
        file.write(as_npz(view))
    else:
        for piece in adapt_to_excel(PIECES[format](view)) if bom else PIECES[format](view):
            file.write(piece.encode("utf-8", "surrogatepass"))


def as_npz(view: View) -> bytes:
    """Return an archive for `numpy.load`: one array per column, named «part/column»; for a trace `Trace.arrays`.

    Texts are arrays of code points, so that loading needs no pickle.
    """
    file = io.BytesIO()
    np.savez(file, **_to_arrays(view))
    return file.getvalue()


def _to_arrays(view: View) -> dict[str, Any]:
    if view.exact is not None:
        return dict(view.exact.arrays)
    columns = ((name, column) for name, part in view.parts.items() for column in columns_of(part))
    return {f"{name}/{_full_name(column)}": _to_array(column) for name, column in columns}


def to_objects(view: View) -> dict[str, Any]:
    """Return a view as JSON can hold it: one member per part, with one list per column; and the remarks, if any.

    A trace has the members `text`, `characters` and `layers`; `layers[l][quantity][n][unit]` is a number. JSON has no
    infinite numbers and no NaN, so both are None.
    """
    if view.exact is not None:
        return _trace_to_objects(view.exact)
    objects: dict[str, Any] = {name: _part_to_objects(part) for name, part in view.parts.items()}
    return objects | ({"remarks": list(view.remarks)} if view.remarks else {})


def dump_json(value: Any) -> str:
    """Return a value as JSON, on one line."""
    return _dump(value) + "\n"


def _part_to_objects(part: Part) -> Any:
    if isinstance(part, Mapping):
        return {name: _to_plain(value) for name, value in part.items()}
    return {_full_name(column): _to_list(column) for column in columns_of(part)}


def _to_list(column: Column) -> list[Any]:
    if column.kind is Kind.GUESS:
        return [{"character": character, "probability": _to_plain(chance)} for character, chance in column.values]
    return [_to_plain(value) for value in column.values]


def _to_plain(value: Any) -> Any:
    """Return a value as JSON can hold it: NumPy numbers as Python's, tuples as lists, NaN as None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    return [_to_plain(item) for item in value] if isinstance(value, tuple) else value


def _to_array(column: Column) -> Array:
    if column.kind is Kind.CHARACTER:
        return np.array([ord(value) for value in column.values], np.uint32)  # (N,)
    if column.kind in (Kind.TEXT, Kind.GUESS):
        return np.frombuffer(json.dumps(_to_list(column), ensure_ascii=False).encode(), np.uint8)  # (bytes,)
    return np.asarray(column.values)  # (N,)


def _to_cells(column: Column) -> Iterator[Any]:
    return (_to_cell(value, column.kind) for value in column.values)


def _to_cell(value: Any, kind: Kind) -> Any:
    if kind is Kind.GUESS:
        return f"{value[0]} {value[1]:.9g}"
    number = value.item() if isinstance(value, np.generic) else value
    return _format_number(number) if isinstance(number, float) else _to_plain(number)


def _full_name(column: Column) -> str:
    return f"{column.group}: {column.name}" if column.group else column.name


def _csv_pieces(view: View) -> Iterator[str]:
    """Yield the rows of `as_csv`."""
    if view.exact is not None:
        yield from _dump_csv(*_trace_to_rows(view.exact))
        return
    rows = [part for part in view.parts.values() if not isinstance(part, Mapping)]
    columns = columns_of(next(iter([*rows, *view.parts.values()]), Table(())))
    cells = zip(*map(_to_cells, columns), strict=True)
    yield from _dump_csv([_full_name(column) for column in columns], cells)


def _json_pieces(view: View) -> Iterator[str]:
    """Yield `as_json` in pieces: values of a character or a column."""
    if view.exact is None:
        yield from _part_pieces(view)
        return
    yield f'{{"text": {_dump(view.exact.text)}, "characters": '
    yield from _join_list(map(_dump, _characters_to_objects(view.exact)))
    yield ', "layers": '
    for n, layer in enumerate(view.exact.layers):
        yield ", {" if n else "[{"
        for k, (quantity, values) in enumerate(layer.items()):
            yield f"{', ' if k else ''}{_dump(quantity)}: "
            yield from _join_list(_dump(_round_row(row)) for row in values)
        yield "}"
    yield "]}\n"


def _part_pieces(view: View) -> Iterator[str]:
    """Yield the JSON of the parts of a view, column by column."""
    yield "{"
    for number, (name, part) in enumerate(view.parts.items()):
        yield f"{', ' if number else ''}{_dump(name)}: "
        if isinstance(part, Mapping):
            yield _dump(_part_to_objects(part))
            continue
        yield "{"
        for k, (full_name, column) in enumerate({_full_name(one): one for one in columns_of(part)}.items()):
            yield f"{', ' if k else ''}{_dump(full_name)}: {_dump(_to_list(column))}"
        yield "}"
    if view.remarks:
        yield f'{", " if view.parts else ""}"remarks": {_dump(list(view.remarks))}'
    yield "}\n"


def _join_list(items: Iterable[str]) -> Iterator[str]:
    """Yield a JSON list of items that are JSON already."""
    yield "["
    for n, item in enumerate(items):
        yield f", {item}" if n else item
    yield "]"


def _trace_to_rows(trace: Trace) -> tuple[list[str], Iterator[list[Any]]]:
    """Return the head of the CSV of a trace, and one row per character.

    A row has the position, character, code point, surprisal, prediction, then every unit's values. The columns of
    activations are named layer0.f.0, layer0.f.1, … in the order of layers, quantities and units.
    """
    names = [
        f"layer{number}.{quantity}.{unit}"
        for number, layer in enumerate(trace.layers)
        for quantity, values in layer.items()
        for unit in range(values.shape[1])
    ]
    guesses = trace.most_probable(1)
    rows = (
        [
            n,
            character,
            f"U+{ord(character):04X}",
            _format_number(trace.surprise[n]),
            guesses[n][0][0],
            _format_number(guesses[n][0][1]),
        ]
        + [_format_number(value) for layer in trace.layers for values in layer.values() for value in values[n]]
        for n, character in enumerate(trace.text)
    )
    return ["position", "character", "code_point", "surprise_bits", "next", "next_probability", *names], rows


def _trace_to_objects(trace: Trace) -> dict[str, Any]:
    layers = [
        {quantity: [_round_row(row) for row in values] for quantity, values in layer.items()} for layer in trace.layers
    ]
    return {"text": trace.text, "characters": list(_characters_to_objects(trace)), "layers": layers}


def _characters_to_objects(trace: Trace) -> Iterator[dict[str, Any]]:
    for character, bits, guesses in zip(trace.text, trace.surprise, trace.most_probable(GUESSES), strict=True):
        yield {
            "character": character,
            "code_point": ord(character),
            "surprise_bits": _to_plain(float(bits)),
            "next": [{"character": guess, "probability": _to_plain(chance)} for guess, chance in guesses],
        }


def _round_row(row: Array) -> list[float | None]:
    """Return (H,) values as numbers with nine digits; what is not finite as None."""
    return [float(f"{value:.9g}") if math.isfinite(value) else None for value in row]


def _format_number(value: float) -> str:
    """Return a number for CSV: empty for NaN, inf or -inf for an infinite one."""
    return "" if math.isnan(value) else f"{value:.9g}"


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _dump_csv(head: Sequence[str], rows: Iterable[Sequence[Any]], end: str = "\n") -> Iterator[str]:
    """Yield CSV, row by row."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator=end)
    for row in chain([head], rows):
        writer.writerow(row)
        yield file.getvalue()
        file.seek(0)
        file.truncate()


def adapt_to_excel(rows: Iterable[str]) -> Iterator[str]:
    """Yield rows of CSV as Excel reads them: see `write`."""
    yield "\ufeff"
    for row in rows:
        [cells] = csv.reader([row], strict=True)
        yield from _dump_csv([_protect(cell) for cell in cells], (), "\r\n")


def _protect(cell: str) -> str:
    """Return a cell with an apostrophe before what Excel would take for a formula, but not before numbers and signs."""
    if len(cell) < 2 or cell[0] not in "=+-@\t\r":
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


PIECES: dict[str, Callable[[View], Iterator[str]]] = {
    "csv": _csv_pieces,
    "json": _json_pieces,
    "svg": lambda view: iter([svg.render(view)]),
}
FORMATS: dict[str, Callable[[View], str | bytes]] = {
    "csv": as_csv,
    "json": as_json,
    "npz": as_npz,
    "svg": svg.render,
}
