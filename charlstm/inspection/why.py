"""The view of why: which characters and words of a text led to a prediction.

Two methods, which may disagree. Occlusion replaces each character by others and reads the text again: the influence is
the drop of the target's log-probability. Gradient × input is the derivative of the target's log-probability with
respect to the character's entry in the one-hot input. It is exact for small changes only (Denil et al. 2014,
"Extraction of salient sentences from labelled documents").

The characters of a word depend on each other. So each word is occluded too, wherever it stands: another word that the
network finds probable there takes its place in the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import islice

import numpy as np

from charlstm.base.config import check_text, check_whole
from charlstm.base.parameters import Array
from charlstm.inspection.continuation import score_continuations, write_greedily
from charlstm.inspection.gradients import backpropagate
from charlstm.inspection.ranking import rank_correlation
from charlstm.inspection.trace import REACH, find_last_stretch, group_by_length, start_reader
from charlstm.inspection.view import Column, Kind, Strip, Table, View
from charlstm.model.model import Model, Reader
from charlstm.network.loss import NATS_PER_BIT, log_softmax
from charlstm.text.vocabulary import name

ALTERNATIVES = 3
BATCH = 256
MAX_WORD = 24
AGREEMENT = 0.5
ROWS = 12


def view_why(model: Model, text: str, target: str | None = None, reach: int = REACH) -> View:
    """Return the influence of every character and word of a text on the prediction after it.

    Parameters
    ----------
    model
        The model that predicts.
    text
        One character or more.
    target
        Continuation whose probability is explained; None takes the most probable character.
    reach
        Number of characters, at the end of the text, whose influence is measured.

    Raises
    ------
    ConfigError
        If the target is empty, or the reach is not a whole number, 1 or more.
    UnknownCharacterError
        If the text or the target has characters that the model does not know.
    """
    check_whole("reach", reach, 1)
    unseen = max(0, len(text) - reach)
    begun = start_reader(model)
    begun.read(model.vocabulary.encode(text)[:unseen, None])
    seen = text[unseen:]
    if target is None:
        after = begun.copies(1)
        after.read(model.vocabulary.encode(seen)[:, None])
        target = model.vocabulary.character(int(after.logits[0].argmax()))
    check_text("target", target, 1)
    occlusion = measure_occlusion(begun, seen, target) / NATS_PER_BIT  # (N,)  bits
    gradient = measure_gradient(begun, seen, target) / NATS_PER_BIT  # (N,)  bits
    words = {word: nats / NATS_PER_BIT for word, nats in measure_words(begun, seen, target).items()}
    correlation = rank_correlation(np.abs(gradient), np.abs(occlusion))
    verdict = "agree" if correlation >= AGREEMENT else "do not agree"
    probability = float(np.exp(score_after(begun, [seen], target)[0]))
    label = name(target) if len(target) == 1 else f"«{target}»"
    return View(
        {
            f"influence on {label}": Strip(seen, (_scale("occlusion", occlusion), _scale("gradient", gradient))),
            "influence of words in bits": _build_word_table(seen, words, occlusion, gradient),
        },
        (
            f"The target {label} has a probability of {probability:.1%}.",
            f"The two methods {verdict}: the rank correlation of the characters' influences is {correlation:.2f}.",
            *[f"Only the last {reach:,} of the {len(text):,} characters are examined; the option reach changes that."]
            * (unseen > 0),
        ),
    )


def _build_word_table(text: str, words: dict[str, float], occlusion: Array, gradient: Array) -> Table:
    """Return the influence of each word, and the sums of the influence of its characters over all its places."""
    spans = {word: [found.span() for found in re.finditer(rf"\b{re.escape(word)}\b", text)] for word in words}
    order = sorted(words, key=lambda word: -abs(words[word]))
    sums = [
        [sum(float(values[a:b].sum()) for a, b in spans[word]) for word in order] for values in (occlusion, gradient)
    ]
    columns = (
        Column("word", order, Kind.TEXT),
        Column("count", [len(spans[word]) for word in order], Kind.WHOLE),
        Column("word replaced", [words[word] for word in order]),
        Column("sum of occlusion", sums[0]),
        Column("sum of gradient", sums[1]),
    )
    return Table(columns, head=ROWS)


def _scale(name: str, values: Array) -> Column:
    """Return influences divided by the largest."""
    return Column(name, values / (np.abs(values).max() or 1.0), Kind.SIGNED)


def measure_occlusion(begun: Reader, text: str, target: str) -> Array:
    """Return the influence of each character by occlusion: (N,), in nats.

    The influence is log p(target) minus its mean over texts in which another character takes the place. The others are
    the most probable characters there, weighted by their probabilities.

    Parameters
    ----------
    begun
        A reader at the start of the text.
    text
        N characters.
    target
        The continuation.
    """
    ids = begun.model.vocabulary.encode(text)  # (N,)
    before = [begun.logits, *(done.logits[:, 0].copy() for done in begun.copies(1).passes(ids[:, None]))]
    chances = np.exp(log_softmax(np.concatenate(before)[:-1]).astype(np.float64))  # (N, V)
    chances[np.arange(len(ids)), ids] = 0.0
    K = min(ALTERNATIVES, chances.shape[1] - 1)
    if not K:
        return np.zeros(len(ids))  # there is no other character
    others = np.argsort(-chances, axis=1, kind="stable")[:, :K]  # (N, K)
    weights = np.take_along_axis(chances, others, axis=1)  # (N, K)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    whole = score_after(begun, [text], target)[0]
    influence = np.zeros(len(ids))  # (N,)
    reader, places_at_once = begun.copies(1), max(1, BATCH // K)
    for first in range(0, len(ids), places_at_once):
        places = np.arange(first, min(first + places_at_once, len(ids)))
        rows = np.repeat(ids[first:, None], len(places) * K, axis=1)  # (N − first, B)
        rows[np.repeat(places - first, K), np.arange(rows.shape[1])] = others[places].reshape(-1)
        log_p = _read_and_score(reader.copies(rows.shape[1]), rows, target).reshape(len(places), K)
        influence[places] = whole - (log_p * weights[places]).sum(axis=1)
        reader.read(ids[places, None])
    return influence


def measure_gradient(begun: Reader, text: str, target: str) -> Array:
    """Return the influence of each character by gradient × input: (N,), in nats.

    An end symbol resets the state, so characters before the last one have no influence.

    Parameters
    ----------
    begun, text, target
        As for `measure_occlusion`.
    """
    network = begun.model.network
    state, stretch = find_last_stretch(begun, text)
    ids = begun.model.vocabulary.encode(stretch + target)[:, None]  # (M, 1)
    weights = np.zeros((len(ids) - 1, 1), network.parameters.flat.dtype)
    weights[-len(target) :] = -1.0  # the gradient of log p is that of −loss
    done = backpropagate(begun.model, ids, state, weights)
    dz = done.tapes[0].gates[:, :, 0]  # (G, M − 1, H)
    U = network.split_gates(network.parameters["layer0/U"])  # (G, V, H)
    slopes = np.einsum("gth,gth->t", dz, U[:, begun.model.inputs(ids[:-1])[:, 0]])  # (M − 1,)
    return np.concatenate([np.zeros(len(text) - len(stretch)), slopes[: len(stretch)]])


def measure_words(begun: Reader, text: str, target: str) -> dict[str, float]:
    """Return the influence of each word, in nats: the mean drop of log p(target) when it is replaced everywhere.

    Parameters
    ----------
    begun, text, target
        As for `measure_occlusion`.
    """
    first = {found[0]: found.start() for found in reversed(list(re.finditer(r"\w+", text)))}
    likely = _find_likely_words(begun, text, sorted(first.values()))
    replaced = {
        word: [other.join(re.split(rf"\b{re.escape(word)}\b", text)) for other in likely[place]]
        for word, place in first.items()
        if likely[place]
    }
    whole = score_after(begun, [text], target)[0]
    log_p = iter(score_after(begun, [other for others in replaced.values() for other in others], target))
    return {word: float(np.mean([whole - next(log_p) for _ in others])) for word, others in replaced.items()}


def _find_likely_words(begun: Reader, text: str, places: Sequence[int]) -> dict[int, list[str]]:
    """Return probable words at some places of a text, each with another first letter than the text has there.

    Parameters
    ----------
    begun, text
        As for `measure_occlusion`.
    places
        Where words start, in ascending order.
    """
    vocabulary = begun.model.vocabulary
    ids = vocabulary.encode(text)
    in_words = np.array([bool(re.match(r"\w", character)) for character in vocabulary.characters])  # (V,)
    reader, read = begun.copies(1), 0
    starts: list[int] = []
    letters: list[int] = []
    states: list[Array] = []
    for place in places:
        reader.read(ids[read:place, None])
        read = place
        order = np.argsort(-reader.logits[0], kind="stable")  # (V,)
        best = [int(k) for k in order if in_words[k] and k != ids[place]][:ALTERNATIVES]
        starts += [place] * len(best)
        letters += best
        states += [reader.state] * len(best)
    words: dict[int, list[str]] = {place: [] for place in places}
    if starts:
        several = Reader(begun.model, len(starts))
        several.state = np.concatenate(states, axis=2)
        several.read(np.array([letters]))
        written = np.array([letters, *islice(write_greedily(several), MAX_WORD - 1)])  # (MAX_WORD, B)
        lengths = np.logical_and.accumulate(in_words[written]).sum(axis=0)  # (B,)
        for place, column, length in zip(starts, written.T, lengths, strict=True):
            words[place].append(vocabulary.decode(column[:length]))
    return words


def score_after(begun: Reader, texts: Collection[str], target: str) -> Array:
    """Return log p(target) after each of K texts: (K,), in nats.

    Parameters
    ----------
    begun
        A reader at the start of the texts.
    texts
        One or more.
    target
        The continuation.
    """
    log_p = np.zeros(len(texts))  # (K,)
    ids = [begun.model.vocabulary.encode(text) for text in texts]
    for some in group_by_length([len(one) for one in ids]):
        rows = np.stack([ids[place] for place in some], axis=1)  # (T, B)
        log_p[some] = _read_and_score(begun.copies(len(some)), rows, target)
    return log_p


def _read_and_score(reader: Reader, ids: Array, target: str) -> Array:
    """Read (T, B) ids and return log p(target) after each row: (B,), in nats."""
    reader.read(ids)
    return score_continuations(
        reader, [reader.model.vocabulary.encode(target, "the target", skippable=False)] * ids.shape[1]
    )[0]
