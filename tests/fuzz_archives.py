"""Hostile archives with valid digests: models, run files and sessions that only somebody who means it can make.

`python tests/fuzz_archives.py 2000` tries so many and prints what became of them.
"""

from __future__ import annotations

import io
import json
import random
import struct
import sys
import tempfile
import tracemalloc
import warnings
import zipfile
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from charlstm.api.language_model import LanguageModel
from charlstm.base.config import TrainingConfig
from charlstm.base.errors import CharlstmError
from charlstm.base.symbols import END
from charlstm.model import checkpoint
from charlstm.model.checkpoint import Best, Run, RunState, Sums
from charlstm.model.counts import Counts
from charlstm.model.model import History, Model
from charlstm.network import optimizers
from charlstm.network.config import NetworkConfig
from charlstm.network.network import Network
from charlstm.text.facts import CorpusFacts, Example
from charlstm.text.ngrams import count_ngrams, join_passages
from charlstm.text.rare_words import count_words
from charlstm.text.vocabulary import Vocabulary, code_points_of

HELD = 100_000_000
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 3, 10**6, 2**31, 2**62, 2**63, 10**400, -(10**30), 0.0, 0.5, -1.5, 1e300),
    *(float("nan"), float("inf"), "", "a", "\ud800", "lstm", "gru", "rnn", "sgd", "file", "\x1b[2J", "x" * 5000),
    *([], [1], [[1, 2]], [-1], ["a"], [0xD800], [[]], {}, {"a": 1}, [10**400], [1.5]),
]


def build_model(cell: str = "gru") -> Model:
    """Return a small model of lines."""
    network = Network(NetworkConfig(cell=cell, hidden=3, layers=2), 5)
    network.initialise(7)
    history = History(np.array([10, 20]), np.array([2.5, 1.5]), np.array([np.nan, 1.75]), np.array([0.5, 0.25]))
    training = TrainingConfig(steps=20, documents="line", batch_size=4)
    facts, examples = CorpusFacts(("a",), 9, 2, "ab"), (Example(f"a{END}b"), Example("c"))
    vocabulary = Vocabulary(code_points_of(f"{END} abc"))
    return Model(network, vocabulary, training, facts, history, examples=examples)


def add_counts(model: Model) -> Model:
    """Return a model of lines with counts."""
    ids, S = model.vocabulary.encode(f"{END}abc ab{END}cab{END}a b{END}"), len(model.vocabulary)
    passages = join_passages(ids, [(0, 8), (7, 12), (11, 16)])
    return replace(
        model, counts=Counts(count_ngrams(passages, 4, S, S), count_words(passages, model.vocabulary, S), 0.5)
    )


def build_originals(folder: Path) -> dict[str, bytes]:
    """Return the bytes of a model, a model with counts, a run file and a session."""
    model = build_model()
    flat = model.network.parameters.flat
    moments = optimizers.build_optimizer("adam", flat).moments
    state = RunState(10, flat, moments, None, model.network.zero_state(4), Sums(1.0, 2.0, 3.0, 4.0), Best(flat, 2.0, 1))
    checkpoint.save(model, folder / "model")
    checkpoint.save(add_counts(model), folder / "counts")
    checkpoint.save_run(Run(model, state), folder / "run")
    session = LanguageModel(model).session(length=5)
    session.add("ab c")
    session.save(folder / "session", replace=True)
    return {kind: (folder / kind).read_bytes() for kind in ("model", "counts", "run", "session")}


def members_of(content: bytes) -> dict[str, bytes]:
    """Return the bytes of all members but the digest."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name != "sha256.npy"}


def to_member(array: np.ndarray[Any, Any]) -> bytes:
    """Return an array as the bytes of a member."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=(1, 0))
    return file.getvalue()


def forge(members: dict[str, bytes]) -> bytes:
    """Return an archive of members with a valid digest."""
    digest = sha256()
    for name in sorted(members, key=lambda name: name.removesuffix(".npy")):
        digest.update(f"{name.removesuffix('.npy')} {len(members[name])}\n".encode() + members[name])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
        archive.writestr("sha256.npy", to_member(np.frombuffer(digest.digest(), np.uint8)))
    return file.getvalue()


