"""The comparisons of training and of sampling with the alternatives, on one kind of processor."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from environments import LOOPS, Rival
from measure import ContestantError, Launch, Outcome, Pace, measure_in_turn, probe
from processors import TITLES, WITHOUT, has_avx512
from shapes import (
    LEAST_MEAN_RATIO,
    LEAST_RATIO,
    LEAST_RATIO_ON_ONE_CORE,
    LEAST_RATIO_TO_C,
    LEAST_SAMPLING_RATIO,
    Row,
    most_over_products,
)
from tables import Column, format_heading, format_line

LOSS_TOLERANCE, LOGITS_TOLERANCE = 1e-3, 1e-4
SPEED_WIDTH = 7
TIMES = ("seconds", "fastest", "cpu")  # of an Outcome
CHARLSTM = {"charlstm": "charlstm_training", "products": "products"}  # contestants of training
TRAINING_FIGURES = ("ratio", "fastest_ratio", "cpu_ratio", "aim", "step_over_products", "most_over_products")
STEP_FIGURES, LOOP_FIGURES = ("ratio", "fastest_ratio", "cpu_ratio", "aim"), ("ratio_to_C", "aim_to_C")


class Setting(NamedTuple):
    """What a comparison measures.

    Attributes
    ----------
    kind
        The kind of processor.
    cores
        Processes or threads at most.
    rivals
        The alternatives that can run.
    pace
        How long to measure.
    """

    kind: str
    cores: int
    rivals: Sequence[Rival]
    pace: Pace


def compare_training(setting: Setting, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Compare training steps with those of the alternatives, on all cores and on one, and with their products alone."""
    rivals = [rival for rival in setting.rivals if rival.training]
    columns = [
        Column("text", 6, ""), Column("network", 7, ""), Column("T × B", 8, ""),
        *_speed_columns("charlstm", *(rival.name for rival in rivals)),
        Column("ratio", 5, ".2f"), Column("peak", 5, ".2f"), Column("CPU", 5, ".2f"), Column("aim", 4, ".3g"),
        Column("÷products", 9, ".2f"), Column("aim", 4, ".3g"),
    ]  # fmt: skip
    table = []
    for cores in sorted({setting.cores, 1}, reverse=True):
        _begin(f"Training, {cores} core{'s' * (cores > 1)}", setting, columns)
        remarks, measured = _Remarks(), []
        for row in rows:
            outcomes = _train_in_turn(setting, row, cores, rivals)
            remarks.add(row.label, outcomes)
            measured.append(_describe_training(row, cores, rivals, outcomes))
            figures = (measured[-1][name] for name in TRAINING_FIGURES)
            shape = (row.text, f"{row.hidden:3} × {row.layers}", f"{row.seq_len:3} × {row.batch}")
            print(format_line(columns, [*shape, *measured[-1]["speeds"].values(), *figures]), flush=True)
        _sum_up(measured, LEAST_MEAN_RATIO[setting.kind] if cores > 1 else None)
        remarks.report()
        table += measured
    return table


def _train_in_turn(setting: Setting, row: Row, cores: int, rivals: Sequence[Rival]) -> dict[str, Outcome]:
    """Measure charlstm, its products and the alternatives in one row."""
    workers = row.workers(cores)
    settings = row.settings | {"processes": workers}
    ours = {name: Launch(CHARLSTM[name], settings, kind=setting.kind) for name in ("charlstm", "products")}
    applicable = [rival for rival in rivals if row.layers == 1 or not rival.one_text]
    others = _launch(applicable, "training", row.settings, {1, cores}, setting.kind)
    return measure_in_turn(ours | others, setting.pace, LOSS_TOLERANCE)


def _describe_training(
    row: Row, cores: int, rivals: Sequence[Rival], outcomes: Mapping[str, Outcome]
) -> dict[str, Any]:
    """Return the figures of one row."""
    speeds, fastest, cpu = (
        {"charlstm": row.seq_len * row.batch / _seconds(outcomes["charlstm"], which)}
        | {
            rival.name: _speed(rival, outcomes, row.seq_len * (1 if rival.one_text else row.batch), which)
            for rival in rivals
        }
        for which in TIMES
    )
    names = [rival.name for rival in rivals]
    return {
        "row": " ".join(row.label.split()), "text": row.text, **row.settings,
        "cores": cores, "workers": row.workers(cores), "speeds": speeds, "fastest_speeds": fastest,
        "ratio": _ratio(speeds, names), "fastest_ratio": _ratio(fastest, names),
        "cpu_ratio": _ratio(cpu, names) if cores == 1 else None,
        "aim": LEAST_RATIO if cores > 1 else LEAST_RATIO_ON_ONE_CORE,
        "step_over_products": _seconds(outcomes["charlstm"]) / _seconds(outcomes["products"]),
        "most_over_products": most_over_products(row.hidden),
    }  # fmt: skip


