"""Archives that were made to do harm: refused in one sentence, with work and memory bounded by the file's size."""

from __future__ import annotations

import json
import math
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz_archives import HELD, build_model, build_originals, forge, members_of, run, to_member

from charlstm.api.language_model import LanguageModel
from charlstm.base.errors import CharlstmError, CheckpointError
from charlstm.model import archive, checkpoint
from charlstm.sampling.stopping import StoppingRules


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the bytes of a model, a run file and a session."""
    return build_originals(tmp_path_factory.mktemp("originals"))


def test_archives_with_a_valid_digest_are_read_or_refused_in_one_sentence(counted: Callable[[str], None]) -> None:
    counts = run(250, seed=1)
    tried = sum(times for what, times in counts.items() if what != "most held")
    assert tried == 250 and counts["read"] < 100
    counted(f"{tried} archives with a valid digest: {counts['read']} read, {tried - counts['read']} refused")


def with_metadata(content: bytes, change: Callable[[dict[str, Any]], object], **arrays: np.ndarray[Any, Any]) -> bytes:
    """Return an archive with other metadata and arrays, and a valid digest."""
    members = members_of(content)
    start = 10 + struct.unpack_from("<H", members["metadata.npy"], 8)[0]
    metadata = json.loads(members["metadata.npy"][start:])
    change(metadata)
    members["metadata.npy"] = to_member(np.frombuffer(json.dumps(metadata).encode(), np.uint8))
    members |= {f"{name.replace('__', '/')}.npy": to_member(array) for name, array in arrays.items()}
    return forge(members)


def measure(path: Path, load: Callable[[Path], object]) -> int:
    """Return the most bytes that were held while a file was refused in one sentence."""
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError) as caught:
            load(path)
        assert "\n" not in str(caught.value) and path.name in str(caught.value)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_members_that_overlap_are_not_read_twice(tmp_path: Path, originals: dict[str, bytes]) -> None:
    path = tmp_path / "overlap.npz"
    size = 3_000_000
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("big.npy", bytes(size))
        for number in range(100):
            info = zipfile.ZipInfo(f"{number}.npy")
            info.header_offset, info.file_size, info.compress_size, info.CRC = 0, size, size, file.filelist[0].CRC
            file.filelist.append(info)
            file.NameToInfo[info.filename] = info
        file._didModify = True  # type: ignore[attr-defined]
    assert measure(path, checkpoint.load) < 2 * size + HELD // 10


def test_a_size_beyond_the_end_of_the_file_reserves_no_memory(tmp_path: Path, originals: dict[str, bytes]) -> None:
    for size in (0xFFFFFFF0, 2_000_000_000):
        content = bytearray(originals["model"])
        content[18:26] = struct.pack("<2I", size, size)
        (tmp_path / "sizes.npz").write_bytes(content)
        assert measure(tmp_path / "sizes.npz", checkpoint.load) < 1_000_000


@pytest.mark.parametrize(
    ("name", "value"), [("layers", 10**6), ("hidden", 10**6), ("layers", 2**62), ("hidden", 2**62)]
)
def test_settings_are_compared_with_the_members_before_a_network_is_made(
    tmp_path: Path, originals: dict[str, bytes], name: str, value: int
) -> None:
    path = tmp_path / "large.npz"
    path.write_bytes(with_metadata(originals["model"], lambda metadata: metadata["network"].update({name: value})))
    assert measure(path, checkpoint.load) < 1_000_000


@pytest.mark.parametrize("value", [[[]] * 700_000, [{}] * 700_000, "x" * (1 << 24), list(range(1_300_000))])
def test_metadata_that_would_grow_in_memory_are_refused(
    tmp_path: Path, originals: dict[str, bytes], value: Any
) -> None:
    path = tmp_path / "grown.npz"
    path.write_bytes(with_metadata(originals["model"], lambda metadata: metadata.update(vocabulary=value)))
    assert measure(path, checkpoint.load) < 2 * path.stat().st_size + HELD
    with pytest.raises(CheckpointError, match="too large"):
        checkpoint.load(path)
    with pytest.raises(CharlstmError, match="at most"):
        archive.from_json({"vocabulary": value})


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"history__step": np.zeros((2, 1), np.int64)}, "history"),
        (
            {f"history__{name}": np.zeros((2, 2)) for name in ("training_loss", "validation_loss", "gradient_norm")},
            "hist",
        ),
        ({"run__step": np.array([-1])}, "run that can be resumed"),
        ({"run__validations_since_best": np.array([-1])}, "run that can be resumed"),
        ({"run__best_validation_loss": np.array([np.nan])}, "run that can be resumed"),
        ({"run__state": np.zeros((2, 3), np.float32)}, "run that can be resumed"),
        ({"run__state": np.zeros((2, 1, 7, 3), np.float32)}, "run that can be resumed"),
        ({"run__state": np.zeros((0, 0, 10**12, 0), np.float32)}, "run that can be resumed"),
        ({"run__moments": np.zeros(3, np.float32)}, "run that can be resumed"),
    ],
)
def test_arrays_of_a_run_of_other_dimensions_are_refused(
    tmp_path: Path, originals: dict[str, bytes], arrays: dict[str, Any], said: str
) -> None:
    path = tmp_path / "m.resume.npz"
    path.write_bytes(with_metadata(originals["run"], lambda metadata: None, **arrays))
    with pytest.raises(CheckpointError, match=said):
        checkpoint.load_run(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda metadata: metadata.update(text=[]), "text"),
        (lambda metadata: metadata.update(text="abΩ"), "characters that the model does not know; give the name of a f"),
        (lambda metadata: metadata["stopping"].update(length=None), "never stop"),
        (
            lambda metadata: metadata["stopping"].update(stop=["ab"]) or metadata["sampling"].update(only="a"),
            "excludes",
        ),
        (lambda metadata: metadata["stopping"].update(length=10**400), "length"),
        (lambda metadata: metadata.update(continuation_start=99), "continuation_start"),
        (lambda metadata: metadata.update(stopping=[]), "damaged"),
    ],
)
def test_a_session_without_text_or_end_is_refused(
    tmp_path: Path, originals: dict[str, bytes], change: Callable[[dict[str, Any]], object], said: str
) -> None:
    path = tmp_path / "a.session"
    path.write_bytes(with_metadata(originals["session"], change))
    session = LanguageModel(build_model()).session(length=5)
    session.add("ab")
    with pytest.raises(CheckpointError, match=said):
        session.load(str(path))
    assert session.text == "ab"


def with_history(**columns: list[float]) -> dict[str, np.ndarray[Any, Any]]:
    """Return the members of a history of two reports, with other numbers in some columns."""
    plain: dict[str, list[float]] = {
        "step": [1, 2], "training_loss": [2.0, 1.0], "validation_loss": [math.nan, 1.0], "gradient_norm": [1.0, 1.0],
    }  # fmt: skip
    return {
        f"history__{name}": np.array(values, np.int64 if name == "step" else np.float64)
        for name, values in (plain | columns).items()
    }


@pytest.mark.parametrize(
    "columns",
    [{"step": [2, 1]}, {"step": [-(2**63), 2**63 - 1]}, {"training_loss": [-1e308, 1e308]}, {"gradient_norm": [0, -1]}],
)
def test_a_history_that_no_run_has_is_refused(
    tmp_path: Path, originals: dict[str, bytes], columns: dict[str, list[float]]
) -> None:
    path = tmp_path / "m.npz"
    path.write_bytes(with_metadata(originals["model"], lambda metadata: None, **with_history(**columns)))
    with pytest.raises(CheckpointError, match="its history is not in the order of its steps, or has numbers below"):
        checkpoint.load(path)


@pytest.mark.parametrize("loss", [0.0, 1e-320, 1.7e308, math.inf, math.nan])
@pytest.mark.parametrize("step", [0, 2**63 - 1])
@pytest.mark.filterwarnings("ignore:.*encountered")
def test_a_history_of_extreme_numbers_is_shown(
    tmp_path: Path, originals: dict[str, bytes], loss: float, step: int
) -> None:
    path = tmp_path / "m.npz"
    columns = with_history(step=[0, step], training_loss=[0.0, loss], validation_loss=[loss, 1.7e308])
    path.write_bytes(with_metadata(originals["model"], lambda metadata: None, **columns))
    for view in ("history", "summary"):
        shown = LanguageModel(checkpoint.load(path)).view(view)
        for width in (1, 40, 200):
            assert shown.to_text(width)
        json.loads(shown.dump("json"))


@pytest.mark.parametrize(
    "change",
    [
        lambda metadata: metadata["network"].update(cell="x" * 5000),
        lambda metadata: metadata["training"].update(optimizer=["x"] * 5000),
        lambda metadata: metadata["training"].update(schedule_changes=["x"] * 5000),
        lambda metadata: metadata.update(version=10**4000),
        lambda metadata: metadata.update({"x" * 5000: 1}),
    ],
)
def test_long_values_of_a_file_are_shortened(
    tmp_path: Path, originals: dict[str, bytes], change: Callable[[dict[str, Any]], object]
) -> None:
    path = tmp_path / "m.npz"
    path.write_bytes(with_metadata(originals["model"], change))
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path)
    assert len(str(caught.value)) < 700


def test_a_session_that_could_not_be_loaded_is_not_saved(tmp_path: Path) -> None:
    session = LanguageModel(build_model()).session(length=5)
    session.stopping = StoppingRules()
    with pytest.raises(CharlstmError, match="never stop"):
        session.save(tmp_path / "endless")
    assert not list(tmp_path.iterdir())
