"""The view of how training went: the losses, the learning rate and the gradient's norm over the steps."""

from __future__ import annotations

from charlstm.inspection.view import Column, Curves, Kind, View
from charlstm.model.model import Model
from charlstm.training.schedule import learning_rate


def history(model: Model) -> View:
    """Return the curves of a model's training, a point a report.

    The learning rate follows from the settings; the others are what the model file holds: the losses in nats per
    character, and the mean norm of the gradient since the report before.
    """
    steps = Column("step", model.history.step, Kind.WHOLE)
    if not model.history.step.size:
        return View({}, ("This model was never trained, so it has no history.",))
    rates = [learning_rate(model.training, int(step) - 1) for step in model.history.step]
    return View(
        {
            "history": losses(model),
            "learning rate": Curves(steps, (Column("learning rate", rates),)),
            "gradient norm": Curves(steps, (Column("gradient norm", model.history.norm),)),
        }
    )


def losses(model: Model) -> Curves:
    """Return the training and the held-out loss over the steps, in nats per character."""
    step, train, validation, _ = model.history  # (N,) each
    return Curves(Column("step", step, Kind.WHOLE), (Column("train", train), Column("validation", validation)))
