"""Every model file has a run file of its own, and `--resume -m MODEL` alone continues any run."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from commands import train
from run_files import arrays_of

import charlstm
from charlstm.cli import progress as cli_progress
from charlstm.cli.main import main
from charlstm.model import checkpoint
from charlstm.training.clock import Clock
from charlstm.training.run import Progress

TEXT = "".join(random.Random(0).choices(("the cat ", "sat on ", "a mat.\n", "the dog "), k=600))
SMALL = ("--hidden", "8", "--batch-size", "4", "--seq-len", "16", "--workers", "1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which everything runs, with a text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.txt").write_text(TEXT)
    return tmp_path


def refused(done: Result) -> str:
    """Return the sentence of a refusal."""
    assert done.exit_code in (1, 2) and re.search(r"^Error: [^\n]+[.?]\n\Z", done.output, re.M), done.output
    return done.output


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Return what makes runs of the command stop at a step, as by SIGTERM."""
    advance, at = cli_progress.ConsoleWatcher.advance, [None]

    def stop(self: Any, progress: Progress) -> None:
        advance(self, progress)
        if progress.step == at[0]:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(cli_progress.ConsoleWatcher, "advance", stop)
    return lambda step: at.__setitem__(0, step)


def command_in(said: str) -> list[str]:
    """Return the arguments of the command that continues a run, as it is printed."""
    found = re.search(r"^ {10}charlstm train (.*)$", said, re.M)
    assert found is not None, said
    return shlex.split(found[1])


@pytest.mark.parametrize(("one", "other"), [("run-0.1", "run-0.2"), ("a.npz", "a.txt"), ("m", "m.npz")])
def test_models_with_similar_names_have_run_files_and_locks_of_their_own(folder: Path, one: str, other: str) -> None:
    assert train("corpus.txt", *SMALL, "--steps", 20, "-m", one).exit_code == 0
    assert train("corpus.txt", "--hidden", 5, "--steps", 30, "-m", other).exit_code == 0
    assert {f"{one}.resume", f"{other}.resume"} < {path.name for path in folder.iterdir()}
    done = train("--resume", "-m", one, "--steps", 25)
    assert done.exit_code == 0 and checkpoint.load(folder / one).network.config.hidden == 8
    assert checkpoint.load_run(folder / f"{one}.resume").state.step == 25


