r"""Write the manual pages docs/man/*.1 from the commands themselves, in the language of man(7).

    python docs/make_man.py

A wheel installs them, so that `man charlstm-sample` shows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

import charlstm
from charlstm.cli.commands import MAIN_OPTIONS, GroupedCommand, GroupedOption
from charlstm.cli.main import COMMANDS, main

FOLDER = Path(__file__).parent / "man"
WIDTH = 10_000  # click wraps no line
CODES = {
    "0": "Success.",
    "1": "A file or a text cannot be used, or something failed: the message says what.",
    "2": "The command line is wrong.",
    "3": "sample found fewer texts than it was asked for, within --attempts.",
    "129, 130, 143": "SIGHUP, SIGINT (Ctrl-C) or SIGTERM ended the command; train has saved its run.",
}
VARIABLES = {
    "CHARLSTM_MODEL": "The model file, if --model is not given.",
    "NO_COLOR, FORCE_COLOR, CLICOLOR, CLICOLOR_FORCE, COLORTERM, TERM": "Whether a terminal gets colours, and which.",
    "WT_SESSION": "Set by Windows Terminal, which shows Braille dots.",
    "OPENBLAS_NUM_THREADS, OMP_NUM_THREADS, MKL_NUM_THREADS, VECLIB_MAXIMUM_THREADS": "The threads of a matrix product;"
    " one if not set.",
}


def escape(text: str) -> str:
    """Return a text in which roff finds no request and no escape of its own."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.M)


def section(title: str) -> str:
    """Return the heading of a section."""
    return f".SH {escape(title.upper())}"


def definition(term: str, text: str) -> str:
    """Return a term in bold and its description."""
    return f".TP\n\\fB{escape(term)}\\fR\n{escape(text)}"


def paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text; one that begins with click's mark keeps its lines."""
    for number, part in enumerate(re.split(r"\n\s*\n", text.strip())):
        if number:
            yield ".PP"
        lines = [line.rstrip() for line in part.split("\n")]
        if lines[0].strip() == "\b":
            yield "\n".join([".nf", *(escape(line) for line in lines[1:]), ".fi"])
        else:
            yield escape(" ".join(line.strip() for line in lines))


def options_of(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the options, each under its heading, the main options first."""
    headings: dict[str, list[str]] = {MAIN_OPTIONS: []}
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None:
            heading = parameter.heading if isinstance(parameter, GroupedOption) else MAIN_OPTIONS
            headings.setdefault(heading, []).append(definition(*record))
    # Of the option for help, click keeps the spellings of the first context that asks for it.
    names = ", ".join(main.context_settings["help_option_names"])
    headings[MAIN_OPTIONS].append(definition(names, "Show this message and exit."))
    for heading, definitions in headings.items():
        yield f'.SS "{escape(heading)}"'
        yield from definitions


def page(name: str, command: click.Command) -> str:
    """Return the manual page of a command as a text in man(7)."""
    title = f"charlstm {name}".rstrip()
    context = click.Context(command, info_name=title, max_content_width=WIDTH, terminal_width=WIDTH)
    help_ = command.help or ""
    pages = ["charlstm", *(f"charlstm-{each}" for each in COMMANDS)]
    here = title.replace(" ", "-")
    summary = COMMANDS[name][1] if name else help_.split("\n")[0]
    parts = [
        f'.TH {escape(here.upper())} 1 "" "charlstm {charlstm.__version__}" "User commands"',
        section("name"),
        f"{escape(here)} \\- {escape(summary[0].lower() + summary[1:].rstrip('.'))}",
        section("synopsis"),
        f"\\fB{escape(title)}\\fR {escape(' '.join(command.collect_usage_pieces(context)))}",
        section("description"),
        *paragraphs(help_),
    ]
    if not name:
        parts += [section("commands"), *(definition(each, sentence) for each, (_, sentence) in COMMANDS.items())]
    parts += [section("options"), *options_of(command, context)]
    if isinstance(command, GroupedCommand):
        for heading, rows in command.sections.items():
            parts += [section(heading), *(definition(*row) for row in rows)]
        parts += [section("examples"), *(definition(*example) for example in command.examples)]
    parts += [section("environment"), *(definition(*each) for each in VARIABLES.items())]
    parts += [section("exit status"), *(definition(*each) for each in CODES.items())]
    others = [f"\\fB{escape(each)}\\fR(1)" for each in pages if each != here]
    return "\n".join([*parts, section("see also"), ", ".join(others)]) + "\n"


def pages() -> dict[str, str]:
    """Return the text of each manual page by the name of its file."""
    context = click.Context(main, info_name="charlstm")
    made = {"charlstm.1": page("", main)}
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        made[f"charlstm-{name}.1"] = page(name, command)
    return made


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
