"""The plain recurrent unit: no gate, no memory beside the hidden state.

    forward                                  backward (d· = ∂loss/∂·)
    h = φ(x·U + h'·W + b)                    d z = dh · φ'(z);  tanh: 1 − h²,  relu: 1 where h > 0

Sources: Elman 1990, "Finding structure in time"; Le, Jaitly & Hinton 2015, "A simple way to initialize recurrent
networks of rectified linear units" (relu).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from charlstm.network.cell import Cell, Tape
from charlstm.parameters import Array, Buffers


class RNN(Cell):
    """h = tanh(z): the unit whose gradient vanishes."""

    activations = ("tanh", "relu")
    gates = ("h_tilde",)
    states = ("h",)
    quantities = ("h",)

    def forward(self, tape: Tape, t: int, incoming: Array, recurrent: Array) -> None:
        """Take step t; see `Cell.forward` and the equations above."""
        h = tape.states[0][t + 1]
        np.add(incoming[0], recurrent[0], out=h)
        self.activate(h)

    def slopes(self, tape: Tape, steps: slice, buffers: Buffers) -> Array:
        """Return φ'(z), the factor of dh in dz; see `Cell.slopes`."""
        h = tape.states[0][1:][steps]  # (K, B, H)
        slopes = buffers("slopes", (1, *h.shape))
        self.slope(h, slopes[0])
        return slopes

    def backward(self, tape: Tape, t: int, slopes: Array, d_states: tuple[Array, ...], dr: Array) -> None:
        """Take step t back; see `Cell.backward` and the equations above."""
        (dh,) = d_states
        np.multiply(dh, slopes, out=tape.gates[:, t])
        dh.fill(0.0)

    def activate(self, z: Array) -> None:
        """Apply φ in place."""
        if self.activation == "tanh":
            np.tanh(z, out=z)
        else:
            np.maximum(z, 0.0, out=z)

    def slope(self, h: Array, out: Array) -> None:
        """Write φ'(z) for h = φ(z)."""
        if self.activation == "tanh":
            np.multiply(h, h, out=out)
            np.subtract(1.0, out, out=out)
        else:
            np.greater(h, 0.0, out=out)

    def unsquash_memory(self, quantities: Mapping[str, Array]) -> Array:
        """Return arctanh(h), or h with relu, which does not bound it."""
        return super().unsquash_memory(quantities) if self.activation == "tanh" else quantities["h"]
