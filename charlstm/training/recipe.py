"""The automatic settings: rules that follow from the size of the text and from the work to spend, with reasons.

Work is counted in multiplications, each with its addition. Reading a character costs one multiplication per weight,
except those of U in the first layer, which are looked up. Training on it costs three times as much.

docs/explanation/recipes.md has the measurements behind each number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from charlstm.base.config import TrainingConfig
from charlstm.base.parameters import Array
from charlstm.network.cells import CELLS
from charlstm.text.documents import LINE, STREAM

# The work for a text: five minutes on two cores of a laptop for a million characters. It grows with the square root of
# the number of characters, up to three times that. A poem takes seconds: more than 50 epochs do not help, nor more than
# 30 of lines, but a run of fewer than 1,000 steps ends before the network can write.
WORK_FOR_A_MILLION = 15e12
MOST_WORK = 45e12
MOST_EPOCHS, MOST_EPOCHS_OF_LINES = 50, 30
FEWEST_STEPS = 1_000
TRAINING_COST = 3
GATES = 4  # of the default cell: matrices of H·H weights

# More work is best spent on both more units and more characters: four times the work, 1.4 times the units. Where that
# would be more than 35 epochs, more units with more dropout are better. Small networks train best at a higher learning
# rate; whole lines, through which the gradient flows far, at a quarter of it; GRU and RNN, in which it flows through
# products with W, at less.
UNITS_FOR_A_TERA = 180
UNITS_EXPONENT = 0.25
UNITS_STEP = 32
ENOUGH_EPOCHS = 35
FEWEST_UNITS = 64
MOST_UNITS_FOR_A_MILLION = 1810
RATE, RATE_UNITS, RATE_FACTOR_OF_LINES = 0.03, 256, 0.25
RATE_FACTORS = {"lstm": 1.0, "gru": 0.25, "rnn": 0.1}  # by cell

# Many epochs overfit without dropout, and the more so the more weights there are. In runs of 35 epochs and more, the
# dropout rates grow with every doubling of 1 + the recurrent weights per character; in shorter ones, by a part of that.
# The rate on the weights also grows with every doubling of 1 + the epochs, from three on, and in documents that are not
# lines the rate on the outputs. Small networks have no capacity to spare, and get a fraction of the rates.
WEIGHT_DROPOUT_PER_DOUBLING, MOST_WEIGHT_DROPOUT_BY_EPOCHS = 0.05, 0.2
DROPOUT_PER_DOUBLING_OF_DOCUMENTS = 0.05
DROPOUT_BY_WEIGHTS, WEIGHT_DROPOUT_BY_WEIGHTS = 0.16, 0.08
MOST_DROPOUT = 0.6
UNITS_FOR_FULL_DROPOUT = 128
WEIGHT_DECAY = 0.02

# Outputs that change little from one character to the next predict the new text of a stream better, once the network
# has learnt them: in runs of fewer than 1,000 steps they count less. Documents have a form to keep, and get a part of
# it. Lines begin with the zero state, and the outputs of GRU and RNN are their memory, so theirs must change.
TAR, TAR_OF_DOCUMENTS, STEPS_FOR_FULL_TAR = 5.0, 1.0, 1_000

# With that penalty, gradients explode now and then, to norms of 1,000 and more where 0.1 is usual. Clipping at the
# usual norm makes such steps harmless.
CLIP_WITH_TAR = 0.1

# The average of the weights over about the last quarter of the run predicts new text better than the newest weights in
# runs of 15 epochs and more. Shorter runs do not overfit yet, and the average is over a shorter part.
AVERAGING, EPOCHS_OF_AVERAGING = 6.0, 15

# The loss of a validation set with fewer than 200 characters is chance, and a short text needs all its characters. What
# a network learns from it is the text itself, for which little dropout is best.
SHORTEST_WITH_VALIDATION = 2_000
DROPOUT_OF_SHORT_TEXT = 0.3

# Many steps with small batches train better than few with large ones, as long as the matrix products stay fast: half of
# the rows, where there would be fewer than 20,000 steps.
ROWS_BY_CHARACTERS = ((SHORTEST_WITH_VALIDATION, 2), (30_000, 8), (100_000, 16))
ROWS = 32
ENOUGH_STEPS = 20_000
SEQ_LEN = 64

# The gradient flows through the whole of a document that is not too long, as it does through a line. Long documents are
# read in fewer rows, so that the steps do not become few.
LONGEST_WHOLE = 1000
FEWEST_OF_ROWS = 4  # one row of so many that a stream would have

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
    units = max(
        UNITS_FOR_A_TERA * (work / 1e12) ** UNITS_EXPONENT,
        math.sqrt(work / (TRAINING_COST * GATES * ENOUGH_EPOCHS * characters)),
    )
    units = min(units, MOST_UNITS_FOR_A_MILLION * math.sqrt(characters / 1e6))
    hidden = chosen.get("hidden", max(FEWEST_UNITS, round(units / UNITS_STEP) * UNITS_STEP))
    if epochs is None:
        epochs = min(_choose_epochs(chosen["documents"]), work / (TRAINING_COST * GATES * hidden**2) / characters)
    batches = epochs * characters / (ROWS * window) if steps is None else steps / 2  # of all rows
    rows = chosen.get("batch_size", _choose_rows(characters, window, chosen["documents"], batches))
    if steps is not None:
        epochs = steps / math.ceil((len(lengths) if chosen["documents"] == LINE else characters / window) / rows)
    taken = epochs * characters / (rows * window)  # steps, about
    tar = chosen.get("tar", _choose_tar(chosen.get("cell", "lstm"), chosen["documents"], taken))
    automatic: dict[str, Any] = {
        "hidden": hidden,
        "layers": 1,
        "batch_size": rows,
        "learning_rate": _choose_rate(
            hidden * chosen.get("layers", 1), chosen.get("cell", "lstm"), chosen["documents"]
        ),
        "hold": 0.5,
        "weight_decay": WEIGHT_DECAY,
        "tar": tar,
        "clip": CLIP_WITH_TAR if tar else TrainingConfig.clip,
        "averaging": round(AVERAGING * max(1.0, EPOCHS_OF_AVERAGING / max(epochs, 0.1)), 1),
        **_choose_dropout(characters, chosen["documents"], epochs, hidden),
    }
    if chosen["documents"] != LINE:
        automatic["seq_len"] = seq_len
    if not are_documents and not {"forget_bias", "chrono_init"} & set(chosen):
        automatic["forget_bias"] = 0.0
    return automatic | dict(chosen)


def _choose_rate(units: int, cell: str, documents: str) -> float:
    """Return the peak learning rate of a network with this many units in all layers."""
    factor = RATE_FACTORS.get(cell, 1.0)
    if documents == LINE:
        factor = min(factor, RATE_FACTOR_OF_LINES)
    return round(factor * min(RATE, RATE * math.sqrt(RATE_UNITS / units)), 4)


def _choose_tar(cell: str, documents: str, steps: float) -> float:
    """Return the weight of temporal activation regularisation, in a run of about this many steps."""
    if documents == LINE or CELLS[cell].memory == "h":
        return 0.0
    return round((TAR_OF_DOCUMENTS if documents else TAR) * min(1.0, steps / STEPS_FOR_FULL_TAR), 1)


def _choose_dropout(characters: int, documents: str, epochs: float, hidden: int) -> dict[str, float]:
    """Return the dropout rates, by name."""
    share = min(1.0, hidden / UNITS_FOR_FULL_DROPOUT)
    if characters < SHORTEST_WITH_VALIDATION:
        return dict.fromkeys(("dropout", "weight_dropout"), round(share * DROPOUT_OF_SHORT_TEXT, 2))
    of_epochs = share * max(0.0, math.log2(1.0 + epochs) - 2.0)
    of_weights = share * min(1.0, epochs / ENOUGH_EPOCHS) * math.log2(1.0 + GATES * hidden**2 / characters)
    of_W = min(MOST_WEIGHT_DROPOUT_BY_EPOCHS, WEIGHT_DROPOUT_PER_DOUBLING * of_epochs)
    of_outputs = DROPOUT_PER_DOUBLING_OF_DOCUMENTS * of_epochs if documents not in (STREAM, LINE) else 0.0
    return {
        "dropout": round(min(MOST_DROPOUT, of_outputs + DROPOUT_BY_WEIGHTS * of_weights), 2),
        "weight_dropout": round(min(MOST_DROPOUT, of_W + WEIGHT_DROPOUT_BY_WEIGHTS * of_weights), 2),
    }


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


def _choose_rows(characters: int, window: float, documents: str, batches: float) -> int:
    """Return the number of rows of a batch, for a run that reads this many of the largest batches."""
    if documents == LINE:
        return ROWS
    large = ROWS if documents or batches >= ENOUGH_STEPS else ROWS // 2
    rows = next((rows for limit, rows in ROWS_BY_CHARACTERS if characters < limit), large)
    return min(rows, max(rows // FEWEST_OF_ROWS, round(rows * SEQ_LEN / window))) if documents else rows


def _choose_epochs(documents: str) -> int:
    """Return the most epochs that help."""
    return MOST_EPOCHS_OF_LINES if documents == LINE else MOST_EPOCHS


def choose_steps(work: float, multiplications: int, predictions: float, per_epoch: int, documents: str) -> int:
    """Return the optimizer steps that this much work allows: at most 50 epochs or 1,000 steps, whichever is more.

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
    documents
        What a document is; lines get at most 30 epochs.
    """
    most = max(_choose_epochs(documents) * per_epoch, FEWEST_STEPS)
    return min(most, max(1, round(work / (TRAINING_COST * multiplications * predictions))))


def choose_val_fraction(characters: int) -> float:
    """Return the fraction of a text of this many characters that is the validation set: a tenth, none if it is short.

    Examples
    --------
    >>> choose_val_fraction(243), choose_val_fraction(20_000)
    (0.0, 0.1)
    """
    return 0.0 if characters < SHORTEST_WITH_VALIDATION else TrainingConfig.val_fraction


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
