"""Progress of training on stderr: a bar on a terminal, a plain line now and then elsewhere, nothing with --quiet."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any

from tqdm import tqdm

from charlstm.cli.console import print_message
from charlstm.cli.report import describe_outcome, describe_plan
from charlstm.render.characters import printable
from charlstm.training.durations import format_duration
from charlstm.training.plan import Plan
from charlstm.training.run import Outcome, Progress, SmoothLoss, Watcher, to_bits

SECONDS_BETWEEN_LINES = 60.0
BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}  {desc}{remaining} left"


class ConsoleWatcher(Watcher):
    """Prints the plan, the progress and the outcome of a run to stderr."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._bar: Any = None
        self._loss = SmoothLoss()
        self._validation = ""
        self._characters = self._steps = 0
        self._started = self._last_line = time.monotonic()

    def announce(self, message: str) -> None:
        """Print a message."""
        self._print(message)

    def begin(self, plan: Plan, processes: int) -> None:
        """Print the plan, and show the bar."""
        for line in describe_plan(plan, processes):
            self._print(line)
        self._started = self._last_line = time.monotonic()
        if self._is_terminal:
            columns, rows = shutil.get_terminal_size()  # tqdm draws nothing on a terminal without a size
            done = plan.state.step if plan.state else 0
            self._bar = tqdm(total=plan.model.training.steps, initial=done, bar_format=BAR, ncols=columns, nrows=rows)

    def advance(self, progress: Progress) -> None:
        """Move the bar, or print a line after a validation and once a minute; print a sample if there is one."""
        self._loss.add(progress.loss)
        self._characters += progress.characters
        self._steps += 1
        is_measured = progress.validation_loss is not None
        if progress.validation_loss is not None:
            self._validation = f"validation {progress.validation_loss:.3f}  "
        if self._bar is not None:
            self._bar.total = progress.steps
            self._bar.set_description_str(self._describe(), refresh=False)
            self._bar.update()
        elif is_measured or time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            left = self._seconds / self._steps * (progress.steps - progress.step)
            self._print(f"step {progress.step:,}/{progress.steps:,}  {self._describe()}{format_duration(left)} left")
        if progress.sample:
            self._print(progress.sample)

    def warn(self, message: str) -> None:
        """Print a message."""
        self._print(message)

    def end(self, outcome: Outcome) -> None:
        """Print the outcome."""
        self.close()
        for line in describe_outcome(outcome):
            self._print(line)

    def close(self) -> None:
        """Close the bar."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def _print(self, text: str) -> None:
        """Print a text, above the bar if there is one."""
        if self._bar is None:
            print_message(text)
        else:
            self._bar.write(printable(text, "\n\t"), file=sys.stderr)

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _describe(self) -> str:
        loss, speed = self._loss.mean, self._characters / max(self._seconds, 1e-9)
        return f"{loss:.3f} nats {to_bits(loss):.3f} bits  {self._validation}{speed:,.0f} char/s  "


class QuietWatcher(Watcher):
    """Prints only problems that do not end the run, and how to continue an interrupted one."""

    def warn(self, message: str) -> None:
        """Print a message."""
        print_message(message)

    def end(self, outcome: Outcome) -> None:
        """Print where an interrupted run stopped."""
        if outcome.interrupted_by is not None:
            for line in describe_outcome(outcome):
                self.warn(line)
