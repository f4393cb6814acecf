"""Model files: the same bytes for the same model, readable by numpy alone, and never trusted."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlstm.base.config import TrainingConfig
from charlstm.base.errors import CharlstmError, CheckpointError
from charlstm.base.symbols import END
from charlstm.model import checkpoint
from charlstm.model.model import History, Model
from charlstm.network.config import NetworkConfig
from charlstm.network.network import Network
from charlstm.text.facts import CorpusFacts, Example
from charlstm.text.vocabulary import Vocabulary, code_points_of


def a_model(cell: str = "lstm", layers: int = 2, characters: str = "\n abc🎈") -> Model:
    network = Network(NetworkConfig(cell=cell, hidden=3, layers=layers), len(characters))
    network.initialise(7)
    history = History(np.array([10, 20]), np.array([2.5, 1.5]), np.array([np.nan, 1.75]), np.array([0.5, 0.25]))
    facts = CorpusFacts(("poem.txt", "Ünïcode.txt"), 1234, 56, "ab" * 32)
    return Model(
        network,
        Vocabulary.of(code_points_of(characters.replace("\n", END))),
        TrainingConfig(steps=20, documents="line" if "\n" in characters else ""),
        facts,
        history,
        examples=(Example(characters[:2].replace("\n", END)), Example(characters[-1])),
    )


def same(one: Model, other: Model) -> bool:
    """Say whether two models hold exactly the same."""
    return (
        np.array_equal(one.network.parameters.flat, other.network.parameters.flat)
        and all(getattr(one, name) == getattr(other, name) for name in ("training", "facts", "examples"))
        and one.network.config == other.network.config
        and np.array_equal(one.vocabulary.code_points, other.vocabulary.code_points)
        and all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one.history, other.history, strict=True))
    )


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of a model file."""
    path = tmp_path_factory.mktemp("model") / "model.npz"
    checkpoint.save(a_model(), path)
    return path.read_bytes()


def members_of(content: bytes) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return dict(file)


def forged(path: Path, members: dict[str, Any], metadata: dict[str, Any] | None = None) -> Path:
    """Write a file with a valid digest around any content: what only somebody who means it can make."""
    members = {name: member for name, member in members.items() if name != "sha256"}
    if metadata is not None:
        members["metadata"] = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
    files = {}
    for name, member in members.items():
        file = io.BytesIO()
        np.lib.format.write_array(file, member, version=(1, 0))
        files[name] = file.getvalue()
    digest = sha256()
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])}\n".encode() + files[name])
    np.savez(path, **members, sha256=np.frombuffer(digest.digest(), np.uint8))
    return path


def metadata_of(content: bytes) -> dict[str, Any]:
    value = json.loads(members_of(content)["metadata"].tobytes())
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("characters", ["ab", "\0\n\u0301אب漢🎈👩\u200d🚀", "".join(map(chr, range(1, 3000)))])
def test_what_is_saved_comes_back(tmp_path: Path, cell: str, characters: str) -> None:
    model = a_model(cell, characters="".join(sorted(characters)))
    checkpoint.save(model, tmp_path / "any name at all")
    assert [path.name for path in tmp_path.iterdir()] == ["any name at all"]
    assert same(checkpoint.load(tmp_path / "any name at all"), model)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path, content: bytes) -> None:
    checkpoint.save(a_model(), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == content
    with zipfile.ZipFile(tmp_path / "again") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    checkpoint.save(checkpoint.load(tmp_path / "again"), tmp_path / "thrice")
    assert (tmp_path / "thrice").read_bytes() == content


def test_numpy_alone_reads_the_documented_arrays(content: bytes) -> None:
    members = members_of(content)
    model = a_model()
    shapes = {name: array.shape for name, array in members.items() if name.startswith(("layer", "output"))}
    assert shapes == {
        "layer0/U": (6, 12),
        "layer0/W": (3, 12),
        "layer0/b": (12,),
        "layer1/U": (3, 12),
        "layer1/W": (3, 12),
        "layer1/b": (12,),
        "output/W": (3, 6),
        "output/b": (6,),
    }
    assert np.array_equal(members["layer1/b"][:3], np.full(3, model.network.config.forget_bias))
    metadata = metadata_of(content)
    assert (metadata["format"], metadata["version"]) == ("charlstm", 6)
    assert metadata["examples"] == [[f"{END} ", None], ["🎈", None]]
    assert "".join(map(chr, metadata["vocabulary"])) == f"{END} abc🎈"
    assert metadata["corpus"]["files"] == ["poem.txt", "Ünïcode.txt"] and metadata["network"]["hidden"] == 3
    assert members["history/step"].tolist() == [10, 20]


def test_a_file_cut_anywhere_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cut.npz"
    for length in {*range(0, len(content), 37), *range(64), *range(len(content) - 64, len(content))}:
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"cut\.npz"):
            checkpoint.load(path)


