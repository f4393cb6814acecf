"""Initial weights for training."""

from __future__ import annotations

import numpy as np

from charlstm.base.parameters import Parameters
from charlstm.base.randomness import Purpose, generator
from charlstm.network.cell import Cell
from charlstm.network.config import NetworkConfig
from charlstm.network.weights import split_gates

CHARACTER_DEVIATION = 0.8
CHARACTER_DEVIATION_WITH_CHRONO = 0.5
OUTPUT_DEVIATION = 0.1


def initialise_weights(parameters: Parameters, config: NetworkConfig, cell: Cell, seed: int) -> None:
    """Overwrite all weights with initial values.

    W: one orthogonal matrix per gate (Saxe et al. 2014), so that a signal neither grows nor fades on its way through
    time. U: normal; in the first layer with standard deviation 0.8, so that characters differ from the first step on,
    or 0.5 with chrono initialisation, so that the gates stay near where their biases put them; in the layers above with
    variance 1/H. The output layer is small, so that the first predictions are nearly uniform: a loss of ln V nats.

    Biases are zero, except those of memory. A gate that keeps the share σ(b) of the memory at every step has kept 1/e
    of it after T steps if b = ln(T − 1). With chrono initialisation each unit draws its own T − 1 uniformly between 1
    and `chrono_init` − 1, and lets in as much as it forgets: b_f = ln(T − 1), b_i = −b_f (Tallec & Ollivier 2018, "Can
    recurrent neural networks warp time?"). Otherwise b_f is the forget bias in every unit (Gers et al. 2000; Jozefowicz
    et al. 2015).

    Parameters
    ----------
    parameters
        The weights, changed in place.
    config, cell
        What they are the weights of.
    seed
        The random seed; the same seed gives the same weights.
    """
    H, G, rng = config.hidden, len(cell.gates), generator(seed, Purpose.WEIGHTS)
    first = CHARACTER_DEVIATION_WITH_CHRONO if config.chrono_init else CHARACTER_DEVIATION
    parameters.flat.fill(0.0)
    for layer in range(config.layers):
        U, W, b = (parameters[f"layer{layer}/{name}"] for name in "UWb")
        U[...] = rng.standard_normal(U.shape) * (first if layer == 0 else 1.0 / np.sqrt(H))
        for block in split_gates(W, G):
            block[...] = np.linalg.qr(rng.standard_normal((H, H)))[0]
        biases = dict(zip(cell.gates, split_gates(b, G)[:, 0], strict=True))  # gate → (H,)
        if cell.forget_gate is not None and config.chrono_init:
            biases[cell.forget_gate][...] = np.log(rng.uniform(1.0, max(config.chrono_init - 1, 2), H))  # ln(T − 1)
            if cell.input_gate is not None:
                biases[cell.input_gate][...] = -biases[cell.forget_gate]
        elif cell.forget_gate is not None:
            biases[cell.forget_gate][...] = config.forget_bias
    W_out = parameters["output/W"]
    W_out[...] = rng.standard_normal(W_out.shape) * (OUTPUT_DEVIATION / np.sqrt(H))
