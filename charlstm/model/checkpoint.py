"""Model files: one `.npz`, written without pickle and never trusted when read.

A file is an archive of `charlstm.model.archive`, which finds any damage, with these members:

    metadata            UTF-8 bytes of a JSON object: format, version, network, training, corpus, vocabulary
    layer0/U … output/b the weights, float32, as in `charlstm.network.weights.weight_shapes`
    history/step …      the loss history
    sha256              32 bytes: the digest of all members above

Every setting and shape is checked before a network is made of it. So whatever happened to a file, it either gives what
was saved or one error.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from charlstm.config import TrainingConfig, from_mapping, to_mapping
from charlstm.errors import CheckpointError
from charlstm.model import archive
from charlstm.model.files import replace_atomically
from charlstm.model.model import History, Model
from charlstm.network.config import NetworkConfig
from charlstm.network.network import Network
from charlstm.network.weights import weight_shapes
from charlstm.parameters import Array
from charlstm.text.corpus import CorpusFacts
from charlstm.text.vocabulary import Vocabulary

FORMAT = "charlstm"
VERSION = 2


class RunState(NamedTuple):
    """Where a run stands after a step: all that is needed to go on as if it had never stopped.

    The arrays are those of the run itself: save or copy them before the next step.

    Attributes
    ----------
    step : int
        Updates done.
    weights : (P,) array
        The flat vector.
    moments : (M, P) array
        The optimizer's running averages.
    carried : (L, S, B, H) array
        The state after the last batch, of all rows.
    sums : (4,) float64 array
        Since the last report: loss summed over characters, characters, gradient norms summed over steps, steps.
    judged : (2,) float64 array
        The least loss on the held-out part so far, infinite before the first, and validations since then.
    """

    step: int
    weights: Array
    moments: Array
    carried: Array
    sums: Array
    judged: Array


class Run(NamedTuple):
    """A run of training that can be gone on with.

    Attributes
    ----------
    model : Model
        With the newest weights.
    standing : RunState
        Where it stands.
    best : (P,) array
        The weights that predicted the held-out part best so far, or the newest where nothing is held out.
    """

    model: Model
    standing: RunState
    best: Array


def save(model: Model, path: Path) -> None:
    """Write a model file; the same model gives the same bytes.

    Raises
    ------
    CharlstmError
        If the file cannot be written; what stood there is then unchanged.
    """
    replace_atomically(path, partial(archive.write, _arrays(model)))


def load(path: Path) -> Model:
    """Read a model file.

    Raises
    ------
    CheckpointError
        If it is missing, damaged, not ours, of a later version, or its content does not fit together.
    """
    return _load(path)[0]


def _load(path: Path) -> tuple[Model, dict[str, Array]]:
    """Read a file; return its model and what else resuming needs, if that is there."""
    otherwise, missing = "train it again, or use a copy", "train one first, or name another with -m"
    with archive.distrusted(path, "model", otherwise, missing), path.open("rb") as file:
        arrays = archive.read(file)
        more = {name: arrays.pop(name) for name in sorted(arrays) if name.startswith("run/")}
        names = {"network", "training", "corpus", "vocabulary"}
        return _model(archive.to_json(arrays.pop("metadata"), FORMAT, VERSION, names), arrays), more


def save_run(run: Run, path: Path) -> None:
    """Write all that resuming a run needs: a model file, whose weights are the newest, with more members.

    Raises
    ------
    CharlstmError
        If the file cannot be written; what stood there is then unchanged.
    """
    standing = run.standing._asdict()
    del standing["weights"]
    more = {f"run/{name}": np.asarray(array) for name, array in standing.items()}
    replace_atomically(path, partial(archive.write, _arrays(run.model) | more | {"run/best": run.best}))


def load_run(path: Path) -> Run:
    """Read what `save_run` wrote.

    Raises
    ------
    CheckpointError
        As for `load`, or if it is a model file without the rest.
    """
    from charlstm.network import optimizers  # a model that is only read needs no optimizer

    model, more = _load(path)
    flat, network, training = model.network.parameters.flat, model.network, model.training
    rows = more["run/carried"].shape[2:3] if "run/carried" in more else (0,)
    wanted = {
        "run/best": (flat.dtype, flat.shape),
        "run/carried": (flat.dtype, network.zero_state(*rows).shape),
        "run/judged": (np.dtype(np.float64), (2,)),
        "run/moments": (flat.dtype, optimizers.build_optimizer(training.optimizer, flat).moments.shape),
        "run/step": (np.dtype(np.int64), (1,)),
        "run/sums": (np.dtype(np.float64), (4,)),
    }
    sound = {name: (array.dtype, array.shape) for name, array in more.items()} == wanted
    if not sound or not all(np.isfinite(more[name]).all() for name in wanted if name != "run/judged"):
        raise CheckpointError(f"{path} does not hold where a run stands; start again without --resume")
    step, best = int(more.pop("run/step")[0]), more.pop("run/best")
    rest = {name.removeprefix("run/"): array for name, array in more.items()}
    return Run(model, RunState(step=step, weights=flat.copy(), **rest), best)


def _arrays(model: Model) -> dict[str, Array]:
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "network": to_mapping(model.network.config),
        "training": to_mapping(model.training),
        "corpus": to_mapping(model.facts),
        "vocabulary": model.vocabulary.code_points.tolist(),
    }
    arrays = {"metadata": archive.from_json(metadata)}
    arrays |= {name: block.astype("<f4") for name, block in model.network.parameters.items()}
    arrays |= {f"history/{name}": column for name, column in model.history._asdict().items()}
    return arrays | {"corpus/lines": model.lines}


def _model(metadata: Mapping[str, Any], arrays: dict[str, Array]) -> Model:
    config = from_mapping(NetworkConfig, metadata["network"])
    vocabulary = Vocabulary(np.array(metadata["vocabulary"]))
    wanted = weight_shapes(config, len(vocabulary))
    history = History(*(arrays.pop(f"history/{name}") for name in History._fields))
    kinds = [np.int64, *[np.float64] * (len(history) - 1)]
    if [column.dtype for column in history] != kinds or len({column.shape for column in history}) != 1:
        raise CheckpointError("its loss history is malformed")
    lines = arrays.pop("corpus/lines")
    if lines.dtype != np.uint64 or lines.ndim != 1 or (lines[1:] <= lines[:-1]).any():
        raise CheckpointError("its list of lines is malformed")
    found = {name: array.shape for name, array in arrays.items()}
    if found != wanted:
        name = sorted(set(found.items()) ^ set(wanted.items()))[0][0]
        raise CheckpointError(f"array {name} has shape {found.get(name)}, and its settings ask for {wanted.get(name)}")
    network = Network(config, len(vocabulary))
    for name, array in arrays.items():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise CheckpointError(f"array {name} is not made of finite float32 numbers")
        network.parameters[name][...] = array
    training = from_mapping(TrainingConfig, metadata["training"])
    return Model(network, vocabulary, training, from_mapping(CorpusFacts, metadata["corpus"]), history, lines)
