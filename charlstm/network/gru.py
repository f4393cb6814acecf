"""The gated recurrent unit.

    r  = σ(z_r)                  reset gate       z_r = x·U_r + h'·W_r + b_r, and z_u likewise
    u  = σ(z_u)                  update gate
    h~ = tanh(z_h + r·(h'·W_h))  candidate        z_h = x·U_h + b_h
    h  = u·h' + (1 − u)·h~       hidden state

The reset gate acts after the product with W, so that one product serves all gates. The update gate near 1 keeps the
state, so it is the forget gate of this cell, and h is its memory. Sources: Cho et al. 2014, "Learning phrase
representations using RNN encoder-decoder"; Chung et al. 2014, "Empirical evaluation of gated recurrent neural
networks".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from charlstm.base.parameters import Array
from charlstm.network.cell import Cell, Tape, sigmoid


class GRU(Cell):
    """A reset and an update gate; the hidden state is its own memory."""

    gates = ("r", "u", "h_tilde")
    logistic = ("r", "u")
    forget_gate = "u"
    states = ("h",)
    saved = ("h_W_h",)
    quantities = ("r", "u", "h_tilde", "h")
    gated_recurrence = True
    direct_h = True

    def forward(self, tape: Tape, t: int, x_U: Array, h_W: Array) -> None:
        """Take step t; see `Cell.forward`."""
        (h,), (h_W_h,) = tape.states, tape.saved
        gates = x_U  # (3, B, H)  z, and then its σ and tanh, take the place of x·U + b
        r, u = sigmoid(np.add(x_U[:2], h_W[:2], out=gates[:2]))
        h_W_h[t] = h_W[2]
        h_tilde = np.tanh(x_U[2] + r * h_W_h[t], out=gates[2])
        tape.gates[:, t] = gates
        h[t + 1] = u * (h[t] - h_tilde) + h_tilde  # = u·h' + (1 − u)·h~

    def backward(
        self, tape: Tape, t: int, derivative: Array, d_states: tuple[Array, ...], d_gates: Array, d_h_W: Array
    ) -> None:
        """Take step t back; see `Cell.backward`."""
        (h,), (h_W_h,) = tape.states, tape.saved
        r, u, h_tilde = gates = tape.gates[:, t]  # (3, B, H)
        (dh,) = d_states
        dr, du, dh_tilde = d_gates

        np.multiply(dh, h[t] - h_tilde, out=du)  # h = u·h' + (1 − u)·h~
        np.multiply(dh, 1.0 - u, out=dh_tilde)
        dh *= u  # dh is the gradient of h' from here on
        dh_tilde *= derivative[2]  # h~ = tanh(z_h + r·(h'·W_h)); this is the gradient of its argument
        np.multiply(dh_tilde, h_W_h[t], out=dr)
        np.multiply(dh_tilde, r, out=d_h_W[2])
        d_gates[:2] *= derivative[:2]  # r, u = σ(z)
        d_h_W[:2] = d_gates[:2]
        gates[...] = d_gates  # the gates are used no more, and dz takes their place

    def written(self, quantities: Mapping[str, Array]) -> Array:
        """Return (1 − u)·h~."""
        return np.asarray((1.0 - quantities["u"]) * quantities["h_tilde"])
