"""The plain recurrent unit, without gates and without a memory beside the hidden state.

    h = φ(x·U + h'·W + b)        φ = tanh or relu

Sources: Elman 1990, "Finding structure in time"; Le, Jaitly & Hinton 2015, "A simple way to initialize recurrent
networks of rectified linear units" (relu).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from charlstm.base.parameters import Array
from charlstm.network.cell import Cell, Tape


class RNN(Cell):
    """With tanh, the unit whose gradient vanishes; with relu, one that never saturates but may grow without bound."""

    activations = ("tanh", "relu")
    gates = ("h_tilde",)
    states = ("h",)
    quantities = ("h",)

    def forward(self, tape: Tape, t: int, x_U: Array, h_W: Array) -> None:
        """Take step t; see `Cell.forward`."""
        (h,) = tape.states
        z = x_U[0] + h_W[0]  # (B, H)
        h[t + 1] = np.tanh(z) if self.activation == "tanh" else np.maximum(z, 0.0)

    def differentiate_gates(self, tape: Tape, steps: slice) -> Array:
        """Return φ'(z) at some steps; see `Cell.differentiate_gates`."""
        h = tape.states[0][1:][None, steps]  # (1, K, B, H)
        return np.asarray(1.0 - h**2 if self.activation == "tanh" else h > 0.0)

    def backward(
        self, tape: Tape, t: int, derivative: Array, d_states: tuple[Array, ...], d_gates: Array, d_h_W: Array
    ) -> None:
        """Take step t back; see `Cell.backward`."""
        (dh,), dz = d_states, tape.gates[:, t]
        np.multiply(dh, derivative, out=dz)  # h = φ(z)

    def unsquash_memory(self, quantities: Mapping[str, Array]) -> Array:
        """Return arctanh(h); with relu, which has no upper bound, h itself."""
        return super().unsquash_memory(quantities) if self.activation == "tanh" else quantities["h"]
