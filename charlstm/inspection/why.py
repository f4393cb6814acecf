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
from collections.abc import Collection, Sequence

import numpy as np

from charlstm.inspection.gradients import taken_back
from charlstm.inspection.ranking import rank_correlation
from charlstm.inspection.trace import REACH, last_stretch, side_by_side, start
from charlstm.inspection.view import Column, Kind, Strip, Table, View
from charlstm.model.model import Model, Reader
from charlstm.network.loss import log_softmax
from charlstm.parameters import Array
from charlstm.text.vocabulary import name

ALTERNATIVES = 3
ROWS = 256
LONGEST_WORD = 24
AGREED = 0.5
SHOWN = 12


def why(model: Model, text: str, target: str | None = None, reach: int = REACH) -> View:
    """Return the influence of every character and word of a text on what comes after it.

    Parameters
    ----------
    model
        What predicts.
    text
        One character or more.
    target
        What may come next; None: the likeliest character.
    reach
        How many characters, the last ones of the text, are looked at.

    Raises
    ------
    UnknownCharacterError
        If the text or the target has characters that the model does not know.
    """
    unseen = max(0, len(text) - reach)
    begun = start(model)
    begun.read(model.vocabulary.encode(text)[:unseen, None])
    seen, every = text[unseen:], len(text)
    if target is None:
        after = begun.copies(1)
        after.read(model.vocabulary.encode(seen)[:, None])
        target = model.vocabulary.character(int(after.logits[0].argmax()))
    occluded, slopes = by_occlusion(begun, seen, target), by_gradient(begun, seen, target)  # (N,) each
    agreement = rank_correlation(np.abs(slopes), np.abs(occluded))
    said = "agree" if agreement >= AGREED else "do not agree"
    chance = float(np.exp(log_chances(begun, [seen], target)[0]))
    called = name(target) if len(target) == 1 else f"«{target}»"
    rows = (_scaled("occlusion", occluded), _scaled("gradient", slopes))
    return View(
        {
            f"influence on {called}": Strip(seen, rows),
            "influence of words, in nats": _of_words(seen, by_word(begun, seen, target), occluded, slopes),
        },
        (
            f"The target {called} is expected with a probability of {chance:.1%}.",
            f"The two ways {said}: the ranks of the characters have a correlation of {agreement:.2f}.",
            *[f"The last {reach:,} of the {every:,} characters were looked at; --reach gives another number."]
            * (unseen > 0),
        ),
    )


def _of_words(text: str, words: dict[str, float], occluded: Array, slopes: Array) -> Table:
    """Return the influence of each word, and the sums of that of its characters wherever it stands."""
    spans = {word: [found.span() for found in re.finditer(rf"\b{re.escape(word)}\b", text)] for word in words}
    order = sorted(words, key=lambda word: -abs(words[word]))
    sums = [[sum(float(values[a:b].sum()) for a, b in spans[word]) for word in order] for values in (occluded, slopes)]
    columns = (
        Column("word", order, Kind.TEXT),
        Column("times", [len(spans[word]) for word in order], Kind.WHOLE),
        Column("replaced", [words[word] for word in order]),
        Column("characters by occlusion", sums[0]),
        Column("by gradient", sums[1]),
    )
    return Table(columns, head=SHOWN)


def _scaled(name: str, values: Array) -> Column:
    """Return influences relative to the largest."""
    return Column(name, values / (np.abs(values).max() or 1.0), Kind.SIGNED)


