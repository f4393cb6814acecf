"""Views as data for other programs: CSV, JSON and npz, every number with the digits that a float32 has."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from charlstm.inspection.trace import Trace
from charlstm.inspection.view import Column, Kind, Part, Table, View, columns_of
from charlstm.parameters import Array
from charlstm.sampling.sampler import Sample

GUESSES = 5


def as_csv(view: View) -> str:
    """Return the rows of a view: of its exact part, or else of the first part that is more than a list of facts.

    A column that stands under a heading has it before its name: «layer 0, unit 3: f».
    """
    if view.exact is not None:
        return _trace_csv(view.exact)
    rows = [part for part in view.parts.values() if not isinstance(part, Mapping)]
    columns = columns_of(next(iter([*rows, *view.parts.values()]), Table(())))
    cells = zip(*([_cell(value, column.kind) for value in column.values] for column in columns), strict=True)
    return _csv([_name(column) for column in columns], cells)


def as_json(view: View) -> str:
    """Return one object: a member a part, each with a list a column; and the remarks, where there are some.

    A trace is the object `text`, `characters`, `layers`; `layers[l][quantity][n][unit]` is a number. What is not there
    is null.
    """
    if view.exact is not None:
        return _json(_trace(view.exact))
    return _json(_objects(view))


def as_npz(view: View) -> bytes:
    """Return an archive that `numpy.load` reads: an array a column, named «part/column»; of a trace as `Trace.arrays`.

    Texts are arrays of code points, so that nothing in it needs pickle.
    """
    arrays: dict[str, Any] = {}
    if view.exact is not None:
        arrays = view.exact.arrays
    else:
        for name, part in view.parts.items():
            for column in columns_of(part):
                arrays[f"{name}/{_name(column)}"] = _array(column)
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _array(column: Column) -> Array:
    if column.kind is Kind.CHARACTER:
        return np.array([ord(value) for value in column.values], np.uint32)  # (N,)
    if column.kind in (Kind.TEXT, Kind.GUESS):
        return np.frombuffer(json.dumps(_values(column), ensure_ascii=False).encode(), np.uint8)  # (bytes,)
    return np.asarray(column.values)  # (N,)


def _objects(view: View) -> dict[str, Any]:
    value: dict[str, Any] = {name: _object(part) for name, part in view.parts.items()}
    return value | ({"remarks": list(view.remarks)} if view.remarks else {})


def _object(part: Part) -> Any:
    if isinstance(part, Mapping):
        return {name: _plain(value) for name, value in part.items()}
    return {_name(column): _values(column) for column in columns_of(part)}


def _values(column: Column) -> list[Any]:
    if column.kind is Kind.GUESS:
        return [{"character": character, "probability": _plain(chance)} for character, chance in column.values]
    return [_plain(value) for value in column.values]


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    return value


def _cell(value: Any, kind: Kind) -> Any:
    if kind is Kind.GUESS:
        return f"{value[0]} {value[1]:.9g}"
    plain = _plain(value)
    return "" if plain is None else f"{plain:.9g}" if isinstance(plain, float) else plain


def _name(column: Column) -> str:
    return f"{column.group}: {column.name}" if column.group else column.name


def _trace_csv(trace: Trace) -> str:
    """Return a row a character: position, character, code point, surprise, likeliest next, then every unit's values.

    The columns of activations are named layer0.f.0, layer0.f.1, … in the order of layers, quantities and units.
    """
    names = [
        f"layer{number}.{quantity}.{unit}"
        for number, layer in enumerate(trace.layers)
        for quantity, values in layer.items()
        for unit in range(values.shape[1])
    ]
    guesses = trace.likeliest(1)
    rows = (
        [
            n,
            character,
            f"U+{ord(character):04X}",
            _number(trace.surprise[n]),
            guesses[n][0][0],
            _number(guesses[n][0][1]),
        ]
        + [_number(value) for layer in trace.layers for values in layer.values() for value in values[n]]
        for n, character in enumerate(trace.text)
    )
    return _csv(["position", "character", "code_point", "surprise_bits", "next", "next_probability", *names], rows)


def _trace(trace: Trace) -> dict[str, Any]:
    characters = [
        {
            "character": character,
            "code_point": ord(character),
            "surprise_bits": _plain(float(bits)),
            "next": [{"character": guess, "probability": _plain(chance)} for guess, chance in guesses],
        }
        for character, bits, guesses in zip(trace.text, trace.surprise, trace.likeliest(GUESSES), strict=True)
    ]
    layers = [
        {quantity: [[float(f"{value:.9g}") for value in row] for row in values] for quantity, values in layer.items()}
        for layer in trace.layers
    ]
    return {"text": trace.text, "characters": characters, "layers": layers}


def sample_json(sample: Sample, novelty: View | None = None) -> str:
    """Return one object: `seed`, `text`, `bits_per_character` (null for no character), `stop`; `novelty` if given."""
    value = {
        **sample._asdict(),
        "bits_per_character": None if math.isnan(sample.bits_per_character) else sample.bits_per_character,
    }
    return _json(value | ({} if novelty is None else {"novelty": _objects(novelty)}))


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return file.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"


SHAPES: dict[str, Callable[[View], str | bytes]] = {"csv": as_csv, "json": as_json, "npz": as_npz}
