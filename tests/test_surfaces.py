"""Every number on every surface, terminal, CSV, JSON and npz, is the one that the plain equations give.

What is held against them: the quantities of the gates, the memory, saturation and the gradients. In float64 they agree
to the nine digits that are written. In float32 the network rounds, and they agree to one part in a million.
"""

import csv
import io
import json
import math
import re
from collections.abc import Mapping
from statistics import median
from typing import NamedTuple

import numpy as np
import pytest
import reference
from every_view import build_every_view, by_formula
from small import by_reference, model, network

from charlstm.inspection.colouring import view_cell
from charlstm.inspection.gates import view_gates
from charlstm.inspection.gradients import view_gradients
from charlstm.inspection.memory import view_memory
from charlstm.inspection.saturation import view_saturation
from charlstm.inspection.trace import trace
from charlstm.inspection.view import Kind, Strip, Table, View, columns_of
from charlstm.render import terminal
from charlstm.render.data import as_csv, as_json, as_npz
from charlstm.render.numbers import format_value

CHARACTERS = '\n "()ABab'
TEXT = 'Ab "ba" (a(b)) ab\nBa b"a b" a'
H = 3
LAGS = 2
KEEPS = {"lstm": "f", "gru": "u"}
GATES = {"lstm": ("f", "i", "o"), "gru": ("r", "u")}
STATES = {"lstm": ("h", "c"), "gru": ("h",)}
LEVELS = "▁▂▃▄▅▆▇█"
BLUE, ORANGE = (0, 68, 170), (190, 80, 0)
GREY, BRIGHT_BLUE, BRIGHT_ORANGE = (135, 135, 140), (0, 60, 255), (255, 95, 0)


class Wanted(NamedTuple):
    """A view, and what the plain equations say of it: part → column → numbers."""

    view: View
    parts: dict[str, dict[str, list[float]]]


def wanted(kind, it):
    """Views of a model by name, each with its numbers."""
    weights = {name: block.tolist() for name, block in it.network.parameters.items()}
    ids = it.vocabulary.encode(TEXT).tolist()
    reading = by_reference(kind, it.network, [[k] for k in ids])
    layers = [{name: [row[0] for row in rows] for name, rows in layer.items()} for layer in reading.quantities]
    read = trace(it, TEXT)
    return {
        "gates": Wanted(view_gates(it, read), {"gates": means(layers) | surprises(reading, ids)}),
        "units": Wanted(
            view_gates(it, read, ["1:2"]),
            {"gates": {f"layer 1, unit 2: {name}": [row[2] for row in rows] for name, rows in layers[1].items()}},
        ),
        "cell": Wanted(view_cell(it, read, ["0:1"]), {"cell": held(kind, layers)}),
        "saturation": Wanted(view_saturation(it, TEXT), saturated(kind, layers)),
        "memory": Wanted(view_memory(it, read), kept(kind, layers)),
        "gradients": Wanted(view_gradients(it, TEXT, lags=LAGS), taken_back(kind, weights, ids, it.network)),
    }


def means(layers):
    return {
        f"layer {n}, mean of {H} units: {name}": [sum(row) / H for row in rows]
        for n, layer in enumerate(layers)
        for name, rows in layer.items()
    }


def surprises(reading, ids):
    chances = [reference.probabilities(rows[0]) for rows in reading.logits]
    return {"bits": [math.nan, *(-math.log2(chance[k]) for chance, k in zip(chances, ids[1:], strict=False))]}


def held(kind, layers):
    name, tell = ("0:1 tanh(c)", lambda row: math.tanh(row[1])) if kind == "lstm" else ("0:1 h", lambda row: row[1])
    return {name: [tell(row) for row in layers[0]["c" if kind == "lstm" else "h"]]}


def saturated(kind, layers):
    units = {}
    for gate in GATES[kind]:
        series = [[row[unit] for row in layer[gate]] for layer in layers for unit in range(H)]
        units[f"{gate}: below 0.1"] = [sum(v < 0.1 for v in one) / len(one) for one in series]
        units[f"{gate}: above 0.9"] = [sum(v > 0.9 for v in one) / len(one) for one in series]
    over = [(n, gate) for n in range(2) for gate in GATES[kind]]
    sides = ("below 0.1", "above 0.9")
    return {
        "units": units,
        "gates": {side: [sum(units[f"{g}: {side}"][n * H : n * H + H]) / H for n, g in over] for side in sides},
    }


