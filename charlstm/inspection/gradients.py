"""The view of gradients: how far back the gradient of a prediction reaches.

The loss of one prediction is backpropagated through time by the network's own backward pass. Its gradient with respect
to the state k characters earlier is what training could learn from over that distance. In a plain unit the gradient is
multiplied by W and the derivative of tanh at every step, so it vanishes or explodes (Hochreiter 1991; Bengio, Simard &
Frasconi 1994, "Learning long-term dependencies with gradient descent is difficult"). Along the cell state c of the LSTM
it is multiplied by the forget gate, which may stay close to 1.

h and c of all layers are independent variables here: the gradient with respect to one of them is that of a change of it
alone, after character t − k was read, through everything that follows. All is computed in float64, so that small norms
stay exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from charlstm.base.config import check_whole
from charlstm.base.errors import ConfigError, named
from charlstm.base.parameters import Array, Buffers
from charlstm.base.symbols import END
from charlstm.inspection.trace import start_reader
from charlstm.inspection.view import Column, Curves, Kind, Part, Table, View, count_of
from charlstm.model.model import Model
from charlstm.network.loss import cross_entropy_gradient
from charlstm.network.network import Pass

THIS = "this model"
LAGS = 100
POSITIONS = 256
BATCH = 32
SHARES = {"half": 0.5, "a tenth": 0.1, "a thousandth": 0.001}
ROWS = 10


def view_gradients(
    model: Model, text: str, compare: Mapping[str, Model] | None = None, lags: int | None = None
) -> View:
    """Return the norms of ∂loss_t/∂h_(t−k) and ∂loss_t/∂c_(t−k) over the lag k, for each layer.

    Each norm is Euclidean over the units, and the median over up to 256 positions t spread evenly over the text. The
    positions are the same for every lag and model. A median is not dominated by a few positions with a huge gradient.

    Parameters
    ----------
    model
        The model.
    text
        The text. Its documents are read one by one.
    compare
        Name → another model to show beside it.
    lags
        The largest k; None takes half of the longest stretch of text without a reset of the state, at most 100.

    Raises
    ------
    ConfigError
        If no prediction has that many characters before it.
    UnknownCharacterError
        If the text has characters that a model does not know.
    """
    models = {THIS: model, **{Path(name).name: other for name, other in (compare or {}).items()}}
    text = model.documents.parse(text)
    longest = max(stop - start for start, stop in find_stretches(text)) - 1
    K = max(1, min(LAGS, longest // 2)) if lags is None else check_whole("lags", lags, 1)
    if longest < K:
        less = f", or set {named('lags')} to at most {longest}" if longest > 0 else ""
        raise ConfigError(f"no prediction in the text has {K} characters before it; give a longer text{less}")
    places = choose_positions(text, K)  # (N,)
    lag = Column("lag", np.arange(1, K + 1), Kind.WHOLE)
    columns = [
        Column(state, values, Kind.NUMBER, f"{name}, layer {layer}" if len(models) > 1 else f"layer {layer}")
        for name, model in models.items()
        for (layer, state), values in median_norms(model, text, places, K).items()
    ]
    parts: dict[str, Part] = {"gradient norm by lag": Table((lag, *columns), head=ROWS)}
    for layer in range(max(model.network.config.layers for model in models.values())):
        ys = [_name_with_model(column) for column in columns if column.group.endswith(f"layer {layer}")]
        parts[f"gradient norm by lag, layer {layer}"] = Curves(lag, tuple(ys), log=True)
    parts["first lag with at most"] = _build_decay_table(columns)
    return View(
        parts,
        (
            f"Each norm is the median over {count_of(len(places), 'prediction')}.",
            "The last table compares each norm with its value at lag 1; a dash means that it stays larger.",
        ),
    )


def find_stretches(text: str) -> list[tuple[int, int]]:
    """Return start and stop of the stretches read without a reset of the state; a character follows each of theirs.

    Parameters
    ----------
    text
        The whole text, in which an end symbol resets the state.
    """
    breaks = [n for n, character in enumerate(text) if character == END]
    starts = [0, *(n + 1 for n in breaks)]
    return [(start, min(stop, len(text) - 1)) for start, stop in zip(starts, [*breaks, len(text)], strict=True)]


def choose_positions(text: str, K: int) -> Array:
    """Return up to 256 positions, spread evenly, with K characters before them in their stretch and one after: (N,)."""
    every = np.concatenate([np.arange(start + K, max(start + K, stop)) for start, stop in find_stretches(text)])
    return np.asarray(every[np.linspace(0, len(every) - 1, min(len(every), POSITIONS)).astype(int)])


def median_norms(model: Model, text: str, places: Array, K: int) -> dict[tuple[int, str], Array]:
    """Return the median gradient norm with respect to each state of each layer: (layer, name of the state) → (K,).

    Parameters
    ----------
    model
        The model.
    text
        The text.
    places : (N,) array
        Positions: the predictions after these characters.
    K
        The largest lag.
    """
    model = replace(model, network=model.network.with_weights(model.network.parameters.flat.astype(np.float64)))
    ids = model.vocabulary.encode(text)  # (N,)
    before = record_states(model, ids, places - K)  # (L, S, N, H)
    norms = np.concatenate(
        [
            norms_by_lag(model, ids[some + np.arange(1 - K, 2)[:, None]], before[:, :, first : first + BATCH])
            for first in range(0, len(places), BATCH)
            for some in [places[first : first + BATCH]]
        ],
        axis=-1,
    )  # (L, S, K, N)
    middle = np.median(norms, axis=-1)  # (L, S, K)
    names = model.network.cell.states
    return {(layer, name): middle[layer, s] for layer in range(len(middle)) for s, name in enumerate(names)}


def norms_by_lag(model: Model, ids: Array, state: Array) -> Array:
    """Return the norm of the gradient of the last prediction with respect to the states before it.

    Parameters
    ----------
    model
        The model.
    ids : (K + 1, B) array of ids
        K characters that are read, and the target of the last prediction.
    state : (L, S, B, H) array
        The state before them.

    Returns
    -------
    (L, S, K, B) array
        Entry k − 1 along the third axis: with respect to the state k characters before the last one was read.
    """
    K, B = len(ids) - 1, ids.shape[1]
    weights = np.zeros((K, B), state.dtype)
    weights[-1] = 1.0
    L, S, _, H = state.shape
    d_before = np.empty((L, K, S, B, H), state.dtype)
    backpropagate(model, ids, state, weights, d_before)
    return np.asarray(np.linalg.norm(d_before[:, ::-1], axis=-1).swapaxes(1, 2))  # (L, S, K, B)


def backpropagate(model: Model, ids: Array, state: Array, weights: Array, d_before: Array | None = None) -> Pass:
    """Read, backpropagate the weighted loss, and return the pass, whose gates then hold ∂loss/∂z.

    Parameters
    ----------
    model
        The model.
    ids : (T + 1, B) array of ids
        Inputs ids[:-1] and targets ids[1:].
    state : (L, S, B, H) array
        The state before.
    weights : (T, B) array
        Weight of each prediction in the loss.
    d_before : (L, T, S, B, H) array, optional
        Overwritten with ∂loss/∂(state before each step).
    """
    network, inputs, buffers = model.network, model.inputs(ids[:-1]), Buffers(state.dtype)
    done = network.forward(inputs, state, None, buffers)
    cross_entropy_gradient(done.logits.reshape(weights.size, -1), ids[1:].reshape(-1), weights.reshape(-1))
    network.backward(done, inputs, done.logits, None, buffers, network.parameters.like(), d_before)
    return done


def record_states(model: Model, ids: Array, places: Array) -> Array:
    """Read a text and return the state after some of its characters: (L, S, N, H).

    Parameters
    ----------
    model
        The model.
    ids : (T,) array of ids
        The text.
    places : (N,) array
        Positions of the characters.
    """
    states = model.network.zero_state(len(places))  # (L, S, N, H)
    first = 0
    for done in start_reader(model).passes(ids[:, None]):
        stop = first + len(done.logits)
        here = np.flatnonzero((places >= first) & (places < stop))  # (K,)
        for layer, tape in enumerate(done.tapes):
            for which, values in enumerate(tape.states):
                states[layer, which, here] = values[places[here] - first + 1, 0]
        first = stop
    return states


def _name_with_model(column: Column) -> Column:
    """Return a column whose name includes that of its model, if there are several models."""
    model, several, _ = column.group.rpartition(", ")
    return column._replace(name=f"{column.name} of {model}") if several else column


def _build_decay_table(columns: Sequence[Column]) -> Table:
    """Return, for each norm, the first lag with at most a share of its value at lag 1."""
    norms = [np.asarray(column.values) for column in columns]  # (K,) each
    return Table(
        (
            Column("gradient with respect to", [f"{column.name} of {column.group}" for column in columns], Kind.TEXT),
            *(
                Column(share, [_first_lag(values <= most * values[0]) for values in norms], Kind.WHOLE)
                for share, most in SHARES.items()
            ),
        )
    )


def _first_lag(mask: Array) -> float:
    """Return the lag of the first True of a (K,) mask; NaN if there is none."""
    return int(mask.argmax()) + 1 if mask.any() else np.nan
