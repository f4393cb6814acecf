"""What every test runs under: one thread for the matrix products, and the same generated examples each time."""

import os
import signal
from collections.abc import Callable
from importlib.util import find_spec

for _library in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")  # read once, when numpy is imported

import pytest  # noqa: E402
from browser import browser, opened, read_in_page  # noqa: E402, F401 - fixtures
from hypothesis import settings  # noqa: E402

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a background job, and by its children
settings.register_profile("suite", derandomize=True, deadline=None, max_examples=25, database=None)
settings.load_profile("suite")


COUNTED = "counted"
# Windows has no pseudo-terminals, in which these tests type.
collect_ignore = [
    f"test_{name}.py"
    for name in ("cli", "completion", "interactive", "survival", "terminal")
    if find_spec("termios") is None
]


def pytest_xdist_auto_num_workers() -> int:
    """Return one process more than there are cores, since many tests wait for a command or a browser."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture
def counted(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Return what tells, at the end of the suite, how much a test has tried."""
    return lambda line: record_property(COUNTED, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the tests have counted, whichever process they ran in."""
    passed = terminalreporter.getreports("passed")
    lines = [line for report in passed for name, line in report.user_properties if name == COUNTED]
    if lines:
        terminalreporter.section(COUNTED)
        for line in lines:
            terminalreporter.line(line)
