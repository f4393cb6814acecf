"""A line at the bottom of a terminal that is drawn again and again: progress, or the elapsed time of a command."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from charlstm.cli.console import is_dumb, terminal_width
from charlstm.render.characters import pad, width_of

PATIENCE = 2.0
INTERVAL = 0.5


class StatusLine:
    """A line on standard error that never takes more than one row, whatever the width of the terminal becomes.

    tqdm draws the bars of Python programs, but not this line: it cuts a line that is too long at its end, in the middle
    of the time left, and cannot leave out whole pieces by their rank.
    """

    def draw(self, text: str) -> None:
        """Replace the line by a text, which is cut if it does not fit."""
        sys.stderr.write("\r" + pad(text, columns() - 1))  # the last column stays free: filling it may start a row
        sys.stderr.flush()

    def clear(self) -> None:
        """Remove the line, so that the next text is printed in its place."""
        sys.stderr.write("\r" + " " * (columns() - 1) + "\r")
        sys.stderr.flush()


def can_redraw() -> bool:
    """Return whether standard error is a terminal on which a line can be drawn again."""
    return sys.stderr.isatty() and not is_dumb()


def columns() -> int:
    """Return the present width of the terminal of standard error; 80 if it has none."""
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        width = terminal_width()
    return max(2, width or 80)


def fit(pieces: Sequence[tuple[int, str]], width: int) -> str:
    """Return pieces of text in a line of at most some columns, without those that are least needed.

    Parameters
    ----------
    pieces
        Each with its rank, in the order of the line; the highest rank is left out first, and rank 0 never.
    width
        Columns of the line.

    Examples
    --------
    >>> fit([(1, "50%"), (2, "1.234 nats"), (0, "3 s left")], 20)
    '50%  3 s left'
    """
    kept = list(pieces)
    while len(kept) > 1 and sum(width_of(text) + 2 for _, text in kept) - 2 > width:
        kept.remove(max(kept))
    return "  ".join(text for _, text in kept)


@contextmanager
def show_elapsed(what: str, total: int = 0) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how long the block has been running, after its first two seconds and until its end.

    Parameters
    ----------
    what
        A word or two that describe the block.
    total
        Number of characters that it reads; 0: that is not shown.

    Yields
    ------
    callable
        Takes the number of characters that are read.
    """
    clock = Clock(what, total)
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
    """Draws the elapsed time, and how many characters are read, until an event."""

    def __init__(self, what: str, total: int) -> None:
        self.ended = Event()
        self._what, self._total, self._read = what, total, 0

    def report(self, read: int) -> None:
        """Note how many characters are read."""
        self._read = min(read, self._total)

    def run(self) -> None:
        """Draw until the end."""
        start = time.monotonic()
        if self.ended.wait(PATIENCE):
            return
        line = StatusLine()
        while not self.ended.is_set():
            minutes, seconds = divmod(int(time.monotonic() - start), 60)
            pieces = [(0, f"{self._what} … {minutes:02d}:{seconds:02d}")]
            if self._total:
                share = f"{self._read / self._total:.0%}"
                pieces += [(1, share), (2, f"{self._read:,} of {self._total:,} characters")]
            line.draw(fit(pieces, columns() - 1))
            self.ended.wait(INTERVAL)
        line.clear()
