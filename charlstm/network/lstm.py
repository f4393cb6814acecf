"""The LSTM, with the article's six components.

    f  = σ(z_f)      forget gate       z_f = x·U_f + h'·W_f + b_f, and so on for the others
    i  = σ(z_i)      input gate
    o  = σ(z_o)      output gate
    c~ = tanh(z_c)   candidate
    c  = f·c' + i·c~ memory (cell) state
    h  = o·tanh(c)   hidden state

Sources: Hochreiter & Schmidhuber 1997, "Long short-term memory"; Gers, Schmidhuber & Cummins 2000, "Learning to
forget" (the forget gate).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from charlstm.base.parameters import Array
from charlstm.network.cell import Cell, Tape, activate


class LSTM(Cell):
    """Forget, input and output gates around a memory c that is only ever scaled and added to."""

    gates = ("f", "i", "o", "c_tilde")
    logistic = ("f", "i", "o")
    forget_gate = "f"
    input_gate = "i"
    states = ("h", "c")
    memory = "c"
    saved = ("tanh_c",)
    quantities = ("f", "i", "o", "c_tilde", "c", "h")
    hidden_factors = ("o", "c")
    memory_label = "tanh(c)"

    def forward(self, tape: Tape, t: int, x_U: Array, h_W: Array) -> None:
        """Take step t; see `Cell.forward`."""
        (h, c), (tanh_c,) = tape.states, tape.saved
        z = np.add(x_U, h_W, out=x_U)  # (4, B, H)  z takes the place of x·U + b
        f, i, o, c_tilde = gates = activate(z, logistic=3)  # and σ(z) and tanh(z) the place of z
        tape.gates[:, t] = gates
        c[t + 1] = f * c[t] + i * c_tilde
        np.tanh(c[t + 1], out=tanh_c[t])
        np.multiply(o, tanh_c[t], out=h[t + 1])

    def backward(
        self, tape: Tape, t: int, derivative: Array, d_states: tuple[Array, ...], d_gates: Array, d_h_W: Array
    ) -> None:
        """Take step t back; see `Cell.backward`."""
        (h, c), (tanh_c,) = tape.states, tape.saved
        f, i, o, c_tilde = gates = tape.gates[:, t]  # (4, B, H)
        dh, dc = d_states
        df, di, do, dc_tilde = d_gates

        np.multiply(dh, tanh_c[t], out=do)  # h = o·tanh(c)
        dc += dh * (o - h[t + 1] * tanh_c[t])  # o·tanh'(c) = o·(1 − tanh²(c)) = o − h·tanh(c)
        np.multiply(dc, c[t], out=df)  # c = f·c' + i·c~
        np.multiply(dc, c_tilde, out=di)
        np.multiply(dc, i, out=dc_tilde)
        dc *= f  # dc is the gradient of c' from here on
        dz = gates  # the gates are used for the last time, and dz takes their place
        np.multiply(d_gates, derivative, out=dz)  # f, i, o = σ(z); c~ = tanh(z)

    def written(self, quantities: Mapping[str, Array]) -> Array:
        """Return i·c~."""
        return np.asarray(quantities["i"] * quantities["c_tilde"])

    def squash_memory(self, quantities: Mapping[str, Array]) -> Array:
        """Return tanh(c)."""
        return np.tanh(quantities["c"])

    def unsquash_memory(self, quantities: Mapping[str, Array]) -> Array:
        """Return c."""
        return quantities["c"]
