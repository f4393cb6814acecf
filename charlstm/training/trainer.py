"""The training loop: take a step, report, validate, stop.

A step reads a batch, computes the loss and its gradient, sums both over the processes, clips the gradient, updates the
weights, and adds them to their average, which is what the validation measures and the model gets. `train` yields a
`TrainingStep` after each step.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from charlstm.base.config import AUTO, TrainingConfig
from charlstm.base.errors import TrainingError
from charlstm.base.parameters import Array, Buffers
from charlstm.model.checkpoint import Best, RunState, Sums
from charlstm.network import optimizers
from charlstm.network.dropout import unit_masks, weight_mask
from charlstm.network.network import Network
from charlstm.text.batches import Batch, Batches
from charlstm.training import schedule
from charlstm.training.exchange import NOTHING, Exchange, Requests
from charlstm.training.team import Serial, Team

VALIDATIONS = 10
REPORTS_PER_VALIDATION = 20
FEWEST_VALIDATIONS = 2  # without improvement, before a run stops early
MOST_STEPS = 1 << 24
SERIAL = Serial()


class Report(NamedTuple):
    """Losses and gradient norm since the previous report.

    Attributes
    ----------
    training_loss
        Mean training loss, in nats per character.
    gradient_norm
        Mean norm of the gradient before clipping.
    validation_loss
        Validation loss after this step, in nats per character; None where it was not measured.
    improved
        True: no earlier validation loss was as low.
    """

    training_loss: float
    gradient_norm: float
    validation_loss: float | None
    improved: bool


class TrainingStep(NamedTuple):
    """The result of one optimizer step.

    Attributes
    ----------
    step
        Steps done, this one included.
    training
        The settings of the run, with its number of steps as planned now.
    characters
        Characters predicted in this step.
    loss
        Training loss of this step, in nats per character.
    report
        Losses since the previous report, where this step ends a reporting interval; else None.
    state
        The state of the run, after a validation, after the last step and on request; else None.
    complete
        True after the last step of a run that was not stopped.
    """

    step: int
    training: TrainingConfig
    characters: int
    loss: float
    report: Report | None
    state: RunState | None
    complete: bool


class StepResult(NamedTuple):
    """The result of `Trainer.take_step`.

    Attributes
    ----------
    loss
        Training loss in nats per character.
    characters
        Characters predicted.
    stop, save
        True: a process requested it.
    """

    loss: float
    characters: int
    stop: bool
    save: bool


class Trainer:
    """A run of training in progress: the network, the optimizer, and the running sums.

    Parameters
    ----------
    network
        The network to train; its weights are changed.
    batches
        The training set.
    config
        Settings of the run.
    team
        The processes that share the work.
    start
        State of a run to resume; the network's weights are replaced.

    Attributes
    ----------
    step : int
        Steps done.
    config : TrainingConfig
        Settings of the run, with its number of steps as planned now.
    sums : Sums
        Losses and gradient norms since the last report.
    best : Best
        The best weights so far.
    """

    def __init__(
        self, network: Network, batches: Batches, config: TrainingConfig, team: Team, start: RunState | None = None
    ) -> None:
        self.network = network
        self.config = config
        self.step = 0
        self.sums = Sums()
        self._batches = batches
        self._team = team
        self._weights = network.parameters.flat  # (P,)
        self._before: Array = np.empty_like(self._weights)  # (P,)
        self._optimizer = optimizers.build_optimizer(config.optimizer, self._weights)
        self._average = self._weights.copy() if config.averaging else None  # (P,)
        self._exchange = Exchange(network.parameters)
        self._buffers = Buffers(self._weights.dtype)
        self._state = network.zero_state(0)
        self._rows = 0
        if start is None:
            self.best = Best(self._weights.copy())
        else:
            self._restore(start)

    @property
    def is_finished(self) -> bool:
        """Whether the run has done all its steps, or stops early."""
        return is_finished(self.config, self.best, self.step)

    def take_step(self, ask: Callable[[int], Requests] = lambda step: NOTHING) -> StepResult:
        """Take one optimizer step.

        Parameters
        ----------
        ask
            Called with the number of steps done before; returns the requests of this process.

        Raises
        ------
        TrainingError
            If the loss, the gradient or the weights are no longer finite; the weights are then those before the step.
            Or if another process has ended.
        """
        exchange = self._exchange
        np.copyto(self._before, self._weights)
        batch = self._batches.batch(self.step)
        with np.errstate(over="ignore", invalid="ignore"):
            self._backpropagate(batch)
            exchange.write(ask(self.step))
            self._team.all_reduce(exchange.vector)
            if exchange.steps:
                self.config = schedule.change_steps(self.config, self.step, int(exchange.steps))
            norm = optimizers.clip_gradient_norm(exchange.gradient.flat, self.config.clip)
            self._update_weights()
            self._check_finite(float(exchange.loss), norm)
        self.step += 1
        if self._average is not None:
            averaging, work = self.config.averaging, self._before
            optimizers.average_weights(self._average, self._weights, averaging, self.step, work)

        loss, characters = float(exchange.loss), int(batch.loss_mask.sum())
        self.sums = self.sums.add(loss, characters, norm)
        return StepResult(loss, characters, bool(exchange.stop), bool(exchange.save))

    def report(self, validation: Iterable[Batch] | None) -> Report:
        """Return the means since the last report and start new sums; measure the validation loss if there are batches.

        Raises
        ------
        TrainingError
            If the processes no longer have the same weights.
        """
        loss = None
        if validation is not None:
            with self._averaged():
                loss = evaluate(self.network, validation, self._buffers, self._team)
                self.best = self.best.update(self._weights, loss, self.step)
        sums, self.sums = self.sums, Sums()
        check_same_weights(self._weights, self._team)
        improved = loss is not None and not self.best.validations_since
        return Report(sums.loss / sums.characters, sums.gradient_norm / sums.steps, loss, improved)

    def snapshot(self) -> RunState:
        """Return the state of the run; before the first validation, the newest weights are the best."""
        if np.isinf(self.best.validation_loss):
            self.best = Best((self._weights if self._average is None else self._average).copy())
        rows = max(self.config.batch_size, self._rows)  # the last batch may have had fewer rows than the others
        state = self.network.zero_state(rows)  # (L, S, B, H)
        state[:, :, self._team.share(self._rows)] = self._state
        self._team.all_reduce(state.reshape(-1))
        moments = self._optimizer.moments
        return RunState(self.step, self._weights, moments, self._average, state, self.sums, self.best)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Give the network the average of its weights for a while, if there is one."""
        if self._average is None:
            yield
            return
        np.copyto(self._before, self._weights)
        np.copyto(self._weights, self._average)
        try:
            yield
        finally:
            np.copyto(self._weights, self._before)

    def _restore(self, start: RunState) -> None:
        """Continue from the state of an earlier run."""
        self.step, self.sums, self.best = start.step, start.sums, start.best
        self._weights[...] = start.weights
        self._optimizer.moments[...] = start.moments
        if self._average is not None and start.average is not None:
            self._average[...] = start.average
        self._rows = self._batches.batch(self.step).ids.shape[1]
        self._state = start.state[:, :, self._team.share(self._rows)]

    def _backpropagate(self, batch: Batch) -> None:
        """Compute the loss of this process's rows, its gradient, and the network's state after them.

        With weight dropout the network reads with some weights set to zero; those weights get no gradient.
        """
        network, config, gradient = self.network, self.config, self._exchange.gradient
        self._rows = batch.ids.shape[1]
        mine = self._team.share(self._rows)
        if batch.resets_state:
            self._state = network.zero_state(mine.stop - mine.start)
        masks = unit_masks(network.config, self._weights.dtype, self._rows, config.random_seed, self.step)  # (L, B, H)
        dropped = weight_mask(network.config, network.parameters, config.random_seed, self.step)  # (P,)
        share = batch.loss_mask / np.float32(batch.loss_mask.sum())  # (T, B)  so that the loss is a mean
        if dropped is not None:
            self._weights *= dropped
        self._exchange.loss[...], self._state = network.loss_and_gradient(
            batch.ids[:, mine],
            batch.targets[:, mine],
            share[:, mine],
            self._state,
            None if masks is None else masks[:, mine],
            self._buffers,
            gradient,
            config.tar,
        )
        if dropped is not None:
            np.copyto(self._weights, self._before)
            gradient.flat *= dropped

    def _update_weights(self) -> None:
        """Move the weights against the gradient, then shrink the matrices."""
        rate = schedule.learning_rate(self.config, self.step)
        self._optimizer.update(self._weights, self._exchange.gradient.flat, rate, self.step)
        optimizers.decay_weights(self.network.parameters, rate * self.config.weight_decay)

    def _check_finite(self, loss: float, norm: float) -> None:
        """Raise TrainingError and restore the weights before the step if a number is no longer finite."""
        if not np.isfinite([loss, norm, self._weights.sum()]).all():
            np.copyto(self._weights, self._before)
            raise TrainingError(
                f"training diverged at step {self.step + 1:,}: the loss was {loss:g}, the gradient norm {norm:g};"
                f" use a learning rate below {self.config.learning_rate:g}, or clip the gradient norm lower"
            )


