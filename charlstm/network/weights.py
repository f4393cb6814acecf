"""The weights of a network: their names and shapes, the blocks of their gates, and their packed form for products."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charlstm.base.parameters import Array, Buffers, Parameters, Shapes
from charlstm.network.cells import CELLS
from charlstm.network.config import NetworkConfig
from charlstm.network.matmul import Packed, pack_matrix


def weight_shapes(config: NetworkConfig, vocabulary_size: int) -> Shapes:
    """Return the names and shapes of all weights, in the order of the flat vector.

    Parameters
    ----------
    config
        The hyperparameters.
    vocabulary_size
        Number of distinct characters (V).

    Returns
    -------
    mapping
        layer0/U (V + labels, G·H), layer0/W (H, G·H), layer0/b (G·H,), each of `Cell.weights` (H,), layer1/U (H, G·H),
        …, output/W (H, V), output/b (V,).

    Examples
    --------
    >>> weight_shapes(NetworkConfig(cell="rnn", hidden=2), 5)["layer0/U"]
    (5, 2)
    """
    H, cell = config.hidden, CELLS[config.cell]
    G = len(cell.gates)
    table: dict[str, tuple[int, ...]] = {}
    for layer in range(config.layers):
        table[f"layer{layer}/U"] = (vocabulary_size + config.labels if layer == 0 else H, G * H)
        table[f"layer{layer}/W"] = (H, G * H)
        table[f"layer{layer}/b"] = (G * H,)
        table |= {f"layer{layer}/{name}": (H,) for name in cell.weights}
    table["output/W"] = (H, vocabulary_size)
    table["output/b"] = (vocabulary_size,)
    return table


def split_gates(weights: Array, gates: int) -> Array:
    """Return a view (G, D, H), one matrix per gate, of a matrix (D, G·H), or (G, 1, H) of biases (G·H,)."""
    D = len(weights) if weights.ndim == 2 else 1
    return np.swapaxes(weights.reshape(D, gates, weights.shape[-1] // gates), 0, 1)


class PackedWeights(NamedTuple):
    """The weights in the form in which forward multiplies them, for one number of rows.

    Attributes
    ----------
    character_table : (G, V + labels, H) array
        U + b of the first layer. Its x is a one-hot symbol, so that x·U + b is a row of this table.
    U : tuple of L − 1 packed matrices
        U of each layer above.
    b : tuple of L − 1 (G, 1, H) arrays
        b of each layer above.
    W : tuple of L packed matrices
        W of each layer.
    W_out : packed matrix
        W of the output layer.
    """

    character_table: Array
    U: tuple[Packed, ...]
    b: tuple[Array, ...]
    W: tuple[Packed, ...]
    W_out: Packed


def pack_weights(
    parameters: Parameters, layers: int, gates: int, rows: int, buffers: Buffers, batch_invariant: bool = False
) -> PackedWeights:
    """Return the weights packed; the copies do not follow later changes of the weights.

    Parameters
    ----------
    parameters
        The weights.
    layers, gates
        Number of layers (L) and of gates of the cell (G).
    rows
        Number of rows (B) that forward will read.
    buffers
        Working memory that holds the copies.
    batch_invariant
        True: the bits of a row do not depend on the other rows.
    """
    U, W, b = (
        [split_gates(parameters[f"layer{layer}/{name}"], gates) for layer in range(layers)] for name in "UWb"
    )  # (G, D, H), (G, H, H), (G, 1, H) each
    return PackedWeights(
        np.add(U[0], b[0], out=buffers("character table", U[0].shape)),
        tuple(pack_matrix(U[layer], rows, f"U{layer}", buffers, batch_invariant) for layer in range(1, layers)),
        tuple(b[1:]),
        tuple(pack_matrix(W[layer], rows, f"W{layer}", buffers, batch_invariant) for layer in range(layers)),
        pack_matrix(parameters["output/W"][None], rows, "W_out", buffers, batch_invariant),
    )