def by_occlusion(begun: Reader, text: str, target: str) -> Array:
    """Return the influence of each character: log p(target) less its mean with others in the character's place; (N,).

    The others are those that the network itself found likeliest there, weighted with its probabilities.

    Parameters
    ----------
    begun
        A reader that stands where the text begins.
    text
        N characters.
    target
        What may come after it.
    """
    ids = begun.model.vocabulary.encode(text)  # (N,)
    before = [begun.logits, *(done.logits[:, 0].copy() for done in begun.copies(1).passes(ids[:, None]))]
    chances = np.exp(log_softmax(np.concatenate(before)[:-1]).astype(np.float64))  # (N, V)
    chances[np.arange(len(ids)), ids] = 0.0
    K = min(ALTERNATIVES, chances.shape[1] - 1)
    others = np.argsort(-chances, axis=1, kind="stable")[:, :K]  # (N, K)
    weights = np.take_along_axis(chances, others, axis=1)  # (N, K)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    whole = log_chances(begun, [text], target)[0]
    influence = np.zeros(len(ids))  # (N,)
    reader, side = begun.copies(1), max(1, ROWS // max(1, K))
    for first in range(0, len(ids), side):
        places = np.arange(first, min(first + side, len(ids)))
        rows = np.repeat(ids[first:, None], len(places) * K, axis=1)  # (N − first, B)
        rows[np.repeat(places - first, K), np.arange(rows.shape[1])] = others[places].reshape(-1)
        found = _after(reader.copies(rows.shape[1]), rows, target).reshape(len(places), K)
        influence[places] = whole - (found * weights[places]).sum(axis=1)
        reader.read(ids[places, None])
    return influence


def by_gradient(begun: Reader, text: str, target: str) -> Array:
    """Return the slope of log p(target) along each character's entry in the one-hot input: (N,).

    In a model of lines a newline begins anew, so what stands before the last one has none.

    Parameters
    ----------
    begun, text, target
        As for `by_occlusion`.
    """
    network = begun.model.network
    state, stretch = last_stretch(begun, text)
    ids = begun.model.vocabulary.encode(stretch + target)[:, None]  # (M, 1)
    counted = np.zeros((len(ids) - 1, 1), network.parameters.flat.dtype)
    counted[-len(target) :] = -1.0
    done = taken_back(network, ids, state, counted)
    dz = done.tapes[0].gates[:, :, 0]  # (G, M − 1, H)
    U = network.split_gates(network.parameters["layer0/U"])  # (G, V, H)
    slopes = np.einsum("gth,gth->t", dz, U[:, ids[:-1, 0]])  # (M − 1,)
    return np.concatenate([np.zeros(len(text) - len(stretch)), slopes[: len(stretch)]])


def by_word(begun: Reader, text: str, target: str) -> dict[str, float]:
    """Return the influence of each word, replaced wherever it stands by others that the network finds likely: nats.

    Parameters
    ----------
    begun, text, target
        As for `by_occlusion`.
    """
    first = {found[0]: found.start() for found in reversed(list(re.finditer(r"\w+", text)))}
    likely = _likely_words(begun, text, sorted(first.values()))
    replaced = {
        word: [other.join(re.split(rf"\b{re.escape(word)}\b", text)) for other in likely[place]]
        for word, place in first.items()
        if likely[place]
    }
    whole = log_chances(begun, [text], target)[0]
    found = iter(log_chances(begun, [other for others in replaced.values() for other in others], target))
    return {word: float(np.mean([whole - next(found) for _ in others])) for word, others in replaced.items()}


def _likely_words(begun: Reader, text: str, places: Sequence[int]) -> dict[int, list[str]]:
    """Return which words are likely at some places of a text, begun with another letter than stands there.

    Parameters
    ----------
    begun, text
        As for `by_occlusion`.
    places
        Where words begin, in ascending order.
    """
    vocabulary = begun.model.vocabulary
    ids = vocabulary.encode(text)
    in_words = np.array([bool(re.match(r"\w", character)) for character in vocabulary.characters])  # (V,)
    reader, read = begun.copies(1), 0
    words: list[tuple[int, str]] = []
    states: list[Array] = []
    for place in places:
        reader.read(ids[read:place, None])
        read = place
        order = np.argsort(-reader.logits[0], kind="stable")  # (V,)
        letters = [k for k in order if in_words[k] and k != ids[place]][:ALTERNATIVES]
        words += [(place, vocabulary.character(k)) for k in letters]
        states += [reader.state] * len(letters)
    if words:
        several = Reader(begun.model, len(words))
        several.state = np.concatenate(states, axis=2)
        last, going = vocabulary.encode("".join(word for _, word in words)), np.ones(len(words), bool)
        for _ in range(LONGEST_WORD - 1):
            several.read(last[None])
            last = several.logits.argmax(axis=1)  # (B,)
            going &= in_words[last]
            words = [
                (place, word + vocabulary.character(k) * bool(on))
                for (place, word), k, on in zip(words, last, going, strict=True)
            ]
    return {place: [word for other, word in words if other == place] for place in places}


def log_chances(begun: Reader, texts: Collection[str], target: str) -> Array:
    """Return log p(target) after each of some texts, in nats: (K,).

    Parameters
    ----------
    begun
        A reader that stands where each of them begins.
    texts
        One or more.
    target
        What may come after them.
    """
    found = np.zeros(len(texts))  # (K,)
    every = [begun.model.vocabulary.encode(text) for text in texts]
    for places in side_by_side([len(ids) for ids in every]):
        rows = np.stack([every[place] for place in places], axis=1)  # (T, B)
        found[places] = _after(begun.copies(len(places)), rows, target)
    return found


def _after(reader: Reader, ids: Array, target: str) -> Array:
    """Read ids (T, B), then a target in every row, and return the target's log-probability: (B,)."""
    reader.read(ids)
    total = np.zeros(ids.shape[1])  # (B,)
    for index in reader.model.vocabulary.encode(target, "the target"):
        total += log_softmax(reader.logits)[:, index]
        reader.read(np.full((1, ids.shape[1]), index))
    return total
