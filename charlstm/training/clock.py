"""Fitting a run to a given time."""

from __future__ import annotations

import math
import time
from collections import deque

from charlstm.base.config import TrainingConfig
from charlstm.training.schedule import change_steps, is_decaying
from charlstm.training.trainer import MOST_STEPS

WARM_STEPS = 10
MEASURED = 0.03  # of all steps: the last ones, whose pace counts
SMALLEST_CHANGE = 0.01  # of the remaining steps
SHORTEST_INTERVAL = 0.0025  # of all steps: between two changes


class Clock:
    """Chooses the number of steps of a run so that it ends on time, however its pace changes.

    The learning rate follows the time: it is held for the share `hold` of the time, and during the decay it is a
    function of the time that is left. While the learning rate is at its peak, the number of steps can change without a
    trace. During the decay each change of the pace changes the number of steps, and the settings of the run record
    these changes: since the rate reaches zero at the last step, fewer remaining steps let it fall faster per step.

    Parameters
    ----------
    deadline
        When the run should end, on the clock `time.monotonic`.
    config
        Settings of the run.
    seconds
        Duration of the whole run.
    done
        Steps done before, if the run is resumed.
    """

    def __init__(self, deadline: float, config: TrainingConfig, seconds: float, done: int = 0) -> None:
        self._deadline = deadline
        self._config = config
        self._seconds = seconds
        self._times: deque[float] = deque()  # of the last steps
        self._next_plan = done + max(1, min(WARM_STEPS, config.warmup))
        self._is_decaying = done > 0 and is_decaying(config, done - 1)

    def plan_steps(self, done: int) -> int:
        """Return the number of steps of the run, given the steps done; 0: as planned before."""
        now, hold, at_peak = time.monotonic(), self._config.hold, done - self._config.warmup
        self._times.append(now)
        self._is_decaying = self._is_decaying or (done > 0 and is_decaying(self._config, done - 1))
        while len(self._times) > 1 + max(WARM_STEPS, MEASURED * self._config.steps):
            self._times.popleft()
        left = self._deadline - now
        if len(self._times) == 1 or (done < self._next_plan and left > 0.0):
            return 0
        pace = (now - self._times[0]) / (len(self._times) - 1)
        steps = done + 1 + round(max(0.0, left) / pace)
        if self._is_decaying:
            too_small = max(1.0, SMALLEST_CHANGE * (self._config.steps - done))
            if not is_decaying(self._config, done - 1) or abs(steps - self._config.steps) < too_small:
                return 0
        elif hold and at_peak > 0 and left <= (1.0 - hold) * self._seconds * (1.0 - self._config.warmup / steps):
            self._is_decaying = True
            steps = max(done + 1, math.ceil(self._config.warmup + at_peak / hold))
        elif hold and at_peak >= 0 and left > 0.0:  # the rate stays at its peak until the next plan
            interval = 1 + math.ceil(SHORTEST_INTERVAL * self._config.steps)
            steps = max(steps, math.ceil(self._config.warmup + (at_peak + interval) / hold))
        steps = min(steps, MOST_STEPS)
        self._next_plan = done + math.ceil(SHORTEST_INTERVAL * min(steps, self._config.steps))
        self._config = change_steps(self._config, done, steps)
        return steps
