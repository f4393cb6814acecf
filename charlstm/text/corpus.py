"""From files to ids: a text is read twice in blocks, first to collect its characters, then to encode them.

The second reading is checked against the first. Ids have the smallest integer type that holds them; those of a large
text are kept in an unnamed file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np

from charlstm.base.config import check_text, check_whole, set_fields
from charlstm.base.errors import ConfigError, CorpusError
from charlstm.base.parameters import Array
from charlstm.text.remarks import describe_names
from charlstm.text.sources import Sources
from charlstm.text.vocabulary import CODE_POINTS, Vocabulary, code_points_of

IN_MEMORY = 1 << 28
NEWLINE = ord("\n")


@dataclass(frozen=True)
class CorpusFacts:
    """What a model file records of its corpus.

    Attributes
    ----------
    files
        Names of files and folders without the folders above them; that of a folder ends with its number of files.
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
    file_starts : (F,) array
        Position in `ids` at which each file begins.
    last_given : int
        Index of the first file of the last given path, which may be a folder.
    """

    ids: Array
    vocabulary: Vocabulary
    facts: CorpusFacts
    remarks: tuple[str, ...]
    file_starts: Array
    last_given: int

    @property
    def last_file(self) -> int:
        """Position in `ids` at which the last file or folder begins."""
        return int(self.file_starts[self.last_given])


class Reading:
    """What one reading of a text found; two readings of the same text are equal."""

    def __init__(self, files: int) -> None:
        self._starts = np.zeros(files, np.int64)
        self._file = 0
        self.characters = 0
        self.newlines = 0
        self.last = ""
        self._digest = sha256()

    def add(self, number: int, text: str) -> None:
        """Record the next part of the text, which belongs to a file with this number."""
        if number != self._file:
            self._starts[self._file + 1 : number + 1] = self.characters
            self._file = number
        self.characters += len(text)
        self.newlines += text.count("\n")
        self.last = text[-1]
        self._digest.update(text.encode("utf-8", "surrogatepass"))

    @property
    def starts(self) -> Array:
        """Position in the text at which each file begins, (F,)."""
        self._starts[self._file + 1 :] = self.characters
        return self._starts

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the text in UTF-8."""
        return self._digest.hexdigest()


def read(
    paths: Sequence[str | os.PathLike[str]],
    encoding: str = "utf-8",
    lines: bool = False,
    known: Vocabulary | None = None,
    field: str | None = None,
) -> Corpus:
    """Read files as one text; a newline is added between documents if the first does not end with one.

    Parameters
    ----------
    paths
        One file or folder, or several; - is standard input.
    encoding
        Name of a text encoding.
    lines
        True: the text begins and ends with a newline, because each line is a document.
    known
        Characters that the vocabulary contains whether or not they occur.
    field
        Name of the field of tables that has the texts; None: the files are texts.

    Raises
    ------
    CorpusError
        If a file cannot be read or decoded, changes while it is read, or the text has fewer than two characters.
    """
    sources = Sources(paths, encoding, field)
    names = describe_names([file.name for file in sources.inputs])
    seen = np.zeros(CODE_POINTS, bool)
    seen[NEWLINE] = lines
    if known is not None:
        seen[known.code_points] = True
    first = Reading(len(sources.files))
    for number, text in sources.read_joined():
        seen[code_points_of(text)] = True
        first.add(number, text)
    if first.characters < 2:
        verb, has = ("is", "has") if len(sources.inputs) == 1 else ("are", "have")
        holds = f"{has} one character" if first.characters else f"{verb} empty"
        raise CorpusError(f"{names} {holds}; two characters or more are needed: one to read and one to predict")

    vocabulary = Vocabulary(np.flatnonzero(seen))
    unended = first.last != "\n"
    ids = _allocate(first.characters + lines * (1 + unended), vocabulary.id_type)  # (N,)
    second = Reading(len(sources.files))
    try:
        for number, text in sources.read_joined():
            points, start = code_points_of(text), lines + second.characters
            second.add(number, text)
            if second.characters > first.characters or not seen[points].all():
                break
            ids[start : start + len(text)] = vocabulary.encode_known(points)
    except CorpusError as error:
        raise CorpusError(f"{names} changed while the text was read: {error}") from error
    if second.sha256 != first.sha256:
        raise CorpusError(f"{names} changed while the text was read; train on a copy that no other program writes")
    if lines:
        ids[0] = ids[-1] = vocabulary.id("\n")
    facts = CorpusFacts(sources.names(), first.characters, first.newlines + unended, first.sha256)
    last = next(k for k, file in enumerate(sources.files) if file.given == sources.files[-1].given)
    return Corpus(ids, vocabulary, facts, sources.remarks.list(), first.starts + lines, last)


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
