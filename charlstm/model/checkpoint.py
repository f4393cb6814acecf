"""Model files and run files: one `.npz` each, written without pickle and verified on reading.

A file is an archive of `charlstm.model.archive`, which detects any damage. docs/reference/file-format.md lists its
members:

    metadata            UTF-8 bytes of a JSON object: format, version, network, training, corpus, vocabulary, examples
    layer0/U … output/b the weights, float32 or float16, as in `charlstm.network.weights.weight_shapes`
    history/step …      losses and gradient norms during training
    corpus/documents    hashes of the corpus's documents
    counts/sizes …      if the model holds counts: those of n-grams, and of words
    gradients/layer0/U/rows …  mean squares of the gradients, float32, once training has ended
    run/step …          in a run file: everything else that resuming needs
    run/record          in a run file: UTF-8 bytes of a JSON object, the files and the time of the run
    sha256              32 bytes: the digest of all other members

Every setting and shape is checked before a network is built from it. So a file gives what was saved, or one error.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from charlstm.base.config import (
    TrainingConfig,
    check_number,
    check_string,
    check_text,
    check_whole,
    from_mapping,
    set_fields,
    to_mapping,
)
from charlstm.base.errors import CharlstmError, CheckpointError, ConfigError
from charlstm.base.files import write_file
from charlstm.base.parameters import Array, Parameters, Shapes
from charlstm.base.symbols import END
from charlstm.model import archive, bundled
from charlstm.model.model import History, Model
from charlstm.network.cells import CELLS
from charlstm.network.config import NetworkConfig
from charlstm.network.gradient_squares import factor_shapes
from charlstm.network.network import Network
from charlstm.network.weights import weight_shapes
from charlstm.text.facts import CorpusFacts, Example
from charlstm.text.vocabulary import Vocabulary

FORMAT = "charlstm"
VERSION = 6
FULL, HALF = np.dtype("<f4"), np.dtype("<f2")  # types of the weights in a file
MOST_MOMENTS = 2  # numbers that an optimizer keeps for a weight
OTHER_MEMBERS = 32  # members beside the weights
KEYS_BEFORE = ("network", "training", "corpus", "vocabulary")
# Version → the keys of its metadata.
KEYS = dict.fromkeys((2, 3, 4), KEYS_BEFORE) | {
    5: (*KEYS_BEFORE, "examples"),
    VERSION: (*KEYS_BEFORE, "examples", "counts"),
}
MOST_EXAMPLES = 10
LONGEST_EXAMPLE = 1_000  # characters
GRADIENTS = "gradients/"
FIRST_SURROGATE, LAST_SURROGATE = 0xD800, 0xDFFF

Loaded = TypeVar("Loaded")


class Sums(NamedTuple):
    """Sums since the last report.

    Attributes
    ----------
    loss : float
        Training loss over all characters, in nats.
    characters : float
        Characters predicted.
    gradient_norm : float
        Norm of the gradient before clipping, over the steps.
    steps : float
        Optimizer steps.
    """

    loss: float = 0.0
    characters: float = 0.0
    gradient_norm: float = 0.0
    steps: float = 0.0

    def add(self, loss: float, characters: int, gradient_norm: float) -> Sums:
        """Return the sums with one more step: its mean loss, its characters and its gradient norm."""
        return Sums(
            self.loss + loss * characters,
            self.characters + characters,
            self.gradient_norm + gradient_norm,
            self.steps + 1.0,
        )


class Best(NamedTuple):
    """The weights with the lowest validation loss so far.

    Attributes
    ----------
    weights : (P,) array
        The flat vector; before the first validation these are the newest weights.
    validation_loss : float
        In nats per character; infinite before the first validation.
    validations_since : int
        Validations since then, none of them better.
    step : int
        Steps done at this validation; 0 before the first one. A run file has it in its history.
    """

    weights: Array
    validation_loss: float = math.inf
    validations_since: int = 0
    step: int = 0

    def update(self, weights: Array, validation_loss: float, step: int) -> Best:
        """Return the best after one more validation; the weights are copied if they are better."""
        if validation_loss < self.validation_loss:
            return Best(weights.copy(), validation_loss, 0, step)
        return self._replace(validations_since=self.validations_since + 1)


class RunState(NamedTuple):
    """A training run after a step: everything that is needed to resume it exactly.

    The arrays `weights`, `moments` and `average` are those of the run itself: save or copy them before the next step.

    Attributes
    ----------
    step : int
        Optimizer steps done.
    weights : (P,) array
        The flat vector.
    moments : (M, P) array
        The optimizer's running averages.
    average : (P,) array or None
        The average of the weights; None: the run makes none.
    state : (L, S, B, H) array
        The network's state after the last batch, of all rows.
    sums : Sums
        Losses and gradient norms since the last report.
    best : Best
        The best weights so far.
    """

    step: int
    weights: Array
    moments: Array
    average: Array | None
    state: Array
    sums: Sums
    best: Best


@dataclass(frozen=True)
class RunRecord:
    """What a run file records of its run beside settings and numbers: which files it has, and how long it takes.

    Attributes
    ----------
    model
        Name of the model file; empty: an earlier version wrote the run file, which recorded nothing.
    corpora
        Absolute paths of the text files and folders; empty for a text that was piped in.
    given
        The paths as they were given.
    val
        Absolute path of the file of the validation set; empty: none, or it was piped in.
    encoding
        Encoding of the text files.
    field
        Name of the field of tables that has the texts; empty: the files are texts.
    init_from
        Absolute path of the model that gave the first weights; empty: they were random.
    log
        Absolute path of the log; empty: none.
    workers
        Processes that the user asked for; 0: chosen automatically.
    counts
        Order of the n-gram model that the model file will hold; 0: none.
    time
        Seconds that the run takes; 0: it has a fixed number of steps.
    seconds_left
        Seconds of them that were left at the last save.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range.
    """

    model: str = ""
    corpora: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    val: str = ""
    encoding: str = "utf-8"
    field: str = ""
    init_from: str = ""
    log: str = ""
    workers: int = 0
    counts: int = 0
    time: float = 0.0
    seconds_left: float = 0.0

    def __post_init__(self) -> None:
        lists = {name: getattr(self, name) for name in ("corpora", "given")}
        if not all(isinstance(each, (list, tuple)) for each in lists.values()) or len(self.corpora) != len(self.given):
            raise ConfigError("corpora and given must be lists of paths, of one length")
        set_fields(
            self,
            **{name: tuple(check_text(name, path) for path in paths) for name, paths in lists.items()},
            **{
                name: check_text(name, getattr(self, name))
                for name in ("model", "val", "encoding", "field", "init_from", "log")
            },
            **{name: check_number(name, getattr(self, name), 0.0) for name in ("time", "seconds_left")},
            workers=check_whole("workers", self.workers, 0),
            counts=check_whole("counts", self.counts, 0),
        )


class Run(NamedTuple):
    """A training run that can be resumed.

    Attributes
    ----------
    model : Model
        The model with the newest weights.
    state : RunState
        The run after its last step.
    record : RunRecord
        Its files and its time.
    """

    model: Model
    state: RunState
    record: RunRecord = RunRecord()


class Settings(NamedTuple):
    """What a model file says of its network and its corpus.

    Attributes
    ----------
    network : NetworkConfig
        The hyperparameters of the network.
    facts : CorpusFacts
        Facts about the training corpus.
    """

    network: NetworkConfig
    facts: CorpusFacts


def save(model: Model, path: Path, weights: npt.DTypeLike = FULL) -> None:
    """Write a model file; the same model gives the same bytes.

    Parameters
    ----------
    model
        The model.
    path
        The file.
    weights
        Type of the weights in the file: float32, or float16 for half of the size.

    Raises
    ------
    CharlstmError
        If a weight is beyond the range of the type, or the file cannot be written; its old content is then unchanged.
    """
    write_file(path, partial(archive.write, _model_members(model, weights)))


def load(path: str | PathLike[str]) -> Model:
    """Read a model file.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, of another program or of a later version, or if its content is inconsistent.
    """
    return _load(path, _to_model, "model")


def read_settings(path: str | PathLike[str]) -> Settings:
    """Read what a model file says of its network and its corpus, without its weights, and without checking its digest.

    Raises
    ------
    CheckpointError
        As for `load`, for the part of the file that is read.
    """
    with archive.open_archive(path, "model", "use a copy", dict) as file:
        name, member = archive.read_first(file)
        if name != "metadata":
            raise CheckpointError("it is an archive of another program")
        metadata, _ = _upgrade(archive.to_json(member, FORMAT, KEYS), {})
        network, facts = metadata["network"], metadata["corpus"]
        return Settings(from_mapping(NetworkConfig, network), from_mapping(CorpusFacts, facts))


def save_run(run: Run, path: Path, removed: os.stat_result | None = None) -> None:
    """Write a run file: a model file with the newest weights and with further members, and without counts.

    Parameters
    ----------
    run
        The run.
    path
        The file.
    removed
        A new file gets the permissions and the owner of this earlier one.

    Raises
    ------
    CharlstmError
        If the file cannot be written; its old content is then unchanged.
    """
    write_file(
        path, partial(archive.write, _model_members(replace(run.model, counts=None)) | _run_members(run)), removed
    )


def load_run(path: str | PathLike[str]) -> Run:
    """Read a run file.

    Raises
    ------
    CheckpointError
        As for `load`, or if the file is a model file without the members of a run.
    """
    return _load(path, _to_run, "run file")


def _load(
    path: str | PathLike[str], build: Callable[[Mapping[str, Any], dict[str, Array]], Loaded], kind: str
) -> Loaded:
    """Read a file of a kind, and build what it holds from its metadata and its other members."""
    otherwise = "train it again, or use a copy"
    with archive.open_archive(path, kind, otherwise, partial(bundled.suggest, path), _largest_file) as file:
        members = archive.read(file)
        return build(*_upgrade(archive.to_json(members.pop("metadata"), FORMAT, KEYS), members))


def _upgrade(metadata: dict[str, Any], members: dict[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the metadata and the members of a file of any version under the names of today."""
    for version in range(metadata["version"], VERSION):
        upgrade = import_module(f"charlstm.model.format{version}").upgrade  # only an old file needs it
        metadata, members = upgrade(metadata, members)
    return metadata, members


