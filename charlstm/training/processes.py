"""A team of processes on one machine: forked, so that they start with equal memory; they sum in shared memory.

Neither the shared memory nor the pipes have a name, so no process can leave them behind. A process that finds the other
end of a pipe closed knows that the other process has ended: process 0 raises an error, the others end.
"""

from __future__ import annotations

import math
import mmap
import multiprocessing
import os
import platform
import signal
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

from charlstm.base.errors import TrainingError
from charlstm.base.parameters import Array
from charlstm.training.signals import stopping_signals
from charlstm.training.team import Team

Job = Callable[[Team], Iterable[object]]

ALIGNMENT = 64
SECONDS_TO_END = 5.0
STDERR = 2


class CannotStartError(TrainingError):
    """The operating system refuses to start another process."""


class Processes(Team):
    """Processes that share memory, as one of them sees them.

    Parameters
    ----------
    rank
        Number of this process.
    memory : (2, size, bytes) uint8 array
        Shared memory: two buffers with a row for each process, so that the next sum can begin while a slow process
        still reads the last one.
    pipes
        For process 0 the pipes to all others; for any other process the pipe to process 0.
    """

    def __init__(self, rank: int, memory: Array, pipes: list[socket.socket]) -> None:
        self.rank = rank
        self.size = memory.shape[1]
        self._memory = memory
        self._pipes = pipes
        self._buffer = 0

    def all_reduce(self, vector: Array) -> None:
        """Replace a vector by the sum over all processes; see `Team.all_reduce`."""
        rows = self._memory[self._buffer, :, : vector.nbytes].view(vector.dtype)  # (size, N)
        self._buffer = 1 - self._buffer
        rows[self.rank] = vector
        self._wait_for_all()
        np.add.reduce(rows, axis=0, out=vector)

    def _wait_for_all(self) -> None:
        """Wait until every process calls this: all signal to process 0, then it signals to all."""
        first = self.rank == 0
        exchanges = (_receive, _send) if first else (_send, _receive)
        for exchange in exchanges:
            for number, pipe in enumerate(self._pipes, start=2 if first else 1):
                if not exchange(pipe):
                    raise TrainingError(
                        f"worker {number} of {self.size} ended unexpectedly; the last save is intact: resume the run,"
                        " with fewer workers if memory was short"
                    )


def _send(pipe: socket.socket) -> bool:
    """Send a byte; return whether the other process is still there."""
    try:
        return bool(pipe.send(b"."))
    except ConnectionError:
        return False


def _receive(pipe: socket.socket) -> bool:
    """Wait for a byte; return whether it came."""
    try:
        return bool(pipe.recv(1))
    except ConnectionError:
        return False


def count_cores() -> int:
    """Return how many processes can compute at the same time here: the physical cores that this process may use.

    On macOS it is 1: NumPy's BLAS there uses several cores by itself, and cannot be used after a fork.
    """
    if platform.system() == "Darwin" or not hasattr(os, "fork"):
        return 1
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    siblings = {_read(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") or str(cpu) for cpu in usable}
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    allowed = max(1, int(quota) // int(period)) if quota.isdigit() and period.isdigit() else len(siblings)
    return min(len(siblings), allowed)


def memory_of_the_machine() -> float:
    """Return the bytes of memory of this machine; infinity where that is not known."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return math.inf


def _read(path: str) -> str:
    """Return the content of a file of the system; an empty string if there is none."""
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


@contextmanager
def start_team(
    job: Job, largest: int, world: Team, workers: int, report: Callable[[str], object] = lambda text: None
) -> Iterator[Team]:
    """Start the processes on this machine that share a job, unless MPI's ranks share it; yield this process's team.

    Parameters
    ----------
    job
        What every process does to the end. This process does it itself, inside the `with` statement.
    largest
        Bytes of the longest vector that the processes sum.
    world
        A team of one, or MPI's ranks.
    workers
        Processes on this machine.
    report
        Receives a message if no process can be started; this process then works alone.

    Raises
    ------
    TrainingError
        In `Team.all_reduce`, if another process has ended.
    """
    with ExitStack() as stack:
        team = world
        if world.size == 1 and workers > 1:
            try:
                team = stack.enter_context(start_processes(workers, largest, job))
            except CannotStartError as error:
                report(f"{error}; training continues in one process")
        yield team


@contextmanager
def start_processes(size: int, largest: int, job: Job) -> Iterator[Team]:
    """Start the other processes of a team, which do a job to its end; yield this process's place in the team.

    Parameters
    ----------
    size
        Processes in all, this one included.
    largest
        Bytes of the longest vector that the processes sum.
    job
        What every process does. This process does it itself, inside the `with` statement.

    Raises
    ------
    CannotStartError
        If the operating system refuses to start another process.
    TrainingError
        In `Team.all_reduce`, if another process has ended.
    """
    room = -(-largest // ALIGNMENT) * ALIGNMENT
    here: list[socket.socket] = []
    others: list[BaseProcess] = []
    completed = False
    try:
        try:
            memory = np.frombuffer(mmap.mmap(-1, 2 * size * room), np.uint8).reshape(2, size, room)
            fork = multiprocessing.get_context("fork")
            for rank in range(1, size):
                mine, theirs = socket.socketpair()
                here.append(mine)
                other = fork.Process(target=_work, args=(rank, memory, theirs, here, job), daemon=True)
                with theirs, warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the child uses none of theirs
                    other.start()
                others.append(other)
        except (OSError, ValueError) as error:
            raise CannotStartError(f"no other process could be started ({error})") from error
        yield Processes(0, memory, here)
        completed = True
    finally:
        for pipe in here:
            pipe.close()
        for process in others:
            process.join(SECONDS_TO_END if completed else 0.0)
            process.kill()
            process.join()


def _work(
    rank: int,
    memory: Array,
    pipe: socket.socket,
    inherited: list[socket.socket],
    job: Callable[[Team], Iterable[object]],
) -> None:
    """Do the job in a process of its own; print nothing, because process 0 reports."""
    for number in stopping_signals():  # process 0 decides when to stop
        signal.signal(number, signal.SIG_IGN)
    for end in inherited:
        end.close()
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDERR)
    with suppress(TrainingError):
        for _ in job(Processes(rank, memory, [pipe])):
            pass
