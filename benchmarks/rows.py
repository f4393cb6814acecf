"""How long the products of a step of sampling take: one row, or many whose bits do not depend on each other.

    python benchmarks/rows.py [--rounds N] [--seconds S] [--hidden H ...] [--rows B ...]

Prints microseconds of CPU time per product of B rows with the four recurrent matrices of H units, the fastest of the
rounds, in which all forms take turns:

- vectors: each row is a vector–matrix product;
- lanes: matrix products that sum in the same order, where this BLAS has that order;
- mixed: a matrix product whose rows may have other last bits beside other rows, as in training;
- chosen: the form that sampling uses here.

*Read* is the time to read the weights once. benchmarks/pairs.py tells how to use the kernels for AVX2.
"""

from __future__ import annotations

import argparse
import operator
import os
import time
from collections.abc import Callable
from functools import partial

os.environ |= {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM")}

import numpy as np

from charlstm.base.parameters import Buffers
from charlstm.network.matmul import LaneMatrix, PackedMatrix, RowMatrix, pack_matrix

GATES = 4
NAMES = {RowMatrix: "vectors", LaneMatrix: "lanes", PackedMatrix: "products"}


def measure_in_turn(forms: dict[str, Callable[[], object]], rounds: int, seconds: float) -> dict[str, float]:
    """Return the microseconds of CPU time that one call of each form takes, in its fastest round."""
    repeats, fastest = {}, dict.fromkeys(forms, float("inf"))
    for name, form in forms.items():
        form()
        start = time.perf_counter()
        form()
        repeats[name] = max(1, round(seconds / (time.perf_counter() - start)))
    for _ in range(rounds):
        for name, form in forms.items():
            start = time.process_time()
            for _ in range(repeats[name]):
                form()
            fastest[name] = min(fastest[name], (time.process_time() - start) / repeats[name] * 1e6)
    return fastest


def main() -> None:
    """Measure every number of units and rows, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=0.004, help="Length of a turn.")
    parser.add_argument("--hidden", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 64])
    arguments = parser.parse_args()
    print("hidden  rows      read   vectors     lanes     mixed    chosen")
    rng = np.random.default_rng(0)
    for hidden in arguments.hidden:
        weights = rng.standard_normal((GATES, hidden, hidden), np.float32)
        for rows in arguments.rows:
            x = rng.standard_normal((rows, hidden), np.float32)
            chosen = pack_matrix(weights, rows, "W", Buffers("float32"), batch_invariant=True)
            packed = {
                "vectors": RowMatrix(weights, rows, "W", Buffers("float32")),
                "lanes": LaneMatrix(weights, rows, "W", Buffers("float32")),
                "mixed": PackedMatrix(weights, rows, "W", Buffers("float32")),
                "chosen": chosen,
            }
            forms: dict[str, Callable[[], object]] = {"read": weights.max}
            forms |= {name: partial(operator.matmul, x, matrix) for name, matrix in packed.items()}
            times = measure_in_turn(forms, arguments.rounds, arguments.seconds)
            figures = "".join(f"{taken:10.1f}" for taken in times.values())
            print(f"{hidden:6} {rows:5}{figures}  {NAMES[type(chosen)]}", flush=True)


if __name__ == "__main__":
    main()