def _largest_file(member: Array) -> int:
    """Return how many bytes a model file or run file with given metadata has at most."""
    metadata, _ = _upgrade(archive.to_json(member, FORMAT, KEYS), {})
    config, training = (
        from_mapping(NetworkConfig, metadata["network"]),
        from_mapping(TrainingConfig, metadata["training"]),
    )
    shapes = weight_shapes(config, len(_to_vocabulary(metadata["vocabulary"])))
    parameters = sum(map(math.prod, shapes.values()))
    states = len(CELLS[config.cell].states) * config.layers * training.batch_size * config.hidden
    lines = from_mapping(CorpusFacts, metadata["corpus"]).lines
    counts = 0 if metadata["counts"] is None else _counts_file().largest_size(metadata["counts"])
    history = len(History._fields) * (training.steps + 1)
    factors = sum(map(math.prod, factor_shapes(shapes).values()))
    headers = (3 * len(shapes) + OTHER_MEMBERS) * archive.MOST_HEADER
    numbers = (3 + MOST_MOMENTS) * parameters + factors + states  # of float32
    return member.nbytes + archive.MOST_METADATA + 4 * numbers + 8 * (history + lines + 1) + headers + counts


def _counts_file() -> ModuleType:
    """Return the module that stores counts, which few files have."""
    from charlstm.model import counts_file

    return counts_file


