"""What is piped into a command, and where its product goes."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from charlstm.cli.console import WrongUsage, remark
from charlstm.model import files
from charlstm.text import corpus


def is_piped() -> bool:
    """Say whether something is piped into the command, or a file is; a terminal and nothing at all are not."""
    if sys.stdin is None:
        return False
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):  # not a file of the system: what a test types
        return True
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def standard_input(encoding: str) -> Iterator[str]:
    """Yield the text of standard input in pieces, as a file's would be read."""
    if sys.stdin is None:
        raise WrongUsage("there is no standard input to read.")
    if sys.stdin.isatty():
        remark("type the text; Ctrl-D at the beginning of a line ends it")
    yield from corpus.decode(sys.stdin.buffer, "standard input", encoding, {})


def deliver(output: Path | None, write: Callable[[TextIO], None]) -> None:
    """Have the product written to stdout, or to a file: all of it, or what there was when Ctrl-C came.

    A file is replaced whole; what is no regular file, such as a named pipe, is written into.
    """
    if output is None:
        write(sys.stdout)
        return
    interrupted: list[KeyboardInterrupt] = []

    def encoded(file: BinaryIO) -> None:
        text = io.TextIOWrapper(file, "utf-8", newline="\n")
        try:
            write(text)
        except KeyboardInterrupt as error:
            interrupted.append(error)
        text.flush()
        text.detach()

    files.check_target(output)
    if output.exists() and not output.is_file():
        with output.open("wb") as there:
            encoded(there)
    else:
        files.replace_atomically(output, encoded)
    if interrupted:
        raise interrupted[0]