def test_a_model_behind_a_link_has_the_run_file_and_the_lock_of_the_model(folder: Path) -> None:
    (folder / "models").mkdir()
    (folder / "link.npz").symlink_to(folder / "models" / "m.npz")
    assert train("corpus.txt", *SMALL, "--steps", 20, "-m", "link.npz").exit_code == 0
    assert sorted(path.name for path in (folder / "models").iterdir()) == ["m.npz", "m.npz.resume"]
    assert (folder / "link.npz").is_symlink()
    assert train("--resume", "-m", "models/m.npz", "--steps", 30).exit_code == 0
    assert train("--resume", "-m", "link.npz", "--steps", 40).exit_code == 0
    assert checkpoint.load(folder / "models" / "m.npz").training.steps == 40
    command = [sys.executable, "-m", "charlstm", "train", "corpus.txt", "-m", "link.npz", "--force", *SMALL]
    with subprocess.Popen([*command, "--steps", "1000000"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("work "):
                break
        said = refused(train("--resume", "-m", "models/m.npz"))
        process.kill()
    assert "another training run is writing" in said


def test_a_run_file_of_another_model_is_refused(folder: Path) -> None:
    for name, steps in (("a.npz", 20), ("b.npz", 30)):
        assert train("corpus.txt", *SMALL, "--steps", steps, "--random-seed", steps, "-m", name).exit_code == 0
    shutil.copy("a.npz.resume", "b.npz.resume")
    before = (folder / "b.npz").read_bytes()
    assert "b.npz.resume belongs to another run than the model b.npz" in refused(train("--resume", "-m", "b.npz"))
    assert (folder / "b.npz").read_bytes() == before
    shutil.copy("a.npz.resume", "c.npz.resume")
    assert "is the run file of a.npz, not of c.npz" in refused(train("--resume", "-m", "c.npz"))
    (folder / "c.npz").write_text("mine")
    assert "resuming would replace it" in refused(train("--resume", "-m", "c.npz"))
    assert (folder / "c.npz").read_text() == "mine"
    shutil.move("a.npz", "d.npz")
    shutil.move("a.npz.resume", "d.npz.resume")  # both files of a run have a new name
    assert train("--resume", "-m", "d.npz", "--steps", 25).exit_code == 0


@pytest.mark.parametrize("name", ["charlstm.npz.resume", "charlstm.resume.npz"])
def test_a_new_run_makes_the_old_run_file_unusable(
    folder: Path, stop_at: Callable[[int | None], None], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A run is killed before its first save: the run that was there before cannot be continued by accident."""
    stop_at(10)
    assert train("corpus.txt", *SMALL, "--steps", 400, "--random-seed", 7).exit_code == 143
    shutil.move("charlstm.npz.resume", name)
    stop_at(None)

    class Killed(BaseException):
        pass

    def kill(self: Any, progress: Progress) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(cli_progress.ConsoleWatcher, "advance", kill)
        with pytest.raises(Killed):
            CliRunner().invoke(
                main, ["train", "corpus.txt", *SMALL, "--steps", "500", "--force"], catch_exceptions=False
            )
    assert {path.name for path in folder.iterdir()} == {"corpus.txt", "charlstm.npz"}
    assert "there is no run to resume" in refused(train("--resume"))


def test_options_that_are_refused_leave_the_old_run_file(folder: Path) -> None:
    assert train("corpus.txt", *SMALL, "--steps", 20).exit_code == 0
    before = (folder / "charlstm.npz.resume").read_bytes()
    refused(train("missing.txt", *SMALL, "--force"))
    refused(train("corpus.txt", "--force", "--split", "stripes", "--lines"))
    assert (folder / "charlstm.npz.resume").read_bytes() == before


@pytest.mark.parametrize("model", ["charlstm.npz", "run-0.1"])
@pytest.mark.parametrize("has_model", [True, False])
def test_run_files_under_their_old_names_still_resume(
    folder: Path, stop_at: Callable[[int | None], None], model: str, has_model: bool
) -> None:
    stop_at(30)
    assert train("corpus.txt", *SMALL, "--steps", 60, "-m", model).exit_code == 143
    stop_at(None)
    old = Path(model).with_suffix(".resume.npz")
    shutil.move(f"{model}.resume", old)
    if not has_model:
        (folder / model).unlink()
    if model == "run-0.1" and not has_model:  # it may be that of run-0.2
        assert "no run to resume" in refused(train("--resume", "-m", model))
        return
    assert "exists already" in refused(train("corpus.txt", *SMALL, "-m", model))
    if model == "run-0.1":
        assert "no run to resume" in refused(train("--resume", "-m", "run-0.2"))
    done = train("--resume", "-m", model)
    assert done.exit_code == 0, done.output
    assert not old.exists()
    assert train("corpus.txt", *SMALL, "--steps", 60, "-m", "whole.npz").exit_code == 0
    assert (folder / model).read_bytes() == (folder / "whole.npz").read_bytes()
    assert arrays_of(folder / f"{model}.resume") == arrays_of(folder / "whole.npz.resume")


def test_a_run_file_that_records_nothing_needs_its_text_again(folder: Path) -> None:
    assert train("corpus.txt", *SMALL, "--steps", 20).exit_code == 0
    run = checkpoint.load_run(folder / "charlstm.npz.resume")
    checkpoint.save_run(run._replace(record=checkpoint.RunRecord()), folder / "charlstm.npz.resume")
    assert "does not record which text it reads; give the text files again" in refused(train("--resume"))
    assert train("corpus.txt", "--resume", "--steps", 30).exit_code == 0
    assert train("--resume", "--steps", 40).exit_code == 0


def test_a_resumed_run_can_be_given_another_encoding(folder: Path) -> None:
    text = "abc cab\nbca é\n" * 100
    (folder / "text.txt").write_bytes(text.encode("latin-1"))
    words = ("-m", "a.npz", *SMALL)
    assert train("text.txt", "--encoding", "latin-1", "--steps", 5, *words).exit_code == 0
    assert train("--resume", "--steps", 10, "-m", "a.npz").exit_code == 0
    (folder / "text.txt").write_text(text, encoding="utf-8")
    assert train("--resume", "--steps", 15, "-m", "a.npz").exit_code == 1
    assert train("--resume", "--steps", 15, "-m", "a.npz", "--encoding", "utf-8").exit_code == 0
    assert checkpoint.load_run(folder / "a.npz.resume").record.encoding == "utf-8"
    charlstm.train("text.txt", model="a.npz", resume=True, steps=20)


OTHERS = {
    "a plain run": (),
    "lines": ("--lines", "--curriculum", "1"),
    "a validation file in latin-1": ("--val", "val.txt", "--encoding", "latin-1"),
    "a log and a preview": ("--log", "run log.jsonl", "--preview", "5", "--save-every", "1m30s"),
    "fine-tuned": ("--init-from", "old.npz", "--dropout", "0.3", "--weight-dropout", "0.2"),
    "two workers": ("--workers", "2"),
}


@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS)
def test_the_command_that_a_stopped_run_prints_continues_it_from_anywhere(
    folder: Path, stop_at: Callable[[int | None], None], options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "val.txt").write_bytes("a caf\xe9 mat\n".encode("latin-1") * 30)
    shape = ("--hidden", "8", "--batch-size", "4", *(() if "--lines" in options else ("--seq-len", "16")))
    if "--init-from" in options:
        assert train("corpus.txt", *shape, "--steps", 20, "-m", "old.npz").exit_code == 0
        shape = shape[2:]
    words = ("corpus.txt", *shape, *options, "--steps", 60, "--patience", 0)
    assert train(*words, "-m", "whole.npz", *(("--force",) if "--log" in options else ())).exit_code == 0
    stop_at(30)
    stopped = train(*words, "-m", "my model.npz", *(("--force",) if "--log" in options else ()))
    assert stopped.exit_code == 143
    stop_at(None)
    if "--init-from" in options:
        (folder / "old.npz").unlink()
    command = command_in(stopped.output)
    assert command[:3] == ["--resume", "-m", "my model.npz"]
    assert command[3:] == (["--save-every", "90s", "--preview", "5"] if "--log" in options else [])
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    command[2] = str(folder / command[2])
    done = train(*command)
    assert done.exit_code == 0, done.output
    assert (folder / "my model.npz").read_bytes() == (folder / "whole.npz").read_bytes()
    assert arrays_of(folder / "my model.npz.resume") == arrays_of(folder / "whole.npz.resume")
    if "--log" in options:
        entries = [json.loads(line) for line in (folder / "run log.jsonl").read_text().splitlines()]
        assert [entry["step"] for entry in entries] == checkpoint.load(folder / "whole.npz").history.step.tolist()


def test_the_same_command_with_resume_continues_the_run_too(
    folder: Path, stop_at: Callable[[int | None], None]
) -> None:
    assert train("corpus.txt", *SMALL, "--steps", 20, "-m", "old.npz").exit_code == 0
    for name, words in {"tuned.npz": ("--init-from", "old.npz", "--steps", 60), "timed.npz": ("--time", "1h")}.items():
        stop_at(30)
        words = ("corpus.txt", *words, "--batch-size", 4, "--workers", 1, "-m", name)
        assert train(*words).exit_code == 143
        stop_at(40)
        done = train(*words, "--resume")
        assert done.exit_code == 143 and "resume    after step 3" in done.output
        other = ("--time", "2h") if "--time" in words else ("--init-from", "tuned.npz")
        contradicted = refused(train("--resume", "-m", name, *other))
        assert f"{other[0]} {other[1]} contradicts the run of" in contradicted or "is an input" in contradicted
    assert "--time 1h contradicts the run of " in refused(train("--resume", "-m", "tuned.npz", "--time", "1h"))
    assert "which has a fixed number of steps" in refused(train("--resume", "-m", "tuned.npz", "--time", "1h"))


def test_a_timed_run_goes_on_for_the_time_that_was_left(
    folder: Path, stop_at: Callable[[int | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped twice; the model is then repeated, without a clock, to the same bytes."""
    deadlines: list[float] = []
    create = Clock.__init__

    def note(self: Clock, deadline: float, *arguments: Any) -> None:
        deadlines.append(deadline)
        create(self, deadline, *arguments)

    monkeypatch.setattr(Clock, "__init__", note)
    started = charlstm.training.run.time.monotonic()
    stop_at(50)
    assert train("corpus.txt", *SMALL, "--time", "4s", "--dropout", "0.1", "-m", "timed.npz").exit_code == 143
    record = checkpoint.load_run(folder / "timed.npz.resume").record
    assert record.time == 4.0 and 0.0 < record.seconds_left < 3.0
    stop_at(90)
    assert train("--resume", "-m", "timed.npz").exit_code == 143
    again = checkpoint.load_run(folder / "timed.npz.resume").record
    assert again.time == 4.0 and 0.0 < again.seconds_left < record.seconds_left
    stop_at(None)
    resumed = charlstm.training.run.time.monotonic()
    done = train("--resume", "-m", "timed.npz")
    assert done.exit_code == 0 and "steps     " in done.output, done.output
    assert deadlines[0] == pytest.approx(started + 0.99 * 4.0, abs=0.2)
    assert deadlines[2] == pytest.approx(resumed + again.seconds_left, abs=0.2)
    assert not checkpoint.load(folder / "timed.npz").training.changed_on_resume
    repeated = train("corpus.txt", "--repeat", "timed.npz", "-m", "again.npz")
    assert repeated.exit_code == 0, repeated.output
    assert (folder / "again.npz").read_bytes() == (folder / "timed.npz").read_bytes()
    assert arrays_of(folder / "again.npz.resume") == arrays_of(folder / "timed.npz.resume")


def test_the_printed_command_repeats_a_timed_run(folder: Path) -> None:
    (folder / "timed-again.npz").write_bytes(b"another file")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Clock, "plan_steps", lambda self, done: 20)
        done = train("corpus.txt", *SMALL, "--time", "1h", "-m", "timed.npz")
    assert done.exit_code == 0, done.output
    (printed,) = [line for line in done.output.splitlines() if " --repeat " in line]
    words = shlex.split(printed)
    assert words == ["charlstm", "train", "corpus.txt", "--repeat", "timed.npz", "-m", "timed-again2.npz"]
    assert train(*words[2:]).exit_code == 0
    assert (folder / "timed-again2.npz").read_bytes() == (folder / "timed.npz").read_bytes()


def test_messages_name_two_of_many_files(folder: Path) -> None:
    names = [f"part{number}.txt" for number in range(30)]
    for name in names:
        (folder / name).write_text("abcab" * 20)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Clock, "plan_steps", lambda self, done: 3)
        done = train(*names, *SMALL, "--time", "1h", "-m", "timed.npz")
    assert done.exit_code == 0, done.output
    assert "read      part0.txt, part1.txt and 28 other files: " in done.output and "part3.txt" not in done.output
    assert "charlstm train <the same 30 files> --repeat timed.npz -m timed-again.npz" in done.output


def test_a_timed_run_can_be_given_a_number_of_steps_instead(
    folder: Path, stop_at: Callable[[int | None], None]
) -> None:
    stop_at(50)
    assert train("corpus.txt", *SMALL, "--time", "1h", "-m", "timed.npz").exit_code == 143
    stop_at(None)
    assert train("--resume", "-m", "timed.npz", "--steps", 70).exit_code == 0
    assert checkpoint.load(folder / "timed.npz").training.steps == 70
    assert checkpoint.load_run(folder / "timed.npz.resume").record.time == 0.0


def test_a_text_that_was_piped_in_is_piped_in_again(folder: Path, stop_at: Callable[[int | None], None]) -> None:
    words = [sys.executable, "-m", "charlstm", "train"]
    code = "import charlstm.cli.progress as p, os, signal\nadvance = p.ConsoleWatcher.advance\n"
    code += "p.ConsoleWatcher.advance = lambda self, progress: (advance(self, progress),"
    code += " progress.step == 30 and os.kill(os.getpid(), signal.SIGTERM))\n"
    code += "from charlstm.__main__ import main; main()"
    stopped = subprocess.run(
        [sys.executable, "-c", code, "train", "-", *SMALL, "--steps", "60", "-m", "piped.npz"],
        input=TEXT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert stopped.returncode == 143, stopped.stderr
    assert "to continue the run, with the same text piped in:\n" in stopped.stderr
    assert command_in(stopped.stderr) == ["-", "--resume", "-m", "piped.npz"]
    assert "was piped in; pipe in the same text again" in refused(train("--resume", "-m", "piped.npz"))
    other = subprocess.run(
        [*words, *command_in(stopped.stderr)], input=TEXT[:-1], capture_output=True, text=True, check=False
    )
    assert other.returncode == 1 and "the text is not that of the run" in other.stderr
    done = subprocess.run(
        [*words, *command_in(stopped.stderr)], input=TEXT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert train("corpus.txt", *SMALL, "--steps", 60, "-m", "whole.npz").exit_code == 0
    whole, piped = (checkpoint.load(folder / name).network.parameters.flat for name in ("whole.npz", "piped.npz"))
    np.testing.assert_array_equal(whole, piped)


def test_texts_that_have_moved_are_given_again_and_must_be_the_same(folder: Path) -> None:
    (folder / "second.txt").write_text("a dog sat\n" * 20)
    assert train("corpus.txt", "second.txt", *SMALL, "--steps", 20).exit_code == 0
    (folder / "moved").mkdir()
    for name in ("corpus.txt", "second.txt"):
        shutil.move(name, "moved")
    said = refused(train("--resume", "--steps", 30))
    assert "corpus.txt, a text of the run of" in said and "give the paths that its texts have now" in said
    assert "the text is not that of the run" in refused(train("moved/corpus.txt", "--resume", "--steps", 30))
    assert train("moved/corpus.txt", "moved/second.txt", "--resume", "--steps", 30).exit_code == 0
    assert train("--resume", "--steps", 40).exit_code == 0  # the run file has the new paths
    (folder / "moved" / "second.txt").write_text("a dog ran\n" * 20)
    assert "the text is not that of the run" in refused(train("--resume", "--steps", 50))


def test_a_text_is_needed_without_resume(folder: Path) -> None:
    for words in ((), ("--repeat", "m.npz"), ("--time", "2s")):
        assert "there is no corpus; give a text file or several" in refused(train(*words))
    with pytest.raises(charlstm.ConfigError, match="there is no corpus"):
        charlstm.train()


def test_python_resumes_a_run_by_its_model_alone(folder: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == 30:
            os.kill(os.getpid(), signal.SIGTERM)

    options: dict[str, Any] = {"hidden": 8, "batch_size": 4, "seq_len": 16, "workers": 1}
    for name, length in {"fixed.npz": {"steps": 60}, "timed.npz": {"time": "3s"}}.items():
        with pytest.raises(charlstm.TrainingInterrupted):
            charlstm.train("corpus.txt", model=name, progress=stop, **options, **length)
        resumed = charlstm.train(model=name, resume=True)
        assert resumed.model.digest == charlstm.load(name).model.digest
        assert checkpoint.load_run(folder / f"{name}.resume").state.step >= 60 or "timed" in name
    with pytest.raises(charlstm.CheckpointError, match="there is no run to resume"):
        charlstm.train(model="other.npz", resume=True)
