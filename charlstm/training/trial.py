"""Trials of training, which tell how fast this machine is, before a run is fitted to a given time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from charlstm.model.model import Model
from charlstm.text.corpus import Prepare
from charlstm.text.split import Split
from charlstm.training import recipe, trainer
from charlstm.training.exchange import Requests
from charlstm.training.processes import start_team
from charlstm.training.team import Team
from charlstm.training.trainer import TrainingStep

SHARE = 0.02  # of the run
SHORTEST, LONGEST = 1.0, 3.0  # seconds
LONG_RUN = 600.0  # seconds
WARM_STEPS = 3
LEAST_SHARE = 0.2  # of the time, in which a process is assumed to compute


def choose_trials(run: float) -> tuple[float, ...]:
    """Return how many seconds each trial for a run of that many seconds takes.

    A network that fits into the processor's cache does more multiplications per second than a larger one. So a long run
    has a second trial, with the network that follows from the first one.

    Examples
    --------
    >>> choose_trials(60.0), choose_trials(180.0), choose_trials(3600.0)
    ((1.2,), (3.0,), (3.0, 3.0))
    """
    seconds = min(max(SHORTEST, SHARE * run), LONGEST)
    return (seconds, seconds) if run >= LONG_RUN else (seconds,)


def measure_pace(model: Model, split: Split, workers: int, world: Team, seconds: float, prepare: Prepare) -> float:
    """Train on trial for some seconds; return the multiplications per second that can be expected.

    Other programs that use the cores during the trial may soon end, or stay. So this is the geometric mean of what was
    done per second, and of what was done per second in which this process computed.

    Parameters
    ----------
    model
        The model; its weights are changed.
    split
        Its training set.
    workers
        Processes that share every batch.
    world
        MPI's ranks, or a team of one.
    seconds
        How long to train.
    prepare
        Receives how much of the trial is done; see `Watcher.prepare`.
    """
    network, started = model.network, time.monotonic()
    network.initialise(0)
    config = replace(model.training, steps=trainer.MOST_STEPS, validate_every=trainer.MOST_STEPS, patience=0)

    def job(team: Team) -> Iterator[TrainingStep]:
        def ask(done: int) -> Requests:
            is_late = time.monotonic() - started > seconds
            return Requests(stop=team.rank == 0 and done >= warm and is_late)

        return trainer.train(network, split.training, None, config, team, ask)

    characters, since, computed, warm = 0, started, time.process_time(), WARM_STEPS
    with start_team(job, trainer.largest_sum(network, split.training.rows), world, workers) as team:
        for result in job(team):
            elapsed = min(time.monotonic() - started, seconds)
            prepare("measuring the speed", round(1000 * elapsed), round(1000 * seconds))
            if result.step <= warm:
                since, computed = time.monotonic(), time.process_time()
                warm = result.step if since - started > seconds / 2 else warm  # steps of seconds need no warm-up
            else:
                characters += result.characters
        elapsed, computed = time.monotonic() - since, time.process_time() - computed
    elapsed *= math.sqrt(min(1.0, max(LEAST_SHARE, computed / elapsed)))
    pace = np.array([recipe.TRAINING_COST * network.multiplications * characters / elapsed * (world.rank == 0)])
    world.all_reduce(pace)
    return float(pace[0])
