"""From files to ids: a text is read twice in blocks, first to collect its characters, then to encode them.

The second reading is checked against the first. Ids have the smallest integer type that holds them; those of a large
text are kept in an unnamed file.

Line ends of any kind become newlines, and a byte order mark is removed. A remark reports both.
"""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from charlstm.base.config import check_text, check_whole, set_fields, show_value
from charlstm.base.errors import ConfigError, CorpusError
from charlstm.base.files import ARCHIVE_START, STANDARD_STREAM, format_of, shorten
from charlstm.base.inputs import Input, as_input, as_inputs
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.text.documents import Documents, find_documents
from charlstm.text.vocabulary import CODE_POINTS, Vocabulary, code_points_of

BLOCK = 1 << 20
IN_MEMORY = 1 << 28
STREAM = Documents("")
SHOWN_NAMES = 2
HEAD = 4096  # bytes by which something else than a text is recognised
SHORTEST_UTF_16 = 8
UNPACK, EXPORT = "unpack it, and give the text file", "save it as plain text, and give that file"
SIGNATURES = (
    (b"\x1f\x8b", "a gzip archive", UNPACK),
    (ARCHIVE_START, "a zip archive or a document that is one, such as .docx or .epub", EXPORT),
    (b"BZh", "a bzip2 archive", UNPACK),
    (b"\xfd7zXZ\x00", "an xz archive", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a rar archive", UNPACK),
    (b"%PDF-", "a PDF document", EXPORT),
    (b"{\\rtf", "an RTF document", EXPORT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of an office program", EXPORT),
    (b"SQLite format 3\x00", "a database", EXPORT),
    (b"\x93NUMPY", "a NumPy array", EXPORT),
    (b"\x89PNG\r\n", "an image", EXPORT),
    (b"\xff\xd8\xff", "an image", EXPORT),
    (b"GIF8", "an image", "give a text file"),
    (b"\x7fELF", "a program", "give a text file"),
)


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
    labels
        The labels of its documents, each with its number of documents, in the order of their names.

    Raises
    ------
    ConfigError
        If a value is of the wrong type.
    """

    files: tuple[str, ...]
    characters: int
    lines: int
    sha256: str
    labels: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.files, (list, tuple)):
            raise ConfigError(f"files is {show_value(self.files)}; it must be a list of names")
        set_fields(
            self,
            files=tuple(check_text("files", file) for file in self.files),
            characters=check_whole("characters", self.characters, 0),
            lines=check_whole("lines", self.lines, 0),
            sha256=check_text("sha256", self.sha256),
            labels=_check_labels(self.labels),
        )


def _check_labels(value: Any) -> tuple[tuple[str, int], ...]:
    """Return labels with their counts; raise ConfigError if they are something else."""
    is_list = isinstance(value, (list, tuple))
    if not is_list or not all(isinstance(one, (list, tuple)) and len(one) == 2 for one in value):
        raise ConfigError(f"labels is {value!r}; it must be a list of pairs of a name and a number of documents")
    labels = tuple((check_text("labels", name, 1), check_whole("labels", count, 1)) for name, count in value)
    if [name for name, _ in labels] != sorted({name for name, _ in labels}):
        raise ConfigError("labels must be different names in ascending order")
    return labels


class Corpus(NamedTuple):
    """A text as ids.

    Attributes
    ----------
    ids : (N,) array of ids
        The text; that of documents begins and ends with the end symbol, which also stands between them.
    vocabulary : Vocabulary
        Its characters.
    facts : CorpusFacts
        What a model file records of it.
    remarks : tuple of str
        What reading changed.
    file_starts : (F,) array
        Position in `ids` at which each file begins.
    """

    ids: Array
    vocabulary: Vocabulary
    facts: CorpusFacts
    remarks: tuple[str, ...]
    file_starts: Array

    @property
    def document_lengths(self) -> Array:
        """Predictions in each document, (K,): its characters and the end symbol; none for a stream."""
        if self.vocabulary.end is None:
            return np.zeros(0, np.int64)
        spans = find_documents(self.ids, self.vocabulary.end)  # (K, 2)
        return np.asarray(spans[:, 1] - spans[:, 0] + 1)


class Remarks:
    """What reading changed in files: for each kind of change the files."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, None]] = {}

    def add(self, change: str, name: str) -> None:
        """Record a change of a file."""
        self._files.setdefault(change, {})[name] = None

    def list(self) -> tuple[str, ...]:
        """Return a sentence for each kind of change."""
        return tuple(f"{describe_names(list(names))}: {change}" for change, names in self._files.items())


def describe_names(names: Sequence[str]) -> str:
    """Return the names of files for a message: two of them, and the number of the others."""
    shown = [shorten(name) for name in names]
    if len(names) <= SHOWN_NAMES:
        return " and ".join(shown)
    others = len(names) - SHOWN_NAMES
    return f"{', '.join(shown[:SHOWN_NAMES])} and {others:,} other file{'s' * (others != 1)}"


class Reading:
    """What one reading of a text found; two readings of the same text are equal."""

    def __init__(self) -> None:
        self.characters = 0
        self.newlines = 0
        self.last = ""
        self._digest = sha256()

    def record(self, pieces: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """Yield the pieces of a text, each with the number of its file, and record them."""
        for number, text in pieces:
            self.characters += len(text)
            self.newlines += text.count("\n")
            self.last = text[-1]
            self._digest.update(text.encode("utf-8", "surrogatepass"))
            yield number, text

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the text in UTF-8."""
        return self._digest.hexdigest()


def read(
    paths: Sequence[str | os.PathLike[str]],
    encoding: str = "utf-8",
    documents: Documents = STREAM,
    known: Vocabulary | None = None,
) -> Corpus:
    """Read files as one text; a newline is added between files if the first does not end with one.

    The end of a file is also the end of a document.

    Parameters
    ----------
    paths
        One file or more; - is standard input.
    encoding
        Name of a text encoding.
    documents
        How the text is cut into documents.
    known
        Characters that the vocabulary contains whether or not they occur.

    Raises
    ------
    CorpusError
        If a file cannot be read or decoded, changes while it is read, or the text has fewer than two characters.
    """
    inputs, remarks = as_inputs(paths), Remarks()
    names = describe_names([file.name for file in inputs])
    seen = np.zeros(CODE_POINTS, bool)
    seen[ord(END)] = bool(documents)
    if known is not None:
        seen[known.code_points] = True
    first = Reading()
    length = len(documents.opening)
    starts = np.full(len(inputs), length)  # (F,)
    for number, text in _cut_files(first.record(read_files(inputs, encoding, remarks)), documents):
        seen[code_points_of(text)] = True
        starts[number + 1 :] += len(text)
        length += len(text)
    if first.characters < 2:
        verb, has = ("is", "has") if len(inputs) == 1 else ("are", "have")
        holds = f"{has} one character" if first.characters else f"{verb} empty"
        raise CorpusError(f"{names} {holds}; two characters or more are needed: one to read and one to predict")

    if documents and length < 2:
        raise CorpusError(f"{names} {'has' if len(inputs) == 1 else 'have'} no document; give a text with one or more")
    vocabulary = Vocabulary.of(np.flatnonzero(seen))
    ids = _allocate(length, vocabulary.id_type)  # (N,)
    second = Reading()
    start = len(documents.opening)
    try:
        for _, text in _cut_files(second.record(read_files(inputs, encoding, remarks)), documents):
            points, stop = code_points_of(text), start + len(text)
            if stop > length or not seen[points].all():
                break
            ids[start:stop] = vocabulary.encode_known(points)
            start = stop
    except CorpusError as error:
        raise CorpusError(f"{names} changed while the text was read: {error}") from error
    if second.sha256 != first.sha256:
        raise CorpusError(f"{names} changed while the text was read; train on a copy that no other program writes")
    ids[: len(documents.opening)] = vocabulary.end or 0
    facts = CorpusFacts(
        tuple(name_for_facts(file) for file in inputs),
        first.characters,
        first.newlines + (first.last != "\n"),
        first.sha256,
    )
    return Corpus(ids, vocabulary, facts, remarks.list(), starts)


def _cut_files(pieces: Iterable[tuple[int, str]], documents: Documents) -> Iterator[tuple[int, str]]:
    """Yield the text of files, each piece with the number of its file, cut into documents that end with their file."""
    for number, of_file in groupby(pieces, itemgetter(0)):
        for text in documents.parse_whole(text for _, text in of_file):
            yield number, text


def name_for_facts(file: Input) -> str:
    """Return the name of a file without its folder."""
    return file.name if str(file.path) == STANDARD_STREAM else file.path.name


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


def read_text(path: str | os.PathLike[str], encoding: str = "utf-8") -> str:
    """Return the text of a file, decoded as `read` decodes it.

    Raises
    ------
    CorpusError
        If the file cannot be read or decoded.
    """
    return "".join(read_blocks(path, encoding, Remarks()))


def read_files(paths: Sequence[str | os.PathLike[str]], encoding: str, remarks: Remarks) -> Iterator[tuple[int, str]]:
    """Yield the text of files in blocks that are not empty, each with the number of its file.

    An added newline belongs to the file that it ends. What reading changed is added to `remarks`.

    Raises
    ------
    CorpusError
        If a file cannot be read or decoded.
    """
    last, before = "\n", 0
    for number, path in enumerate(paths):
        for text in read_blocks(path, encoding, remarks):
            if END in text:
                raise CorpusError(
                    f"{shorten(as_input(path).name)} has the character U+{ord(END):04X}, which charlstm uses for the"
                    " end of a document; remove it"
                )
            if last != "\n" and number != before:
                yield before, "\n"
            last, before = text[-1], number
            yield number, text


def read_blocks(path: str | os.PathLike[str], encoding: str, remarks: Remarks) -> Iterator[str]:
    """Yield the text of a file in blocks that are not empty.

    Raises
    ------
    CorpusError
        If it cannot be read or decoded.
    """
    source = as_input(path)
    try:
        with source.open() as file:
            yield from decode(file, source.name, encoding, remarks)
    except OSError as error:
        raise CorpusError(f"cannot read {shorten(source.name)}: {error.strerror or error}") from error


def decode(file: BinaryIO, name: str, encoding: str, remarks: Remarks) -> Iterator[str]:
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
        Receives what decoding changed.

    Raises
    ------
    CorpusError
        If it cannot be decoded, or is recognised as something else than a text.
    """
    read_so_far = 0
    head = file.read(HEAD)
    check_is_text(head, name, encoding)
    marked = head.startswith(codecs.BOM_UTF8) and codecs.lookup(encoding).name == "utf-8"
    if marked:
        remarks.add("the byte order mark was removed", name)
    decoder = codecs.getincrementaldecoder("utf-8-sig" if marked else encoding)()
    newlines = io.IncrementalNewlineDecoder(decoder, translate=True)
    try:
        for data in _split(file, head):
            read_so_far += len(data)
            text = newlines.decode(data, final=not data)
            if text:
                yield text
    except UnicodeError as error:
        raise _decode_error(name, encoding, error, read_so_far, 0 in head) from error
    found = newlines.newlines
    if found is not None and found != "\n":
        remarks.add("line ends of another kind than \\n (such as CRLF) were read as newlines", name)


def _split(file: BinaryIO, head: bytes) -> Iterator[bytes]:
    """Yield the first bytes of a file and all others in blocks, then an empty block."""
    yield from (head[k : k + BLOCK] for k in range(0, len(head), BLOCK))
    while data := file.read(BLOCK):
        yield data
    yield b""


def check_is_text(head: bytes, name: str, encoding: str) -> None:
    """Refuse what is recognised by its first bytes as something else than a text in an encoding.

    Raises
    ------
    CorpusError
        If it is an archive, a document, an image, binary data, or text in UTF-16 or UTF-32 where another encoding is
        given.
    """
    if format_of(head):
        raise CorpusError(f"{shorten(name)} is a charlstm model or session, not a text; give a text file")
    if head[257:262] == b"ustar":
        raise CorpusError(f"{shorten(name)} is a tar archive, not a text; {UNPACK}")
    is_ascii = head.isascii() and 0 not in head
    for start, kind, advice in SIGNATURES:
        if head.startswith(start) and (not is_ascii or advice == EXPORT):
            raise CorpusError(f"{shorten(name)} is {kind}, not a text; {advice}")
    codec = codecs.lookup(encoding).name
    if codec.startswith(("utf-16", "utf-32")):
        return
    even, odd = head[::2].count(0), head[1::2].count(0)
    half, wide = len(head) // 2, ""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        wide = "utf-32"
    elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        wide = "utf-16"
    elif half >= SHORTEST_UTF_16 and max(even, odd) > half * 0.5 and min(even, odd) < half * 0.05:
        wide = "utf-16-le" if odd > even else "utf-16-be"
    if wide:
        raise CorpusError(
            f"{shorten(name)} is text in {wide.upper()[:6]}, not in {encoding}; give its encoding, {wide}"
        )
    if head.count(0) and not codec.startswith("utf"):
        raise CorpusError(
            f"{shorten(name)} contains NUL bytes, so it is binary data and not {encoding} text; give a text"
        )


def _decode_error(name: str, encoding: str, error: UnicodeError, read_so_far: int, binary: bool) -> CorpusError:
    where = ""
    if isinstance(error, UnicodeDecodeError):
        offset = read_so_far - len(error.object) + error.start
        where = f" at byte {offset:,} (0x{error.object[error.start]:02X})"
        if binary:
            return CorpusError(
                f"{shorten(name)} is binary data, not {encoding} text: it cannot be decoded{where}; give a text file"
            )
    return CorpusError(
        f"{shorten(name)} is not {encoding} text: it cannot be decoded{where}",
        python='give a text file, or its encoding, such as encoding="latin-1"',
        command="give a text file, or its encoding with --encoding (for example latin-1 or cp1252)",
    )
