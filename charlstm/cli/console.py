"""What the commands print beside their product, and what they know of the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

import click

from charlstm.cli.output import columns, terminal_width, write_message
from charlstm.render.characters import printable, wrap_message

if TYPE_CHECKING:
    from charlstm.model.model import Model


WIDEST_HELP, NARROWEST_HELP = 80, 18
HYPHEN = "\ufdd2"  # a code point that no text has stands for a hyphen at which no line ends


def skip_unknown(model: Model, text: str, unknown: str) -> str:
    """Return a text unchanged, or with `--unknown skip` without the characters that the model does not know."""
    return skip_unknown_in_all(model, [text], unknown)[0]


def skip_unknown_in_all(model: Model, texts: list[str], unknown: str) -> list[str]:
    """Return texts unchanged, or with `--unknown skip` without the characters that the model does not know."""
    if unknown == "error":
        return texts
    known = [model.vocabulary.known(text) for text in texts]
    before, after = (sum(map(len, several)) for several in (texts, known))
    if after < before:
        print_message(f"{before - after:,} of {before:,} characters are unknown to the model and were skipped")
    return known


def print_message(text: str) -> None:
    """Print a message to stderr; on a terminal in lines that fit."""
    write_message(fit_message(text))


def print_note(text: str) -> None:
    """Print a message to stderr, dimmed on a terminal."""
    write_message(dimmed(fit_message(text), sys.stderr))


def fit_message(text: str) -> str:
    """Return a message for stderr: with signs for control characters, and on a terminal in lines that fit."""
    safe = printable(text, "\n\t")
    return wrap_message(safe, columns(), os.name == "posix") if sys.stderr.isatty() else safe


def dimmed(text: str, stream: TextIO) -> str:
    """Return a text for a stream: dimmed if the stream shows colours."""
    return click.style(text, dim=True) if has_colour(stream) else text


class Formatter(click.HelpFormatter):
    """Formats help for any width, and breaks no word: an option with hyphens in its name stays whole.

    Parameters
    ----------
    width, max_width
        Columns; None: those of the terminal, at most `WIDEST_HELP`.
    """

    def __init__(self, width: int | None = None, max_width: int | None = None, indent_increment: int = 2) -> None:
        wide = width or min(terminal_width(), max_width or WIDEST_HELP) - 2
        super().__init__(indent_increment, width=max(wide, NARROWEST_HELP))

    def write(self, string: str) -> None:
        """Write a text that is formatted."""
        super().write(string.replace(HYPHEN, "-"))

    def write_heading(self, heading: str) -> None:
        """Write a heading."""
        self.write_text(f"{heading}:")

    def write_text(self, text: str) -> None:
        """Write a paragraph."""
        super().write_text(text.replace("-", HYPHEN))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write a list of words and what they mean, beside each other or, where there is little room, below."""
        whole = [(word, text.replace("-", HYPHEN)) for word, text in rows]
        super().write_dl(whole, col_max if self.width > 2 * col_max else self.width // 4, col_spacing)


def print_help(*parts: str | Sequence[tuple[str, str]]) -> None:
    """Print paragraphs and definition lists to stderr, separated by empty lines."""
    formatter = Formatter(min(columns(), WIDEST_HELP))
    for place, part in enumerate(parts):
        if place:
            formatter.write_paragraph()
        if isinstance(part, str):
            formatter.write_text(part)
        else:
            formatter.write_dl(part)
    print_message(formatter.getvalue().rstrip("\n"))


def has_colour(stream: TextIO | None = None) -> bool:
    """Return whether a stream shows colours, by the usual conventions; None: standard output.

    NO_COLOR (https://no-color.org) turns them off. FORCE_COLOR and CLICOLOR_FORCE turn them on, as `less -R` needs it.
    Otherwise a terminal has them, unless TERM is dumb or missing.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if any(os.environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return not is_dumb() and os.environ.get("CLICOLOR") != "0" and (stream or sys.stdout).isatty()


def is_dumb() -> bool:
    """Return whether TERM says that the terminal can only print lines: it is dumb, or on a Unix system missing."""
    return (os.environ.get("TERM") or ("dumb" if os.name == "posix" else "")) == "dumb"


def has_dots() -> bool:
    """Return whether standard output shows the dots of Braille: a terminal in UTF-8, whose font has them.

    The console of Linux and the old one of Windows lack them.
    """
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
    is_old = os.environ.get("TERM") == "linux" or (os.name == "nt" and not os.environ.get("WT_SESSION"))
    return sys.stdout.isatty() and encoding == "utf8" and not is_old and not is_dumb()


def count_colours() -> int:
    """Return the number of colours of stdout: 0 without colour, otherwise as COLORTERM and TERM say."""
    if not has_colour():
        return 0
    if os.environ.get("COLORTERM") in ("truecolor", "24bit"):
        return 1 << 24
    return 256 if "256" in os.environ.get("TERM", "") else 8
