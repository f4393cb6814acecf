"""The options of a training run, as the command and Python programs give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from charlstm.base.config import (
    OPTIMIZERS,
    SPLITS,
    TrainingConfig,
    check_flag,
    check_number,
    check_text,
    check_whole,
    set_fields,
    to_mapping,
)
from charlstm.base.errors import ConfigError
from charlstm.network.cells import CELLS
from charlstm.network.config import NetworkConfig, activation_functions

DEFAULTS: Mapping[str, Any] = to_mapping(NetworkConfig()) | to_mapping(TrainingConfig(steps=0))
CHOICES: Mapping[str, tuple[str, ...]] = {
    "cell": tuple(CELLS),
    "activation": tuple(activation_functions()),
    "optimizer": OPTIMIZERS,
    "split": tuple(name for name in SPLITS if name != "file"),
}
OF_THE_NETWORK = frozenset(to_mapping(NetworkConfig()))
# What the size of the text and the time decide where the user does not: see `recipe.py`.
AUTOMATIC = frozenset(
    {
        *("hidden", "layers", "dropout", "weight_dropout", "forget_bias", "chrono_init"),
        *("steps", "batch_size", "seq_len", "learning_rate", "weight_decay", "hold", "workers"),
    }
)


class OptionError(ConfigError):
    """An option contradicts another one, or a run that it is meant to continue.

    Parameters
    ----------
    template
        The message, with names of options in braces.
    values
        Value of each option that the template names; None: the message needs only its name.
    """

    def __init__(self, template: str, **values: Any) -> None:
        self.template = template
        self.values = values
        super().__init__(self.format(spell_argument))

    def format(self, spell: Callable[[str, Any], str]) -> str:
        """Return the message with every option spelt by a function of its name and value."""
        return self.template.format_map({name: spell(name, value) for name, value in self.values.items()})

    def __reduce__(self) -> tuple[Any, ...]:
        """Let processes exchange the error."""
        return _rebuild, (self.template, self.values)


def _rebuild(template: str, values: dict[str, Any]) -> OptionError:
    return OptionError(template, **values)


def literal(text: object) -> str:
    """Return a text for a template of `OptionError`, with its own braces escaped."""
    return str(text).replace("{", "{{").replace("}", "}}")


def spell_argument(name: str, value: Any) -> str:
    """Return an option as a Python program writes it."""
    return name if value is None else f"{name}={value!r}"


@dataclass(frozen=True)
class Options:
    """The options of a training run; None: not given.

    Attributes
    ----------
    corpora
        Text files, read as one text.
    time
        Seconds that the run takes.
    epochs
        Passes over the training text.
    steps
        Optimizer steps.
    val
        File of the validation set.
    init_from
        Model file that gives the first weights.
    encoding
        Encoding of the text files.
    model
        Model file to write; None: write none.
    log
        Log file to write.
    force
        True: replace existing files.
    resume
        True: resume the run of `model`.
    repeat
        Model file whose run is repeated.
    save_every
        Most seconds between two saves.
    preview
        Characters to sample after each validation.
    mpi
        True: share every batch among the processes that mpirun started.

    All other attributes are those of `NetworkConfig` and `TrainingConfig`.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range.
    """

    corpora: tuple[Path, ...]
    time: float | None = None
    epochs: float | None = None
    steps: int | None = None
    cell: str | None = None
    activation: str | None = None
    hidden: int | None = None
    layers: int | None = None
    dropout: float | None = None
    weight_dropout: float | None = None
    forget_bias: float | None = None
    chrono_init: int | None = None
    batch_size: int | None = None
    seq_len: int | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    warmup: int | None = None
    decay: bool | None = None
    hold: float | None = None
    weight_decay: float | None = None
    clip: float | None = None
    patience: int | None = None
    validate_every: int | None = None
    init_from: Path | None = None
    lines: bool | None = None
    curriculum: float | None = None
    split: str | None = None
    val: Path | None = None
    val_fraction: float | None = None
    encoding: str = "utf-8"
    random_seed: int | None = None
    workers: int | None = None
    mpi: bool = False
    model: Path | None = None
    log: Path | None = None
    force: bool = False
    resume: bool = False
    repeat: Path | None = None
    save_every: float = 120.0
    preview: int = 0

    def __post_init__(self) -> None:
        if not self.corpora:
            raise ConfigError("there is no corpus; give a text file or several")
        set_fields(self, preview=check_whole("preview", self.preview, 0))
        set_fields(self, save_every=check_number("save_every", self.save_every, 0.0))
        set_fields(self, **{name: check_flag(name, getattr(self, name)) for name in ("mpi", "force", "resume")})
        check_text("encoding", self.encoding, 1)
        if self.epochs is not None:
            check_number("epochs", self.epochs, 0.0)
        if self.time is not None:
            check_number("time", self.time, 0.0, above=True)
        if self.workers is not None:
            check_whole("workers", self.workers, 1)
        given = self.given()
        shape = {name: given.pop(name) for name in OF_THE_NETWORK & set(given)}
        if "cell" not in shape and (self.resume or self.repeat is not None):
            shape.pop("activation", None)  # whether it goes with the cell of that run is checked there
        NetworkConfig(**shape)
        TrainingConfig(**({"steps": 0} | given))

    def given(self) -> dict[str, Any]:
        """Return the settings of the network and of the training that were given, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in named.items() if name in DEFAULTS and value is not None}

    def given_files(self) -> dict[str, Any]:
        """Return the options about files that a run needs again to be repeated, by name."""
        encoding = self.encoding if self.encoding != Options.encoding else None
        files = {"val": self.val, "init_from": self.init_from, "encoding": encoding}
        return {name: value for name, value in files.items() if value is not None}

    @property
    def files(self) -> tuple[Path, ...]:
        """The text files, with that of the validation set at the end."""
        return self.corpora if self.val is None else (*self.corpora, self.val)