def mutate(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Return what was changed in an archive, and the changed archive."""
    members = members_of(content)
    how = rng.choice(["setting", "setting", "setting", "array", "array", "array", "header", "members", "zip"])
    name = rng.choice([name for name in members if name != "metadata.npy"])
    if how == "setting":
        start = 10 + struct.unpack_from("<H", members["metadata.npy"], 8)[0]
        metadata = json.loads(members["metadata.npy"][start:])
        for _ in range(rng.choice([1, 1, 2])):
            _change_setting(metadata, rng)
        members["metadata.npy"] = to_member(np.frombuffer(json.dumps(metadata).encode(), np.uint8))
    elif how == "array":
        members[name] = to_member(_change_array(np.load(io.BytesIO(members[name])), rng))
    elif how == "header":
        members[name] = _change_header(members[name], rng)
    elif how == "members":
        if rng.random() < 0.4:
            del members[name]
        elif rng.random() < 0.5:
            members[rng.choice(["x.npy", "run/step.npy", "layer9/U.npy", "a", "é.npy"])] = members[name]
        else:
            members = dict(rng.sample(list(members.items()), len(members)))
    forged = forge(members)
    return how, _change_zip(forged, rng) if how == "zip" else forged


def _change_setting(metadata: dict[str, Any], rng: random.Random) -> None:
    where = metadata
    while True:
        key = rng.choice(list(where))
        if not (isinstance(where[key], dict) and where[key]) or rng.random() < 0.1:
            break
        where = where[key]
    if rng.random() < 0.1:
        del where[key]
    else:
        where[key] = rng.choice(VALUES)


def _change_array(array: np.ndarray[Any, Any], rng: random.Random) -> np.ndarray[Any, Any]:
    change = rng.choice(["values", "values", "values", "ndim", "dtype", "length", "empty"])
    if change == "values" and array.size:
        array = array.copy()
        value = rng.choice([np.nan, np.inf, -np.inf, 3e38, -1, -(2**62), 2**62, 0])
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array.reshape(-1)[rng.randrange(array.size) :: rng.choice([1, 7])] = np.array(value).astype(array.dtype)
        return array
    if change == "ndim":
        return rng.choice([array[None], array[..., None], array.reshape(-1), array.T])
    if change == "dtype":
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return array.astype(rng.choice(["<f8", "<f4", ">f4", "<i8", "|u1", "<f2", "|b1", "<u8", "<c8", "S3"]))
    return np.concatenate([array, array]) if change == "length" else array[:0]


def _change_header(member: bytes, rng: random.Random) -> bytes:
    shape = rng.choice(
        ["(0, 99999999999999)", "(99999999999,)", f"({'9' * 400},)", "()", "(-1,)", "(1" + ",1" * 70 + ")"]
    )
    descr = rng.choice(["'<f4'", "'|O'", "'<f8'", "'|V0'", "[('a', '<f4')]", "'<M8[s]'", "'|S99999999'"])
    order = rng.choice(["True", "False", "1"])
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode() + b"\n"
    start = 10 + struct.unpack_from("<H", member, 8)[0]
    return member[:8] + struct.pack("<H", len(header)) + header + member[start:]


def _change_zip(content: bytes, rng: random.Random) -> bytes:
    """Change sizes and offsets of the archive itself."""
    changed = bytearray(content)
    starts = [k for k in range(len(content) - 4) if content[k : k + 4] in (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06")]
    for _ in range(rng.choice([1, 2, 5])):
        where = rng.choice(starts) + rng.randrange(4, 46)
        if where < len(changed):
            changed[where] = rng.choice([0, 1, 8, 127, 255])
    if rng.random() < 0.3:
        changed = changed[: rng.randrange(len(changed))]
    return bytes(changed)


def use(kind: str, path: Path) -> None:
    """Load a file, and do with it what a user does."""
    if kind == "session":
        session = LanguageModel(build_model()).session(length=5)
        session.load(path)
        for _, _ in zip(range(5), session.generate("a"), strict=False):
            pass
        return
    if kind == "run":
        checkpoint.load_run(path)
    model = LanguageModel(checkpoint.load(path))
    model.sample("", length=3)
    if model.model.counts is not None:
        model.sample("ab", length=5, mix={"counts": 0.5})
        model.view("counts", "abc").to_text()
    for view in ("summary", "history"):
        model.view(view).to_text()


def run(count: int, seed: int = 0) -> Counter[str]:
    """Try so many archives; return how many were refused and read, and the largest surplus of memory in bytes."""
    counts: Counter[str] = Counter()
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        originals = build_originals(folder)
        path = folder / "forged.npz"
        for number in range(count):
            kind = rng.choice(list(originals))
            how, content = mutate(originals[kind], rng)
            path.write_bytes(content)
            tracemalloc.start()
            try:
                with np.errstate(all="ignore"):  # as the commands have it
                    use(kind, path)
                counts["read"] += 1
            except CharlstmError as error:
                assert "\n" not in str(error), (number, how, kind)
                counts[f"refused: {how}"] += 1
            except Exception as error:
                raise AssertionError(f"archive {number}: {kind} with another {how}") from error
            held = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert held <= 2 * len(content) + HELD, (number, how, kind, held)
            counts["most held"] = max(counts["most held"], held)
    return counts


if __name__ == "__main__":
    for what, times in sorted(run(int(sys.argv[1])).items()):
        print(f"{times:>12,}  {what}")
