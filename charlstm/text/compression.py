"""Compressed texts: gzip, bzip2 and xz, recognised by their first bytes and decompressed in blocks.

An archive is read to its end with all of its checksums. Its text may be at most 64 GiB; beyond 1 GiB it may be at most
500 times as long as the archive. So an archive that was made to fill the memory or the disk ends with an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

from charlstm.base.errors import CorpusError, shorten

BLOCK = 1 << 20
READ_BLOCK = 1 << 16
LARGEST_TEXT = 1 << 36
FREE_TEXT = 1 << 30  # up to here, the ratio does not matter
LARGEST_RATIO = 500
XZ_MEMORY = 1 << 30
LONGEST_START = 10


class Decompressor(Protocol):
    """What the decompressors of `bz2` and `lzma` have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end of the compressed stream was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether more compressed data are needed before there are more decompressed data."""

    @property
    def unused_data(self) -> bytes:
        """What follows the end of the compressed stream."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most a number of decompressed bytes."""


class GzipDecompressor:
    """A decompressor of one member of a gzip archive."""

    def __init__(self) -> None:
        import zlib  # most texts are not compressed

        self._member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        """Whether the end of the member was reached, and its checksum is right."""
        return self._member.eof

    @property
    def needs_input(self) -> bool:
        """Whether all data that were given have been used."""
        return not self._member.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What follows the member."""
        return self._member.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most a number of decompressed bytes."""
        return self._member.decompress(self._member.unconsumed_tail + data, max_length)


def _build_bzip2() -> Decompressor:
    import bz2  # most texts are not compressed

    return bz2.BZ2Decompressor()


def _build_xz() -> Decompressor:
    import lzma  # most texts are not compressed

    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


class Compression(NamedTuple):
    """A format of compressed files.

    Attributes
    ----------
    name : str
        What messages call a file.
    start : re.Pattern
        Matches the first bytes of a file.
    build : callable
        Returns a decompressor of one stream; a file has one stream or several.
    """

    name: str
    start: re.Pattern[bytes]
    build: Callable[[], Decompressor]


FORMATS = (
    Compression("gzip archive", re.compile(rb"\x1f\x8b"), GzipDecompressor),
    Compression("bzip2 archive", re.compile(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)", re.DOTALL), _build_bzip2),
    Compression("xz archive", re.compile(rb"\xfd7zXZ\x00"), _build_xz),
)


def find_compression(head: bytes) -> Compression | None:
    """Return the format of a compressed file by its first bytes; None for any other file."""
    return next((each for each in FORMATS if each.start.match(head)), None)


def decompress(blocks: Iterable[bytes], form: Compression, name: str) -> Iterator[bytes]:
    """Yield the decompressed content of a file in blocks that are not empty and at most `BLOCK` bytes long.

    Parameters
    ----------
    blocks
        The content of the file; none of them empty.
    form
        Its format.
    name
        What errors call the file.

    Raises
    ------
    CorpusError
        If it is damaged, ends too early, or its content is too large.
    """
    source = _Source(blocks)
    what, done = f"{shorten(name)} is a {form.name}", 0
    while True:
        stream = form.build()
        while not stream.eof:
            data = source.take() if stream.needs_input else b""
            is_over = stream.needs_input and not data
            try:
                text = stream.decompress(data, BLOCK)
            except MemoryError:
                raise
            except Exception as error:  # each library has errors of its own: OSError, zlib.error, LZMAError
                raise CorpusError(
                    f"{what} that is damaged: it cannot be decompressed after byte {done:,} of its content; give an"
                    " undamaged copy"
                ) from error
            if is_over and not text and not stream.eof:
                raise CorpusError(
                    f"{what} that is cut off: its end is missing after byte {done:,} of its content; give a complete"
                    " copy"
                )
            done += len(text)
            if done > min(LARGEST_TEXT, max(FREE_TEXT, LARGEST_RATIO * source.used)):
                raise CorpusError(
                    f"{what} of {source.used:,} bytes with more than {done - len(text):,} bytes of content, which is"
                    " too much for a text; decompress it, and give a part of it"
                )
            if text:
                yield text
        source.put_back(stream.unused_data)
        rest = source.take_after_padding()
        if not rest:
            return
        if not form.start.match(rest):
            raise CorpusError(f"{what} with other data after its end; give an undamaged copy")
        source.put_back(rest)


class _Source:
    """The compressed data, which can be put back.

    Attributes
    ----------
    used : int
        Number of bytes taken and not put back.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._held = b""
        self.used = 0

    def take(self) -> bytes:
        """Return the next bytes; none at the end."""
        data, self._held = self._held or next(self._blocks, b""), b""
        self.used += len(data)
        return data

    def put_back(self, data: bytes) -> None:
        """Let the next call of `take` return these bytes."""
        self._held = data + self._held
        self.used -= len(data)

    def take_after_padding(self) -> bytes:
        """Return the next bytes without the zeros before them, enough to recognise a format; none at the end."""
        rest = b""
        while len(rest) < LONGEST_START and (data := self.take()):
            rest = (rest + data).lstrip(b"\0")
        return rest
