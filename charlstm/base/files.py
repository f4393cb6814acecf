"""How files are written: whole or not at all, never over an input, never over a model by accident.

`Files` checks every path of a call before any work is done for it. `write_file` writes one file, and `lock` keeps other
processes from it. `charlstm.base.inputs` has the counterpart for reading.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from charlstm.base.errors import CharlstmError, ConfigError, shorten

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

STANDARD_STREAM = "-"
DESCRIPTOR = re.compile(r"/dev/(stdin|stdout|stderr)|/(?:dev|proc/self)/fd/(\d+)")
STREAMS = {"stdin": 0, "stdout": 1, "stderr": 2}
# What a file system answers where a file cannot be flushed to a disk, and where another process holds a lock.
UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EROFS}
LOCKED = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}
PERMISSIONS = 0o777
ARCHIVE_START = b"PK\x03\x04"
FORMAT = re.compile(rb'\{"format": "(charlstm[ \w]*)"')
HEAD = 4096


class Files:
    """The files that one call reads and writes.

    Two paths are one file if they lead to the same place: by another spelling, a hard link or a symbolic link.

    Parameters
    ----------
    force
        How the user allows the replacement of files: "--force" on the command line, "force=True" in Python.

    Examples
    --------
    >>> files = Files()
    >>> files.add_input("corpus.txt").name
    'corpus.txt'
    >>> files.add_output("./corpus.txt")
    Traceback (most recent call last):
    charlstm.ConfigError: corpus.txt is an input, so it is not replaced; give another name for the output
    """

    def __init__(self, force: str = "force=True") -> None:
        self._force = force
        self._inputs: set[object] = set()
        self._folders: list[Path] = []
        self._outputs: set[object] = set()

    def add_input(self, path: str | os.PathLike[str]) -> Path:
        """Record a file or a folder that the call reads, and return its path.

        Raises
        ------
        ConfigError
            If it is an output of the same call, or is not the name of a file.
        """
        where = as_path(path)
        found = identities(where)
        if found & self._outputs:
            raise ConfigError(f"{shorten(where)} is an input, so it is not replaced; give another name for the output")
        self._inputs |= found
        if descriptor_of(where) is None and os.path.isdir(where):  # noqa: PTH112  # False where a name is too long
            self._folders.append(where)
        return where

    def add_output(self, path: str | os.PathLike[str], *, model: bool = False, replace: bool = False) -> Path:
        """Check a file that the call writes, and return its path.

        Parameters
        ----------
        path
            The file.
        model
            True: a model, run file or session. It is written several times, so it must be a regular file, and an
            existing file of any kind is replaced only with `replace`. False: an existing file is replaced unless it is
            a model, run file or session.
        replace
            True: the user allows any replacement, except that of an input.

        Raises
        ------
        ConfigError
            If it is an input or another output of the call, is not the name of a file, must not be replaced, or is a
            text in a folder that the call reads.
        CharlstmError
            If no file can be written there.
        """
        where = as_path(path)
        found = identities(where, writing=True)
        if found & self._inputs:
            raise ConfigError(f"{shorten(where)} is an input, so it is not replaced; give another name for the output")
        if found & self._outputs:
            raise ConfigError(f"{shorten(where)} is the path of two outputs; give them different names")
        for folder in self._folders if descriptor_of(where) is None else ():
            if not model and Path(os.path.realpath(folder)) in Path(os.path.realpath(where)).parents:
                raise ConfigError(
                    f"{shorten(where)} is in the input folder {shorten(folder)}, so it would be read as one of its"
                    " texts; give a path outside of this folder"
                )
            if where.is_file() and not charlstm_format(where) and contains_file(folder, where):
                raise ConfigError(
                    f"{shorten(where)} is a file of the input folder {shorten(folder)}, so it is not replaced; give"
                    " another name for the output"
                )
        check_target(where)
        if model:
            check_is_regular(where)
        if not replace and where.exists() and (model or charlstm_format(where)):
            state = "exists already" if model else "is a charlstm model or session"
            raise ConfigError(f"{shorten(where)} {state}; give another name, or replace it with {self._force}")
        self._outputs |= found
        return where


def as_path(path: str | os.PathLike[str]) -> Path:
    """Return a path as `Path`.

    Raises
    ------
    ConfigError
        If it is not a string or a path, is empty, or contains a NUL.
    """
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise ConfigError(f"{shorten(repr(path))} is not a path; give a str or an os.PathLike")
    name = os.fspath(path)
    if not name or "\0" in name or not _is_encodable(name):
        raise ConfigError(f"{shorten(repr(name))} is not the name of a file; give one or more characters without NUL")
    return Path(path)


def _is_encodable(name: str) -> bool:
    """Return whether the system can have a file of this name: a lone surrogate has no encoding."""
    try:
        return bool(os.fsencode(name))
    except UnicodeEncodeError:
        return False


def descriptor_of(path: Path, writing: bool = False) -> int | None:
    """Return the open file of this process that a path such as /dev/stdout means; None for any other path.

    The path - is standard input for reading and standard output for writing.
    """
    if str(path) == STANDARD_STREAM:
        return 1 if writing else 0
    match = DESCRIPTOR.fullmatch(str(path))
    if match is None:
        return None
    return STREAMS[match[1]] if match[1] else int(match[2])


def identities(path: Path, writing: bool = False) -> set[object]:
    """Return what identifies a file: where its path leads, and its device and inode. A device has none: /dev/null."""
    descriptor = descriptor_of(path, writing)
    try:
        status = path.stat() if descriptor is None else os.fstat(descriptor)
    except (OSError, OverflowError):
        name = os.path.normcase(os.path.realpath(path))
        return {name.casefold() if _ignores_case(Path(name).parent) else name}
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        return set()
    numbers = (status.st_dev, status.st_ino)
    return {numbers} if descriptor is not None else {numbers, os.path.normcase(os.path.realpath(path))}


def _ignores_case(folder: Path) -> bool:
    """Return whether A.txt and a.txt are one file in a folder, as usual on Windows and macOS."""
    try:
        return str(folder) != str(folder).swapcase() and os.path.samefile(folder, str(folder).swapcase())  # noqa: PTH121
    except (OSError, ValueError):
        return False


def contains_file(folder: Path, path: Path) -> bool:
    """Return whether a file is in a folder or in a folder below it, under any name."""
    wanted = path.stat()
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                if os.path.samestat(Path(where, name).stat(), wanted):
                    return True
    return False


def kind_of(mode: int) -> str:
    """Return what a file with this mode is, such as "a folder" or "a pipe"."""
    kinds = (
        (stat.S_ISREG, "a regular file"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISLNK, "a link"),
    )
    return next((name for is_kind, name in kinds if is_kind(mode)), "not a regular file")


def charlstm_format(path: Path) -> str:
    """Return the format of a file of charlstm: "charlstm" for a model or run file, "charlstm session"; else ""."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return format_of(file.read(HEAD))
    except OSError:
        return ""


