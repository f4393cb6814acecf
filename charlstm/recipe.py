"""What is learnt with when the user does not say: rules from the size of the corpus, each with its reason.

Hidden units: a small text cannot fill a large network and would be learnt by heart; a large one is worth the time.
Length of training: the number of characters read grows with the square root of the corpus, so a poem is read often
and done in seconds, and a long play is read ten times.

Memory: lines are read whole, so a unit may have to keep something from the start of the longest line to its end; the
units start with memories of all lengths up to that. A text read as a stream is mostly predicted from its last few
characters, and starts with one small forget bias.
"""

from __future__ import annotations

import math

HIDDEN_BY_CHARACTERS = ((30_000, 64), (300_000, 128))
HIDDEN_ABOVE = 256
READ_OF_A_MILLION = 10_000_000
READ_AT_MOST = 40_000_000


def hidden_units(characters: int) -> int:
    """Return the hidden units of a layer for a corpus of that many characters."""
    return next((hidden for limit, hidden in HIDDEN_BY_CHARACTERS if characters < limit), HIDDEN_ABOVE)


def steps(characters: int, per_epoch: int) -> int:
    """Return the steps to train for.

    Parameters
    ----------
    characters
        Predictions in an epoch, one or more.
    per_epoch
        Steps in an epoch.
    """
    wanted = min(READ_AT_MOST, READ_OF_A_MILLION * math.sqrt(characters / 1e6))
    return max(1, round(wanted / characters * per_epoch))
