"""What a person types, line by line: with the editing and history of a shell, or through a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

import click

from charlstm.cli.console import remark

PROMPT = "> "
MORE = "… "
GOES_ON = "\\"


def typed_lines(encoding: str, commands: Sequence[str]) -> Iterator[str]:
    """Yield what is typed, until it ends; a line that ends with a backslash goes on in the next one.

    On a terminal, Ctrl-C drops what is typed so far; where nothing is, a second one leaves, because the first may have
    been meant for writing that has just ended. Bytes that are no text come as lone surrogates, which no model knows.

    Parameters
    ----------
    encoding
        That of a pipe or a file; a terminal knows its own.
    commands
        Words that the tab key completes.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C twice where nothing is typed; through a pipe after the first.
    """
    ask, begun = _asking(encoding, commands)
    warned = not sys.stdin.isatty()
    while True:
        pieces: list[str] = []
        try:
            line = ask(PROMPT)
            while line is not None and line.endswith(GOES_ON):
                pieces.append(line.removesuffix(GOES_ON))
                line = ask(MORE)
        except KeyboardInterrupt:
            dropped = bool(pieces) or begun()
            if warned and not dropped:
                raise
            remark("" if dropped else "\nCtrl-C again, or Ctrl-D, leaves")
            warned = warned or not dropped
            continue
        if line is None and not pieces:
            return
        warned = not sys.stdin.isatty()
        yield "\n".join([*pieces, line or ""])


@contextmanager
def kept_on_screen() -> Iterator[None]:
    """Have a terminal show all that is written before Ctrl-C: by itself it throws away what it has not yet shown."""
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


def _asking(encoding: str, commands: Sequence[str]) -> tuple[Callable[[str], str | None], Callable[[], bool]]:
    """Return how to ask for a line, None when there is no more, and how to tell whether one has been begun."""
    if not sys.stdin.isatty():
        _decode(encoding)
        return lambda prompt: _read(), lambda: False
    _decode(None)
    if not sys.stdout.isatty():
        return _asked_on_stderr, lambda: False
    return _asked, _editing(commands)


def _decode(encoding: str | None) -> None:
    reconfigure = getattr(sys.stdin, "reconfigure", None)
    if reconfigure:
        reconfigure(encoding=encoding, errors="surrogateescape")


def _read() -> str | None:
    line = sys.stdin.readline()
    return line.removesuffix("\n") if line else None


def _asked_on_stderr(prompt: str) -> str | None:
    click.echo(prompt, nl=False, err=True)
    return _read()


def _asked(prompt: str) -> str | None:
    try:
        return input(prompt)
    except EOFError:
        click.echo(err=True)
        return None


def _editing(commands: Sequence[str]) -> Callable[[], bool]:
    """Give `input` editing and a history, where the system has them; return what tells whether a line is begun."""
    try:
        import readline
    except ImportError:
        return lambda: False

    def completed(word: str, number: int) -> str | None:
        fitting = [command for command in commands if command.startswith(word)] if word.startswith("/") else []
        return fitting[number] if number < len(fitting) else None

    readline.set_completer_delims(" ")
    readline.set_completer(completed)
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
    if not libedit:
        readline.parse_and_bind("set enable-bracketed-paste on")  # lines that are pasted together are one text
    return lambda: bool(readline.get_line_buffer())
