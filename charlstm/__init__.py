"""A character-level text generator and an inspector of LSTMs, in NumPy.

`charlstm.train` trains a model on text files, and `charlstm.load` reads a model file. Both return a
`charlstm.LanguageModel`, which samples, scores and inspects text. All errors are
subclasses of `charlstm.CharlstmError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from charlstm.base.errors import (
    CharlstmError,
    CheckpointError,
    ConfigError,
    CorpusError,
    SessionError,
    TrainingError,
    UnknownCharacterError,
)

if TYPE_CHECKING:
    from charlstm.api.language_model import LanguageModel, load
    from charlstm.api.training import Progress, TrainingInterrupted, train

__version__ = "0.1.0"
__all__ = [
    "CharlstmError",
    "CheckpointError",
    "ConfigError",
    "CorpusError",
    "LanguageModel",
    "Progress",
    "SessionError",
    "TrainingError",
    "TrainingInterrupted",
    "UnknownCharacterError",
    "__version__",
    "load",
    "train",
]
_MODULES = {
    "LanguageModel": "charlstm.api.language_model",
    "Progress": "charlstm.api.training",
    "TrainingInterrupted": "charlstm.api.training",
    "load": "charlstm.api.language_model",
    "train": "charlstm.api.training",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is used: `charlstm --help` needs none of them, and no NumPy."""
    if name not in _MODULES:
        raise AttributeError(f"module 'charlstm' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
