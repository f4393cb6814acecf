"""Sampling: from logits to one character after another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from charlstm.errors import ConfigError
from charlstm.model import Model, Reader
from charlstm.parameters import Array
from charlstm.randomness import Purpose, generator
from charlstm.vocabulary import Vocabulary

DRAWN_AHEAD = 256


@dataclass(frozen=True)
class Drawing:
    """How the next character is drawn.

    Attributes
    ----------
    temperature
        Logits are divided by it: below 1 likelier characters gain, 0 takes the likeliest always.
    top_k
        Only the k likeliest characters can be drawn; None: all.
    random_seed
        Seed of the draws, 0 or more.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    temperature: float = 0.8
    top_k: int | None = None
    random_seed: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ConfigError(f"temperature is {self.temperature}; it must be a number, 0 or more")
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"top_k is {self.top_k}; it must be a whole number, 1 or more")
        if self.random_seed < 0:
            raise ConfigError(f"random_seed is {self.random_seed}; it must be a whole number, 0 or more")


def probabilities(logits: Array, drawing: Drawing) -> Array:
    """Return the probability with which each character is drawn: (…, V) float64, each last axis summing to 1.

    Parameters
    ----------
    logits : (…, V) array
        The network's predictions.
    drawing
        Temperature and top-k. Where several logits are equal, the lower ids count as likelier.
    """
    scaled = logits.astype(np.float64)  # (…, V)
    scaled -= scaled.max(axis=-1, keepdims=True)
    keep = 1 if drawing.temperature == 0 else drawing.top_k
    if keep is not None:
        order = np.argsort(-scaled, axis=-1, kind="stable")  # (…, V)
        np.put_along_axis(scaled, order[..., keep:], -np.inf, axis=-1)
    with np.errstate(over="ignore"):
        scaled /= drawing.temperature or 1.0
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=-1, keepdims=True)
    return scaled


def streams(model: Model, seed: str, drawing: Drawing, count: int) -> Iterator[str]:
    """Continue a text several times side by side without end, each time by chance of its own.

    Parameters
    ----------
    model
        What to sample from.
    seed
        The text to continue; empty: begin as a text of the corpus would.
    drawing
        How to draw.
    count
        How many texts (B), 1 or more.

    Returns
    -------
    iterator of str
        The next character of each text, again and again: B characters. The seed has been read when it is returned.

    Raises
    ------
    UnknownCharacterError
        If the seed has characters that the model does not know.
    """
    vocabulary, reader = model.vocabulary, Reader(model)
    reader.read(vocabulary.encode(model.opening + seed, "the seed")[:, None])
    return _drawn(reader.copies(count), vocabulary, drawing, count)


def _drawn(reader: Reader, vocabulary: Vocabulary, drawing: Drawing, count: int) -> Iterator[str]:
    uniforms = [generator(drawing.random_seed, Purpose.SAMPLE, row) for row in range(count)]
    while True:
        for uniform in np.stack([row.random(DRAWN_AHEAD) for row in uniforms], axis=1):  # (B,)
            cumulative = np.cumsum(probabilities(reader.logits, drawing), axis=1)  # (B, V)
            drawn = (cumulative <= uniform[:, None] * cumulative[:, -1:]).sum(axis=1)  # (B,)
            yield vocabulary.decode(drawn)
            reader.read(drawn[None])


def stream(model: Model, seed: str, drawing: Drawing) -> Iterator[str]:
    """Continue a text without end, character by character; see `streams`."""
    return streams(model, seed, drawing, 1)


def until(characters: Iterable[str], length: int | None, stops: Sequence[str] = ()) -> Iterator[str]:
    """Yield characters up to a number of them, or through the first text that ends it, whichever comes first.

    Parameters
    ----------
    characters
        A text, character by character.
    length
        Most characters to yield; None: no limit.
    stops
        Texts, none of them empty, after each of which to end.
    """
    if length == 0:
        return
    longest = max(map(len, stops), default=0)
    recent = ""
    for count, character in enumerate(characters, 1):
        yield character
        recent = (recent + character)[-longest:] if longest else ""
        if count == length or recent.endswith(tuple(stops)):
            return
