"""Carrying out a plan: the processes, the signals, the clock, the saves, the journal."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from charlstm.cli.console import remark
from charlstm.cli.plan import Plan
from charlstm.cli.progress import Watch
from charlstm.cli.workers import shared
from charlstm.config import TrainingConfig
from charlstm.errors import CharlstmError
from charlstm.model import checkpoint
from charlstm.model.checkpoint import Run
from charlstm.model.files import replace_atomically
from charlstm.model.model import Model
from charlstm.network.loss import NATS_PER_BIT
from charlstm.sampling import sampler
from charlstm.training import schedule, trainer
from charlstm.training.team import Team
from charlstm.training.trainer import Progress, Requests

CLOCK_WARM = 10
LEAST_TURN = 0.02


class Files(NamedTuple):
    """What a run writes.

    Attributes
    ----------
    model : Path
        The best weights.
    run : Path
        Where the run stands.
    log : Path or None
        A line a report.
    """

    model: Path
    run: Path
    log: Path | None


class Clock:
    """Fits a run to the time that it may take.

    While the learning rate is at its peak the steps of the run may change without a trace. When the time left is what
    the rest of the curve takes at the pace so far, it begins to fall; whenever half of the rest is done, the steps are
    planned anew from the pace of that half, and the settings keep that turn.

    Parameters
    ----------
    ends
        When the run shall be done, on the clock `time.monotonic`.
    config
        Warm-up and the share of the steps at the peak.
    """

    def __init__(self, ends: float, config: TrainingConfig) -> None:
        self._ends = ends
        self._config = config
        self._times: list[float] = []
        self._turn: float = 0.0

    def steps(self, done: int) -> int:
        """Return of how many steps the run is to be after so many of them; 0: as many as were said before."""
        now, warmup, hold = time.monotonic(), self._config.warmup, self._config.hold
        self._times.append(now)
        if not done or done < max(min(CLOCK_WARM, warmup), self._turn):
            return 0
        half = len(self._times) // 2
        pace = (now - self._times[-1 - half]) / half
        steps = done + 1 + round(max(0.0, self._ends - now) / pace)
        held = max(0, done - warmup)
        begins = not self._turn and held >= hold * (steps - warmup)
        if begins and held and hold:
            steps = max(done + 1, math.ceil(warmup + held / hold))
        if begins or self._turn:
            self._times = self._times[-1:]
            self._turn = done + max((steps - done) / 2, LEAST_TURN * steps, CLOCK_WARM)
        return min(steps, trainer.MOST_STEPS)


class Journal:
    """A file with a JSON object a line, one for every report; a line that cannot be written is said and left out.

    Parameters
    ----------
    path
        The file; None: no journal.
    done
        Steps of the run that are done; lines of later ones, which will be done again, are removed.

    Raises
    ------
    CharlstmError
        If the file cannot be written or is of another kind.
    """

    def __init__(self, path: Path | None, done: int) -> None:
        self._path = path
        self._begun = time.monotonic()
        if path is None:
            return
        kept = b""
        try:
            if done and path.exists():
                lines = path.read_bytes().splitlines(keepends=True)
                kept = b"".join(line for line in lines if line.endswith(b"\n") and json.loads(line)["step"] <= done)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CharlstmError(
                f"{path} is no journal to go on with ({error}); name another file with --log"
            ) from error
        replace_atomically(path, lambda file: file.write(kept))

    def write(self, entry: dict[str, Any]) -> None:
        """Add a line; numbers that are not finite become null."""
        if self._path is None:
            return
        entry["seconds"] = round(time.monotonic() - self._begun, 3)
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            remark(f"cannot write {self._path}: {error.strerror or error}; training goes on")


def learn(
    plan: Plan, files: Files, world: Team, quiet: bool, save_every: float, preview: int, received: Sequence[int]
) -> Model:
    """Train a model, save it and where the run stands now and then, and return the best with its history.

    Parameters
    ----------
    save_every
        Most seconds between two saves.
    preview
        Characters to write after each validation.
    received
        Signals that have come; with the first one the run stops after its step.

    Raises
    ------
    CharlstmError
        If training cannot go on, or the last save fails.
    click.exceptions.Exit
        After Ctrl-C or SIGTERM, once the step is finished and all is saved.
    """
    model, split, start = plan.model, plan.split, plan.run.standing if plan.run else None
    network = model.network
    best = plan.run.best if plan.run else network.parameters.flat.copy()
    done, saved = start.step if start else 0, time.monotonic()
    complete = done == model.training.steps
    clock = Clock(plan.ends, model.training) if plan.ends is not None else None

    def job(team: Team) -> Iterator[Progress]:
        def requests(before: int) -> Requests:
            first = team.rank == 0
            save = first and time.monotonic() - saved > save_every
            return Requests(bool(received), save, clock.steps(before) if first and clock else 0)

        return trainer.train(network, split.training, split.validation, model.training, team, requests, start)

    writes = world.rank == 0
    with (
        shared(job, network, split, world, plan.workers) as team,
        Watch(model.training.steps, quiet or not writes, done) as watch,
    ):
        if writes and not quiet:
            remark(f"work      {team.size} process{'es' * (team.size > 1)}")
        journal = Journal(files.log if writes else None, done)
        for progress in job(team):
            watch.show(progress)
            done, complete = progress.step, progress.complete
            model = replace(model, training=progress.training)
            if progress.report is not None:
                model = replace(model, history=model.history.plus(done, *told(progress)))
                text = ""
                if preview and progress.report.validation is not None and writes:
                    text = sampler.preview(model, preview, model.training.random_seed)
                    watch.say(text)
                journal.write(entry_of(progress, plan, model, text))
            if progress.standing is None:
                continue
            improved = progress.report is not None and progress.report.improved
            if improved or math.isinf(progress.standing.judged[0]):  # before a first measure the newest are best
                best = progress.standing.weights.copy()
            saved = time.monotonic()
            if writes:
                save_or_remark(partial(checkpoint.save_run, Run(model, progress.standing, best), files.run))
                if improved and not complete:
                    save_or_remark(partial(checkpoint.save, best_of(model, best), files.model))
    if done and (not model.history.step.size or model.history.step[-1] < done):
        model = replace(model, history=model.history.plus(done, watch.loss, math.nan, math.nan))
    finished = best_of(model, best)
    if writes:
        checkpoint.save(finished, files.model)
    if not complete:
        if writes:
            remark(
                f"stopped at step {done:,} of {model.training.steps:,}; what was learnt so far is in {files.model}, and"
                " the same command with --resume goes on"
            )
        raise click.exceptions.Exit(128 + (received or [signal.SIGTERM])[0])
    return finished


def told(progress: Progress) -> tuple[float, float, float]:
    """Return training loss, held-out loss and gradient norm of a report, for the history."""
    report = progress.report
    assert report is not None
    return report.loss, math.nan if report.validation is None else report.validation, report.norm


def entry_of(progress: Progress, plan: Plan, model: Model, preview: str) -> dict[str, Any]:
    """Return what the journal says of a report."""
    report, config = progress.report, model.training
    assert report is not None
    entry: dict[str, Any] = {
        "step": progress.step,
        "steps": config.steps,
        "epoch": round(progress.step / plan.split.training.per_epoch, 4),
        "train_nats": report.loss,
        "train_bits": report.loss / NATS_PER_BIT,
        "held_out_nats": report.validation,
        "held_out_bits": None if report.validation is None else report.validation / NATS_PER_BIT,
        "learning_rate": schedule.learning_rate(config, progress.step - 1),
        "gradient_norm": report.norm,
    }
    return entry | ({"preview": preview} if preview else {})


def best_of(model: Model, weights: Any) -> Model:
    """Return the model with other weights."""
    return replace(model, network=model.network.with_weights(weights))


def save_or_remark(save: Callable[[], None]) -> None:
    """Save in the middle of a run; a failure is said, and the run goes on and tries again."""
    try:
        save()
    except CharlstmError as error:
        remark(f"{error}; training goes on")
