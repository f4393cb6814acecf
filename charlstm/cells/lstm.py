"""The LSTM, with the article's six components.

    forward                                     backward (d· = ∂loss/∂·, z_f = x·U_f + h'·W_f + b_f and so on)
    f  = σ(z_f)      forget gate                d c   += dh · (o − h · tanh(c))  = dh · o · (1 − tanh²(c))
    i  = σ(z_i)      input gate                 d z_o  = dh · tanh(c) · o · (1 − o)
    o  = σ(z_o)      output gate                d z_f  = dc · c' · f · (1 − f)
    c~ = tanh(z_c)   candidate                  d z_i  = dc · c~ · i · (1 − i)
    c  = f·c' + i·c~ memory state               d z_c  = dc · i · (1 − c~²)
    h  = o·tanh(c)   hidden state               d c'   = dc · f

Sources: Hochreiter & Schmidhuber 1997, "Long short-term memory"; Gers, Schmidhuber & Cummins 2000, "Learning to
forget" (the forget gate).
"""

from __future__ import annotations

import numpy as np

from charlstm.cells.cell import Cell, Tape
from charlstm.parameters import Array, Scratch


class LSTM(Cell):
    """Forget, input and output gates around a memory c that is only ever scaled and added to."""

    gates = ("f", "i", "o", "c_tilde")
    states = ("h", "c")
    extras = ("tanh_c",)
    shown = ("f", "i", "o", "c_tilde", "c", "h")
    prescale = (0.5, 0.5, 0.5, 1.0)
    forget_gate = "f"
    input_gate = "i"

    def forward(self, tape: Tape, t: int, incoming: Array, recurrent: Array) -> None:
        """Take step t; see `Cell.forward` and the equations above."""
        (h, c), (tanh_c,) = tape.states, tape.extras
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

    def backward(self, tape: Tape, t: int, d_states: tuple[Array, ...], dz: Array, dr: Array, scratch: Scratch) -> None:
        """Take step t back; see `Cell.backward` and the equations above."""
        (h, c), (tanh_c,) = tape.states, tape.extras
        dh, dc = d_states
        gates = tape.gates[:, t]  # (4, B, H)
        f, i, o, c_tilde = gates
        dz_f, dz_i, dz_o, dz_c = dz

        slope = scratch("slope", dh.shape)  # (B, H)
        np.multiply(h[t + 1], tanh_c[t], out=slope)
        np.subtract(o, slope, out=slope)
        slope *= dh
        dc += slope

        np.multiply(dc, c[t], out=dz_f)
        np.multiply(dc, c_tilde, out=dz_i)
        np.multiply(dh, tanh_c[t], out=dz_o)
        sigmoids, d_sigmoids = gates[:3], dz[:3]  # (3, B, H)
        closed = scratch("closed", d_sigmoids.shape)  # (3, B, H)
        np.subtract(1.0, sigmoids, out=closed)
        d_sigmoids *= sigmoids
        d_sigmoids *= closed

        np.multiply(c_tilde, c_tilde, out=dz_c)
        np.subtract(1.0, dz_c, out=dz_c)
        dz_c *= i
        dz_c *= dc

        dc *= f
        dh.fill(0.0)
