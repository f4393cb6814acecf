"""The way to standard output and standard error: for any text, in any encoding, whether or not somebody reads it.

A character that the encoding of a stream lacks is replaced. Standard error never fails: what cannot be written there is
dropped. Standard output raises `OSError` where it fails, and `BrokenPipeError` where its reader has ended.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any, BinaryIO, TextIO

from charlstm.render.characters import shown_text

STANDARD_OUTPUT, STANDARD_ERROR, PROCESS_ESCAPES = -11, -12, 4  # numbers of the console of Windows
REPLACED = "charlstm.replaced"
STAND_INS = {
    "␣": "_", "⏎": "$", "…": ".", "·": ".", "•": "*", "×": "x", "−": "-", "–": "-", "—": "-", "’": "'", "‘": "'",
    "“": '"', "”": '"', "«": '"', "»": '"', "█": "#", "▁": "1", "▂": "2", "▃": "3", "▄": "4", "▅": "5", "▆": "6",
    "▇": "7", "→": ">", "≥": ">", "≤": "<", "\u2068": "", "\u2069": "",
}  # fmt: skip


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Return stand-ins for characters that an encoding lacks: an error handler of `codecs`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(STAND_INS.get(sign, "?") for sign in signs), error.end


codecs.register_error(REPLACED, _replace)


class ClosedOutput(io.TextIOBase):
    """Stands for a standard output that was closed before the command began: writing to it is an error."""

    def write(self, text: str) -> int:
        """Raise OSError."""
        raise OSError(errno.EBADF, "it is closed")


class UnfailingOutput(io.TextIOBase):
    """Writes to a stream while that is possible, and to nowhere afterwards.

    Parameters
    ----------
    stream
        The stream; None: there is none.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, or drop it."""
        self._try("write", text)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, or drop it."""
        self._try("flush")

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return bool(self._try("isatty"))

    def fileno(self) -> int:
        """Return the descriptor of the stream."""
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def _try(self, method: str, *arguments: Any) -> Any:
        if self._stream is None:
            return None
        try:
            return getattr(self._stream, method)(*arguments)
        except (OSError, ValueError):  # a full disk, a reader that has ended, a closed file
            discard(self._stream)
            self._stream = None
            return None


@contextmanager
def safe_streams() -> Iterator[None]:
    """Let the standard streams take any text, and standard error never fail, until the end of the block."""
    _occupy_descriptors()
    _enable_escapes()
    out, error = sys.stdout, sys.stderr
    for stream in (out, error):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=REPLACED)
    sys.stdout, sys.stderr = out or ClosedOutput(), UnfailingOutput(error)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, error


def discard(stream: TextIO | None) -> None:
    """Let a stream that has failed write to nowhere, so that nothing fails when the process ends."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, stream.fileno())  # type: ignore[union-attr]
        finally:
            os.close(null)
    except (OSError, ValueError, AttributeError):  # no file of the system: the output of a test
        pass


class StatusLine:
    """The line at the bottom of standard error that is drawn again and again; a message takes its place.

    Attributes
    ----------
    columns : int
        Columns of the text that is on the terminal now.
    """

    def __init__(self) -> None:
        self.columns = 0
        self._lock = RLock()  # a thread can draw the line while another one writes a message

    def draw(self, text: str, columns: int) -> None:
        """Replace the line by a text of a number of columns."""
        with self._lock:
            self.columns = columns
            self._write(f"\r{text}")

    def clear(self) -> None:
        """Remove the line, so that the next text is written in its place."""
        with self._lock:
            if self.columns:
                self._write(f"\r{' ' * min(self.columns, columns() - 1)}\r")
            self.columns = 0

    def write_message(self, text: str) -> None:
        """Write a text in the place of the line."""
        with self._lock:
            self.clear()
            self._write(text)

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


STATUS_LINE = StatusLine()


def write_message(text: str, end: str = "\n") -> None:
    """Write a text to standard error."""
    STATUS_LINE.write_message(f"{text}{end}")


def columns() -> int:
    """Return the present width of the terminal of standard error; 80 if it has none."""
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        width = terminal_width()
    return max(2, width or 80)


def terminal_width() -> int:
    """Return the width of the terminal; 80 without one."""
    import shutil  # most commands never ask

    return shutil.get_terminal_size().columns


def terminal_height() -> int:
    """Return the height of the terminal; 24 without one."""
    import shutil  # most commands never ask

    return shutil.get_terminal_size().lines


def binary_output() -> BinaryIO:
    """Return standard output for bytes."""
    sys.stdout.flush()
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        raise OSError(errno.EBADF, "it is closed")
    return binary  # type: ignore[no-any-return]


def is_shown() -> bool:
    """Return whether a terminal shows standard output."""
    return sys.stdout.isatty()


def _occupy_descriptors() -> None:
    """Open closed standard descriptors, so that no file that is opened later gets the number of one of them."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor < 3:  # the lowest number that is free
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)


def _enable_escapes() -> None:
    """Let the console of Windows take escape sequences as colours, which it does only for a process that asks for it.

    https://learn.microsoft.com/windows/console/console-virtual-terminal-sequences
    """
    if os.name != "nt":
        return
    import ctypes

    console = ctypes.windll.kernel32  # type: ignore[attr-defined]
    for stream in (STANDARD_OUTPUT, STANDARD_ERROR):
        handle, mode = console.GetStdHandle(stream), ctypes.c_ulong()
        if console.GetConsoleMode(handle, ctypes.byref(mode)):  # else it is a file or a pipe
            console.SetConsoleMode(handle, mode.value | PROCESS_ESCAPES)


def write_text(text: str) -> None:
    """Write a text to standard output: on a terminal with signs for control characters, elsewhere as it is."""
    sys.stdout.write(shown_text(text) if is_shown() else text)
    sys.stdout.flush()
