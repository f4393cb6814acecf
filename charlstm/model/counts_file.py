"""How a model file stores counts: a description in its metadata, and members under counts/."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from charlstm.base.config import check_whole
from charlstm.base.errors import CheckpointError
from charlstm.base.parameters import Array
from charlstm.model.counts import Counts
from charlstm.text.ngrams import MOST_NGRAMS, MOST_ORDER, NgramCounts
from charlstm.text.rare_words import MOST_WORDS, WordCounts


class _Description(NamedTuple):
    """What the metadata of a file tell about its counts: how many there are, and how good they are; see `Counts`."""

    order: int
    ngrams: int
    words: int
    weight: float | None
    ngram_loss: float | None
    mixture_loss: float | None


def describe(counts: Counts) -> dict[str, Any]:
    """Return the metadata about counts."""
    sizes = counts.ngrams.sizes
    described = (counts.order, int(sizes.sum()), len(counts.words.hashes))
    return _Description(*described, counts.weight, counts.ngram_loss, counts.mixture_loss)._asdict()


def _to_description(value: Any) -> _Description:
    """Return the description of counts in the metadata, once its sizes are checked."""
    if not isinstance(value, dict) or set(value) != set(_Description._fields):
        raise CheckpointError("its counts are not described")
    most = {"order": MOST_ORDER, "ngrams": MOST_NGRAMS, "words": MOST_WORDS}
    sizes = {name: check_whole(name, value[name], 0 if name == "words" else 1, most[name]) for name in most}
    return _Description(**(value | sizes))


def largest_size(described: Any) -> int:
    """Return how many bytes the members of counts have at most, without their headers."""
    description = _to_description(described)
    return 4 * 3 * (description.ngrams + MOST_ORDER) + 8 * 2 * description.words


def members_of(counts: Counts) -> dict[str, Array]:
    """Return the members that hold counts."""
    ngrams, words = counts.ngrams, counts.words
    arrays = {
        "sizes": ngrams.sizes,
        "symbols": ngrams.symbols,
        "ngrams": ngrams.counts,
        "children": ngrams.children,
        "words": words.hashes,
        "words_counts": words.counts,
    }
    return {f"counts/{name}": array for name, array in arrays.items()}


def to_counts(described: Any, members: dict[str, Array], predicted: int, labels: int) -> Counts:
    """Return the counts of a file, whose members are removed.

    Parameters
    ----------
    described
        The metadata about them.
    members
        All members.
    predicted, labels
        Number of symbols of the vocabulary (V), and of labels.
    """
    description = _to_description(described)
    S, M = predicted + labels, description.ngrams
    sizes = members.pop("counts/sizes")
    is_list = sizes.dtype == np.int64 and sizes.shape == (description.order,)
    if not is_list or sizes[0] != S or (sizes < 0).any() or (sizes > M).any() or sizes.sum() != M:
        raise CheckpointError("its counts have other numbers of n-grams than its settings")
    arrays = [members.pop(f"counts/{name}") for name in ("symbols", "ngrams", "children", "words", "words_counts")]
    kinds: list[Any] = [np.min_scalar_type(S - 1), np.uint32, np.min_scalar_type(S), np.uint64, np.uint8]
    lengths = (M - S, M, M - int(sizes[-1]), description.words, description.words)
    expected = [(np.dtype(kind), (length,)) for kind, length in zip(kinds, lengths, strict=True)]
    if [(array.dtype, array.shape) for array in arrays] != expected:
        raise CheckpointError("its counts have other types or shapes than its settings require")
    ngrams, words = NgramCounts(predicted, sizes, *arrays[:3]), WordCounts(*arrays[3:])
    fault = ngrams.find_fault() or words.find_fault()
    if fault:
        raise CheckpointError(f"its counts have {fault}")
    return Counts(ngrams, words, description.weight, description.ngram_loss, description.mixture_loss)