def train(
    network: Network,
    batches: Batches,
    validation: Callable[[], Iterable[Batch]] | None,
    config: TrainingConfig,
    team: Team = SERIAL,
    ask: Callable[[int], Requests] = lambda step: NOTHING,
    start: RunState | None = None,
) -> Iterator[TrainingStep]:
    """Train a network in place and yield the result of every step.

    Between two values the weights are those after whole steps.

    Parameters
    ----------
    network
        Its weights are changed; initialise them first.
    batches
        The training set.
    validation
        Returns the batches of the validation set, at every call from the beginning; None without a validation set.
    config
        Settings of the run.
    team
        The processes that share the work. Each of them calls this with equal arguments and asks for every value.
    ask
        Called in every step of every process with the number of steps done before; returns the process's requests.
    start
        State of a run to resume.

    Raises
    ------
    TrainingError
        If training diverges; the weights are then those before the step. Or if a process of the team has ended, or no
        longer has the same weights.
    """
    trainer = Trainer(network, batches, config, team, start)
    every = config.validate_every or -(-config.steps // VALIDATIONS)
    while not trainer.is_finished:
        result = trainer.take_step(ask)
        step, last = trainer.step, trainer.step == trainer.config.steps

        report = None
        if last or step * REPORTS_PER_VALIDATION // every > (step - 1) * REPORTS_PER_VALIDATION // every:
            is_measured = validation is not None and (last or step % every == 0)
            report = trainer.report(validation() if validation is not None and is_measured else None)

        complete, state = trainer.is_finished, None
        if result.stop or result.save or complete or step % every == 0:
            state = trainer.snapshot()
        yield TrainingStep(step, trainer.config, result.characters, result.loss, report, state, complete)
        if result.stop:
            return


def is_finished(config: TrainingConfig, best: Best, step: int) -> bool:
    """Return whether a run is at its end after a number of steps: it has done all of them, or stops early."""
    return step >= config.steps or stops_early(config, best, step)


def stops_early(config: TrainingConfig, best: Best, step: int) -> bool:
    """Return whether a run stops early after a number of steps, because validations no longer improve.

    The automatic patience grows with the steps, so that a run that improves late has time, and a run that overfits does
    not spend more than half of its steps on that. About early stopping: Prechelt 1998, "Early stopping – but when?".
    """
    if config.patience == AUTO:
        return best.validations_since >= FEWEST_VALIDATIONS and step >= 2 * best.step
    return 0 < int(config.patience) <= best.validations_since


def largest_sum(network: Network, rows: int) -> int:
    """Return the bytes of the longest vector that the processes of a team sum during training."""
    parameters = network.parameters
    return max(Exchange.length(parameters), network.zero_state(rows).size) * parameters.flat.itemsize


def evaluate(network: Network, batches: Iterable[Batch], buffers: Buffers, team: Team = SERIAL) -> float:
    """Return the mean loss over batches, in nats per character, without dropout; the team shares the rows."""
    weights, rows = None, 0
    sums = np.zeros(2)  # loss, characters
    state = network.zero_state(0)
    for batch in batches:
        mine = team.share(batch.ids.shape[1])
        if weights is None or rows != mine.stop - mine.start:
            rows = mine.stop - mine.start
            weights = network.pack(rows, buffers)
        if batch.resets_state:
            state = network.zero_state(rows)
        ids, targets, loss_mask = (array[:, mine] for array in (batch.ids, batch.targets, batch.loss_mask))
        loss, state = network.loss(ids, targets, loss_mask, state, buffers, weights)
        sums += loss, loss_mask.sum(dtype=np.float64)
    team.all_reduce(sums)
    return float(sums[0] / sums[1])


def check_same_weights(weights: Array, team: Team) -> None:
    """Raise TrainingError, in every process of a team, if some have other weights than the others."""
    checksum = zlib.crc32(weights.view(np.uint8).data)
    total = np.array([float(checksum)])
    team.all_reduce(total)
    differs = np.array([float(total[0] != checksum * team.size)])
    team.all_reduce(differs)
    if differs[0]:
        raise TrainingError(
            "the processes no longer have the same weights: use machines of one kind with the same NumPy;"
            " the last save is intact"
        )
