"""Training: batches in, better weights out, one value a step for whoever watches."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import NamedTuple

import numpy as np

from charlstm.config import TrainingConfig
from charlstm.errors import TrainingError
from charlstm.model.checkpoint import RunState
from charlstm.network import optimizers
from charlstm.network.dropout import unit_masks, weight_mask
from charlstm.network.network import Network
from charlstm.parameters import Array, Buffers, Parameters
from charlstm.text.batches import Batch, Batches
from charlstm.training import schedule
from charlstm.training.team import Serial, Team

VALIDATIONS = 10
REPORTS_OF_A_VALIDATION = 20
EXTRAS = 4
MOST_STEPS = 1 << 24
ALONE = Serial()


class Report(NamedTuple):
    """What happened since the report before.

    Attributes
    ----------
    loss
        Mean training loss, in nats per character.
    norm
        Mean norm of the gradient before it was clipped.
    validation
        The loss on the held-out part now, in nats per character; None where it was not measured.
    improved
        True: no validation before was as good.
    """

    loss: float
    norm: float
    validation: float | None
    improved: bool


class Progress(NamedTuple):
    """What one step did.

    Attributes
    ----------
    step
        Updates done, this one included.
    training
        The settings of the run, with its steps as they are planned now.
    characters
        Characters predicted in this step.
    loss
        Its training loss, in nats per character.
    report
        What happened since the last report, if this step ends a stretch that is reported; else None.
    standing
        Where the run stands, after a validation, after the last step, and when it was wished for; else None.
    complete
        True after the last step of a run that nobody stopped.
    """

    step: int
    training: TrainingConfig
    characters: int
    loss: float
    report: Report | None
    standing: RunState | None
    complete: bool


class Requests(NamedTuple):
    """What is asked of a run from outside, before a step.

    Attributes
    ----------
    stop
        Let this step be the last, in all processes, once one of them says so.
    save
        Tell where the run stands after it.
    steps
        Let the whole run have so many steps, at most `MOST_STEPS`; 0: as many as before. One process may wish it, and
        only while the learning rate would be the same either way.
    """

    stop: bool = False
    save: bool = False
    steps: int = 0


def train(
    network: Network,
    batches: Batches,
    held_out: Callable[[], Iterable[Batch]] | None,
    config: TrainingConfig,
    team: Team = ALONE,
    requests: Callable[[int], Requests] = lambda done: Requests(),
    start: RunState | None = None,
) -> Iterator[Progress]:
    """Train a network in place and yield the progress of every step.

    Between two values the weights are those after whole updates.

    Parameters
    ----------
    network
        Its weights are changed; initialise them first.
    batches
        The training part of the corpus.
    held_out
        Gives the held-out part's batches anew at every call; None where nothing is held out.
    config
        How to train.
    team
        The processes that share the work; each of them calls this with the same arguments and asks for every value.
    requests
        Asked in every step of every process, with the updates done before it.
    start
        Where an earlier run stood, to go on from there; the network's weights are replaced.

    Raises
    ------
    TrainingError
        If the loss, the gradient or the weights are no longer finite; the weights are then those before the step. Or
        if a process of the team has ended, or no longer has the same weights.
    """
    weights = network.parameters.flat
    before = np.empty_like(weights)  # (P,)
    exchanged = np.zeros(weights.size + EXTRAS, weights.dtype)  # (P + 4,)  gradient, loss, requests
    gradient = Parameters(network.parameters.shapes, weights.dtype, exchanged[:-EXTRAS])
    optimizer = optimizers.build_optimizer(config.optimizer, weights)
    buffers = Buffers(weights.dtype)
    state, sums, judged = network.zero_state(0), np.zeros(4), np.array([math.inf, 0.0])
    first = 0
    if start is not None:
        first = start.step
        weights[...] = start.weights
        optimizer.moments[...] = start.moments
        state = start.carried[:, :, team.share(start.carried.shape[2])]
        sums, judged = start.sums.copy(), start.judged.copy()
    every = config.validate_every or -(-config.steps // VALIDATIONS)
    for step in count(first):
        if step >= config.steps or 0 < config.patience <= judged[1]:
            return
        batch = batches.batch(step)
        mine = team.share(batch.ids.shape[1])
        if batch.resets_state:
            state = network.zero_state(mine.stop - mine.start)
        masks = unit_masks(network.config, weights.dtype, batch.ids.shape[1], config.random_seed, step)
        thinning = weight_mask(network.config, network.parameters, config.random_seed, step)
        characters = int(batch.loss_mask.sum())
        counted = batch.loss_mask / np.float32(characters)  # (T, B)
        np.copyto(before, weights)
        with np.errstate(over="ignore", invalid="ignore"):
            if thinning is not None:
                weights *= thinning
            exchanged[-EXTRAS], state = network.loss_and_gradient(
                batch.ids[:, mine],
                batch.targets[:, mine],
                counted[:, mine],
                state,
                None if masks is None else masks[:, mine],
                buffers,
                gradient,
            )
            if thinning is not None:
                np.copyto(weights, before)
                gradient.flat *= thinning
            exchanged[1 - EXTRAS :] = requests(step)
            team.all_reduce(exchanged)
            loss, stop, save, steps = map(float, exchanged[-EXTRAS:])
            if steps:
                config = schedule.turned(config, step, int(steps))
            norm = optimizers.clip_gradient_norm(gradient.flat, config.clip)
            rate = schedule.learning_rate(config, step)
            optimizer.update(weights, gradient.flat, rate, step)
            optimizers.decay_weights(network.parameters, rate * config.weight_decay)
            sound = np.isfinite([loss, norm, weights.sum()]).all()
        if not sound:
            np.copyto(weights, before)
            raise TrainingError(
                f"at step {step + 1:,} the loss was {loss:g} and the gradient's norm {norm:g};"
                f" the numbers ran away: try a lower --lr than {config.learning_rate:g}, or a lower --clip"
            )

        sums += loss * characters, characters, norm, 1.0
        done, report, standing = step + 1, None, None
        last = done == config.steps
        if last or done * REPORTS_OF_A_VALIDATION // every > step * REPORTS_OF_A_VALIDATION // every:
            validation = None
            if held_out is not None and (last or done % every == 0):
                validation = evaluate(network, held_out(), buffers, team)
                judged[:] = (validation, 0) if validation < judged[0] else (judged[0], judged[1] + 1)
            report = Report(sums[0] / sums[1], sums[2] / sums[3], validation, validation is not None and not judged[1])
            sums[:] = 0.0
            _check_same(weights, team)
        complete = last or 0 < config.patience <= judged[1]
        if stop or save or complete or done % every == 0:
            carried = _of_all_rows(state, batch.ids.shape[1], team)
            standing = RunState(done, weights, optimizer.moments, carried, sums.copy(), judged.copy())
        yield Progress(done, config, characters, loss, report, standing, complete)
        if stop:
            return


def largest_sum(network: Network, rows: int) -> int:
    """Return the bytes of the longest vector that the processes of a team sum while they train."""
    weights = network.parameters.flat
    return max(weights.size + EXTRAS, network.zero_state(rows).size) * weights.itemsize


def _of_all_rows(state: Array, rows: int, team: Team) -> Array:
    """Return the state of all rows of a batch, in every process of a team that each have some."""
    everything = np.zeros((*state.shape[:2], rows, state.shape[3]), state.dtype)  # (L, S, B, H)
    everything[:, :, team.share(rows)] = state
    team.all_reduce(everything.reshape(-1))
    return everything


def evaluate(network: Network, held_out: Iterable[Batch], buffers: Buffers, team: Team = ALONE) -> float:
    """Return the mean loss over batches, in nats per counted character, without dropout; the team shares the rows."""
    weights, rows = None, 0
    sums = np.zeros(2)  # loss, characters
    state = network.zero_state(0)
    for batch in held_out:
        mine = team.share(batch.ids.shape[1])
        if weights is None or rows != mine.stop - mine.start:
            rows = mine.stop - mine.start
            weights = network.pack(rows, buffers)
        if batch.resets_state:
            state = network.zero_state(rows)
        ids, targets, counted = (array[:, mine] for array in batch[:3])
        loss, state = network.loss(ids, targets, counted, state, buffers, weights)
        sums += loss, counted.sum(dtype=np.float64)
    team.all_reduce(sums)
    return float(sums[0] / sums[1])


def _check_same(weights: Array, team: Team) -> None:
    """Raise, in every process of a team, if some have other weights than the others."""
    mine = zlib.crc32(weights.view(np.uint8).data)
    total = np.array([float(mine)])
    team.all_reduce(total)
    different = np.array([float(total[0] != mine * team.size)])
    team.all_reduce(different)
    if different[0]:
        raise TrainingError(
            "the processes no longer hold the same weights; are all machines of one kind, with the same NumPy?"
            " The last save is intact"
        )
