"""Progress of training on stderr: a bar on a terminal, a plain line now and then elsewhere, nothing with --quiet."""

from __future__ import annotations

import time

from charlstm.cli.console import print_message
from charlstm.cli.report import describe_outcome, describe_plan
from charlstm.cli.status import StatusLine, can_redraw, columns, fit
from charlstm.render.characters import width_of
from charlstm.training.durations import format_duration
from charlstm.training.plan import Plan
from charlstm.training.run import Outcome, Progress, SmoothLoss, Watcher, to_bits

SECONDS_BETWEEN_LINES = 60.0
SECONDS_BETWEEN_BARS = 0.1
# What a narrow line leaves out first has the highest rank; the time left always stays.
RANKS = {"left": 0, "percent": 1, "nats": 2, "step": 3, "validation": 4, "bits": 5, "speed": 6}
NARROWEST_BAR, WIDEST_BAR = 5, 40


class ConsoleWatcher(Watcher):
    """Prints the plan, the progress and the outcome of a run to stderr."""

    def __init__(self) -> None:
        self._line = StatusLine() if can_redraw() else None
        self._drawn = False
        self._loss = SmoothLoss()
        self._validation: float | None = None
        self._characters = self._steps = 0
        self._started = self._last_line = time.monotonic()

    def announce(self, message: str) -> None:
        """Print a message."""
        self._print(message)

    def begin(self, plan: Plan, processes: int) -> None:
        """Print the plan."""
        for line in describe_plan(plan, processes):
            self._print(line)
        self._started = self._last_line = time.monotonic()

    def advance(self, progress: Progress) -> None:
        """Draw the bar, or print a line after a validation and once a minute; print a sample if there is one."""
        self._loss.add(progress.loss)
        self._characters += progress.characters
        self._steps += 1
        is_measured = progress.validation_loss is not None
        if is_measured:
            self._validation = progress.validation_loss
        pause = SECONDS_BETWEEN_LINES if self._line is None else SECONDS_BETWEEN_BARS
        is_last = self._line is not None and progress.step == progress.steps
        if is_measured or is_last or time.monotonic() - self._last_line > pause:
            self._last_line = time.monotonic()
            if self._line is None:
                print_message(self._describe(progress))
            else:
                self._line.draw(self._draw(progress, columns() - 1))
                self._drawn = True
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
        """Remove the bar."""
        if self._line is not None and self._drawn:
            self._line.clear()
            self._drawn = False

    def _print(self, text: str) -> None:
        """Print a text in the place of the bar, which is drawn again below it."""
        self.close()
        print_message(text)

    def _pieces(self, progress: Progress) -> dict[str, str]:
        seconds = time.monotonic() - self._started
        left = seconds / self._steps * (progress.steps - progress.step)
        loss, speed = self._loss.mean, self._characters / max(seconds, 1e-9)
        return {
            "step": f"{progress.step:,}/{progress.steps:,}",
            "nats": f"{loss:.3f} nats",
            "bits": f"{to_bits(loss):.3f} bits",
            "validation": "" if self._validation is None else f"validation {self._validation:.3f}",
            "speed": f"{speed:,.0f} char/s",
            "left": f"{format_duration(left, 2)} left",
        }

    def _describe(self, progress: Progress) -> str:
        """Return the progress as a line of a log."""
        pieces = self._pieces(progress)
        losses = f"{pieces.pop('nats')} {pieces.pop('bits')}"
        return "  ".join(filter(None, [f"step {pieces.pop('step')}", losses, *pieces.values()]))

    def _draw(self, progress: Progress, width: int) -> str:
        """Return the progress as a line of a terminal: what is least needed gives way to the rest."""
        share = progress.step / max(progress.steps, 1)
        pieces = {"percent": f"{share:4.0%}"} | self._pieces(progress)
        text = fit([(RANKS[name], piece) for name, piece in pieces.items() if piece], width)
        room = min(width - width_of(text) - 1, WIDEST_BAR)
        if room < NARROWEST_BAR:
            return text
        return text.replace("%  ", f"%|{'█' * int(share * room):{room}}| ", 1)


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
