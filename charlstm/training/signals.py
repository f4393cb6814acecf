"""Signals that wait until it is safe to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def defer_signals(*numbers: signal.Signals) -> Iterator[list[int]]:
    """Defer the first of each of these signals: it only appears in the list that is yielded; a second one acts at once.

    Outside the main thread, which alone receives signals in Python, this does nothing.

    Parameters
    ----------
    numbers
        The signals.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def receive(number: int, frame: object) -> None:
        received.append(number)
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, receive) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
