"""The probability of every short text, by plain enumeration, and a test of counts against probabilities."""

import math
from collections import Counter

import reference
from small import by_reference

from charlstm.base.symbols import END


def enumerate_texts(kind, it, seed, length, temperature=1.0, may=lambda text, character: True, bias=None):
    """Return every text of some characters after a seed → its probability, from the plain equations.

    `may` says which characters may follow a text; the probabilities of the others go to these.
    """
    chances = {"": 1.0}
    for _ in range(length):
        longer = {}
        for text, chance in chances.items():
            read = it.vocabulary.encode(it.opening + seed + text)[:, None]
            logits = by_reference(kind, it.network, read).logits[-1][0]
            z = dict(zip(it.vocabulary.characters, logits, strict=True))
            p = {c: math.exp((x + (bias or {}).get(c, 0.0)) / temperature) for c, x in z.items() if may(seed + text, c)}
            longer |= {text + c: chance * x / sum(p.values()) for c, x in p.items()}
        chances = longer
    return chances


def enumerate_documents(kind, it, length):
    """Return every document of at most some characters, and longer ones cut there → its probability."""
    done, begun = {}, {"": 1.0}
    for _ in range(length):
        longer = {}
        for text, chance in begun.items():
            read = it.vocabulary.encode(END + text)[:, None]
            p = reference.probabilities(by_reference(kind, it.network, read).logits[-1][0])
            for c, x in zip(it.vocabulary.characters, p, strict=True):
                (done if c == END else longer)[text if c == END else text + c] = chance * x
        begun = longer
    return done | begun


def assert_samples_have(chances, texts):
    """Fail if texts are not samples of a distribution: by chi-square, at less than one seed in a million."""
    counts = Counter(texts)
    assert not set(counts) - {text for text, p in chances.items() if p}, "a text of probability zero"
    few = {text for text, p in chances.items() if p * len(texts) < 5}
    classes = [(counts[text], p) for text, p in chances.items() if text not in few]
    classes.append((sum(counts[text] for text in few), sum(chances[text] for text in few)))
    classes = [(count, p * len(texts)) for count, p in classes if p]
    assert sum(p for _, p in classes) / len(texts) == 1.0 or abs(sum(p for _, p in classes) / len(texts) - 1) < 1e-9
    chi_square, freedom = sum((count - p) ** 2 / p for count, p in classes), len(classes) - 1
    assert freedom > 3 and chi_square < freedom + 4.9 * math.sqrt(2 * freedom) + 16, (chi_square, freedom)
