"""Nats per character of programs that compress files, and of charlstm, on the same held-out text.

    python benchmarks/compressors.py TEXT MODEL [--held-out CHARACTERS]

TEXT is a corpus, MODEL a model that was trained on it with the default validation set: the last tenth of the text. This
tenth is what all of them predict; the first nine tenths are what they have read before.

`zpaq -m5` and 7-Zip's PPMd of order 6 are Debian's packages zpaq and 7zip. One that is not installed is reported as
absent. A program that compresses files predicts the held-out text in as many bytes as the archive of the whole text is
larger than that of the first nine tenths. zpaq chooses its tables by the size of a file, so both get newlines before
them: as many as bring the first nine tenths just above a power of two. Without them the two differ in more than the
held-out text, and the figure comes out too low.

charlstm's figures are static (fixed weights) and adaptive (dynamic evaluation), which starts from the model file and
learns from the held-out text while it predicts it, alone and mixed with the cache, the n-grams of what it has read of
it. The programs learn from it too, so the adaptive figures are those to compare with theirs. The time of charlstm is
CPU time.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import charlstm
from charlstm.network.loss import NATS_PER_BIT

HELD_OUT = 0.1
PROGRAMS: dict[str, list[str]] = {  # name → command line, before the names of the archive and of the file
    "zpaq -m5": ["zpaq", "add", "{archive}.zpaq", "{file}", "-m5", "-noattributes", "-threads", "1"],
    "7zz PPMd, order 6": ["7zz", "a", "-m0=PPMd:o=6", "-mmt=1", "{archive}.7z", "{file}"],
}
RUNS: dict[str, dict[str, Any]] = {  # name → options of `score`
    "charlstm, static": {},
    "charlstm, adaptive": {"adapt": True},
    "charlstm, with cache": {"adapt": True, "mix": {"cache": 0.1}},
}


def cut(text: str, held_out: int | None) -> tuple[str, str]:
    """Return the first part of a text and the held-out one: by default the last tenth, as training chooses it.

    >>> cut("abcdefghijk", None), cut("abcdefghijk", 3)
    (('abcdefghij', 'k'), ('abcdefgh', 'ijk'))
    """
    count = int(len(text) * HELD_OUT) if held_out is None else held_out
    return text[: len(text) - count], text[len(text) - count :]


def count_padding(size: int) -> int:
    """Return how many bytes bring a file just above a power of two, so that a little more stays below the next one.

    >>> count_padding(1_003_854) + 1_003_854, 2**20 + 1
    (1048577, 1048577)
    """
    return (1 << size.bit_length()) + 1 - size


def measure_program(command: list[str], first: bytes, held_out: bytes) -> float | None:
    """Return the nats a character of a program; None if it is not installed."""
    if shutil.which(command[0]) is None:
        return None
    padding = b"\n" * count_padding(len(first))
    sizes = []
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("first", first), ("all", first + held_out)):
            file = Path(folder, name)
            file.write_bytes(padding + content)
            words = [word.format(archive=f"{folder}/{name}", file=file) for word in command]
            subprocess.run(words, check=True, capture_output=True, cwd=folder)
            (archive,) = Path(folder).glob(f"{name}.*")
            sizes.append(archive.stat().st_size)
    return (sizes[1] - sizes[0]) * 8 * math.log(2.0) / len(held_out.decode())


def measure_charlstm(score: Callable[[], float]) -> tuple[float, float]:
    """Return the nats a character, and the seconds of CPU time."""
    start = time.process_time()
    bits = score()
    return bits * NATS_PER_BIT, time.process_time() - start


def main(arguments: list[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="Compare charlstm with programs that compress files.")
    parser.add_argument("text", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--held-out", type=int, help="characters; default: a tenth of the text")
    chosen = parser.parse_args(arguments)
    first, held_out = cut(chosen.text.read_text(encoding="utf-8"), chosen.held_out)
    print(f"{len(first):,} characters before {len(held_out):,} held-out ones, nats per character")
    for name, command in PROGRAMS.items():
        nats = measure_program(command, first.encode(), held_out.encode())
        print(f"{name:24} {'absent: not installed' if nats is None else f'{nats:8.4f}'}")
    model = charlstm.load(chosen.model)
    # The last character before the held-out text, so that the first one of it is predicted too.
    text = first[-1:] + held_out
    for name, options in RUNS.items():
        nats, seconds = measure_charlstm(lambda options=options: model.score(text, **options).bits_per_character)
        print(f"{name:24} {nats:8.4f} {len(text) / seconds:12,.0f} characters/s")


if __name__ == "__main__":
    main()
