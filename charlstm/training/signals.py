"""Signals that wait until it is safe to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def stopping_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that stop a run: SIGINT, SIGTERM, and SIGHUP unless it is ignored, as under nohup."""
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    ignored = hangup is None or signal.getsignal(hangup) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM) if ignored else (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def defer_signals(*numbers: signal.Signals) -> Iterator[list[int]]:
    """Defer these signals: the first of each only appears in the list that is yielded; a second one acts at once.

    A second SIGHUP does nothing: a terminal that closes may send several. Outside the main thread, which alone receives
    signals in Python, this does nothing.

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
        if signal.Signals(number).name != "SIGHUP":
            signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, receive) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
