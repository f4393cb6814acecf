"""Every view at once, of one model and one text: what golden files, hostile texts and all surfaces are tried with."""

from dataclasses import replace

import numpy as np
from small import model, network, with_counts

from charlstm.base.config import TrainingConfig
from charlstm.base.symbols import END
from charlstm.inspection.cloze import Question, view_questions
from charlstm.inspection.colouring import view_cell
from charlstm.inspection.counts import view_counts
from charlstm.inspection.gates import view_gates
from charlstm.inspection.gradients import view_gradients
from charlstm.inspection.labels import view_labels
from charlstm.inspection.memory import view_memory
from charlstm.inspection.patch import view_patch
from charlstm.inspection.saturation import view_saturation
from charlstm.inspection.score import view_score
from charlstm.inspection.summary import view_history, view_summary
from charlstm.inspection.trace import trace
from charlstm.inspection.units import view_units
from charlstm.inspection.view import TextInput, TextSource
from charlstm.inspection.why import view_why
from charlstm.model.model import History
from charlstm.text.facts import CorpusFacts

GOLDEN_RATIO = 0.6180339887498949


def by_formula(kind, characters, hidden=4, layers=2, scale=1.4, labels=()):
    """A model in float64 whose weights are written down rather than drawn or learnt, with a history.

    With labels, its documents are files.
    """
    characters += END * bool(labels)
    it = network(kind, vocabulary=len(characters), hidden=hidden, layers=layers, labels=len(labels))
    flat = it.parameters.flat
    flat[:] = scale * (2.0 * np.modf(np.arange(1, flat.size + 1) * GOLDEN_RATIO)[0] - 1.0)
    reports = History(np.array([3, 7]), np.array([2.0, 1.5]), np.array([np.nan, 1.7]), np.array([0.5, 0.25]))
    facts = CorpusFacts(("tales.txt",), 1234, 56, "0123456789abcdef", tuple((name, 7) for name in sorted(labels)))
    made = replace(model(it, characters), history=reports, facts=facts)
    return replace(made, training=TrainingConfig(0, documents="file", label="file")) if labels else made


def with_a_long_history(it):
    """A model with fifty reports of falling losses, of which every tenth has a validation loss."""
    steps = np.arange(1, 51)
    validation = np.where(steps % 10 == 0, 0.8 + 4.0 / steps, np.nan)
    return replace(it, history=History(steps, 0.7 + 4.0 / steps, validation, 10.0 / steps**2))


def build_every_view(it, other, text):
    """Every view: its name and its options → the view of a model of two layers with gates."""
    read, half = trace(it, text), len(text) // 2
    asked = [Question(text[:k], text[k : k + 3], group) for k, group in ((2, text[:3]), (half, text[3:5]), (4, "b"))]
    changes = {"set_": [f"0:1=0.7@{half}"], "freeze": [f"1:0@{half}"], "without": ["0:2"]}
    labelled = by_formula("lstm", it.vocabulary.characters.replace(END, ""), labels=(f"a{text[:3]}", f"b{text[3:6]}"))
    several = [TextSource(f"{name}.txt", [part]) for name, part in ((text[:3], text), (text[3:6], text[::-1]))]
    return {
        "gates": view_gates(it, read),
        "gates, two units": view_gates(it, read, ["0:1", "1:0"], "f,c,h"),
        "cell": view_cell(it, read),
        "cell, a gate": view_cell(it, read, ["0:1", "1:2"], "f"),
        "units": view_units(it, text),
        "units, a pattern": view_units(it, text, match=r"\w+"),
        "units, a span": view_units(it, text, like=f"{text}[2:4]"),
        "saturation": view_saturation(it, text),
        "memory": view_memory(it, read),
        "memory, asked": view_memory(it, read, text[:2], (text[2:4], text[3:6])),
        "why": view_why(it, text, text[:2]),
        "patch": view_patch(it, text, swap_memory=text[:half], at=half, **changes),
        "patch, each unit": view_patch(it, text),
        "gradients": view_gradients(it, text),
        "gradients, two models": view_gradients(it, text, {f"{text[:5]}.npz": other}),
        "score": view_score(it, TextInput([TextSource("the text", [text])])),
        "score, two models": view_score(
            it, TextInput(several, model_name="m.npz"), {f"{text[:5]}.npz": other}, adapt=True, adapt_rate=0.1
        ),
        "counts": view_counts(with_counts(it, text + text[::-2]), TextInput([TextSource("the text", [text])])),
        "counts, several texts": view_counts(
            with_counts(it, text[half:], 2, None), TextInput(several, skip_unknown=True)
        ),
        "cloze": view_questions(it, asked),
        "labels": view_labels(labelled, f"{text}{END}{text[::-1]}"),
        "history": view_history(it),
        "history, two models": view_history(it, {f"runs/{text[:5]}.npz": with_a_long_history(other)}),
        "summary": view_summary(it),
    }