def format_of(head: bytes) -> str:
    """Return the format of a file by its first bytes; "" if it is not a file of charlstm."""
    match = FORMAT.search(head) if head.startswith(ARCHIVE_START) else None
    return match[1].decode() if match else ""


def check_is_regular(path: Path) -> None:
    """Raise ConfigError if there is something else than a regular file at a path, such as a device or a pipe."""
    if descriptor_of(path) is not None or (path.exists() and not path.is_file()):
        kind = kind_of(path.stat().st_mode) if path.exists() else "a stream"
        kind = "a stream" if kind == "a regular file" else kind
        raise ConfigError(f"{shorten(path)} is {kind}, and a regular file is needed; give another name")


def check_target(path: Path) -> None:
    """Check, before any work is done for it, that a file can be written at a path.

    Raises
    ------
    CharlstmError
        If the path is a folder or a write-protected file, its folder does not exist or is not writable, or its name is
        too long.
    """
    if descriptor_of(path) is not None:
        return
    try:
        with suppress(FileNotFoundError):
            path.stat()  # a name that is too long and a loop of links are errors here
        folder = Path(os.path.realpath(path)).parent if path.is_symlink() else path.parent
        if path.is_dir():
            raise CharlstmError(f"{shorten(path)} is a folder; give the path of a file in it")
        if path.is_file() and not os.access(path, os.W_OK):
            raise CharlstmError(
                f"{shorten(path)} is write-protected; give another path, or change the permissions of the file"
            )
        if not folder.is_dir():
            raise CharlstmError(
                f"the folder {shorten(folder)} of {shorten(path)} does not exist; create it, or give another path"
            )
        if not os.access(folder, os.W_OK | os.X_OK) and (path.is_file() or not path.exists()):
            raise CharlstmError(
                f"the folder {shorten(folder)} of {shorten(path)} is not writable; give a path in another one"
            )
    except OSError as error:
        raise CharlstmError(f"cannot write {shorten(path)}: {error.strerror or error}; give another name") from error


def write_file(path: Path, write: Callable[[BinaryIO], object], removed: os.stat_result | None = None) -> None:
    """Write a file. A regular file is replaced whole or not at all; into a device or a pipe the content is written.

    The new file has the permissions of the old one and, where the system allows it, its owner. A symbolic link stays,
    and the file that it leads to is replaced.

    Parameters
    ----------
    path
        The file.
    write
        Writes the whole content into an open file.
    removed
        A new file gets the permissions and the owner of this earlier one.

    Raises
    ------
    CharlstmError
        If a step fails; a regular file is then unchanged.
    """
    target = Path(os.path.realpath(path))
    descriptor = descriptor_of(path, writing=True)
    end = ""
    try:
        if descriptor is not None or (target.exists() and not target.is_file()):
            with os.fdopen(os.dup(descriptor), "wb") if descriptor is not None else target.open("wb") as stream:
                write(stream)
            return
        end = "; its old content is unchanged" if target.exists() else ""
        with _temporary_file(target) as (file, temporary):
            write(file)
            file.flush()
            _flush_to_disk(file.fileno())
            _copy_permissions(target, file.fileno(), removed)
            file.close()
            temporary.replace(target)
        with suppress(OSError):  # makes the replacement durable, on systems that can open a folder
            handle = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CharlstmError(f"cannot write {shorten(path)}: {error.strerror or error}{end}") from error


