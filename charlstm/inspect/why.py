"""The view of why: what in the text made the network predict what comes next.

Two answers, which need not agree. By occlusion: each character is replaced by others, the text is read again, and the
influence is how much less the target is expected then, in nats. By gradient × input: the slope of the target's
log-probability along the character's own entry in the one-hot input, exact for small changes only (Denil et al. 2014,
"Extraction of salient sentences from labelled documents").

Characters of a word depend on each other. So words are occluded too, each wherever it stands at once: another word that
the network itself finds likely there takes its place in all of the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from charlstm.inspect.gradients import taken_back
from charlstm.inspect.ranking import rank_correlation
from charlstm.inspect.trace import start, trace
from charlstm.inspect.view import Column, Kind, Strip, Table, View
from charlstm.loss import log_softmax
from charlstm.model import Model, Reader
from charlstm.parameters import Array
from charlstm.vocabulary import name

ALTERNATIVES = 3
ROWS = 256
LONGEST_WORD = 24
AGREED = 0.5
SHOWN = 12


def why(model: Model, text: str, target: str | None = None) -> View:
    """Return the influence of every character and word of a text on what comes after it.

    Parameters
    ----------
    model
        What predicts.
    text
        One character or more.
    target
        What may come next; None: the likeliest character.

    Raises
    ------
    UnknownCharacterError
        If the text or the target has characters that the model does not know.
    """
    target = target or trace(model, text).likeliest(1)[-1][0][0]
    occluded, slopes = by_occlusion(model, text, target), by_gradient(model, text, target)  # (N,) each
    agreement = rank_correlation(np.abs(slopes), np.abs(occluded))
    said = "agree" if agreement >= AGREED else "do not agree"
    chance = float(np.exp(log_chances(model, [text], target)[0]))
    words = by_word(model, text, target)
    spans = {word: [found.span() for found in re.finditer(rf"\b{re.escape(word)}\b", text)] for word in words}
    order = sorted(words, key=lambda word: -abs(words[word]))
    sums = {
        way: [sum(float(values[a:b].sum()) for a, b in spans[word]) for word in order]
        for way, values in (("occlusion", occluded), ("gradient", slopes))
    }
    table = (
        Column("word", order, Kind.TEXT),
        Column("times", [len(spans[word]) for word in order], Kind.WHOLE),
        Column("replaced", [words[word] for word in order]),
        Column("characters by occlusion", sums["occlusion"]),
        Column("by gradient", sums["gradient"]),
    )
    called = name(target) if len(target) == 1 else f"«{target}»"
    rows = (_scaled("occlusion", occluded), _scaled("gradient", slopes))
    return View(
        {f"influence on {called}": Strip(text, rows), "influence of words, in nats": Table(table, head=SHOWN)},
        (
            f"The target {called} is expected with a probability of {chance:.1%}.",
            f"The two ways {said}: the ranks of the characters have a correlation of {agreement:.2f}.",
        ),
    )


def _scaled(name: str, values: Array) -> Column:
    """Return influences relative to the largest."""
    return Column(name, values / (np.abs(values).max() or 1.0), Kind.SIGNED)


def by_occlusion(model: Model, text: str, target: str) -> Array:
    """Return the influence of each character: log p(target) less its mean with others in the character's place; (N,).

    The others are those that the network itself found likeliest there, weighted with its probabilities.
    """
    ids = model.vocabulary.encode(text)  # (N,)
    reader = start(model)
    readers, expected = [], []
    for index in ids:
        readers.append(reader.copies(1))
        expected.append(log_softmax(reader.logits)[0])
        reader.read(np.array([[index]]))
    chances = np.exp(np.array(expected, np.float64))  # (N, V)
    chances[np.arange(len(ids)), ids] = 0.0
    K = min(ALTERNATIVES, len(model.vocabulary) - 1)
    others = np.argsort(-chances, axis=1, kind="stable")[:, :K]  # (N, K)
    weights = np.take_along_axis(chances, others, axis=1)  # (N, K)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    whole = log_chances(model, [text], target)[0]
    influence = np.zeros(len(ids))  # (N,)
    side_by_side = max(1, ROWS // max(1, K))
    for first in range(0, len(ids), side_by_side):
        places = np.arange(first, min(first + side_by_side, len(ids)))
        rows = np.repeat(ids[first:, None], len(places) * K, axis=1)  # (N − first, B)
        rows[np.repeat(places - first, K), np.arange(rows.shape[1])] = others[places].reshape(-1)
        found = _after(model, readers[first].copies(rows.shape[1]), rows, target).reshape(len(places), K)
        influence[places] = whole - (found * weights[places]).sum(axis=1)
    return influence


def by_gradient(model: Model, text: str, target: str) -> Array:
    """Return the slope of log p(target) along each character's entry in the one-hot input: (N,).

    In a model of lines a newline begins anew, so what stands before the last one has none.
    """
    network = model.network
    unread = text.rfind("\n") + 1 if model.opening else 0
    ids = model.vocabulary.encode(model.opening + text[unread:] + target)[:, None]  # (M, 1)
    counted = np.zeros((len(ids) - 1, 1), network.parameters.flat.dtype)
    counted[-len(target) :] = -1.0
    done = taken_back(network, ids, network.fresh_state(1), counted)
    dz = done.tapes[0].gates[:, :, 0]  # (G, M − 1, H)
    U = network.by_gate(network.parameters["layer0/U"])  # (G, V, H)
    slopes = np.einsum("gth,gth->t", dz, U[:, ids[:-1, 0]])  # (M − 1,)
    read = slopes[len(model.opening) : len(slopes) + 1 - len(target)]  # those of the text
    return np.concatenate([np.zeros(unread), read])


def by_word(model: Model, text: str, target: str) -> dict[str, float]:
    """Return the influence of each word, replaced wherever it stands by others that the network finds likely: nats."""
    first = {found[0]: found.start() for found in reversed(list(re.finditer(r"\w+", text)))}
    replaced: list[str] = []
    owners: list[str] = []
    for word, place in first.items():
        for other in _likely_words(model, text[:place], word):
            replaced.append(other.join(re.split(rf"\b{re.escape(word)}\b", text)))
            owners.append(word)
    whole = log_chances(model, [text], target)[0]
    found = log_chances(model, replaced, target)
    return {
        word: float(np.mean([whole - f for f, owner in zip(found, owners, strict=True) if owner == word]))
        for word in first
        if word in owners
    }


def _likely_words(model: Model, before: str, word: str) -> list[str]:
    """Return words that the network finds likely after a text, each begun with another letter than the word is."""
    vocabulary, reader = model.vocabulary, start(model)
    reader.read(vocabulary.encode(before)[:, None])
    letters = [c for c in _best_first(model, reader) if re.match(r"\w", c) and c != word[0]][:ALTERNATIVES]
    words = []
    for letter in letters:
        other, made = reader.copies(1), letter
        other.read(vocabulary.encode(letter)[:, None])
        while len(made) < LONGEST_WORD and re.match(r"\w", _best_first(model, other)[0]):
            made += _best_first(model, other)[0]
            other.read(vocabulary.encode(made[-1])[:, None])
        words.append(made)
    return words


def _best_first(model: Model, reader: Reader) -> str:
    return model.vocabulary.decode(np.argsort(-reader.logits[0], kind="stable"))


def log_chances(model: Model, texts: Sequence[str], target: str) -> Array:
    """Return log p(target) after each of some texts, in nats: (K,)."""
    found = []
    for text in texts:
        ids = model.vocabulary.encode(text)[:, None]
        found.append(float(_after(model, start(model), ids, target)[0]))
    return np.array(found)


def _after(model: Model, reader: Reader, ids: Array, target: str) -> Array:
    """Read ids (T, B), then a target in every row, and return the target's log-probability: (B,)."""
    reader.read(ids)
    total = np.zeros(ids.shape[1])  # (B,)
    for index in model.vocabulary.encode(target, "the target"):
        total += log_softmax(reader.logits)[:, index]
        reader.read(np.full((1, ids.shape[1]), index))
    return total
