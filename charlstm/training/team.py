"""Data-parallel training: every process takes the same steps, and the processes sum their gradients.

All processes of a team hold the same weights, optimizer and corpus. In each step a process reads its share of the
batch's rows. The sum of all gradients is the gradient of the whole batch, and every process makes the same update from
it, so no process sends weights. A single process is a team of one.
"""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from charlstm.base.errors import CharlstmError
from charlstm.base.parameters import Array

Result = TypeVar("Result")


class Team(ABC):
    """The processes that share the work, as one of them sees them.

    Attributes
    ----------
    rank
        Number of this process, from 0; process 0 reports progress and writes files.
    size
        Number of processes.
    """

    rank: int = 0
    size: int = 1

    @abstractmethod
    def all_reduce(self, vector: Array) -> None:
        """Replace a vector, in every process, by the sum of all processes' vectors: the same bits everywhere.

        Parameters
        ----------
        vector : (N,) array
            Of the same length and type in every process; changed in place.
        """

    def share(self, rows: int) -> slice:
        """Return which of B rows this process reads."""
        return slice(rows * self.rank // self.size, rows * (self.rank + 1) // self.size)

    def run_in_all(self, work: Callable[[], Result]) -> Result:
        """Do work that may fail; where the processes started independently, it fails in all of them or in none."""
        return work()


class Serial(Team):
    """A team of one process."""

    def all_reduce(self, vector: Array) -> None:
        """Leave the vector as it is: the sum over one process."""


@contextmanager
def join_world(mpi: bool) -> Iterator[Team]:
    """Yield the team of ranks that mpirun started, or a team of one; a rank that fails unexpectedly ends all.

    Raises
    ------
    ConfigError
        If mpi4py or its MPI library is missing.
    """
    if not mpi:
        yield Serial()
        return
    from charlstm.training.mpi import MPI  # mpi4py is optional

    world = MPI()
    try:
        yield world
    except (CharlstmError, KeyboardInterrupt):  # raised in every rank
        raise
    except BaseException as error:
        if world.size > 1:
            if not isinstance(error, SystemExit):  # a signal
                traceback.print_exc()
            world.abort()
        raise