def write_output(path: str | os.PathLike[str], write: Callable[[BinaryIO], object], force: bool = False) -> None:
    """Write an output of a Python program; see `write_file`.

    Parameters
    ----------
    path
        The file.
    write
        Writes the whole content into an open file.
    force
        True: it may replace a model, run file or session.

    Raises
    ------
    ConfigError
        If it would replace a model, run file or session and `force` is False.
    CharlstmError
        As for `write_file`.
    """
    write_file(Files().add_output(path, replace=force), write)


@contextmanager
def _temporary_file(target: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Yield a new file beside a target, and its name; remove it at the end unless it was renamed.

    The file is created exclusively, so that no link is followed. Its name is chosen before it is created, so that it is
    removed although a signal comes at once.
    """
    name = target.parent / f".{target.name[:40]}.{os.urandom(8).hex()}.tmp"
    with exit_at_signals():
        try:
            with os.fdopen(create(name), "wb") as file:
                yield file, name
        finally:
            with suppress(OSError):
                name.unlink()


def create(name: Path) -> int:
    """Create a file that only its owner may read; return its handle."""
    return os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)


@contextmanager
def exit_at_signals() -> Iterator[None]:
    """Let a signal that would end the process at once raise SystemExit instead, so that files are cleaned up."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = (name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
    fatal = [number for name in names if signal.getsignal(number := getattr(signal, name)) is signal.SIG_DFL]
    for number in fatal:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in fatal:
            signal.signal(number, signal.SIG_DFL)


def _copy_permissions(target: Path, handle: int, removed: os.stat_result | None) -> None:
    """Give a file the permissions and the owner of the file that it will replace, or of a removed one, or of none."""
    if not hasattr(os, "fchmod"):  # Windows
        return
    try:
        old: os.stat_result | None = target.stat()
    except OSError:
        old = removed
    if old is None:
        mask = os.umask(PERMISSIONS)
        os.umask(mask)
        os.fchmod(handle, 0o666 & ~mask)
        return
    with suppress(OSError):
        os.fchown(handle, -1, old.st_gid)
    with suppress(OSError):
        os.fchown(handle, old.st_uid, -1)
    os.fchmod(handle, old.st_mode & PERMISSIONS)


def _flush_to_disk(handle: int) -> None:
    """Flush an open file to the disk, where the file system can do it."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


@contextmanager
def lock(path: Path, warn: Callable[[str], object] = lambda message: None) -> Iterator[None]:
    """Lock a file against other processes; the lock ends with this process, however that ends.

    Parameters
    ----------
    path
        The file. The lock is a file beside the one that the path leads to.
    warn
        Receives a message if the file system has no locks; the work then continues without one.

    Raises
    ------
    CharlstmError
        If another process has locked the file, or the lock cannot be created.
    """
    if fcntl is None:
        yield
        return
    target = Path(os.path.realpath(path))
    lock_file = target.with_name(f".{target.name}.lock")
    free, handle, failure = False, -1, None
    try:
        with _block_signals():  # so that none leaves a lock that nobody removes
            handle = _open_lock(lock_file)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free = os.path.samestat(os.fstat(handle), lock_file.lstat())  # else its last owner has removed it
            except OSError as error:
                free, failure = error.errno not in LOCKED, error
        if free and failure is not None:
            warn(
                f"{shorten(path)} cannot be locked ({failure.strerror or failure}), so make sure that no other run"
                " writes this file"
            )
        if not free:
            raise CharlstmError(
                f"another training run is writing {shorten(path)}; wait until it ends, or give another path"
            )
        yield
    finally:
        if free:
            lock_file.unlink(missing_ok=True)
        if handle >= 0:
            os.close(handle)


def _open_lock(path: Path) -> int:
    """Open a lock file, which is created if it is missing; raise CharlstmError if that fails."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        with suppress(FileNotFoundError):
            kind = kind_of(path.lstat().st_mode)
            if kind != "a regular file":
                raise CharlstmError(f"{shorten(path)} is {kind} and cannot be a lock; remove it")
        return os.open(path, flags, 0o666)
    except OSError as error:
        raise CharlstmError(f"cannot create the lock {shorten(path)}: {error.strerror or error}") from error


@contextmanager
def _block_signals() -> Iterator[None]:
    """Let the signals that end a process wait; only where there are locks, which is where there are signal masks."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP, signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
