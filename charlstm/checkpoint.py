"""Model files: one `.npz`, written without pickle and never trusted when read.

A file is a zip archive of `.npy` members, not compressed, so that `numpy.load` alone can read it:

    metadata            UTF-8 bytes of a JSON object: format, version, network, training, corpus, vocabulary
    layer0/U … output/b the weights, float32, as in `charlstm.network.shapes`
    history/step …      the loss history
    sha256              32 bytes: the digest of all members above

Reading takes every member whole, checks the archive's own CRC-32, compares the SHA-256 of what was read with the one
that was written, and checks every setting and shape before a network is made of it. So whatever happened to a file,
it either gives what was saved or one error.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from charlstm import optimizers
from charlstm.config import NetworkConfig, TrainingConfig, from_mapping, to_mapping
from charlstm.corpus import CorpusFacts
from charlstm.errors import CharlstmError, CheckpointError
from charlstm.files import replace_atomically
from charlstm.model import History, Model
from charlstm.network import Network, shapes
from charlstm.parameters import Array
from charlstm.trainer import Standing
from charlstm.vocabulary import Vocabulary

FORMAT = "charlstm"
VERSION = 2
DIGEST = "sha256"
EPOCH = (1980, 1, 1, 0, 0, 0)

Parts = tuple[bytes | memoryview, ...]


class Run(NamedTuple):
    """A run of training that can be gone on with.

    Attributes
    ----------
    model : Model
        With the newest weights.
    standing : Standing
        Where it stands.
    best : (P,) array
        The weights that predicted the held-out part best so far, or the newest where nothing is held out.
    """

    model: Model
    standing: Standing
    best: Array


def save(model: Model, path: Path) -> None:
    """Write a model file; the same model gives the same bytes.

    Raises
    ------
    CharlstmError
        If the file cannot be written; what stood there is then unchanged.
    """
    replace_atomically(path, partial(_write, _arrays(model)))


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
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no model at {path}; train one first, or name another with -m") from error
    except OSError as error:
        raise CheckpointError(f"cannot read the model {path}: {error.strerror or error}") from error
    try:
        with file:
            return _from_file(file)
    except CharlstmError as error:
        raise CheckpointError(f"{path} is no model that this charlstm can use: {error}") from error
    except Exception as error:  # a broken archive raises nearly anything; none of it may pass as a model
        raise CheckpointError(
            f"{path} is not a charlstm model, or is damaged ({type(error).__name__}); train it again, or use a copy"
        ) from error


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
    replace_atomically(path, partial(_write, _arrays(run.model) | more | {"run/best": run.best}))


def load_run(path: Path) -> Run:
    """Read what `save_run` wrote.

    Raises
    ------
    CheckpointError
        As for `load`, or if it is a model file without the rest.
    """
    model, more = _load(path)
    flat, network, training = model.network.parameters.flat, model.network, model.training
    rows = more["run/carried"].shape[2:3] if "run/carried" in more else (0,)
    wanted = {
        "run/best": (flat.dtype, flat.shape),
        "run/carried": (flat.dtype, network.fresh_state(*rows).shape),
        "run/judged": (np.dtype(np.float64), (2,)),
        "run/moments": (flat.dtype, optimizers.make(training.optimizer, flat).moments.shape),
        "run/step": (np.dtype(np.int64), (1,)),
        "run/sums": (np.dtype(np.float64), (4,)),
    }
    sound = {name: (array.dtype, array.shape) for name, array in more.items()} == wanted
    if not sound or not all(np.isfinite(more[name]).all() for name in wanted if name != "run/judged"):
        raise CheckpointError(f"{path} does not hold where a run stands; start again without --resume")
    step, best = int(more.pop("run/step")[0]), more.pop("run/best")
    rest = {name.removeprefix("run/"): array for name, array in more.items()}
    return Run(model, Standing(step=step, weights=flat.copy(), **rest), best)


def _arrays(model: Model) -> dict[str, Array]:
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "network": to_mapping(model.network.config),
        "training": to_mapping(model.training),
        "corpus": to_mapping(model.facts),
        "vocabulary": model.vocabulary.code_points.tolist(),
    }
    arrays: dict[str, Array] = {"metadata": np.frombuffer(json.dumps(metadata).encode(), np.uint8)}
    arrays |= {name: block.astype("<f4") for name, block in model.network.parameters.items()}
    arrays |= {f"history/{name}": column for name, column in model.history._asdict().items()}
    return arrays | {"corpus/lines": model.lines}


def _write(arrays: Mapping[str, Array], file: BinaryIO) -> None:
    """Write an archive from the arrays as they stand in memory, without a copy of them."""
    members = {name: _npy(array) for name, array in arrays.items()}
    members[DIGEST] = _npy(np.frombuffer(_digest(members), np.uint8))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, parts in members.items():
            info = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            info.file_size = sum(map(len, parts))
            with archive.open(info, "w") as member:
                for part in parts:
                    member.write(part)


def _from_file(file: BinaryIO) -> tuple[Model, dict[str, Array]]:
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        if any(info.compress_type != zipfile.ZIP_STORED or not info.filename.endswith(".npy") for info in infos):
            raise CheckpointError("it is an archive of another program, or is damaged")
        members = {info.filename.removesuffix(".npy"): archive.read(info) for info in infos}
    if DIGEST not in members:
        raise CheckpointError("it is an archive of another program")
    digest = _array(members.pop(DIGEST)).tobytes()
    if digest != _digest({name: (member,) for name, member in members.items()}):
        raise CheckpointError("its content is not what was written; train it again, or use a copy")
    arrays = {name: _array(member) for name, member in members.items()}
    more = {name: arrays.pop(name) for name in sorted(arrays) if name.startswith("run/")}
    return _model(_metadata(arrays.pop("metadata")), arrays), more


def _metadata(array: Array) -> Mapping[str, Any]:
    metadata = json.loads(array.tobytes().decode())
    if metadata["format"] != FORMAT:
        raise CheckpointError("it is a file of another program")
    if metadata["version"] != VERSION:
        raise CheckpointError(
            f"its format version is {metadata['version']} and this charlstm reads {VERSION}; install the charlstm that"
            " wrote it, or train it again"
        )
    expected = {"format", "version", "network", "training", "corpus", "vocabulary"}
    if set(metadata) != expected:
        raise CheckpointError(f"its description has {sorted(set(metadata) ^ expected)[0]!r} too much or too little")
    return dict(metadata)


def _model(metadata: Mapping[str, Any], arrays: dict[str, Array]) -> Model:
    config = from_mapping(NetworkConfig, metadata["network"])
    vocabulary = Vocabulary(np.array(metadata["vocabulary"]))
    wanted = shapes(config, len(vocabulary))
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


def _npy(array: Array) -> Parts:
    """Return the header and the numbers of an `.npy` member."""
    header = io.BytesIO()
    whole = np.ascontiguousarray(array)
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(whole))
    return header.getvalue(), whole.reshape(-1).view(np.uint8).data


def _array(member: bytes) -> Array:
    return np.asarray(np.lib.format.read_array(io.BytesIO(member), allow_pickle=False))


def _digest(members: Mapping[str, Parts]) -> bytes:
    digest = hashlib.sha256()
    for name, parts in sorted(members.items()):
        digest.update(f"{name} {sum(map(len, parts))}\n".encode())
        for part in parts:
            digest.update(part)
    return digest.digest()
