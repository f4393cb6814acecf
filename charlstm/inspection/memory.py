"""The view of the memory: how long units remember, where they write and erase, and what the memory answers.

The cell state is c_t = f_t·c_{t−1} + i_t·c~_t, so a value written at character s is multiplied by f_{s+1}·…·f_t until
character t. The half-life of a unit is ln ½ / mean(ln f), in characters. (For the GRU, f is its update gate u, and it
writes (1 − u)·h~.)

To find out what the memory holds, the network is asked a question after every character, and the probability of each
answer is measured. Where the most probable answer changes, one fact was erased and another was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from charlstm.base.errors import ConfigError, named
from charlstm.base.parameters import Array
from charlstm.inspection.continuation import copy_reader, score_continuations
from charlstm.inspection.quantities import list_units
from charlstm.inspection.trace import Trace, start_reader
from charlstm.inspection.view import Bars, Column, Kind, Part, Strip, Table, View
from charlstm.model.model import Model
from charlstm.network.cell import Cell
from charlstm.network.cells import cells_that
from charlstm.network.loss import log_softmax

ROWS = 10
CONTEXT = 8
LONGEST = 1024  # half-lives above it share one bar


def view_memory(model: Model, trace: Trace, ask: str | None = None, answers: Sequence[str] = ()) -> View:
    """Return the half-lives, writes and erasures of the units, and the answers to a question after each character.

    Parameters
    ----------
    model
        The model that read the text.
    trace
        What it did.
    ask
        A question: text that is read after every character, starting each time from the state there.
    answers
        Complete continuations of the question.

    Raises
    ------
    ConfigError
        If the cell has no forget gate, or only one of question and answers is given.
    """
    if (ask is None) != (not answers):
        raise ConfigError(f"{named('ask')} and {named('answers')} belong together; give both or neither")
    layers = [measure_memory(trace.cell, *pair) for pair in zip(trace.layers, trace.before, strict=True)]
    half = np.concatenate([half_lives(kept) for kept, _, _ in layers])  # (U,)
    written = np.concatenate([np.abs(writes) for _, writes, _ in layers], axis=1)  # (N, U)
    erased = np.concatenate([np.abs(before) * (1.0 - kept) for kept, _, before in layers], axis=1)  # (N, U)
    order = np.argsort(-half, kind="stable")  # (U,)
    units = list_units(model.network.config)
    columns = (
        Column("unit", [str(units[k]) for k in order], Kind.TEXT),
        Column("half-life", half[order], Kind.NUMBER),
        Column("largest write at", [_show_place(trace.text, n) for n in written.argmax(axis=0)[order]], Kind.TEXT),
        Column("largest erasure at", [_show_place(trace.text, n) for n in erased.argmax(axis=0)[order]], Kind.TEXT),
    )
    parts: dict[str, Part] = {
        "half-lives in characters": Table(columns, head=ROWS),
        "units by half-life": _count_half_lives(half),
        "writes and erasures": Strip(
            trace.text, (_scale("written", written.sum(axis=1)), _scale("erased", erased.sum(axis=1)))
        ),
    }
    if ask is None:
        return View(parts)
    shares = np.exp(log_softmax(score_answers(model, trace.text, ask, answers).T)).T  # (A, N)
    rows = tuple(Column(answer, row, Kind.SHARE) for answer, row in zip(answers, shares, strict=True))
    asked: dict[str, Part] = {
        f"answers to «{ask}»": Strip(trace.text, rows),
        "changes of the answer": _build_change_table(trace.text, answers, shares),
    }
    return View(asked | parts, ("The probabilities of the answers are normalised to add up to 1.",))


def measure_memory(cell: Cell, layer: dict[str, Array], states: dict[str, Array]) -> tuple[Array, Array, Array]:
    """Return the share of the memory that is kept, what is written, and the memory before: (N, H) float64 each.

    Parameters
    ----------
    cell
        The cell.
    layer, states
        The quantities of a layer and its states before each character; see `Trace`.

    Raises
    ------
    ConfigError
        If the cell has no forget gate.
    """
    if cell.forget_gate is None:
        others = cells_that(lambda cell: cell.forget_gate is not None)
        raise ConfigError(f"the cell of this network has no forget gate; the view memory needs a model of {others}")
    values = {name: array.astype(np.float64) for name, array in layer.items()}
    return cell.kept(values), cell.written(values), states[cell.memory].astype(np.float64)


def half_lives(kept: Array) -> Array:
    """Return the half-lives in characters: (N, H) shares kept → (H,); infinite where nothing is ever erased."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(0.5) / np.minimum(np.log(np.maximum(kept, 1e-300)).mean(axis=0), -0.0))


def score_answers(model: Model, text: str, ask: str, answers: Sequence[str]) -> Array:
    """Return the log-probability of each answer to a question asked after each character: (A, N), in nats."""
    vocabulary, reader = model.vocabulary, start_reader(model)
    states = []
    for index in vocabulary.encode(text):
        reader.read(np.array([[index]]))
        states.append(reader.state)
    asked = reader.copies(len(text))
    asked.state = np.concatenate(states, axis=2)  # (L, S, N, H)
    asked.read(np.tile(vocabulary.encode(ask, "the question", skippable=False)[:, None], (1, len(text))))
    ids = [vocabulary.encode(answer, "the answer", skippable=False) for answer in answers]
    return np.stack([score_continuations(copy_reader(asked), [one] * len(text)).log_probability for one in ids])


def _build_change_table(text: str, answers: Sequence[str], shares: Array) -> Table:
    """Return one row per stretch of characters with the same most probable answer."""
    best = shares.argmax(axis=0)  # (N,)
    starts = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(text)]
    return Table(
        (
            Column("from", starts[:-1], Kind.WHOLE),
            Column("to", [stop - 1 for stop in starts[1:]], Kind.WHOLE),
            Column("answer", [answers[best[n]] for n in starts[:-1]], Kind.TEXT),
            Column("mean probability", [float(shares[best[a], a:b].mean()) for a, b in pairwise(starts)], Kind.PERCENT),
            Column("starts at", [_show_place(text, n) for n in starts[:-1]], Kind.TEXT),
        )
    )


def _count_half_lives(half: Array) -> Bars:
    edges = [0.0, *(2.0**k for k in range(int(np.log2(LONGEST)) + 1)), np.inf]
    counts = [int(((half >= low) & (half < high)).sum()) for low, high in pairwise(edges)]
    counts[-1] += int(np.isinf(half).sum())
    labels = [
        f"below {edges[1]:.0f}",
        *(f"{a:.0f} to {b:.0f}" for a, b in pairwise(edges[1:-1])),
        f"{LONGEST} and more",
    ]
    return Bars(Column("characters", labels, Kind.TEXT), Column("units", counts, Kind.WHOLE))


def _scale(name: str, values: Array) -> Column:
    """Return values divided by the largest."""
    return Column(name, values / (values.max() or 1.0), Kind.SHARE)


def _show_place(text: str, n: int) -> str:
    """Return a character in brackets with its position and the text around it."""
    return f"{n}: {text[max(0, n - CONTEXT) : n]}[{text[n]}]{text[n + 1 : n + 1 + CONTEXT]}"