def _sum_up(rows: Sequence[Mapping[str, Any]], aim: float | None) -> None:
    """Print geometric means of the ratios, and how many rows reach their aims."""
    rows = [row for row in rows if row["ratio"] is not None]
    for name, chosen in (("all rows", rows), ("rows of fixed shapes", [row for row in rows if not row["text"]])):
        if not chosen or (chosen == rows and name != "all rows"):
            continue
        means = []
        for key, title in (("ratio", ""), ("fastest_ratio", "fastest turns "), ("cpu_ratio", "CPU time ")):
            if None not in (figures := [row[key] for row in chosen]):
                means.append(f"{title}{statistics.geometric_mean(figures):.2f}")
        print(
            f"geometric mean of {name} ({len(chosen)}): {', '.join(means)}{f'; aim {aim}' if aim else ''};"
            f" {sum(row['ratio'] >= row['aim'] for row in chosen)} reach their aim"
        )


def compare_sampling(setting: Setting, rows: Iterable[tuple[int, int]]) -> list[dict[str, Any]]:
    """Compare sampling, one character after another: with alternatives that return each one, and with compiled loops.

    Parameters
    ----------
    setting
        What to measure.
    rows
        Pairs: units, and texts side by side.
    """
    rivals = [rival for rival in setting.rivals if rival.sampling]
    steps, loops = ([rival.name for rival in rivals if (rival.name in LOOPS) == looped] for looped in (False, True))
    columns = [
        Column("units", 5), Column("texts", 5), *_speed_columns("charlstm", *steps),
        Column("ratio", 5, ".2f"), Column("peak", 5, ".2f"), Column("CPU", 5, ".2f"), Column("aim", 4, ".3g"),
        *_speed_columns(*loops), Column("to C", 4, ".2f"), Column("aim", 4, ".3g"),
    ]  # fmt: skip
    _begin("Sampling", setting, columns)
    table, remarks = [], _Remarks()
    for hidden, streams in rows:
        settings = {"hidden": hidden, "streams": streams}
        ours = {"charlstm": Launch("charlstm_sampling", settings | {"processes": setting.cores}, kind=setting.kind)}
        applicable = [rival for rival in rivals if streams == 1 or not rival.one_text]
        outcomes = measure_in_turn(
            ours | _launch(applicable, "sampling", settings, {1, setting.cores}, setting.kind),
            setting.pace,
            LOGITS_TOLERANCE,
        )
        remarks.add(f"{hidden} units, {streams} texts", outcomes)
        measured = _describe_sampling(setting.kind, hidden, streams, rivals, outcomes)
        table.append(measured)
        figures = []
        for names, ratios in ((["charlstm", *steps], STEP_FIGURES), (loops, LOOP_FIGURES)):
            figures += [*(measured["speeds"][name] for name in names), *(measured[ratio] for ratio in ratios)]
        print(format_line(columns, [hidden, streams, *figures]), flush=True)
    for rival in rivals:
        if not _is_fair(rival, setting.kind):
            print(f"{rival.name} uses AVX-512 here, since nothing keeps it from that; the ratio leaves it out")
    remarks.report()
    return table


def _describe_sampling(
    kind: str, hidden: int, streams: int, rivals: Sequence[Rival], outcomes: Mapping[str, Outcome]
) -> dict[str, Any]:
    """Return the figures of one row."""
    speeds, fastest, cpu = (
        {"charlstm": streams / _seconds(outcomes["charlstm"], which)}
        | {rival.name: _speed(rival, outcomes, streams, which) for rival in rivals}
        for which in TIMES
    )
    fair = [rival.name for rival in rivals if rival.name not in LOOPS and _is_fair(rival, kind)]
    return {
        "hidden": hidden, "streams": streams, "speeds": speeds, "fastest_speeds": fastest,
        "ratio": _ratio(speeds, fair), "fastest_ratio": _ratio(fastest, fair), "cpu_ratio": _ratio(cpu, fair),
        "aim": LEAST_SAMPLING_RATIO.get((hidden, streams)),
        "ratio_to_C": _ratio(speeds, ["C"]), "aim_to_C": LEAST_RATIO_TO_C if streams == 1 else None,
    }  # fmt: skip


