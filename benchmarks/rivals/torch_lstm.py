"""torch: `torch.nn.LSTM` and a linear layer, eager, and with `torch.compile` where that can compile.

torch.compile does not compile `torch.nn.LSTM`. What it compiles here is the linear layer with the loss, and clipping
with the update of the weights. The equations in a Python loop over 64 characters took 189 seconds to compile at 128
units, and were half as fast as `torch.nn.LSTM`. A compiled step of sampling has the equations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import problem
import torch
from serving import PROBED_NUMBERS, PROBED_SIDE, Contestant, measure_speed, serve
from torch.nn.functional import cross_entropy

ORDER = "ifco"  # torch's order of gates


def build(hidden: int, layers: int, characters: int) -> tuple[Any, Any]:
    """Return the LSTM and the linear layer with the weights of the problem.

    The LSTM has two biases where charlstm has one; the second is zero and is not trained.
    """
    weights = problem.make_weights(hidden, layers, characters)
    lstm, linear = torch.nn.LSTM(characters, hidden, layers), torch.nn.Linear(hidden, characters)
    with torch.no_grad():
        for layer in range(layers):
            for name, other in (("weight_ih", "U"), ("weight_hh", "W"), ("bias_ih", "b")):
                values = problem.order_gates(weights[f"layer{layer}/{other}"], ORDER)
                getattr(lstm, f"{name}_l{layer}").copy_(torch.from_numpy(values.T))
            second = getattr(lstm, f"bias_hh_l{layer}")
            second.zero_()
            second.requires_grad_(False)
        linear.weight.copy_(torch.from_numpy(weights["output/W"].T))
        linear.bias.copy_(torch.from_numpy(weights["output/b"]))
    return lstm, linear


def training(
    hidden: int, layers: int, seq_len: int, batch: int, processes: int, characters: int, compiled: bool = False
) -> Iterator[Contestant]:
    """Take training steps with cross-entropy, clipping and Adam (foreach)."""
    torch.set_num_threads(processes)
    lstm, linear = build(hidden, layers, characters)
    parameters = [weight for weight in (*lstm.parameters(), *linear.parameters()) if weight.requires_grad]
    adam = torch.optim.Adam(parameters, problem.LEARNING_RATE, problem.BETAS, problem.EPSILON, foreach=True)
    one_hot = torch.eye(characters)
    windows = problem.read_windows(seq_len, batch, characters)
    state = [torch.zeros(0), torch.zeros(0)]

    def lose(h: Any, targets: Any) -> Any:
        return cross_entropy(linear(h).reshape(-1, characters), targets.reshape(-1))

    def update() -> None:
        torch.nn.utils.clip_grad_norm_(parameters, problem.CLIP, foreach=True)
        adam.step()

    if compiled:
        lose, update = torch.compile(lose), torch.compile(update)

    def step() -> float:
        ids, targets, is_new = next(windows)
        if is_new:
            state[:] = torch.zeros(layers, batch, hidden), torch.zeros(layers, batch, hidden)
        h, (state[0], state[1]) = lstm(one_hot[torch.from_numpy(ids).long()], (state[0].detach(), state[1].detach()))
        loss = lose(h, torch.from_numpy(targets).long())
        adam.zero_grad(set_to_none=not compiled)  # new tensors would be compiled again
        loss.backward()
        update()
        return loss.item()

    yield Contestant(_repeat(step), lambda: [step() for _ in range(problem.CHECKED_STEPS)])


def compiled_training(**settings: int) -> Iterator[Contestant]:
    """Take the same steps with what torch.compile can compile."""
    return training(**settings, compiled=True)


def sampling(hidden: int, streams: int, processes: int, compiled: bool = False) -> Iterator[Contestant]:
    """Sample characters under inference_mode."""
    torch.set_num_threads(processes)
    torch.manual_seed(0)
    lstm, linear = build(hidden, 1, problem.CHARACTERS)
    one_hot = torch.eye(problem.CHARACTERS)
    W, U, b = lstm.weight_hh_l0.T.contiguous(), lstm.weight_ih_l0.T.contiguous(), lstm.bias_ih_l0.detach()
    state = [torch.zeros(1, streams, hidden), torch.zeros(1, streams, hidden)]
    last = [torch.full((streams,), problem.CHECKED_TEXT[0])]

    def predict(ids: Any, h: Any, c: Any) -> tuple[Any, Any, Any]:
        if not compiled:
            output, (h, c) = lstm(one_hot[ids][None], (h, c))
            return linear(output[0]), h, c
        i, f, c_tilde, o = (U[ids] + b + h[0] @ W).chunk(4, 1)
        c = f.sigmoid() * c[0] + i.sigmoid() * c_tilde.tanh()
        h = o.sigmoid() * c.tanh()
        return linear(h), h[None], c[None]

    if compiled:
        predict = torch.compile(predict, dynamic=False)

    @torch.inference_mode()
    def check() -> list[float]:
        for character in problem.CHECKED_TEXT:
            logits, *state[:] = predict(torch.full((streams,), character), *state)
        return logits[-1].tolist()

    @torch.inference_mode()
    def step() -> None:
        logits, *state[:] = predict(last[0], *state)
        last[0] = torch.multinomial(torch.softmax(logits / problem.TEMPERATURE, dim=1), 1)[:, 0]
        last[0].tolist()

    yield Contestant(_repeat(step), check)


def compiled_sampling(**settings: int) -> Iterator[Contestant]:
    """Sample with the equations of the cell, compiled."""
    return sampling(**settings, compiled=True)


def _repeat(step: Callable[[], object]) -> Callable[[int], None]:
    def work(count: int) -> None:
        for _ in range(count):
            step()

    return work


def probe() -> dict[str, Any]:
    """Measure torch's functions with one thread."""
    torch.set_num_threads(1)
    numbers, square = torch.randn(PROBED_NUMBERS), torch.randn(PROBED_SIDE, PROBED_SIDE)
    out, product = torch.empty_like(numbers), torch.empty_like(square)
    speed = measure_speed(lambda: torch.tanh(numbers, out=out), lambda: torch.mm(square, square, out=product))
    return {"says": torch.backends.cpu.get_cpu_capability(), **speed}


if __name__ == "__main__":
    serve(globals(), probe)
