"""Training: batches in, better weights out, one value a step for whoever watches."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from charlstm import optimizers
from charlstm.batches import Batch, Batches
from charlstm.config import TrainingConfig
from charlstm.errors import TrainingError
from charlstm.network import Buffers, Network
from charlstm.parallel.team import Serial, Team
from charlstm.parameters import Array, Parameters

VALIDATIONS = 10
REPORTS = 200
EXTRAS = 3
ALONE = Serial()


class Standing(NamedTuple):
    """Where a run stands after a step: all that is needed to go on as if it had never stopped.

    The arrays are those of the run itself: save or copy them before the next step.

    Attributes
    ----------
    step : int
        Updates done.
    weights : (P,) array
        The flat vector.
    moments : (M, P) array
        The optimizer's running averages.
    carried : (L, S, B, H) array
        The state after the last batch, of all rows.
    losses : (2,) float64 array
        Since the last report: loss summed over characters, and characters.
    """

    step: int
    weights: Array
    moments: Array
    carried: Array
    losses: Array


class Progress(NamedTuple):
    """What one step did.

    Attributes
    ----------
    step
        Updates done, this one included.
    characters
        Characters predicted in this step.
    loss
        Its training loss, in nats per character.
    report
        The mean training loss since the last report, if this step ends one; else None.
    validation
        The loss on the held-out part, in nats per character, if it was measured after this step; else None.
    standing
        Where the run stands, after a validation, after the last step, and when it was wished for; else None.
    """

    step: int
    characters: int
    loss: float
    report: float | None
    validation: float | None
    standing: Standing | None


def train(
    network: Network,
    batches: Batches,
    held_out: Callable[[], Iterable[Batch]] | None,
    config: TrainingConfig,
    team: Team = ALONE,
    wants_to_stop: Callable[[], bool] = lambda: False,
    wants_to_save: Callable[[], bool] = lambda: False,
    start: Standing | None = None,
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
    wants_to_stop
        Asked in every step of every process; once one says yes, this step is the last of all of them.
    wants_to_save
        Asked likewise; after a step in which one says yes the progress tells where the run stands.
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
    exchanged = np.zeros(weights.size + EXTRAS, weights.dtype)  # (P + 3,)  gradient, loss, wishes to stop and to save
    gradient = Parameters(network.parameters.shapes, weights.dtype, exchanged[:-EXTRAS])
    optimizer = optimizers.make(config.optimizer, weights)
    buffers = Buffers(weights.dtype)
    state, losses = network.fresh_state(0), np.zeros(2)
    if start is not None:
        weights[...] = start.weights
        optimizer.moments[...] = start.moments
        state = start.carried[:, :, team.share(start.carried.shape[2])]
        losses = start.losses.copy()
    for step in range(0 if start is None else start.step, config.steps):
        batch = batches.batch(step)
        mine = team.share(batch.ids.shape[1])
        if batch.fresh:
            state = network.fresh_state(mine.stop - mine.start)
        masks = network.dropout_masks(batch.ids.shape[1], config.random_seed, step)
        characters = int(batch.counted.sum())
        counted = batch.counted / np.float32(characters)  # (T, B)
        with np.errstate(over="ignore", invalid="ignore"):
            exchanged[-3], state = network.loss_and_gradient(
                batch.ids[:, mine],
                batch.targets[:, mine],
                counted[:, mine],
                state,
                None if masks is None else masks[:, mine],
                buffers,
                gradient,
            )
            exchanged[-2:] = wants_to_stop(), wants_to_save()
            team.sum(exchanged)
            loss, stop, save = map(float, exchanged[-EXTRAS:])
            norm = optimizers.clip(gradient.flat, config.clip)
            np.copyto(before, weights)
            optimizer.update(weights, gradient.flat, optimizers.learning_rate(config, step), step)
            sound = np.isfinite([loss, norm, weights.sum()]).all()
        if not sound:
            np.copyto(weights, before)
            raise TrainingError(
                f"at step {step + 1:,} the loss was {loss:g} and the gradient's norm {norm:g};"
                f" the numbers ran away: try a lower --lr than {config.lr:g}, or a lower --clip"
            )

        losses += loss * characters, characters
        report = validation = None
        if held_out is not None and _ends_one_of(VALIDATIONS, step, config.steps):
            validation = evaluate(network, held_out(), buffers, team)
        if validation is not None or _ends_one_of(REPORTS, step, config.steps):
            report = float(losses[0] / losses[1])
            losses[:] = 0.0
            _check_same(weights, team)
        standing = None
        if stop or save or validation is not None or step + 1 == config.steps:
            carried = _of_all_rows(state, batch.ids.shape[1], team)
            standing = Standing(step + 1, weights, optimizer.moments, carried, losses.copy())
        yield Progress(step + 1, characters, loss, report, validation, standing)
        if stop:
            return


def largest_sum(network: Network, rows: int) -> int:
    """Return the bytes of the longest vector that the processes of a team sum while they train."""
    weights = network.parameters.flat
    return max(weights.size + EXTRAS, network.fresh_state(rows).size) * weights.itemsize


def _of_all_rows(state: Array, rows: int, team: Team) -> Array:
    """Return the state of all rows of a batch, in every process of a team that each have some."""
    everything = np.zeros((*state.shape[:2], rows, state.shape[3]), state.dtype)  # (L, S, B, H)
    everything[:, :, team.share(rows)] = state
    team.sum(everything.reshape(-1))
    return everything


def evaluate(network: Network, held_out: Iterable[Batch], buffers: Buffers, team: Team = ALONE) -> float:
    """Return the mean loss over batches, in nats per counted character, without dropout; the team shares the rows."""
    weights, rows = None, 0
    sums = np.zeros(2)  # loss, characters
    state = network.fresh_state(0)
    for batch in held_out:
        mine = team.share(batch.ids.shape[1])
        if weights is None or rows != mine.stop - mine.start:
            rows = mine.stop - mine.start
            weights = network.ready(rows, buffers)
        if batch.fresh:
            state = network.fresh_state(rows)
        ids, targets, counted = (array[:, mine] for array in batch[:3])
        loss, state = network.loss(ids, targets, counted, state, buffers, weights)
        sums += loss, counted.sum(dtype=np.float64)
    team.sum(sums)
    return float(sums[0] / sums[1])


def _check_same(weights: Array, team: Team) -> None:
    """Raise, in every process of a team, if some have other weights than the others."""
    mine = zlib.crc32(weights.view(np.uint8).data)
    total = np.array([float(mine)])
    team.sum(total)
    different = np.array([float(total[0] != mine * team.size)])
    team.sum(different)
    if different[0]:
        raise TrainingError(
            "the processes no longer hold the same weights; are all machines of one kind, with the same NumPy?"
            " The last save is intact"
        )


def _ends_one_of(parts: int, step: int, steps: int) -> bool:
    """Say whether a step is the last of one of `parts` even stretches of a run."""
    return (step + 1) * parts // steps > step * parts // steps
