"""Choose examples: short excerpts of the validation set, for those who look at the model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.text.corpus import Corpus
from charlstm.text.facts import Example

COUNT = 3
LEAST, MOST = 40, 300  # characters of an excerpt of documents
LENGTH = 200  # characters of an excerpt of a stream
SEARCHED = 600  # characters in which such an excerpt is chosen
BEFORE = 8  # characters before them that tell where a sentence ends
# An excerpt of a stream begins after a line break, or else after a sentence or a word.
BEGINNINGS = (r"\n+", r"[.!?…][\"'»«”“’‘)\]]*\s+|[。！？]\s*", r"\s+")
WORD_END = re.compile(rf"(?s:.*)[^\s{END}](?=[\s{END}])")


def choose_examples(corpus: Corpus, spans: Array, labels: Array) -> tuple[Example, ...]:
    """Return up to three excerpts of a validation set, from its beginning, its middle and its end.

    An excerpt of documents consists of whole ones, or of the beginning of a long one.

    Parameters
    ----------
    corpus
        The text.
    spans : (K, 2) array
        The parts of the validation set, or its documents: position of the first character, and one past the last.
    labels : (K,) array
        For each document the index of its label; empty without labels.
    """
    if not len(spans):
        return ()
    if corpus.vocabulary.end is None:
        return tuple(dict.fromkeys(map(Example, _cut_stream(corpus, spans))))
    names = [corpus.facts.labels[label][0] for label in labels.tolist()] if labels.size else [None] * len(spans)
    groups = group_documents((spans[:, 1] - spans[:, 0]).tolist(), names)
    lengths = [int((spans[group, 1] - spans[group, 0] + 1).sum()) - 1 for group in groups]
    chosen = [
        min(third.tolist(), key=lambda k: (lengths[k] > MOST, k))  # the first that is short enough to be whole
        for third in np.array_split(np.arange(len(groups)), COUNT)
        if len(third)
    ]
    read = corpus.vocabulary.decode
    texts = [
        END.join(read(corpus.ids[start : min(stop, start + MOST + 1)]) for start, stop in spans[groups[k]].tolist())
        for k in chosen
    ]
    return tuple(
        dict.fromkeys(
            Example(shorten_text(text, MOST), names[groups[k].start]) for k, text in zip(chosen, texts, strict=True)
        )
    )


def group_documents(lengths: Sequence[int], labels: Sequence[str | None]) -> list[slice]:
    """Return groups of consecutive documents with one label, each as short as 40 characters allow.

    Groups that are shorter are left out, unless all are.

    Parameters
    ----------
    lengths
        Number of characters of each document.
    labels
        Its label.

    Examples
    --------
    >>> group_documents([30, 20, 50, 5], [None] * 4)
    [slice(0, 2, None), slice(2, 3, None)]
    """
    groups: list[slice] = []
    short: list[slice] = []
    first = characters = 0
    for number, (length, label) in enumerate(zip(lengths, labels, strict=True)):
        characters += length
        is_last = number + 1 == len(lengths) or labels[number + 1] != label
        if characters >= LEAST or is_last:
            (groups if characters >= LEAST else short).append(slice(first, number + 1))
            first, characters = number + 1, 0
    return groups or short


def shorten_text(text: str, most: int) -> str:
    """Return a text, or of a longer one at most `most` characters up to the end of a word.

    Examples
    --------
    >>> shorten_text("mady said hi to monica.", 12)
    'mady said hi'
    """
    return text if len(text) <= most else _cut_at_word(text[: most + 1])


def _cut_at_word(text: str) -> str:
    """Return a text without its last character and what belongs to it: up to the last end of a word in the text."""
    found = WORD_END.match(text)
    return found[0] if found and len(found[0]) >= len(text) // 2 else text[:-1]


def _cut_stream(corpus: Corpus, spans: Array) -> Iterator[str]:
    """Yield excerpts of the parts of a validation set, at equal distances; those of white space alone are left out."""
    ids, read = corpus.ids, corpus.vocabulary.decode
    lengths = spans[:, 1] - spans[:, 0]  # (K,)
    spans = spans[lengths >= min(LENGTH, int(lengths.max()))]
    ends = np.cumsum(spans[:, 1] - spans[:, 0])  # (K,)  of the parts, put end to end
    total = int(ends[-1])
    count = max(1, min(COUNT, total // LENGTH))
    for number in range(count):
        place = number * total // count
        part = int(np.searchsorted(ends, place, side="right"))
        first, last = spans[part].tolist()
        width = min(SEARCHED, total // count, last - first)
        start = min(last - int(ends[part]) + place, last - width)
        stop = start + width
        # The characters before and after it, which may belong to the training set, decide where words begin and end.
        text = _cut_piece(read(ids[max(start - BEFORE, 0) : start]), read(ids[start:stop]), read(ids[stop : stop + 1]))
        if text.strip():
            yield text


def _cut_piece(before: str, piece: str, after: str) -> str:
    """Return about 200 characters of a piece of a text, from the beginning of a line to the end of a line or a word.

    Parameters
    ----------
    before, after
        The characters around the piece, which are not part of the result; empty at the ends of the text.
    piece
        One character or more.
    """
    latest = max(len(piece) - LENGTH, len(piece) // 2)
    found = (match for pattern in BEGINNINGS for match in re.finditer(pattern, before + piece))
    begins = (match.end() - len(before) for match in found)
    begin = next((begin for begin in begins if 0 <= begin <= latest), 0)
    text = (piece + (after or "\n"))[begin : begin + LENGTH + 1]
    line = text.rfind("\n", LENGTH // 2)
    return (text[:line] if line > 0 else _cut_at_word(text)).rstrip()
