"""Random streams by purpose: each follows from (seed, purpose, index), so there is no random state to carry along.

A random number does not depend on the numbers drawn before it for another purpose, nor on how processes share the work.
The same version of NumPy gives the same numbers.
"""

from __future__ import annotations

import os
from enum import IntEnum

import numpy as np
import numpy.random  # NumPy imports it when it is first used, and that import swallows the exception of a signal

SMALLEST_FRESH = 10_000


class Purpose(IntEnum):
    """What a random stream is for. The numbers must not change: a run is repeatable only with the same ones."""

    WEIGHTS = 0
    DROPOUT = 1
    ORDER = 2
    CURRICULUM = 3
    SPLIT = 4
    SAMPLE = 5
    WEIGHT_DROPOUT = 6
    CHANCE = 7
    LABEL = 8


def fresh_seed() -> int:
    """Return a new random seed of five digits, from the entropy of the operating system."""
    return SMALLEST_FRESH + int.from_bytes(os.urandom(8), "little") % (10 * SMALLEST_FRESH - SMALLEST_FRESH)


def generator(seed: int, purpose: Purpose, *index: int) -> np.random.Generator:
    """Return the random generator of one purpose, and of one step, epoch or row within it.

    Parameters
    ----------
    seed
        The user's random seed, 0 or more.
    purpose
        What the numbers are for.
    index
        Which stream of that purpose, such as a step, an epoch or a row.

    Examples
    --------
    >>> first, again = (generator(0, Purpose.SAMPLE, 3).random() for _ in range(2))
    >>> first == again
    True
    """
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=(int(purpose), *index))
    return np.random.Generator(np.random.PCG64(sequence))
