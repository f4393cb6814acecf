"""A plain loop in C, `lstm.c`, compiled with `gcc -O3 -march=native`."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import problem
from serving import Contestant, serve

COMPILER = "gcc"
MARCH = "BENCH_MARCH"  # environment variable: the processor to compile for
SEED = 88172645463325252


class Network(ctypes.Structure):
    """The struct of lstm.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in "HV"),
        *((name, ctypes.POINTER(ctypes.c_float)) for name in ("U", "W", "b", "W_out", "b_out", "h", "c", "z")),
    )


def compile_library(folder: str) -> Any:
    """Compile lstm.c into a folder and load it."""
    if shutil.which(COMPILER) is None:
        raise FileNotFoundError(f"{COMPILER} is not installed")
    library = Path(folder, "lstm.so")
    march = os.environ.get(MARCH, "native")
    source = Path(__file__).with_name("lstm.c")
    options = ("-O3", f"-march={march}", "-shared", "-fPIC", "-o", library, source, "-lm")
    subprocess.run([COMPILER, *options], check=True)
    return ctypes.CDLL(str(library))


def sampling(hidden: int, streams: int = 1, processes: int = 1) -> Iterator[Contestant]:
    """Sample characters of one text."""
    H, V = hidden, problem.CHARACTERS
    weights = problem.make_weights(H, 1, V)
    names = {"U": "layer0/U", "W": "layer0/W", "b": "layer0/b", "W_out": "output/W", "b_out": "output/b"}
    arrays = {name: weights[where] for name, where in names.items()}
    arrays |= {name: np.zeros(size, np.float32) for name, size in (("h", H), ("c", H), ("z", 4 * H))}
    network = Network(H, V, *map(_pointer, arrays.values()))
    logits, random, last = np.zeros(V, np.float32), ctypes.c_uint64(SEED), 0
    with tempfile.TemporaryDirectory() as folder:
        library = compile_library(folder)

        def check() -> list[float]:
            for character in problem.CHECKED_TEXT:
                library.read_character(ctypes.byref(network), character, _pointer(logits))
            return logits.tolist()

        def work(count: int) -> None:
            nonlocal last
            temperature = ctypes.c_float(problem.TEMPERATURE)
            state = (ctypes.byref(random), _pointer(logits))
            last = library.sample(ctypes.byref(network), last, ctypes.c_int64(count), temperature, *state)

        yield Contestant(work, check)


def _pointer(array: Any) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_float))


if __name__ == "__main__":
    serve(globals(), dict)
