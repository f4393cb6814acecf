"""The time and the memory of comparing a text with a corpus, as `charlstm sample --novelty` does.

    python benchmarks/novelty.py CORPUS [CHARACTERS ROUNDS]

The text is of the kind that a good model samples: after each character it jumps to another place of the corpus where
the same eight characters stand. Each comparison has a process of its own. The peak includes Python, NumPy and the text.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from charlstm.text.matching import find_matches

CONTEXT = 8
LEAST = 16  # of a long text, as in `measure_novelty`
READ = 1 << 20


def imitate(path: str, characters: str, target: str) -> None:
    """Write a text in which each character follows eight others as in some place of a corpus."""
    corpus = Path(path).read_text(encoding="utf-8")
    random, places = np.random.default_rng(0), defaultdict(list)
    for place in range(CONTEXT, len(corpus)):
        places[corpus[place - CONTEXT : place]].append(place)
    text, place = [], CONTEXT
    for draw in random.random(int(characters)):
        text.append(corpus[place])
        following = places.get(corpus[place - CONTEXT + 1 : place + 1], [CONTEXT])
        place = following[int(draw * len(following))]
    Path(target).write_text("".join(text), encoding="utf-8")


def compare(text: str, corpus: str) -> None:
    """Compare a text with a corpus; print the CPU time, the elapsed time, and the peak memory in MB."""
    written = Path(text).read_text(encoding="utf-8")
    begin, start = time.process_time(), time.perf_counter()
    with Path(corpus).open(encoding="utf-8") as file:
        find_matches([written], iter(lambda: file.read(READ), ""), LEAST)
    seconds = time.process_time() - begin, time.perf_counter() - start
    print(*seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def run(*arguments: str) -> str:
    """Run a function of this file in a process of its own, and return what it prints."""
    return subprocess.run([sys.executable, __file__, *arguments], check=True, capture_output=True, text=True).stdout


def main(corpus: str, characters: int, rounds: int) -> None:
    """Measure several times and print the medians."""
    with tempfile.TemporaryDirectory() as folder:
        text = str(Path(folder, "text.txt"))
        run("imitate", corpus, str(characters), text)
        done = [run("compare", text, corpus).split() for _ in range(rounds)]
    cpu, elapsed, peak = (statistics.median(map(float, figures)) for figures in zip(*done, strict=True))
    print(f"{characters:,} characters against {Path(corpus).stat().st_size / 1e6:,.1f} MB, median of {rounds}")
    print(f"{cpu:.1f} s of CPU time, {elapsed:.1f} s elapsed, at most {peak:.0f} MB")


if __name__ == "__main__":
    if sys.argv[1] in ("imitate", "compare"):
        {"imitate": imitate, "compare": compare}[sys.argv[1]](*sys.argv[2:])
    else:
        main(sys.argv[1], *(map(int, sys.argv[2:4]) if len(sys.argv) > 3 else (1_000_000, 5)))
