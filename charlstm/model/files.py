"""Writing files so that a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from charlstm.errors import CharlstmError

try:
    import fcntl
except ImportError:  # a system without it goes without the check
    fcntl = None  # type: ignore[assignment]


def check_target(path: Path) -> None:
    """Find out, before any work is done for it, whether a file could be written there.

    Raises
    ------
    CharlstmError
        If the path is a folder, or its folder does not exist or may not be written to.
    """
    folder = path.parent
    if path.is_dir():
        raise CharlstmError(f"{path} is a folder; give the path of a file in it")
    if not folder.is_dir():
        raise CharlstmError(f"the folder {folder} of {path} does not exist; make it first, or give another path")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CharlstmError(f"the folder {folder} may not be written to; give a path in another one")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep other processes from holding the same path; however this one ends, it lets go.

    Raises
    ------
    CharlstmError
        If another process holds it.
    """
    if fcntl is None:
        yield
        return
    mark = path.with_name(f".{path.name}.lock")
    try:
        file = mark.open("w")
    except OSError as error:
        raise CharlstmError(f"cannot write beside {path}: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = os.path.samestat(os.fstat(file.fileno()), mark.stat())  # else its last holder has just removed it
        except OSError:
            same = False
        if not same:
            raise CharlstmError(f"another training is writing {path}; wait for it, or give another path")
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)


def replace_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its target, flush it to disk, and rename it over the target.

    Parameters
    ----------
    path
        The target; where it is a link, the file that it leads to is replaced.
    write
        Writes the whole new content into a file that is open for it.

    Raises
    ------
    CharlstmError
        If a step fails; the target is then as it was.
    """
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        try:
            with beside.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        _flush_folder(target.parent)
    except OSError as error:
        raise CharlstmError(f"cannot write {path}: {error.strerror or error}; what stood there is unchanged") from error


def _flush_folder(folder: Path) -> None:
    """Make a rename durable; systems that cannot open a folder do without."""
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
    """Replace a file by a text, in UTF-8, or by bytes.

    Raises
    ------
    CharlstmError
        As for `replace_atomically`.
    """
    written = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    replace_atomically(path, lambda file: file.write(written))
