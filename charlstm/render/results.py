"""Traces and views as results of the Python API: they print, show in a notebook, convert and save themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from os import PathLike
from typing import Any, BinaryIO

from charlstm.base.config import check_choice
from charlstm.base.errors import shorten
from charlstm.base.files import as_path, write_output
from charlstm.base.symbols import END
from charlstm.inspection.trace import Trace
from charlstm.inspection.view import Column, Kind, View, count_of
from charlstm.render import data, html, terminal
from charlstm.render.characters import escape_character
from charlstm.render.colour import choose_ink, mix_rgb, strength
from charlstm.render.numbers import format_value
from charlstm.render.style import build_notebook_style

WIDTH = 100
TEXT = "txt"
MOST_CHARACTERS = 2000
MOST_ROWS = 100
GUESSES = 3
NOTEBOOK = "charlstm-view"  # class of what a notebook shows
FRAME_HEIGHT = 900  # pixels of a page in a notebook
FRAME = "font-family:monospace;line-height:1.6;overflow-x:auto"


class PageResult:
    """A page for a browser, which a notebook shows in place.

    Parameters
    ----------
    html
        The page.
    """

    def __init__(self, html: str) -> None:
        self.html = html

    def __repr__(self) -> str:
        return f"<PageResult: {len(self.html):,} characters of HTML; save(path) writes them>"

    def _repr_html_(self) -> str:
        """Return a frame with the page. Its scripts cannot reach the notebook."""
        return (
            f'<iframe srcdoc="{escape(self.html)}" sandbox="allow-scripts allow-downloads" title="charlstm"'
            f' style="width:100%;height:{FRAME_HEIGHT}px;border:0"></iframe>'
        )

    def save(self, path: str | PathLike[str], force: bool = False) -> None:
        """Write the page into a file, which is replaced completely or not at all.

        Parameters
        ----------
        path
            The file.
        force
            True: it may replace a model or a session.

        Raises
        ------
        ConfigError
            If it would replace a model or a session and `force` is False.
        CharlstmError
            If the file cannot be written; an existing file is then unchanged.
        """
        write_output(path, lambda file: file.write(self.html.encode("utf-8", "replace")), force)


class ViewResult(View):
    """A view that prints itself, shows itself in a notebook, and saves itself; see `View` for its parts."""

    __slots__ = ()

    def __repr__(self) -> str:
        return self.to_text()

    def to_text(self, width: int = WIDTH, colours: int = 0, dots: bool = False, every: int = 0) -> str:
        """Return the view as text for a terminal; see `terminal.Screen` for the parameters."""
        return terminal.render(self, width, colours, dots, every)

    def _repr_html_(self) -> str:
        """Return the view as a page draws it, in the colours of a light or a dark notebook."""
        return f'<div class="{NOTEBOOK}"><style>{build_notebook_style(NOTEBOOK)}</style>{html.render(self)}</div>'

    def to_dict(self) -> dict[str, Any]:
        """Return part → column → list of values, and the remarks, as JSON can hold them."""
        return data.to_objects(self)

    def dump(self, format: str) -> str | bytes:
        """Return the view as "csv", "json", "npz", "svg" or "txt".

        Raises
        ------
        ConfigError
            If there is no such format, or it is svg and the view has no curves.
        """
        check_choice("format", format, (*data.FORMATS, TEXT))
        return self.to_text() if format == TEXT else data.FORMATS[format](self)

    def save(self, path: str | PathLike[str], force: bool = False, bom: bool = False) -> None:
        """Save the view as CSV, JSON, npz, SVG or text, by the suffix of the path.

        An existing file is replaced completely or not at all.

        Parameters
        ----------
        path
            The file.
        force
            True: it may replace a model or a session.
        bom
            True: write CSV as Excel reads it; see `data.write`.

        Raises
        ------
        ConfigError
            If the path has another suffix, it is .svg and the view has no curves, or it would replace a model or a
            session and `force` is False.
        CharlstmError
            If the file cannot be written; an existing file is then unchanged.
        """
        suffixes = [f".{name}" for name in (*data.FORMATS, TEXT)]
        suffix = check_choice(f"the suffix of {shorten(path)}", as_path(path).suffix, suffixes)

        def write(file: BinaryIO) -> None:
            if suffix == f".{TEXT}":
                terminal.write(self, terminal.Screen(WIDTH), file)
            else:
                data.write(self, suffix[1:], file, bom)

        write_output(path, write, force)


class TraceResult(Trace):
    """A trace that shows itself in a notebook; see `Trace` for its arrays.

    The HTML has no scripts. Shaded characters and values have a background and a text colour of their own; everything
    else takes the colours of the notebook, light or dark.
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        """Return the first 2,000 characters shaded by surprisal, and the first 100 as rows of a table to unfold."""
        from charlstm.inspection.gates import build_table  # a view is imported when it is shown

        rows = min(len(self.text), MOST_ROWS)
        table = html.build_table(build_table(self.first(MOST_ROWS)), rows, style_cell)
        strip = "".join(_build_strip(self.first(MOST_CHARACTERS)))
        return (
            f'<div style="{FRAME}"><div>{strip}</div>{note_more(len(self.text) - MOST_CHARACTERS)}<details>'
            f"<summary>every character</summary>{table}{note_more(len(self.text) - MOST_ROWS)}</details></div>"
        )


def _build_strip(trace: Trace) -> Iterator[str]:
    rows = zip(trace.text, trace.surprise, trace.most_probable(GUESSES), strict=True)
    for n, (character, bits, guesses) in enumerate(rows):
        predicted = ", ".join(format_value(guess, Kind.GUESS) for guess in guesses)
        surprisal = format_value(bits, Kind.BITS)
        title = escape(f"{n}: {escape_character(character)}, {surprisal} bits; predicted next: {predicted}")
        yield build_sign(character, float(bits), title)


def build_sign(character: str, bits: float, title: str) -> str:
    """Return a character shaded by its surprisal, and where a line may end after it."""
    sign = "&nbsp;" if character == " " else escape(escape_character(character))
    end = "<br>" if character in ("\n", END) else "<wbr>"
    return f'<span title="{title}" style="{_shade(bits, Kind.BITS)}">{sign}</span>{end}'


def style_cell(column: Column, n: int | None) -> str:
    """Return the style attribute of a cell; none for a heading."""
    if n is None:
        return ""
    side = "left" if column.kind in html.WORDS else "right"
    shade = _shade(float(column.values[n]), column.kind) if column.kind in html.SHADED else ""
    return f' style="padding:0 .5em;text-align:{side};{shade}"'


def _shade(value: float, kind: Kind) -> str:
    """Return the style of the shade of a value; an empty string for NaN."""
    if math.isnan(value):
        return ""
    background = mix_rgb(strength(value, kind))
    return f"background:rgb{background};color:rgb{choose_ink(background)}".replace(" ", "")


def note_more(count: int, noun: str = "more character") -> str:
    """Return a line of HTML with the number of items that are not shown; nothing if all are shown."""
    return f"<div>… and {count_of(count, noun)}</div>" if count > 0 else ""
