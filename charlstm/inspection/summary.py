"""The views of a model without a text: its settings, its corpus and its losses; and the curves of its training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from charlstm.base.config import to_mapping
from charlstm.base.parameters import Array
from charlstm.inspection.view import Column, Curves, Kind, View
from charlstm.model.model import Model
from charlstm.network.loss import NATS_PER_BIT, perplexity
from charlstm.text.remarks import describe_names
from charlstm.training.schedule import learning_rate

WIDE = 20.0  # how many times the least value the largest one is where an axis becomes logarithmic


def view_summary(model: Model) -> View:
    """Return the architecture, the corpus, the training settings, the last losses and the curve of the losses."""
    network, history = model.network, model.history
    validations = history.validations.validation_loss  # (K,)
    outcome: dict[str, Any] = {"steps done": int(history.step[-1]) if history.step.size else 0}
    if history.step.size:
        outcome |= _describe_loss("training loss", float(history.training_loss[-1]), True)
    if validations.size:
        outcome |= _describe_loss("validation loss", float(validations[-1]))
    corpus = {
        "files": describe_names(model.facts.files),
        "characters": model.facts.characters,
        "lines": model.facts.lines,
        "distinct characters": len(model.vocabulary) - bool(model.documents),
        "sha256": model.facts.sha256,
        "stored examples": len(model.examples),
    }
    if model.counts is not None:
        corpus |= {"order of the n-grams": model.counts.order, "n-grams": int(model.counts.ngrams.sizes.sum())}
        if model.counts.weight is not None:
            outcome |= {"weight of the n-grams": model.counts.weight}
            outcome |= _describe_loss("n-gram loss", model.counts.ngram_loss or 0.0)
            outcome |= _describe_loss("mixture loss", model.counts.mixture_loss or 0.0)
    return View(
        {
            "network": {**to_mapping(network.config), "parameters": network.parameters.flat.size},
            "corpus": corpus,
            "training": to_mapping(model.training) | {"documents": model.documents.kind or "one stream"},
            "outcome": outcome,
        }
        | ({"losses (bits per character)": _build_loss_curves({"": model})} if history.step.size else {})
    )


def view_history(model: Model, compare: Mapping[str, Model] | None = None) -> View:
    """Return the curves of the training, one point per report, and those of other models over them.

    The losses and the gradient norm, a mean since the last report, are stored in the model file. The learning rate
    follows from the training settings.

    Parameters
    ----------
    model
        The model.
    compare
        Name → model that is laid over it.
    """
    models = {"": model, **{Path(name).name: other for name, other in (compare or {}).items()}}
    runs = {name: one for name, one in models.items() if one.history.step.size}
    remarks = [
        f"{name or 'This model'} has not been trained, so it has no history." for name in models if name not in runs
    ]
    if not runs:
        return View({}, tuple(remarks))
    norms = [one.history.gradient_norm for one in runs.values()]  # (N,) each
    curves = {
        "losses (bits per character)": _build_loss_curves(runs),
        "learning rate": _lay_over(runs, {"learning rate": _find_rates}),
        "gradient norm": _lay_over(runs, {"gradient norm": lambda one: one.history.gradient_norm}, log=_is_wide(norms)),
    }
    return View(curves, tuple(remarks))


def _find_rates(model: Model) -> Array:
    """Return the learning rate of the step of every report: (N,)."""
    return np.array([learning_rate(model.training, int(step) - 1) for step in model.history.step])


def _is_wide(several: Iterable[Array]) -> bool:
    """Return whether positive values have so wide a range that a logarithmic axis shows more."""
    values = np.concatenate(list(several))  # (K,)
    values = values[np.isfinite(values)]
    return bool(values.size) and bool(values.min() > 0.0) and bool(values.max() >= WIDE * values.min())


def _build_loss_curves(runs: Mapping[str, Model]) -> Curves:
    """Return the losses in bits; an axis with a wide range is logarithmic."""
    losses: dict[str, Callable[[Model], Array]] = {
        "training": lambda one: one.history.training_loss / NATS_PER_BIT,
        "validation": lambda one: one.history.validation_loss / NATS_PER_BIT,
    }
    values = [find(one) for one in runs.values() for find in losses.values()]  # (N,) each
    return _lay_over(runs, losses, _is_wide(values), _is_wide([one.history.step for one in runs.values()]))


def _lay_over(
    runs: Mapping[str, Model],
    quantities: Mapping[str, Callable[[Model], Array]],
    log: bool = False,
    log_x: bool = False,
) -> Curves:
    """Return curves of runs over the steps of all of them, with NaN where a run has no report.

    Parameters
    ----------
    runs
        Name → model; the name is left out where it is empty.
    quantities
        Name → what returns a value for every report of a model.
    log, log_x
        See `Curves`.
    """
    steps = np.unique(np.concatenate([one.history.step for one in runs.values()]))  # (N,)
    ys = []
    for name, one in runs.items():
        for quantity, find in quantities.items():
            values = np.full(steps.size, np.nan)  # (N,)
            values[np.searchsorted(steps, one.history.step)] = find(one)
            ys.append(Column(f"{quantity}, {name}" if name else quantity, values))
    return Curves(Column("step", steps, Kind.WHOLE), tuple(ys), log, log_x)


def _describe_loss(name: str, nats: float, with_nats: bool = False) -> dict[str, float]:
    """Return a loss per character in bits and as a perplexity, and if asked for in nats."""
    bits = nats / NATS_PER_BIT
    return (
        {f"{name} (bits)": bits}
        | ({f"{name} (nats)": nats} if with_nats else {})
        | {f"{name} (perplexity)": perplexity(bits)}
    )
