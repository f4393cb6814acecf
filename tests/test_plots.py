"""Curves on a terminal and as SVG: round axes, lines and points where the values are, and runs over each other."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import assume, given
from hypothesis import strategies as st
from small import model, network
from wcwidth import wcswidth

from charlstm.api.language_model import LanguageModel
from charlstm.base.errors import ConfigError
from charlstm.cli import console
from charlstm.cli.main import main
from charlstm.inspection.view import Column, Curves, Kind, View, columns_of
from charlstm.model import checkpoint
from charlstm.model.model import History
from charlstm.render import svg
from charlstm.render.axes import find_axis
from charlstm.render.plots import plot_curves

SVG = "{http://www.w3.org/2000/svg}"
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
finite = st.floats(-1e30, 1e30, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-30)
positive = st.floats(1e-30, 1e30)


@given(finite, finite, st.integers(2, 8))
def test_a_linear_axis_has_round_even_ticks_around_its_range(one: float, other: float, count: int) -> None:
    low, high = min(one, other), max(one, other)
    assume(high == low or high - low > 1e-6 * max(abs(low), abs(high)))
    axis = find_axis(low, high, count)
    steps = np.diff(axis.ticks)
    assert len(axis.ticks) == len(axis.labels) == len(set(axis.labels)) and 2 <= len(axis.ticks) <= count + 3
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
    mantissa = steps[0] / 10.0 ** math.floor(math.log10(steps[0]) + 1e-6)
    assert min(abs(mantissa - each) for each in (1, 2, 5, 10)) < 1e-6
    slack = 1e-8 * steps[0] + 1e-12 * max(abs(low), abs(high))
    assert axis.low - slack <= low and high <= axis.high + slack
    assert low - axis.low < steps[0] + slack and axis.high - high < steps[0] + slack


@given(positive, positive, st.integers(2, 8))
def test_a_logarithmic_axis_has_round_ticks_around_its_range(one: float, other: float, count: int) -> None:
    low, high = min(one, other), max(one, other)
    axis = find_axis(low, high, count, log=True)
    assert axis.low <= low * (1 + 1e-6) and high * (1 - 1e-6) <= axis.high and len(axis.ticks) >= 2
    for tick in axis.ticks:
        mantissa = tick / 10.0 ** math.floor(math.log10(tick) + 1e-9)
        assert min(abs(mantissa - each) for each in (1, 2, 5, 10)) < 1e-6
    assert len(set(axis.labels)) == len(axis.labels)
    low_place, high_place = axis.place([axis.low, axis.high])
    assert (low_place, high_place) == pytest.approx((0, 1))
    assert np.isnan(axis.place([0.0, -1.0, math.nan, math.inf])).all()


@pytest.mark.parametrize(
    ("low", "high"), [(-1.7e308, 1.7e308), (0.0, 5e-324), (1e308, 1.7e308), (7.0, 7.0), (0.0, 0.0)]
)
def test_an_axis_takes_numbers_of_any_size(low: float, high: float) -> None:
    axis = find_axis(low, high)
    places = axis.place([low, high])
    assert axis.low <= low and high <= axis.high and np.isfinite(places).all() and len(axis.labels) == len(axis.ticks)


def curves(x: Any, *ys: Any, **settings: Any) -> Curves:
    return Curves(Column("x", x), tuple(Column(f"y{k}", y) for k, y in enumerate(ys)), **settings)


def read_dots(lines: list[str]) -> np.ndarray:
    """Return which dots of the Braille characters of a plot are set: (rows, columns)."""
    rows = [re.split("[│┤]", line, maxsplit=1)[1] for line in lines if re.match("^[^│┤]*[│┤]", line)]
    width = max(map(len, rows))
    dots = np.zeros((4 * len(rows), 2 * width), bool)
    places = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 0), (3, 1)]
    for r, row in enumerate(rows):
        for c, sign in enumerate(row):
            for bit, (down, right) in enumerate(places):
                if sign != " " and ord(sign) - 0x2800 >> bit & 1:
                    dots[4 * r + down, 2 * c + right] = True
    return dots


@given(st.lists(st.floats(0, 10), min_size=2, max_size=30), st.integers(30, 100))
def test_dots_of_a_line_join_its_values(ys: list[float], width: int) -> None:
    ys[0], ys[-1] = 0.0, 10.0  # the range of the axis
    drawn = plot_curves(curves(list(range(len(ys))), ys), width, dots=True)
    assert max(map(wcswidth, drawn)) <= width
    dots = read_dots(drawn)
    rows, columns = np.nonzero(dots)
    last = find_axis(0, len(ys) - 1, max(2, width // 14)).high
    across = 2 * (width - max(line.index("┤") for line in drawn if "┤" in line) - 1)
    for x, y in enumerate(ys):  # a dot is near every value
        u, v = x / last * (across - 1), (1 - y / 10) * (dots.shape[0] - 1)
        assert np.min(np.maximum(np.abs(columns - u), np.abs(rows - v))) <= 1.01
    order = np.argsort(columns, kind="stable")
    assert np.all(np.diff(np.unique(columns[order])) == 1)  # the line has no gap


def test_points_are_not_joined_and_missing_values_are_not_drawn() -> None:
    points = curves([1.0, 0.0, 0.5], [0.0, 1.0, math.nan])
    assert read_dots(plot_curves(points, 60, dots=True)).sum() == 2
    assert sum(line.count(".") for line in plot_curves(points, 60)[1:9]) - 3 <= 2
    drawn = ET.fromstring(svg.render(View({"it": points})))
    assert len(drawn.findall(f".//{SVG}circle")) == 2
    joined = curves([0.0, 0.5, 1.0], [0.0, math.nan, 1.0])
    [path] = ET.fromstring(svg.render(View({"it": joined}))).findall(f".//{SVG}g[@class='plot']//{SVG}path[@d]")[-2:-1]
    assert path.get("d").count("L") == 1  # type: ignore[union-attr]
    assert plot_curves(curves([0.0], [math.nan]), 60) == ["  no values to plot"]
    assert "no values" not in svg.render(View({"it": curves([0.0], [math.nan])}))


@pytest.mark.parametrize("width", [1, 5, 13, 20, 40, 80, 200])
@pytest.mark.parametrize("colours", [0, 8, 256, 1 << 24])
@pytest.mark.parametrize("dots", [False, True])
def test_a_plot_fits_and_colours_change_no_character(width: int, colours: int, dots: bool) -> None:
    ys = [np.linspace(k, 9.0, 7) for k in range(6)]
    part = curves(np.arange(7), *ys, log_x=False)
    drawn = [ESCAPE.sub("", line) for line in plot_curves(part, width, dots, colours)]
    assert drawn == plot_curves(part, width, dots)
    assert width < 13 or max(map(wcswidth, drawn)) <= width
    assert bool(colours) == any("\x1b" in line for line in plot_curves(part, width, dots, colours)) or width < 13


def test_curves_differ_without_colours() -> None:
    flat = [0.5] * 2
    samples = {
        plot_curves(curves([0, 1], *[[math.nan] * 2] * k, flat), 60, dots=True)[0].split(" y")[k] for k in range(4)
    }
    assert len(samples) == 4


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0.5, 9)), min_size=2, max_size=20, unique_by=lambda one: one[0]))
def test_svg_has_each_value_where_its_axes_say(pairs: list[tuple[float, float]]) -> None:
    pairs = sorted(pairs)
    x, y = map(list, zip(*pairs, strict=True))
    assume(np.all(np.diff(x) > 1e-3))
    drawn = ET.fromstring(svg.render(View({"a <part>": Curves(Column("x", x), (Column("y", y),))})))
    texts = [(float(one.get("x")), float(one.get("y")), one.text) for one in drawn.iter(f"{SVG}text")]  # type: ignore
    ticks = {"x": {}, "y": {}}  # type: ignore[var-annotated]
    for across, up, text in texts:
        if re.fullmatch(r"[\d.,]+", text or ""):
            ticks["x" if up == svg.HIGH - svg.BELOW + 19 else "y"][float(text.replace(",", ""))] = (across, up)
    [path] = [one for one in drawn.iter(f"{SVG}path") if "L" in one.get("d")]  # type: ignore[operator]
    shown = [tuple(map(float, pair.split())) for pair in path.get("d")[1:].split("L")]  # type: ignore[index]
    grid = [float(one.get("d")[1:].split()[0]) for one in drawn.iter(f"{SVG}path") if "V" in one.get("d")]  # type: ignore
    by_x = np.interp(x, sorted(ticks["x"]), sorted(grid))
    heights = [ticks["y"][tick][1] - 4 for tick in sorted(ticks["y"])]
    by_y = np.interp(y, sorted(ticks["y"]), heights)
    np.testing.assert_allclose(shown, np.stack([by_x, by_y], 1), atol=0.11)
    assert all(0 <= across <= svg.WIDE and svg.ABOVE - 0.1 <= up <= svg.HIGH - svg.BELOW + 0.1 for across, up in shown)
    assert "a <part>" in {text for _, _, text in texts}


def trained(steps: list[int], loss: float) -> LanguageModel:
    it = model(network("lstm"), "abcde")
    values = np.array([loss / (k + 1) for k in range(len(steps))])
    return LanguageModel(replace(it, history=History(np.array(steps), values, values * 2, values / 7)))


def test_runs_are_laid_over_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one, other = trained([1, 2, 4], 2.0), trained([2, 3], 3.0)
    view = one.view("history", compare={"runs/other.npz": other})
    losses = {column.name: list(column.values) for column in columns_of(view.parts["losses (bits per character)"])}
    assert losses["step"] == [1, 2, 3, 4]
    assert math.isnan(losses["training"][2])
    assert losses["training"][3] == pytest.approx(2 / 3 / math.log(2))
    wanted = np.array([math.nan, 6.0, 3.0, math.nan]) / math.log(2)
    np.testing.assert_allclose(losses["validation, other.npz"], wanted)
    empty = LanguageModel(model(network("lstm"), "abcde"))
    assert "other has not been trained" in one.view("history", compare={"other": empty}).remarks[0]
    for name, it in (("charlstm.npz", one), ("other.npz", other)):
        checkpoint.save(it.model, tmp_path / name)
    words = ["inspect", "--view", "history", "--compare", "other.npz"]
    assert "validation, other.npz" in CliRunner().invoke(main, words).stdout
    assert CliRunner().invoke(main, [*words, "-o", "runs.svg"]).exit_code == 0
    drawn = ET.fromstring((tmp_path / "runs.svg").read_text("utf-8"))
    assert "validation, other.npz" in {text.text for text in drawn.iter(f"{SVG}text")}
    assert view.dump("svg") == svg.render(view)
    one.view("history").save(tmp_path / "one.svg")
    assert (tmp_path / "one.svg").read_text("utf-8").startswith("<svg")


def test_a_view_without_curves_is_no_picture_and_png_is_an_error_that_names_svg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    it = trained([1, 2], 2.0)
    checkpoint.save(it.model, tmp_path / "charlstm.npz")
    with pytest.raises(ConfigError, match="has no curves"):
        it.view("gates", "abc").dump("svg")
    for words in (["abc", "-o", "a.svg"], ["--format", "png"], ["-o", "a.png"]):
        done = CliRunner().invoke(main, ["inspect", *words])
        assert done.exit_code == 2 and "svg" in done.stderr.splitlines()[-1] and not list(tmp_path.glob("a.*"))


@pytest.mark.parametrize(
    ("encoding", "term", "is_terminal", "wanted"),
    [("utf-8", "xterm", True, True), ("cp1252", "xterm", True, False), ("utf-8", "linux", True, False),
     ("utf-8", "dumb", True, False), ("utf-8", "xterm", False, False)],
)  # fmt: skip
def test_dots_need_a_terminal_that_has_them(
    encoding: str, term: str, is_terminal: bool, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stream:
        def isatty(self) -> bool:
            return is_terminal

    Stream.encoding = encoding  # type: ignore[attr-defined]
    monkeypatch.setattr("sys.stdout", Stream())
    monkeypatch.setenv("TERM", term)
    assert console.has_dots() == wanted


def test_percentages_are_written_as_such() -> None:
    assert find_axis(0.0, 0.4, 4, kind=Kind.PERCENT).labels == ("0%", "10%", "20%", "30%", "40%")
