"""How fast the training step of this checkout is, or sampling, as a share of the speed of another checkout.

    python benchmarks/pairs.py OLD_CHECKOUT [--processes N ...] [--rows K ...] [--pairs N] [--seconds S]
    python benchmarks/pairs.py OLD_CHECKOUT --sampling [--rows K ...] [--pairs N] [--seconds S]

For each row of `make bench` and each number of processes, one process trains with the code of this checkout and one
with that of the other. With --sampling they sample instead, with one BLAS thread. Both stay alive and work in turn:
A B, B A, A B, … A ratio is characters per second here over characters per second there; the figure of a row is the
median over the pairs. A busy machine slows both halves of a pair alike. Two more figures help on a busy machine: the
ratio of the fastest turns, and on Linux the ratio of CPU times, which leaves out the time that other programs took
(with several processes it is that of the first one).

The bar for training: a geometric mean of at least 0.98 over the rows, and no row below 0.95.

Both checkouts run with the kernels for AVX2 on a processor with AVX-512 if the environment says so. For NumPy 2.4:

    NPY_DISABLE_CPU_FEATURES="X86_V4 AVX512_ICL AVX512_SPR" OPENBLAS_CORETYPE=Haswell python benchmarks/pairs.py …
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from shapes import ROWS, SAMPLED, STREAMS

HERE = Path(__file__).resolve().parent.parent
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM")}


class Worker:
    """A process that takes steps of training or sampling with the code of one checkout when told to.

    Parameters
    ----------
    checkout
        Root of the checkout.
    contestant
        The name of one in its benchmarks/contestants.py.
    settings
        What that takes.
    seconds
        About how long one turn lasts.
    """

    def __init__(self, checkout: Path, contestant: str, settings: dict[str, int], seconds: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, checkout / "benchmarks" / "contestants.py", contestant, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1", **ONE_THREAD},
        )
        self._seconds = seconds
        self.steps = 1
        while (taken := self._take_steps(self.steps)) < seconds / 4:
            self.steps *= 2
        self.steps = max(1, round(seconds / taken * self.steps))

    def _take_steps(self, steps: int) -> float:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(steps, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def take_turn(self, steps: int) -> tuple[float, float]:
        """Take steps; return their wall-clock and CPU seconds, the latter NaN where it is unknown."""
        before = self._cpu_time()
        return self._take_steps(steps), self._cpu_time() - before

    def _cpu_time(self) -> float:
        try:
            return int(Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[0]) / 1e9
        except OSError:
            return float("nan")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def compare(
    old: Path, contestant: str, settings: dict[str, int], pairs: int, seconds: float
) -> tuple[list[float], float, float]:
    """Return ratios of speed, new over old: of each pair by the clock, of the fastest turns, and by CPU time."""
    workers = [Worker(checkout, contestant, settings, seconds) for checkout in (HERE, old)]
    steps = workers[0].steps
    turns = []  # (new, old), each (wall-clock, CPU) seconds
    for pair in range(pairs):
        order = (0, 1) if pair % 2 == 0 else (1, 0)
        times = {which: workers[which].take_turn(steps) for which in order}
        turns.append((times[0], times[1]))
    for worker in workers:
        worker.close()
    ratios = [old[0] / new[0] for new, old in turns]
    fastest = min(old[0] for _, old in turns) / min(new[0] for new, _ in turns)
    return ratios, fastest, statistics.median(old[1] / new[1] for new, old in turns)


def main() -> None:
    """Compare every row and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="Root of the checkout to compare with.")
    parser.add_argument("--sampling", action="store_true", help="Sample characters instead of training.")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    parser.add_argument("--rows", type=int, nargs="+", help="Numbers of rows, from 0.")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.4, help="Length of a turn.")
    arguments = parser.parse_args()
    if arguments.sampling:
        shapes = [{"hidden": hidden, "streams": streams} for hidden in SAMPLED for streams in STREAMS]
        report(arguments, "sampling", "charlstm_sampling", shapes)
        return
    names = ("hidden", "layers", "seq_len", "batch")
    for processes in dict.fromkeys(arguments.processes):
        shapes = [{name: getattr(row, name) for name in names} | {"processes": processes} for row in ROWS]
        report(arguments, f"{processes} process{'es' * (processes > 1)}", "charlstm_training", shapes)


def report(arguments: argparse.Namespace, title: str, contestant: str, shapes: list[dict[str, int]]) -> None:
    """Compare the shapes that were asked for and print a line for each."""
    print(f"\n{title}: speed here over speed there, median of {arguments.pairs} pairs")
    columns = [name for name in shapes[0] if name != "processes"]
    print(" ".join(f"{name:>7}" for name in columns) + "     median  (quartiles)  fastest turns  CPU time")
    table = []
    for settings in shapes if arguments.rows is None else (shapes[row] for row in arguments.rows):
        ratios, fastest, cpu = compare(
            arguments.old.resolve(), contestant, settings, arguments.pairs, arguments.seconds
        )
        low, middle, high = statistics.quantiles(ratios, n=4)
        table.append((middle, fastest, cpu))
        print(
            " ".join(f"{settings[name]:7}" for name in columns)
            + f" {middle:10.3f}  {low:.3f}–{high:.3f} {fastest:13.3f} {cpu:9.3f}",
            flush=True,
        )
    for summary, name in ((statistics.geometric_mean, "geometric mean"), (min, "lowest")):
        middle, fastest, cpu = (summary(column) for column in zip(*table, strict=True))
        print(f"{name:{8 * len(columns) - 1}} {middle:10.3f} {fastest:26.3f} {cpu:9.3f}")


if __name__ == "__main__":
    main()
