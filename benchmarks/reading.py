"""The speed at which a seed is read: characters a second of one text, which is a stream.

    python benchmarks/reading.py [HIDDEN LAYERS CHARACTERS]

Times are CPU times. *Products* are the products with the recurrent weights alone, which nothing can avoid: each needs
the state that follows from the one before.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from charlstm.base.config import TrainingConfig
from charlstm.model.model import Model, Reader
from charlstm.network.config import NetworkConfig
from charlstm.network.network import Network
from charlstm.text.facts import CorpusFacts
from charlstm.text.vocabulary import Vocabulary

CHARACTERS, ROUNDS = 65, 9


def measure(work: Callable[[], object]) -> float:
    """Return the CPU time of a piece of work in seconds."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main(hidden: int, layers: int, characters: int) -> None:
    """Read and multiply in turn, and print medians."""
    vocabulary = Vocabulary(np.arange(32, 32 + CHARACTERS, dtype=np.uint32))
    network = Network(NetworkConfig(hidden=hidden, layers=layers), CHARACTERS)
    network.initialise(0)
    reader = Reader(Model(network, vocabulary, TrainingConfig(steps=0), CorpusFacts((), 0, 0, "")))
    ids = np.random.default_rng(0).integers(CHARACTERS, size=(characters // ROUNDS, 1)).astype(vocabulary.id_type)
    weights, h = network.pack(1, batch_invariant=True), reader.state[0, 0]

    def multiply() -> None:
        for _ in range(len(ids)):
            for packed in (*weights.U, *weights.W):
                h @ packed

    reading, products = [], []
    for _ in range(ROUNDS):
        reading.append(len(ids) / measure(lambda: reader.read(ids)))
        products.append(len(ids) / measure(multiply))
    speed, most = statistics.median(reading), statistics.median(products)
    print(f"{layers} × {hidden} units: {speed:,.0f} characters a second, a million in {1e6 / speed:.1f} s")
    print(f"products alone {most:,.0f}, {most / speed:.2f} times as fast")


if __name__ == "__main__":
    main(*(map(int, sys.argv[1:4]) if len(sys.argv) > 3 else (192, 1, 200_000)))
