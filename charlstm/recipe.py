"""What is learnt with when the user does not say: rules from the size of the corpus, each with its reason.

Hidden units: a small text cannot fill a large network and would be learnt by heart; a large one is worth the time.
Length of training: the number of characters read grows with the square root of the corpus, so a poem is read often
and done in seconds, and a long play is read ten times.

Forget bias: a memory that keeps a share σ(b) at every step has kept 1/e after T steps if σ(b) = 1 − 1/T, which is
b = ln(T − 1) (Tallec & Ollivier 2018, "Can recurrent neural networks warp time?"). Lines are read whole, so T is their
mean length: with less, the gradient has died before it comes back to the start of a line. A stream is mostly predicted
from its last few characters, and T is a few.
"""

from __future__ import annotations

import math

HIDDEN_BY_CHARACTERS = ((30_000, 64), (300_000, 128))
HIDDEN_ABOVE = 256
READ_OF_A_MILLION = 10_000_000
READ_AT_MOST = 40_000_000
FORGET_BIAS_OF_A_STREAM = 1.0


def hidden_units(characters: int) -> int:
    """Return the hidden units of a layer for a corpus of that many characters."""
    return next((hidden for limit, hidden in HIDDEN_BY_CHARACTERS if characters < limit), HIDDEN_ABOVE)


def forget_bias(lines: bool, mean_length: float) -> float:
    """Return the initial forget bias for a corpus of streams, or of lines of that mean length in characters."""
    return round(math.log(max(mean_length - 1, 2.0)), 1) if lines else FORGET_BIAS_OF_A_STREAM


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
