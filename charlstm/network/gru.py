"""The gated recurrent unit.

    forward                                        backward (d· = ∂loss/∂·)
    r  = σ(z_r)              reset gate            d h~  = dh · (1 − u)
    u  = σ(z_u)              update gate           d z_u = dh · (h' − h~) · u · (1 − u)
    h~ = tanh(z_h + r·(h'·W_h))  candidate         d z_h = d h~ · (1 − h~²)
    h  = u·h' + (1 − u)·h~   hidden state          d z_r = d z_h · (h'·W_h) · r · (1 − r)
    with z_r = x·U_r + h'·W_r + b_r, z_u alike,    d (h'·W_h) = d z_h · r
    and z_h = x·U_h + b_h                          d h'  = dh · u

The reset gate acts after the product with W, so that one product serves all blocks; u near one keeps the state, which
is what the initial forget bias raises. Sources: Cho et al. 2014, "Learning phrase representations using RNN
encoder-decoder"; Chung et al. 2014, "Empirical evaluation of gated recurrent neural networks".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from charlstm.network.cell import Cell, Tape
from charlstm.parameters import Array, Buffers


class GRU(Cell):
    """A reset and an update gate; the hidden state is its own memory."""

    gates = ("r", "u", "h_tilde")
    logistic = ("r", "u")
    forget_gate = "u"
    states = ("h",)
    saved = ("recalled",)
    quantities = ("r", "u", "h_tilde", "h")
    gated_recurrence = True

    def forward(self, tape: Tape, t: int, incoming: Array, recurrent: Array) -> None:
        """Take step t; see `Cell.forward` and the equations above."""
        (h,), (recalled,) = tape.states, tape.saved
        r, u, h_tilde = tape.gates[:, t]

        sigmoids = tape.gates[:2, t]  # (2, B, H)
        np.add(incoming[:2], recurrent[:2], out=sigmoids)
        np.tanh(sigmoids, out=sigmoids)
        sigmoids *= 0.5
        sigmoids += 0.5
        recalled[t] = recurrent[2]
        np.multiply(r, recalled[t], out=h_tilde)
        h_tilde += incoming[2]
        np.tanh(h_tilde, out=h_tilde)
        np.subtract(h[t], h_tilde, out=h[t + 1])
        h[t + 1] *= u
        h[t + 1] += h_tilde

    def slopes(self, tape: Tape, steps: slice, buffers: Buffers) -> Array:
        """Return the factors of dz_h, dh and dh in dz_r, dz_u and dz_h; see `Cell.slopes`."""
        (h,), recalled = tape.states, tape.saved[0][steps]
        r, u, h_tilde = tape.gates[:, steps]
        slopes = buffers("slopes", (3, *recalled.shape))
        of_r, of_u, of_h_tilde = slopes
        np.subtract(1.0, tape.gates[:2, steps], out=slopes[:2])
        np.multiply(h_tilde, h_tilde, out=of_h_tilde)
        np.subtract(1.0, of_h_tilde, out=of_h_tilde)
        of_h_tilde *= of_u
        of_r *= r
        of_r *= recalled
        of_u *= u
        of_u *= np.subtract(h[steps], h_tilde, out=buffers("change", h_tilde.shape))
        return slopes

    def backward(self, tape: Tape, t: int, slopes: Array, d_states: tuple[Array, ...], dr: Array) -> None:
        """Take step t back; see `Cell.backward` and the equations above."""
        (dh,) = d_states
        r, u, dz_h = tape.gates[:, t]
        of_r, of_u, of_h_tilde = slopes

        np.multiply(dh, of_h_tilde, out=dz_h)
        np.multiply(dz_h, r, out=dr[2])
        np.multiply(dz_h, of_r, out=r)
        of_u *= dh
        dh *= u
        u[...] = of_u
        dr[:2] = tape.gates[:2, t]

    def written(self, quantities: Mapping[str, Array]) -> Array:
        """Return (1 − u)·h~."""
        return np.asarray((1.0 - quantities["u"]) * quantities["h_tilde"])