def kept(kind, layers):
    lives, written_, erased = [], [0.0] * len(TEXT), [0.0] * len(TEXT)
    for layer in layers:
        for unit in range(H):
            series = {name: [row[unit] for row in rows] for name, rows in layer.items()}
            keep = series[KEEPS[kind]]
            lives.append(math.log(0.5) / (sum(map(math.log, keep)) / len(TEXT)))
            memory = series["c" if kind == "lstm" else "h"]
            for n, before in enumerate([0.0, *memory[:-1]]):
                written_[n] += abs(memory[n] - keep[n] * before)
                erased[n] += abs(before) * (1.0 - keep[n])
    return {
        "half-lives in characters": {"half-life": sorted(lives, reverse=True)},
        "writes and erasures": {
            "written": [value / max(written_) for value in written_],
            "erased": [value / max(erased) for value in erased],
        },
    }


def taken_back(kind, weights, ids, network):
    norms = {}
    for t in range(LAGS, len(ids) - 1):
        for k in range(1, LAGS + 1):
            fresh = network.zero_state(1).tolist()
            state = reference.read(kind, weights, [[c] for c in ids[: t - k + 1]], fresh).state
            for n, states in enumerate(reference.slopes(kind, weights, ids[t - k + 1 : t + 2], state)):
                for name, units in zip(STATES[kind], states, strict=True):
                    norms.setdefault(f"layer {n}: {name}", {}).setdefault(k, []).append(math.hypot(*units))
    return {"gradient norm by lag": {name: list(map(median, by_lag.values())) for name, by_lag in norms.items()}}


@pytest.fixture(scope="module", params=[(k, d) for k in GATES for d in ("float64", "float32")], ids="-".join)
def surfaces(request):
    """All views of a model with numbers, and how near they have to be."""
    kind, dtype = request.param
    it = model(network(kind, dtype, vocabulary=len(CHARACTERS), layers=2, hidden=H), CHARACTERS)
    return wanted(kind, it), {"float64": 2e-8, "float32": 1e-6}[dtype]


NAMES = ("gates", "units", "cell", "saturation", "memory", "gradients")
each_view = pytest.mark.parametrize("name", NAMES)


def close(found, numbers, near):
    given = [math.nan if value in (None, "", "-") else float(value) for value in found]
    np.testing.assert_allclose(given, numbers, rtol=near, atol=near)


@each_view
def test_json_and_npz_hold_the_numbers(surfaces, name):
    looks, near = surfaces
    view = looks[name].view._replace(exact=None)
    objects, arrays = json.loads(as_json(view)), np.load(io.BytesIO(as_npz(view)), allow_pickle=False)
    for part, columns in looks[name].parts.items():
        for column, numbers in columns.items():
            close(objects[part][column], numbers, near)
            close(arrays[f"{part}/{column}"], numbers, near)


@each_view
def test_csv_holds_the_numbers_of_the_first_part(surfaces, name):
    looks, near = surfaces
    rows = list(csv.DictReader(io.StringIO(as_csv(looks[name].view._replace(exact=None)))))
    part = next(iter(looks[name].view.parts))
    for column, numbers in looks[name].parts[part].items():
        close([row[column] for row in rows], numbers, near)


def test_of_a_trace_every_surface_holds_every_unit(surfaces):
    looks, near = surfaces
    view = looks["units"].view
    rows = list(csv.DictReader(io.StringIO(as_csv(view))))
    objects, arrays = json.loads(as_json(view)), np.load(io.BytesIO(as_npz(view)), allow_pickle=False)
    for column, numbers in looks["units"].parts["gates"].items():
        quantity = column.rpartition(": ")[2]
        close([row[f"layer1.{quantity}.2"] for row in rows], numbers, near)
        close([row[2] for row in objects["layers"][1][quantity]], numbers, near)
        close(arrays[f"layer1/{quantity}"][:, 2], numbers, near)
    for column, numbers in looks["gates"].parts["gates"].items():
        if column == "bits":
            close([row["surprise_bits"] for row in rows], numbers, near)
            close([character["surprise_bits"] for character in objects["characters"]], numbers, near)
            close(arrays["surprise"], numbers, near)
            continue
        layer, quantity = column[len("layer ")], column.rpartition(": ")[2]
        close(
            np.mean([[float(row[f"layer{layer}.{quantity}.{j}"]) for j in range(H)] for row in rows], 1), numbers, near
        )
        close(np.mean(objects["layers"][int(layer)][quantity], 1), numbers, near)
        close(np.mean(arrays[f"layer{layer}/{quantity}"], 1, np.float64), numbers, near)


def is_number(column):
    return column.kind not in (Kind.TEXT, Kind.CHARACTER, Kind.GUESS)


def full(column):
    return f"{column.group}: {column.name}" if column.group else column.name


