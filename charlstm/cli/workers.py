"""Which processes share the work of a command: one, several on this machine, or those that mpirun started."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import click

from charlstm.cli.console import remark
from charlstm.errors import CharlstmError
from charlstm.network.network import Network
from charlstm.text.split import Split
from charlstm.training import trainer
from charlstm.training.processes import CannotStartError, Job, processes
from charlstm.training.team import Serial, Team


@contextmanager
def world_of(mpi: bool) -> Iterator[Team]:
    """Join the processes that mpirun started, if asked to; of an error that all of them meet, the first one speaks."""
    if not mpi:
        yield Serial()
        return
    from charlstm.training.mpi import MPI

    world = MPI()
    try:
        yield world
    except (CharlstmError, click.ClickException) as error:
        if world.rank == 0:
            raise
        raise click.exceptions.Exit(1) from error
    except click.exceptions.Exit:
        raise
    except BaseException:
        if world.size > 1:
            traceback.print_exc()
            world.abort()
        raise


@contextmanager
def shared(
    job: Job, network: Network, split: Split, world: Team, workers: int, say: Callable[[str], None] = remark
) -> Iterator[Team]:
    """Start the processes that share a job on this machine, unless MPI's ranks do; yield this one's place.

    Parameters
    ----------
    job
        What every one of them does.
    network, split
        What is trained on what.
    world
        A team of one, or MPI's.
    workers
        Processes on this machine.
    say
        Told where they cannot be started and one has to do.
    """
    with ExitStack() as stack:
        team = world
        if world.size == 1 and workers > 1:
            most = trainer.largest_sum(network, split.training.rows)
            try:
                team = stack.enter_context(processes(workers, most, job))
            except CannotStartError as error:
                say(f"{error}; going on in one")
        yield team
