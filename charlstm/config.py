"""The settings of a training run, a frozen value; and the checks of values that all settings share."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, TypeVar

from charlstm.errors import ConfigError, did_you_mean

OPTIMIZERS = ("adam", "rmsprop", "sgd")
SPLITS = ("tail", "stripes", "file")

LARGEST = 2**63 - 1
SHOWN = 60

Settings = TypeVar("Settings")


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
        whole = {"steps": 0, "batch_size": 1, "seq_len": 1, "warmup": 0, "validate_every": 0, "patience": 0}
        set_fields(
            self,
            **{name: check_whole(name, getattr(self, name), least) for name, least in whole.items()},
            **{name: check_flag(name, getattr(self, name)) for name in ("lines", "decay")},
            **{
                name: check_number(name, getattr(self, name), 0.0)
                for name in ("curriculum", "learning_rate", "weight_decay", "clip")
            },
            **{
                name: check_number(name, getattr(self, name), 0.0, 1.0, below=True) for name in ("hold", "val_fraction")
            },
            optimizer=check_choice("optimizer", self.optimizer, OPTIMIZERS),
            split=check_choice("split", self.split, SPLITS),
            random_seed=check_whole("random_seed", self.random_seed, 0),
            turns=_turns(self.turns, self.steps),
        )


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


def set_fields(settings: object, **values: Any) -> None:
    """Set fields of a frozen dataclass while it is made."""
    for name, value in values.items():
        object.__setattr__(settings, name, value)


def check_choice(name: str, value: Any, allowed: Collection[str]) -> str:
    """Return a value that is one of some words; raise ConfigError if it is not."""
    if not isinstance(value, str) or value not in allowed:
        end = did_you_mean(value, allowed) if isinstance(value, str) else ""
        raise ConfigError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}{end}")
    return value


def check_whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return a whole number as an `int`; raise ConfigError if it is not one or is out of range.

    Parameters
    ----------
    name
        Name of the setting, for the error.
    value
        A Python or NumPy integer.
    least, most
        Ends of the range; the largest `most` is 2⁶³ − 1, which is also the default.
    """
    sound = isinstance(value, Integral) and not isinstance(value, bool)
    if not sound or not least <= value <= (LARGEST if most is None else most):
        allowed = (
            f"{least} or more" if most is None and not (sound and value > LARGEST) else f"{least} to {most or LARGEST}"
        )
        raise ConfigError(f"{name} is {_show(value)}; it must be a whole number, {allowed}")
    return int(value)


def check_number(
    name: str, value: Any, least: float = -math.inf, most: float = math.inf, *, above: bool = False, below: bool = False
) -> float:
    """Return a finite number as a Python number; raise ConfigError if it is not one or is out of range.

    Parameters
    ----------
    name
        Name of the setting, for the error.
    value
        A Python or NumPy number.
    least, most
        Ends of the range.
    above, below
        True: the value must differ from `least`, from `most`.
    """
    real = isinstance(value, Real) and not isinstance(value, bool) and _is_finite(value)
    if not real or not least <= value <= most or (above and value == least) or (below and value == most):
        low = f"above {least:g}" if above else f"{least:g} or more"
        high = f"below {most:g}" if below else f"at most {most:g}"
        limits = [*[low] * math.isfinite(least), *[high] * math.isfinite(most)]
        allowed = f"a number, {' and '.join(limits)}" if limits else "a finite number"
        if len(limits) == 2 and not above and not below:
            allowed = f"a number from {least:g} to {most:g}"
        raise ConfigError(f"{name} is {_show(value)}; it must be {allowed}")
    return int(value) if isinstance(value, Integral) else float(value)


def check_flag(name: str, value: Any) -> bool:
    """Return a truth value; raise ConfigError if it is something else."""
    if type(value) is not bool:
        raise ConfigError(f"{name} is {_show(value)}; it must be True or False")
    return value


def check_text(name: str, value: Any, least: int = 0) -> str:
    """Return a string of at least `least` characters; raise ConfigError if it is something else."""
    if not isinstance(value, str) or len(value) < least:
        allowed = "a string" if not least else f"a string of {least} character{'s' * (least != 1)} or more"
        raise ConfigError(f"{name} is {_show(value)}; it must be {allowed}")
    return value


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the largest float
        return False


def _show(value: Any) -> str:
    """Return a value as an error shows it, shortened where it is long."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return f"a number of {len(str(abs(value))) if abs(value) < 10**4000 else 'thousands of'} digits"
    shown = repr(value.item() if hasattr(value, "item") and getattr(value, "size", 2) == 1 else value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"


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
