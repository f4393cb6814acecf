"""A training run from its options to the best model: plan, train, report, save."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from charlstm.base import files as base_files
from charlstm.base.config import TrainingConfig
from charlstm.base.errors import CharlstmError
from charlstm.base.files import check_is_regular, check_target, exit_at_signals, lock
from charlstm.model import checkpoint
from charlstm.model.checkpoint import Best, Run, RunState
from charlstm.model.model import Model
from charlstm.network.loss import NATS_PER_BIT
from charlstm.training import run_file, schedule, trainer
from charlstm.training.clock import Clock
from charlstm.training.counting import fit_weight
from charlstm.training.exchange import Requests
from charlstm.training.gradients import measure_gradients
from charlstm.training.log import Log, is_device
from charlstm.training.options import OptionError, Options, literal
from charlstm.training.plan import Plan, check_options, plan_run
from charlstm.training.processes import start_team
from charlstm.training.signals import defer_signals, stopping_signals
from charlstm.training.team import Team, join_world
from charlstm.training.trainer import TrainingStep

SMOOTHING = 0.98


class Progress(NamedTuple):
    """The progress of a run after an optimizer step.

    Losses are in nats per character. A report comes 20 times between two validations; where there is none, its values
    are None.

    Attributes
    ----------
    step : int
        Optimizer steps done.
    steps : int
        Optimizer steps of the whole run, as planned now.
    epoch : float
        Passes over the training text that are done.
    characters : int
        Characters predicted in this step.
    learning_rate : float
        Learning rate of this step.
    loss : float
        Training loss of this step.
    training_loss : float or None
        Mean training loss since the previous report.
    validation_loss : float or None
        Validation loss, measured ten times in a run unless `validate_every` says otherwise.
    gradient_norm : float or None
        Mean norm of the gradient before clipping, since the previous report.
    sample : str
        After a validation, text that the model samples now, if `preview` asks for it.
    """

    step: int
    steps: int
    epoch: float
    characters: int
    learning_rate: float
    loss: float
    training_loss: float | None = None
    validation_loss: float | None = None
    gradient_norm: float | None = None
    sample: str = ""


class Outcome(NamedTuple):
    """The result of a run.

    Attributes
    ----------
    model : Model
        The model with the best weights so far.
    plan : Plan
        The plan of the run.
    interrupted_by : int or None
        Number of the signal that stopped the run before its end.
    is_saved : bool
        Whether the run file has the last step, so that the run can be resumed.
    """

    model: Model
    plan: Plan
    interrupted_by: int | None
    is_saved: bool


class Watcher:
    """Follows a run. Each method does nothing here; override those that you need."""

    def announce(self, message: str) -> None:
        """Receive a message about work before the first step that takes seconds."""

    def prepare(self, phase: str, done: int, total: int) -> None:
        """Receive how much of a phase before the first step is done, and of how much; a total of 0 is not known."""

    def begin(self, plan: Plan, processes: int) -> None:
        """Receive the plan, and the number of processes that share the work, before the first step."""

    def advance(self, progress: Progress) -> None:
        """Receive the progress after each step."""

    def warn(self, message: str) -> None:
        """Receive a message about a problem that does not end the run."""

    def end(self, outcome: Outcome) -> None:
        """Receive the outcome, once all files are written."""

    def close(self) -> None:
        """Release what the watcher holds; called last, also after an error."""


class Files(NamedTuple):
    """The files that a run writes; None: it writes no such file.

    Attributes
    ----------
    model : Path or None
        The model with the best weights.
    run : Path or None
        The state of the run.
    log : Path or None
        The log.
    """

    model: Path | None
    run: Path | None
    log: Path | None

    @classmethod
    def of(cls, options: Options) -> Files:
        """Return the files that options ask for: the run file stands beside the model file."""
        model = options.model
        return cls(model, None if model is None else run_file.path_beside(model), options.log)

    def check(self, options: Options) -> None:
        """Check that the files can be written.

        Raises
        ------
        CharlstmError
            If a file is an input or another output of the run, no file can be written there, or it exists already and
            options do not say that it is to be replaced.
        """
        known = base_files.Files()
        for path in (*options.files, options.init_from, options.repeat):
            if path is not None:
                known.add_input(path)
        for path in self:
            if path is not None:
                known.add_output(path, model=path != self.log, replace=True)
        if options.resume:
            return
        old = None if self.model is None else run_file.find_old(self.model)
        for path in (path for path in (*self, old) if path is not None):
            if path.exists() and not options.force and not (path == self.log and is_device(path)):
                option = "log" if path == self.log else "model"
                raise OptionError(
                    f"{literal(path)} exists already; resume its run with {{resume}}, give another path with"
                    f" {{{option}}}, or replace it with {{force}}",
                    **{"resume": True, option: None, "force": True},
                )


def run(options: Options, watcher: Watcher, sample: Callable[[Model, int], str]) -> Outcome:
    """Train a model; a signal stops the run when its current step is done, and it is then saved as at its end.

    The signals are SIGINT, SIGTERM and, unless it is ignored, SIGHUP.

    Parameters
    ----------
    options
        What to train, on what, how, and which files to write.
    watcher
        Follows the run; under MPI only that of rank 0 is called.
    sample
        Samples a text of a given length from a model, for `Progress.sample`.

    Returns
    -------
    Outcome
        The best model, or the best model so far if the run was stopped.

    Raises
    ------
    ConfigError
        If options are out of range or contradict each other.
    CorpusError
        If the corpus cannot be read or is too small.
    CheckpointError
        If a model file or run file cannot be used.
    TrainingError
        If training diverges, or a process ends unexpectedly.
    CharlstmError
        If a file exists already, or the last save fails.
    """
    started = time.monotonic()
    with join_world(options.mpi) as world, ExitStack() as stack:
        stack.callback(watcher.close)
        stack.enter_context(exit_at_signals())  # so that the lock is removed

        def prepare() -> tuple[Plan, Path | None]:
            check_options(options)
            if options.model is not None:
                check_target(options.model)
                check_is_regular(options.model)
                if world.rank == 0:
                    stack.enter_context(lock(options.model, watcher.warn))
            path, resumed, what, wanted = None, None, "", options
            if options.resume and options.model is not None:
                path, resumed = run_file.find(options.model)
                what = f"the run of {path}"
                wanted = run_file.complete(options, resumed, what)
            Files.of(wanted).check(wanted)
            listener = watcher if world.rank == 0 else Watcher()
            return plan_run(wanted, resumed, what, world, started, listener.announce, listener.prepare), path

        plan, resumed_file = world.run_in_all(prepare)
        with defer_signals(*stopping_signals()) as received:
            removed = None
            if options.model is not None and world.rank == 0:
                removed = run_file.claim(options.model, resumed_file)
            outcome = _carry_out(plan, watcher, sample, received, world, removed)
            if world.rank == 0:
                watcher.end(outcome)
        return outcome


def _carry_out(
    plan: Plan,
    watcher: Watcher,
    sample: Callable[[Model, int], str],
    received: Sequence[int],
    world: Team,
    removed: os.stat_result | None,
) -> Outcome:
    """Train the model of a plan; report and save now and then."""
    options, network, split, start = plan.options, plan.model.network, plan.split, plan.state
    is_first = world.rank == 0
    files = Files.of(options) if is_first else Files(None, None, None)
    saver = Saver(plan, files, watcher, removed)
    clock = None
    if plan.deadline is not None:
        clock = Clock(plan.deadline, plan.model.training, plan.record.time, start.step if start else 0)

    def job(team: Team) -> Iterator[TrainingStep]:
        def ask(done: int) -> Requests:
            first = team.rank == 0
            is_due = first and time.monotonic() - saver.last_save > options.save_every
            return Requests(bool(received), is_due, clock.plan_steps(done) if first and clock else 0)

        return trainer.train(network, split.training, split.validation, plan.model.training, team, ask, start)

    with start_team(job, trainer.largest_sum(network, split.training.rows), world, plan.workers, watcher.warn) as team:
        model = replace(plan.model, training=_record_workers(plan.model.training, team.size))
        done, first = (start.step, start.best) if start else (0, Best(network.parameters.flat.copy()))
        best, complete = first.weights, trainer.is_finished(model.training, first, done)
        log, smooth = Log(files.log, done, watcher.warn), SmoothLoss()
        if is_first:
            watcher.begin(plan, team.size)
        for result in job(team):
            done, complete = result.step, result.complete
            smooth.add(result.loss)
            model = replace(model, training=_record_workers(result.training, team.size))
            if result.report is not None:
                model = replace(model, history=_append_report(model, result))
            if is_first:
                progress = _describe(result, split.training.per_epoch)
                if options.preview and progress.validation_loss is not None:
                    progress = progress._replace(sample=sample(_with_average(model, result), options.preview))
                watcher.advance(progress)
                if result.report is not None:
                    log.write(_to_entry(progress))
            if result.state is not None:
                best = result.state.best.weights
                saver.save(model, result)
        if done and (not model.history.step.size or model.history.step[-1] < done):
            model = replace(model, history=model.history.append(done, smooth.mean, math.nan, math.nan))
    finished = with_weights(model, best)
    if is_first:
        finished = fit_weight(finished, split)
    if is_first and done:
        squares = measure_gradients(finished.network, split.training, done)
        finished = replace(finished, gradient_squares=squares)
    saver.save_last(finished)
    return Outcome(finished, plan, None if complete else (*received, signal.SIGTERM)[0], saver.is_saved)


class Saver:
    """Saves a run now and then; a failure is reported, and the run continues.

    Parameters
    ----------
    plan
        The plan of the run.
    files
        Where to save.
    watcher
        Receives the failures.
    removed
        The run file of an earlier run, which the run has removed; its permissions and its owner stay.

    Attributes
    ----------
    last_save : float
        When the run was saved last, on the clock `time.monotonic`.
    is_saved : bool
        Whether the last attempt to write the run file succeeded.
    """

    def __init__(self, plan: Plan, files: Files, watcher: Watcher, removed: os.stat_result | None = None) -> None:
        self.last_save = time.monotonic()
        self.is_saved = False
        self._plan = plan
        self._files = files
        self._watcher = watcher
        self._removed = removed

    def save(self, model: Model, result: TrainingStep) -> None:
        """Save the state of the run, and the model if it is the best so far and another save will follow."""
        self.last_save = time.monotonic()
        state: RunState | None = result.state
        if self._files.model is None or self._files.run is None or state is None:
            return
        deadline, record = self._plan.deadline, self._plan.record
        if deadline is not None:
            record = replace(record, seconds_left=max(0.0, deadline - self.last_save))
        run = Run(model, state, record)
        self.is_saved = self._try(partial(checkpoint.save_run, run, self._files.run, self._removed))
        if result.report is not None and result.report.improved and not result.complete:
            self._try(partial(checkpoint.save, with_weights(model, state.best.weights), self._files.model))

    def save_last(self, model: Model) -> None:
        """Save the model at the end; raise CharlstmError if that fails."""
        if self._files.model is not None:
            checkpoint.save(model, self._files.model)

    def _try(self, save: Callable[[], None]) -> bool:
        """Save; report a failure, and return whether there was none."""
        try:
            save()
        except CharlstmError as error:
            self._watcher.warn(f"{error}; training continues")
            return False
        return True


class SmoothLoss:
    """An exponential moving average of the training loss, without a bias towards zero at the start.

    Attributes
    ----------
    mean : float
        The average, in nats per character; NaN before the first loss.
    """

    def __init__(self) -> None:
        self.mean = math.nan
        self._sum = self._weight = 0.0

    def add(self, loss: float) -> None:
        """Add the loss of a step."""
        self._sum = SMOOTHING * self._sum + loss
        self._weight = SMOOTHING * self._weight + 1.0
        self.mean = self._sum / self._weight


def with_weights(model: Model, weights: Any) -> Model:
    """Return a model with other weights, which are copied."""
    return replace(model, network=model.network.with_weights(weights))


def _with_average(model: Model, result: TrainingStep) -> Model:
    """Return the model with the average of its weights, as a validation reads it."""
    average = None if result.state is None else result.state.average
    return model if average is None else with_weights(model, average)


def _record_workers(config: TrainingConfig, processes: int) -> TrainingConfig:
    """Return the settings with the number of processes that share the work."""
    changed = config.workers not in (0, processes)
    return replace(config, workers=processes, changed_on_resume=config.changed_on_resume or changed)


def _append_report(model: Model, result: TrainingStep) -> Any:
    report = result.report
    assert report is not None
    validation_loss = math.nan if report.validation_loss is None else report.validation_loss
    return model.history.append(result.step, report.training_loss, validation_loss, report.gradient_norm)


def to_bits(nats: float) -> float:
    """Return a loss in bits, given in nats."""
    return nats / NATS_PER_BIT


def _describe(result: TrainingStep, per_epoch: int) -> Progress:
    """Return the progress after a step, still without a sample."""
    progress = Progress(
        result.step,
        result.training.steps,
        result.step / per_epoch,
        result.characters,
        schedule.learning_rate(result.training, result.step - 1),
        result.loss,
    )
    if result.report is None:
        return progress
    training_loss, gradient_norm, validation_loss, _ = result.report
    return progress._replace(training_loss=training_loss, validation_loss=validation_loss, gradient_norm=gradient_norm)


def _to_entry(progress: Progress) -> dict[str, Any]:
    """Return the log entry of a report."""
    training, validation = progress.training_loss, progress.validation_loss
    assert training is not None
    entry: dict[str, Any] = {
        "step": progress.step,
        "steps": progress.steps,
        "epoch": round(progress.epoch, 4),
        "training_nats": training,
        "training_bits": to_bits(training),
        "validation_nats": validation,
        "validation_bits": None if validation is None else to_bits(validation),
        "learning_rate": progress.learning_rate,
        "gradient_norm": progress.gradient_norm,
    }
    return entry | ({"sample": progress.sample} if progress.sample else {})
