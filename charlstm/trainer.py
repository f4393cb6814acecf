"""Training: batches in, better weights out, one value a step for whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from charlstm import optimizers
from charlstm.batches import HELD_OUT_ROWS, Batch, Batches
from charlstm.config import TrainingConfig
from charlstm.errors import TrainingError
from charlstm.network import Buffers, Network

VALIDATIONS = 10
REPORTS = 200


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
    """

    step: int
    characters: int
    loss: float
    report: float | None
    validation: float | None


def train(
    network: Network, batches: Batches, held_out: Callable[[], Iterable[Batch]] | None, config: TrainingConfig
) -> Iterator[Progress]:
    """Train a network in place and yield the progress of every step.

    Stop asking whenever you like: between two values the weights are those after whole updates.

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

    Raises
    ------
    TrainingError
        If the loss, the gradient or the weights are no longer finite; the weights are then those before the step.
    """
    weights = network.parameters.flat
    before = np.empty_like(weights)  # (P,)
    gradient = network.parameters.like()
    optimizer = optimizers.make(config.optimizer, weights)
    buffers = Buffers(weights.dtype)
    state = network.fresh_state(batches.rows)
    since_report: list[tuple[float, int]] = []
    for step in range(config.steps):
        batch = batches.batch(step)
        rows = batch.ids.shape[1]
        if batch.fresh:
            state = network.fresh_state(rows)
        masks = network.dropout_masks(rows, config.random_seed, step)
        characters = int(batch.counted.sum())
        counted = batch.counted / np.float32(characters)  # (T, B)
        with np.errstate(over="ignore", invalid="ignore"):
            loss, state = network.loss_and_gradient(batch.ids, batch.targets, counted, state, masks, buffers, gradient)
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

        since_report.append((loss, characters))
        report = validation = None
        if held_out is not None and _ends_one_of(VALIDATIONS, step, config.steps):
            validation = evaluate(network, held_out(), buffers)
        if validation is not None or _ends_one_of(REPORTS, step, config.steps):
            report = sum(mean * n for mean, n in since_report) / sum(n for _, n in since_report)
            since_report.clear()
        yield Progress(step + 1, characters, loss, report, validation)


def evaluate(network: Network, held_out: Iterable[Batch], buffers: Buffers) -> float:
    """Return the mean loss over batches, in nats per counted character, without dropout."""
    weights = network.ready(HELD_OUT_ROWS, buffers)
    total, characters = 0.0, 0.0
    state = network.fresh_state(1)
    for batch in held_out:
        if batch.fresh:
            state = network.fresh_state(batch.ids.shape[1])
        loss, state = network.loss(weights, batch.ids, batch.targets, batch.counted, state, buffers)
        total += loss
        characters += float(batch.counted.sum())
    return total / characters


def _ends_one_of(parts: int, step: int, steps: int) -> bool:
    """Say whether a step is the last of one of `parts` even stretches of a run."""
    return (step + 1) * parts // steps > step * parts // steps
