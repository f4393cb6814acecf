"""A team of MPI ranks, on one machine or several: `mpirun -n 8 charlstm train corpus.txt --mpi`.

Only imported on request: mpi4py comes with the extra `charlstm[mpi]`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from charlstm.base.errors import CharlstmError, ConfigError
from charlstm.base.parameters import Array
from charlstm.training.team import Team

Result = TypeVar("Result")


class MPI(Team):
    """The ranks of MPI's world communicator.

    Raises
    ------
    ConfigError
        If mpi4py or its MPI library is missing.
    """

    def __init__(self) -> None:
        try:
            from mpi4py import MPI as library  # noqa: N811 - the class here is the team's
        except (ImportError, RuntimeError) as error:
            raise ConfigError(
                f"training under MPI needs mpi4py and an MPI library ({error}): pip install 'charlstm[mpi]'"
            ) from error
        self._world: Any = library.COMM_WORLD
        self._in_place: Any = library.IN_PLACE
        self.rank = self._world.Get_rank()
        self.size = self._world.Get_size()

    def all_reduce(self, vector: Array) -> None:
        """Replace a vector by the sum over all ranks; see `Team.all_reduce`."""
        self._world.Allreduce(self._in_place, vector)

    def run_in_all(self, work: Callable[[], Result]) -> Result:
        """Do work in every rank; if it fails in some ranks, raise the error of the first of them in all."""
        result, error = None, None
        try:
            result = work()
        except CharlstmError as raised:
            error = raised
        errors = [raised for raised in self._world.allgather(error) if raised is not None]
        if errors:
            raise errors[0]
        return cast(Result, result)

    def abort(self) -> None:
        """End all ranks at once: for a rank that cannot continue while the others wait for it."""
        self._world.Abort(1)
