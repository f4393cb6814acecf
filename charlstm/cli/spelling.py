"""How the command line and a session write the parameters of the Python interface, and words for a shell."""

from __future__ import annotations

import os
import shlex
from typing import Any

import click

from charlstm.cli.commands import EscapedText, write_escapes

OTHER_NAMES = {"count": "samples", "width": "beam"}  # parameters of the Python interface that options call otherwise


def spell_option(name: str, value: Any = None) -> str:
    """Return a parameter as the command line of the running command has it; None: only its name."""
    parameter = _find_parameter(name)
    if parameter is None:
        return name
    if isinstance(parameter, click.Argument):
        return parameter.make_metavar(click.get_current_context()).strip("[].").upper()
    word = max((value is False and parameter.secondary_opts) or parameter.opts, key=len)
    if value is None or isinstance(value, bool):
        return word
    return f"{word} {quote(write_escapes(value) if isinstance(parameter.type, EscapedText) else value)}"


def quote(word: object) -> str:
    """Return a word as the shell of the system takes it: Windows knows only double quotes."""
    if os.name == "nt":
        import subprocess

        return subprocess.list2cmdline([str(word)])
    return shlex.quote(str(word))


def spell_setting(name: str, value: Any = None) -> str:
    """Return a parameter as a session has it: /top-k for top_k."""
    return spell_option(name, value).replace("--", "/", 1)


def _find_parameter(name: str) -> click.Parameter | None:
    """Return the parameter of the running command that has a name in the Python interface; None: it has none."""
    context = click.get_current_context(silent=True)
    parameters = context.command.params if context else []
    spelling = f"--{OTHER_NAMES.get(name, name).replace('_', '-')}"
    by_spelling = next((one for one in parameters if spelling in one.opts), None)
    return by_spelling or next((one for one in parameters if one.name == name), None)
