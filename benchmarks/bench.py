"""Benchmarks: the speed of charlstm compared with torch and with a plain loop, its start-up time and its memory.

    make bench                                          all: prints tables, writes benchmarks/results.json
    python benchmarks/bench.py training startup         some of training, sampling, startup, memory

Contestants work in turn, A B A B …, each in a process of its own. A figure is the median of its rounds.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
ROUNDS = 5
SECONDS = 0.6
ROWS = (  # hidden, layers, seq_len, batch, target of the ratio to torch, target of step time / time of its products
    (128, 1, 64, 32, 1.0, 1.8),
    (128, 2, 50, 50, 1.0, 1.8),
    (256, 1, 64, 32, 1.1, 1.35),
    (256, 1, 128, 64, 1.3, 1.35),
    (256, 2, 64, 64, 1.1, 1.35),
    (512, 1, 64, 128, 1.2, 1.35),
    (512, 2, 64, 64, 1.1, 1.35),
)
SAMPLED = ((128, 3.0), (256, 2.0), (512, 2.0))
STREAMS = (1, 8, 64)
STARTS = 21
MEGABYTES = (100, 1000)
LENGTHS = (20, 420)  # of two runs on each of these texts, in steps
CHARLSTM = [str(Path(sys.executable).with_name("charlstm"))]


class Contestant:
    """A process that works when told to; see contestants.py."""

    def __init__(self, name: str, **settings: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, HERE / "contestants.py", name, json.dumps(settings)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._units = 1
        self.seconds: list[float] = []
        while (taken := self._work(self._units)) < SECONDS / 4:
            self._units *= 2
        self._units = max(1, round(SECONDS / taken * self._units))

    def _work(self, units: int) -> float:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(units, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def run_round(self) -> None:
        """Work for one round and record the time per unit."""
        self.seconds.append(self._work(self._units) / self._units)

    @property
    def median(self) -> float:
        """Seconds per unit, the median of the rounds."""
        return statistics.median(self.seconds)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def measure_in_turn(contestants: dict[str, tuple[str, dict[str, int]]]) -> dict[str, float]:
    """Let contestants work in turn; return the seconds per unit of each."""
    ready = {label: Contestant(name, **settings) for label, (name, settings) in contestants.items()}
    for _ in range(ROUNDS):
        for contestant in ready.values():
            contestant.run_round()
    for contestant in ready.values():
        contestant.close()
    return {label: contestant.median for label, contestant in ready.items()}


def training(cores: int) -> list[dict[str, Any]]:
    """Compare training steps with those of torch, on all cores and on one, and with their matrix products alone."""
    print("\nTraining, characters a second")
    print("hidden layers seq batch  cores  charlstm     torch  ratio   aim   step/products   aim   plain loop    times")
    table = []
    for hidden, layers, seq_len, batch, aim, nearest in ROWS:
        shape = {"hidden": hidden, "layers": layers, "seq_len": seq_len, "batch": batch}
        for processes in sorted({cores, 1}, reverse=True):
            shared = {**shape, "processes": processes}
            contestants = {
                "charlstm": ("charlstm_training", shared),
                "torch": ("torch_training", shared),
                "products": ("products", shared),
            }
            plain = layers == 1 and processes == cores
            if plain:
                contestants["plain"] = ("plain_training", {"hidden": hidden, "seq_len": seq_len})
            seconds = measure_in_turn(contestants)
            row = {
                **shared,
                "charlstm": seq_len * batch / seconds["charlstm"],
                "torch": seq_len * batch / seconds["torch"],
                "ratio": seconds["torch"] / seconds["charlstm"],
                "aim": aim if processes == cores else None,
                "step_over_products": seconds["charlstm"] / seconds["products"],
            }
            line = (
                f"{hidden:6} {layers:6} {seq_len:3} {batch:5} {processes:6}"
                f" {row['charlstm']:9,.0f} {row['torch']:9,.0f} {row['ratio']:6.2f} {aim if row['aim'] else '':5}"
                f" {row['step_over_products']:15.2f} {nearest:5}"
            )
            if plain:
                row["plain"] = seq_len / seconds["plain"]
                line += f" {row['plain']:12,.0f} {row['charlstm'] / row['plain']:7.0f}×"
            print(line, flush=True)
            table.append(row)
    ratios = [row["ratio"] for row in table if row["processes"] == cores]
    print(f"geometric mean of the ratios with {cores} cores: {statistics.geometric_mean(ratios):.2f}, aim 1.2")
    return table


def sampling(cores: int) -> list[dict[str, Any]]:
    """Compare sampling, one character after another, with torch under inference_mode."""
    print("\nSampling, characters a second")
    print("hidden streams   charlstm  torch, 1 thread  torch, all  ratio to the better   aim  plain loop  times")
    table = []
    for hidden, aim in SAMPLED:
        for streams in STREAMS:
            contestants: dict[str, tuple[str, dict[str, int]]] = {
                "charlstm": ("charlstm_sampling", {"hidden": hidden, "streams": streams})
            }
            for processes in {1, cores}:
                settings = {"hidden": hidden, "streams": streams, "processes": processes}
                contestants[f"torch {processes}"] = ("torch_sampling", settings)
            if streams == 1:
                contestants["plain"] = ("plain_sampling", {"hidden": hidden})
            rate = {label: streams / seconds for label, seconds in measure_in_turn(contestants).items()}
            best = max(rate["torch 1"], rate[f"torch {cores}"])
            row: dict[str, Any] = {"hidden": hidden, "streams": streams, **rate, "ratio": rate["charlstm"] / best}
            line = (
                f"{hidden:6} {streams:7} {rate['charlstm']:10,.0f} {rate['torch 1']:16,.0f}"
                f" {rate[f'torch {cores}']:11,.0f} {row['ratio']:20.2f} {aim if streams == 1 else '':5}"
            )
            if streams == 1:
                row["aim"] = aim
                line += f" {rate['plain']:11,.0f} {rate['charlstm'] / rate['plain']:5.1f}×"
            print(line, flush=True)
            table.append(row)
    return table


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
        print(f"{label:32} {median:6.3f}  {median / base:5.2f} ×, aim at most 1.5")
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
        for hidden, layers, seq_len, batch, *_ in ROWS:
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


def main() -> None:
    """Run the benchmarks named on the command line, or all, and write the results."""
    from charlstm.training.processes import count_cores

    parts = {
        "training": lambda: training(count_cores()),
        "sampling": lambda: sampling(count_cores()),
        "startup": startup,
        "memory": memory,
    }
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results |= {name: part() for name, part in parts.items() if name in (sys.argv[1:] or parts)}
    results["machine"] = {"processor": processor_name(), "cores": count_cores(), "python": platform.python_version()}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\n{results['machine']}")


def processor_name() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    main()
