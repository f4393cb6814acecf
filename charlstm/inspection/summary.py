"""The view of a model without a text: what it is, what it was trained on, how that went."""

from __future__ import annotations

import math
from typing import Any

from charlstm.config import to_mapping
from charlstm.inspection.history import losses
from charlstm.inspection.view import View
from charlstm.model.model import Model
from charlstm.network.loss import NATS_PER_BIT


def summary(model: Model) -> View:
    """Return what a person wants to know of a model first."""
    network, history = model.network, model.history
    measured = history.judged.validation  # (K,)
    outcome: dict[str, Any] = {"steps done": int(history.step[-1]) if history.step.size else 0}
    if history.step.size:
        outcome |= _loss("training loss", float(history.train[-1]))
    if measured.size:
        outcome |= _loss("held-out loss", float(measured[-1]))
    corpus = {
        "files": ", ".join(model.facts.files),
        "characters": model.facts.characters,
        "lines": model.facts.lines,
        "distinct characters": len(model.vocabulary),
        "sha256": model.facts.sha256,
    }
    return View(
        {
            "network": {**to_mapping(network.config), "parameters": network.parameters.flat.size},
            "corpus": corpus,
            "training": to_mapping(model.training),
            "outcome": outcome,
            "history": losses(model),
        }
    )


def _loss(name: str, nats: float) -> dict[str, float]:
    return {f"{name} (nats)": nats, f"{name} (bits)": nats / NATS_PER_BIT, f"{name} (perplexity)": math.exp(nats)}
