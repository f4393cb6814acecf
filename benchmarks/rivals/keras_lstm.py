"""Keras with the JAX backend: `keras.layers.LSTM` and a dense layer, trained by `fit`, sampled by a jitted call.

With this backend `fit` does not carry the state from window to window; each begins in the zero state. With the random
text of the problem and so few steps the losses hardly depend on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np
import problem
from jax_lstm import probe
from serving import Contestant, serve

ORDER = "ifco"  # Keras's order of gates


def build(hidden: int, layers: int, seq_len: int, batch: int, characters: int, carries: bool = False) -> Any:
    """Return the model with the weights of the problem.

    Parameters
    ----------
    hidden, layers, seq_len, batch, characters
        The shape.
    carries
        True: the model of one layer also takes h and c, and returns them after its characters.
    """
    weights = problem.make_weights(hidden, layers, characters)
    ids = keras.Input(batch_shape=(batch, seq_len), dtype="int32")
    initial = [keras.Input(batch_shape=(batch, hidden)) for _ in "hc"] if carries else []
    x, final = keras.layers.Lambda(lambda ids: keras.ops.one_hot(ids, characters))(ids), []
    recurrent = [keras.layers.LSTM(hidden, return_sequences=True, return_state=True) for _ in range(layers)]
    for layer in recurrent:
        x, *final = layer(x, initial_state=initial or None)
    dense = keras.layers.Dense(characters)
    model = keras.Model([ids, *initial], [dense(x), *final]) if carries else keras.Model(ids, dense(x))
    for number, layer in enumerate(recurrent):
        layer.set_weights([problem.order_gates(weights[f"layer{number}/{name}"], ORDER) for name in "UWb"])
    dense.set_weights([weights["output/W"], weights["output/b"]])
    return model


def training(
    hidden: int, layers: int, seq_len: int, batch: int, processes: int, characters: int
) -> Iterator[Contestant]:
    """Take training steps with cross-entropy, clipping and Adam; the environment sets the number of threads."""
    model = build(hidden, layers, seq_len, batch, characters)
    (beta1, beta2), rate = problem.BETAS, problem.LEARNING_RATE
    adam = keras.optimizers.Adam(rate, beta1, beta2, problem.EPSILON, global_clipnorm=problem.CLIP)
    model.compile(adam, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    windows = problem.read_windows(seq_len, batch, characters)

    def read(count: int) -> tuple[Any, Any]:
        read = [next(windows)[:2] for _ in range(count)]
        ids, targets = (np.concatenate([pair[k].T for pair in read]).astype(np.int32) for k in (0, 1))
        return ids, targets

    def check() -> list[float]:
        losses = []
        for _ in range(problem.CHECKED_STEPS):
            model.reset_metrics()
            losses.append(float(model.train_on_batch(*read(1))))
        return losses

    def work(count: int) -> None:
        model.fit(*read(count), batch_size=batch, shuffle=False, verbose=0)

    yield Contestant(work, check)


def sampling(hidden: int, streams: int, processes: int) -> Iterator[Contestant]:
    """Sample characters, one a call."""
    model = build(hidden, 1, 1, streams, problem.CHARACTERS, carries=True)
    weights, others = ([v.value for v in group] for group in (model.trainable_variables, model.non_trainable_variables))
    call = jax.jit(lambda inputs: model.stateless_call(weights, others, inputs, training=False)[0])
    state = [jax.numpy.zeros((streams, hidden)) for _ in "hc"]
    rng, last = np.random.default_rng(0), np.zeros(streams, np.int32)

    def predict(ids: Any) -> Any:
        logits, *state[:] = call([ids[:, None], *state])
        return np.asarray(logits)[:, 0]

    def check() -> list[float]:
        for character in problem.CHECKED_TEXT:
            logits = predict(np.full(streams, character, np.int32))
        return logits[-1].tolist()

    def work(count: int) -> None:
        nonlocal last
        for _ in range(count):
            last = problem.draw(predict(last), rng).astype(np.int32)
            last.tolist()

    yield Contestant(work, check)


if __name__ == "__main__":
    serve(globals(), probe)
