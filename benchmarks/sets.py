"""What the rules of a set of samples cost: time per attempt beside that of plain samples, in turn.

    python benchmarks/sets.py MODEL CORPUS [COUNT [ROUNDS]]

COUNT is the number of texts, 10,000 by default. Each of ROUNDS rounds, 3 by default, samples them plainly and then with
each rule; a line is the median of the rounds. The ratio is that of the medians.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from statistics import median

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import charlstm

RULES = ("distinct", "max_copied 8", "distinct, max_copied 8")


def main(model_file: str, corpus: str, count: int = 10_000, rounds: int = 3) -> None:
    """Measure each rule and print a table."""
    model = charlstm.load(model_file)
    sets: dict[str, Callable[[int], tuple[int, int]]] = {"plain": lambda seed: sample_plainly(model, count, seed)}
    for name in RULES:
        rules = {"distinct": "distinct" in name}
        if "max_copied" in name:
            rules |= {"max_copied": 8, "against": corpus}
        sets[name] = lambda seed, rules=rules: sample_set(model, count, seed, rules)
    times: dict[str, list[float]] = {name: [] for name in sets}
    tried = dict.fromkeys(sets, (0, 0))
    for seed in range(rounds):
        for name, sample in sets.items():
            start = time.perf_counter()
            tried[name] = sample(seed)
            times[name].append((time.perf_counter() - start) / tried[name][1] * 1e6)
    print(f"{'':24}{'texts':>10}{'attempts':>10}{'µs each':>10}{'ratio':>8}")
    for name, measured in times.items():
        texts, attempts = tried[name]
        ratio = median(measured) / median(times["plain"])
        print(f"{name:24}{texts:>10,}{attempts:>10,}{median(measured):>10.0f}{ratio:>8.2f}")


def sample_plainly(model: charlstm.LanguageModel, count: int, seed: int) -> tuple[int, int]:
    """Sample texts without a rule; return their number twice."""
    model.sampler("", count=count, random_seed=seed).collect()
    return count, count


def sample_set(model: charlstm.LanguageModel, count: int, seed: int, rules: dict[str, object]) -> tuple[int, int]:
    """Sample a set; return the number of its texts and that of the attempts."""
    found = model.samples("", count, random_seed=seed, **rules)
    return len(found), found.attempts


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:5]))
