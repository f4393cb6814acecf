"""How cost grows: with the units, the layers, the characters and the rows, with the length of documents, and the text.

    python benchmarks/growth.py [PART ...]

Parts: training, sampling, documents, corpora; all of them by default. The settings of a table work in turn, and each
figure is the median of the rounds, in CPU time of one process, which leaves out the time that other programs take.

- µs: microseconds of CPU time per character.
- ×: that time over the time of the line before.
- mult.: thousands of multiplications per character, one for each weight; three in training, where the gradient takes
  two.
- ps each: picoseconds of CPU time per multiplication. Where it rises, a cost is not that of the products.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from measure import Launch, Pace, measure_in_turn

from charlstm.network.config import NetworkConfig
from charlstm.network.network import Network

PACE = Pace(5, 0.3)
SHAPE = {"hidden": 128, "layers": 1, "seq_len": 64, "batch": 32, "characters": 65}
TEXT = {"hidden": 128, "layers": 1, "streams": 1, "characters": 65}
# What grows in training, and in sampling; all else stays as above.
TRAINING = {
    "hidden": (64, 128, 256, 512, 1024),
    "layers": (1, 2, 3, 4),
    "characters": (27, 100, 1000, 5000),
    "batch": (1, 8, 32, 128, 512),
    "seq_len": (16, 64, 256, 1024),
}
SAMPLING = {
    "hidden": (64, 128, 256, 512, 1024),
    "layers": (1, 2, 3, 4),
    "characters": (27, 100, 1000, 5000),
    "streams": (1, 4, 16, 64, 256, 1024),
}
LENGTHS = (10, 30, 100, 300, 1_000, 10_000, 100_000)  # characters of a document
DOCUMENTS = 1_000_000  # characters of all documents
SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)  # kB of a corpus
READINGS, READ_ONCE = 5, 100_000  # readings of each, and the size from which it is read once
WORDS, WORD = 5_000, 12  # distinct words of a synthetic text, and characters of the longest
PIECE = 1_000_000
READ = """
import resource, sys, time
from pathlib import Path
from charlstm.text.corpus import read
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
characters = len(read([Path(sys.argv[1])]).ids)
print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, characters)
"""


def count_multiplications(hidden: int, layers: int, characters: int, **_: int) -> int:
    """Return the multiplications of a prediction."""
    return Network(NetworkConfig(hidden=hidden, layers=layers), characters).multiplications


def print_growth(name: str, cost: Mapping[int, tuple[float, int | None]]) -> None:
    """Print a line for each value of a setting: its seconds per character, and its multiplications."""
    print(f"\n{name:>12} {'µs':>10} {'×':>7} {'mult.':>9} {'ps each':>8}")
    before = None
    for value, (seconds, multiplications) in cost.items():
        line = f"{value:12,} {seconds * 1e6:10.2f} " + (f"{seconds / before:7.2f}" if before else f"{'':7}")
        if multiplications:
            line += f" {multiplications / 1000:9,.0f} {seconds / multiplications * 1e12:8.1f}"
        print(line.rstrip(), flush=True)
        before = seconds


def measure(launches: Mapping[int, Launch]) -> dict[int, float]:
    """Return the seconds of CPU time per unit of work with each value of a setting."""
    outcomes = measure_in_turn({str(value): launch for value, launch in launches.items()}, PACE)
    for value, outcome in outcomes.items():
        if outcome.cpu is None:
            sys.exit(f"{value}: {outcome.problem}")
    return {value: outcome.cpu or 0.0 for value, outcome in zip(launches, outcomes.values(), strict=True)}


def training() -> None:
    """Measure a step of training per character."""
    print(f"\nTraining; otherwise {SHAPE}")
    for name, values in TRAINING.items():
        shapes = {value: {**SHAPE, name: value} for value in values}
        taken = measure(
            {value: Launch("charlstm_training", {**shape, "processes": 1}) for value, shape in shapes.items()}
        )
        print_growth(name, {
            value: (taken[value] / (shape["seq_len"] * shape["batch"]), 3 * count_multiplications(**shape))
            for value, shape in shapes.items()
        })  # fmt: skip


def sampling() -> None:
    """Measure a step of sampling per character."""
    print(f"\nSampling; otherwise {TEXT}")
    for name, values in SAMPLING.items():
        shapes = {value: {**TEXT, name: value} for value in values}
        taken = measure({value: Launch("charlstm_sampling", shape) for value, shape in shapes.items()})
        print_growth(name, {
            value: (taken[value] / shape["streams"], count_multiplications(**shape)) for value, shape in shapes.items()
        })  # fmt: skip


def documents() -> None:
    """Measure training on documents of one length, per predicted character."""
    settings = {name: value for name, value in SHAPE.items() if name != "layers"} | {"total": DOCUMENTS}
    print(f"\nTraining on documents; otherwise {settings}")
    taken = measure({length: Launch("charlstm_documents", {**settings, "length": length}) for length in LENGTHS})
    print_growth("length", {length: (seconds, 3 * count_multiplications(**SHAPE)) for length, seconds in taken.items()})


def corpora() -> None:
    """Measure how long a text takes to read, and how much memory."""
    print("\nReading a text, twice, as training does\n")
    print(f"{'kB':>12} {'CPU, s':>10} {'ns a character':>15} {'memory, MB':>11}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "corpus.txt")
        for size in SIZES:
            with path.open("w", encoding="utf-8") as file:
                file.writelines(write_text(size * 1000))
            rounds = [read(path) for _ in range(1 if size >= READ_ONCE else READINGS)]
            seconds, memory, characters = (statistics.median(column) for column in zip(*rounds, strict=True))
            print(f"{size:12,} {seconds:10.3f} {seconds / characters * 1e9:15.1f} {memory / 1e6:11.1f}", flush=True)


def write_text(characters: int) -> Iterator[str]:
    """Yield a text of random words in pieces of a megabyte."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, rng.integers(1, WORD + 1))) for _ in range(WORDS)]
    while characters > 0:
        text = " ".join(words[k] for k in rng.integers(0, WORDS, PIECE // 7).tolist())[: min(PIECE, characters)]
        yield text
        characters -= len(text)


def read(path: Path) -> tuple[float, float, float]:
    """Read a text in a process of its own; return the CPU seconds, the bytes of memory, and the characters."""
    done = subprocess.run([sys.executable, "-c", READ, path], check=True, capture_output=True, text=True)
    seconds, memory, characters = map(float, done.stdout.split())
    return seconds, memory * (1 if sys.platform == "darwin" else 1024), characters


PARTS: Mapping[str, Callable[[], None]] = {
    "training": training,
    "sampling": sampling,
    "documents": documents,
    "corpora": corpora,
}


def main(arguments: list[str]) -> None:
    """Measure the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    for part in parser.parse_args(arguments).parts or PARTS:
        PARTS[part]()


if __name__ == "__main__":
    main(sys.argv[1:])
