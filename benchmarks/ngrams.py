"""The n-gram model: the loss by order and by smoothing, and what it costs. `python benchmarks/ngrams.py corpus.txt`.

The smoothing was chosen by this: the model is counted on the first 81 % of a text and predicts the next 9 %, so that
nothing is chosen on the last tenth, which is the validation set of `charlstm train`.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np

from charlstm.text.ngrams import NgramCounts, count_ngrams, join_passages

ORDER = 10
REPEATED = 20


def measure_witten_bell(counts: NgramCounts, read: np.ndarray, targets: np.ndarray) -> list[float]:
    """Return the loss of an interpolated Witten–Bell model of each order, in nats per character.

    p_k(c | h) = (n(h c) + T(h) · p_{k−1}(c | h')) / (n(h) + T(h)), where T(h) symbols follow h (Witten & Bell 1991).
    """
    model, S, V = counts.model, int(counts.sizes[0]), counts.predicted
    n = counts.counts.astype(float)
    types = np.append(counts.children, 0).astype(float)
    parents = np.repeat(np.arange(len(counts.children)), counts.children)
    totals = np.bincount(parents, n[S:], len(types))
    distinct = np.count_nonzero(n[:V])
    p = (n[targets] + distinct / V) / (n[:V].sum() + distinct)
    nodes, losses = read, [-np.log(p).mean()]
    for _ in range(2, counts.order + 1):
        child = model.find(nodes, targets)
        found, total, kinds = np.where(child >= 0, n[child], 0), totals[nodes], types[nodes]
        p = np.where(total > 0, (found + kinds * p) / np.maximum(total + kinds, 1), p)
        losses.append(-np.log(p).mean())
        nodes = model.find(np.concatenate([[-1], nodes[:-1]]), read)
    return losses


def main() -> None:
    """Print the tables."""
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    characters = sorted(set(text))
    ids = np.searchsorted(np.array([*map(ord, characters)]), np.frombuffer(text.encode("utf-32-le"), np.uint32))
    V, stop = len(characters), len(ids) - round(0.1 * len(ids))
    ids = ids.astype(np.uint8 if V <= 256 else np.uint32)
    cut = stop - round(0.1 * stop)
    counts = count_ngrams(join_passages(ids, [(0, cut)]), ORDER, V, V)
    read, targets = ids[cut - 1 : stop - 1].astype(np.int64), ids[cut:stop].astype(np.int64)
    kneser_ney = -np.log(counts.model.predict_by_order(read, targets)).mean(axis=1)
    print(f"{len(targets):,} characters predicted after {cut:,}, in nats per character\n")
    print("order   n-grams   Kneser–Ney  Witten–Bell")
    rows = zip(np.cumsum(counts.sizes), kneser_ney, measure_witten_bell(counts, read, targets), strict=True)
    for order, (size, one, other) in enumerate(rows, 1):
        print(f"{order:5} {size:9,} {one:12.4f} {other:12.4f}")
    print("\n characters  order   n-grams   CPU seconds   MB")
    for times, order in ((1, 6), (REPEATED, 6), (1, 12)):
        long = np.tile(ids[:stop], times)
        start = time.process_time()
        found = count_ngrams(join_passages(long, [(0, len(long))]), order, V, V)
        seconds = time.process_time() - start
        tracemalloc.start()
        count_ngrams(join_passages(long, [(0, len(long))]), order, V, V)
        memory = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        print(f"{len(long):11,} {order:6} {int(found.sizes.sum()):9,} {seconds:13.1f} {memory:4.0f}")


if __name__ == "__main__":
    main()
