"""Counts that a model holds beside its network: an n-gram model and word counts of the same training set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from charlstm.base.config import check_number, set_fields
from charlstm.text.ngrams import NgramCounts
from charlstm.text.rare_words import WordCounts


@dataclass(frozen=True)
class Counts:
    """An n-gram model and word counts of a training set, and how well they do on the validation set.

    Attributes
    ----------
    ngrams
        How often each symbol follows each context.
    words
        How often each word occurs, at most six times.
    weight
        Weight of the counts in the mixture with the lowest validation loss, in [0, 1]; None without a validation set.
    ngram_loss, mixture_loss
        Validation loss of the counts alone, and of that mixture, in nats per character; None without one.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """

    ngrams: NgramCounts
    words: WordCounts
    weight: float | None = None
    ngram_loss: float | None = None
    mixture_loss: float | None = None

    def __post_init__(self) -> None:
        most = {"weight": 1.0, "ngram_loss": float("inf"), "mixture_loss": float("inf")}
        given = {name: getattr(self, name) for name in most}
        set_fields(
            self,
            **{
                name: value if value is None else check_number(name, value, 0.0, most[name])
                for name, value in given.items()
            },
        )

    @property
    def order(self) -> int:
        """Symbols of the longest n-gram."""
        return self.ngrams.order

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of everything that determines the predictions of the counts."""
        ngrams = self.ngrams
        digest = sha256(f"{ngrams.predicted} {ngrams.sizes.tolist()}".encode())
        for array in (ngrams.symbols, ngrams.counts, ngrams.children):
            digest.update(array.astype("<u4").tobytes())
        return digest.digest()
