"""The start-up time of the commands, as a ratio to a Python that only imports NumPy and click.

    python benchmarks/startup.py [RUNS]

The commands take turns. Each line gives the medians of the elapsed time and of the CPU time, user and system, and
their ratios to the first line.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHARLSTM = (sys.executable, "-c", "from charlstm.__main__ import main; main()")  # what the installed script does
# Modules stay compiled. NumPy starts no BLAS threads in any command, as charlstm starts none: they make the import of
# NumPy alone take twice the CPU time, and on a busy machine also longer.
ENVIRONMENT = {
    **os.environ,
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONWARNINGS": "ignore",
    "OPENBLAS_NUM_THREADS": "1",
}


def run(command: tuple[str, ...]) -> tuple[float, float]:
    """Run a command and return its elapsed time and its CPU time, in seconds."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    elapsed, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return elapsed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(runs: int) -> None:
    """Train a small model, measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        corpus, model = f"{folder}/corpus.txt", f"{folder}/m.npz"
        Path(corpus).write_text("the cat sat on the mat.\n" * 40)
        run((*CHARLSTM, "train", corpus, "-m", model, "--hidden", "64", "--steps", "2", "--quiet"))
        commands = {
            'python -c "import numpy, click"': (sys.executable, "-c", "import numpy, click"),
            "charlstm --help": (*CHARLSTM, "--help"),
            "charlstm sample -n 1": (*CHARLSTM, "sample", "-m", model, "--seed", "t", "-n", "1"),
        }
        for command in commands.values():  # compiles the modules
            run(command)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                times[name].append(run(command))
    print(f"{'':32} elapsed, s  ratio   CPU, s  ratio   medians of {runs}")
    first: list[float] = []
    for name, taken in times.items():
        medians = [statistics.median(one) for one in zip(*taken, strict=True)]
        first = first or medians
        elapsed, cpu = (f"{median:.3f} {median / base:6.2f}" for median, base in zip(medians, first, strict=True))
        print(f"{name:32} {elapsed:>17}  {cpu:>15}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 31)