def _model_members(model: Model, weights: npt.DTypeLike = FULL) -> dict[str, Array]:
    metadata: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "network": to_mapping(model.network.config),
        "training": to_mapping(model.training),
        "corpus": to_mapping(model.facts),
        "vocabulary": model.vocabulary.code_points.tolist(),
        "examples": [list(example) for example in model.examples],
        "counts": None if model.counts is None else _counts_file().describe(model.counts),
    }
    members = {"metadata": archive.from_json(metadata)}
    with np.errstate(over="ignore"):  # checked here
        blocks = {name: block.astype(weights) for name, block in model.network.parameters.items()}
    if not all(np.isfinite(block).all() for block in blocks.values()):
        raise CharlstmError(f"a weight is beyond the range of {np.dtype(weights)}; store the weights as float32")
    members |= blocks
    members |= {f"history/{name}": column for name, column in model.history._asdict().items()}
    members |= {"corpus/documents": model.hashes}
    if model.gradient_squares is not None:
        members |= {f"{GRADIENTS}{name}": mean.astype("<f4") for name, mean in model.gradient_squares.items()}
    return members if model.counts is None else members | _counts_file().members_of(model.counts)


def _to_model(metadata: Mapping[str, Any], members: dict[str, Array]) -> Model:
    """Return the model of a file; the members of a run are ignored."""
    members = {name: array for name, array in members.items() if not name.startswith("run/")}
    config, vocabulary = from_mapping(NetworkConfig, metadata["network"]), _to_vocabulary(metadata["vocabulary"])
    training = from_mapping(TrainingConfig, metadata["training"])
    if bool(training.documents) != (END in vocabulary):
        raise CheckpointError("its vocabulary has an end symbol without documents, or none with them")
    facts = from_mapping(CorpusFacts, metadata["corpus"])
    if len(facts.labels) != config.labels:
        raise CheckpointError("its network and its corpus have different numbers of labels")
    history = History(*(members.pop(f"history/{name}") for name in History._fields))
    types = [np.int64, *[np.float64] * (len(history) - 1)]
    if [column.dtype for column in history] != types or {column.shape for column in history} != {(len(history.step),)}:
        raise CheckpointError("its history has columns of a wrong type or of different lengths")
    if (np.diff(history.step) < 0).any() or any((column < 0).any() for column in history):
        raise CheckpointError("its history is not in the order of its steps, or has numbers below zero")
    hashes = members.pop("corpus/documents")
    if hashes.dtype != np.uint64 or hashes.ndim != 1 or (hashes[1:] <= hashes[:-1]).any():
        raise CheckpointError("its hashes of documents are not ascending numbers of type uint64")
    counts = metadata["counts"]
    if counts is not None:
        counts = _counts_file().to_counts(counts, members, len(vocabulary), config.labels)
    expected = weight_shapes(config, len(vocabulary))
    squares = _to_gradient_squares(
        {name: members.pop(name) for name in [*members] if name.startswith(GRADIENTS)}, expected
    )
    found = {name: array.shape for name, array in members.items()}
    if found != expected:
        name = sorted(set(found.items()) ^ set(expected.items()))[0][0]
        raise CheckpointError(
            f"array {name} has shape {found.get(name)}, but its settings require {expected.get(name)}"
        )
    network = Network(config, len(vocabulary))
    for name, array in members.items():
        if array.dtype not in (FULL, HALF) or not np.isfinite(array).all():
            raise CheckpointError(f"array {name} does not consist of finite numbers of type float32 or float16")
        network.parameters[name][...] = array
    examples = _to_examples(metadata["examples"], vocabulary, [name for name, _ in facts.labels])
    return Model(network, vocabulary, training, facts, history, hashes, examples, counts, squares)


