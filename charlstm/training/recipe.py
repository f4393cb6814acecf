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
# square root of the text, and not beyond three times that. A poem is done in seconds: what was read a hundred times
# is not understood better by being read again.
WORK_OF_A_MILLION = 15e12
WORK_AT_MOST = 45e12
EPOCHS_AT_MOST = 100
LEARNING = 3

# More work pays best as more units and more reading, both: four times the work, 1.4 times the units. A small text
# cannot fill a large network. Small networks learn at a higher rate; whole lines, through which the gradient runs far,
# want a quarter of it.
UNITS_OF_A_TERA = 142
UNITS_GROW_WITH_WORK = 0.25
UNITS_STEP = 32
UNITS_LEAST = 64
UNITS_OF_A_MILLION_CHARACTERS = 1024
RATE, RATE_UNITS, RATE_OF_LINES = 0.02, 256, 0.25

# What is read again and again is learnt by heart, unless something is left out each time. The shares grow with every
# doubling of how often a text is read. Networks below some size have nothing to spare, and get a part of the shares.
DROPOUT_OF_A_DOUBLING = 0.05
WEIGHT_DROPOUT_OF_A_DOUBLING, WEIGHT_DROPOUT_MOST = 0.07, 0.2
UNITS_TO_SPARE = 128
WEIGHT_DECAY = 0.02

# Many small updates are worth more than few large ones, as long as the products stay fast.
ROWS_BY_CHARACTERS = ((30_000, 8), (100_000, 16))
ROWS = 32
SEQ_LEN = 64

# Sharing a step among processes costs two meetings and a sum of gradients. Every process has to get enough work to win
# that back, and enough rows for its products to be fast. `make bench` measures where that is.
WORK_OF_A_WORKER = 80_000_000
ROWS_OF_A_WORKER = 4


def work(characters: int) -> float:
    """Return the multiplications that a text of so many characters is worth, where no time is given."""
    return min(WORK_AT_MOST, WORK_OF_A_MILLION * math.sqrt(characters / 1e6))


def settings(
    characters: int, lines: int, work: float, epochs: float | None, steps: int | None, chosen: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what was chosen, and for what was left open the settings of a network and its training.

    Parameters
    ----------
    characters, lines
        Length of the text.
    work
        Multiplications to spend, where neither `epochs` nor `steps` says how long to train.
    epochs, steps
        How long to train; None: as long as the work allows.
    chosen
        Settings by name, `lines` among them.
    """
    few = () if chosen["lines"] else ROWS_BY_CHARACTERS
    rows = chosen.get("batch_size", next((rows for limit, rows in few if characters < limit), ROWS))
    units = min(
        UNITS_OF_A_TERA * (work / 1e12) ** UNITS_GROW_WITH_WORK,
        UNITS_OF_A_MILLION_CHARACTERS * math.sqrt(characters / 1e6),
    )
    hidden = chosen.get("hidden", max(UNITS_LEAST, round(units / UNITS_STEP) * UNITS_STEP))
    seq_len = chosen.get("seq_len", SEQ_LEN)
    if steps is not None:
        epochs = steps * rows * (1 / lines if chosen["lines"] else seq_len / characters)
    elif epochs is None:
        epochs = min(EPOCHS_AT_MOST, work / (LEARNING * 4 * hidden**2) / characters)
    doublings = math.log2(1.0 + epochs) * min(1.0, hidden / UNITS_TO_SPARE)
    open_settings: dict[str, Any] = {
        "hidden": hidden,
        "layers": 1,
        "batch_size": rows,
        "learning_rate": round(
            min(RATE, RATE * math.sqrt(RATE_UNITS / hidden)) * (RATE_OF_LINES if chosen["lines"] else 1.0), 4
        ),
        "hold": 0.5,
        "dropout": round(DROPOUT_OF_A_DOUBLING * doublings, 2),
        "weight_dropout": round(min(WEIGHT_DROPOUT_MOST, WEIGHT_DROPOUT_OF_A_DOUBLING * doublings), 2),
        "weight_decay": WEIGHT_DECAY,
    }
    if not chosen["lines"]:
        open_settings["seq_len"] = seq_len
        if not {"forget_bias", "chrono_init"} & set(chosen):
            open_settings["forget_bias"] = 0.0
    return open_settings | dict(chosen)


def steps(work: float, multiplications: int, predictions: float, per_epoch: int) -> int:
    """Return the updates that so much work allows, one or more; those of a hundred epochs at most.

    Parameters
    ----------
    work
        Multiplications to spend.
    multiplications
        Those of reading one character.
    predictions
        Characters predicted in a step.
    per_epoch
        Steps in which every character is predicted once.
    """
    return min(EPOCHS_AT_MOST * per_epoch, max(1, round(work / (LEARNING * multiplications * predictions))))


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
