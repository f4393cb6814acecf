"""Progress of training on stderr: a bar on a terminal, a plain line now and then elsewhere, nothing with --quiet."""

from __future__ import annotations

import time

from charlstm.api.progress import describe_sample
from charlstm.cli.console import print_message
from charlstm.cli.output import STATUS_LINE, columns
from charlstm.cli.report import describe_outcome, describe_plan
from charlstm.cli.status import GAP, can_redraw, draw_status, fit
from charlstm.render.characters import width_of
from charlstm.training.durations import format_duration
from charlstm.training.plan import Plan
from charlstm.training.run import Outcome, Progress, SmoothLoss, Watcher, to_bits

SECONDS_BETWEEN_LINES = 60.0
SECONDS_BETWEEN_BARS = 0.1
SECONDS_BEFORE_PHASES = 0.5
# Which piece of a line becomes shorter first, second, … where the terminal is narrow: see `fit`. Forty columns keep the
# step, the loss, the validation loss with the best one, and the time left.
ORDER = (
    *("speed", "loss", "percent", "left", "validation", "loss", "step", "validation", "step", "validation"),
    *(GAP, "loss", "left"),
)
LAST = ("validation", "step", "loss")  # what a terminal of less than forty columns leaves out
NARROWEST_BAR, WIDEST_BAR = 5, 40


class ConsoleWatcher(Watcher):
    """Prints the plan, the progress and the outcome of a run to stderr."""

    def __init__(self) -> None:
        self._redraws = can_redraw()
        self._loss = SmoothLoss()
        self._validation: float | None = None
        self._best = float("inf")
        self._characters = self._steps = 0
        self._phase, self._phase_started = "", 0.0
        self._started = self._last_line = time.monotonic()

    def announce(self, message: str) -> None:
        """Print a message."""
        print_message(message)

    def prepare(self, phase: str, done: int, total: int) -> None:
        """Draw how far the work before the first step is, on a terminal."""
        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._phase_started = phase, now
        is_due = now - self._phase_started > SECONDS_BEFORE_PHASES and now - self._last_line > SECONDS_BETWEEN_BARS
        if self._redraws and is_due:
            self._last_line = now
            draw_status(f"{phase}: {done / total:.0%}" if total else f"{phase}: {done:,}")

    def begin(self, plan: Plan, processes: int) -> None:
        """Print the plan."""
        for line in describe_plan(plan, processes):
            print_message(line)
        validations = plan.model.history.validations.validation_loss  # (K,)  of a run that is resumed
        if validations.size:
            self._validation, self._best = float(validations[-1]), float(validations.min())
        self._started = self._last_line = time.monotonic()

    def advance(self, progress: Progress) -> None:
        """Draw the bar, or print a line after a validation and once a minute; print a sample if there is one."""
        self._loss.add(progress.loss)
        self._characters += progress.characters
        self._steps += 1
        is_measured = progress.validation_loss is not None
        if progress.validation_loss is not None:
            self._validation = progress.validation_loss
            self._best = min(self._best, progress.validation_loss)
        pause = SECONDS_BETWEEN_BARS if self._redraws else SECONDS_BETWEEN_LINES
        is_last = self._redraws and progress.step == progress.steps
        if is_measured or is_last or time.monotonic() - self._last_line > pause:
            self._last_line = time.monotonic()
            if self._redraws:
                draw_status(self._draw(progress, columns() - 1))
            else:
                print_message(self._describe(progress))
        if progress.sample:
            print_message(describe_sample(progress))

    def warn(self, message: str) -> None:
        """Print a message."""
        print_message(message)

    def end(self, outcome: Outcome) -> None:
        """Print the outcome."""
        for line in describe_outcome(outcome):
            print_message(line)

    def close(self) -> None:
        """Remove the bar."""
        STATUS_LINE.clear()

    def _pieces(self, progress: Progress) -> dict[str, list[str]]:
        """Return what a line consists of: name → the piece, then its shorter forms."""
        seconds = time.monotonic() - self._started
        left = seconds / self._steps * (progress.steps - progress.step)
        step, steps, bits = progress.step, progress.steps, to_bits(self._loss.mean)
        return {
            "step": [f"{step:,}/{steps:,}", f"{step}/{steps}", f"{_shorten(step)}/{_shorten(steps)}"],
            "loss": [
                f"{bits:.3f} bits ({self._loss.mean:.3f} nats)",
                f"{bits:.3f} bits",
                f"loss {bits:.2f}",
                f"{bits:.2f}",
            ],
            "validation": self._describe_validation(),
            "speed": [f"{self._characters / max(seconds, 1e-9):,.0f} char/s", ""],
            "left": [f"{format_duration(left, 2)} left", f"{format_duration(left, 1)} left", format_duration(left, 1)],
        }

    def _describe_validation(self) -> list[str]:
        if self._validation is None:
            return [""]
        last, best = to_bits(self._validation), to_bits(self._best)
        return [
            f"validation {last:.3f} bits, best {best:.3f}",
            f"validation {last:.3f}, best {best:.3f}",
            f"val {last:.2f}, best {best:.2f}",
            f"val {last:.2f}/{best:.2f}",
        ]

    def _describe(self, progress: Progress) -> str:
        """Return the progress as a line of a log."""
        pieces = {name: forms[0] for name, forms in self._pieces(progress).items()}
        return "  ".join(filter(None, [f"step {pieces.pop('step')}", *pieces.values()]))

    def _draw(self, progress: Progress, width: int) -> str:
        """Return the progress as a line of a terminal: what is least needed gives way to the rest."""
        share = progress.step / max(progress.steps, 1)
        pieces = {"percent": [f"{share:4.0%}", ""]} | self._pieces(progress)
        text = fit(pieces, ORDER, width)
        if width_of(text) > width:
            text = fit({name: [forms[-1], *[""] * (name in LAST)] for name, forms in pieces.items()}, LAST, width)
        room = min(width - width_of(text) - 1, WIDEST_BAR)
        if room < NARROWEST_BAR:
            return text
        return text.replace("%  ", f"%|{'█' * int(share * room):{room}}| ", 1)


def _shorten(count: int) -> str:
    """Return a count in at most five columns: 12345 as 12.3k."""
    for unit, size in (("", 1), ("k", 10**3), ("M", 10**6), ("G", 10**9)):
        if count < 1000 * size or unit == "G":
            return f"{count}" if size == 1 else f"{count / size:.{0 if count >= 100 * size else 1}f}{unit}"
    raise AssertionError


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
