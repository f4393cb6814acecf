"""The mean squares of the gradients of a trained network, which dynamic evaluation scales its steps by."""

from __future__ import annotations

import numpy as np

from charlstm.base.parameters import Buffers, Parameters
from charlstm.network.gradient_squares import GradientSquares
from charlstm.network.network import Network
from charlstm.text.batches import Batches

STEPS_PER_BATCH = 200  # optimizer steps of the run for each batch, so that it costs less than 1 % of the run
MOST_BATCHES = 32


def measure_gradients(network: Network, batches: Batches, steps: int) -> Parameters:
    """Return the mean squares of the gradients of one character of the training set, in factors.

    The gradient of a batch is a mean over its characters. Near a minimum the gradients of single characters are
    independent and their mean is zero, so the mean square for one character is that of a batch times its characters.

    Parameters
    ----------
    network
        The trained network; it reads without dropout.
    batches
        The training set.
    steps
        Optimizer steps of the run: one batch is read for every 200, but at most 32. They are spread over an epoch.

    Returns
    -------
    mapping
        Under the names of `gradient_squares.factor_shapes`, float32, as in a file.
    """
    squares, gradient = GradientSquares(network.parameters.shapes), network.parameters.like()
    buffers = Buffers(gradient.flat.dtype)
    count = min(max(1, steps // STEPS_PER_BATCH), MOST_BATCHES)
    for number in range(count):
        batch = batches.batch(number * batches.per_epoch // count)
        characters = float(batch.loss_mask.sum())
        network.loss_and_gradient(
            batch.ids,
            batch.targets,
            batch.loss_mask / characters,
            network.zero_state(batch.ids.shape[1]),
            None,
            buffers,
            gradient,
        )
        squares.add(gradient, characters)
    return Parameters(squares.factors.shapes, np.float32, squares.factors.flat.astype(np.float32))
