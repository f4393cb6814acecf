"""A run that was stopped, however it was, and gone on with ends with the bytes of one that never was."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from run_files import arrays_of

from charlstm.base.errors import CheckpointError
from charlstm.base.files import lock
from charlstm.cli.main import main
from charlstm.model import checkpoint

KILLS = 15
TEXT = "".join(random.Random(0).choices("abcde \n", k=6000))
COMMON = (
    "--hidden",
    "16",
    "--batch-size",
    "8",
    "--seq-len",
    "16",
    "--dropout",
    "0.2",
    "--weight-dropout",
    "0.2",
    "--layers",
    "2",
)
STREAMS, LINES = ("--steps", "300"), ("--lines", "--steps", "200", "--curriculum", "1")
FILES = ("charlstm.npz", "charlstm.npz.resume")


def start(folder: Path, *arguments: str, **settings: object) -> subprocess.Popen[str]:
    """Start `charlstm train` on the text, saving as often as it can."""
    (folder / "corpus.txt").write_text(TEXT)
    command = [sys.executable, "-m", "charlstm", "train", "corpus.txt", *COMMON, "--save-every", "0", *arguments]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, **settings)  # type: ignore[call-overload]


def finish(folder: Path, *arguments: str) -> str:
    """Let `charlstm train` run to its end; return what it said."""
    with start(folder, *arguments) as process:
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 0, said
    return said


def content(folder: Path) -> list[object]:
    """Return the bytes of the model file, and what the run file says of the run."""
    return [(folder / FILES[0]).read_bytes(), arrays_of(folder / FILES[1])]


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what a run of streams left that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    finish(folder, *STREAMS)
    return folder


def test_a_run_killed_again_and_again_ends_with_the_same_bytes(
    tmp_path: Path, never_stopped: Path, counted: Callable[[str], None]
) -> None:
    moments, survived, complete = random.Random(1), 0, False
    while survived < KILLS:
        begun = (tmp_path / FILES[1]).exists() and not complete
        if complete:
            for name in FILES:
                (tmp_path / name).unlink()
        with start(tmp_path, *STREAMS, *(("--resume",) if begun else ()), *(() if begun else ("--force",))) as process:
            deadline = time.monotonic() + 10.0
            while not (tmp_path / FILES[1]).exists() and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.005)
            time.sleep(moments.uniform(0.0, 0.75))
            process.kill()
        complete = process.returncode == 0
        survived += not complete
        if (tmp_path / FILES[1]).exists():
            checkpoint.load_run(tmp_path / FILES[1])
        if complete:
            assert content(tmp_path) == content(never_stopped)
    if not complete:
        finish(tmp_path, *STREAMS, "--resume")
    assert content(tmp_path) == content(never_stopped)
    counted(f"{survived} kills survived")


@pytest.mark.parametrize(
    ("number", "options"),
    [
        (signal.SIGTERM, STREAMS),
        (signal.SIGINT, LINES),
        (signal.SIGINT, (*STREAMS, "--workers", "2", "--optimizer", "rmsprop")),
    ],
)
def test_a_run_that_is_asked_to_stop_goes_on_to_the_same_bytes(
    tmp_path: Path, number: signal.Signals, options: tuple[str, ...]
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    whole.mkdir()
    stopped.mkdir()
    finish(whole, *options)
    more: tuple[str, ...] = ()
    for _ in range(3):
        with start(stopped, *options, *more) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith("work "):
                    break
            time.sleep(0.25)
            process.send_signal(number)
            said = process.stderr.read()
        if process.returncode != 128 + number:  # it was done before it was asked
            assert "wrote     charlstm.npz" in said
            break
        assert re.search(r"stopped at step [\d,]+ of [\d,]+; .*\n {10}charlstm train --resume -m .*\n$", said), said
        more = ("--resume",)
    else:
        assert "resume    after step " in finish(stopped, *options, "--resume")
    assert content(stopped) == content(whole)


def invoke(folder: Path, *arguments: str) -> Result:
    """Run `charlstm train` in this process."""
    words = ["train", str(folder / "corpus.txt"), "-m", str(folder / FILES[0]), "--quiet", *arguments]
    return CliRunner().invoke(main, words)


def test_a_complete_run_can_be_made_longer_and_says_what_the_rate_does(tmp_path: Path) -> None:
    finish(tmp_path, "--steps", "40", "--patience", "0")
    before = content(tmp_path)
    (tmp_path / FILES[0]).unlink()  # as if it had been killed before it wrote the model
    assert "after step 40, the last one: more --steps" in finish(tmp_path, "--resume")
    assert content(tmp_path) == before
    assert "the learning rate follows the schedule of 80 steps" in finish(tmp_path, "--steps", "80", "--resume")
    assert checkpoint.load_run(tmp_path / FILES[1]).state.step == 80


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--hidden", "17"), "--hidden 17 contradicts the run of .*, which has 16"),
        (("--lr", "0.5"), "--learning-rate 0.5 contradicts"),
        (("--optimizer", "sgd"), "--optimizer sgd contradicts"),
        (("--steps", "10"), "has done 40 steps already, which is more than 10"),
    ],
)
def test_what_contradicts_the_run_is_refused_by_name(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    finish(tmp_path, "--steps", "40", "--patience", "0")
    before = content(tmp_path)
    done = invoke(tmp_path, "--resume", *arguments)
    assert done.exit_code == 2 and re.search(rf"^Error: .*{said}.*\.\n$", done.output)
    assert content(tmp_path) == before


def test_another_text_or_no_run_is_refused(tmp_path: Path) -> None:
    finish(tmp_path, "--steps", "40")
    (tmp_path / "corpus.txt").write_text(TEXT + "x")
    done = invoke(tmp_path, "--resume")
    assert done.exit_code == 1 and re.match(
        r"Error: the text is not that of the run .*6,001.*6,000.*\.\n$", done.output
    )
    (tmp_path / FILES[1]).unlink()
    done = invoke(tmp_path, "--resume")
    assert done.exit_code == 1 and "start the run without resuming" in done.output


@pytest.mark.parametrize("name", FILES)
def test_neither_file_is_replaced_unasked(tmp_path: Path, name: str) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    (tmp_path / name).write_bytes(b"mine")
    done = invoke(tmp_path, "--steps", "2")
    assert done.exit_code == 2 and all(option in done.output for option in ("--resume", "-m", "--force"))
    assert (tmp_path / name).read_bytes() == b"mine"


def test_the_best_by_validation_is_what_the_model_file_holds(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    done = invoke(tmp_path, *COMMON[:6], "--steps", "900", "--lr", "0.05", "--no-decay", "--dropout", "0")
    assert done.exit_code == 0, done.output
    run, model = checkpoint.load_run(tmp_path / FILES[1]), checkpoint.load(tmp_path / FILES[0])
    validation = model.history.validations.validation_loss
    assert validation.argmin() < len(validation) - 1  # a text that can only be memorised overfits
    np.testing.assert_array_equal(model.network.parameters.flat, run.state.best.weights)
    assert not np.array_equal(run.state.best.weights, run.state.weights)


def test_a_model_is_no_run(tmp_path: Path) -> None:
    finish(tmp_path, "--steps", "5")
    assert checkpoint.load(tmp_path / FILES[1]).vocabulary.decode(np.array([0])) == "\n"
    with pytest.raises(CheckpointError, match="is not a run file"):
        checkpoint.load_run(tmp_path / FILES[0])


def test_two_trainings_on_one_model_are_one_too_many(tmp_path: Path) -> None:
    with start(tmp_path, "--steps", "1000000") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("work "):
                break
        done = invoke(tmp_path, "--force")
        process.kill()
    assert done.exit_code == 1 and re.fullmatch(r"Error: another training run is writing .*\.\n", done.output)
    with lock(tmp_path / FILES[0]):
        pass  # who was killed holds nothing
