"""The LSTM, with the article's six components.

    forward                                     backward (d· = ∂loss/∂·, z_f = x·U_f + h'·W_f + b_f and so on)
    f  = σ(z_f)      forget gate                d c   += dh · o · (1 − tanh²(c))
    i  = σ(z_i)      input gate                 d z_o  = dh · tanh(c) · o · (1 − o)
    o  = σ(z_o)      output gate                d z_i  = dc · c~ · i · (1 − i)
    c~ = tanh(z_c)   candidate                  d z_c  = dc · i · (1 − c~²)
    c  = f·c' + i·c~ memory state               d c'   = dc · f
    h  = o·tanh(c)   hidden state               d z_f  = dc · f · c' · (1 − f)  = dc' · c' · (1 − f)

Sources: Hochreiter & Schmidhuber 1997, "Long short-term memory"; Gers, Schmidhuber & Cummins 2000, "Learning to
forget" (the forget gate).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from charlstm.network.cell import Cell, Tape
from charlstm.parameters import Array, Buffers


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

    def forward(self, tape: Tape, t: int, incoming: Array, recurrent: Array) -> None:
        """Take step t; see `Cell.forward` and the equations above."""
        (h, c), (tanh_c,) = tape.states, tape.saved
        gates = tape.gates[:, t]  # (4, B, H)
        sigmoids = gates[:3]
        np.add(incoming, recurrent, out=gates)
        np.tanh(gates, out=gates)
        sigmoids *= 0.5
        sigmoids += 0.5
        f, i, o, c_tilde = gates

        written = h[t + 1]
        np.multiply(i, c_tilde, out=written)
        np.multiply(f, c[t], out=c[t + 1])
        c[t + 1] += written
        np.tanh(c[t + 1], out=tanh_c[t])
        np.multiply(o, tanh_c[t], out=h[t + 1])

    def slopes(self, tape: Tape, steps: slice, buffers: Buffers) -> Array:
        """Return the factors of dc', dh, dc, dc and dh in dz_f, dz_i, dz_o, dz_c and dc; see `Cell.slopes`."""
        (_, c), tanh_c = tape.states, tape.saved[0][steps]
        gates = tape.gates[:, steps]  # (4, K, B, H)
        _, i, o, c_tilde = gates
        slopes = buffers("slopes", (5, *tanh_c.shape))
        of_f, of_i, of_o, of_c_tilde, of_tanh_c = slopes
        np.subtract(1.0, gates[:3], out=slopes[:3])
        of_f *= c[steps]
        slopes[1:3] *= gates[1:3]
        of_i *= c_tilde
        of_o *= tanh_c
        for value, slope, factor in ((c_tilde, of_c_tilde, i), (tanh_c, of_tanh_c, o)):
            np.multiply(value, value, out=slope)
            np.subtract(1.0, slope, out=slope)
            slope *= factor
        return slopes

    def backward(self, tape: Tape, t: int, slopes: Array, d_states: tuple[Array, ...], dr: Array) -> None:
        """Take step t back; see `Cell.backward` and the equations above."""
        dh, dc = d_states
        f, dz_i, dz_o, dz_c = tape.gates[:, t]
        of_f, of_i, of_o, of_c_tilde, of_tanh_c = slopes

        of_tanh_c *= dh
        dc += of_tanh_c
        np.multiply(dh, of_o, out=dz_o)
        np.multiply(dc, of_i, out=dz_i)
        np.multiply(dc, of_c_tilde, out=dz_c)
        dc *= f
        np.multiply(dc, of_f, out=f)
        dh.fill(0.0)

    def written(self, quantities: Mapping[str, Array]) -> Array:
        """Return i·c~."""
        return np.asarray(quantities["i"] * quantities["c_tilde"])

    def squash_memory(self, quantities: Mapping[str, Array]) -> Array:
        """Return tanh(c)."""
        return np.tanh(quantities["c"])

    def unsquash_memory(self, quantities: Mapping[str, Array]) -> Array:
        """Return c."""
        return quantities["c"]
