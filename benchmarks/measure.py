"""Contestants in turn: each is a process that works when told to, A B A B …; a figure is the median of its rounds."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import processors

HERE = Path(__file__).resolve().parent


class Pace(NamedTuple):
    """How long to measure.

    Attributes
    ----------
    rounds
        Turns of each contestant.
    seconds
        About how long a turn lasts.
    """

    rounds: int = 5
    seconds: float = 0.6


class Launch(NamedTuple):
    """How to start a contestant; see serving.py.

    Attributes
    ----------
    name
        Its name in the script.
    settings
        What it takes.
    script, python
        The script, in this folder, and the Python that runs it.
    kind
        The kind of processor; empty: the machine as it is, with the environment of this process.
    """

    name: str
    settings: Mapping[str, int]
    script: str = "contestants.py"
    python: Path = Path(sys.executable)
    kind: str = ""


class Outcome(NamedTuple):
    """What was measured of one contestant.

    Attributes
    ----------
    seconds
        Seconds per unit of work, the median of the rounds; None if it failed.
    fastest
        Seconds per unit of work of the fastest round.
    cpu
        CPU seconds per unit of work, the median of the rounds, of one process with all its threads; it leaves out the
        time that other programs took. Infinite where it is not known.
    first
        Seconds of its first steps, with all compiling.
    problem
        Why it failed.
    """

    seconds: float | None
    fastest: float | None = None
    cpu: float | None = None
    first: float = 0.0
    problem: str = ""


class ContestantError(Exception):
    """A contestant ended, or computes something else than charlstm."""


class Contestant:
    """A process that works when told to; closing it is up to the caller.

    Parameters
    ----------
    launch
        How to start it.

    Raises
    ------
    ContestantError
        From `ask` and what calls it, if the process has ended.
    """

    def __init__(self, launch: Launch) -> None:
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        if launch.kind:
            environment = processors.environment(launch.kind, launch.settings.get("processes", 1), environment)
        paths = (str(HERE), *filter(None, [environment.get("PYTHONPATH")]))
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(
            [launch.python, HERE / launch.script, launch.name, json.dumps(launch.settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment | {"PYTHONPATH": os.pathsep.join(paths)},
        )
        self._units = 1
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []

    def ask(self, order: str) -> Any:
        """Send an order and return the answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            print(order, file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._process.wait()
            self._errors.seek(0)
            last = self._errors.read().strip().splitlines()[-1:]
            raise ContestantError(" ".join([f"it ended with exit code {self._process.returncode}:", *last]))
        return json.loads(answer)

    def choose_units(self, seconds: float) -> None:
        """Choose the units of work of a turn that lasts about so many seconds, or longer on a busy machine.

        A turn has that much CPU time: a short one that nothing interrupts would look fast beside the others.
        """
        while (taken := min(self._work())) < seconds / 4:
            self._units *= 2
        self._units = max(1, round(seconds / taken * self._units))

    def take_turn(self) -> None:
        """Work for one turn and record the times per unit."""
        for times, taken in zip((self.seconds, self.cpu_seconds), self._work(), strict=True):
            times.append(taken / self._units)

    def _work(self) -> tuple[float, float]:
        """Do the units of work of a turn; return its seconds and its CPU seconds, infinite where they are not known."""
        before = self._measure_cpu_time()
        seconds = self.ask(str(self._units))
        return seconds, (self._measure_cpu_time() - before) or math.inf

    def _measure_cpu_time(self) -> float:
        """Return the CPU seconds of the threads of the process; 0 where the system does not tell."""
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        with suppress(OSError):
            return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
        return 0.0

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def measure_in_turn(contestants: Mapping[str, Launch], pace: Pace, tolerance: float = math.inf) -> dict[str, Outcome]:
    """Let contestants work in turn and return what was measured of each.

    Parameters
    ----------
    contestants
        By label. The first is the one that the others must agree with.
    pace
        How long to measure.
    tolerance
        Largest difference between the numbers that two of them check; infinite: they may check different ones.
    """
    ready: dict[str, Contestant] = {}
    first, problems, expected = {}, _Problems(), None
    try:
        for label, launch in contestants.items():
            ready[label] = contestant = Contestant(launch)
            with problems.of(label):
                start = time.perf_counter()
                checked = contestant.ask("check")
                contestant.ask("1")  # compiles what the check does not need
                first[label] = time.perf_counter() - start
                expected = checked if expected is None else expected
                check_equal(checked, expected, tolerance)
                contestant.choose_units(pace.seconds)
        for _ in range(pace.rounds):
            for label in [label for label in contestants if label not in problems]:
                with problems.of(label):
                    ready[label].take_turn()
    finally:
        for contestant in ready.values():
            contestant.close()
    outcomes = {}
    for label, contestant in ready.items():
        outcomes[label] = Outcome(None, problem=problems.get(label, ""))
        if label not in problems:
            cpu = statistics.median(contestant.cpu_seconds)
            seconds = contestant.seconds
            outcomes[label] = Outcome(statistics.median(seconds), min(seconds), cpu, first[label])
    return outcomes


class _Problems(dict[str, str]):
    """Why contestants failed, by label."""

    @contextmanager
    def of(self, label: str) -> Iterator[None]:
        """Record what goes wrong in a block of one contestant."""
        try:
            yield
        except ContestantError as error:
            self[label] = str(error)


def check_equal(numbers: Sequence[float] | None, expected: Sequence[float] | None, tolerance: float) -> None:
    """Raise ContestantError if numbers differ from the expected ones; None has nothing to compare.

    >>> check_equal([1.0, 2.0], [1.0, 2.5], 0.1)
    Traceback (most recent call last):
    ...
    measure.ContestantError: it differs from charlstm by 0.5
    """
    if numbers is None or expected is None or tolerance == math.inf:
        return
    differences = [abs(a - b) for a, b in zip(numbers, expected, strict=True)]
    if not max(differences) <= tolerance:
        raise ContestantError(f"it differs from charlstm by {max(differences):.2g}")


def probe(launch: Launch) -> dict[str, Any]:
    """Return what the library of a contestant tells about the instructions that it uses."""
    contestant = Contestant(launch._replace(name="probe", settings={"processes": 1}))
    try:
        return dict(contestant.ask(""))
    finally:
        contestant.close()
