"""Fitting a run to a given time."""

from __future__ import annotations

import math
import time

from charlstm.base.config import TrainingConfig
from charlstm.training.schedule import change_steps, is_decaying
from charlstm.training.trainer import MOST_STEPS

WARM_STEPS = 10
SMALLEST_CHANGE = 0.02


class Clock:
    """Chooses the number of steps of a run so that it ends on time.

    While the learning rate is at its peak, the number of steps can change without a trace. The decay begins when the
    time that is left equals the time that the decay takes at the pace so far, but not during warm-up. During the decay
    the number of steps is planned again each time half of the remaining steps is done, from the pace of that half; the
    settings of the run record these changes.

    Parameters
    ----------
    deadline
        When the run should end, on the clock `time.monotonic`.
    config
        Settings of the run.
    done
        Steps done before, if the run is resumed.
    """

    def __init__(self, deadline: float, config: TrainingConfig, done: int = 0) -> None:
        self._deadline = deadline
        self._config = config
        self._times: list[float] = []
        self._next_plan = done + max(1, min(WARM_STEPS, config.warmup))
        self._is_decaying = done > 0 and is_decaying(config, done - 1)

    def plan_steps(self, done: int) -> int:
        """Return the number of steps of the run, given the steps done; 0: as planned before."""
        now, warmup, hold = time.monotonic(), self._config.warmup, self._config.hold
        self._times.append(now)
        self._is_decaying |= done > 0 and is_decaying(self._config, done - 1)
        if done < self._next_plan:
            return 0
        half = len(self._times) // 2
        pace = (now - self._times[-1 - half]) / half
        steps = done + 1 + round(max(0.0, self._deadline - now) / pace)
        at_peak = done - warmup
        decay_begins = not self._is_decaying and 0 <= at_peak >= hold * (steps - warmup)
        if decay_begins and at_peak and hold:
            steps = max(done + 1, math.ceil(warmup + at_peak / hold))
        if decay_begins or self._is_decaying:
            self._is_decaying = True
            self._times = self._times[-1:]
            self._next_plan = done + math.ceil(max((steps - done) / 2, SMALLEST_CHANGE * steps, WARM_STEPS))
        steps = min(steps, MOST_STEPS)
        self._config = change_steps(self._config, done, steps)
        return steps