@given(st.data())
def test_flipped_bits_give_what_was_saved_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("flipped") / "flipped.npz"
    for _ in range(40):
        where = data.draw(st.integers(0, len(content) * 8 - 1))
        damaged = bytearray(content)
        damaged[where // 8] ^= 1 << where % 8
        path.write_bytes(damaged)
        try:
            assert same(checkpoint.load(path), a_model()), where
        except CheckpointError as error:
            assert "\n" not in str(error)


def test_every_flipped_bit_of_a_weight_is_noticed(tmp_path: Path, content: bytes) -> None:
    weights = a_model().network.parameters["layer1/W"].tobytes()
    start = content.index(weights)
    for where in range(0, len(weights) * 8, 5):
        damaged = bytearray(content)
        damaged[start + where // 8] ^= 1 << where % 8
        (tmp_path / "flipped").write_bytes(damaged)
        with pytest.raises(CheckpointError):
            checkpoint.load(tmp_path / "flipped")


def test_a_change_that_keeps_the_archive_whole_is_noticed(tmp_path: Path, content: bytes) -> None:
    members = members_of(content)
    members["output/b"] = members["output/b"] + 1
    np.savez(tmp_path / "changed.npz", **members)
    with pytest.raises(CheckpointError, match="its content is damaged"):
        checkpoint.load(tmp_path / "changed.npz")


def test_a_forged_file_that_fits_together_is_read(tmp_path: Path, content: bytes) -> None:
    assert same(checkpoint.load(forged(tmp_path / "f.npz", members_of(content))), a_model())


@pytest.mark.parametrize(
    ("section", "name", "value", "said"),
    [
        ("", "version", 1, "format version"),
        ("", "format", "other", "another program"),
        ("", "extra", 1, "extra"),
        ("", "vocabulary", [3, 2, 1, 4, 5, 6], "damaged"),
        ("", "vocabulary", [1, 2, 3, 4, 5, 2000000], "damaged"),
        ("", "vocabulary", [0xFFFF, 11, 12], "has shape"),
        ("", "vocabulary", "abcdef", "list of code points"),
        ("", "vocabulary", [1.0, 10.0], "list of code points"),
        ("", "vocabulary", [10, 97, 0xD800, 0xDFFF, 0xE000, 0xE001], "surrogates"),
        ("", "vocabulary", [97, 98, 99, 100, 101, 102], "end symbol"),
        ("network", "layers", 1_000_000, "layers is 1000000"),
        ("training", "steps", 10**400, "steps"),
        ("network", "hidden", 4, "has shape"),
        ("network", "hidden", 10**9, "hidden is 1000000000"),
        ("network", "hidden", 3.0, "hidden"),
        ("network", "hidden", True, "hidden"),
        ("network", "layers", 1, "has shape"),
        ("network", "cell", "gru", "has shape"),
        ("network", "cell", "transformer", "transformer"),
        ("network", "activation", "relu", "rnn"),
        ("network", "dropout", 1, "dropout"),
        ("network", "dropout", "0", "dropout"),
        ("network", "peepholes", True, "peepholes"),
        ("training", "documents", 1, "documents"),
        ("training", "momentum", 0.9, "momentum"),
        ("training", "learning_rate", None, "learning_rate"),
        ("corpus", "files", "abc", "files"),
        ("corpus", "characters", -1, "characters"),
        ("", "examples", "ab", "pairs"),
        ("", "examples", [["a", None]] * 11, "pairs"),
        ("", "examples", [["a", None, 1]], "pairs"),
        ("", "examples", ["ab"], "pairs"),
        ("", "examples", [["", None]], "examples is"),
        ("", "examples", [[1, None]], "examples is"),
        ("", "examples", [["a" * 1001, None]], "1,000 characters"),
        ("", "examples", [["abd", None]], "vocabulary lacks"),
        ("", "examples", [["a\n", None]], "vocabulary lacks"),
        ("", "examples", [["a\ud800", None]], "vocabulary lacks"),
        ("", "examples", [["a", "merry"]], "another label"),
        ("", "examples", [["a", []]], "another label"),
    ],
)
def test_settings_that_are_unknown_or_impossible_are_refused(
    tmp_path: Path, content: bytes, section: str, name: str, value: Any, said: str
) -> None:
    metadata = metadata_of(content)
    (metadata[section] if section else metadata)[name] = value
    with pytest.raises(CheckpointError, match=said):
        checkpoint.load(forged(tmp_path / "f.npz", members_of(content), metadata))


@pytest.mark.parametrize("section", ["network", "training", "corpus"])
def test_a_missing_setting_is_refused(tmp_path: Path, content: bytes, section: str) -> None:
    for name in metadata_of(content)[section]:
        metadata = metadata_of(content)
        del metadata[section][name]
        with pytest.raises(CheckpointError, match=name):
            checkpoint.load(forged(tmp_path / "f.npz", members_of(content), metadata))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("layer0/W", lambda array: array[:, :-1], "has shape"),
        ("layer0/W", lambda array: array.T, "has shape"),
        ("layer0/b", lambda array: array * np.nan, "finite"),
        ("layer0/b", lambda array: array.astype(np.float64), "float32"),
        ("output/W", lambda array: None, "has shape"),
        ("layer2/W", lambda array: np.zeros(3, np.float32), "has shape"),
        ("history/step", lambda array: array.astype(np.float64), "history"),
        ("history/training_loss", lambda array: array[:1], "history"),
        ("metadata", lambda array: array[:-1], "damaged"),
        ("metadata", lambda array: np.frombuffer(b"[" * 100_000, np.uint8), "damaged"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, content: bytes, name: str, change: Any, said: str) -> None:
    members = members_of(content)
    members[name] = change(members.get(name))
    members = {name: array for name, array in members.items() if array is not None}
    with pytest.raises(CheckpointError, match=said):
        checkpoint.load(forged(tmp_path / "f.npz", members))


def test_files_of_other_programs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other"
    np.savez(tmp_path / "numpy.npz", weights=np.zeros(3))
    np.savez_compressed(tmp_path / "small.npz", weights=np.zeros(3))
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.save(tmp_path / "pickle.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "plain.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    path.write_bytes(b"")
    (tmp_path / "poem.txt").write_text("PK is no archive")
    said = {"": "it is empty;", ".txt": "another kind of file;", ".npy": "another kind of file;"}
    for other in tmp_path.iterdir():
        wanted = said.get(other.suffix, "archive of another program")
        with pytest.raises(CheckpointError, match=f"{other.name}.*{wanted}"):
            checkpoint.load(other)
    with pytest.raises(CheckpointError, match="no model"):
        checkpoint.load(tmp_path / "missing")
    with pytest.raises(CheckpointError, match="cannot read"):
        checkpoint.load(tmp_path)


def test_no_pickle_is_ever_read(tmp_path: Path, content: bytes) -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.array([{"a": 1}], object), version=(1, 0), allow_pickle=True)
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(tmp_path / "p.npz", "w") as new:
        for name in old.namelist():
            new.writestr(name, file.getvalue() if name == "sha256.npy" else old.read(name))
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(tmp_path / "p.npz")


@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace", "charlstm.base.files.create"])
def test_a_failed_write_leaves_what_stood_there(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(content)

    def fail(*arguments: Any, **settings: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(call, fail)
        with pytest.raises(CharlstmError, match="No space left on device"):
            checkpoint.save(replace(a_model(), facts=CorpusFacts((), 0, 0, "")), path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"model.npz": content}


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "target.npz").write_bytes(b"old")
    (tmp_path / "link.npz").symlink_to("target.npz")
    checkpoint.save(a_model(), tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink() and (tmp_path / "target.npz").read_bytes() == content
