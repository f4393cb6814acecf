"""Nats per character of a model that is mixed with the cache, by the weight of the cache.

    python benchmarks/cache.py TEXT MODEL [--held-out CHARACTERS]

TEXT is a corpus, MODEL a model of a stream that was trained on it with the default validation set: the last tenth of
the text. This tenth is predicted, with fixed weights and with dynamic evaluation. The network reads it as one text. The
cache begins anew after 1,000 characters, after 10,000, and never.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from compressors import cut

import charlstm
from charlstm.base.parameters import Array
from charlstm.model.adaptation import Learner
from charlstm.model.model import Model
from charlstm.network.loss import log_softmax
from charlstm.text.cache import Cache

WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4)
LENGTHS = (1_000, 10_000, None)


def predict(model: Model, ids: Array, adapts: bool) -> Array:
    """Return the network's probabilities of the characters after the first one: (N + 1,) ids → (N, V) float64."""
    parts: list[Array] = []
    Learner(model).read(
        ids, lambda logits, targets: parts.append(np.exp(log_softmax(logits.astype(np.float64)))), adapts
    )
    return np.concatenate(parts)


def predict_with_cache(p: Array, ids: Array, length: int) -> Array:
    """Return the probability of each character after the first one under a cache that begins anew again and again."""
    found = np.empty(len(p))  # (N,)
    for start in range(0, len(p), length):
        part, cache = slice(start, min(start + length, len(p))), Cache()
        cache.read(ids[start : start + 1])
        targets = ids[1:][part]
        found[part] = cache.predict_text(p[part], targets)[np.arange(len(targets)), targets]
    return found


def main(arguments: list[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="Measure a model that is mixed with the cache.")
    parser.add_argument("text", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--held-out", type=int, help="characters; default: a tenth of the text")
    chosen = parser.parse_args(arguments)
    first, held_out = cut(chosen.text.read_text(encoding="utf-8"), chosen.held_out)
    model = charlstm.load(chosen.model).model
    ids = model.vocabulary.encode(first[-1:] + held_out)  # (N + 1,)
    print(f"{len(held_out):,} characters, nats per character by the weight of the cache")
    print(f"{'':9} {'characters':>10}" + "".join(f"{weight:9g}" for weight in WEIGHTS))
    for name, adapts in (("static", False), ("adaptive", True)):
        p = predict(model, ids, adapts)
        of_network = p[np.arange(len(p)), ids[1:]]
        for length in (len(p) if length is None else length for length in LENGTHS):
            of_cache = predict_with_cache(p, ids, length)
            losses = [-np.log((1 - weight) * of_network + weight * of_cache).mean() for weight in WEIGHTS]
            print(f"{name:9} {length:10,}" + "".join(f"{loss:9.4f}" for loss in losses), flush=True)


if __name__ == "__main__":
    main()
