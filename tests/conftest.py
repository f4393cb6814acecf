"""What every test runs under: one thread for the matrix products, and the same generated examples each time."""

import os

for _library in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")  # read once, when numpy is imported

from hypothesis import settings  # noqa: E402

settings.register_profile("suite", derandomize=True, deadline=None, max_examples=25, database=None)
settings.load_profile("suite")
