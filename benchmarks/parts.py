"""A profile of the training step, in one process.

    python benchmarks/parts.py HIDDEN LAYERS SEQ_LEN ROWS

Times are CPU times. The clock itself adds a few per cent to the parts that run at every step in time.
"""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from charlstm.base.parameters import Buffers
from charlstm.network import network as module
from charlstm.network import optimizers
from charlstm.network.config import NetworkConfig
from charlstm.network.matmul import PackedMatrix
from charlstm.network.network import Network

CHARACTERS, STEPS = 65, 40
spent: defaultdict[str, float] = defaultdict(float)


def timed(part: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same and adds its run time to a part."""

    def clocked(*arguments: Any, **named: Any) -> Any:
        start = time.process_time()
        result = work(*arguments, **named)
        spent[part] += time.process_time() - start
        return result

    return clocked


def main(hidden: int, layers: int, seq_len: int, rows: int) -> None:
    """Take training steps and print one line per part."""
    network = Network(NetworkConfig(hidden=hidden, layers=layers), CHARACTERS)
    network.initialise(0)
    ids = np.random.default_rng(0).integers(0, CHARACTERS, (seq_len + 1, rows)).astype(np.uint8)
    loss_mask = np.full((seq_len, rows), 1 / (seq_len * rows), np.float32)
    gradient, buffers = network.parameters.like(), Buffers(np.float32)
    state, weights = network.zero_state(rows), network.parameters.flat
    optimizer = optimizers.build_optimizer("adam", weights)

    PackedMatrix.__rmatmul__ = timed("products of single steps", PackedMatrix.__rmatmul__)  # type: ignore[method-assign]
    PackedMatrix.__init__ = timed("packing of the weights", PackedMatrix.__init__)  # type: ignore[method-assign]
    for name, part in (
        ("forward", "equations, forward"),
        ("backward", "equations, backward"),
    ):
        setattr(network.cell, name, timed(part, getattr(network.cell, name)))
    module.sum_by_id = timed("gradient of the character table", module.sum_by_id)
    module.cross_entropy_gradient = timed("loss", module.cross_entropy_gradient)
    update, clip = (
        timed("update of the weights", optimizer.update),
        timed("update of the weights", optimizers.clip_gradient_norm),
    )

    def step(number: int, state: Any) -> Any:
        _, after = network.loss_and_gradient(ids[:-1], ids[1:], loss_mask, state, None, buffers, gradient)
        clip(gradient.flat, 1.0)
        update(weights, gradient.flat, 1e-3, number)
        return after

    state = step(0, state)
    spent.clear()
    start = time.process_time()
    for number in range(1, STEPS + 1):
        state = step(number, state)
    total = time.process_time() - start
    spent["products of all steps, and the rest"] = total - sum(spent.values())
    for part, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"{part:42} {seconds / STEPS * 1e3:8.2f} ms {seconds / total:6.0%}")
    print(f"{'a step':42} {total / STEPS * 1e3:8.2f} ms")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:5]))
