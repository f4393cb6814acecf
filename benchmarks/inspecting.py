"""The cost of inspecting a long text: time compared with scoring it, and memory compared with a tenth of it.

    python benchmarks/inspecting.py FILE [HIDDEN LAYERS]

Seconds are CPU time, and each task has a process of its own. The network is untrained, since its weights do not matter.
Scoring a text means reading it and looking up the probability of each character.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from charlstm.base.config import TrainingConfig
from charlstm.inspection.saturation import view_saturation
from charlstm.inspection.trace import start_reader
from charlstm.inspection.units import view_units
from charlstm.model.model import Model
from charlstm.network.config import NetworkConfig
from charlstm.network.loss import log_softmax
from charlstm.network.network import Network
from charlstm.text.facts import CorpusFacts
from charlstm.text.vocabulary import Vocabulary, code_points_of

HALF = 2.0


def score(model: Model, text: str) -> float:
    """Return the total surprisal of a text in nats, computed as cheaply as possible."""
    ids = model.vocabulary.encode(text)
    total, first = 0.0, 1
    for done in start_reader(model).passes(ids[:-1, None]):
        follow = ids[first : first + len(done.logits)]
        total -= float(log_softmax(done.logits[:, 0])[np.arange(len(follow)), follow].sum(dtype=np.float64))
        first += len(follow)
    return total


WORK = {"scoring": score, "saturation": view_saturation, "units": view_units}


def work(name: str, path: str, share: float, hidden: int, layers: int) -> None:
    """Run one task on a share of a text; print its seconds and by how many MB the process grew."""
    text = Path(path).read_text(encoding="utf-8")
    text = text[: int(share * len(text))]
    vocabulary = Vocabulary(np.unique(code_points_of(text)))
    network = Network(NetworkConfig(hidden=hidden, layers=layers), len(vocabulary))
    network.initialise(0)
    model = Model(network, vocabulary, TrainingConfig(steps=0), CorpusFacts((), 0, 0, ""))
    WORK[name](model, text[:3000])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    WORK[name](model, text)
    print(time.process_time() - begin, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def measure(name: str, *settings: object) -> tuple[float, float]:
    """Run `work` in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, __file__, "work", name, *map(str, settings)], check=True, capture_output=True, text=True
    )
    seconds, grown = map(float, done.stdout.split())
    return seconds, grown


def main(path: str, hidden: int, layers: int) -> None:
    """Measure and print one line per task."""
    characters = len(Path(path).read_text(encoding="utf-8"))
    print(f"{characters:,} characters, {layers} × {hidden} units")
    print(f"{'':12} {'seconds':>8} {'× scoring':>10} {'MB more':>8} {'for a tenth':>12}")
    scoring = 0.0
    for name in WORK:
        seconds, grown = measure(name, path, 1.0, hidden, layers)
        scoring = scoring or seconds
        said = "" if seconds <= HALF * scoring else "  slower than half the speed of scoring"
        tenth = measure(name, path, 0.1, hidden, layers)[1]
        print(f"{name:12} {seconds:8.1f} {seconds / scoring:10.2f} {grown:8.0f} {tenth:12.0f}{said}", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "work":
        work(sys.argv[2], sys.argv[3], float(sys.argv[4]), *map(int, sys.argv[5:7]))
    else:
        main(sys.argv[1], *(map(int, sys.argv[2:4]) if len(sys.argv) > 3 else (128, 1)))
