"""What a person is shown while a command is busy and has nothing to say yet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

PATIENCE = 2.0
EVERY = 0.5


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say on a terminal for how long something has been going on, once it has for two seconds; at its end that is gone.

    Parameters
    ----------
    what
        What is going on: a word or two.
    """
    if not sys.stderr.isatty():
        yield
        return
    over = Event()
    clock = Thread(target=_tell, args=(what, over), name="waiting", daemon=True)
    clock.start()
    try:
        yield
    finally:
        over.set()
        clock.join()


def _tell(what: str, over: Event) -> None:
    if over.wait(PATIENCE):
        return
    from tqdm import tqdm  # most commands are done before it is needed

    with tqdm(desc=what, bar_format="{desc} … {elapsed}", leave=False) as shown:
        shown.start_t -= PATIENCE
        while not over.wait(EVERY):
            shown.refresh()
