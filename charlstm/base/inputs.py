"""How files are read: each as often as needed, also what can be read only once, and nothing that has no end.

`-` is standard input. A pipe, which can be read only once, is copied to an unnamed temporary file when it is first
opened. The copy takes at most half of the space that is free there.
"""

from __future__ import annotations

import errno
import os
import stat
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from charlstm.base.files import STANDARD_STREAM, as_path, descriptor_of, identities, kind_of

BLOCK = 1 << 20
MOST_OF_THE_DISK = 0.5  # share of the free space that the copy of a pipe may take

Copy = Callable[[BinaryIO, BinaryIO], None]


def copy_all(pipe: BinaryIO, copy: BinaryIO) -> None:
    """Copy a pipe to its end.

    Raises
    ------
    OSError
        If it is longer than half of the free space on the disk.
    """
    import shutil  # only a pipe needs it
    import tempfile

    folder = tempfile.gettempdir()
    left = most = int(shutil.disk_usage(folder).free * MOST_OF_THE_DISK)
    while block := pipe.read(BLOCK):
        left -= len(block)
        if left < 0:
            raise OSError(
                errno.EFBIG,
                f"it is longer than {most:,} bytes, half of the free space in {folder}, where a pipe is copied;"
                " save it as a file, and give that file",
            )
        copy.write(block)


class Input(os.PathLike[str]):
    """A file, a pipe or standard input, which can be opened several times.

    Parameters
    ----------
    path
        A path, or - for standard input.

    Attributes
    ----------
    path : Path
        The path.
    name : str
        What messages call it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = as_path(path)
        self.name = "standard input" if str(self.path) == STANDARD_STREAM else str(self.path)
        self._copy: BinaryIO | None = None
        self._start: int | None = None

    def __fspath__(self) -> str:
        return str(self.path)

    def open(self, copy_pipe: Copy | None = copy_all) -> BinaryIO:
        """Open the input at its beginning.

        Parameters
        ----------
        copy_pipe
            Copies what is needed of a pipe to a file; None: a pipe is refused.

        Returns
        -------
        binary file
            It can seek. Close it before the input is opened again.

        Raises
        ------
        OSError
            If it cannot be opened, is a folder, a socket or a device, or is a pipe that is refused or too long. A
            terminal and /dev/null can be read.
        """
        if self._copy is None:
            file = self._open_once(copy_pipe is not None)
            if file.seekable():
                if self._start is None:  # standard input may have been read in part
                    self._start = file.tell()
                file.seek(self._start)
                return file
            assert copy_pipe is not None
            with file:
                self._copy = _copy_to_temporary_file(file, copy_pipe)
                weakref.finalize(self, self._copy.close)
        self._copy.seek(0)
        return os.fdopen(os.dup(self._copy.fileno()), "rb")

    def _open_once(self, also_pipes: bool) -> BinaryIO:
        descriptor = descriptor_of(self.path)
        mode = (self.path.stat() if descriptor is None else os.fstat(descriptor)).st_mode
        is_pipe = stat.S_ISFIFO(mode) or (stat.S_ISSOCK(mode) and descriptor is not None)
        readable = stat.S_ISREG(mode) or (is_pipe and also_pipes)
        if readable or (stat.S_ISCHR(mode) and also_pipes):
            file = self.path.open("rb") if descriptor is None else os.fdopen(os.dup(descriptor), "rb")
            if readable or file.isatty() or os.path.samestat(os.fstat(file.fileno()), Path(os.devnull).stat()):
                return file
            file.close()
        raise OSError(errno.EINVAL, f"it is {kind_of(mode)}; give a file")


def as_input(path: str | os.PathLike[str] | Input) -> Input:
    """Return a path as an input; an input is returned as it is."""
    return path if isinstance(path, Input) else Input(path)


def as_inputs(paths: Iterable[str | os.PathLike[str] | Input]) -> list[Input]:
    """Return paths as inputs; a pipe that is named twice is one input, so that its content is read twice."""
    pipes: dict[object, Input] = {}
    inputs = []
    for path in paths:
        found = as_input(path)
        if descriptor_of(found.path) is not None or _is_pipe(found.path):
            names = identities(found.path)
            found = next((pipes[name] for name in names if name in pipes), found)
            pipes |= dict.fromkeys(names, found)
        inputs.append(found)
    return inputs


def _is_pipe(path: Path) -> bool:
    try:
        return path.is_fifo()
    except OSError:  # such as a name that is too long; opening it reports that
        return False


def _copy_to_temporary_file(pipe: BinaryIO, copy_pipe: Copy) -> BinaryIO:
    """Return an unnamed temporary file with what is needed of a pipe."""
    import tempfile  # only a pipe needs it

    copy = tempfile.TemporaryFile()  # noqa: SIM115  # its owner closes it
    try:
        copy_pipe(pipe, copy)
        copy.flush()
    except BaseException:
        copy.close()
        raise
    return copy
