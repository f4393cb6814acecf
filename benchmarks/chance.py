"""How often the best unit exceeds the threshold of the view units, for labels that are independent of the text: 5 %.

    python benchmarks/chance.py [LABELS [BLOCKS...]]
    python benchmarks/chance.py slow [LABELS [BLOCKS...]]

LABELS is the number of random labels a cell, 2,000 by default; BLOCKS are lengths of the text in blocks of 1,024
characters, 1 and 8 by default. A cell is a kind of unit, a kind of label and a length; each prints one line. Units are
autoregressive processes of several time constants, and those of a GRU that was trained on a stream and of an LSTM that
was trained on lines, over random passages of the text. Labels are stationary: yes and no in random runs, and
autoregressive numbers. New units come with every 50 labels.

`slow` takes processes as units and as labels that are so slow that one block is a short text for them. It counts labels
with and without the remark about short texts separately.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

import charlstm
from charlstm.base.parameters import Array
from charlstm.inspection.ranking import Labels, rank_units
from charlstm.inspection.units import Memories

ROOT = Path(__file__).resolve().parent.parent
BLOCK = 1024
UNITS = 32
TOGETHER = 50  # labels for which the same units are ranked
STEPS = 400

Source = Callable[[np.random.Generator, int], Array]


def draw_numbers(random: np.random.Generator, N: int, columns: int, time_constant: float) -> Array:
    """Return stationary first-order autoregressive processes: (N, columns)."""
    keep = np.exp(-1.0 / time_constant)
    steps = np.sqrt(1.0 - keep * keep) * random.normal(size=(N, columns))  # (N, columns)
    values = np.empty((N, columns))
    values[0] = random.normal(size=columns)
    for t in range(1, N):
        values[t] = keep * values[t - 1] + steps[t]
    return values


def draw_runs(random: np.random.Generator, N: int, columns: int, on: float, off: float) -> Array:
    """Return stationary labels 0 and 1 whose runs have geometric lengths with these means: (N, columns)."""
    draws, values = random.random((N, columns)), np.empty((N, columns), int)
    values[0] = random.random(columns) < on / (on + off)
    for t in range(1, N):
        values[t] = values[t - 1] ^ (draws[t] < np.where(values[t - 1], 1.0 / on, 1.0 / off))
    return values


LABELS: Mapping[str, Callable[[np.random.Generator, int, int], Array]] = {
    "runs of 5 on, 10 off": lambda random, N, columns: draw_runs(random, N, columns, 5, 10),
    "runs of 100 on, 200 off": lambda random, N, columns: draw_runs(random, N, columns, 100, 200),
    "numbers, 5": lambda random, N, columns: draw_numbers(random, N, columns, 5),
    "numbers, 100": lambda random, N, columns: draw_numbers(random, N, columns, 100),
}


def train_source(paths: list[Path], cell: str, lines: bool) -> Source:
    """Train a small model on files and return what draws its memories over random passages of them."""
    text = "".join(path.read_text(encoding="utf-8") for path in paths)
    model = charlstm.train(paths, steps=STEPS, hidden=UNITS, cell=cell, lines=lines, random_seed=0).model

    def draw(random: np.random.Generator, N: int) -> Array:
        first = int(random.integers(len(text) - N))
        return np.concatenate(list(Memories(model, text[first : first + N])))

    return draw


def list_sources() -> Iterator[tuple[str, Source]]:
    """Yield the kinds of units: a name and what draws the values of one text of N characters, (N, U)."""
    for time_constant in (2, 30, 300):
        yield (
            f"processes, {time_constant}",
            lambda random, N, time_constant=time_constant: draw_numbers(random, N, UNITS, time_constant),
        )
    yield (
        "a GRU of a stream",
        train_source([ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))], "gru", lines=False),
    )
    yield "an LSTM of lines", train_source([ROOT / "data" / "rooms.txt"], "lstm", lines=True)


def measure(source: Source, label: str, N: int, count: int) -> tuple[int, int]:
    """Return for how many labels the best unit exceeds the threshold, and how many labels were ranked."""
    random, exceeded, ranked = np.random.default_rng(N), 0, 0
    while ranked < count:
        columns = LABELS[label](random, N, min(TOGETHER, count - ranked)).T  # (K, N)
        labels = {str(k): Labels(column) for k, column in enumerate(columns) if column.min() < column.max()}
        values = source(random, N).astype(np.float32)  # (N, U)
        rankings = rank_units(np.array_split(values, N // BLOCK), labels) if labels else {}
        for ranking in rankings.values():
            exceeded += ranking.is_significant(int(np.abs(ranking.scores).argmax()))
        ranked += len(labels)
    return exceeded, ranked


def measure_slow(count: int, blocks: list[int]) -> None:
    """Measure slow units and labels, and print a table."""
    print(f"{'units':>6} {'labels':>7} {'blocks':>7} {'without the remark':>19} {'with it':>8} {'share of it':>12}")
    for time_constant, blocks_now in ((tau, length) for tau in (100, 300) for length in blocks):
        random, exceeded, N = np.random.default_rng(blocks_now), {False: [0, 0], True: [0, 0]}, blocks_now * BLOCK
        for _ in range(-(-count // TOGETHER)):
            columns = draw_numbers(random, N, TOGETHER, time_constant).T  # (K, N)
            values = draw_numbers(random, N, UNITS, 300).astype(np.float32)  # (N, U)
            labels = {str(k): Labels(column) for k, column in enumerate(columns)}
            for ranking in rank_units(np.array_split(values, blocks_now), labels).values():
                best = int(np.abs(ranking.scores).argmax())
                exceeded[ranking.text_is_short][0] += ranking.is_significant(best)
                exceeded[ranking.text_is_short][1] += 1
        rates = [f"{found / total:.1%}" if total else "-" for found, total in exceeded.values()]
        share = exceeded[True][1] / sum(total for _, total in exceeded.values())
        print(f"{300:6} {time_constant:7} {blocks_now:7} {rates[0]:>19} {rates[1]:>8} {share:12.0%}", flush=True)


def main(count: int, blocks: list[int]) -> None:
    """Measure every cell and print a table."""
    widths = " ".join(f"{f'{length} blocks' if length > 1 else '1 block':>9}" for length in blocks)
    print(f"{count:,} labels a cell; a standard error of {np.sqrt(0.05 * 0.95 / count):.1%}")
    print(f"{'units':18} {'labels':24} {widths}")
    for name, source in list_sources():
        for label in LABELS:
            print(f"{name:18} {label:24}", end="", flush=True)
            for length in blocks:
                exceeded, ranked = measure(source, label, length * BLOCK, count)
                print(f" {exceeded / ranked:9.1%}", end="", flush=True)
            print(flush=True)


if __name__ == "__main__":
    slow = sys.argv[1:2] == ["slow"]
    numbers = [int(argument) for argument in sys.argv[1 + slow :]]
    (measure_slow if slow else main)(numbers[0] if numbers else 2000, numbers[1:] or [1, 8])
