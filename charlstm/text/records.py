"""Whether a text looks like a list of records, and how these are separated."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

import numpy as np

from charlstm.text.corpus import Corpus
from charlstm.text.documents import BLANK_LINE, LINE, Documents

EXAMINED = 1_000_000  # characters
FEWEST = 20
LONGEST_RECORD = 2_000  # characters, in the mean
LONGEST_LINE, LONGEST_MEAN_LINE = 100, 40
RULE = re.compile(r"[^\w\s]{1,20}|<\|?/?\w+\|?>")  # a line that only separates others, such as % or *** or <|end|>


class Records(NamedTuple):
    """Records that a text seems to consist of.

    Attributes
    ----------
    number
        Number of records in the part of the text that was examined: its first million characters.
    separated_by
        What separates them, in words.
    documents
        The setting `documents` that reads each of them as a document.
    """

    number: int
    separated_by: str
    documents: str


def find_records(corpus: Corpus) -> Records | None:
    """Return the records that a stream seems to consist of; None if it looks like one text.

    Records are separated by lines that have no letters, such as %, or by blank lines; or each is a short line.

    Parameters
    ----------
    corpus
        A stream.
    """
    text = corpus.vocabulary.decode(corpus.ids[:EXAMINED])
    lines = text.split("\n")
    rules = Counter(line for line in lines if RULE.fullmatch(line))
    rule, count = rules.most_common(1)[0] if rules else ("", 0)
    if count >= FEWEST and len(text) / count <= LONGEST_RECORD:
        return Records(count, f"lines of {rule}", f"\n{rule}\n")
    blocks = [one for one in Documents(BLANK_LINE).parse(text.strip()).split(Documents(BLANK_LINE).opening) if one]
    if len(blocks) >= FEWEST and len(text) / len(blocks) <= LONGEST_RECORD:
        return Records(len(blocks), "blank lines", BLANK_LINE)
    lengths = np.array([len(line) for line in lines if line])  # (K,)
    if (
        len(blocks) == 1
        and len(lengths) >= FEWEST
        and lengths.max() <= LONGEST_LINE
        and lengths.mean() <= LONGEST_MEAN_LINE
    ):
        return Records(len(lengths), "line ends", LINE)
    return None
