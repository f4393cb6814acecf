"""Files that the version before wrote are read, sample the same text, and resume to the same weights.

The files in tests/data/version-2 come from that version: two models of two units, the files of their runs and of one
that was stopped between two reports, and the models that those runs led to when that version resumed them. The texts
below are what it sampled.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import charlstm
from charlstm.cli.main import main
from charlstm.model import checkpoint, format2

OLD = Path(__file__).parent / "data" / "version-2"
SAMPLES = {
    "stream": "babbab bb a aabbbab  ab babbaababa\nbaabb",
    "lines": "babbab\nbb\na\naabbb\nb\n\nab\nbabbaababa\nbaaba",
}
RESUMED = {
    "stream": ("corpus.txt", "--steps", "60"),
    "lines": ("lines.txt", "--epochs", "3"),
    "stopped": ("corpus.txt",),
}
every_model = pytest.mark.parametrize("name", SAMPLES)
every_run = pytest.mark.parametrize("name", RESUMED)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which the commands run, with copies of the old files."""
    shutil.copytree(OLD, tmp_path / "old")
    monkeypatch.chdir(tmp_path / "old")
    return tmp_path / "old"


def run(*words: str) -> str:
    """Run a command in this process; return what it prints to stdout."""
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_settings_are_found_under_the_names_of_today() -> None:
    model = checkpoint.load(OLD / "stream.npz")
    assert (model.network.config.chrono_init, model.network.config.weight_dropout) == (6, 0.25)
    training = model.training
    assert (training.batch_size, training.learning_rate, training.hold) == (4, 0.03, 0.25)
    assert (training.steps, training.schedule_changes) == (40, ((24, 50),))
    assert (training.workers, training.origin, training.changed_on_resume) == (0, "", False)
    assert checkpoint.load(OLD / "lines.npz").training.curriculum == 0.5
    members = np.load(OLD / "stream.npz")
    for old, new in (("train", "training_loss"), ("validation", "validation_loss"), ("norm", "gradient_norm")):
        np.testing.assert_array_equal(getattr(model.history, new), members[f"history/{old}"])


@every_model
def test_an_old_model_samples_the_same_text(folder: Path, name: str) -> None:
    made = run("sample", "-m", f"{name}.npz", "--seed", "a", "--length", "40", "--random-seed", "3")
    wanted = f"a{SAMPLES[name]}" if name == "stream" else f"a{SAMPLES[name]}".partition("\n")[0]  # a line is a document
    assert made.rstrip("\n") == wanted.rstrip("\n")


@every_run
def test_the_state_of_an_old_run_is_complete(name: str) -> None:
    state = checkpoint.load_run(OLD / f"{name}.resume.npz").state
    members = np.load(OLD / f"{name}.resume.npz")
    assert [*state.sums] == members["run/sums"].tolist() and any(state.sums) == (name == "stopped")
    assert [state.best.validation_loss, state.best.validations_since] == members["run/judged"].tolist()
    assert state.step == members["run/step"].item()
    for array, member in (
        (state.moments, "run/moments"), (state.state, "run/carried"), (state.best.weights, "run/best"),
    ):  # fmt: skip
        np.testing.assert_array_equal(array, members[member])


@every_run
def test_an_old_run_is_resumed_to_the_weights_that_the_old_version_reached(folder: Path, name: str) -> None:
    text, *length = RESUMED[name]
    run("train", text, "--resume", *length, "--workers", "1", "-m", f"{name}.npz", "--quiet")
    found, expected = checkpoint.load(folder / f"{name}.npz"), checkpoint.load(OLD / f"{name}-after.npz")
    assert found.training.steps == expected.training.steps
    np.testing.assert_allclose(
        found.network.parameters.flat, expected.network.parameters.flat, rtol=0, atol=1e-5
    )  # on the machine that wrote the files they are equal to the last bit
    np.testing.assert_array_equal(found.history.step, expected.history.step)
    np.testing.assert_allclose(found.history.training_loss, expected.history.training_loss, rtol=0, atol=1e-5)


def test_an_old_model_is_repeated_with_its_schedule(folder: Path) -> None:
    run("train", "corpus.txt", "--repeat", "stream.npz", "--workers", "1", "-m", "again.npz", "--quiet")
    found, expected = checkpoint.load(folder / "again.npz"), checkpoint.load(OLD / "stream.npz")
    np.testing.assert_allclose(found.network.parameters.flat, expected.network.parameters.flat, rtol=0, atol=1e-5)
    assert found.training.schedule_changes == ((24, 50),)


def test_the_digest_that_old_sessions_refer_to_is_known() -> None:
    with np.load(OLD / "stream.session") as session:
        metadata = json.loads(session["metadata"].tobytes())
    model = checkpoint.load(OLD / "stream.npz")
    assert format2.digest(model) == metadata["model"] != model.digest


def test_an_old_log_is_continued_under_the_keys_of_today(folder: Path) -> None:
    old = {"step": 10, "train_nats": 1.5, "train_bits": 2.1, "held_out_nats": None, "held_out_bits": None}
    lines = [{**old, "preview": "ab"}, {**old, "step": 50}]
    (folder / "run.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run("train", "corpus.txt", "--resume", "--steps", "60", "-m", "stream.npz", "--quiet", "--log", "run.jsonl")
    first, *rest = (json.loads(line) for line in (folder / "run.jsonl").read_text().splitlines())
    assert first == {
        "step": 10, "training_nats": 1.5, "training_bits": 2.1, "validation_nats": None, "validation_bits": None,
        "sample": "ab",
    }  # fmt: skip
    assert rest and all(entry["step"] > 40 and entry["training_nats"] > 0 for entry in rest)


def test_an_old_session_continues_as_the_old_version_continued_it() -> None:
    session = charlstm.load(OLD / "stream.npz").session()
    session.load(OLD / "stream.session")
    assert session.text == "ab  b ababababa bab b "
    assert "".join(sampled.character for sampled in session.generate("b")) == "b aaaaababaab baaba "
