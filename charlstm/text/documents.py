"""Where documents start and end: how a text is cut into documents, and how documents are written as one text.

A document is read from the zero state. Reading begins with the end symbol, so that the first character is predicted
too, and the end symbol is the last prediction: «END a b c END d e END». A stream is one document without an end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b

import numpy as np

from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.text.vocabulary import Vocabulary, text_of

STREAM, LINE, BLANK_LINE, FILE, ROW = "", "line", "blank-line", "file", "row"
KINDS = (LINE, BLANK_LINE, FILE)
# White space but the newline, as `str.isspace` has it, in a notation that JavaScript reads as well.
BLANK = r"[\t\v\f\r\x1c-\x1f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*"
BLOCK = 1 << 24
HASHED_BLOCK = 1 << 20  # characters
LONGEST_WINDOW = 10_000  # characters of a line through which the gradient flows
LONGEST_BLANK = 1 << 16  # characters of white space that are held back as the possible beginning of a separator


class Documents:
    r"""How a text is cut into documents.

    Parameters
    ----------
    kind
        "": the text is a stream; "line": each line is a document; "blank-line": documents are separated by blank lines;
        "file": each file is a document; "row": each row of a table is one; any other text is itself the separator.

    Attributes
    ----------
    kind : str
        The same.
    separator : str
        What is written between two documents.

    Examples
    --------
    >>> poems = Documents("blank-line")
    >>> poems.parse("one\ntwo\n\n\nthree") == "one\ntwo" + END + "three"
    True
    >>> poems.format("one\ntwo" + END + "three")
    'one\ntwo\n\nthree'
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        named = {STREAM: "", LINE: "\n", BLANK_LINE: "\n\n", FILE: "\n\n", ROW: "\n\n"}
        self.separator = named.get(kind, kind)
        self._is_cut = kind not in (STREAM, FILE, ROW)
        self._rule = BLANK if kind == BLANK_LINE else _find_rule(self.separator)

    def __bool__(self) -> bool:
        """Return whether the text is cut at all: False for a stream."""
        return self.kind != STREAM

    @property
    def separates(self) -> bool:
        """Whether a text between documents separates them, and not the end of a line, file or row."""
        return self._is_cut and self.kind != LINE

    @property
    def pattern(self) -> str | None:
        """A regular expression of what separates documents within a text; None if nothing in a text does."""
        if self._rule is not None:
            return rf"\n(?:{self._rule}\n)+"
        return re.escape(self.separator) if self._is_cut else None

    @property
    def opening(self) -> str:
        """What is read before the first character of a text: the end symbol, or nothing for a stream."""
        return END if self else ""

    def parse(self, text: str) -> str:
        """Return a text with the end symbol in the place of each separator."""
        return "".join(self.parse_blocks([text]))

    def parse_blocks(self, blocks: Iterable[str]) -> Iterator[str]:
        """Do as `parse` does with a text in blocks; a separator may lie across blocks."""
        waiting = ""
        for block in blocks:
            text, waiting = self._cut(waiting + block)
            if text:
                yield text
        if waiting:
            yield self._replace(waiting)

    def _parse_file(self, blocks: Iterable[str]) -> Iterator[str]:
        """Do as `parse_blocks` does with a whole text, whose first and last line may also separate documents."""
        if self._rule is None:
            yield from self.parse_blocks(blocks)
            return
        waiting, added = "\n", "\n"
        for block in blocks:
            text, waiting = self._cut(waiting + block)
            if text:
                yield text.removeprefix(added)
                added = ""
        text = re.sub(rf"\n(?:{self._rule}\n)*{self._rule}\Z", END, waiting)
        yield self._replace(text).removeprefix(added)

    def parse_whole(self, blocks: Iterable[str]) -> Iterator[str]:
        """Parse a text that holds whole documents: none is empty, and the end symbol follows each, also the last.

        The newline at the end of a text belongs to no document, unless documents are files or rows.
        """
        if not self:
            yield from blocks
            return
        last, newline = END, ""
        for block in self._parse_file(blocks):
            text = re.sub(f"{END}+", END, newline + block)
            if last == END:
                text = text.removeprefix(END)
            newline = "\n" if self._is_cut and text.endswith("\n") else ""
            text = text.removesuffix(newline) if newline else text
            if text:
                last = text[-1]
                yield text
        if last != END:
            yield END

    def format(self, text: str) -> str:
        """Return a text with the separator in the place of each end symbol."""
        return text.replace(END, self.separator)

    def join(self, documents: Iterable[str]) -> str:
        """Return documents as one text that ends with a newline: separated as a corpus separates them."""
        text = self.separator.join(documents)
        return text if text.endswith("\n") else text + "\n"

    def _replace(self, text: str) -> str:
        """Return a text with the end symbol in the place of each separator; lines that separate count as one."""
        return text if self.pattern is None else re.sub(self.pattern, END, text)

    def _cut(self, text: str) -> tuple[str, str]:
        """Return a text with end symbols for separators, and the end of it that may belong to a separator."""
        if self.kind == BLANK_LINE:
            done = len(text) - min(len(text) - len(text.rstrip()), LONGEST_BLANK)
            return self._replace(text[:done]), text[done:]
        if not self._is_cut:
            return text, ""
        if self._rule is not None:
            line = self.separator[:-1]
            done = max(text.rfind("\n"), 0)
            if not line.startswith(text[done:]):
                return self._replace(text), ""
            rest = line * text.endswith(line, 0, done) + text[done:]
            while text.endswith(line, 0, done):  # several in a row separate as one does
                done -= len(line)
            return self._replace(text[:done]), rest
        *whole, rest = text.split(self.separator)
        begun = range(min(len(self.separator) - 1, len(rest)), 0, -1)
        done = len(rest) - next((n for n in begun if rest.endswith(self.separator[:n])), 0)
        return END.join([*whole, rest[:done]]), rest[done:]


