"""The problem that every contestant solves: the same weights, the same text, the same settings.

The weights have charlstm's names and shapes and its order of gates: f, i, o, c~. This module needs only NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

CHARACTERS = 65
WINDOWS = 20  # of the text; then it begins again
LEARNING_RATE, BETAS, EPSILON, CLIP = 0.001, (0.9, 0.99), 1e-8, 1.0
TEMPERATURE = 0.8
CHECKED_STEPS = 3  # whose losses are compared
CHECKED_TEXT = range(20)  # ids that are read before the logits are compared
GATES = "fioc"


def make_weights(hidden: int, layers: int, characters: int) -> dict[str, Any]:
    """Return random weights by name: layer0/U, layer0/W, layer0/b, layer1/U, …, output/W, output/b."""
    rng, H, V = np.random.default_rng(0), hidden, characters
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(layers):
        shapes |= {f"layer{layer}/U": (H if layer else V, 4 * H), f"layer{layer}/W": (H, 4 * H)}
        shapes[f"layer{layer}/b"] = (4 * H,)
    shapes |= {"output/W": (H, V), "output/b": (V,)}
    bound = H**-0.5
    return {name: rng.uniform(-bound, bound, shape).astype(np.float32) for name, shape in shapes.items()}


def order_gates(weights: Any, order: str) -> Any:
    """Return a matrix or vector whose columns belong to the gates f, i, o, c~ with its gates in another order.

    >>> order_gates(np.arange(4), "ifco").tolist()
    [1, 0, 3, 2]
    """
    blocks = np.split(weights, 4, axis=-1)
    return np.concatenate([blocks[GATES.index(gate)] for gate in order], axis=-1)


def make_text(seq_len: int, batch: int, characters: int) -> Any:
    """Return random ids, (batch · N,), the streams of the rows one after another."""
    ids = np.random.default_rng(0).integers(0, characters, batch * (WINDOWS * seq_len) + 1)
    return ids.astype(np.min_scalar_type(characters))


def read_windows(seq_len: int, batch: int, characters: int) -> Iterator[tuple[Any, Any, bool]]:
    """Yield what each step reads and predicts, (T, B) each, and whether the rows begin in the zero state; no end."""
    text = make_text(seq_len, batch, characters)
    length = WINDOWS * seq_len
    starts = np.arange(batch) * length
    while True:
        for first in range(0, length, seq_len):
            ids = text[np.arange(first, first + seq_len + 1)[:, None] + starts]
            yield ids[:-1], ids[1:], first == 0


def draw(logits: Any, rng: np.random.Generator) -> Any:
    """Return the next character of each text, (B,), sampled from logits, (B, V)."""
    powers = np.exp((logits - logits.max(axis=1, keepdims=True)) / TEMPERATURE)
    cumulative = np.cumsum(powers, axis=1)
    return (cumulative <= rng.random((len(logits), 1)) * cumulative[:, -1:]).sum(axis=1)
