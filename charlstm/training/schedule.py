"""The learning rate of every step."""

from __future__ import annotations

import math
from dataclasses import replace

from charlstm.config import TrainingConfig


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Return the rate of one step: a straight warm-up, the peak for a while, then half a cosine down to zero."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    if not falls(config, step):
        return config.learning_rate
    begun, left = _fall(config), 1.0
    for turn, steps in (*config.turns, (config.steps, config.steps)):
        here = min(step, turn)
        left *= max(0.0, steps - here) / max(1.0, steps - begun)
        begun = here
    return config.learning_rate * 0.5 * (1.0 - math.cos(math.pi * left))


def falls(config: TrainingConfig, step: int) -> bool:
    """Say whether the rate of a step is beyond its peak."""
    return config.decay and step > _fall(config)


def turned(config: TrainingConfig, step: int, steps: int) -> TrainingConfig:
    """Return the settings of a run that is to have another number of steps from here on: its rate makes no leap."""
    if not falls(config, step - 1):
        return replace(config, steps=steps)
    return replace(config, steps=steps, turns=(*config.turns, (step, config.steps)))


def _fall(config: TrainingConfig) -> float:
    """Return the step at which the rate begins to fall, as it was planned by then."""
    steps = config.turns[0][1] if config.turns else config.steps
    return config.warmup + config.hold * max(1, steps - config.warmup)