def pattern(column, value):
    """What stands in a table for a value: its words, or any number, to be read."""
    if is_number(column):
        return r"(\S+)"
    if column.kind is Kind.GUESS:
        return re.escape(format_value(value, column.kind).rpartition(" ")[0]) + r"\s+\d+%"
    return re.escape(format_value(value, column.kind).strip())


def numbers_of(view, part):
    """Read a table as a terminal shows it: column → its numbers, as they stand there."""
    columns = view.parts[part].columns
    lines = terminal.render(View({part: view.parts[part]}), 1000, 0).splitlines()
    rows = [line for line in lines if not line.startswith("…")][1 + any(column.group for column in columns) :]
    patterns = [r"\s+".join(filter(None, (pattern(c, c.values[n]) for c in columns))) for n in range(len(rows))]
    read = [re.fullmatch(p, row.strip()).groups() for p, row in zip(patterns, rows, strict=True)]
    return dict(zip(map(full, filter(is_number, columns)), map(list, zip(*read, strict=True)), strict=True))


def as_shown(words, number, near):
    """Say whether a number is what stands there, to the last digit that is shown."""
    if words == "-":
        return math.isnan(number)
    digits, scale = words.rstrip("%").replace(",", ""), 100 if words.endswith("%") else 1
    mantissa, _, power = digits.partition("e")
    last = 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
    return abs(float(digits) - number * scale) <= 0.5 * last + 2 * near * scale


@each_view
def test_tables_on_a_terminal_show_the_numbers_to_their_last_digit(surfaces, name):
    looks, near = surfaces
    view, parts = looks[name]
    for part in (part for part in parts if isinstance(view.parts[part], Table)):
        shown = numbers_of(view, part)
        for column, numbers in parts[part].items():
            assert len(shown[column]) == min(len(numbers), view.parts[part].head or len(numbers))
            for words, number in zip(shown[column], numbers, strict=False):
                assert as_shown(words, number, near), (column, words, number)


@pytest.mark.parametrize(("name", "part"), [("cell", "cell"), ("memory", "writes and erasures")])
def test_strips_on_a_terminal_show_the_numbers_as_bars_and_as_colours(surfaces, name, part):
    looks, near = surfaces
    strip = looks[name].view.parts[part]
    assert isinstance(strip, Strip)
    view = looks[name].view._replace(parts={part: strip._replace(text=strip.text.replace("\n", "a"))}, remarks=())
    bars, coloured = (terminal.render(view, 100, colours).splitlines() for colours in (0, 1 << 24))
    for row, (column, numbers) in enumerate(looks[name].parts[part].items()):
        bar = bars[1 + row].removeprefix(column).strip()
        cells = coloured[row][max(len(row.name) for row in strip.rows) + 1 :]
        backgrounds = re.findall(r"(?:\x1b\[38;[\d;]*m\x1b\[48;2;(\d+);(\d+);(\d+)m)?[^\x1b](?:\x1b\[0m)?", cells)
        assert len(bar) == len(backgrounds) == len(TEXT)
        for value, level, background in zip(numbers, bar, backgrounds, strict=True):
            share = (value + 1) / 2 if strip.rows[row].kind is Kind.SIGNED else value
            assert level in {LEVELS[min(7, int(8 * (share + slip)))] for slip in (-near, near)}
            assert (background == ("", "", "")) == (abs(value) < 1 / 8), "neutral is the terminal's own background"
            ends = zip(GREY, BRIGHT_BLUE if value >= 0 else BRIGHT_ORANGE, strict=True)
            for shade, (grey, end) in zip(filter(None, background), ends, strict=False):
                assert int(shade) == pytest.approx(grey + (end - grey) * abs(value), abs=0.5 + 255 * near)


def test_whatever_a_view_holds_every_surface_holds():
    models = [by_formula(kind, "".join(sorted(set(TEXT)))) for kind in ("lstm", "rnn")]
    for view in build_every_view(*models, TEXT).values():
        view = view._replace(exact=None)
        objects, arrays = json.loads(as_json(view)), np.load(io.BytesIO(as_npz(view)), allow_pickle=False)
        for part, held in view.parts.items():
            for column in filter(is_number, [] if isinstance(held, Mapping) else columns_of(held)):
                close(objects[part][full(column)], list(map(float, column.values)), 1e-8)
                np.testing.assert_array_equal(arrays[f"{part}/{full(column)}"], column.values)
            if isinstance(held, Table) and any(map(is_number, held.columns)):
                for words, values in zip(numbers_of(view, part).values(), filter(is_number, held.columns), strict=True):
                    assert all(as_shown(*pair, 1e-12) for pair in zip(words, values.values, strict=False))
