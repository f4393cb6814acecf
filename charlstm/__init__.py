"""A character-level text generator and a window into an LSTM, in NumPy.

`charlstm.load` returns a model file as a `charlstm.LanguageModel`, which samples, scores and traces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charlstm.api import LanguageModel as LanguageModel
    from charlstm.api import load as load

__version__ = "0.1.0"
__all__ = ["LanguageModel", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: `charlstm --help` needs none of it, and no NumPy."""
    if name not in ("LanguageModel", "load"):
        raise AttributeError(f"module 'charlstm' has no attribute {name!r}")
    from charlstm import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
