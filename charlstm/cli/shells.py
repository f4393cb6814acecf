"""`charlstm --install-completion`: let a shell complete the command line of charlstm."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import click

from charlstm.base.errors import CharlstmError, ConfigError, show_value
from charlstm.base.files import write_file
from charlstm.cli.completion import BashCompletion, FishCompletion, ZshCompletion
from charlstm.cli.group import COMPLETE
from charlstm.cli.output import write_text

SHELLS = {shell.name: shell for shell in (BashCompletion, ZshCompletion, FishCompletion)}
MARK = "completion of charlstm"
PROGRAM = "charlstm"


def install(ctx: click.Context, parameter: click.Parameter, value: str) -> None:
    """Install the completion of the shell that the option names, print how to use it at once, and end the command."""
    if ctx.resilient_parsing:
        return
    shell = value or guess_shell()
    if shell not in SHELLS:
        raise ConfigError(f"{show_value(shell)} is not a shell with completion; it must be {', '.join(SHELLS)}")
    script = f"# {MARK}\n{SHELLS[shell](ctx.command, {}, PROGRAM, COMPLETE).source()}"
    if shell == "zsh":  # its first line is for a folder of functions
        script = script.split("\n", 1)[1] + f"# {MARK}\n"
    start, load = PLACES[shell](script)
    write_text(
        f"In new terminals, {shell} completes command lines of charlstm with the tab key: {start} sees to it.\n"
        f"In this terminal, type this first:\n\n  {load}\n"
    )
    ctx.exit()


def guess_shell() -> str:
    """Return the shell of the user, as the environment says.

    Raises
    ------
    ConfigError
        If it is none that can complete.
    """
    name = re.split(r"[/\\]", os.environ.get("SHELL", ""))[-1].removesuffix(".exe").lower()
    if name in SHELLS:
        return name
    found = f"SHELL is {show_value(name)}" if name else "SHELL names no shell"
    raise ConfigError(f"{found}; name the shell: charlstm --install-completion {' or '.join(SHELLS)}")


def _install_in_bash(script: str) -> tuple[Path, str]:
    return _load_from(Path.home() / ".bashrc", script, "bash")


def _install_in_zsh(script: str) -> tuple[Path, str]:
    return _load_from(Path(os.environ.get("ZDOTDIR") or Path.home()) / ".zshrc", script, "zsh")


def _install_in_fish(script: str) -> tuple[Path, str]:
    """Write a file that fish finds by its name."""
    file = _folder("XDG_CONFIG_HOME", ".config") / "fish" / "completions" / f"{PROGRAM}.fish"
    _write(file, script)
    return file, f"source {shlex.quote(str(file))}"


PLACES: dict[str, Callable[[str], tuple[Path, str]]] = {
    "bash": _install_in_bash,
    "zsh": _install_in_zsh,
    "fish": _install_in_fish,
}


def _load_from(start: Path, script: str, shell: str) -> tuple[Path, str]:
    """Write a script, and let the file that a shell reads at its start load it; what that file has stays as it is."""
    file = _folder("XDG_DATA_HOME", ".local/share") / PROGRAM / f"completion.{shell}"
    _write(file, script)
    load = f"source {shlex.quote(str(file))}"
    line = f"[ ! -f {shlex.quote(str(file))} ] || {load}  # {MARK}\n".encode()
    try:
        old = start.read_bytes() if start.exists() else b""
    except OSError as error:
        raise CharlstmError(f"cannot read {start}: {error.strerror or error}") from error
    if line not in old:
        new = old + b"\n" * (not old.endswith(b"\n") and bool(old)) + line
        write_file(start, lambda out: out.write(new))
    return start, load


def _write(file: Path, script: str) -> None:
    """Write a script, unless that would replace a file of the user."""
    try:
        if file.exists() and MARK not in file.read_text(encoding="utf-8", errors="replace"):
            raise CharlstmError(f"{file} exists and is not of charlstm; move it away, and try again")
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CharlstmError(f"cannot write {file}: {error.strerror or error}") from error
    write_file(file, lambda out: out.write(script.encode()))


def _folder(variable: str, otherwise: str) -> Path:
    """Return a folder of the user by the XDG Base Directory Specification."""
    given = os.environ.get(variable, "")
    return Path(given) if Path(given).is_absolute() else Path.home() / otherwise
