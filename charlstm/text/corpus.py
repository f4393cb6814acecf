"""From files to ids: a text is read twice in blocks, first to collect its characters, then to encode them.

Ids have the smallest integer type that holds them; those of a large text are kept in an unnamed file.

Line ends of any kind become newlines, and a byte order mark is removed. A remark reports both.
"""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from charlstm.base.config import check_text, check_whole, set_fields
from charlstm.base.errors import ConfigError, CorpusError
from charlstm.base.parameters import Array
from charlstm.text.vocabulary import CODE_POINTS, Vocabulary, code_points_of

BLOCK = 1 << 20
IN_MEMORY = 1 << 28
NEWLINE = ord("\n")


@dataclass(frozen=True)
class CorpusFacts:
    """What a model file records of its corpus.

    Attributes
    ----------
    files
        File names without their folders.
    characters
        Length of the text.
    lines
        Newlines, plus one for a last line without a newline.
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
        if not isinstance(self.files, (list, tuple)):
            raise ConfigError(f"files is {self.files!r}; it must be a list of names")
        set_fields(
            self,
            files=tuple(check_text("files", file) for file in self.files),
            characters=check_whole("characters", self.characters, 0),
            lines=check_whole("lines", self.lines, 0),
            sha256=check_text("sha256", self.sha256),
        )


class Corpus(NamedTuple):
    """A text as ids.

    Attributes
    ----------
    ids : (N,) array of ids
        The text; with `lines` it begins and ends with a newline.
    vocabulary : Vocabulary
        Its characters.
    facts : CorpusFacts
        What a model file records of it.
    remarks : tuple of str
        What reading changed.
    last_file : int
        Position in `ids` at which the last file begins.
    """

    ids: Array
    vocabulary: Vocabulary
    facts: CorpusFacts
    remarks: tuple[str, ...]
    last_file: int


def read(
    paths: Sequence[Path], encoding: str = "utf-8", lines: bool = False, known: Vocabulary | None = None
) -> Corpus:
    """Read files as one text; a newline is added between files if the first does not end with one.

    Parameters
    ----------
    paths
        One file or more.
    encoding
        Name of a text encoding.
    lines
        True: the text begins and ends with a newline, because each line is a document.
    known
        Characters that the vocabulary contains whether or not they occur.

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
    for number, text in read_files(paths, encoding, remarks):
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
    ids = _allocate(length + lines * (1 + unended), vocabulary.id_type)  # (N,)
    start = int(lines)
    for _, text in read_files(paths, encoding, remarks):
        ids[start : start + len(text)] = vocabulary.encode_known(code_points_of(text))
        start += len(text)
    if lines:
        ids[0] = ids[-1] = vocabulary.id("\n")
    facts = CorpusFacts(tuple(path.name for path in paths), length, newlines + unended, digest.hexdigest())
    return Corpus(ids, vocabulary, facts, tuple(remarks), last_file + lines)


def _allocate(count: int, kind: np.dtype[Any]) -> Array:
    """Return an uninitialised array: in memory, or for a large one in an unnamed file."""
    if count * kind.itemsize <= IN_MEMORY:
        return np.empty(count, kind)
    try:
        import tempfile  # only a large text needs it

        with tempfile.TemporaryFile() as file:
            os.posix_fallocate(
                file.fileno(), 0, count * kind.itemsize
            )  # a full disk is an error here, not while the array is filled
            return np.memmap(file, kind, shape=(count,))
    except (OSError, AttributeError):
        return np.empty(count, kind)


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Return the text of a file, decoded as `read` decodes it.

    Raises
    ------
    CorpusError
        If the file cannot be read or decoded.
    """
    return "".join(read_blocks(path, encoding, {}))


def read_files(paths: Sequence[Path], encoding: str, remarks: dict[str, None]) -> Iterator[tuple[int, str]]:
    """Yield the text of files in blocks that are not empty, each with the number of its file.

    An added newline belongs to the file that it ends. What reading changed is added to `remarks`.

    Raises
    ------
    CorpusError
        If a file cannot be read or decoded.
    """
    last = "\n"
    for number, path in enumerate(paths):
        if last != "\n":
            yield number - 1, "\n"
        for text in read_blocks(path, encoding, remarks):
            last = text[-1]
            yield number, text


def read_blocks(path: Path, encoding: str, remarks: dict[str, None]) -> Iterator[str]:
    """Yield the text of a file in blocks that are not empty.

    Raises
    ------
    CorpusError
        If it cannot be read or decoded.
    """
    try:
        with path.open("rb") as file:
            yield from decode(file, str(path), encoding, remarks)
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror or error}") from error


def decode(file: BinaryIO, name: str, encoding: str, remarks: dict[str, None]) -> Iterator[str]:
    """Yield the text of an open binary file in blocks that are not empty.

    Parameters
    ----------
    file
        Read to its end.
    name
        What the file is called in errors and remarks.
    encoding
        Name of a text encoding.
    remarks
        What decoding changed is added as keys.

    Raises
    ------
    CorpusError
        If it cannot be decoded.
    """
    read_so_far = 0
    data = file.read(max(BLOCK, len(codecs.BOM_UTF8)))
    marked = data.startswith(codecs.BOM_UTF8) and codecs.lookup(encoding).name == "utf-8"
    if marked:
        remarks[f"{name}: the byte order mark was removed"] = None
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
