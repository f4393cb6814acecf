"""How training is watched: a bar on a terminal, a plain line now and then elsewhere, nothing when asked to be quiet."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType

from tqdm import tqdm

from charlstm.cli.console import remark
from charlstm.network.loss import NATS_PER_BIT
from charlstm.training.trainer import Progress

SMOOTHING = 0.98
PLAIN_EVERY = 60.0
BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}  {desc}{remaining} left"


class Watch:
    """Shows a run's progress on stderr; use it in a `with` statement.

    Parameters
    ----------
    steps
        Steps of the whole run.
    quiet
        True: show nothing.
    done
        Steps that an earlier run has done.

    Attributes
    ----------
    loss : float
        The recent training loss in nats: a running mean that starts without a bias towards zero.
    """

    def __init__(self, steps: int, quiet: bool, done: int = 0) -> None:
        self._steps = steps
        self._done = done
        self._plain = not quiet and not sys.stderr.isatty()
        columns, rows = shutil.get_terminal_size()  # tqdm draws nothing on a terminal that says it has no size
        self._bar = tqdm(
            total=steps, initial=done, bar_format=BAR, disable=quiet or self._plain, ncols=columns, nrows=rows
        )
        self._start = self._said = time.monotonic()
        self._characters = 0
        self._sum = self._weight = 0.0
        self._held_out = ""

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._bar.close()

    def show(self, progress: Progress) -> None:
        """Take note of a step; the bar redraws itself a few times a second."""
        self._characters += progress.characters
        self._sum = SMOOTHING * self._sum + progress.loss
        self._weight = SMOOTHING * self._weight + 1.0
        self._steps = self._bar.total = progress.training.steps
        measured = progress.report is not None and progress.report.validation is not None
        if progress.report is not None and progress.report.validation is not None:
            self._held_out = f"held out {progress.report.validation:.3f}  "
        self._bar.set_description_str(self._described(), refresh=False)
        self._bar.update()
        if self._plain and (measured or time.monotonic() - self._said > PLAIN_EVERY):
            self._said = time.monotonic()
            left = self.seconds / (progress.step - self._done) * (self._steps - progress.step)
            remark(f"step {progress.step:,}/{self._steps:,}  {self._described()}{duration(left)} left")

    def say(self, text: str) -> None:
        """Write a text above the bar, or on plain lines of its own; nothing when asked to be quiet."""
        if self._plain:
            remark(text)
        elif not self._bar.disable:
            self._bar.write(text, file=sys.stderr)

    @property
    def loss(self) -> float:
        """The recent training loss in nats: a running mean without a bias towards the start."""
        return self._sum / self._weight

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def _described(self) -> str:
        speed = self._characters / max(self.seconds, 1e-9)
        return f"{self.loss:.3f} nats {self.loss / NATS_PER_BIT:.3f} bits  {self._held_out}{speed:,.0f} char/s  "


def duration(seconds: float) -> str:
    """Return a time as a person says it: 12 s, 3 min 05 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
