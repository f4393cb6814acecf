"""Every view at once, of one model and one text: what golden files, hostile texts and all surfaces are tried with."""

from dataclasses import replace

import numpy as np
from small import model, network

from charlstm.inspection.cell import cell
from charlstm.inspection.cloze import Question, cloze
from charlstm.inspection.gates import gates
from charlstm.inspection.gradients import gradients
from charlstm.inspection.history import history
from charlstm.inspection.like import like
from charlstm.inspection.memory import memory_kept
from charlstm.inspection.patch import Changes, Holding, Setting, patch
from charlstm.inspection.saturation import saturation
from charlstm.inspection.score import Scorer, Text, score
from charlstm.inspection.summary import summary
from charlstm.inspection.trace import trace
from charlstm.inspection.unit import Unit
from charlstm.inspection.units import units
from charlstm.inspection.why import why
from charlstm.model.model import History
from charlstm.text.corpus import CorpusFacts

GOLDEN_RATIO = 0.6180339887498949


def by_formula(kind, characters, hidden=4, layers=2, scale=1.4):
    """A model in float64 whose weights are written down rather than drawn or learnt, with a history."""
    it = network(kind, vocabulary=len(characters), hidden=hidden, layers=layers)
    flat = it.parameters.flat
    flat[:] = scale * (2.0 * np.modf(np.arange(1, flat.size + 1) * GOLDEN_RATIO)[0] - 1.0)
    reports = History(np.array([3, 7]), np.array([2.0, 1.5]), np.array([np.nan, 1.7]), np.array([0.5, 0.25]))
    return replace(
        model(it, characters), history=reports, facts=CorpusFacts(("tales.txt",), 1234, 56, "0123456789abcdef")
    )


def looks(it, other, text):
    """Every view: its name, and what of it is looked at → the view of a model of two layers with gates."""
    read, half = trace(it, text), len(text) // 2
    ask, answers = text[:2], (text[2:4], text[3:6])
    changed = Changes([Setting(Unit(0, 1), 0.7, half)], [Holding(Unit(1, 0), half)], [Unit(0, 2)], text[:half], half)
    asked = [Question(text[:k], text[k : k + 3], group) for k, group in ((2, text[:3]), (half, text[3:5]), (4, "b"))]
    return {
        "gates": gates(read),
        "gates, two units": gates(read, [Unit(0, 1), Unit(1, 0)], ["f", "c", "h"]),
        "cell": cell(read),
        "cell, a gate": cell(read, [Unit(0, 1), Unit(1, 2)], "f"),
        "units": units(it, text),
        "units, a pattern": units(it, text, match=r"\w+"),
        "units, a span": like(it, text, f"{text}[2:4]"),
        "saturation": saturation(it, text),
        "memory": memory_kept(it, read),
        "memory, asked": memory_kept(it, read, ask, answers),
        "why": why(it, text, text[:2]),
        "patch": patch(it, text, changed),
        "patch, each unit": patch(it, text, Changes()),
        "gradients": gradients({"this model": it}, text),
        "gradients, two models": gradients({"this model": it, f"{text[:5]}.npz": other}, text),
        "score": score([Text("the text", [text])], [Scorer("m.npz", it)]),
        "score, two models": score(
            [Text(f"{name}.txt", [part]) for name, part in ((text[:3], text), (text[3:6], text[::-1]))],
            [Scorer("m.npz", it), Scorer(f"{text[:5]}.npz", other)],
            rate=0.1,
        ),
        "cloze": cloze(it, asked),
        "history": history(it),
        "summary": summary(it),
    }
