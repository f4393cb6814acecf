"""The elapsed time of a command that has printed nothing yet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

PATIENCE = 2.0
INTERVAL = 0.5


@contextmanager
def show_elapsed(what: str) -> Iterator[None]:
    """Show on a terminal how long the block has been running, after its first two seconds and until its end.

    Parameters
    ----------
    what
        A word or two that describe the block.
    """
    if not sys.stderr.isatty():
        yield
        return
    done = Event()
    clock = Thread(target=_count, args=(what, done), name="elapsed", daemon=True)
    clock.start()
    try:
        yield
    finally:
        done.set()
        clock.join()


def _count(what: str, done: Event) -> None:
    if done.wait(PATIENCE):
        return
    from tqdm import tqdm  # most commands end before they need it

    with tqdm(desc=what, bar_format="{desc} … {elapsed}", leave=False) as bar:
        bar.start_t -= PATIENCE
        while not done.wait(INTERVAL):
            bar.refresh()
