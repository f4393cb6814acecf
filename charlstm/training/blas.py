"""The threads of NumPy's BLAS.

Training uses one thread per process: threads of a BLAS wait for each other, so that beside another busy process a step
can take fifty times as long. And the number of threads can change the last bits of a product.

NumPy offers no function for this, and it reads the variables that set the number only once, when it is imported. So
this calls the function of the library that NumPy has loaded.
"""

from __future__ import annotations

import ctypes
import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

# How OpenBLAS, MKL, BLIS and Accelerate name the functions that set and get the number of threads. NumPy's own builds
# of OpenBLAS add a prefix, and a suffix for 64-bit integers. For Accelerate 1 means one thread, and 0 any number.
FUNCTIONS = (
    *(
        (f"{prefix}openblas_set_num_threads{suffix}", f"{prefix}openblas_get_num_threads{suffix}")
        for prefix in ("scipy_", "")
        for suffix in ("64_", "_64", "")
    ),
    ("MKL_Set_Num_Threads", "MKL_Get_Max_Threads"),
    ("bli_thread_set_num_threads", "bli_thread_get_num_threads"),
    ("BLASSetThreading", "BLASGetThreading"),
)


class Threads(NamedTuple):
    """The functions of a BLAS that set and get its number of threads."""

    set: Callable[[int], object]
    get: Callable[[], int]


@contextmanager
def limit_threads() -> Iterator[bool]:
    """Limit NumPy's BLAS to one thread, and restore its number of threads at the end; yield whether that worked."""
    threads = find_threads()
    if threads is None:
        yield False
        return
    before = threads.get()
    threads.set(1)
    try:
        yield True
    finally:
        threads.set(before)


def find_threads() -> Threads | None:
    """Return the functions of the BLAS that NumPy has loaded; None if there is no known BLAS."""
    for path in _candidates():
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for set_name, get_name in FUNCTIONS:
            if hasattr(library, set_name) and hasattr(library, get_name):
                setter, getter = getattr(library, set_name), getattr(library, get_name)
                setter.argtypes, setter.restype, getter.restype = [ctypes.c_int], None, ctypes.c_int
                return Threads(setter, getter)
    return None


def _candidates() -> Iterator[Path]:
    """Yield the extension module of NumPy that uses the BLAS, and the libraries that are installed with NumPy.

    A function of the BLAS is found through the extension module, because that is linked to it; Windows looks only into
    the library itself.
    """
    extension = Path(str(importlib.import_module("numpy.linalg._umath_linalg").__file__))
    yield extension
    if os.name == "nt":
        yield from extension.parents[2].glob("numpy.libs/*openblas*.dll")
