"""A team of processes on one machine: forked, so that they start with the same memory; sums in memory that they share.

The shared memory has no name and the pipes neither, so nothing can be left behind. Whoever finds the other end of a
pipe closed knows that the other process is gone: the first one raises, the others end.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import platform
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

from charlstm.errors import TrainingError
from charlstm.parameters import Array
from charlstm.training.team import Team

Job = Callable[[Team], Iterable[object]]

ALIGNMENT = 64
PATIENCE = 5.0
STDERR = 2


class CannotStartError(TrainingError):
    """The system starts no further process."""


class Processes(Team):
    """One of several processes that share memory.

    Parameters
    ----------
    rank
        Which one this is.
    memory : (2, size, bytes) uint8 array
        Shared: a row for each process, twice, so that the next sum may begin while a slow process still reads.
    pipes
        To every other process from the first one; from any other the one to the first.
    """

    def __init__(self, rank: int, memory: Array, pipes: list[socket.socket]) -> None:
        self.rank = rank
        self.size = memory.shape[1]
        self._memory = memory
        self._pipes = pipes
        self._turn = 0

    def all_reduce(self, vector: Array) -> None:
        """Replace a vector by the sum over all processes; see `Team.all_reduce`."""
        rows = self._memory[self._turn, :, : vector.nbytes].view(vector.dtype)  # (size, N)
        self._turn = 1 - self._turn
        rows[self.rank] = vector
        self._meet()
        np.add.reduce(rows, axis=0, out=vector)

    def _meet(self) -> None:
        """Wait until every process is here: all tell the first one, and it tells all."""
        first = self.rank == 0
        exchanges = (_hear, _tell) if first else (_tell, _hear)
        for exchange in exchanges:
            for number, pipe in enumerate(self._pipes, start=2 if first else 1):
                if not exchange(pipe):
                    raise TrainingError(
                        f"worker {number} of {self.size} ended unexpectedly; what was saved before is intact:"
                        " train again, with fewer --workers if memory was short"
                    )


def _tell(pipe: socket.socket) -> bool:
    """Send a sign; say whether somebody is still there."""
    try:
        return bool(pipe.send(b"."))
    except ConnectionError:
        return False


def _hear(pipe: socket.socket) -> bool:
    """Wait for a sign; say whether it came."""
    try:
        return bool(pipe.recv(1))
    except ConnectionError:
        return False


def cores() -> int:
    """Return how many processes can compute side by side here: physical cores that this process may use.

    On macOS it is 1: NumPy's library there uses several cores by itself, and may not be used after a fork.
    """
    if platform.system() == "Darwin" or not hasattr(os, "fork"):
        return 1
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    siblings = {_read(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") or str(cpu) for cpu in usable}
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    allowed = max(1, int(quota) // int(period)) if quota.isdigit() and period.isdigit() else len(siblings)
    return min(len(siblings), allowed)


def _read(path: str) -> str:
    """Return what a file of the system says, nothing if there is none."""
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


@contextmanager
def processes(size: int, largest: int, job: Job) -> Iterator[Team]:
    """Start the other processes of a team, each of which does its job to the end; yield the first one's place in it.

    Parameters
    ----------
    size
        Processes in all, this one included.
    largest
        Bytes of the longest vector that will be summed.
    job
        What each process goes through. This process does it itself, inside the `with` statement.

    Raises
    ------
    CannotStartError
        If the system starts no further process.
    TrainingError
        In `Team.all_reduce`, if another process has ended.
    """
    room = -(-largest // ALIGNMENT) * ALIGNMENT
    here: list[socket.socket] = []
    others: list[BaseProcess] = []
    sound = False
    try:
        try:
            memory = np.frombuffer(mmap.mmap(-1, 2 * size * room), np.uint8).reshape(2, size, room)
            fork = multiprocessing.get_context("fork")
            for rank in range(1, size):
                mine, theirs = socket.socketpair()
                here.append(mine)
                other = fork.Process(target=_work, args=(rank, memory, theirs, here, job), daemon=True)
                with theirs:
                    other.start()
                others.append(other)
        except (OSError, ValueError) as error:
            raise CannotStartError(f"no further process could be started ({error})") from error
        yield Processes(0, memory, here)
        sound = True
    finally:
        for pipe in here:
            pipe.close()
        for process in others:
            process.join(PATIENCE if sound else 0.0)
            process.kill()
            process.join()


def _work(
    rank: int,
    memory: Array,
    pipe: socket.socket,
    inherited: list[socket.socket],
    job: Callable[[Team], Iterable[object]],
) -> None:
    """Do the job in a process of its own, and end without a word: the first process speaks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process decides when to stop
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for end in inherited:
        end.close()
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDERR)
    with suppress(TrainingError):
        for _ in job(Processes(rank, memory, [pipe])):
            pass
