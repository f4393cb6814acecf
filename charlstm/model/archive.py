"""Named arrays ↔ one `.npz` file: no pickle, equal bytes for equal arrays, and full verification on reading.

A file is an uncompressed zip archive of `.npy` members, which `numpy.load` alone can read. Its last member, `sha256`,
is the digest of the names, lengths and bytes of all other members.

Reading checks the CRC-32 of every member and compares the SHA-256 of all members with the stored digest. So a damaged
file either still gives the arrays that were saved, or raises one error.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from charlstm.base.errors import CharlstmError, CheckpointError
from charlstm.base.parameters import Array

DIGEST = "sha256"
EPOCH = (1980, 1, 1, 0, 0, 0)

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
        If the content is not what was written. A damaged file can raise any other exception; see `convert_errors`.
    """
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        if any(info.compress_type != zipfile.ZIP_STORED or not info.filename.endswith(".npy") for info in infos):
            raise CheckpointError("it is an archive of another program, or is damaged")
        members = {info.filename.removesuffix(".npy"): archive.read(info) for info in infos}
    if DIGEST not in members:
        raise CheckpointError("it is an archive of another program")
    digest = _array(members.pop(DIGEST)).tobytes()
    if digest != _digest({name: (member,) for name, member in members.items()}):
        raise CheckpointError("its content is damaged; create it again, or use a copy")
    return {name: _array(member) for name, member in members.items()}


def from_json(value: Mapping[str, Any]) -> Array:
    """Return a JSON object as an array of its UTF-8 bytes: a NumPy string would lose a NUL at its end."""
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def to_json(array: Array, form: str, versions: Collection[int], names: Collection[str]) -> dict[str, Any]:
    """Return the JSON object that `from_json` was given, after checking what it describes.

    Parameters
    ----------
    array
        UTF-8 bytes.
    form
        The required `format`.
    versions
        The allowed values of `version`.
    names
        All other keys of the object.

    Raises
    ------
    CheckpointError
        If the object is something else.
    """
    value = json.loads(array.tobytes().decode())
    if value["format"] != form:
        raise CheckpointError("it is a file of another program, or another kind of file")
    if value["version"] not in versions:
        raise CheckpointError(
            f"its format version is {value['version']} and this charlstm reads {' and '.join(map(str, versions))};"
            " install the charlstm that wrote it, or create it again"
        )
    odd = set(value) ^ {"format", "version", *names}
    if odd:
        raise CheckpointError(f"its metadata must not have, or lacks, the key {sorted(odd)[0]!r}")
    return dict(value)


@contextmanager
def convert_errors(path: Path, kind: str, otherwise: str, missing: str) -> Iterator[None]:
    """Convert every exception raised while a file is opened and read into one kind of error.

    Parameters
    ----------
    path
        The file.
    kind
        What the file should be, such as "model".
    otherwise, missing
        What the user can do if the file is something else; if there is no such file.

    Raises
    ------
    CheckpointError
        In place of any other exception.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no {kind} at {path}; {missing}") from error
    except OSError as error:
        raise CheckpointError(f"cannot read the {kind} {path}: {error.strerror or error}") from error
    except CharlstmError as error:
        raise CheckpointError(f"{path} is not a {kind} that this charlstm can use: {error}") from error
    except Exception as error:  # a damaged archive can raise nearly any exception
        raise CheckpointError(
            f"{path} is not a charlstm {kind}, or is damaged ({type(error).__name__}); {otherwise}"
        ) from error


def _npy(array: Array) -> Parts:
    """Return the header and the data of an `.npy` member."""
    header = io.BytesIO()
    whole = np.ascontiguousarray(array)
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(whole))
    return header.getvalue(), whole.reshape(-1).view(np.uint8).data


def _array(member: bytes) -> Array:
    return np.asarray(np.lib.format.read_array(io.BytesIO(member), allow_pickle=False))


def _digest(members: Mapping[str, Parts]) -> bytes:
    digest = hashlib.sha256()
    for name, parts in sorted(members.items()):
        digest.update(f"{name} {sum(map(len, parts))}\n".encode())
        for part in parts:
            digest.update(part)
    return digest.digest()
