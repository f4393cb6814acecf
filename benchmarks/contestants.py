"""charlstm as a contestant, its matrix products alone, and the plain loop; the alternatives are in rivals/.

    python contestants.py NAME JSON

sets one up with the settings in JSON and follows orders from stdin; see serving.py. Each contestant has a process of
its own, so that libraries do not share threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import problem
from processors import NUMPY_FEATURES
from serving import PROBED_NUMBERS, PROBED_SIDE, Contestant, measure_speed, serve


def charlstm_training(
    hidden: int, layers: int, seq_len: int, batch: int, processes: int, characters: int = problem.CHARACTERS
) -> Iterator[Contestant]:
    """Take the training steps of `charlstm train`."""
    from charlstm.base.config import TrainingConfig
    from charlstm.network.config import NetworkConfig
    from charlstm.network.network import Network
    from charlstm.text.batches import StreamBatches
    from charlstm.training import trainer
    from charlstm.training.processes import start_processes

    network = Network(NetworkConfig(hidden=hidden, layers=layers), characters)
    load_weights(network, problem.make_weights(hidden, layers, characters))
    streams = StreamBatches(problem.make_text(seq_len, batch, characters), batch, seq_len)
    config = TrainingConfig(
        10**9, batch, seq_len, learning_rate=problem.LEARNING_RATE, warmup=0, decay=False, clip=problem.CLIP
    )

    def job(team: Any) -> Iterator[Any]:
        return trainer.train(network, streams, None, config, team)

    with start_processes(processes, trainer.largest_sum(network, batch), job) as team:
        steps = job(team)
        yield Contestant(_repeat(steps), lambda: [next(steps).loss for _ in range(problem.CHECKED_STEPS)])


def charlstm_documents(
    hidden: int, seq_len: int, batch: int, length: int, total: int, characters: int
) -> Iterator[Contestant]:
    """Take the training steps of `charlstm train` with documents of one length, of about `total` characters in all.

    A unit of work is a predicted character. What a step predicts beyond the units of a turn counts for the next turn.
    """
    from charlstm.base.config import TrainingConfig
    from charlstm.network.config import NetworkConfig
    from charlstm.network.network import Network
    from charlstm.text.batches import DocumentBatches
    from charlstm.training import trainer
    from charlstm.training.processes import start_processes

    network = Network(NetworkConfig(hidden=hidden), characters)
    load_weights(network, problem.make_weights(hidden, 1, characters))
    count = max(2 * batch, total // length)
    ids = np.random.default_rng(0).integers(1, characters, count * (length + 1) + 1).astype(np.uint8)
    ids[:: length + 1] = 0  # the end symbol
    starts = np.arange(count) * (length + 1) + 1
    documents = DocumentBatches(ids, np.stack([starts, starts + length], axis=1), batch, seq_len)
    config = TrainingConfig(10**9, batch, seq_len, learning_rate=problem.LEARNING_RATE, warmup=0, decay=False)

    def job(team: Any) -> Iterator[Any]:
        return trainer.train(network, documents, None, config, team)

    ahead = 0

    def work(units: int) -> None:
        nonlocal ahead
        ahead -= units
        while ahead < 0:
            ahead += next(steps).characters

    with start_processes(1, trainer.largest_sum(network, batch), job) as team:
        steps = job(team)
        yield Contestant(work)


def products(
    hidden: int, layers: int, seq_len: int, batch: int, processes: int, characters: int = problem.CHARACTERS
) -> Iterator[Contestant]:
    """Compute only the matrix products of a training step, in the same shapes and processes."""
    from charlstm.base.parameters import Buffers
    from charlstm.network.matmul import PackedMatrix
    from charlstm.training.processes import start_processes

    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape, dtype=np.float32)

    def job(team: Any) -> Iterator[None]:
        B, T, H, V = len(range(batch)[team.share(batch)]), seq_len, hidden, characters
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
        yield Contestant(_repeat(steps))


def plain_training(hidden: int, layers: int, seq_len: int, characters: int, **_: int) -> Iterator[Contestant]:
    """Take training steps with the plain loop: one layer, one stream, one vector at a time; with Adagrad."""
    import plain

    network = plain.Network(characters, hidden)
    windows = problem.read_windows(seq_len, 1, characters)

    def work(count: int) -> None:
        for _ in range(count):
            ids, targets, _ = next(windows)
            network.learn(ids[:, 0], targets[:, 0])

    yield Contestant(work)


def plain_sampling(hidden: int, **_: int) -> Iterator[Contestant]:
    """Sample characters with the plain loop."""
    import plain

    yield Contestant(plain.Network(problem.CHARACTERS, hidden).sample)


def charlstm_sampling(
    hidden: int, streams: int, processes: int = 1, layers: int = 1, characters: int = problem.CHARACTERS
) -> Iterator[Contestant]:
    """Sample characters as `charlstm sample` does, several texts in parallel."""
    from charlstm.base.config import TrainingConfig
    from charlstm.model.model import Model
    from charlstm.network.config import NetworkConfig
    from charlstm.network.network import Network
    from charlstm.sampling import decoder
    from charlstm.sampling.filters import SamplingConfig
    from charlstm.text.facts import CorpusFacts
    from charlstm.text.vocabulary import Vocabulary

    network = Network(NetworkConfig(hidden=hidden, layers=layers), characters)
    load_weights(network, problem.make_weights(hidden, layers, characters))
    vocabulary = Vocabulary(np.arange(characters) + 32)
    model = Model(network, vocabulary, TrainingConfig(0), CorpusFacts((), 0, 0, ""))
    text = "".join(chr(32 + character) for character in problem.CHECKED_TEXT)
    steps = decoder.sample_steps(model, text, SamplingConfig(temperature=problem.TEMPERATURE), streams)
    yield Contestant(_repeat(steps), lambda: next(steps).logits[-1].tolist())


def load_weights(network: Any, weights: dict[str, Any]) -> None:
    """Copy the weights of the problem into a network."""
    for name, values in weights.items():
        network.parameters[name][...] = values


def _repeat(steps: Iterator[object]) -> Callable[[int], None]:
    def work(count: int) -> None:
        for _ in range(count):
            next(steps)

    return work


def probe() -> dict[str, Any]:
    """Measure NumPy's functions with one thread, and tell which kernels its BLAS chose."""
    rng = np.random.default_rng(0)
    numbers, square = (rng.standard_normal(shape, np.float32) for shape in (PROBED_NUMBERS, (PROBED_SIDE,) * 2))
    out, product = np.empty_like(numbers), np.empty_like(square)
    speed = measure_speed(lambda: np.tanh(numbers, out=out), lambda: np.matmul(square, square, out=product))
    return {"says": f"{name_blas_kernels()}, AVX-512 {'on' if uses_avx512() else 'off'}", **speed}


def uses_avx512() -> bool:
    """Return whether NumPy's functions use AVX-512."""
    try:
        from numpy._core import _multiarray_umath as kernels
    except ImportError:  # NumPy 1
        from numpy.core import _multiarray_umath as kernels
    return any(kernels.__cpu_features__[name] for name in set(kernels.__cpu_dispatch__) & set(NUMPY_FEATURES.split()))


def name_blas_kernels() -> str:
    """Return the processor whose kernels OpenBLAS uses, or an empty string if it does not tell."""
    import ctypes
    from pathlib import Path

    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        library = ctypes.CDLL(next(line.split()[-1] for line in lines if "openblas" in line))
    except (OSError, StopIteration):
        return ""
    for name in ("scipy_openblas_get_corename64_", "openblas_get_corename64_", "openblas_get_corename"):
        if hasattr(library, name):
            tell = getattr(library, name)
            tell.restype = ctypes.c_char_p
            return str(tell().decode())
    return ""


if __name__ == "__main__":
    serve(globals(), probe)
