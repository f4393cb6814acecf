"""Random numbers by purpose: every stream follows from (seed, purpose, index), so nothing has to be remembered.

A draw does not depend on what was drawn before it for another purpose, nor on how the work is split. The same numbers
come from the same version of NumPy.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream of random numbers is for; the numbers are part of what makes a run repeatable."""

    WEIGHTS = 0
    DROPOUT = 1
    ORDER = 2
    CURRICULUM = 3
    SPLIT = 4
    SAMPLE = 5
    WEIGHT_DROPOUT = 6
    CHANCE = 7


def generator(seed: int, purpose: Purpose, *index: int) -> np.random.Generator:
    """Return the random stream of one purpose, and of one step, epoch or row within it.

    Parameters
    ----------
    seed
        The user's random seed, 0 or more.
    purpose
        What the numbers are for.
    index
        Which stream of that purpose: a step, an epoch, a row.
    """
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(int(purpose), *index))
    return np.random.Generator(np.random.PCG64(sequence))
