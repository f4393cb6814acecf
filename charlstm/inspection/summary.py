"""The views of a model without a text: its settings, its corpus and its losses; and the curves of its training."""

from __future__ import annotations

from typing import Any

from charlstm.base.config import to_mapping
from charlstm.inspection.view import Column, Curves, Kind, View
from charlstm.model.model import Model
from charlstm.network.loss import NATS_PER_BIT, perplexity
from charlstm.text.remarks import describe_names
from charlstm.training.schedule import learning_rate


def view_summary(model: Model) -> View:
    """Return the architecture, the corpus, the training settings, the last losses and the curve of the losses."""
    network, history = model.network, model.history
    validations = history.validations.validation_loss  # (K,)
    outcome: dict[str, Any] = {"steps done": int(history.step[-1]) if history.step.size else 0}
    if history.step.size:
        outcome |= _in_units("training loss", float(history.training_loss[-1]))
    if validations.size:
        outcome |= _in_units("validation loss", float(validations[-1]))
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
            outcome |= _in_units("n-gram loss", model.counts.ngram_loss or 0.0)
            outcome |= _in_units("mixture loss", model.counts.mixture_loss or 0.0)
    return View(
        {
            "network": {**to_mapping(network.config), "parameters": network.parameters.flat.size},
            "corpus": corpus,
            "training": to_mapping(model.training) | {"documents": model.documents.kind or "one stream"},
            "outcome": outcome,
            "losses (nats per character)": _build_loss_curves(model),
        }
    )


def view_history(model: Model) -> View:
    """Return the curves of the training, one point per report.

    The losses, in nats per character, and the gradient norm, a mean since the last report, are stored in the model
    file. The learning rate follows from the training settings.
    """
    steps = Column("step", model.history.step, Kind.WHOLE)
    if not model.history.step.size:
        return View({}, ("This model has not been trained, so it has no history.",))
    rates = [learning_rate(model.training, int(step) - 1) for step in model.history.step]
    return View(
        {
            "losses (nats per character)": _build_loss_curves(model),
            "learning rate": Curves(steps, (Column("learning rate", rates),)),
            "gradient norm": Curves(steps, (Column("gradient norm", model.history.gradient_norm),)),
        }
    )


def _build_loss_curves(model: Model) -> Curves:
    step, train, validation, _ = model.history  # (N,) each
    return Curves(Column("step", step, Kind.WHOLE), (Column("training", train), Column("validation", validation)))


def _in_units(name: str, nats: float) -> dict[str, float]:
    """Return a loss in nats, in bits, and as a perplexity per character."""
    bits = nats / NATS_PER_BIT
    return {f"{name} (nats)": nats, f"{name} (bits)": bits, f"{name} (perplexity)": perplexity(bits)}