def report_kernels(setting: Setting) -> list[dict[str, Any]]:
    """Print which instructions the libraries use; return what each told."""
    print(f"\nProcessor {TITLES[setting.kind]}: tanh of a number, product of two 512 × 512 matrices, one thread")
    launches = {"NumPy": Launch("probe", {}, kind=setting.kind)}
    for rival in setting.rivals:
        if rival.packages and rival.name in ("torch", "jax", "onnx"):
            launches[rival.name] = Launch("probe", {}, rival.script, rival.python, setting.kind)
    told = []
    for name, launch in launches.items():
        try:
            answer = probe(launch)
        except ContestantError as error:
            print(f"  {name:8} {error}")
            continue
        print(f"  {name:8} {answer['tanh']:5.2f} ns {answer['product']:6.0f} GFLOP/s  {answer['says']}", flush=True)
        told.append({"library": name, **answer})
    return told


def _speed_columns(*names: str) -> list[Column]:
    return [Column(name, max(SPEED_WIDTH, len(name))) for name in names]


def _begin(title: str, setting: Setting, columns: Sequence[Column]) -> None:
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"\n{title} {TITLES[setting.kind]}, characters a second{load}")
    print(format_heading(columns), flush=True)


def _launch(
    rivals: Iterable[Rival], part: str, settings: Mapping[str, int], threads: set[int], kind: str
) -> dict[str, Launch]:
    """Return how to start each alternative with each number of threads; the labels are those of `_label`."""
    return {
        _label(rival, count): Launch(
            getattr(rival, part), {**settings, "processes": count}, rival.script, rival.python, kind
        )
        for rival in rivals
        for count in (sorted(threads) if rival.threads else (1,))
    }


def _label(rival: Rival, threads: int) -> str:
    return f"{rival.name}, {threads} thread{'s' * (threads > 1)}"


def _speed(rival: Rival, outcomes: Mapping[str, Outcome], characters: int, which: str) -> float | None:
    """Return the characters a second of an alternative with the better number of threads; None if it failed.

    CPU times of several threads would count the time that they wait for each other, so there is one thread for those.
    """
    labels = (
        [_label(rival, 1)] if which == "cpu" else [label for label in outcomes if label.startswith(f"{rival.name}, ")]
    )
    speeds = [
        characters / _seconds(outcome, which)
        for label, outcome in outcomes.items()
        if outcome.seconds is not None and label in labels
    ]
    return max(speeds, default=None)


def _ratio(speeds: Mapping[str, float | None], names: Iterable[str]) -> float | None:
    """Return the speed of charlstm over that of the fastest of some alternatives."""
    best = max((speed for name in names if (speed := speeds.get(name)) is not None), default=None)
    ours = speeds["charlstm"]
    return None if best is None or ours is None or not best > 0 else ours / best  # no time is known


def _is_fair(rival: Rival, kind: str) -> bool:
    return rival.restricted or kind != WITHOUT or not has_avx512()


def _seconds(outcome: Outcome, which: str = "seconds") -> float:
    """Return one of the times of a unit; raise ContestantError if there is none."""
    if outcome.problem:
        raise ContestantError(outcome.problem)
    return float(getattr(outcome, which))


class _Remarks:
    """Collects what the lines of a table have no room for."""

    def __init__(self) -> None:
        self._first: dict[str, list[float]] = {}
        self._failed: list[str] = []

    def add(self, row: str, outcomes: Mapping[str, Outcome]) -> None:
        """Add what was measured in a row."""
        for label, outcome in outcomes.items():
            if outcome.problem:
                self._failed.append(f"{' '.join(row.split())}: {label} is left out: {outcome.problem}")
            else:
                self._first.setdefault(label.split(",")[0], []).append(outcome.first)

    def report(self) -> None:
        """Print the seconds of the first steps, with imports and compiling, and what failed."""
        print("seconds to the end of the first steps, imports and compiling included, at most:")
        print("  " + ", ".join(f"{name} {max(taken):.1f}" for name, taken in self._first.items()))
        for line in self._failed:
            print(line)
