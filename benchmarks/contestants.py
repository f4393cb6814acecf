"""What the benchmarks time. Each contestant is a generator that sets itself up and yields a function of n.

    python contestants.py NAME JSON

sets one up with the settings in JSON. Then it reads numbers n from stdin, does n units of work, and prints the seconds.
Each contestant has a process of its own, so that libraries do not share threads.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

CHARACTERS = 65
Work = Callable[[int], None]


def ids(count: int) -> Any:
    """Return random characters; which ones they are does not change the time."""
    import numpy as np

    return np.random.default_rng(0).integers(0, CHARACTERS, count).astype(np.uint8)


def charlstm_training(hidden: int, layers: int, seq_len: int, batch: int, processes: int) -> Iterator[Work]:
    """Take the training steps of `charlstm train`."""
    from charlstm.base.config import TrainingConfig
    from charlstm.network.config import NetworkConfig
    from charlstm.network.network import Network
    from charlstm.text.batches import StreamBatches
    from charlstm.training import trainer
    from charlstm.training.processes import start_processes

    network = Network(NetworkConfig(hidden=hidden, layers=layers), CHARACTERS)
    network.initialise(0)
    streams = StreamBatches(ids(batch * (20 * seq_len + 1)), batch, seq_len)
    config = TrainingConfig(steps=10**9, batch_size=batch, seq_len=seq_len, learning_rate=0.001)

    def job(team: Any) -> Iterator[Any]:
        return trainer.train(network, streams, None, config, team)

    with start_processes(processes, trainer.largest_sum(network, batch), job) as team:
        steps = job(team)

        def work(count: int) -> None:
            for _ in range(count):
                next(steps)

        yield work


def torch_training(hidden: int, layers: int, seq_len: int, batch: int, processes: int) -> Iterator[Work]:
    """Take training steps of torch.nn.LSTM: same shapes, loss, clipping and optimizer, one thread per process."""
    import torch

    torch.set_num_threads(processes)
    torch.manual_seed(0)
    lstm, linear = torch.nn.LSTM(CHARACTERS, hidden, layers), torch.nn.Linear(hidden, CHARACTERS)
    parameters = [*lstm.parameters(), *linear.parameters()]
    adam = torch.optim.Adam(parameters, lr=0.001, betas=(0.9, 0.99), foreach=True)
    text = torch.from_numpy(ids((20 * seq_len + 1) * batch).astype("int64")).reshape(-1, batch)
    one_hot = torch.eye(CHARACTERS)
    state = [torch.zeros(layers, batch, hidden), torch.zeros(layers, batch, hidden)]
    place = [0]

    def work(count: int) -> None:
        for _ in range(count):
            start = place[0] % 20 * seq_len
            place[0] += 1
            x, y = one_hot[text[start : start + seq_len]], text[start + 1 : start + seq_len + 1]
            h, (state[0], state[1]) = lstm(x, (state[0].detach(), state[1].detach()))
            loss = torch.nn.functional.cross_entropy(linear(h).reshape(-1, CHARACTERS), y.reshape(-1))
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
            adam.step()
            loss.item()

    yield work


def products(hidden: int, layers: int, seq_len: int, batch: int, processes: int) -> Iterator[Work]:
    """Compute only the matrix products of a training step, in the same shapes and processes."""
    import numpy as np

    from charlstm.base.parameters import Buffers
    from charlstm.network.matmul import PackedMatrix
    from charlstm.training.processes import start_processes

    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape, dtype=np.float32)

    def job(team: Any) -> Iterator[None]:
        B, T, H, V = len(range(batch)[team.share(batch)]), seq_len, hidden, CHARACTERS
        scratch = Buffers(np.float32)
        W, W_T = (PackedMatrix(normal(4, H, H), B, name, scratch) for name in ("W", "W transposed"))
        W_out, h, dz = PackedMatrix(normal(1, H, V), B, "W_out", scratch), normal(T, B, H), normal(4, T, B, H)
        d_logits, d_W, d_output, dh = normal(T * B, V), normal(4, H, H), normal(H, V), normal(T * B, H)
        rows, d_rows = h.reshape(T * B, H), dz.reshape(4, T * B, H)
        meeting = np.zeros(1)
        while True:
            for layer in range(layers):
                for _ in "WU" if layer else "W":
                    for t in range(T):
                        h[t] @ W
                        dz[:, t] @ W_T
                    np.matmul(rows.T, d_rows, out=d_W)
            for t in range(T):
                h[t] @ W_out
            np.matmul(rows.T, d_logits, out=d_output)
            np.matmul(d_logits, d_output.T, out=dh)
            team.all_reduce(meeting)
            yield None

    with start_processes(processes, 64, job) as team:
        steps = job(team)

        def work(count: int) -> None:
            for _ in range(count):
                next(steps)

        yield work


def plain_training(hidden: int, seq_len: int) -> Iterator[Work]:
    """Take training steps with the plain loop: one layer, one stream, one vector at a time."""
    import plain

    network = plain.Network(CHARACTERS, hidden)
    text = ids(20 * seq_len + 1)
    place = [0]

    def work(count: int) -> None:
        for _ in range(count):
            start = place[0] % 20 * seq_len
            place[0] += 1
            network.learn(text[start : start + seq_len], text[start + 1 : start + seq_len + 1])

    yield work


def plain_sampling(hidden: int) -> Iterator[Work]:
    """Sample characters with the plain loop."""
    import plain

    yield plain.Network(CHARACTERS, hidden).sample


def charlstm_sampling(hidden: int, streams: int) -> Iterator[Work]:
    """Sample characters as `charlstm sample` does, several texts in parallel."""
    import numpy as np

    from charlstm.base.config import TrainingConfig
    from charlstm.model.model import Model
    from charlstm.network.config import NetworkConfig
    from charlstm.network.network import Network
    from charlstm.sampling import decoder
    from charlstm.sampling.filters import SamplingConfig
    from charlstm.text.corpus import CorpusFacts
    from charlstm.text.vocabulary import Vocabulary

    network = Network(NetworkConfig(hidden=hidden), CHARACTERS)
    network.initialise(0)
    vocabulary = Vocabulary(np.arange(CHARACTERS) + 32)
    model = Model(network, vocabulary, TrainingConfig(0), CorpusFacts((), 0, 0, ""))
    steps = decoder.sample_steps(model, "", SamplingConfig(), streams)

    def work(count: int) -> None:
        for _ in range(count):
            next(steps)

    yield work


def torch_sampling(hidden: int, streams: int, processes: int) -> Iterator[Work]:
    """Sample characters from torch.nn.LSTM under inference_mode."""
    import torch

    torch.set_num_threads(processes)
    torch.manual_seed(0)
    lstm, linear = torch.nn.LSTM(CHARACTERS, hidden), torch.nn.Linear(hidden, CHARACTERS)
    one_hot = torch.eye(CHARACTERS)
    state = [torch.zeros(1, streams, hidden), torch.zeros(1, streams, hidden)]
    last = [torch.zeros(streams, dtype=torch.int64)]

    @torch.inference_mode()
    def work(count: int) -> None:
        for _ in range(count):
            h, (state[0], state[1]) = lstm(one_hot[last[0]][None], (state[0], state[1]))
            chances = torch.softmax(linear(h[0]) / 0.8, dim=1)
            last[0] = torch.multinomial(chances, 1)[:, 0]
            last[0].tolist()

    yield work


def main() -> None:
    """Set a contestant up and let it work."""
    name, settings = sys.argv[1], json.loads(sys.argv[2])
    if not name.startswith("torch"):
        os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    (contestant,) = (globals()[name](**settings),)
    work = next(contestant)
    for line in sys.stdin:
        start = time.perf_counter()
        work(int(line))
        print(time.perf_counter() - start, flush=True)
    contestant.close()


if __name__ == "__main__":
    main()
