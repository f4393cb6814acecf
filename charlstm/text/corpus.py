"""From files to ids: a text is read twice in blocks, once for its characters, once for their ids.

No object is made for a character; ids are of the smallest integer type, and those of a large text stand in a file.

Line ends of any kind become newlines; a byte order mark is left out. Both are said.
"""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from charlstm.errors import ConfigError, CorpusError
from charlstm.parameters import Array
from charlstm.text.vocabulary import CODE_POINTS, Vocabulary, code_points_of, text_of

BLOCK = 1 << 20
IN_MEMORY = 1 << 28
NEWLINE = ord("\n")


@dataclass(frozen=True)
class CorpusFacts:
    """What a model remembers of the text that it learnt.

    Attributes
    ----------
    files
        The files' names, without their folders.
    characters
        Length of the text.
    lines
        Newlines in it, and one for a last line that has none.
    sha256
        Hexadecimal digest of the text in UTF-8, line ends as newlines.

    Raises
    ------
    ConfigError
        If a value is of the wrong type.
    """

    files: tuple[str, ...]
    characters: int
    lines: int
    sha256: str

    def __post_init__(self) -> None:
        if not isinstance(self.files, (list, tuple)) or not all(isinstance(file, str) for file in self.files):
            raise ConfigError("files must be a list of names")
        object.__setattr__(self, "files", tuple(self.files))
        for name in ("characters", "lines"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; it must be a whole number, 0 or more")
        if not isinstance(self.sha256, str):
            raise ConfigError("sha256 must be a text")


class Corpus(NamedTuple):
    """A text as ids.

    Attributes
    ----------
    ids : (N,) array of ids
        The text; with `lines`, a newline stands before it and at its end.
    vocabulary : Vocabulary
        Its characters.
    facts : CorpusFacts
        What is worth remembering of it.
    remarks : tuple of str
        What was changed while reading.
    last_file : int
        Where in `ids` the last file begins.
    """

    ids: Array
    vocabulary: Vocabulary
    facts: CorpusFacts
    remarks: tuple[str, ...]
    last_file: int


def read(
    paths: Sequence[Path], encoding: str = "utf-8", lines: bool = False, known: Vocabulary | None = None
) -> Corpus:
    """Read files as one text; a file that does not end its last line gets a newline before the next file.

    Parameters
    ----------
    paths
        One file or more.
    encoding
        Name of a text encoding.
    lines
        True: the text will be read line by line, so it begins and ends with a newline.
    known
        Characters that the vocabulary has whether or not they occur.

    Raises
    ------
    CorpusError
        If a file cannot be read or decoded, or the text has fewer than two characters.
    """
    remarks: dict[str, None] = {}
    seen = np.zeros(CODE_POINTS, bool)
    seen[NEWLINE] = lines
    if known is not None:
        seen[known.code_points] = True
    length, newlines, last, digest, last_file = 0, 0, "", sha256(), 0
    for number, text in blocks(paths, encoding, remarks):
        if number + 1 < len(paths):
            last_file = length + len(text)
        seen[code_points_of(text)] = True
        length += len(text)
        newlines += text.count("\n")
        last = text[-1]
        digest.update(text.encode("utf-8", "surrogatepass"))
    names = ", ".join(str(path) for path in paths)
    if length < 2:
        holds = "is empty" if length == 0 else "has one character"
        raise CorpusError(f"{names} {holds}; two or more are needed: one to read and one to predict")

    vocabulary = Vocabulary(np.flatnonzero(seen))
    unended = last != "\n"
    ids = _room(length + lines * (1 + unended), vocabulary.id_type)  # (N,)
    start = int(lines)
    for _, text in blocks(paths, encoding, remarks):
        ids[start : start + len(text)] = vocabulary.encode_known(code_points_of(text))
        start += len(text)
    if lines:
        ids[0] = ids[-1] = vocabulary.id("\n")
    facts = CorpusFacts(tuple(path.name for path in paths), length, newlines + unended, digest.hexdigest())
    return Corpus(ids, vocabulary, facts, tuple(remarks), last_file + lines)


def line_digest(line: str) -> int:
    """Return 64 bits by which a line is known again; of a million others, one has the same once in 10¹³ times."""
    return int.from_bytes(blake2b(line.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def line_digests(corpus: Corpus) -> Array:
    """Return the digests of the distinct lines of a corpus that was read by lines: (K,) uint64, ascending."""
    code_points = corpus.vocabulary.code_points
    ends = np.flatnonzero(corpus.ids == corpus.vocabulary.id("\n")).tolist()
    lines = (text_of(code_points[corpus.ids[first + 1 : last]]) for first, last in pairwise(ends))
    return np.unique(np.fromiter(map(line_digest, lines), np.uint64))


def _room(count: int, kind: np.dtype[Any]) -> Array:
    """Return an array for ids: in memory, or a large one in an unnamed file, of which memory holds what is in use."""
    if count * kind.itemsize <= IN_MEMORY:
        return np.empty(count, kind)
    try:
        import tempfile  # only a large text needs it

        with tempfile.TemporaryFile() as file:
            os.posix_fallocate(
                file.fileno(), 0, count * kind.itemsize
            )  # a full disk is noticed here, not in the middle
            return np.memmap(file, kind, shape=(count,))
    except (OSError, AttributeError):
        return np.empty(count, kind)


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Return a file's text, read as `read` reads it.

    Raises
    ------
    CorpusError
        If the file cannot be read or decoded.
    """
    return "".join(pieces(path, encoding, {}))


def blocks(paths: Sequence[Path], encoding: str, remarks: dict[str, None]) -> Iterator[tuple[int, str]]:
    """Yield the files' text, as `read` reads it, in pieces that are not empty, each with the number of its file.

    A newline that has to be added belongs to the file that it ends. What was changed is added to `remarks`.

    Raises
    ------
    CorpusError
        If a file cannot be read or decoded.
    """
    last = "\n"
    for number, path in enumerate(paths):
        if last != "\n":
            yield number - 1, "\n"
        for text in pieces(path, encoding, remarks):
            last = text[-1]
            yield number, text


def pieces(path: Path, encoding: str, remarks: dict[str, None]) -> Iterator[str]:
    """Yield the text of a file in pieces that are not empty; as `decoded` does.

    Raises
    ------
    CorpusError
        If it cannot be read or decoded.
    """
    try:
        with path.open("rb") as file:
            yield from decoded(file, str(path), encoding, remarks)
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror or error}") from error


def decoded(file: BinaryIO, name: str, encoding: str, remarks: dict[str, None]) -> Iterator[str]:
    """Yield the text of an open file in pieces that are not empty.

    Parameters
    ----------
    file
        Read to its end.
    name
        What it is called, for errors and remarks.
    encoding
        Name of a text encoding.
    remarks
        What was changed is added as keys.

    Raises
    ------
    CorpusError
        If it cannot be decoded.
    """
    read_so_far = 0
    data = file.read(max(BLOCK, len(codecs.BOM_UTF8)))
    marked = data.startswith(codecs.BOM_UTF8) and codecs.lookup(encoding).name == "utf-8"
    if marked:
        remarks[f"{name}: a byte order mark was left out"] = None
    decoder = codecs.getincrementaldecoder("utf-8-sig" if marked else encoding)()
    newlines = io.IncrementalNewlineDecoder(decoder, translate=True)
    try:
        while True:
            read_so_far += len(data)
            text = newlines.decode(data, final=not data)
            if text:
                yield text
            if not data:
                break
            data = file.read(BLOCK)
    except UnicodeError as error:
        raise CorpusError(_not_text(name, encoding, error, read_so_far)) from error
    found = newlines.newlines
    if found is not None and found != "\n":
        remarks[f"{name}: line ends of another kind than \\n (such as CRLF) were read as newlines"] = None


def _not_text(name: str, encoding: str, error: UnicodeError, read_so_far: int) -> str:
    where = ""
    if isinstance(error, UnicodeDecodeError):
        offset = read_so_far - len(error.object) + error.start
        where = f" at byte {offset:,} (0x{error.object[error.start]:02X})"
    return (
        f"{name} is not {encoding} text: it cannot be decoded{where};"
        " give a text file, or its encoding with --encoding (for example latin-1 or utf-16)"
    )
