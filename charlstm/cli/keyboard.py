"""The lines that a user types: in a terminal with editing and history, or through a pipe."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from charlstm.cli.console import print_message
from charlstm.cli.output import write_message

PROMPT = "> "
CONTINUATION_PROMPT = "… "
CONTINUATION = "\\"
FILE_COMMANDS = ("/load ", "/save ", "/save! ")


def read_lines(encoding: str, commands: Sequence[str]) -> Iterator[str]:
    """Yield the lines that a user types until the input ends; a backslash at the end of a line joins the next one.

    On a terminal, Ctrl-C discards what is typed so far. At an empty prompt only the second Ctrl-C raises
    `KeyboardInterrupt`: the first may have been meant for a text that had just ended. Bytes that cannot be decoded
    become lone surrogates, which no model knows.

    Parameters
    ----------
    encoding
        Encoding of a pipe or a file; a terminal has its own.
    commands
        Words that the tab key completes.

    Raises
    ------
    KeyboardInterrupt
        After two Ctrl-C at an empty prompt; through a pipe after the first.
    """
    ask, has_typed = _choose_input(encoding, commands)
    warned = not sys.stdin.isatty()
    while True:
        pieces: list[str] = []
        try:
            line = ask(PROMPT)
            while line is not None and line.endswith(CONTINUATION):
                pieces.append(line.removesuffix(CONTINUATION))
                line = ask(CONTINUATION_PROMPT)
        except KeyboardInterrupt:
            discarded = bool(pieces) or has_typed()
            if warned and not discarded:
                raise
            print_message("" if discarded else "\npress Ctrl-C again, or Ctrl-D, to leave the session")
            warned = warned or not discarded
            continue
        if line is None and not pieces:
            return
        warned = not sys.stdin.isatty()
        yield "\n".join([*pieces, line or ""])


@contextmanager
def keep_output() -> Iterator[None]:
    """Keep a terminal from discarding output that it has not shown yet when Ctrl-C is pressed."""
    if not sys.stdin.isatty() or find_spec("termios") is None:
        yield
        return
    import termios

    settings = termios.tcgetattr(sys.stdin)
    *others, local, in_speed, out_speed, characters = settings
    try:
        termios.tcsetattr(
            sys.stdin, termios.TCSANOW, [*others, local | termios.NOFLSH, in_speed, out_speed, characters]
        )
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, settings)


def _choose_input(encoding: str, commands: Sequence[str]) -> tuple[Callable[[str], str | None], Callable[[], bool]]:
    """Return a function that asks for a line (None: end of input), and one that tells whether a line is begun."""
    if not sys.stdin.isatty():
        _set_encoding(encoding)
        return lambda prompt: _read_line(), lambda: False
    _set_encoding(None)
    if not sys.stdout.isatty():
        return _ask_on_stderr, lambda: False
    return _ask, _enable_editing(commands)


def _set_encoding(encoding: str | None) -> None:
    reconfigure = getattr(sys.stdin, "reconfigure", None)
    if reconfigure:
        if encoding is not None and codecs.lookup(encoding).name == "utf-8":
            encoding = "utf-8-sig"  # without a byte order mark, as files are read
        reconfigure(encoding=encoding, errors="surrogateescape", newline=None)  # CRLF becomes \n, as in files


def _read_line() -> str | None:
    line = sys.stdin.readline()
    return line.removesuffix("\n") if line else None


def _ask_on_stderr(prompt: str) -> str | None:
    write_message(prompt, end="")
    return _read_line()


def _ask(prompt: str) -> str | None:
    try:
        return input(prompt)
    except EOFError:
        write_message("")
        return None


def _enable_editing(commands: Sequence[str]) -> Callable[[], bool]:
    """Give `input` editing, history and completion where available; return whether a line is begun, as a function."""
    try:
        import readline
    except ImportError:
        return lambda: False

    def complete(word: str, number: int) -> str | None:
        line = readline.get_line_buffer()[: readline.get_endidx()]
        matches = complete_line(line, word, commands)
        return matches[number] if number < len(matches) else None

    readline.set_completer_delims(" ")
    readline.set_completer(complete)
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
    if not libedit:
        readline.parse_and_bind("set enable-bracketed-paste on")  # a pasted block is one text
    return lambda: bool(readline.get_line_buffer())


def complete_line(line: str, word: str, commands: Sequence[str]) -> list[str]:
    """Return what can replace the last word of a line: commands, or the names of files where a command takes one.

    Parameters
    ----------
    line
        What is typed so far.
    word
        Its end, after the last space.
    commands
        The commands.
    """
    if line.startswith(FILE_COMMANDS):
        name = line.partition(" ")[2]
        begun = Path(name).name if not name.endswith("/") else ""
        folder = Path(name.removesuffix(begun) or ".")
        try:
            found = sorted(path for path in folder.expanduser().iterdir() if path.name.startswith(begun))
        except (OSError, RuntimeError):
            return []
        whole = [f"{name.removesuffix(begun)}{path.name}{'/' if path.is_dir() else ''}" for path in found]
        return [path[len(name) - len(word) :] for path in whole]
    return [command for command in commands if command.startswith(word)] if word.startswith("/") else []
