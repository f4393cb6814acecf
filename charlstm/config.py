"""The settings of a network and of a training run: frozen values, checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, TypeVar

from charlstm.errors import ConfigError

CELLS = ("lstm", "gru", "rnn")
ACTIVATIONS = ("tanh", "relu")
OPTIMIZERS = ("adam", "rmsprop", "sgd")
SPLITS = ("tail", "stripes", "file")

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class NetworkConfig:
    """What a network is; the same values with the same vocabulary give arrays of the same shapes.

    Attributes
    ----------
    cell
        "lstm", "gru" or "rnn".
    activation
        "tanh", or "relu" for the rnn.
    hidden
        Units in a layer (H), 1 or more.
    layers
        Recurrent layers, one above another (L), 1 or more.
    dropout
        Share of a layer's outputs that is zeroed while training, in [0, 1).
    weight_dropout
        Share of the weights W, from the hidden state to itself, that is zeroed while training, in [0, 1).
    forget_bias
        Initial bias of the gate that keeps the memory (f of the lstm, u of the gru; the rnn has none), where
        `chrono_init` is 0.
    chrono_init
        T > 0: the units start with memories of every length up to T characters instead of one and the same.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range, or the activation does not go with the cell.
    """

    cell: str = "lstm"
    activation: str = "tanh"
    hidden: int = 256
    layers: int = 1
    dropout: float = 0.0
    weight_dropout: float = 0.0
    forget_bias: float = 1.0
    chrono_init: int = 0

    def __post_init__(self) -> None:
        _one_of("cell", self.cell, CELLS)
        _one_of("activation", self.activation, ACTIVATIONS)
        if self.activation != "tanh" and self.cell != "rnn":
            raise ConfigError(f"activation {self.activation!r} goes with the rnn only, not with the {self.cell}")
        _whole("hidden", self.hidden, 1)
        _whole("layers", self.layers, 1)
        for name in ("dropout", "weight_dropout"):
            _share(name, getattr(self, name), "nothing would be left")
        _number("forget_bias", self.forget_bias, -math.inf, math.inf)
        _whole("chrono_init", self.chrono_init, 0)


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained.

    Attributes
    ----------
    steps
        Updates of the weights.
    batch_size
        Rows read side by side (B): streams of the corpus, or whole lines.
    seq_len
        Steps (T) through which the gradient runs back, when the corpus is read as streams.
    lines
        True: every line is a text of its own, read whole from a fresh state.
    curriculum
        With `lines`: over how many epochs' worth of steps, at the start, short lines come before long ones.
    optimizer
        "adam", "rmsprop" or "sgd".
    learning_rate
        Peak learning rate.
    warmup
        Steps over which the rate rises from zero to its peak.
    decay
        True: the rate falls to zero along half a cosine; False: it stays.
    hold
        Share of the steps after warm-up, in [0, 1), before the rate begins to fall.
    turns
        Where the length of the run was planned anew while the rate fell: pairs (step, steps), up to which step it fell
        towards how many steps in all. After the last one it falls towards `steps`.
    weight_decay
        Share of every matrix that is taken away in a step, for a learning rate of 1.
    clip
        Largest norm of the whole gradient; 0 clips nothing.
    split
        What is held out: "tail", the end of the text (or lines drawn at random); "stripes", pieces from all over it;
        "file", the last of the files.
    val_fraction
        Share of the corpus held out, in [0, 1), where that is not a file.
    validate_every
        Steps from one validation to the next; 0: a tenth of all.
    patience
        Validations in a row without a better one that end the run; 0: any number.
    random_seed
        Seed of every random stream, 0 or more.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range.
    """

    steps: int
    batch_size: int = 32
    seq_len: int = 64
    lines: bool = False
    curriculum: float = 0.0
    optimizer: str = "adam"
    learning_rate: float = 0.01
    warmup: int = 50
    decay: bool = True
    hold: float = 0.0
    turns: tuple[tuple[int, int], ...] = ()
    weight_decay: float = 0.0
    clip: float = 1.0
    split: str = "tail"
    val_fraction: float = 0.1
    validate_every: int = 0
    patience: int = 0
    random_seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batch_size", "seq_len"):
            _whole(name, getattr(self, name), 1)
        for name in ("steps", "warmup", "validate_every", "patience", "random_seed"):
            _whole(name, getattr(self, name), 0)
        for name in ("lines", "decay"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} is {getattr(self, name)!r}; it must be true or false")
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("split", self.split, SPLITS)
        for name in ("curriculum", "learning_rate", "weight_decay", "clip"):
            _number(name, getattr(self, name), 0.0, math.inf)
        for name, otherwise in (("val_fraction", "nothing would be learnt"), ("hold", "the rate would never fall")):
            _share(name, getattr(self, name), otherwise)
        object.__setattr__(self, "turns", _turns(self.turns, self.steps))


def to_mapping(settings: Any) -> dict[str, Any]:
    """Return the settings as a plain mapping of names to numbers, texts and truth values."""
    return asdict(settings)


def from_mapping(kind: type[Settings], mapping: Mapping[str, Any]) -> Settings:
    """Make settings of a kind from a plain mapping that must name each of them, and nothing else.

    Raises
    ------
    ConfigError
        If a setting is unknown, missing or out of range.
    """
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    for problem, odd in (("unknown", set(mapping) - names), ("missing", names - set(mapping))):
        if odd:
            raise ConfigError(f"{problem} setting {sorted(odd)[0]!r} in {kind.__name__}")
    return kind(**mapping)


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}")


def _whole(name: str, value: Any, least: int) -> None:
    if type(value) is not int or value < least:
        raise ConfigError(f"{name} is {value!r}; it must be a whole number, {least} or more")


def _number(name: str, value: Any, least: float, most: float) -> None:
    if type(value) not in (int, float) or not math.isfinite(value) or not least <= value <= most:
        allowed = "a finite number" if least == -math.inf else f"a number, {least:g} or more"
        raise ConfigError(f"{name} is {value!r}; it must be {allowed}")


def _turns(pairs: Any, steps: int) -> tuple[tuple[int, int], ...]:
    """Return pairs as tuples, once they are found to be turns that a run of so many steps can take."""
    allowed = "pairs of whole numbers (step, steps), each step above those before and none above its steps or the run's"
    turns = tuple(tuple(pair) for pair in pairs) if isinstance(pairs, (list, tuple)) else None
    whole = turns is not None and all(len(turn) == 2 and all(type(n) is int for n in turn) for turn in turns)
    if turns is None or not whole:
        raise ConfigError(f"turns is {pairs!r}; it must be {allowed}")
    places = [0, *(step for step, _ in turns)]
    if any(a >= b for a, b in pairwise(places)) or any(step > min(before, steps) for step, before in turns):
        raise ConfigError(f"turns is {pairs!r}; it must be {allowed}")
    return turns


def _share(name: str, value: Any, otherwise: str) -> None:
    _number(name, value, 0.0, 1.0)
    if value >= 1.0:
        raise ConfigError(f"{name} is {value}; it must be below 1, or {otherwise}")
