"""What every recurrent cell is: the contract between the equations of one step and the network's walk through time.

A cell holds no numbers. The network makes the matrix products x·U + b (for all steps at once) and h'·W (step by step);
the cell turns them into activations, element by element, and takes gradients back the same way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
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
    extras : tuple of (T, B, H) arrays
        In the order of `Cell.extras`: what else backward needs.
    """

    gates: Array
    states: tuple[Array, ...]
    extras: tuple[Array, ...]


class Cell(ABC):
    """The element-wise equations of one kind of unit.

    Attributes
    ----------
    gates
        Names of the gates: blocks of H columns of U, W and b, in order.
    states
        Names of what is carried from step to step; the first is always h.
    extras
        Names of the other arrays that forward leaves for backward.
    shown
        The quantities that an inspector shows, in order.
    prescale
        Factor of each gate in the forward products. A logistic gate is ½ + ½·tanh(z/2): its ½ inside is
        multiplied into the weights beforehand, and one call of tanh serves all gates.
    forget_gate
        The block whose initial bias makes the unit remember, if it has one.
    input_gate
        The block that lets new content in, where that is another one.
    gated_recurrence
        True where h'·W is gated before it is added, so that its gradient differs from that of x·U + b.
    """

    gates: ClassVar[tuple[str, ...]]
    states: ClassVar[tuple[str, ...]]
    extras: ClassVar[tuple[str, ...]] = ()
    shown: ClassVar[tuple[str, ...]]
    prescale: ClassVar[tuple[float, ...]]
    forget_gate: ClassVar[str | None] = None
    input_gate: ClassVar[str | None] = None
    gated_recurrence: ClassVar[bool] = False

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

    def read(self, tape: Tape, name: str) -> Array:
        """Return a shown quantity for every step: (T, B, H), states as they are after the step."""
        if name in self.states:
            return tape.states[self.states.index(name)][1:]
        return np.asarray(tape.gates[self.gates.index(name)])
