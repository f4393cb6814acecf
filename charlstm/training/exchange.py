"""What the processes of a team exchange in every step: the gradient, the loss, and requests from outside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charlstm.base.parameters import Array, Parameters


class Requests(NamedTuple):
    """Requests to a run from outside, before a step.

    Attributes
    ----------
    stop
        Make this step the last one, in all processes, if any process requests it.
    save
        Yield the state of the run after this step.
    steps
        New number of steps of the run, at most `trainer.MOST_STEPS`; 0 keeps it. Only one process may request it, and
        only if the learning rate of this step is the same either way.
    """

    stop: bool = False
    save: bool = False
    steps: int = 0


NOTHING = Requests()


class Exchange:
    """What the processes of a team sum in every step: one flat vector with named views.

    Parameters
    ----------
    weights
        The parameters of the network.

    Attributes
    ----------
    vector : (P + 4,) array
        All numbers. The other attributes are views of it: write into them, never rebind them.
    gradient : Parameters
        Gradient of the loss; each process contributes that of its rows.
    loss : () array
        Mean loss of the batch; each process contributes the part of its rows.
    stop, save, steps : () arrays
        The requests of all processes; see `Requests`.
    """

    def __init__(self, weights: Parameters) -> None:
        self.vector: Array = np.zeros(self.length(weights), weights.flat.dtype)
        P = weights.flat.size
        self.gradient = Parameters(weights.shapes, weights.flat.dtype, self.vector[:P])
        self.loss, self.stop, self.save, self.steps = (self.vector[P + k :][:1].reshape(()) for k in range(4))

    @staticmethod
    def length(weights: Parameters) -> int:
        """Return the length of the vector for a network with these parameters."""
        return weights.flat.size + len(("loss", "stop", "save", "steps"))

    def write(self, requests: Requests) -> None:
        """Contribute the requests of this process."""
        for view, request in zip((self.stop, self.save, self.steps), requests, strict=True):
            view[...] = request
