"""The contract of a recurrent cell: the equations of one step, and everything else that differs between cells.

A cell holds no weights. The network multiplies matrices: x·U + b and h'·W. The cell combines the two element by element
into gates and states (`Cell.forward`), and takes gradients back the same way (`Cell.backward`). A prime marks the value
of the step before: h' is h after the previous character.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import numpy as np

from charlstm.base.parameters import Array


class Tape(NamedTuple):
    """What one layer computed over T steps and B rows: written by forward, read by backward and by the inspector.

    Attributes
    ----------
    gates : (G, T, B, H) array
        The gates' activations, in the order of `Cell.gates`. `Cell.backward` replaces them by ∂loss/∂z.
    states : tuple of (T+1, B, H) arrays
        In the order of `Cell.states`; entry t is the state before step t, entry T the last one.
    saved : tuple of (T, B, H) arrays
        In the order of `Cell.saved`.
    weights : tuple of (H,) arrays
        In the order of `Cell.weights`.
    """

    gates: Array
    states: tuple[Array, ...]
    saved: tuple[Array, ...]
    weights: tuple[Array, ...]


class Cell(ABC):
    """One kind of recurrent cell. `charlstm.network.cells.CELLS` lists them by name.

    Parameters
    ----------
    activation
        Name of the activation function, one of `activations`.

    Attributes
    ----------
    activations
        Names of the activation functions that the cell offers; the first is the default.
    gates
        Names of the gates: each is a block of H columns of U, W and b, in this order.
    logistic
        The gates that are logistic functions, with values between 0 and 1; they come first among the gates.
    forget_gate
        The gate that multiplies the memory of the step before; None if the cell has none.
    input_gate
        The gate that multiplies what is added to the memory; None if the cell has no separate one.
    states
        Names of the states carried from step to step; the first is always h.
    memory
        Name of the state that is the memory of the cell.
    saved
        Names of the intermediate values that forward saves for backward.
    weights
        Names of further weights beside U, W and b: vectors with one number per unit, which start at zero.
    quantities
        Names of the gates and states that an inspector shows, in order.
    hidden_factors
        Names (gate, memory) if h = gate · tanh(memory), so that h need not be stored beside them; otherwise None.
    memory_label
        Label of the memory as `squash_memory` returns it.
    gated_recurrence
        True if a gate multiplies h'·W before it is added, so that its gradient differs from that of x·U + b.
    direct_h
        True if h depends on h' directly, not only through h'·W.
    """

    activations: ClassVar[tuple[str, ...]] = ("tanh",)
    gates: ClassVar[tuple[str, ...]]
    logistic: ClassVar[tuple[str, ...]] = ()
    forget_gate: ClassVar[str | None] = None
    input_gate: ClassVar[str | None] = None
    states: ClassVar[tuple[str, ...]]
    memory: ClassVar[str] = "h"
    saved: ClassVar[tuple[str, ...]] = ()
    weights: ClassVar[tuple[str, ...]] = ()
    quantities: ClassVar[tuple[str, ...]]
    hidden_factors: ClassVar[tuple[str, str] | None] = None
    memory_label: ClassVar[str] = "h"
    gated_recurrence: ClassVar[bool] = False
    direct_h: ClassVar[bool] = False

    def __init__(self, activation: str = "tanh") -> None:
        self.activation = activation

    @abstractmethod
    def forward(self, tape: Tape, t: int, x_U: Array, h_W: Array) -> None:
        """Take step t: read the states at t, write the gates and saved values at t and the states at t + 1.

        Parameters
        ----------
        tape
            The record of the layer, changed in place.
        t
            The step, 0 ≤ t < T.
        x_U : (G, B, H) array
            x·U + b. Its memory is contiguous and free to be overwritten, for example by z and then by the gates:
            NumPy computes in it up to three times as fast as in the gates of the tape, which lie T steps apart.
        h_W : (G, B, H) array
            h'·W.
        """

    def differentiate_gates(self, tape: Tape, steps: slice) -> Array:
        """Return ∂gate/∂z at some steps, (G, K, B, H), before these steps are taken back."""
        return activation_derivative(tape.gates[:, steps], len(self.logistic))

    @abstractmethod
    def backward(
        self, tape: Tape, t: int, derivative: Array, d_states: tuple[Array, ...], d_gates: Array, d_h_W: Array
    ) -> None:
        """Take step t back: turn the gradient of the states after the step into that of everything before it.

        Parameters
        ----------
        tape
            What forward wrote. The gates of this step are replaced by dz = ∂loss/∂(x·U + b), so write them last.
        t
            The step, 0 ≤ t < T.
        derivative : (G, B, H) array
            ∂gate/∂z at this step, from `differentiate_gates`.
        d_states : tuple of (B, H) arrays
            ∂loss/∂(states after the step). Replaced by ∂loss/∂(states before the step) along every path except the one
            through h'·W, which the network adds; that of h only if `direct_h`.
        d_gates : (G, B, H) array
            Working memory for ∂loss/∂gates; its content does not matter.
        d_h_W : (G, B, H) array
            Overwritten with ∂loss/∂(h'·W) if `gated_recurrence`. Otherwise it equals dz, and this is the memory of dz.
        """

    def weight_gradients(self, tape: Tape) -> tuple[Array, ...]:
        """Return ∂loss/∂(each of `weights`), (H,) arrays, after all steps back: the gates of the tape are now dz."""
        return ()

    def kept(self, quantities: Mapping[str, Array]) -> Array:
        """Return the share of the memory that each step keeps; only for cells with a forget gate.

        Parameters
        ----------
        quantities
            Name of a quantity → its values, arrays of one shape.
        """
        return quantities[str(self.forget_gate)]

    def written(self, quantities: Mapping[str, Array]) -> Array:
        """Return what each step adds to the memory; only for cells with a forget gate. See `kept`."""
        raise NotImplementedError(f"{type(self).__name__} has no forget gate")

    def squash_memory(self, quantities: Mapping[str, Array]) -> Array:
        """Return the memory as views show it: between −1 and 1, where the cell has such bounds. See `kept`."""
        return quantities[self.memory]

    def unsquash_memory(self, quantities: Mapping[str, Array]) -> Array:
        """Return the memory in the same order as `squash_memory` does, but not crowded near −1 and 1. See `kept`."""
        memory = quantities[self.memory]
        largest = 1.0 - float(np.finfo(memory.dtype).epsneg)
        return np.asarray(np.arctanh(np.clip(memory, -largest, largest)))

    def read(self, tape: Tape, name: str) -> Array:
        """Return one of `quantities` at every step, (T, B, H); states as they are after the step.

        With a prime, such as «h'», return a state as it is before each step.
        """
        if name in self.states:
            return tape.states[self.states.index(name)][1:]
        if name.endswith("'"):
            return tape.states[self.states.index(name[:-1])][:-1]
        return np.asarray(tape.gates[self.gates.index(name)])


def activate(z: Array, logistic: int) -> Array:
    """Turn the first blocks of z into σ(z) and the others into tanh(z), in place, and return z.

    NumPy has a fast tanh but no logistic function, so σ(z) = 1 / (1 + exp(−z)) is computed as ½ + ½·tanh(z/2), and one
    call of tanh serves all blocks.

    Parameters
    ----------
    z : (G, B, H) array
        The arguments; overwritten.
    logistic
        How many of the G blocks, the first ones, become σ(z).

    Examples
    --------
    >>> activate(np.array([0.0, 100.0, 0.0]), 2)
    array([0.5, 1. , 0. ])
    """
    sigmoids = z[:logistic]
    sigmoids *= 0.5
    np.tanh(z, out=z)
    sigmoids *= 0.5
    sigmoids += 0.5
    return z


def sigmoid(z: Array) -> Array:
    """Turn z into σ(z) in place, and return it.

    >>> sigmoid(np.array([0.0, 100.0]))
    array([0.5, 1. ])
    """
    return activate(z, len(z))


def activation_derivative(y: Array, logistic: int) -> Array:
    """Return the derivatives of σ and tanh at z, where y holds their values.

    σ'(z) = y·(1 − y) = y − y², and tanh'(z) = 1 − y².

    Parameters
    ----------
    y : (G, ...) array
        The values.
    logistic
        How many of the G blocks, the first ones, are σ(z); the others are tanh(z).

    Examples
    --------
    >>> activation_derivative(np.array([0.5, 0.5]), 1)
    array([0.25, 0.75])
    """
    derivative: Array = y * y
    of_sigmoid, of_tanh = derivative[:logistic], derivative[logistic:]
    np.subtract(y[:logistic], of_sigmoid, out=of_sigmoid)
    np.subtract(1.0, of_tanh, out=of_tanh)
    return derivative
