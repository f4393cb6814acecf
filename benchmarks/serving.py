"""How a contestant works when told to: it reads orders from stdin and answers each with one line of JSON.

    check       the losses of the first steps, or the logits after a text: what all contestants must agree on
    probe       how fast functions and products of its library are, which shows the instructions that it uses
    N           the seconds that N units of work take

This module needs only the standard library, since each contestant runs with the packages of its own environment.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

PROBED_NUMBERS, PROBED_SIDE, PROBES = 12_288, 512, 9


class Contestant(NamedTuple):
    """What a contestant can do.

    Attributes
    ----------
    work
        Does N units: training steps, or sampled characters of each text.
    check
        Returns the numbers that all contestants must agree on; called once, before the first work. None: the
        contestant computes something else.
    """

    work: Callable[[int], None]
    check: Callable[[], list[float]] | None = None


def serve(contestants: Mapping[str, Callable[..., Iterator[Contestant]]], probe: Callable[[], Any]) -> None:
    """Set up the contestant that the command line names, with its settings in JSON, and follow orders to the end."""
    name, settings = sys.argv[1], json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    if name == "probe":
        print(json.dumps(probe()), flush=True)
        return
    running = contestants[name](**settings)
    contestant = next(running)
    for line in sys.stdin:
        if line.strip() == "check":
            answer: Any = None if contestant.check is None else contestant.check()
        else:
            start = time.perf_counter()
            contestant.work(int(line))
            answer = time.perf_counter() - start
        print(json.dumps(answer), flush=True)
    running.close()  # type: ignore[attr-defined]


def measure_speed(tanh: Callable[[], object], multiply: Callable[[], object]) -> dict[str, float]:
    """Return the nanoseconds of tanh per number, and the GFLOP/s of a product.

    Parameters
    ----------
    tanh
        Computes it for PROBED_NUMBERS numbers.
    multiply
        Multiplies two matrices of PROBED_SIDE rows and columns.
    """
    seconds = []
    for work in (tanh, multiply):
        work()
        times = []
        for _ in range(PROBES):
            start = time.perf_counter()
            for _ in range(20):
                work()
            times.append((time.perf_counter() - start) / 20)
        seconds.append(min(times))
    return {"tanh": seconds[0] / PROBED_NUMBERS * 1e9, "product": 2 * PROBED_SIDE**3 / seconds[1] / 1e9}
