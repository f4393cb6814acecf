"""The network: stacked recurrent layers and an output layer, forward through time and back.

Axes, here and everywhere: T steps, B rows read side by side, D inputs of a layer, H hidden units, G gates of the cell,
V characters of the vocabulary, L layers, S states of the cell, P parameters.

    forward                                         backward (d· = ∂loss/∂·)
    z_t = x_t·U + h_{t−1}·W + b      each layer     dU = Σ x_tᵀ·dz_t,  dW = Σ h_{t−1}ᵀ·dz_t,  db = Σ dz_t
    h_t = cell(z_t)                                 dx_t = dz_t·Uᵀ,  dh_{t−1} += dz_t·Wᵀ
    logits_t = h_t·W_out + b_out     the last one   dW_out = Σ h_tᵀ·dlogits_t,  dh_t += dlogits_t·W_outᵀ

The first layer's x is the one-hot character, so x·U is row x of U. A layer's output is multiplied by its dropout mask
on the way up, never on the way to the next step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charlstm.network.cell import Cell, Tape
from charlstm.network.cells import build_cell
from charlstm.network.config import NetworkConfig
from charlstm.network.loss import cross_entropy, cross_entropy_gradient
from charlstm.network.matmul import Product, sum_by_place
from charlstm.parameters import Array, Buffers, Parameters, Shapes
from charlstm.randomness import Purpose, generator

CHARACTER_DEVIATION = 0.8
CHARACTER_DEVIATION_WITH_SPAN = 0.5
SLOPES_AT_ONCE = 16_384


class PackedWeights(NamedTuple):
    """The weights as forward wants them, for one number of rows.

    Attributes
    ----------
    characters : (G, V, H) array
        U + b of the first layer, prescaled, whose rows are looked up.
    from_below : tuple of L − 1 (Product, (G, 1, H) array)
        U and b of each layer above it.
    from_before : tuple of L Product
        W of each layer.
    output : Product
        The output layer's W.
    """

    characters: Array
    from_below: tuple[tuple[Product, Array], ...]
    from_before: tuple[Product, ...]
    output: Product


class Pass(NamedTuple):
    """What one pass forward leaves: a value that backward, the sampler and the inspector read.

    The arrays live in the network's buffers and hold until its next pass with the same buffers; `state` is a copy.

    Attributes
    ----------
    tapes : tuple of L Tape
        Every layer's activations.
    outputs : tuple of L (T, B, H) arrays
        Each layer's h after dropout: what the layer above, or the output layer, read.
    logits : (T, B, V) array
        Unnormalised log-probabilities of the next character.
    state : (L, S, B, H) array
        The state after the last step.
    """

    tapes: tuple[Tape, ...]
    outputs: tuple[Array, ...]
    logits: Array
    state: Array


def shapes(config: NetworkConfig, vocabulary_size: int) -> Shapes:
    """Return the names and shapes of all weights, in the order of the flat vector.

    Returns
    -------
    mapping
        layer0/U (V, G·H), layer0/W (H, G·H), layer0/b (G·H,), layer1/U (H, G·H), …, output/W (H, V), output/b (V,).
    """
    H, G = config.hidden, len(build_cell(config.cell, config.activation).gates)
    table: dict[str, tuple[int, ...]] = {}
    for layer in range(config.layers):
        table[f"layer{layer}/U"] = (vocabulary_size if layer == 0 else H, G * H)
        table[f"layer{layer}/W"] = (H, G * H)
        table[f"layer{layer}/b"] = (G * H,)
    table["output/W"] = (H, vocabulary_size)
    table["output/b"] = (vocabulary_size,)
    return table


class Network:
    """Weights and the walk through time.

    Parameters
    ----------
    config
        What the network is.
    vocabulary_size
        Number of distinct characters (V).
    dtype
        float32, or float64 for checks.

    Attributes
    ----------
    parameters : Parameters
        All weights; zeros until `initialise` or a checkpoint fills them.
    cell : Cell
        The element-wise equations.
    """

    def __init__(self, config: NetworkConfig, vocabulary_size: int, dtype: npt.DTypeLike = np.float32) -> None:
        self.config = config
        self.vocabulary_size = vocabulary_size
        self.cell: Cell = build_cell(config.cell, config.activation)
        self.parameters = Parameters(shapes(config, vocabulary_size), dtype)

    @property
    def multiplications(self) -> int:
        """How many of them reading a character takes: one a weight, but a character's own are looked up."""
        return int(self.parameters.flat.size - self.parameters["layer0/U"].size)

    def with_weights(self, flat: Array) -> Network:
        """Return a network like this one that holds other weights: a copy of (P,) numbers."""
        other = Network(self.config, self.vocabulary_size, flat.dtype)
        other.parameters.flat[...] = flat
        return other

    def initialise(self, seed: int) -> None:
        """Fill the weights for training.

        W: an orthogonal matrix for each gate (Saxe et al. 2014), so that a signal neither grows nor fades on its way
        through time. U: normal, of standard deviation 0.8 for characters, so that each leaves a mark of its own from
        the first step on, or ½ with a memory span, so that the gates stay near where their biases put them; and of
        variance 1/D in the layers above. The output layer starts small, so that the first predictions are near
        uniform: ln V nats.

        Biases are zero, besides those of memory. A gate that keeps the share σ(b) at every step has kept 1/e after T
        steps if b = ln(T − 1). With a memory span, each unit draws its own T − 1 evenly between 1 and the span − 1, and
        lets in as much as it forgets: b_f = ln u, b_i = −b_f (Tallec & Ollivier 2018, "Can recurrent neural networks
        warp time?"). Without one, b_f is the forget bias in every unit (Gers et al. 2000; Jozefowicz et al. 2015).
        """
        rng = generator(seed, Purpose.WEIGHTS)
        H, p = self.config.hidden, self.parameters
        first = CHARACTER_DEVIATION_WITH_SPAN if self.config.chrono_init else CHARACTER_DEVIATION
        for layer in range(self.config.layers):
            U, W, b = (p[f"layer{layer}/{name}"] for name in "UWb")
            U[...] = rng.standard_normal(U.shape) * (first if layer == 0 else 1.0 / np.sqrt(H))
            for block in self.split_gates(W):
                block[...] = np.linalg.qr(rng.standard_normal((H, H)))[0]
            b.fill(0.0)
            biases = dict(zip(self.cell.gates, self.split_gates(b)[:, 0], strict=True))
            span = self.config.chrono_init
            if self.cell.forget_gate is not None:
                drawn = np.log(rng.uniform(1.0, max(span - 1, 2), H)) if span else self.config.forget_bias
                biases[self.cell.forget_gate][...] = drawn
            if self.cell.input_gate is not None and span:
                biases[self.cell.input_gate][...] = -biases[str(self.cell.forget_gate)]
        p["output/W"][...] = rng.standard_normal(p["output/W"].shape) * (0.1 / np.sqrt(H))
        p["output/b"].fill(0.0)

    def zero_state(self, rows: int) -> Array:
        """Return the state before any character: zeros (L, S, B, H)."""
        return np.zeros(
            (self.config.layers, len(self.cell.states), rows, self.config.hidden), self.parameters.flat.dtype
        )

    def pack(self, rows: int, buffers: Buffers | None = None, batch_invariant: bool = False) -> PackedWeights:
        """Return the weights as `forward` wants them; made again whenever they changed.

        Parameters
        ----------
        rows
            Rows (B) that will be read side by side.
        buffers
            Working memory that holds what is returned; fresh memory without.
        batch_invariant
            True: what a row gives does not depend on the rows beside it, not even in its last bits.
        """
        buffers = buffers or Buffers(self.parameters.flat.dtype)
        scale = np.array(self.cell.prescale, self.parameters.flat.dtype)[:, None, None]  # (G, 1, 1)
        U, W, b = (
            [self.split_gates(self.parameters[f"layer{layer}/{name}"]) for layer in range(self.config.layers)]
            for name in "UWb"
        )
        characters = np.multiply(U[0], scale, out=buffers("characters", U[0].shape))  # (G, V, H)
        characters += b[0] * scale
        return PackedWeights(
            characters,
            tuple(
                (Product(U[layer], rows, f"U{layer}", buffers, scale, batch_invariant), b[layer] * scale)
                for layer in range(1, self.config.layers)
            ),
            tuple(
                Product(W[layer], rows, f"W{layer}", buffers, scale, batch_invariant)
                for layer in range(self.config.layers)
            ),
            Product(self.parameters["output/W"][None], rows, "output", buffers, batch_invariant=batch_invariant),
        )

    def split_gates(self, weights: Array) -> Array:
        """Return a view (G, D, H), a matrix a gate, of weights (D, G·H) or biases (G·H,)."""
        return np.swapaxes(weights.reshape(-1, len(self.cell.gates), self.config.hidden), 0, 1)

    def forward(
        self,
        ids: Array,
        state: Array,
        masks: Array | None = None,
        buffers: Buffers | None = None,
        weights: PackedWeights | None = None,
    ) -> Pass:
        """Read T characters in each of B rows.

        Parameters
        ----------
        ids : (T, B) array of ids
            The characters.
        state : (L, S, B, H) array
            The state before the first of them; not changed.
        masks : (L, B, H) array, optional
            Dropout masks.
        buffers
            Working memory to use again; fresh memory without.
        weights
            What `ready` returned for as many rows since the weights changed; made here without.

        Returns
        -------
        Pass
            Activations, logits and the state after the last character.
        """
        buffers = buffers or Buffers(self.parameters.flat.dtype)
        T, B = ids.shape
        weights = weights or self.pack(B, buffers)
        incoming = buffers("incoming", (len(self.cell.gates), B, self.config.hidden))
        last = np.empty_like(state)  # (L, S, B, H)
        tapes: list[Tape] = []
        outputs: list[Array] = []
        for layer, from_before in enumerate(weights.from_before):
            tape = self._tape(layer, T, B, buffers)
            for start, given in zip(tape.states, state[layer], strict=True):
                start[0] = given
            h = tape.states[0]  # (T+1, B, H)
            for t in range(T):
                if layer == 0:
                    weights.characters.take(ids[t], axis=1, out=incoming, mode="clip")
                else:
                    from_below, b = weights.from_below[layer - 1]
                    np.add(from_below(outputs[-1][t]), b, out=incoming)
                self.cell.forward(tape, t, incoming, from_before(h[t]))
            for end, values in zip(last[layer], tape.states, strict=True):
                end[...] = values[T]
            tapes.append(tape)
            outputs.append(_masked(h[1:], masks, layer, buffers))
        logits = buffers("logits", (T, B, self.vocabulary_size))
        for t in range(T):
            np.add(weights.output(outputs[-1][t])[0], self.parameters["output/b"], out=logits[t])
        return Pass(tuple(tapes), tuple(outputs), logits, last)

    def backward(
        self,
        done: Pass,
        ids: Array,
        d_logits: Array,
        masks: Array | None,
        buffers: Buffers,
        gradient: Parameters,
        d_before: Array | None = None,
    ) -> None:
        """Take a pass back through time and write ∂loss/∂(every weight); uses the pass up.

        Parameters
        ----------
        done
            What `forward` returned for these ids and masks; the gates of its tapes are overwritten.
        ids : (T, B) array of ids
            The characters read.
        d_logits : (T, B, V) array
            ∂loss/∂logits.
        masks : (L, B, H) array, optional
            The masks given to `forward`.
        buffers
            Working memory; the same as for `forward`.
        gradient
            Overwritten.
        d_before : (L, T, S, B, H) array, optional
            Overwritten with ∂loss/∂(state before each step).
        """
        T, B = ids.shape
        H = self.config.hidden
        flat_d_logits = d_logits.reshape(T * B, self.vocabulary_size)  # (T·B, V)
        np.matmul(done.outputs[-1].reshape(T * B, H).T, flat_d_logits, out=gradient["output/W"])
        np.sum(flat_d_logits, axis=0, out=gradient["output/b"])
        d_output = buffers("d_output", (T, B, H))
        np.matmul(flat_d_logits, self.parameters["output/W"].T, out=d_output.reshape(T * B, H))

        for layer in reversed(range(self.config.layers)):
            if masks is not None:
                d_output *= masks[layer]
            tape, below = done.tapes[layer], done.outputs[layer - 1] if layer else None
            dU, dW, db = (self.split_gates(gradient[f"layer{layer}/{name}"]) for name in "UWb")
            kept = None if d_before is None else d_before[layer]
            dz, dr = self._backward_through_time(layer, tape, d_output, buffers, kept)  # (G, T·B, H) each
            np.matmul(tape.states[0][:-1].reshape(T * B, H).T, dr, out=dW)
            if below is None:
                sum_by_place(dz, ids.reshape(-1), dU, buffers)
                np.sum(dU, axis=1, keepdims=True, out=db)
            else:
                np.sum(dz, axis=1, keepdims=True, out=db)
                np.matmul(below.reshape(T * B, H).T, dz, out=dU)

    def loss(
        self,
        ids: Array,
        targets: Array,
        counted: Array,
        state: Array,
        buffers: Buffers,
        weights: PackedWeights | None = None,
    ) -> tuple[float, Array]:
        """Return the summed loss in nats of predicting `targets` while reading `ids`, and the state after them.

        Parameters
        ----------
        ids, targets : (T, B) arrays of ids
            What is read, and what comes next.
        counted : (T, B) array
            1 where a prediction counts, 0 where it does not.
        state : (L, S, B, H) array
            The state before.
        buffers
            Working memory.
        weights
            As for `forward`.
        """
        done = self.forward(ids, state, None, buffers, weights)
        logits = done.logits.reshape(ids.size, self.vocabulary_size)  # (T·B, V)
        return cross_entropy(logits, targets.reshape(-1), counted.reshape(-1)), done.state

    def loss_and_gradient(
        self,
        ids: Array,
        targets: Array,
        counted: Array,
        state: Array,
        masks: Array | None,
        buffers: Buffers,
        gradient: Parameters,
    ) -> tuple[float, Array]:
        """Return what `loss` returns, with dropout masks, and write ∂loss/∂(every weight) into `gradient`.

        The loss is Σ counted · −log p(target): give `counted` divided by its sum to get a mean.
        """
        done = self.forward(ids, state, masks, buffers)
        logits = done.logits.reshape(ids.size, self.vocabulary_size)  # (T·B, V)
        loss = cross_entropy_gradient(logits, targets.reshape(-1), counted.reshape(-1))
        self.backward(done, ids, done.logits, masks, buffers, gradient)
        return loss, done.state

    def _tape(self, layer: int, T: int, B: int, buffers: Buffers) -> Tape:
        H, cell = self.config.hidden, self.cell
        return Tape(
            buffers(f"gates{layer}", (len(cell.gates), T, B, H)),
            tuple(buffers(f"{name}{layer}", (T + 1, B, H)) for name in cell.states),
            tuple(buffers(f"{name}{layer}", (T, B, H)) for name in cell.saved),
        )

    def _backward_through_time(
        self, layer: int, tape: Tape, d_output: Array, buffers: Buffers, d_before: Array | None
    ) -> tuple[Array, Array]:
        """Return ∂loss/∂(x·U + b) and ∂loss/∂(h'·W) of one layer, each (G, T·B, H).

        The first takes the place of the gates, which are in the cache at that moment. What does not wait for the step
        after is computed for several steps at once, as many as stay in the cache too.

        Parameters
        ----------
        d_output : (T, B, H) array
            ∂loss/∂h of the layer; overwritten with that of the layer below, if there is one.
        d_before : (T, S, B, H) array, optional
            Overwritten with ∂loss/∂(state before each step).
        """
        T, B, H = d_output.shape
        U, W = (self.split_gates(self.parameters[f"layer{layer}/{name}"]).swapaxes(1, 2) for name in "UW")  # (G, H, D)
        to_below = Product(U, B, "U back", buffers) if layer else None
        to_before = Product(W, B, "W back", buffers)
        every_dr = buffers("every_dr", tape.gates.shape) if self.cell.gated_recurrence else tape.gates
        d_states = tuple(buffers(f"d_{name}", (B, H)) for name in self.cell.states)
        for d_state in d_states:
            d_state.fill(0.0)
        dh = d_states[0]
        at_once = max(1, SLOPES_AT_ONCE // max(1, B * H))
        for start in reversed(range(0, T, at_once)):
            steps = slice(start, min(start + at_once, T))
            slopes = self.cell.slopes(tape, steps, buffers)  # (N, K, B, H)
            for t in reversed(range(T)[steps]):
                dz, dr = tape.gates[:, t], every_dr[:, t]  # (G, B, H)
                dh += d_output[t]
                self.cell.backward(tape, t, slopes[:, t - start], d_states, dr)
                dh += np.add.reduce(to_before(dr), axis=0)
                if d_before is not None:
                    d_before[t] = d_states
                if to_below is not None:
                    np.add.reduce(to_below(dz), axis=0, out=d_output[t])
        return tape.gates.reshape(len(tape.gates), T * B, H), every_dr.reshape(len(tape.gates), T * B, H)


def _masked(h: Array, masks: Array | None, layer: int, buffers: Buffers) -> Array:
    if masks is None:
        return h
    output = buffers(f"output{layer}", h.shape)
    np.multiply(h, masks[layer], out=output)
    return output
