"""The options of a training run, as the command and Python programs give them."""

from __future__ import annotations

import codecs
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from charlstm.base.config import (
    MOST_EPOCHS,
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
from charlstm.base.errors import ConfigError, Spell, named
from charlstm.base.files import as_path
from charlstm.model import bundled
from charlstm.network.cells import CELLS
from charlstm.network.config import NetworkConfig, activation_functions
from charlstm.text.documents import LINE, STREAM
from charlstm.text.ngrams import MOST_ORDER
from charlstm.training.durations import check_duration

SETTINGS = to_mapping(NetworkConfig()) | to_mapping(TrainingConfig(steps=0))
DEFAULTS: Mapping[str, Any] = {name: value for name, value in SETTINGS.items() if name != "labels"}  # of the corpus
CHOICES: Mapping[str, tuple[str, ...]] = {
    "cell": tuple(CELLS),
    "activation": tuple(activation_functions()),
    "optimizer": OPTIMIZERS,
    "split": tuple(name for name in SPLITS if name not in ("random", "file")),
}
OF_THE_NETWORK = frozenset(to_mapping(NetworkConfig()))
# What the size of the text and the time decide where the user does not: see `recipe.py`.
AUTOMATIC = frozenset(
    {
        *("hidden", "layers", "dropout", "weight_dropout", "forget_bias", "chrono_init"),
        *("steps", "batch_size", "seq_len", "learning_rate", "hold", "workers"),
        *("weight_decay", "tar", "averaging", "clip"),
    }
)
ENCODING = "utf-8"
PATHS = ("init_from", "val", "model", "log", "repeat")
MODELS = ("init_from", "repeat")  # may also be the name of a bundled model


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
        super().__init__(self.text("python"))

    def text(self, place: str, spell: Spell | None = None) -> str:
        """Return the message with every option as a place writes it, with its value."""
        written = {name: (spell or spell_argument)(name, value) for name, value in self.values.items()}
        return self.template.format_map(written)

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


def check_path(name: str, value: Any) -> Path:
    """Return a path, given as a `str` or an `os.PathLike`; raise ConfigError if it is something else."""
    try:
        return as_path(value)
    except ConfigError as error:
        raise ConfigError(f"{named(name)}: {error}") from error


def check_paths(name: str, value: Any) -> tuple[Path, ...]:
    """Return paths, given as one path or as a sequence of them; raise ConfigError if they are something else."""
    one = isinstance(value, (str, os.PathLike)) or not isinstance(value, Sequence) or isinstance(value, bytes)
    return tuple(check_path(name, each) for each in ((value,) if one else value))


def check_encoding(name: str, value: Any) -> str:
    """Return the name of a text encoding; raise ConfigError if Python has none of this name."""
    try:
        "a".encode(codecs.lookup(check_text(name, value, 1)).name)
    except (LookupError, ValueError) as error:
        raise ConfigError(
            f"{named(name)} is {value[:60]!r}, which is no text encoding of Python; utf-8 and latin-1 are two"
            " that it has"
        ) from error
    return str(value)


def check_documents(value: Any) -> str:
    """Return how a text is cut into documents; raise ConfigError if it cannot be."""
    return check_text("documents", value).replace("\r\n", "\n").replace("\r", "\n")  # as the text is read


@dataclass(frozen=True)
class Options:
    """The options of a training run; None: not given.

    Attributes
    ----------
    corpora
        Text files and folders, read as one text; none with `resume`: those of the run.
    time
        Duration of the run: seconds, or a text such as "10m".
    epochs
        Passes over the training text.
    steps
        Optimizer steps.
    val
        File of the validation set.
    init_from
        Model file that gives the first weights.
    encoding
        Encoding of the text files; by default UTF-8, or that of the run to resume.
    field
        Name of the field of tables that has the texts; None: the files are texts.
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
        Longest time between two saves: seconds, or a text such as "10m"; 0: save after every step.
    preview
        Characters to sample after each validation.
    mpi
        True: share every batch among the processes that mpirun started.
    examples
        True: store three short excerpts of the validation set in the model file; a resumed or repeated run keeps those
        of its run. False: store none.
    counts
        Order of the n-gram model of the training set that the model file holds too, 1 to 12; None: it holds none, or
        with `resume` and `repeat` that of the run.
    lines
        True: short for documents="line".

    All other attributes are those of `NetworkConfig` and `TrainingConfig`.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range.
    """

    corpora: tuple[Path, ...] = ()
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
    tar: float | None = None
    averaging: float | None = None
    clip: float | None = None
    patience: int | str | None = None
    validate_every: int | None = None
    init_from: Path | None = None
    documents: str | None = None
    label: str | None = None
    lines: bool | None = None
    curriculum: float | None = None
    split: str | None = None
    val: Path | None = None
    val_fraction: float | None = None
    encoding: str | None = None
    field: str | None = None
    random_seed: int | None = None
    workers: int | None = None
    mpi: bool = False
    examples: bool = True
    counts: int | None = None
    model: Path | None = None
    log: Path | None = None
    force: bool = False
    resume: bool = False
    repeat: Path | None = None
    save_every: float = 120.0
    preview: int = 0

    def __post_init__(self) -> None:
        set_fields(self, **{name: bundled.locate(getattr(self, name)) for name in MODELS})
        set_fields(
            self,
            corpora=check_paths("corpora", self.corpora),
            **{name: check_path(name, getattr(self, name)) for name in PATHS if getattr(self, name) is not None},
            **{name: check_flag(name, getattr(self, name)) for name in ("mpi", "examples", "force", "resume")},
            preview=check_whole("preview", self.preview, 0),
            save_every=check_duration("save_every", self.save_every),
        )
        if self.encoding is not None:
            set_fields(self, encoding=check_encoding("encoding", self.encoding))
        if not (self.corpora or self.resume):
            raise ConfigError("there is no corpus; give a text file or several")
        if self.field is not None:
            set_fields(self, field=check_text("field", self.field, 1))
        if self.epochs is not None:
            set_fields(self, epochs=check_number("epochs", self.epochs, 0.0, MOST_EPOCHS))
        if self.time is not None:
            set_fields(self, time=check_duration("time", self.time, above=True))
        if self.counts is not None:
            set_fields(self, counts=check_whole("counts", self.counts, 1, MOST_ORDER))
        if self.workers is not None:
            set_fields(self, workers=check_whole("workers", self.workers, 1))
        if self.lines is not None:
            lines = LINE if check_flag("lines", self.lines) else STREAM
            if self.documents not in (None, lines):
                raise OptionError(
                    "{lines} and {documents} contradict each other; give one of them", lines=None, documents=None
                )
            set_fields(self, documents=lines)
        if self.documents is not None:
            set_fields(self, documents=check_documents(self.documents))
        given = self.given()
        shape = {name: given.pop(name) for name in OF_THE_NETWORK & set(given)}
        if "cell" not in shape and (self.resume or self.repeat is not None):
            shape.pop("activation", None)  # whether it goes with the cell of that run is checked there
        for names, checked in (
            (set(shape), NetworkConfig(**shape)),
            (set(given), TrainingConfig(**({"steps": 0} | given))),
        ):
            set_fields(self, **{name: getattr(checked, name) for name in names})

    @classmethod
    def of(cls, **values: Any) -> Options:
        """Return options from values as users give them: paths as strings, durations as texts, numbers of NumPy."""
        return cls(**values)

    def given(self) -> dict[str, Any]:
        """Return the settings of the network and of the training that were given, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in named.items() if name in DEFAULTS and value is not None}

    def given_files(self) -> dict[str, Any]:
        """Return the options about files that a run needs again to be repeated, by name."""
        encoding = self.encoding if self.encoding != ENCODING else None
        files = {"val": self.val, "init_from": self.init_from, "encoding": encoding, "field": self.field}
        return {name: value for name, value in files.items() if value is not None}

    @property
    def files(self) -> tuple[Path, ...]:
        """The text files, with that of the validation set at the end."""
        return self.corpora if self.val is None else (*self.corpora, self.val)
