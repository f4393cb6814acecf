"""A line at the bottom of a terminal that is drawn again and again: progress, or the elapsed time of a command."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from charlstm.cli.console import is_dumb
from charlstm.cli.output import STATUS_LINE, columns
from charlstm.render.characters import pad, width_of

PATIENCE = 2.0
INTERVAL = 0.5
GAP = "gap"


def draw_status(text: str) -> None:
    """Draw a text as the line at the bottom of the terminal; it never takes more than one row.

    tqdm draws the bars of Python programs, but not this line: it cuts a line that is too long at its end, in the middle
    of the time left, and cannot shorten pieces in turn.
    """
    room = columns() - 1  # the last column stays free: filling it may start a row
    STATUS_LINE.draw(pad(text, room), room)


def can_redraw() -> bool:
    """Return whether standard error is a terminal on which a line can be drawn again."""
    return sys.stderr.isatty() and not is_dumb()


def fit(pieces: Mapping[str, Sequence[str]], order: Iterable[str], width: int) -> str:
    """Return pieces of text in a line of at most some columns: each piece in the longest form for which there is room.

    Parameters
    ----------
    pieces
        Name of a piece → its forms, from the longest to the shortest; an empty one leaves it out.
    order
        Names in the order in which a piece gives way to the others; each stands there once for every shorter form, and
        `GAP` where the gaps between the pieces become narrower, otherwise at the end.
    width
        Columns of the line.

    Examples
    --------
    >>> pieces = {"percent": ["50%", ""], "loss": ["loss 1.234", "1.234"], "left": ["3 s left"]}
    >>> [fit(pieces, ["loss", "percent"], width) for width in (30, 21, 16)]
    ['50%  loss 1.234  3 s left', '50%  1.234  3 s left', '1.234  3 s left']
    """
    forms = {name: list(several) for name, several in pieces.items()} | {GAP: ["  ", " "]}
    for name in (*order, GAP):
        if width_of(_join(forms)) <= width:
            break
        if len(forms.get(name, ())) > 1:
            del forms[name][0]
    return _join(forms)


def _join(forms: Mapping[str, Sequence[str]]) -> str:
    return forms[GAP][0].join(several[0] for name, several in forms.items() if several[0] and name != GAP)


@contextmanager
def show_elapsed(what: str, total: int = 0, noun: str = "characters") -> Iterator[Callable[[int], None]]:
    """Show on a terminal how long the block has been running, after its first two seconds and until its end.

    Parameters
    ----------
    what
        A word or two that describe the block.
    total
        Number of characters that it reads, or of other things; 0: that is not shown.
    noun
        What is counted.

    Yields
    ------
    callable
        Takes the number of things that are done.
    """
    clock = Clock(what, total, noun)
    if not can_redraw():
        yield clock.report
        return
    thread = Thread(target=clock.run, name="elapsed", daemon=True)
    thread.start()
    try:
        yield clock.report
    finally:
        clock.ended.set()
        thread.join()


class Clock:
    """Draws the elapsed time, and how many things are done, until an event."""

    def __init__(self, what: str, total: int, noun: str) -> None:
        self.ended = Event()
        self._what, self._total, self._noun, self._read = what, total, noun, 0

    def report(self, read: int) -> None:
        """Note how many things are done."""
        self._read = min(read, self._total)

    def run(self) -> None:
        """Draw until the end."""
        start = time.monotonic()
        if self.ended.wait(PATIENCE):
            return
        while not self.ended.is_set():
            minutes, seconds = divmod(int(time.monotonic() - start), 60)
            pieces = {"time": [f"{self._what} … {minutes:02d}:{seconds:02d}"]}
            if self._total:
                pieces["share"] = [f"{self._read / self._total:.0%}", ""]
                pieces["count"] = [f"{self._read:,} of {self._total:,} {self._noun}", ""]
            draw_status(fit(pieces, ("count", "share"), columns() - 1))
            self.ended.wait(INTERVAL)
        STATUS_LINE.clear()
