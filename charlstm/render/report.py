"""The summary of a model as terminal text, with the loss as a curve drawn in characters."""

from __future__ import annotations

from typing import Any

import numpy as np

from charlstm.inspect import Summary
from charlstm.model import History
from charlstm.parameters import Array

HEIGHT = 8
MARGIN = 8
WIDEST = 100


def summary_text(view: Summary, width: int) -> str:
    """Draw the summary in a terminal of that many columns."""
    lines = []
    for heading, facts in view.sections.items():
        lines.append(heading)
        lines += [_cut(f"  {name:<28}{_fact(value)}", width) for name, value in facts.items()]
    if view.history.step.size > 1:
        lines += ["loss, nats per character (. training, o held out)", *_curve(view.history, min(width, WIDEST))]
    return "".join(f"{line}\n" for line in lines)


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _fact(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _curve(history: History, width: int) -> list[str]:
    """Plot both losses over the steps; training first, so that the held-out marks stay visible."""
    columns = width - MARGIN - 1
    values = np.concatenate([history.train, history.validation])  # (2N,)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    canvas = np.full((HEIGHT, columns), " ")  # (HEIGHT, columns)
    for mark, losses in ((".", history.train), ("o", history.validation)):
        known = ~np.isnan(losses)  # (N,)
        across = _scale(history.step[known], float(history.step[0]), float(history.step[-1]), columns)
        down = HEIGHT - 1 - _scale(losses[known], low, high, HEIGHT)  # (K,)
        canvas[down, across] = mark
    labels = {0: f"{high:.3f}", HEIGHT - 1: f"{low:.3f}"}
    lines = [f"{labels.get(row, ''):>{MARGIN - 1}} |" + "".join(canvas[row]).rstrip() for row in range(HEIGHT)]
    first, last = f"step {int(history.step[0]):,}", f"{int(history.step[-1]):,}"
    return [*lines, " " * MARGIN + "+" + "-" * columns, " " * (MARGIN + 1) + first + last.rjust(columns - len(first))]


def _scale(values: Array, low: float, high: float, cells: int) -> Array:
    """Return in which of `cells` even cells between low and high each value lies."""
    share = (values - low) / ((high - low) or 1.0)  # (N,)
    return np.asarray(np.minimum((share * cells).astype(int), cells - 1))
