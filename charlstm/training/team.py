"""What sharing the work of training means: every process does the same, on rows of its own, and gradients are summed.

All processes of a team hold the same weights, optimizer and corpus. In each step every one reads its share of the
batch's rows; the sum of their gradients is the gradient of the whole batch; and all make the same update from it. So
nobody sends weights, and one process alone is a team of one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from charlstm.parameters import Array

Result = TypeVar("Result")


class Team(ABC):
    """One process of a team, as that process sees it.

    Attributes
    ----------
    rank
        Which one it is, from 0; the first one shows progress and writes files.
    size
        How many there are.
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
        """Return which of so many rows are this process's own."""
        return slice(rows * self.rank // self.size, rows * (self.rank + 1) // self.size)

    def together(self, work: Callable[[], Result]) -> Result:
        """Do something that may fail; where each process has started by itself, it fails in all of them or in none."""
        return work()


class Serial(Team):
    """A team of one."""

    def all_reduce(self, vector: Array) -> None:
        """Leave the vector: it is the sum."""
