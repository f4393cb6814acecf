"""Two kinds of processor: with AVX-512, and without it. One with AVX-512 can run every contestant without it.

The restriction is a set of environment variables, because libraries choose their kernels when they are loaded.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

WITH, WITHOUT = "avx512", "no-avx512"
TITLES = {WITH: "with AVX-512", WITHOUT: "without AVX-512"}
NUMPY_FEATURES = (
    "X86_V4 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"  # those of NumPy 1.24 to 2.4
)
RESTRICTIONS = {
    "NPY_DISABLE_CPU_FEATURES": NUMPY_FEATURES,
    "OPENBLAS_CORETYPE": "Haswell",
    "ATEN_CPU_CAPABILITY": "avx2",  # torch, and the code that torch.compile generates
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    # JAX, and Keras on top of it. YNNPACK, which multiplies for them, does not follow the first flag; the second one
    # leaves products to the code that XLA generates, which is as fast as OpenBLAS.
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2 --xla_cpu_experimental_ynn_fusion_type=",
    "BENCH_MARCH": "haswell",  # rivals/c_lstm.py
}
ONE_THREAD_OF_XLA = "--xla_cpu_multi_thread_eigen=false"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC", "PJRT_NPROC")  # the last two are for JAX


def kinds_here() -> tuple[str, ...]:
    """Return the kinds of processor that this machine can be."""
    return (WITH, WITHOUT) if has_avx512() else (WITHOUT,)


def has_avx512() -> bool:
    """Return whether this processor has AVX-512 and the system tells so."""
    try:
        return "avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False


def environment(kind: str, threads: int, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of a contestant.

    Parameters
    ----------
    kind
        A kind of processor that this machine can be.
    threads
        Threads that libraries may use.
    base
        The environment of this process; its own restrictions are left out.

    Examples
    --------
    >>> "OPENBLAS_CORETYPE" in environment("avx512", 1, {"OPENBLAS_CORETYPE": "Haswell"})
    False
    """
    result = {name: value for name, value in base.items() if name not in RESTRICTIONS}
    if kind == WITHOUT and has_avx512():
        result |= RESTRICTIONS
    if threads == 1:
        result["XLA_FLAGS"] = f"{result.get('XLA_FLAGS', '')} {ONE_THREAD_OF_XLA}".strip()
    result |= {name: str(threads) for name in THREADS}
    return result | {"OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}


def processor_name() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
