"""What whole processes cost: the start-up time of commands, and the peak memory of training."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from shapes import ROWS

STARTS = 21
MEGABYTES = (100, 1000)
LENGTHS = (20, 420)  # of two runs on each of these texts, in steps
CHARLSTM = [str(Path(sys.executable).with_name("charlstm"))]
MOST_TIME = {"charlstm --help": 0.5, "charlstm sample -n 1": 1.4}  # over that of importing NumPy and click


def startup() -> list[dict[str, Any]]:
    """Compare the run time of whole processes with that of one that only imports NumPy and click."""
    print("\nStart-up of whole processes, seconds")
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus.txt")
        corpus.write_text("the cat sat on the mat.\n" * 40)
        subprocess.run(
            [*CHARLSTM, "train", corpus, "-m", f"{folder}/m.npz", "--hidden", "64", "--steps", "2", "--quiet"],
            check=True, env=os.environ | {"PYTHONDONTWRITEBYTECODE": ""},
        )  # fmt: skip
        timed = {
            'python -c "import numpy, click"': [sys.executable, "-c", "import numpy, click"],
            "charlstm --help": [*CHARLSTM, "--help"],
            "charlstm sample -n 1": [*CHARLSTM, "sample", "-m", f"{folder}/m.npz", "--seed", "t", "-n", "1"],
        }
        for arguments in timed.values():  # so that Python has compiled all modules
            subprocess.run(
                arguments, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
            )
        seconds: dict[str, list[float]] = {label: [] for label in timed}
        for _ in range(STARTS):
            for label, arguments in timed.items():
                start = time.perf_counter()
                subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
                seconds[label].append(time.perf_counter() - start)
    medians = {label: statistics.median(taken) for label, taken in seconds.items()}
    base = next(iter(medians.values()))
    for label, median in medians.items():
        aim = f", aim at most {MOST_TIME[label]}" if label in MOST_TIME else ""
        print(f"{label:32} {median:6.3f}  {median / base:5.2f} ×{aim}")
    return [{"command": label, "seconds": median, "ratio": median / base} for label, median in medians.items()]


def measure_peak(*arguments: str) -> float:
    """Run charlstm and return its peak memory in bytes."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, sys.executable, "-m", "charlstm", *arguments],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return int(done.stdout) * (1 if platform.system() == "Darwin" else 1024)


def memory() -> list[dict[str, Any]]:
    """Compare the peak memory of training with the documented formula, and measure it on a gigabyte of text."""
    print("\nPeak memory of training, MB")
    print("hidden layers seq batch   measured  formula  ratio")
    table = []
    with tempfile.TemporaryDirectory() as folder:
        corpus, model = Path(folder, "corpus.txt"), str(Path(folder, "m.npz"))
        corpus.write_text("".join(chr(32 + k) for k in range(65)) * 2000)
        common = ("-m", model, "--force", "--val-fraction", "0", "--workers", "1")
        base = measure_peak("train", str(corpus), *common, "--steps", "0", "--hidden", "1")
        for row in ROWS:
            hidden, layers, seq_len, batch = row.hidden, row.layers, row.seq_len, row.batch
            shape = ("--hidden", hidden, "--layers", layers, "--seq-len", seq_len, "--batch-size", batch)
            measured = measure_peak("train", str(corpus), *common, "--steps", "3", *map(str, shape))
            formula = base + memory_formula(hidden, layers, seq_len, batch, 65)
            print(
                f"{hidden:6} {layers:6} {seq_len:3} {batch:5} {measured / 1e6:10.0f} {formula / 1e6:8.0f}"
                f" {measured / formula:6.2f}",
                flush=True,
            )
            table.append({"hidden": hidden, "layers": layers, "seq_len": seq_len, "batch": batch,
                          "measured": measured, "formula": formula})  # fmt: skip
        piece = corpus.read_text()
        for megabytes in MEGABYTES:
            with corpus.open("w") as file:
                for _ in range(megabytes * 1_000_000 // len(piece)):
                    file.write(piece)
            seconds = []
            for steps in LENGTHS:
                start = time.perf_counter()
                measured = measure_peak("train", str(corpus), *common, "--steps", str(steps), "--hidden", "128")
                seconds.append(time.perf_counter() - start)
            step = (seconds[1] - seconds[0]) / (LENGTHS[1] - LENGTHS[0])
            print(f"a text of {megabytes:,} MB: {measured / 1e6:,.0f} MB; a step {step * 1e3:.1f} ms", flush=True)
            table.append({"megabytes": megabytes, "measured": measured, "step": step})
    return table


def memory_formula(hidden: int, layers: int, seq_len: int, batch: int, characters: int) -> float:
    """Return the bytes of working memory of training with both kinds of dropout, by the documented formula."""
    weights = characters * 4 * hidden + (2 * layers - 1) * 4 * hidden**2 + hidden * characters
    return 4 * (10.5 * weights + seq_len * batch * (layers * 8 * hidden + hidden + 2 * characters))