def _find_rule(separator: str) -> str | None:
    """Return a pattern of the line that a separator consists of; None if it is no single line."""
    line = separator[1:-1]
    is_line = len(separator) > 2 and separator[0] == separator[-1] == "\n" and "\n" not in line
    return re.escape(line) if is_line else None


def find_documents(ids: Array, end: int) -> Array:
    """Return the documents of a text, without empty ones.

    Parameters
    ----------
    ids : (N,) array of ids
        A text that begins and ends with the end symbol.
    end
        Id of the end symbol.

    Returns
    -------
    (K, 2) array
        Position of the first character of each document, and one past its last.
    """
    blocks = range(0, len(ids), BLOCK)
    ends = np.concatenate([np.flatnonzero(ids[k : k + BLOCK] == end) + k for k in blocks])  # (K+1,)
    spans = np.stack([ends[:-1] + 1, ends[1:]], axis=1)  # (K, 2)
    return np.asarray(spans[spans[:, 0] < spans[:, 1]])


def hash_document(text: str) -> int:
    """Return a 64-bit hash of a document; two of a million different ones collide in one of 10⁷ corpora."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def hash_documents(ids: Array, spans: Array, vocabulary: Vocabulary) -> Array:
    """Return the hash of each document of a text: (N,) ids and (K, 2) spans → (K,) uint64."""
    points = vocabulary.code_points

    def read(first: int, last: int) -> Iterator[str]:
        for start in range(first, last, HASHED_BLOCK):
            yield text_of(points[ids[start : min(start + HASHED_BLOCK, last)]])

    hashes = (
        _hash_blocks(read(first, last))
        if last - first > HASHED_BLOCK
        else hash_document(text_of(points[ids[first:last]]))
        for first, last in spans.tolist()
    )
    return np.fromiter(hashes, np.uint64, len(spans))


def _hash_blocks(blocks: Iterable[str]) -> int:
    digest = blake2b(digest_size=8)
    for block in blocks:
        digest.update(block.encode("utf-8", "surrogatepass"))
    return int.from_bytes(digest.digest(), "little")
