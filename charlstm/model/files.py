"""Atomic writes: a reader of a file sees its old or its new content, never a part of one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from charlstm.base.errors import CharlstmError

try:
    import fcntl
except ImportError:  # a system without it trains without the lock
    fcntl = None  # type: ignore[assignment]


def check_target(path: Path) -> None:
    """Check, before any work, that a file can be written at a path.

    Raises
    ------
    CharlstmError
        If the path is a folder, or its folder does not exist or is not writable.
    """
    folder = path.parent
    if path.is_dir():
        raise CharlstmError(f"{path} is a folder; give the path of a file in it")
    if not folder.is_dir():
        raise CharlstmError(f"the folder {folder} of {path} does not exist; create it, or give another path")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CharlstmError(f"the folder {folder} of {path} is not writable; give a path in another one")


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Lock a path against other processes; the lock ends with this process, however that ends.

    Raises
    ------
    CharlstmError
        If another process has locked it.
    """
    if fcntl is None:
        yield
        return
    lock_file = path.with_name(f".{path.name}.lock")
    try:
        file = lock_file.open("w")
    except OSError as error:
        raise CharlstmError(f"cannot write next to {path}: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = os.path.samestat(os.fstat(file.fileno()), lock_file.stat())  # else its last owner has removed it
        except OSError:
            same = False
        if not same:
            raise CharlstmError(f"another training run is writing {path}; wait until it ends, or give another path")
        try:
            yield
        finally:
            lock_file.unlink(missing_ok=True)


def replace_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a temporary file next to the target, flush it to disk, and rename it to the target.

    Parameters
    ----------
    path
        The target; if it is a link, the file that it points to is replaced.
    write
        Writes the whole content into an open file.

    Raises
    ------
    CharlstmError
        If any of this fails; the target is then unchanged.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        try:
            with temporary.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _flush_folder(target.parent)
    except OSError as error:
        raise CharlstmError(f"cannot write {path}: {error.strerror or error}; its old content is unchanged") from error


def _flush_folder(folder: Path) -> None:
    """Make a rename durable, on systems that can open a folder."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def replace_with(path: Path, content: str | bytes) -> None:
    """Replace a file atomically by a text, in UTF-8, or by bytes.

    Raises
    ------
    CharlstmError
        As for `replace_atomically`.
    """
    written = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    replace_atomically(path, lambda file: file.write(written))
