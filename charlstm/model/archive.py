"""Named arrays ↔ one `.npz` file: no pickle, equal bytes for equal arrays, and full verification on reading.

A file is an uncompressed zip archive of `.npy` members, which `numpy.load` alone can read. Its last member, `sha256`,
is the digest of the names, lengths and bytes of all other members.

Reading trusts no number of the file: members follow one another from its first byte, so that together they are no
larger than the file, and an array has as many numbers as its member has bytes for. So a damaged file either still gives
the arrays that were saved, or raises one error, and reading needs no more memory than the file has bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import struct
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from os import PathLike
from typing import Any, BinaryIO

import numpy as np

from charlstm.base.errors import CharlstmError, CheckpointError, shorten
from charlstm.base.files import ARCHIVE_START
from charlstm.base.inputs import BLOCK, Input, as_input
from charlstm.base.parameters import Array

DIGEST = "sha256"
EPOCH = (1980, 1, 1, 0, 0, 0)
LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # start, version, flags, method, time, date, CRC, two sizes, two lengths
DIRECTORY_START, DIRECTORY_END = b"PK\x01\x02", b"PK\x05\x06"
DIRECTORY_END_SIZE = 22
STORED, UTF_8_NAME, LARGE_SIZES = 0, 0x800, 0xFFFFFFFF
METADATA = b"metadata.npy"
MOST_MEMBERS = 20_000
MOST_METADATA = 1 << 24  # bytes
MOST_HEADER = 1 << 17  # bytes of the headers of a member
MOST_VALUES = 1_200_000  # a vocabulary of all of Unicode, and some more
NPY_START = struct.Struct("<6s2BH")  # start, two parts of the version, length of the header
NPY_HEADER = re.compile(rb"\{'descr': '([<>|][biuf]\d+)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\), \}\s*")

Parts = tuple[bytes | memoryview, ...]


def write(arrays: Mapping[str, Array], file: BinaryIO) -> None:
    """Write an archive of arrays without copying them."""
    members = {name: _npy(array) for name, array in arrays.items()}
    members[DIGEST] = _npy(np.frombuffer(_digest(members), np.uint8))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, parts in members.items():
            info = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            info.file_size = sum(map(len, parts))
            with archive.open(info, "w") as member:
                for part in parts:
                    member.write(part)


def read(file: BinaryIO) -> dict[str, Array]:
    """Return the arrays that `write` was given.

    Raises
    ------
    CheckpointError
        If the content is not what was written. A damaged file can raise any other exception; see `open_archive`.
    """
    members: dict[str, tuple[Array, int]] = {}
    for name, content in _read_members(file):
        if name in members or not name.endswith(".npy"):
            raise CheckpointError("it is an archive of another program, or is damaged")
        members[name] = content, _data_start(content)
    named = {name.removesuffix(".npy"): member for name, member in members.items()}
    if DIGEST not in named:
        raise CheckpointError("it is an archive of another program")
    digest = _to_array(*named.pop(DIGEST)).tobytes()
    if digest != _digest({name: (content.data,) for name, (content, _) in named.items()}):
        raise CheckpointError("its content is damaged; create it again, or use a copy")
    return {name: _to_array(*member) for name, member in named.items()}


def read_first(file: BinaryIO) -> tuple[str, Array]:
    """Return the name and the array of the first member, without reading the others and without checking the digest.

    Raises
    ------
    CheckpointError
        As for `read`.
    """
    for name, content in _read_members(file):
        return name.removesuffix(".npy"), _to_array(content, _data_start(content))
    raise CheckpointError("it is an archive without members")


def _read_members(file: BinaryIO) -> Iterator[tuple[str, Array]]:
    """Yield name and content of the members of an archive, as uint8 arrays; together they are smaller than the file.

    The format is that of the ZIP specification (PKWARE, APPNOTE.TXT, sections 4.3.7 and 4.5.3), without compression.
    """
    begin = file.tell()
    size = file.seek(0, io.SEEK_END) - begin
    file.seek(begin)
    if not size:
        raise CheckpointError("it is empty")
    if file.read(len(ARCHIVE_START)) != ARCHIVE_START:
        raise CheckpointError("it is another kind of file; give another one")
    file.seek(begin + max(size - DIRECTORY_END_SIZE, 0))
    if not file.read().startswith(DIRECTORY_END):
        raise CheckpointError("it is an archive of another program, or its end is missing")
    file.seek(begin)
    for _ in range(MOST_MEMBERS):
        header = file.read(LOCAL_HEADER.size)
        if header.startswith(DIRECTORY_START):
            return
        start, _, flags, method, _, _, _, stored, length, name_length, extra_length = LOCAL_HEADER.unpack(header)
        name, extra = file.read(name_length), file.read(extra_length)
        if start != ARCHIVE_START or method != STORED or flags & ~UTF_8_NAME:
            raise CheckpointError("it is an archive of another program, or is damaged")
        if stored == length == LARGE_SIZES:  # the sizes follow in the extra field
            length, stored = struct.unpack_from("<2Q", extra, 4)
        if stored != length or length > begin + size - file.tell():
            raise CheckpointError("it is damaged: its members are larger than the file; use a copy")
        content = np.empty(length, np.uint8)
        if file.readinto(content.data) != length:  # type: ignore[attr-defined]
            raise CheckpointError("it is damaged: its end is missing; use a copy")
        yield name.decode(), content
    raise CheckpointError(f"it has more than {MOST_MEMBERS:,} arrays; it is an archive of another program")


def from_json(value: Mapping[str, Any]) -> Array:
    """Return a JSON object as an array of its UTF-8 bytes: a NumPy string would lose a NUL at its end.

    Raises
    ------
    CharlstmError
        If it is larger than `to_json` reads.
    """
    encoded = json.dumps(value).encode()
    if _is_too_large(encoded):
        raise CharlstmError(
            f"a file cannot hold this much text and this number of names: at most {MOST_METADATA:,} bytes"
        )
    return np.frombuffer(encoded, np.uint8)


def read_json(array: Array) -> dict[str, Any]:
    """Return the JSON object of an array of its UTF-8 bytes, before any check of its content.

    Raises
    ------
    CheckpointError
        If it would need far more memory than the array.
    """
    encoded = array.tobytes()
    if _is_too_large(encoded):
        raise CheckpointError("its metadata is too large; create it again, or use a copy")
    value = json.loads(encoded)
    if not isinstance(value, dict):
        raise CheckpointError("its metadata is not a JSON object")
    return value


def _is_too_large(encoded: bytes) -> bool:
    """Return whether a JSON object could need more than about a hundred megabytes as Python objects."""
    return len(encoded) > MOST_METADATA or sum(map(encoded.count, (b",", b"[", b"{"))) > MOST_VALUES


def to_json(array: Array, form: str, keys: Mapping[int, Collection[str]]) -> dict[str, Any]:
    """Return the JSON object that `from_json` was given, after checking what it describes.

    Parameters
    ----------
    array
        UTF-8 bytes.
    form
        The required `format`.
    keys
        Each allowed value of `version` → all other keys of the object.

    Raises
    ------
    CheckpointError
        If the object is something else.
    """
    value = read_json(array)
    if value["format"] != form:
        raise CheckpointError("it is a file of another program, or another kind of file")
    if value["version"] not in keys:
        raise CheckpointError(
            f"its format version is {shorten(value['version'])} and this charlstm reads"
            f" {' and '.join(map(str, keys))}; install the charlstm that wrote it, or create it again"
        )
    odd = set(value) ^ {"format", "version", *keys[value["version"]]}
    if odd:
        raise CheckpointError(f"its metadata must not have, or lacks, the key {shorten(repr(sorted(odd)[0]))}")
    return value


@contextmanager
def open_archive(
    path: str | PathLike[str] | Input,
    kind: str,
    otherwise: str,
    missing: Callable[[], Mapping[str, str]],
    largest: Callable[[Array], int] | None = None,
) -> Iterator[BinaryIO]:
    """Open a file that holds an archive; convert every exception raised while it is read into one kind of error.

    Parameters
    ----------
    path
        The file.
    kind
        What the file should be, such as "model".
    otherwise
        What the user can do if the file is something else.
    missing
        Returns what the user can do if there is no such file, as the arguments of `CharlstmError`.
    largest
        Returns how many bytes an archive with a given member `metadata` has at most. A pipe is not read any further.
        None: a pipe is refused.

    Raises
    ------
    CheckpointError
        In place of any other exception.
    """
    source = as_input(path)
    name = shorten(source.name)
    try:
        with source.open(None if largest is None else partial(_copy_pipe, largest)) as file:
            yield file
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no {kind} at {name}", **missing()) from error
    except OSError as error:
        raise CheckpointError(f"cannot read the {kind} {name}: {error.strerror or error}") from error
    except CharlstmError as error:
        end = "" if ";" in str(error) else f"; {otherwise}"
        raise CheckpointError(f"{name} is not a {kind} that this charlstm can use: {error}{end}") from error
    except Exception as error:  # a damaged archive can raise nearly any exception
        raise CheckpointError(
            f"{name} is not a charlstm {kind}, or is damaged ({type(error).__name__}); {otherwise}"
        ) from error


def _copy_pipe(largest: Callable[[Array], int], pipe: BinaryIO, copy: BinaryIO) -> None:
    """Copy an archive from a pipe, but no more than its metadata, which come first, allow; of anything else the start.

    Raises
    ------
    CheckpointError
        If it is longer.
    """
    start = pipe.read(LOCAL_HEADER.size)
    if start.startswith(ARCHIVE_START) and len(start) == LOCAL_HEADER.size:
        *_, length, name_length, extra_length = LOCAL_HEADER.unpack(start)
        start += pipe.read(name_length + extra_length)
        if not start.startswith(METADATA, LOCAL_HEADER.size) or length > MOST_METADATA + MOST_HEADER:
            raise CheckpointError("it is an archive of another program, or is damaged")
        content = np.frombuffer(pipe.read(length), np.uint8)
        start += content.tobytes()
        most = largest(_to_array(content, _data_start(content)))
        left = most - len(start)
        while block := pipe.read(min(max(left, 0) + 1, BLOCK)):
            left -= len(block)
            if left < 0:
                raise CheckpointError(f"it is longer than the {most:,} bytes that its settings allow; use a copy")
            copy.write(start + block)
            start = b""
    copy.write(start)


def _npy(array: Array) -> Parts:
    """Return the header and the data of an `.npy` member."""
    header = io.BytesIO()
    whole = np.ascontiguousarray(array)
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(whole))
    return header.getvalue(), whole.reshape(-1).view(np.uint8).data


def _data_start(content: Array) -> int:
    """Return where the data of an `.npy` member starts: after 10 bytes and a header of up to 64 kB."""
    start, major, minor, length = NPY_START.unpack(content[: NPY_START.size].tobytes())
    if (start, major, minor) != (np.lib.format.MAGIC_PREFIX, 1, 0):
        raise CheckpointError("it is an archive of another program, or is damaged")
    return NPY_START.size + int(length)


def _to_array(content: Array, start: int) -> Array:
    """Return the array of an `.npy` member as a view of its content."""
    header = NPY_HEADER.fullmatch(content[NPY_START.size : start].tobytes())
    if header is None:
        raise CheckpointError("it is damaged: an array does not consist of numbers")
    dtype, shape = np.dtype(header[1].decode()), [int(size) for size in header[3].split(b",") if size.strip()]
    data = content[start:]
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise CheckpointError("it is damaged: an array has another number of bytes than its shape requires")
    numbers = data.view(dtype) if len(data) else np.empty(0, dtype)
    return numbers.reshape(shape[::-1]).T if header[2] == b"True" else numbers.reshape(shape)


def _digest(members: Mapping[str, Parts]) -> bytes:
    digest = hashlib.sha256()
    for name, parts in sorted(members.items()):
        digest.update(f"{name} {sum(map(len, parts))}\n".encode())
        for part in parts:
            digest.update(part)
    return digest.digest()
