"""What is learnt with when the user does not say: rules from the text and the work that it is worth, with reasons.

Work is counted in multiplications (each with its addition). Reading a character costs one for every weight but those
of U in the first layer, which are looked up; learning from it costs three times as much.

docs/recipes.md has what was measured for each number here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

# The work that a text is worth: five minutes on two cores of a laptop for a million characters. It grows with the
# square root of the text, so a poem is done in seconds, and not beyond three times that.
WORK_OF_A_MILLION = 15e12
WORK_AT_MOST = 45e12
LEARNING = 3

# Sharing a step among processes costs two meetings and a sum of gradients. Every process has to get enough work to win
# that back, and enough rows for its products to be fast. `make bench` measures where that is.
WORK_OF_A_WORKER = 80_000_000
ROWS_OF_A_WORKER = 4


def work(characters: int) -> float:
    """Return the multiplications that a text of so many characters is worth, where no time is given."""
    return min(WORK_AT_MOST, WORK_OF_A_MILLION * math.sqrt(characters / 1e6))


def settings(characters: int, work: float, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was chosen, and for what was left open the settings of a network and its training.

    Parameters
    ----------
    characters
        Length of the text.
    work
        Multiplications to spend.
    chosen
        Settings by name, `lines` among them.
    """
    hidden = 256
    best: dict[str, Any] = {"hidden": hidden, "layers": 1, "dropout": 0.0, "batch": 32, "hold": 0.5}
    if chosen["lines"]:
        best |= {"lr": 0.005}
    else:
        best |= {"seq_len": 64, "lr": 0.02, "dropout": 0.1}
        if not {"forget_bias", "memory_span"} & set(chosen):
            best["forget_bias"] = 0.0
    return best | dict(chosen)


def steps(work: float, multiplications: int, predictions: float) -> int:
    """Return the updates that so much work allows, one or more.

    Parameters
    ----------
    work
        Multiplications to spend.
    multiplications
        Those of reading one character.
    predictions
        Characters predicted in a step.
    """
    return max(1, round(work / (LEARNING * multiplications * predictions)))


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
