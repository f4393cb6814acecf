"""JAX: the equations in `lax.scan`, gradients by `jax.value_and_grad`, clipping and Adam, all in one jitted step.

As in charlstm, the x of the first layer is looked up, and what does not wait for the step before is one product.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import problem
from serving import PROBED_NUMBERS, PROBED_SIDE, Contestant, measure_speed, serve

SCANNED = 32  # characters that one call samples


def cell(z: Any, c: Any) -> tuple[Any, Any]:
    """Return the new hidden and cell state."""
    f, i, o, c_tilde = jnp.split(z, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(c_tilde)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def read(weights: dict[str, Any], ids: Any, state: Any, layers: int) -> tuple[Any, Any]:
    """Return the logits of T characters in B rows, and the state after them: (L, 2, B, H)."""
    after, output = [], None
    for layer in range(layers):
        U, W, b = (weights[f"layer{layer}/{name}"] for name in "UWb")

        def step(carry: tuple[Any, Any], z: Any, W: Any = W) -> tuple[tuple[Any, Any], Any]:
            h, c = cell(z + carry[0] @ W, carry[1])
            return (h, c), h

        x_U = U[ids] if layer == 0 else output @ U
        last, output = jax.lax.scan(step, (state[layer, 0], state[layer, 1]), x_U + b)
        after.append(jnp.stack(last))
    return output @ weights["output/W"] + weights["output/b"], jnp.stack(after)


@partial(jax.jit, static_argnames="layers", donate_argnames=("weights", "moments", "state"))
def train(
    weights: dict[str, Any], moments: Any, state: Any, ids: Any, targets: Any, number: Any, layers: int
) -> tuple[Any, ...]:
    """Return the weights, the moments and the state after a step, and its loss."""

    def loss(weights: dict[str, Any]) -> tuple[Any, Any]:
        logits, after = read(weights, ids, state, layers)
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), targets[..., None], axis=-1)
        return -chosen.mean(), after

    (value, after), gradient = jax.value_and_grad(loss, has_aux=True)(weights)
    norm = jnp.sqrt(sum((block**2).sum() for block in gradient.values()))
    scale = jnp.minimum(1.0, problem.CLIP / (norm + 1e-6))
    (beta1, beta2), new = problem.BETAS, {}
    for name, weight in weights.items():
        g, (m, v) = gradient[name] * scale, moments[name]
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        m_hat, v_hat = m / (1 - beta1**number), v / (1 - beta2**number)
        new[name] = weight - problem.LEARNING_RATE * m_hat / (jnp.sqrt(v_hat) + problem.EPSILON), (m, v)
    weights, moments = ({name: pair[k] for name, pair in new.items()} for k in (0, 1))
    return weights, moments, after, value


def load_weights(hidden: int, layers: int, characters: int) -> dict[str, Any]:
    """Return the weights of the problem."""
    return {name: jnp.asarray(values) for name, values in problem.make_weights(hidden, layers, characters).items()}


def training(
    hidden: int, layers: int, seq_len: int, batch: int, processes: int, characters: int
) -> Iterator[Contestant]:
    """Take training steps; the environment sets the number of threads."""
    weights = load_weights(hidden, layers, characters)
    moments = {name: (jnp.zeros_like(weight), jnp.zeros_like(weight)) for name, weight in weights.items()}
    windows, steps, state = problem.read_windows(seq_len, batch, characters), 0, None

    def step() -> float:
        nonlocal weights, moments, state, steps
        ids, targets, is_new = next(windows)
        if is_new:
            state = jnp.zeros((layers, 2, batch, hidden))
        steps += 1
        weights, moments, state, loss = train(
            weights, moments, state, ids.astype(np.int32), targets.astype(np.int32), np.float32(steps), layers
        )
        return float(loss)

    def work(count: int) -> None:
        for _ in range(count):
            step()

    yield Contestant(work, lambda: [step() for _ in range(problem.CHECKED_STEPS)])


@jax.jit
def predict(weights: dict[str, Any], ids: Any, state: Any) -> tuple[Any, Any]:
    """Return the logits after one more character of each text, and the state."""
    h, c = cell(weights["layer0/U"][ids] + weights["layer0/b"] + state[0] @ weights["layer0/W"], state[1])
    return h @ weights["output/W"] + weights["output/b"], jnp.stack((h, c))


def draw(weights: dict[str, Any], ids: Any, state: Any, key: Any) -> tuple[Any, Any, Any]:
    """Return the next character of each text, the state, and the next key of the random numbers."""
    logits, state = predict(weights, ids, state)
    key, now = jax.random.split(key)
    return jax.random.categorical(now, logits / problem.TEMPERATURE).astype(jnp.int32), state, key


@partial(jax.jit, static_argnames="count")
def draw_many(weights: dict[str, Any], ids: Any, state: Any, key: Any, count: int) -> tuple[Any, Any, Any, Any]:
    """Return what `draw` returns after a number of characters, and these characters."""

    def step(carry: tuple[Any, Any, Any], _: None) -> tuple[tuple[Any, Any, Any], Any]:
        carry = draw(weights, *carry)
        return carry, carry[0]

    carry, drawn = jax.lax.scan(step, (ids, state, key), length=count)
    return *carry, drawn


def sampling(hidden: int, streams: int, processes: int, scanned: bool = False) -> Iterator[Contestant]:
    """Sample characters, one a call, or in calls that each return many."""
    weights = load_weights(hidden, 1, problem.CHARACTERS)
    ids, key, state = jnp.zeros(streams, jnp.int32), jax.random.key(0, impl="rbg"), jnp.zeros((2, streams, hidden))
    draw_one = jax.jit(draw)
    owed = 0

    def check() -> list[float]:
        nonlocal state
        for character in problem.CHECKED_TEXT:
            logits, state = predict(weights, jnp.full(streams, character), state)
        return logits[-1].tolist()

    def work(count: int) -> None:
        nonlocal ids, state, key, owed
        if not scanned:
            for _ in range(count):
                ids, state, key = draw_one(weights, ids, state, key)
                np.asarray(ids).tolist()
            return
        owed += count
        while owed > 0:
            ids, state, key, drawn = draw_many(weights, ids, state, key, SCANNED)
            np.asarray(drawn).tolist()
            owed -= SCANNED

    yield Contestant(work, check)


def scanned_sampling(**settings: int) -> Iterator[Contestant]:
    """Sample many characters with each call."""
    return sampling(**settings, scanned=True)


def probe() -> dict[str, Any]:
    """Measure JAX's functions with one thread."""
    rng = np.random.default_rng(0)
    numbers = jnp.asarray(rng.standard_normal(PROBED_NUMBERS, np.float32))
    square = jnp.asarray(rng.standard_normal((PROBED_SIDE, PROBED_SIDE), np.float32))
    tanh = jax.jit(lambda x: jax.lax.fori_loop(0, 50, lambda _, x: jnp.tanh(x), x))
    multiply = jax.jit(jnp.matmul)
    speed = measure_speed(
        lambda: tanh(numbers).block_until_ready(), lambda: multiply(square, square).block_until_ready()
    )
    return {"says": "", **speed, "tanh": speed["tanh"] / 50}


if __name__ == "__main__":
    serve(globals(), probe)
