"""Write docs/reference/options.md from the commands themselves.

python docs/make_options.py
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import click

from charlstm.cli.commands import GroupedOption
from charlstm.cli.main import main

PAGE = Path(__file__).parent / "reference" / "options.md"
HEAD = """# Options

<!-- written by docs/make_options.py -->

`charlstm COMMAND --help` prints the same, with examples. *auto* means that charlstm chooses the value by a rule; the
report of `train` states what it chose.

"""


def reference() -> str:
    """Return the page: the options of every command as tables, one for each heading."""
    context = click.Context(main, info_name="charlstm")
    parts = []
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        parts.append(f"## charlstm {name}\n\n{(command.help or '').splitlines()[0]}\n")
        options = [option for option in command.params if isinstance(option, GroupedOption)]
        for heading, group in groupby(options, key=lambda option: option.heading):
            rows = [f"| {words(option)} | {default(option)} | {option.help} |" for option in group]
            parts.append("\n".join([f"**{heading}**", "", "| option | default | |", "|---|---|---|", *rows]) + "\n")
    return HEAD + "\n".join(parts)


def words(option: GroupedOption) -> str:
    """Return an option's names, and the words that it takes where they are few and fixed."""
    taken = f" {', '.join(option.type.choices)}" if isinstance(option.type, click.Choice) else ""
    return " ".join(f"`{word}`" for word in (*option.opts, *option.secondary_opts)) + taken


def default(option: GroupedOption) -> str:
    """Return an option's default as --help words it."""
    if isinstance(option.show_default, str):
        return option.show_default
    if isinstance(option.default, bool) and option.secondary_opts:
        return f"`{option.opts[0] if option.default else option.secondary_opts[0]}`"
    plain = (
        isinstance(option.default, (str, int, float)) and not isinstance(option.default, bool) and option.default != ""
    )
    return f"`{option.default}`" if plain else ""


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