def _run_members(run: Run) -> dict[str, Array]:
    state, best = run.state, run.state.best
    values: dict[str, Any] = {"step": np.int64(state.step), "moments": state.moments, "state": state.state}
    values |= {} if state.average is None else {"average": state.average}
    values |= {f"sum_{name}": value for name, value in state.sums._asdict().items()}
    values |= {"best_validation_loss": best.validation_loss, "validations_since_best": np.int64(best.validations_since)}
    values |= {"best_weights": best.weights, "record": archive.from_json(to_mapping(run.record))}
    return {f"run/{name}": np.asarray(value) for name, value in values.items()}


def _to_record(member: Array) -> RunRecord:
    """Return the record of a run file."""
    try:
        # A run file from before there were fields and counts records none.
        return from_mapping(RunRecord, {"field": "", "counts": 0} | json.loads(member.tobytes().decode()))
    except (ConfigError, ValueError, TypeError) as error:
        raise CheckpointError("the record of its run is damaged; start the run again without resuming") from error


def _to_vocabulary(code_points: Any) -> Vocabulary:
    """Return a vocabulary from the code points in a file."""
    if not isinstance(code_points, list) or not all(type(point) is int for point in code_points):
        raise CheckpointError("its vocabulary is not a list of code points")
    if any(FIRST_SURROGATE <= point <= LAST_SURROGATE for point in code_points):
        raise CheckpointError("its vocabulary has surrogates, which are no characters")
    return Vocabulary(np.array(code_points, np.int64))


