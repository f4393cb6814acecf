"""The learning rate of every step: linear warm-up, a constant peak, then cosine decay to zero.

Source of the decay: Loshchilov & Hutter 2017, "SGDR: Stochastic gradient descent with warm restarts".
"""

from __future__ import annotations

import math
from dataclasses import replace

from charlstm.base.config import TrainingConfig


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Return the learning rate of one step, counted from 0.

    Where the clock changed the length of the run during the decay, the rate continues from its value at that step and
    reaches zero at the new end: at each step the rest of the decay is proportional to the steps that remain.

    Examples
    --------
    >>> from charlstm.base.config import TrainingConfig
    >>> config = TrainingConfig(steps=100, learning_rate=0.01, warmup=10)
    >>> [round(learning_rate(config, step), 4) for step in (0, 9, 55, 100)]
    [0.001, 0.01, 0.005, 0.0]
    """
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    if not is_decaying(config, step):
        return config.learning_rate
    start, left = _decay_start(config), 1.0
    for end, steps in (*config.schedule_changes, (config.steps, config.steps)):
        stop = min(step, end)
        left *= max(0.0, steps - stop) / max(1.0, steps - start)
        start = stop
    return config.learning_rate * 0.5 * (1.0 - math.cos(math.pi * left))


def is_decaying(config: TrainingConfig, step: int) -> bool:
    """Say whether the learning rate of a step is past its peak."""
    return config.decay and step > _decay_start(config)


def change_steps(config: TrainingConfig, step: int, steps: int) -> TrainingConfig:
    """Return the settings of a run that has another number of steps from this step on; its learning rate has no jump.

    Before the decay the length leaves no trace in the learning rate, so only `steps` changes. During the decay the
    change is recorded, so that a run with the same record has the same learning rates.
    """
    if not is_decaying(config, step - 1):
        return replace(config, steps=steps)
    return replace(config, steps=steps, schedule_changes=(*config.schedule_changes, (step, config.steps)))


def _decay_start(config: TrainingConfig) -> float:
    """Return the step at which the decay begins: it was planned for the length that the run had by then."""
    steps = config.schedule_changes[0][1] if config.schedule_changes else config.steps
    return config.warmup + config.hold * max(1, steps - config.warmup)
