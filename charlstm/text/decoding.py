"""From bytes to characters: a file is read in blocks, decompressed if it is compressed, and decoded.

Line ends of any kind become newlines, and a byte order mark is removed. A remark reports both. What is recognised as
something else than a text is refused.
"""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import BinaryIO

from charlstm.base.errors import CorpusError, shorten
from charlstm.base.files import ARCHIVE_START, format_of
from charlstm.base.inputs import Input, as_input
from charlstm.text.compression import decompress, find_compression
from charlstm.text.remarks import Remarks

BLOCK = 1 << 20
HEAD = 4096  # bytes by which something else than a text is recognised
SHORTEST_UTF_16 = 8
UNPACK, EXPORT = "unpack it, and give the text file", "save it as plain text, and give that file"
LINE_ENDS = "line ends of another kind than \\n (such as CRLF) were read as newlines"
SIGNATURES = (
    (ARCHIVE_START, "a zip archive or a document that is one, such as .docx or .epub", EXPORT),
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


class NotTextError(CorpusError):
    """A file is recognised by its first bytes as something else than a text."""


def read_text(path: str | os.PathLike[str], encoding: str = "utf-8") -> str:
    """Return the text of a file, decoded as a corpus is.

    Raises
    ------
    CorpusError
        If the file cannot be read or decoded.
    """
    source = as_input(path)
    with open_input(source) as file:
        return "".join(decode(file, source.name, encoding, Remarks()))


@contextmanager
def open_input(source: Input) -> Iterator[BinaryIO]:
    """Open an input at its beginning, and close it at the end.

    Raises
    ------
    CorpusError
        If it cannot be opened or read.
    """
    try:
        with source.open() as file:
            yield file
    except OSError as error:
        raise CorpusError(f"cannot read {shorten(source.name)}: {error.strerror or error}") from error


def is_text(source: Input, encoding: str) -> bool:
    """Return whether a file is not recognised by its first bytes as something else than a text.

    A file that cannot be read counts as a text: the error is for whoever reads it.
    """
    try:
        with open_input(source) as file:
            head, _ = _read_head(file, source.name)
            check_is_text(head, source.name, encoding)
            try:
                codecs.getincrementaldecoder(encoding)().decode(head)
            except UnicodeError:
                return 0 not in head
    except NotTextError:
        return False
    except CorpusError:
        return True
    return True


def decode(file: BinaryIO, name: str, encoding: str, remarks: Remarks, translate: bool = True) -> Iterator[str]:
    """Yield the text of an open binary file in blocks that are not empty; a compressed file is decompressed.

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
    translate
        True: line ends become newlines. False: they stay as they are, and no block ends within one.

    Raises
    ------
    CorpusError
        If it cannot be decompressed or decoded, or is recognised as something else than a text.
    """
    read_so_far = 0
    head, rest = _read_head(file, name)
    check_is_text(head, name, encoding)
    marked = head.startswith(codecs.BOM_UTF8) and codecs.lookup(encoding).name == "utf-8"
    if marked:
        remarks.add("the byte order mark was removed", name)
    decoder = codecs.getincrementaldecoder("utf-8-sig" if marked else encoding)()
    newlines = io.IncrementalNewlineDecoder(decoder, translate=translate)
    first = (head[k : k + BLOCK] for k in range(0, len(head), BLOCK))
    try:
        for data in chain(first, rest, (b"",)):
            read_so_far += len(data)
            text = newlines.decode(data, final=not data)
            if text:
                yield text
    except UnicodeError as error:
        raise _decode_error(name, encoding, error, read_so_far, 0 in head) from error
    found = newlines.newlines
    if translate and found is not None and found != "\n":
        remarks.add(LINE_ENDS, name)


def _read_head(file: BinaryIO, name: str) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes of a file, decompressed if it is compressed, and all others in blocks.

    The first bytes are `HEAD` or more, if the file has as many.
    """
    start = file.read(HEAD)
    rest = iter(lambda: file.read(BLOCK), b"")
    form = find_compression(start)
    if form is None:
        return start, rest
    blocks = decompress(chain((start,), rest), form, name)
    head = b""
    while len(head) < HEAD and (block := next(blocks, b"")):
        head += block
    return head, blocks


def check_is_text(head: bytes, name: str, encoding: str) -> None:
    """Refuse what is recognised by its first bytes as something else than a text in an encoding.

    Raises
    ------
    NotTextError
        If it is an archive, a document, an image, or binary data.
    CorpusError
        If it is text in UTF-16 or UTF-32 where another encoding is given.
    """
    if format_of(head):
        raise NotTextError(f"{shorten(name)} is a charlstm model or session, not a text; give a text file")
    if head[257:262] == b"ustar":
        raise NotTextError(
            f"{shorten(name)} is a tar archive, not a text; unpack it, and give its folder or a text file"
        )
    if find_compression(head):
        raise NotTextError(f"{shorten(name)} is compressed twice, so it is not read as a text; {UNPACK}")
    is_ascii = head.isascii() and 0 not in head
    for start, kind, advice in SIGNATURES:
        if head.startswith(start) and (not is_ascii or advice == EXPORT):
            raise NotTextError(f"{shorten(name)} is {kind}, not a text; {advice}")
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
        raise NotTextError(
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
