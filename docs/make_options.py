"""Write the option reference of README.md from the commands themselves.

python docs/make_options.py
"""

from __future__ import annotations

from pathlib import Path

import click

from charlstm.cli.commands import GroupedOption
from charlstm.cli.main import main

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- options: written by `make docs` -->\n", "<!-- end of options -->\n"


def reference() -> str:
    """Return the options of every command as Markdown tables."""
    context = click.Context(main, info_name="charlstm")
    parts = []
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        parts.append(f"### `charlstm {name}`\n\n{(command.help or '').splitlines()[0]}\n")
        rows = [
            f"| {option.heading} | {words(option)} | {default(option)} | {option.help} |"
            for option in command.params
            if isinstance(option, GroupedOption)
        ]
        parts.append("\n".join(["| | option | default | |", "|---|---|---|---|", *rows]) + "\n")
    return "\n".join(parts)


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


def renewed(readme: str) -> str:
    """Return the text of README.md with its reference as it should be."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{reference()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(encoding="utf-8")), encoding="utf-8")
