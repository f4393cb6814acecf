"""The network: stacked recurrent layers and an output layer, forward through time and back.

Axes, here and everywhere: T steps, B rows of the batch, D inputs of a layer, H hidden units, G gates of the cell, V
characters of the vocabulary, L layers, S states of the cell, P parameters.

    forward                                          backward (d· = ∂loss/∂·)
    z_t = x_t·U + b + h_{t−1}·W      each layer      dU = Σ x_tᵀ·dz_t,  dW = Σ h_{t−1}ᵀ·dz_t,  db = Σ dz_t
    h_t = cell(z_t)                                  dx_t = dz_t·Uᵀ,  dh_{t−1} += dz_t·Wᵀ
    logits_t = h_t·W_out + b_out     output layer    dW_out = Σ h_tᵀ·dlogits_t,  dh_t += dlogits_t·W_outᵀ

The x of the first layer is the one-hot character, so x·U is a row of U. The x of a layer above is the h of the layer
below, multiplied by its dropout mask; the way from step to step has no mask.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from charlstm.base.parameters import Array, Buffers, Parameters
from charlstm.network.cell import Cell, Tape
from charlstm.network.cells import build_cell
from charlstm.network.config import NetworkConfig
from charlstm.network.initialise import initialise_weights
from charlstm.network.loss import cross_entropy, cross_entropy_gradient, tar_gradient
from charlstm.network.matmul import PackedMatrix, sum_by_id
from charlstm.network.weights import PackedWeights, pack_weights, split_gates, weight_shapes

DIFFERENTIATED_TOGETHER = 8_192  # values of a gate: few calls, and they stay in the cache


class Pass(NamedTuple):
    """The result of a forward pass, which backward, the sampler and the inspector read.

    The arrays lie in the buffers given to `Network.forward` and are valid until its next pass with the same buffers;
    `state` is a copy.

    Attributes
    ----------
    tapes : tuple of L Tape
        Activations of each layer.
    outputs : tuple of L (T, B, H) arrays
        h of each layer after dropout: the x of the layer above, or of the output layer.
    logits : (T, B, V) array
        Unnormalised log-probabilities of the next character.
    state : (L, S, B, H) array
        The state after the last step.
    """

    tapes: tuple[Tape, ...]
    outputs: tuple[Array, ...]
    logits: Array
    state: Array


class Network:
    """Weights, and the passes forward and backward through time.

    Parameters
    ----------
    config
        The hyperparameters.
    vocabulary_size
        Number of distinct characters (V).
    dtype
        float32, or float64 for gradient checks.

    Attributes
    ----------
    config : NetworkConfig
        The hyperparameters.
    vocabulary_size : int
        Number of distinct characters (V).
    cell : Cell
        The equations of one step.
    parameters : Parameters
        All weights, zero at first; see `charlstm.network.weights.weight_shapes`.
    """

    def __init__(self, config: NetworkConfig, vocabulary_size: int, dtype: npt.DTypeLike = np.float32) -> None:
        self.config = config
        self.vocabulary_size = vocabulary_size
        self.cell: Cell = build_cell(config.cell, config.activation)
        self.parameters = Parameters(weight_shapes(config, vocabulary_size), dtype)
        self._cell_weights = [
            tuple(self.parameters[f"layer{layer}/{name}"] for name in self.cell.weights)
            for layer in range(config.layers)
        ]  # views of the parameters

    @property
    def multiplications(self) -> int:
        """Multiplications per character: one per weight, without U of the first layer, which is looked up."""
        return int(self.parameters.flat.size - self.parameters["layer0/U"].size)

    def initialise(self, seed: int) -> None:
        """Overwrite the weights with initial values; see `charlstm.network.initialise.initialise_weights`."""
        initialise_weights(self.parameters, self.config, self.cell, seed)

    def with_weights(self, flat: Array) -> Network:
        """Return a network with the same hyperparameters and a copy of other weights, (P,), in their float type."""
        other = Network(self.config, self.vocabulary_size, flat.dtype)
        other.parameters.flat[...] = flat
        return other

    def zero_state(self, rows: int) -> Array:
        """Return the state before the first character: zeros (L, S, B, H)."""
        shape = (self.config.layers, len(self.cell.states), rows, self.config.hidden)
        return np.zeros(shape, self.parameters.flat.dtype)

    def pack(self, rows: int, buffers: Buffers | None = None, batch_invariant: bool = False) -> PackedWeights:
        """Return the weights packed for `forward`. Pack them again after they change.

        Parameters
        ----------
        rows
            Number of rows (B) that forward will read.
        buffers
            Working memory that holds the packed weights; new memory if None.
        batch_invariant
            True: the results of a row do not depend on the other rows, not even in their last bits.
        """
        buffers = buffers or Buffers(self.parameters.flat.dtype)
        return pack_weights(self.parameters, self.config.layers, len(self.cell.gates), rows, buffers, batch_invariant)

    def split_gates(self, weights: Array) -> Array:
        """Return a view (G, D, H), one matrix per gate, of a matrix (D, G·H), or (G, 1, H) of biases (G·H,)."""
        return split_gates(weights, len(self.cell.gates))

    def forward(
        self,
        ids: Array,
        state: Array,
        masks: Array | None = None,
        buffers: Buffers | None = None,
        weights: PackedWeights | None = None,
        only_last: bool = False,
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
            Working memory to reuse; new memory if None.
        weights
            The packed weights, from `pack` for the same number of rows; packed here if None.
        only_last
            True: compute the logits of the last step only, (1, B, V).

        Returns
        -------
        Pass
            Activations, logits and the state after the last character.
        """
        buffers = buffers or Buffers(self.parameters.flat.dtype)
        (T, B), G, H = ids.shape, len(self.cell.gates), self.config.hidden
        weights = weights or self.pack(B, buffers)
        tapes = tuple(self._allocate_tape(layer, T, B, buffers) for layer in range(self.config.layers))
        outputs: list[Array] = []
        final = np.empty_like(state)  # (L, S, B, H)
        for layer, tape in enumerate(tapes):
            for values, initial in zip(tape.states, state[layer], strict=True):
                values[0] = initial
            h, W = tape.states[0], weights.W[layer]
            x_U = buffers("x_U", (G, B, H))  # x·U + b of one step
            for t in range(T):
                if layer == 0:
                    weights.character_table.take(ids[t], axis=1, out=x_U, mode="clip")
                else:
                    np.add(outputs[-1][t] @ weights.U[layer - 1], weights.b[layer - 1], out=x_U)
                self.cell.forward(tape, t, x_U, h[t] @ W)
            for values, last in zip(tape.states, final[layer], strict=True):
                last[...] = values[T]
            output = h[1:]  # (T, B, H)
            if masks is not None:
                output = np.multiply(output, masks[layer], out=buffers(f"output{layer}", output.shape))
            outputs.append(output)
        h = outputs[-1][-1:] if only_last else outputs[-1]
        logits = buffers("logits", (len(h), B, self.vocabulary_size))
        W_out, b_out = weights.W_out, self.parameters["output/b"]
        for h_t, logits_t in zip(h, logits, strict=True):
            np.add((h_t @ W_out)[0], b_out, out=logits_t)
        return Pass(tapes, tuple(outputs), logits, final)

    def backward(
        self,
        done: Pass,
        ids: Array,
        d_logits: Array,
        masks: Array | None,
        buffers: Buffers,
        gradient: Parameters,
        d_before: Array | None = None,
        d_last: Array | None = None,
    ) -> None:
        """Backpropagate through time: write ∂loss/∂(every weight). The pass cannot be used again.

        Parameters
        ----------
        done
            What `forward` returned for these ids and masks. The gates of its tapes are replaced by ∂loss/∂z.
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
        d_last : (T, B, H) array, optional
            ∂loss/∂(h of the last layer) of a part of the loss that does not follow from the logits.
        """
        (T, B), H, V = ids.shape, self.config.hidden, self.vocabulary_size
        d_logits = d_logits.reshape(T * B, V)
        np.matmul(done.outputs[-1].reshape(T * B, H).T, d_logits, out=gradient["output/W"])
        np.sum(d_logits, axis=0, out=gradient["output/b"])
        dh = buffers("d_output", (T, B, H))  # ∂loss/∂(output of a layer), from the last one down to the first
        np.matmul(d_logits, self.parameters["output/W"].T, out=dh.reshape(T * B, H))
        for layer in reversed(range(self.config.layers)):
            tape = done.tapes[layer]
            if masks is not None:
                dh *= masks[layer]
            if d_last is not None and layer == self.config.layers - 1:
                dh += d_last
            dz, d_h_W = self._backpropagate_layer(
                layer, tape, dh, buffers, None if d_before is None else d_before[layer]
            )  # (G, T·B, H) each
            dU, dW, db = (self.split_gates(gradient[f"layer{layer}/{name}"]) for name in "UWb")
            np.matmul(tape.states[0][:-1].reshape(T * B, H).T, d_h_W, out=dW)
            if layer == 0:  # x is one-hot
                sum_by_id(dz, ids.reshape(-1), dU)
                np.sum(dU, axis=1, keepdims=True, out=db)
            else:
                np.matmul(done.outputs[layer - 1].reshape(T * B, H).T, dz, out=dU)
                np.sum(dz, axis=1, keepdims=True, out=db)
            for name, values in zip(self.cell.weights, self.cell.weight_gradients(tape), strict=True):
                gradient[f"layer{layer}/{name}"][...] = values

    def loss(
        self,
        ids: Array,
        targets: Array,
        loss_mask: Array,
        state: Array,
        buffers: Buffers,
        weights: PackedWeights | None = None,
    ) -> tuple[float, Array]:
        """Return Σ loss_mask · −log p(target), in nats, of predicting `targets` while reading `ids`, and the new state.

        Parameters
        ----------
        ids, targets : (T, B) arrays of ids
            The characters read, and the character that follows each.
        loss_mask : (T, B) array
            Weight of each prediction in the loss; 0 for padding.
        state : (L, S, B, H) array
            The state before the first character; not changed.
        buffers
            Working memory.
        weights
            As for `forward`.

        Returns
        -------
        float, (L, S, B, H) array
            The loss, and the state after the last character.
        """
        done = self.forward(ids, state, None, buffers, weights)
        logits = done.logits.reshape(ids.size, self.vocabulary_size)  # (T·B, V)
        return cross_entropy(logits, targets.reshape(-1), loss_mask.reshape(-1)), done.state

    def loss_and_gradient(
        self,
        ids: Array,
        targets: Array,
        loss_mask: Array,
        state: Array,
        masks: Array | None,
        buffers: Buffers,
        gradient: Parameters,
        tar: float = 0.0,
    ) -> tuple[float, Array]:
        """Return what `loss` returns, with dropout masks, and write ∂loss/∂(every weight) into `gradient`.

        For the gradient of a mean loss, divide `loss_mask` by its sum. With `tar`, the gradient is that of the loss and
        of temporal activation regularisation of the last layer with this weight; see `tar_gradient`.
        """
        done = self.forward(ids, state, masks, buffers)
        logits = done.logits.reshape(ids.size, self.vocabulary_size)  # (T·B, V)
        loss = cross_entropy_gradient(logits, targets.reshape(-1), loss_mask.reshape(-1))  # logits become ∂loss/∂logits
        d_last = tar_gradient(done.tapes[-1].states[0], loss_mask, tar) if tar else None  # (T, B, H)
        self.backward(done, ids, done.logits, masks, buffers, gradient, d_last=d_last)
        return loss, done.state

    def _allocate_tape(self, layer: int, T: int, B: int, buffers: Buffers) -> Tape:
        H, cell = self.config.hidden, self.cell
        return Tape(
            buffers(f"gates{layer}", (len(cell.gates), T, B, H)),
            tuple(buffers(f"{name}{layer}", (T + 1, B, H)) for name in cell.states),
            tuple(buffers(f"{name}{layer}", (T, B, H)) for name in cell.saved),
            self._cell_weights[layer],
        )

    def _backpropagate_layer(
        self, layer: int, tape: Tape, d_output: Array, buffers: Buffers, d_before: Array | None
    ) -> tuple[Array, Array]:
        """Return ∂loss/∂(x·U + b) and ∂loss/∂(h'·W) of one layer, each (G, T·B, H).

        Parameters
        ----------
        d_output : (T, B, H) array
            ∂loss/∂h of the layer; above the first layer overwritten with that of the layer below.
        d_before : (T, S, B, H) array, optional
            Overwritten with ∂loss/∂(state before each step).
        """
        (T, B, H), G = d_output.shape, len(self.cell.gates)
        U, W = (self.split_gates(self.parameters[f"layer{layer}/{name}"]) for name in "UW")  # (G, D, H)
        U_T = PackedMatrix(U.swapaxes(1, 2), B, "U transposed", buffers) if layer > 0 else None
        W_T = PackedMatrix(W.swapaxes(1, 2), B, "W transposed", buffers)
        dz = tape.gates  # (G, T, B, H)  the cell replaces the gates of one step after another by dz
        d_h_W = buffers("d_h_W", dz.shape) if self.cell.gated_recurrence else dz
        d_gates = buffers("d_gates", (G, B, H))
        d_states = tuple(buffers(f"d_{name}", (B, H)) for name in self.cell.states)
        for d_state in d_states:
            d_state.fill(0.0)
        dh = d_states[0]
        K = max(1, DIFFERENTIATED_TOGETHER // max(1, B * H))
        for t in reversed(range(T)):
            k = t % K
            if t == T - 1 or k == K - 1:
                derivatives = self.cell.differentiate_gates(tape, slice(t - k, t + 1))  # (G, K, B, H)
            dh += d_output[t]
            d_h_W_t = d_h_W[:, t]  # (G, B, H)
            self.cell.backward(tape, t, derivatives[:, k], d_states, d_gates, d_h_W_t)
            if self.cell.direct_h:
                dh += np.add.reduce(d_h_W_t @ W_T, axis=0)
            else:
                np.add.reduce(d_h_W_t @ W_T, axis=0, out=dh)
            if U_T is not None:
                np.add.reduce(dz[:, t] @ U_T, axis=0, out=d_output[t])
            if d_before is not None:
                d_before[t] = d_states
        return dz.reshape(G, T * B, H), d_h_W.reshape(G, T * B, H)