def _to_gradient_squares(members: Mapping[str, Array], shapes: Shapes) -> Parameters | None:
    """Return the mean squares of the gradients in a file, once they are checked; None if it has none."""
    if not members:
        return None
    factors = Parameters(factor_shapes(shapes), np.float32)
    found = {name.removeprefix(GRADIENTS): (array.dtype, array.shape) for name, array in members.items()}
    if found != {name: (factors.flat.dtype, shape) for name, shape in factors.shapes.items()}:
        raise CheckpointError("its mean squares of gradients do not have the shapes that its weights require")
    for name, factor in factors.items():
        factor[...] = members[f"{GRADIENTS}{name}"]
    if not (np.isfinite(factors.flat).all() and (factors.flat >= 0.0).all()):
        raise CheckpointError("its mean squares of gradients are not finite numbers, 0 or more")
    return factors


def _to_examples(pairs: Any, vocabulary: Vocabulary, labels: Collection[str]) -> tuple[Example, ...]:
    """Return the examples in a file, once they are checked against its vocabulary and its labels."""
    is_list = isinstance(pairs, list) and len(pairs) <= MOST_EXAMPLES
    if not is_list or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise CheckpointError(f"its examples are not a list of at most {MOST_EXAMPLES} pairs of a text and a label")
    for text, label in pairs:
        if len(check_string("examples", text, 1)) > LONGEST_EXAMPLE or vocabulary.known(text) != text:
            raise CheckpointError(
                f"an example has more than {LONGEST_EXAMPLE:,} characters, or some that its vocabulary lacks"
            )
        if label not in labels if labels else label is not None:
            raise CheckpointError("an example has another label than its corpus, or none where its corpus has labels")
    return tuple(Example(*pair) for pair in pairs)


def _to_run(metadata: Mapping[str, Any], members: dict[str, Array]) -> Run:
    """Return the run of a file."""
    model = _to_model(metadata, members)
    of_the_run = {name: members[name] for name in sorted(members) if name.startswith("run/")}
    record = of_the_run.pop("run/record", None)
    state = _to_run_state(model, of_the_run)
    if state is None:
        raise CheckpointError("it does not hold a run that can be resumed; start the run again without resuming")
    return Run(model, state, RunRecord() if record is None else _to_record(record))


def _to_run_state(model: Model, members: Mapping[str, Array]) -> RunState | None:
    """Return the state of a run; None if the members do not fit the model."""
    from charlstm.network import optimizers  # only a run needs an optimizer

    flat, config = model.network.parameters.flat, model.training
    layers, states, _, hidden = model.network.zero_state(1).shape
    number, whole = (np.dtype(np.float64), (1,)), (np.dtype(np.int64), (1,))
    expected = {
        "run/step": whole,
        "run/moments": (flat.dtype, optimizers.build_optimizer(config.optimizer, flat).moments.shape),
        **({"run/average": (flat.dtype, flat.shape)} if config.averaging else {}),
        "run/state": (flat.dtype, (layers, states, config.batch_size, hidden)),
        **{f"run/sum_{name}": number for name in Sums._fields},
        "run/best_validation_loss": number,
        "run/validations_since_best": whole,
        "run/best_weights": (flat.dtype, flat.shape),
    }
    if {name: (array.dtype, array.shape) for name, array in members.items()} != expected:
        return None
    if not all(np.isfinite(members[name]).all() for name in expected if name != "run/best_validation_loss"):
        return None
    step, loss, since = (members[f"run/{n}"].item() for n in ("step", "best_validation_loss", "validations_since_best"))
    if step < 0 or since < 0 or math.isnan(loss):
        return None
    return RunState(
        step,
        flat.copy(),
        members["run/moments"],
        members.get("run/average"),
        members["run/state"],
        Sums(*(members[f"run/sum_{name}"].item() for name in Sums._fields)),
        Best(members["run/best_weights"], loss, since, _find_best_step(model.history)),
    )


def _find_best_step(history: History) -> int:
    """Return the step of the first validation with the lowest loss; 0 without validations."""
    validations = history.validations
    return int(validations.step[validations.validation_loss.argmin()]) if validations.step.size else 0
