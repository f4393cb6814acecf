"""The view of gradients: how much of what a prediction asks for reaches the characters before it.

The loss of one prediction is taken back through time by the network's own backward pass. Its gradient along the state
that stood k characters earlier is what training could have learnt from over that distance. In a plain unit it is
multiplied by W and the slope of tanh at every step, and vanishes or explodes (Hochreiter 1991; Bengio, Simard &
Frasconi 1994, "Learning long-term dependencies with gradient descent is difficult"). Along the LSTM's memory c it is
multiplied by the forget gate, which may be as near to 1 as it likes.

h and c of all layers are independent here: the gradient along one of them is that of a change in it alone, after
character t − k was read. It goes on through whatever it reaches. Everything is computed in float64, so that what is
small is not lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from charlstm.errors import ConfigError
from charlstm.inspection.trace import start
from charlstm.inspection.view import Column, Curves, Kind, Part, Table, View
from charlstm.model.model import Model
from charlstm.network.loss import cross_entropy_gradient
from charlstm.network.network import Network, Pass
from charlstm.parameters import Array, Buffers

LAGS = 100
POSITIONS = 256
ROWS = 32
SHARES = {"half": 0.5, "a tenth": 0.1, "a thousandth": 0.001}
SHOWN = 10


def gradients(models: Mapping[str, Model], text: str, lags: int | None = None) -> View:
    """Return the norm of ∂loss_t/∂h_(t−k) and ∂loss_t/∂c_(t−k) over the lag k, for each layer of some models.

    The norm is Euclidean over the units, and the median over up to 256 positions t spread evenly over the text, the
    same for every lag and model: half of the positions have more, half have less, and a few of huge gradient do not
    decide.

    Parameters
    ----------
    models
        By the names that tell them apart; a model that is alone needs none.
    text
        What they read. In models of lines every line is a text of its own.
    lags
        The largest k; None: half of the longest text that is read without a break, at most 100.

    Raises
    ------
    ConfigError
        If no prediction has so many characters before it.
    UnknownCharacterError
        If the text has characters that a model does not know.
    """
    by_line = any(model.training.lines for model in models.values())
    longest = max(stop - begin for begin, stop in stretches(text, by_line)) - 1
    K = max(1, min(LAGS, longest // 2)) if lags is None else lags
    if longest < K:
        less = f", or at most --lags {longest}" if longest > 0 else ""
        raise ConfigError(
            f"the text is too short to look {K} characters back from a prediction; give a longer one{less}"
        )
    places = positions(text, K, by_line)  # (N,)
    far = Column("lag", np.arange(1, K + 1), Kind.WHOLE)
    columns = [
        Column(state, values, Kind.NUMBER, f"{name}, layer {layer}" if len(models) > 1 else f"layer {layer}")
        for name, model in models.items()
        for (layer, state), values in medians(model, text, places, K).items()
    ]
    parts: dict[str, Part] = {"norm of the gradient by lag": Table((far, *columns), head=SHOWN)}
    for layer in range(max(model.network.config.layers for model in models.values())):
        ys = [_with_model(column) for column in columns if column.group.endswith(f"layer {layer}")]
        parts[f"layer {layer}, over the lag"] = Curves(far, tuple(ys), log=True)
    parts["lag at which no more is left than"] = _left(columns)
    return View(parts, (f"Each norm is the median over {len(places):,} predictions. A dash: more was left all along.",))


def stretches(text: str, by_line: bool) -> list[tuple[int, int]]:
    """Return where texts that are read without a break begin and stop; a character follows each of theirs.

    Parameters
    ----------
    text
        All of them.
    by_line
        Whether every line is one.
    """
    breaks = [n for n, character in enumerate(text) if character == "\n"] if by_line else []
    begins = [0, *(n + 1 for n in breaks)]
    return [(begin, min(stop, len(text) - 1)) for begin, stop in zip(begins, [*breaks, len(text)], strict=True)]


def positions(text: str, K: int, by_line: bool) -> Array:
    """Return characters, up to 256 spread evenly, that have K before them in their stretch and one after: (N,)."""
    every = np.concatenate([np.arange(begin + K, max(begin + K, stop)) for begin, stop in stretches(text, by_line)])
    return np.asarray(every[np.linspace(0, len(every) - 1, min(len(every), POSITIONS)).astype(int)])


def medians(model: Model, text: str, places: Array, K: int) -> dict[tuple[int, str], Array]:
    """Return the median norm of the gradient along each state of each layer: (layer, name of the state) → (K,).

    Parameters
    ----------
    model
        What reads.
    text
        What it reads.
    places : (N,) array
        Predictions: those after these characters.
    K
        The largest lag.
    """
    network = model.network.with_weights(model.network.parameters.flat.astype(np.float64))
    ids = model.vocabulary.encode(text)  # (N,)
    before = states_after(replace(model, network=network), ids, places - K)  # (L, S, N, H)
    norms = np.concatenate(
        [
            norms_by_lag(network, ids[some + np.arange(1 - K, 2)[:, None]], before[:, :, first : first + ROWS])
            for first in range(0, len(places), ROWS)
            for some in [places[first : first + ROWS]]
        ],
        axis=-1,
    )  # (L, S, K, N)
    middle = np.median(norms, axis=-1)  # (L, S, K)
    names = network.cell.states
    return {(layer, name): middle[layer, s] for layer in range(len(middle)) for s, name in enumerate(names)}


def norms_by_lag(network: Network, ids: Array, state: Array) -> Array:
    """Return the norm of the gradient of the last prediction along the states before it.

    Parameters
    ----------
    network
        What reads.
    ids : (K + 1, B) array of ids
        What is read, and in the end what came next.
    state : (L, S, B, H) array
        The state before.

    Returns
    -------
    (L, S, K, B) array
        Entry k − 1 of the lags: along the state that stood k characters before the last one was read.
    """
    K, B = len(ids) - 1, ids.shape[1]
    counted = np.zeros((K, B), state.dtype)
    counted[-1] = 1.0
    L, S, _, H = state.shape
    d_before = np.empty((L, K, S, B, H), state.dtype)
    taken_back(network, ids, state, counted, d_before)
    return np.asarray(np.linalg.norm(d_before[:, ::-1], axis=-1).swapaxes(1, 2))  # (L, S, K, B)


def taken_back(network: Network, ids: Array, state: Array, counted: Array, d_before: Array | None = None) -> Pass:
    """Read, take the loss of the counted predictions back, and return the used-up pass: its gates are ∂loss/∂z.

    Parameters
    ----------
    network
        What reads.
    ids : (T + 1, B) array of ids
        What is read, and predicted.
    state : (L, S, B, H) array
        The state before.
    counted : (T, B) array
        How much each prediction counts.
    d_before : (L, T, S, B, H) array, optional
        Overwritten with ∂loss/∂(state before each step).
    """
    buffers = Buffers(state.dtype)
    done = network.forward(ids[:-1], state, None, buffers)
    cross_entropy_gradient(done.logits.reshape(counted.size, -1), ids[1:].reshape(-1), counted.reshape(-1))
    network.backward(done, ids[:-1], done.logits, None, buffers, network.parameters.like(), d_before)
    return done


def states_after(model: Model, ids: Array, places: Array) -> Array:
    """Read a text and return the state as it is after some of its characters: (L, S, N, H).

    Parameters
    ----------
    model
        What reads.
    ids : (T,) array of ids
        The text.
    places : (N,) array
        The characters.
    """
    found = model.network.zero_state(len(places))  # (L, S, N, H)
    first = 0
    for done in start(model).passes(ids[:, None]):
        stop = first + len(done.logits)
        here = np.flatnonzero((places >= first) & (places < stop))  # (K,)
        for layer, tape in enumerate(done.tapes):
            for which, values in enumerate(tape.states):
                found[layer, which, here] = values[places[here] - first + 1, 0]
        first = stop
    return found


def _with_model(column: Column) -> Column:
    """Return a column whose name says which model's it is, where there are several."""
    model, several, _ = column.group.rpartition(", ")
    return column._replace(name=f"{column.name} of {model}") if several else column


def _left(columns: Sequence[Column]) -> Table:
    """Return at which lag each norm first is at most a share of what it is at lag 1."""
    norms = [np.asarray(column.values) for column in columns]  # (K,) each
    return Table(
        (
            Column("gradient along", [f"{column.name} of {column.group}" for column in columns], Kind.TEXT),
            *(
                Column(share, [_first(values <= most * values[0]) for values in norms], Kind.WHOLE)
                for share, most in SHARES.items()
            ),
        )
    )


def _first(true: Array) -> float:
    """Return the first lag at which something is true; NaN if it never is."""
    return int(true.argmax()) + 1 if true.any() else np.nan
