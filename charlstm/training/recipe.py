"""The automatic settings: rules that follow from the size of the text and from the work to spend, with reasons.

Work is counted in multiplications, each with its addition. Reading a character costs one multiplication per weight,
except those of U in the first layer, which are looked up. Training on it costs three times as much.

docs/recipes.md has the measurements behind each number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from charlstm.base.config import TrainingConfig
from charlstm.base.parameters import Array
from charlstm.text.documents import LINE

# The work for a text: five minutes on two cores of a laptop for a million characters. It grows with the square root of
# the number of characters, up to three times that. A poem takes seconds: more than a hundred epochs do not help.
WORK_FOR_A_MILLION = 15e12
MOST_WORK = 45e12
MOST_EPOCHS = 100
TRAINING_COST = 3

# More work is best spent on both more units and more characters: four times the work, 1.4 times the units. A large
# network overfits a small text. Small networks train best at a higher learning rate; whole lines, through which the
# gradient flows far, at a quarter of it.
UNITS_FOR_A_TERA = 142
UNITS_EXPONENT = 0.25
UNITS_STEP = 32
FEWEST_UNITS = 64
MOST_UNITS_FOR_A_MILLION = 1024
RATE, RATE_UNITS, RATE_FACTOR_OF_LINES = 0.02, 256, 0.25

# Many epochs overfit without dropout. The dropout rates grow with every doubling of the epochs. Small networks have no
# capacity to spare, and get a fraction of the rates.
DROPOUT_PER_DOUBLING = 0.05
WEIGHT_DROPOUT_PER_DOUBLING, MOST_WEIGHT_DROPOUT = 0.07, 0.2
UNITS_FOR_FULL_DROPOUT = 128
WEIGHT_DECAY = 0.02

# Many steps with small batches train better than few with large ones, as long as the matrix products stay fast.
ROWS_BY_CHARACTERS = ((30_000, 8), (100_000, 16))
ROWS = 32
SEQ_LEN = 64

# The gradient flows through the whole of a document that is not too long, as it does through a line. Long documents are
# read in fewer rows, so that the steps do not become few.
LONGEST_WHOLE = 1000
CHARACTERS_OF_DOCUMENTS, FEWEST_ROWS = 2048, 8

# A short run needs its steps at the peak and in the decay. From 500 steps on the warm-up has its usual length.
LONGEST_WARMUP = 0.1

# Sharing a step among processes costs two synchronisations and a sum of gradients. Every process needs enough work to
# win that back, and enough rows for fast products. `make bench` measures how much.
WORK_PER_WORKER = 80_000_000
ROWS_PER_WORKER = 4


def choose_work(characters: int) -> float:
    """Return the multiplications to spend on a text of this many characters, if no time is given."""
    return min(MOST_WORK, WORK_FOR_A_MILLION * math.sqrt(characters / 1e6))


def choose_settings(
    characters: int, lengths: Array, work: float, epochs: float | None, steps: int | None, chosen: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings of a network and its training: as chosen, and automatic where nothing was chosen.

    Parameters
    ----------
    characters
        Length of the text.
    lengths : (K,) array
        Predictions in each of its documents; none for a stream.
    work
        Multiplications to spend, if neither `epochs` nor `steps` sets the length of the run.
    epochs, steps
        Length of the run; None: as long as the work allows.
    chosen
        Settings by name, including `documents`.
    """
    are_documents = bool(chosen["documents"])
    longest = int(lengths.max(initial=0)) if are_documents else 0
    seq_len = chosen.get("seq_len", longest if 0 < longest <= LONGEST_WHOLE else SEQ_LEN)
    window = min(seq_len, float(lengths.mean())) if are_documents else seq_len  # characters of a row in a step
    rows = chosen.get("batch_size", _choose_rows(characters, window, chosen["documents"]))
    units = min(
        UNITS_FOR_A_TERA * (work / 1e12) ** UNITS_EXPONENT,
        MOST_UNITS_FOR_A_MILLION * math.sqrt(characters / 1e6),
    )
    hidden = chosen.get("hidden", max(FEWEST_UNITS, round(units / UNITS_STEP) * UNITS_STEP))
    if steps is not None:
        epochs = steps * rows * (1 / len(lengths) if chosen["documents"] == LINE else window / characters)
    elif epochs is None:
        epochs = min(MOST_EPOCHS, work / (TRAINING_COST * 4 * hidden**2) / characters)
    doublings = math.log2(1.0 + epochs) * min(1.0, hidden / UNITS_FOR_FULL_DROPOUT)
    automatic: dict[str, Any] = {
        "hidden": hidden,
        "layers": 1,
        "batch_size": rows,
        "learning_rate": round(
            min(RATE, RATE * math.sqrt(RATE_UNITS / hidden))
            * (RATE_FACTOR_OF_LINES if chosen["documents"] == LINE else 1.0),
            4,
        ),
        "hold": 0.5,
        "dropout": round(DROPOUT_PER_DOUBLING * doublings, 2),
        "weight_dropout": round(min(MOST_WEIGHT_DROPOUT, WEIGHT_DROPOUT_PER_DOUBLING * doublings), 2),
        "weight_decay": WEIGHT_DECAY,
    }
    if chosen["documents"] != LINE:
        automatic["seq_len"] = seq_len
    if not are_documents and not {"forget_bias", "chrono_init"} & set(chosen):
        automatic["forget_bias"] = 0.0
    return automatic | dict(chosen)


def choose_memory(longest: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the forget gate begins, by name: for memories as long as the longest document, or as a window of it.

    Parameters
    ----------
    longest
        Predictions in the longest document; 0 for a stream.
    settings
        The settings of the training.
    """
    if not longest:
        return {}
    return {"chrono_init": longest if settings["documents"] == LINE else min(longest, settings["seq_len"])}


def _choose_rows(characters: int, window: float, documents: str) -> int:
    """Return the number of rows of a batch."""
    if not documents:
        return next((rows for limit, rows in ROWS_BY_CHARACTERS if characters < limit), ROWS)
    if documents == LINE:
        return ROWS
    return min(ROWS, max(FEWEST_ROWS, round(CHARACTERS_OF_DOCUMENTS / window)))


def choose_steps(work: float, multiplications: int, predictions: float, per_epoch: int) -> int:
    """Return the optimizer steps that this much work allows: one or more, but at most a hundred epochs.

    Parameters
    ----------
    work
        Multiplications to spend.
    multiplications
        Multiplications of reading one character.
    predictions
        Characters predicted in a step.
    per_epoch
        Steps per epoch.
    """
    return min(MOST_EPOCHS * per_epoch, max(1, round(work / (TRAINING_COST * multiplications * predictions))))


def choose_warmup(steps: int) -> int:
    """Return the steps of warm-up of a run: 50, but at most a tenth of the run, so that a short one reaches its peak.

    Examples
    --------
    >>> choose_warmup(20), choose_warmup(10_000)
    (2, 50)
    """
    return min(TrainingConfig.warmup, int(steps * LONGEST_WARMUP))


def choose_workers(cores: int, rows: int, parameters: int, predictions: float) -> int:
    """Return the number of processes that share a step.

    Parameters
    ----------
    cores
        Processes that can compute at the same time.
    rows
        Rows of a batch (B).
    parameters
        Weights of the network (P).
    predictions
        Characters predicted in a step.
    """
    return max(1, min(cores, rows // ROWS_PER_WORKER, int(parameters * predictions / WORK_PER_WORKER)))
