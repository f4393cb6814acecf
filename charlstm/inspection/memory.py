"""The view of the memory: how long what is written stays, and where it is written and erased.

What a unit wrote at character s stays with the factor f_{s+1}·f_{s+2}·…·f_t until character t, since
c_t = f_t·c_{t−1} + i_t·c~_t. The half-life of a unit follows from the mean of ln f: after ln ½ / mean(ln f) characters
half of it is left. (For the gru f is its update gate u, and what it writes is (1 − u)·h~.)

What the memory holds is asked of the network itself: after every character it is put the same question, and its
probability of every answer is measured. Where the likeliest answer changes, one thing was let go and another written.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from charlstm.errors import ConfigError
from charlstm.inspection.trace import Trace, start
from charlstm.inspection.unit import every_unit
from charlstm.inspection.view import Bars, Column, Kind, Part, Strip, Table, View
from charlstm.model.model import Model
from charlstm.network.cell import Cell
from charlstm.network.cells import cells_that
from charlstm.network.loss import log_softmax
from charlstm.parameters import Array

SHOWN = 10
AROUND = 8
LONGEST = 1024  # beyond it half-lives are counted together


def memory_kept(model: Model, trace: Trace, ask: str | None = None, answers: Sequence[str] = ()) -> View:
    """Return half-lives, writes and erasures of the units, and what the memory answers after each character.

    Parameters
    ----------
    model
        What read the text.
    trace
        What it did.
    ask
        A question: text that is read after every character of the text, each time as if it stood there.
    answers
        What may come next, whole.

    Raises
    ------
    ConfigError
        If the cell has no gate that keeps, or a question comes without answers, or answers without a question.
    """
    if (ask is None) != (not answers):
        raise ConfigError("a question needs answers to choose from, and answers need a question; give both")
    layers = [kept_and_written(trace.cell, layer) for layer in trace.layers]
    half = np.concatenate([half_lives(kept) for kept, _, _ in layers])  # (U,)
    written = np.concatenate([np.abs(writes) for _, writes, _ in layers], axis=1)  # (N, U)
    erased = np.concatenate([np.abs(before) * (1.0 - kept) for kept, _, before in layers], axis=1)  # (N, U)
    order = np.argsort(-half, kind="stable")  # (U,)
    every = every_unit(model.network.config)
    columns = (
        Column("unit", [str(every[k]) for k in order], Kind.TEXT),
        Column("half-life", half[order], Kind.NUMBER),
        Column("most written at", [_place(trace.text, int(written[:, k].argmax())) for k in order], Kind.TEXT),
        Column("most erased at", [_place(trace.text, int(erased[:, k].argmax())) for k in order], Kind.TEXT),
    )
    parts: dict[str, Part] = {
        "half-lives in characters": Table(columns, head=SHOWN),
        "units by half-life": _histogram(half),
        "where it is written and erased": Strip(
            trace.text, (_relative("written", written.sum(axis=1)), _relative("erased", erased.sum(axis=1)))
        ),
    }
    remarks: list[str] = []
    if ask is not None:
        shares = np.exp(log_softmax(answered(model, trace.text, ask, answers).T)).T  # (A, N)
        rows = tuple(Column(answer, row, Kind.SHARE) for answer, row in zip(answers, shares, strict=True))
        parts = {
            f"asked «{ask}»": Strip(trace.text, rows),
            "what is known": _changes(trace.text, answers, shares),
            **parts,
        }
        remarks = ["The share of an answer is its probability among those asked about."]
    return View(parts, tuple(remarks))


def kept_and_written(cell: Cell, layer: dict[str, Array]) -> tuple[Array, Array, Array]:
    """Return what is kept of the memory at each character, what is added, and the memory before: (N, H) float64 each.

    Raises
    ------
    ConfigError
        If the cell has no gate that keeps.
    """
    if cell.forget_gate is None:
        others = cells_that(lambda cell: cell.forget_gate is not None)
        raise ConfigError(f"this network has no gate that keeps a memory; give a model of {others}")
    values = {name: array.astype(np.float64) for name, array in layer.items()}
    memory = values[cell.memory]
    return cell.kept(values), cell.written(values), np.concatenate([np.zeros_like(memory[:1]), memory[:-1]])


def half_lives(kept: Array) -> Array:
    """Return after how many characters half is left of what was written: (N, H) → (H,); infinite where nothing goes."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(0.5) / np.minimum(np.log(np.maximum(kept, 1e-300)).mean(axis=0), -0.0))


def answered(model: Model, text: str, ask: str, answers: Sequence[str]) -> Array:
    """Return the log-probability, in nats, of each answer to the question, asked after each character: (A, N)."""
    vocabulary, reader = model.vocabulary, start(model)
    states = []
    for index in vocabulary.encode(text):
        reader.read(np.array([[index]]))
        states.append(reader.state)
    asked = reader.copies(len(text))
    asked.state = np.concatenate(states, axis=2)  # (L, S, N, H)
    asked.read(np.tile(vocabulary.encode(ask, "the question")[:, None], (1, len(text))))
    found = np.zeros((len(answers), len(text)))  # (A, N)
    for number, answer in enumerate(answers):
        other = reader.copies(len(text))
        other.state, other.logits = asked.state.copy(), asked.logits
        for index in vocabulary.encode(answer, "the answer"):
            found[number] += log_softmax(other.logits)[:, index]
            other.read(np.full((1, len(text)), index))
    return found


def _changes(text: str, answers: Sequence[str], shares: Array) -> Table:
    """Return from which characters on which answer is the likeliest."""
    best = shares.argmax(axis=0)  # (N,)
    begins = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(text)]
    return Table(
        (
            Column("from", begins[:-1], Kind.WHOLE),
            Column("to", [stop - 1 for stop in begins[1:]], Kind.WHOLE),
            Column("likeliest answer", [answers[best[n]] for n in begins[:-1]], Kind.TEXT),
            Column("its share", [float(shares[best[a], a:b].mean()) for a, b in pairwise(begins)], Kind.PERCENT),
            Column("where it is written", [_place(text, n) for n in begins[:-1]], Kind.TEXT),
        )
    )


def _histogram(half: Array) -> Bars:
    edges = [0.0, *(2.0**k for k in range(int(np.log2(LONGEST)) + 1)), np.inf]
    counts = [int(((half >= low) & (half < high)).sum()) for low, high in pairwise(edges)]
    counts[-1] += int(np.isinf(half).sum())
    labels = [
        f"below {edges[1]:.0f}",
        *(f"{a:.0f} to {b:.0f}" for a, b in pairwise(edges[1:-1])),
        f"{LONGEST} and more",
    ]
    return Bars(Column("characters", labels, Kind.TEXT), Column("units", counts, Kind.WHOLE))


def _relative(name: str, values: Array) -> Column:
    return Column(name, values / (values.max() or 1.0), Kind.SHARE)


def _place(text: str, n: int) -> str:
    """Return a character by its number, with what stands around it."""
    return f"{n}: {text[max(0, n - AROUND) : n]}[{text[n]}]{text[n + 1 : n + 1 + AROUND]}"
