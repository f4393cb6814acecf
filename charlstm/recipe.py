"""What is learnt with when the user does not say: rules from the size of the corpus, each with its reason.

Hidden units: a small text cannot fill a large network and would be learnt by heart; a large one is worth the time.
Length of training: the number of characters read grows with the square root of the corpus, so a poem is read often
and done in seconds, and a long play is read ten times.

Memory: lines are read whole, so a unit may have to keep something from the start of the longest line to its end; the
units start with memories of all lengths up to that. A text read as a stream is mostly predicted from its last few
characters, and starts with one small forget bias.

Workers: sharing a step among processes costs two meetings and a sum of gradients, so every process has to get enough
work to win that back, and enough rows for its products to be fast. `make bench` measures where that is.
"""

from __future__ import annotations

import math

HIDDEN_BY_CHARACTERS = ((30_000, 64), (300_000, 128))
HIDDEN_ABOVE = 256
READ_OF_A_MILLION = 10_000_000
READ_AT_MOST = 40_000_000
WORK_OF_A_WORKER = 80_000_000
ROWS_OF_A_WORKER = 4


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


def workers(cores: int, rows: int, parameters: int, predictions: float) -> int:
    """Return into how many processes to split a step.

    Parameters
    ----------
    cores
        Processes that can compute side by side.
    rows
        Rows of a batch (B).
    parameters
        Weights of the network (P).
    predictions
        Characters predicted in a step.
    """
    return max(1, min(cores, rows // ROWS_OF_A_WORKER, int(parameters * predictions / WORK_OF_A_WORKER)))
