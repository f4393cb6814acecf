"""The view of how training went: the losses and the learning rate over the steps, and whatever else was recorded."""

from __future__ import annotations

from charlstm.inspect.view import Column, Curves, Kind, View
from charlstm.model import Model
from charlstm.optimizers import learning_rate


def history(model: Model) -> View:
    """Return the curves of a model's training, a point a report.

    The learning rate follows from the settings; the others are what the model file holds: the losses in nats per
    character, and the gradient's norm where it was recorded.
    """
    steps = Column("step", model.history.step, Kind.WHOLE)
    if not model.history.step.size:
        return View({}, ("This model was never trained, so it has no history.",))
    rates = [learning_rate(model.training, int(step) - 1) for step in model.history.step]
    more = {name: column for name, column in model.history._asdict().items() if name not in _LOSSES}
    remarks = () if more else ("The norm of the gradient is not recorded in this model file.",)
    parts = {
        "history": losses(model),
        "learning rate": Curves(steps, (Column("learning rate", rates),)),
        **{name: Curves(steps, (Column(name, column),)) for name, column in more.items()},
    }
    return View(parts, remarks)


_LOSSES = ("step", "train", "validation")


def losses(model: Model) -> Curves:
    """Return the training and the held-out loss over the steps, in nats per character."""
    step, train, validation = (model.history._asdict()[name] for name in _LOSSES)  # (N,) each
    return Curves(Column("step", step, Kind.WHOLE), (Column("train", train), Column("validation", validation)))
