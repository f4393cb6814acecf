"""Progress of a training run in a Python program: a bar in a notebook, or a function of the program."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from charlstm.network.loss import NATS_PER_BIT
from charlstm.render.characters import shown_text
from charlstm.training.run import Progress, Watcher

if TYPE_CHECKING:
    from charlstm.training.plan import Plan

Callback = Callable[[Progress], object]


def describe_sample(progress: Progress) -> str:
    """Return the sample of a validation below a heading with its step and its losses."""
    training, validation = progress.training_loss or progress.loss, progress.validation_loss
    losses = [f"training {training / NATS_PER_BIT:.3f} bits"]
    losses += [] if validation is None else [f"validation {validation / NATS_PER_BIT:.3f} bits"]
    return f"sample    after step {progress.step:,}: {', '.join(losses)} per character\n{progress.sample}"


class CallbackWatcher(Watcher):
    """Calls a function with the progress after each step."""

    def __init__(self, callback: Callback) -> None:
        self._callback = callback

    def advance(self, progress: Progress) -> None:
        """Call the function."""
        self._callback(progress)


class BarWatcher(Watcher):
    """Shows a progress bar: tqdm's bar for notebooks in a notebook, otherwise a line on stderr.

    A bar that can no longer be shown disappears, and training continues.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._validation = ""
        self._best = float("inf")

    def begin(self, plan: Plan, processes: int) -> None:
        """Show the bar."""
        done = plan.state.step if plan.state else 0
        with self._hide_on_failure():
            self._bar = _bar_class()(total=plan.model.training.steps, initial=done, unit="step")

    def advance(self, progress: Progress) -> None:
        """Move the bar; show the losses after each report, and a sample if there is one."""
        if self._bar is None:
            return
        self._bar.total = progress.steps
        if progress.validation_loss is not None:
            self._best = min(self._best, progress.validation_loss)
            last, best = progress.validation_loss / NATS_PER_BIT, self._best / NATS_PER_BIT
            self._validation = f", validation {last:.3f}, best {best:.3f}"
        if progress.training_loss is not None:
            training = f"training {progress.training_loss / NATS_PER_BIT:.3f}"
            self._bar.set_postfix_str(f"bits per character: {training}{self._validation}", refresh=False)
        with self._hide_on_failure():
            if progress.sample:
                self._bar.write(shown_text(describe_sample(progress)))
            self._bar.update()

    def warn(self, message: str) -> None:
        """Write the message above the bar."""
        if self._bar is not None:
            with self._hide_on_failure():
                self._bar.write(shown_text(message))

    def close(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            with self._hide_on_failure():
                self._bar.close()

    @contextmanager
    def _hide_on_failure(self) -> Iterator[None]:
        """Forget the bar if its stream is closed, is full, or has no reader any more."""
        try:
            yield
        except (OSError, ValueError, AttributeError):
            self._bar = None


def choose_watcher(progress: Callback | Watcher | bool | None) -> Watcher:
    """Return what follows a run: see the parameter `progress` of `train`."""
    if isinstance(progress, Watcher):
        return progress
    if callable(progress):
        return CallbackWatcher(progress)
    return BarWatcher() if progress or (progress is None and in_notebook()) else Watcher()


def in_notebook() -> bool:
    """Return whether this is the kernel of a notebook, which can show widgets."""
    shell = getattr(builtins, "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _bar_class() -> Any:
    """Return the class of the bar; without ipywidgets, a notebook shows the bar of a terminal."""
    if in_notebook():
        from tqdm import notebook

        if getattr(notebook, "IProgress", None) is not None:
            return notebook.tqdm
    from tqdm import tqdm

    return tqdm
