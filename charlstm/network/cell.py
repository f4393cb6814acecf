"""What every recurrent cell is: the contract between the equations of one step and the network's walk through time.

A cell holds no numbers. The network makes the matrix products x·U + b (for all steps at once) and h'·W (step by step);
the cell turns them into activations, element by element, and takes gradients back the same way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import numpy as np

from charlstm.parameters import Array, Buffers


class Tape(NamedTuple):
    """One layer over T steps and B rows: what forward wrote, and backward and the inspector read.

    Attributes
    ----------
    gates : (G, T, B, H) array
        The activations, in the order of `Cell.gates`.
    states : tuple of (T+1, B, H) arrays
        In the order of `Cell.states`; entry t is the state before step t, entry T the last one.
    saved : tuple of (T, B, H) arrays
        In the order of `Cell.saved`.
    """

    gates: Array
    states: tuple[Array, ...]
    saved: tuple[Array, ...]


class Cell(ABC):
    """The element-wise equations of one kind of cell, and everything else that differs between cells.

    Parameters
    ----------
    activation
        Name of the activation function, one of `activations`.

    Attributes
    ----------
    activations
        Names of the activation functions that the cell offers; the first is the default.
    gates
        Names of the blocks of H columns of U, W and b, in order.
    logistic
        Those of the gates that are logistic functions, with values between 0 and 1.
    forget_gate
        The gate that multiplies the memory of the step before; None: the cell has none.
    input_gate
        The gate that multiplies what is added to the memory; None: no gate of its own.
    states
        Names of the states carried from step to step; the first is always h.
    memory
        The one of the states that is the memory of the cell.
    saved
        Names of the intermediate values that forward saves for backward.
    quantities
        Names of the gates and states that an inspector shows, in order.
    hidden_factors
        Names (gate, memory) if h is gate · tanh(memory) and so need not be stored beside them; otherwise None.
    memory_label
        How a view names the memory as `squash_memory` returns it.
    gated_recurrence
        True if a gate multiplies h'·W before it is added, so that its gradient differs from that of x·U + b.
    """

    activations: ClassVar[tuple[str, ...]] = ("tanh",)
    gates: ClassVar[tuple[str, ...]]
    logistic: ClassVar[tuple[str, ...]] = ()
    forget_gate: ClassVar[str | None] = None
    input_gate: ClassVar[str | None] = None
    states: ClassVar[tuple[str, ...]]
    memory: ClassVar[str] = "h"
    saved: ClassVar[tuple[str, ...]] = ()
    quantities: ClassVar[tuple[str, ...]]
    hidden_factors: ClassVar[tuple[str, str] | None] = None
    memory_label: ClassVar[str] = "h"
    gated_recurrence: ClassVar[bool] = False

    def __init__(self, activation: str = "tanh") -> None:
        self.activation = activation

    @property
    def prescale(self) -> tuple[float, ...]:
        """Factor of each gate in the forward products.

        A logistic gate is ½ + ½·tanh(z/2): its ½ inside is multiplied into the weights beforehand, and one call of
        tanh serves all gates.
        """
        return tuple(0.5 if gate in self.logistic else 1.0 for gate in self.gates)

    @abstractmethod
    def forward(self, tape: Tape, t: int, incoming: Array, recurrent: Array) -> None:
        """Take step t: read states[·][t], write the activations gates[:, t] and states[·][t+1].

        Parameters
        ----------
        tape
            The layer's record; changed in place at step t.
        t
            The step, 0 ≤ t < T.
        incoming, recurrent : (G, B, H) arrays
            x·U + b and h'·W; may be overwritten.
        """

    @abstractmethod
    def slopes(self, tape: Tape, steps: slice, buffers: Buffers) -> Array:
        """Return the part of the derivatives that does not wait for the step after: for several steps at once.

        Parameters
        ----------
        tape
            What forward wrote; not changed.
        steps
            Which steps, K of them.
        buffers
            Gives working memory.

        Returns
        -------
        (N, K, B, H) array
            Factors that `backward` multiplies, as many a step as the cell wants.
        """

    @abstractmethod
    def backward(self, tape: Tape, t: int, slopes: Array, d_states: tuple[Array, ...], dr: Array) -> None:
        """Take step t back: from the gradient of the states after it to that of the products and states before it.

        Parameters
        ----------
        tape
            What forward wrote. The gates of step t give their place to ∂loss/∂(x·U + b).
        t
            The step, 0 ≤ t < T.
        slopes : (N, B, H) array
            What `slopes` returned for this step; may be overwritten.
        d_states : tuple of (B, H) arrays
            ∂loss/∂(state after step t), changed in place into ∂loss/∂(state before step t) along every way that does
            not lead through h'·W; the network adds that one.
        dr : (G, B, H) array
            ∂loss/∂(h'·W): written if `gated_recurrence`; otherwise it is the gates' place itself.
        """

    def kept(self, quantities: Mapping[str, Array]) -> Array:
        """Return the share of the memory that each step keeps, from the quantities by name; needs a forget gate."""
        return quantities[str(self.forget_gate)]

    def written(self, quantities: Mapping[str, Array]) -> Array:
        """Return what each step adds to the memory, from the quantities by name; needs a forget gate."""
        raise NotImplementedError(f"{type(self).__name__} has no forget gate")

    def squash_memory(self, quantities: Mapping[str, Array]) -> Array:
        """Return the memory as views show it, where the cell bounds it between −1 and 1."""
        return quantities[self.memory]

    def unsquash_memory(self, quantities: Mapping[str, Array]) -> Array:
        """Return the memory in the same order as `squash_memory`, but not crowded near −1 and 1."""
        memory = quantities[self.memory]
        largest = 1.0 - float(np.finfo(memory.dtype).epsneg)
        return np.asarray(np.arctanh(np.clip(memory, -largest, largest)))

    def read(self, tape: Tape, name: str) -> Array:
        """Return one of the quantities for every step: (T, B, H), states as they are after the step."""
        if name in self.states:
            return tape.states[self.states.index(name)][1:]
        return np.asarray(tape.gates[self.gates.index(name)])
