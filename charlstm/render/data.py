"""Views as data for other programs: CSV and JSON, every number with the digits that a float32 has."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from charlstm.inspect import Summary, Trace
from charlstm.model import History
from charlstm.sampler import Sample

GUESSES = 5


def trace_csv(trace: Trace) -> str:
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


def trace_json(trace: Trace) -> str:
    """Return one object: `text`; `characters`, a list of what was read and predicted; `layers`, a list of quantities.

    `layers[l][quantity][n][unit]` is a number; `surprise_bits` is null where nothing was predicted.
    """
    characters = [
        {
            "character": character,
            "code_point": ord(character),
            "surprise_bits": _or_none(float(f"{bits:.9g}")),
            "next": [{"character": guess, "probability": float(f"{chance:.9g}")} for guess, chance in guesses],
        }
        for character, bits, guesses in zip(trace.text, trace.surprise, trace.likeliest(GUESSES), strict=True)
    ]
    layers = [
        {quantity: [[float(f"{value:.9g}") for value in row] for row in values] for quantity, values in layer.items()}
        for layer in trace.layers
    ]
    return _json({"text": trace.text, "characters": characters, "layers": layers})


def sample_json(sample: Sample) -> str:
    """Return one object: `seed`, `text`, `bits_per_character` (null for no character), `stop`."""
    return _json({**sample._asdict(), "bits_per_character": _or_none(sample.bits_per_character)})


def summary_csv(view: Summary) -> str:
    """Return the loss history: a row a report, in nats per character."""
    rows = ([int(step), *map(_number, numbers)] for step, *numbers in zip(*view.history, strict=True))
    return _csv(list(History._fields), rows)


def summary_json(view: Summary) -> str:
    """Return one object with the summary's headings, and `history` with a list a column."""
    history = {name: [_or_none(value) for value in column.tolist()] for name, column in view.history._asdict().items()}
    return _json({**view.sections, "history": history})


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return file.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"
