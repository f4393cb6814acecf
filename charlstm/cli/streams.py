"""Standard input, and where a command writes its result."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, TypeVar

from charlstm.base.files import write_file
from charlstm.cli.console import print_message
from charlstm.cli.group import WrongUsage

if TYPE_CHECKING:
    from charlstm.text.sources import Block

Result = TypeVar("Result")


def is_piped() -> bool:
    """Return whether standard input is a pipe or a file, not a terminal or closed."""
    if sys.stdin is None:
        return False
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):  # no file of the system: the input of a test
        return True
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def standard_input(encoding: str) -> Iterator[str]:
    """Yield the text of standard input in pieces, read as a file is."""
    return (block.text for block in read_standard_input(encoding))


def read_standard_input(encoding: str, field: str | None = None) -> Iterator[Block]:
    """Yield the documents of standard input as one text; see `Sources.read_joined`."""
    from charlstm.text.remarks import Remarks  # most samples read no text
    from charlstm.text.sources import Block, join_documents, read_documents
    from charlstm.text.tables import Fields

    if sys.stdin is None:
        raise WrongUsage("there is no standard input to read.")
    if sys.stdin.isatty():
        print_message("type the text; end it with Ctrl-D at the start of a line")
    fields = None if field is None else Fields(field)
    documents = read_documents(sys.stdin.buffer, "standard input", encoding, Remarks(), fields)
    yield from join_documents(Block(0, *document) for document in documents)


def deliver(output: Path | None, write: Callable[[TextIO], Result]) -> Result:
    """Let `write` write to standard output or to a file, and return what it returns.

    See `write_file`. After Ctrl-C a file has what was written until then.
    """
    if output is None:
        return write(sys.stdout)
    results: list[Result] = []
    interrupts: list[KeyboardInterrupt] = []

    def write_encoded(file: BinaryIO) -> None:
        text = io.TextIOWrapper(file, "utf-8", newline="\n")
        try:
            results.append(write(text))
        except KeyboardInterrupt as error:
            interrupts.append(error)
        text.flush()
        text.detach()

    write_file(output, write_encoded)
    if interrupts:
        raise interrupts[0]
    return results[0]
