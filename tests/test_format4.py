"""Files that the version before wrote, which stored no examples, are read, repeated, and resume to the same weights.

The files in tests/data/version-4 come from that version: a model of lines with two units, the file of its run, and the
model that this run led to when that version resumed it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import train

import charlstm
from charlstm.model import checkpoint

OLD = Path(__file__).parent / "data" / "version-4"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which the commands run, with copies of the old files."""
    shutil.copytree(OLD, tmp_path / "old")
    monkeypatch.chdir(tmp_path / "old")
    return tmp_path / "old"


def test_an_old_model_has_no_examples_and_samples_the_same_text() -> None:
    members = np.load(OLD / "lines.npz")
    assert json.loads(members["metadata"].tobytes())["version"] == 4
    model = charlstm.load(OLD / "lines.npz")
    assert model.model.examples == () and model.sample("a", random_seed=3).text == "babbab"
    np.testing.assert_array_equal(model.model.network.parameters["output/W"], members["output/W"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--resume", "--epochs", 3, "-m", "lines.npz"), "lines-after.npz"),
        (("lines.txt", "--repeat", "lines.npz", "-m", "again.npz"), "lines.npz"),
    ],
)
def test_an_old_run_goes_on_or_is_repeated_without_examples(
    folder: Path, arguments: tuple[object, ...], expected: str
) -> None:
    done = train(*arguments, "--workers", 1)
    assert done.exit_code == 0, done.output
    found, old = checkpoint.load(folder / str(arguments[-1])), checkpoint.load(OLD / expected)
    assert found.examples == () and "--no-examples" in done.output and found.training == old.training
    np.testing.assert_allclose(found.network.parameters.flat, old.network.parameters.flat, rtol=0, atol=1e-5)
