"""The settings of a training run and of dynamic evaluation, frozen values; and the checks that all settings share."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, TypeVar

from charlstm.base.errors import ConfigError, did_you_mean, named, show_value
from charlstm.base.symbols import END

OPTIMIZERS = ("adam", "rmsprop", "sgd")
SPLITS = ("tail", "tails", "stripes", "random", "file")
AUTO = "auto"

ADAPT_RATE = 0.005  # chosen on the last tenth of the first nine tenths of tiny Shakespeare

LARGEST = 2**63 - 1
MOST_EPOCHS = 1e9
MOST_AVERAGING = 1e6

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class TrainingConfig:
    """The settings of a training run.

    Attributes
    ----------
    steps
        Optimizer steps.
    batch_size
        Rows of a batch (B): streams of the text, or documents.
    seq_len
        Truncated-BPTT length (T), unless `documents` is "line".
    documents
        "": the text is a stream; "line", "blank-line", "file" or "row": what a document is, which is read from the zero
        state; or the text that separates documents.
    label
        What gives the label of a document: "folder", "file", or "field:" and the name of a field; empty: no labels.
    curriculum
        With `documents`: epochs' worth of steps at the start during which short documents come before long ones.
    optimizer
        "adam", "rmsprop" or "sgd".
    learning_rate
        Peak learning rate.
    warmup
        Steps of linear warm-up from zero to the peak.
    decay
        True: cosine decay of the learning rate to zero; False: it stays at its peak.
    hold
        Fraction of the steps after warm-up, in [0, 1), at the peak learning rate before the decay begins.
    schedule_changes
        Where the clock changed the length of the run during the decay: pairs (step, steps). Up to that step the rate
        fell towards zero at the end of that many steps; after the last pair it falls towards zero at `steps`.
    weight_decay
        Decoupled weight decay: the fraction of every matrix that a step subtracts, divided by the learning rate.
    tar
        Temporal activation regularisation: weight of the mean square of the change of the last layer's outputs h from
        one character to the next, which is added to the loss that training minimises.
    averaging
        Exponent η of the average of the weights, which the model gets: the weights after step s count in proportion to
        s to the power of η, so that the newest part of the run, 2 / (η + 2) of it, counts most; 0: no average, the
        model gets the newest weights.
    clip
        Largest norm of the gradient; 0 disables clipping.
    split
        Validation set: "tail", the end of the text; "tails", the end of each file; "stripes", parts from all over the
        text; "random", a random sample of the documents; "file", the last of the files. Runs of earlier versions have
        "tail" for a random sample of the lines that separates copies.
    val_fraction
        Fraction of the text in the validation set, in [0, 1); unused with "file".
    validate_every
        Steps between two validations; 0: a tenth of all steps.
    patience
        Early stopping: validations in a row without improvement that end the run; 0 disables it. "auto": the run ends
        when half of its steps came after the best validation, but at least two validations.
    random_seed
        Seed of every random stream, 0 or more.
    workers
        Processes that shared every batch; 0: not recorded. Another number rounds differently.
    origin
        Digest of the model that gave the first weights; empty: they were random.
    changed_on_resume
        True: the run was resumed with another number of steps or workers, so that no single run gives its weights.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range.
    """

    steps: int
    batch_size: int = 32
    seq_len: int = 64
    documents: str = ""
    label: str = ""
    curriculum: float = 0.0
    optimizer: str = "adam"
    learning_rate: float = 0.01
    warmup: int = 50
    decay: bool = True
    hold: float = 0.0
    schedule_changes: tuple[tuple[int, int], ...] = ()
    weight_decay: float = 0.0
    tar: float = 0.0
    averaging: float = 0.0
    clip: float = 1.0
    split: str = "tail"
    val_fraction: float = 0.1
    validate_every: int = 0
    patience: int | str = 0
    random_seed: int = 0
    workers: int = 0
    origin: str = ""
    changed_on_resume: bool = False

    def __post_init__(self) -> None:
        at_least_one, at_least_zero = ("batch_size", "seq_len"), ("steps", "warmup", "validate_every")
        whole = dict.fromkeys(at_least_one, 1) | dict.fromkeys((*at_least_zero, "random_seed", "workers"), 0)
        set_fields(
            self,
            **{name: check_whole(name, getattr(self, name), least) for name, least in whole.items()},
            **{name: check_flag(name, getattr(self, name)) for name in ("decay", "changed_on_resume")},
            **{
                name: check_number(name, getattr(self, name), 0.0)
                for name in ("learning_rate", "weight_decay", "tar", "clip")
            },
            averaging=check_number("averaging", self.averaging, 0.0, MOST_AVERAGING),
            curriculum=check_number("curriculum", self.curriculum, 0.0, MOST_EPOCHS),
            **{
                name: check_number(name, getattr(self, name), 0.0, 1.0, below=True) for name in ("hold", "val_fraction")
            },
            optimizer=check_choice("optimizer", self.optimizer, OPTIMIZERS),
            split=check_choice("split", self.split, SPLITS),
            patience=check_patience("patience", self.patience),
            origin=check_text("origin", self.origin),
            documents=check_text("documents", self.documents),
            label=check_text("label", self.label),
            schedule_changes=_check_schedule_changes(self.schedule_changes, self.steps),
        )


@dataclass(frozen=True)
class AdaptConfig:
    """Whether a model goes on learning while it reads, and how fast.

    Attributes
    ----------
    adapt
        True: it does.
    adapt_rate
        Learning rate of the steps.

    Raises
    ------
    ConfigError
        If `adapt` is not True or False, or the rate is not a number above 0.
    """

    adapt: bool = False
    adapt_rate: float = ADAPT_RATE

    def __post_init__(self) -> None:
        if type(self.adapt) is not bool:
            raise ConfigError(
                f"adapt is {show_value(self.adapt)}; it must be True or False, and adapt_rate sets the learning rate"
            )
        set_fields(self, adapt_rate=check_number("adapt_rate", self.adapt_rate, 0.0, above=True))


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
            raise ConfigError(f"{problem} setting {show_value(sorted(odd)[0])} in {kind.__name__}")
    return kind(**mapping)


def set_fields(settings: object, **values: Any) -> None:
    """Set fields of a frozen dataclass while it is made."""
    for name, value in values.items():
        object.__setattr__(settings, name, value)


def check_choice(name: str, value: Any, allowed: Collection[str]) -> str:
    """Return a value that is one of some words; raise ConfigError if it is not."""
    if not isinstance(value, str) or value not in allowed:
        end = did_you_mean(value, allowed) if isinstance(value, str) else ""
        raise ConfigError(f"{named(name)} is {show_value(value)}; it must be one of {', '.join(allowed)}{end}")
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
        raise ConfigError(f"{named(name)} is {show_value(value)}; it must be a whole number, {allowed}")
    return int(value)


def check_patience(name: str, value: Any) -> int | str:
    """Return when a run stops early: a number of validations, 0 or more, or "auto"; else raise ConfigError."""
    if value == AUTO:
        return AUTO
    if isinstance(value, str):
        raise ConfigError(f"{named(name)} is {show_value(value)}; it must be {AUTO}, or a whole number, 0 or more")
    return check_whole(name, value, 0)


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
    number = value if isinstance(value, Integral) or not real else float(value)  # a float16 overflows beside a limit
    if not real or not least <= number <= most or (above and number == least) or (below and number == most):
        low = f"above {least:g}" if above else f"{least:g} or more"
        high = f"below {most:g}" if below else f"at most {most:g}"
        limits = [*[low] * math.isfinite(least), *[high] * math.isfinite(most)]
        allowed = f"a number, {' and '.join(limits)}" if limits else "a finite number"
        if len(limits) == 2 and not above and not below:
            allowed = f"a number from {least:g} to {most:g}"
        raise ConfigError(f"{named(name)} is {show_value(value)}; it must be {allowed}")
    return int(number) if isinstance(number, Integral) else number


def check_flag(name: str, value: Any) -> bool:
    """Return a truth value; raise ConfigError if it is something else."""
    if type(value) is not bool:
        raise ConfigError(f"{named(name)} is {show_value(value)}; it must be True or False")
    return value


def check_text(name: str, value: Any, least: int = 0) -> str:
    """Return a text of at least `least` characters; raise ConfigError if it is no string, or has the end symbol."""
    if END in check_string(name, value, least):
        raise ConfigError(
            f"{named(name)} has the character U+FFFF, which charlstm uses for the end of a document; remove it"
        )
    return str(value)


def check_string(name: str, value: Any, least: int = 0) -> str:
    """Return a string of at least `least` characters; raise ConfigError if it is something else."""
    if not isinstance(value, str) or len(value) < least:
        allowed = "a string" if not least else f"a string of {least} character{'s' * (least != 1)} or more"
        raise ConfigError(f"{named(name)} is {show_value(value)}; it must be {allowed}")
    return value


def check_texts(name: str, value: Any, least: int = 0) -> tuple[str, ...]:
    """Return strings that are given as one or as several; raise ConfigError if they are something else."""
    if not isinstance(value, (str, tuple, list)):
        raise ConfigError(f"{named(name)} is {show_value(value)}; it must be a string, or several in a tuple or list")
    return tuple(check_text(name, each, least) for each in ((value,) if isinstance(value, str) else value))


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the largest float
        return False


def _check_schedule_changes(pairs: Any, steps: int) -> tuple[tuple[int, int], ...]:
    """Return the changes of a schedule as tuples; raise ConfigError if a run of this length cannot have them."""
    allowed = "pairs of whole numbers (step, steps), each step above those before and none above its steps or the run's"
    changes = tuple(tuple(pair) for pair in pairs) if isinstance(pairs, (list, tuple)) else None
    whole = changes is not None and all(len(pair) == 2 and all(type(n) is int for n in pair) for pair in changes)
    if changes is None or not whole:
        raise ConfigError(f"schedule_changes is {show_value(pairs)}; it must be {allowed}")
    places = [0, *(step for step, _ in changes)]
    if any(a >= b for a, b in pairwise(places)) or any(step > min(before, steps) for step, before in changes):
        raise ConfigError(f"schedule_changes is {show_value(pairs)}; it must be {allowed}")
    return changes
