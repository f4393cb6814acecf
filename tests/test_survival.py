"""Whatever happens to the terminal or the disk of a run, it goes on, or ends with an exit code that tells why."""

from __future__ import annotations

import errno
import json
import os
import pty
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from commands import train
from run_files import arrays_of

from charlstm.model import checkpoint
from charlstm.text.sources import Block, Sources

TIMES = 5
TEXT = "".join(random.Random(0).choices("abcde \n", k=3000))
SMALL = ("--hidden", "4", "--batch-size", "4", "--seq-len", "16", "--workers", "1", "--patience", "0")
COMMAND = (sys.executable, "-m", "charlstm", "train", "corpus.txt", *SMALL)
READ_JOINED = Sources.read_joined
FILES = {"corpus.txt", "charlstm.npz", "charlstm.npz.resume"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which everything runs, with a text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.txt").write_text(TEXT)
    return tmp_path


def names() -> set[str]:
    """Return the names of all files in the folder."""
    return {path.name for path in Path().iterdir()}


def clear() -> None:
    """Remove what a run wrote."""
    for path in Path().glob("charlstm.npz*"):
        path.unlink()


def wait_for(process: subprocess.Popen[str], start: str) -> None:
    """Read what a process prints until a line begins with a text."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(start):
            return
    raise AssertionError(f"the process has ended with {process.wait()}")


def test_a_hangup_saves_and_the_printed_command_goes_on(folder: Path, counted: Callable[[str], None]) -> None:
    """As when a terminal closes, which may send more than one signal."""
    steps, moments = ("--steps", "4000"), random.Random(2)
    assert train("corpus.txt", *SMALL, *steps, "-m", "whole.npz").exit_code == 0
    command, stopped = list(COMMAND[4:]) + list(steps), 0
    while stopped < TIMES:
        with subprocess.Popen([*COMMAND[:4], *command], stderr=subprocess.PIPE, text=True) as process:
            wait_for(process, "work ")
            time.sleep(moments.uniform(0.0, 0.05))
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGHUP)
            assert process.stderr is not None
            said = process.stderr.read()
        if process.returncode == 0:
            break
        assert process.returncode == 129, said
        found = re.search(r"^ {10}charlstm train (--resume -m charlstm\.npz)$", said, re.M)
        assert found is not None, said
        command = shlex.split(found[1])
        stopped += 1
    assert stopped > TIMES // 2
    assert train("--resume").exit_code == 0
    assert Path("charlstm.npz").read_bytes() == Path("whole.npz").read_bytes()
    assert arrays_of(folder / "charlstm.npz.resume") == arrays_of(folder / "whole.npz.resume")
    counted(f"{stopped} hangups survived")


def test_under_nohup_a_hangup_changes_nothing(folder: Path) -> None:
    command = ["nohup", *COMMAND, "--steps", "3000"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(process, "work ")
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 0 and "wrote     charlstm.npz" in said, said


def test_a_terminal_that_is_gone_saves_the_run(folder: Path) -> None:
    terminal, theirs = pty.openpty()
    code = "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(2, termios.TIOCSCTTY, 0);"
    code += "os.execv(sys.argv[1], sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", code, *COMMAND, "--steps", "1000000"], stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        seen = b""
        while b"work " not in seen or b"%" not in seen:
            seen += os.read(terminal, 4096)
        os.close(terminal)
        assert process.wait() == 129
    assert names() == FILES
    assert train("--resume", "--steps", checkpoint.load_run(folder / "charlstm.npz.resume").state.step).exit_code == 0


@pytest.mark.parametrize("where", ["closed", "full", "without a reader"])
def test_training_goes_on_without_its_progress(folder: Path, where: str, counted: Callable[[str], None]) -> None:
    assert train("corpus.txt", *SMALL, "--steps", "30", "-m", "whole.npz").exit_code == 0
    whole = Path("whole.npz").read_bytes()
    Path("whole.npz").unlink()
    Path("whole.npz.resume").unlink()
    options = ([], ["--quiet"], ["--preview", "3"], ["--workers", "2"])
    redirected = {"closed": "2>&-", "full": "2> /dev/full", "without a reader": "2>&1 | head -1"}[where]
    for number in range(TIMES):
        words = [*COMMAND, "--steps", "30", *options[number % len(options)]]
        line = f"set -o pipefail; {shlex.join(words)} {redirected}"
        done = subprocess.run(["bash", "-c", line], capture_output=True, check=False, text=True)
        assert done.returncode == 0 and done.stderr == "", done
        assert names() == FILES
        if "--workers" not in words[len(COMMAND) :]:
            assert Path("charlstm.npz").read_bytes() == whole
        clear()
    counted(f"{TIMES} runs survived with a stderr that was {where}")


@pytest.mark.parametrize("redirected", ["2>&-", "2> /dev/full", "2>&1 | head -1"])
def test_python_trains_on_without_its_bar(folder: Path, redirected: str) -> None:
    code = "import charlstm; charlstm.train('corpus.txt', hidden=4, batch_size=4, steps=30, workers=2, patience=0,"
    code += " model='charlstm.npz', progress=True)"
    line = f"set -o pipefail; {shlex.join([sys.executable, '-c', code])} {redirected}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=False, text=True)
    assert names() == FILES, done
    assert checkpoint.load(folder / "charlstm.npz").history.step[-1] == 30


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_although_nobody_reads_what_is_printed(folder: Path, number: signal.Signals) -> None:
    with subprocess.Popen([*COMMAND, "--steps", "1000000"], stderr=subprocess.PIPE, text=True) as process:
        wait_for(process, "work ")
        assert process.stderr is not None
        process.stderr.close()
        time.sleep(0.2)
        process.send_signal(number)
        assert process.wait() == 128 + number
    assert names() == FILES
    assert checkpoint.load_run(folder / "charlstm.npz.resume").state.step > 0


class FullDisk:
    """Writes of some files fail from one call to another; a write that fails may leave a part of its bytes."""

    def __init__(self, first: int, last: float) -> None:
        self.calls = 0
        self._first, self._last = first, last

    def is_full(self) -> bool:
        """Count a call, and return whether it fails."""
        self.calls += 1
        return self._first < self.calls <= self._last

    def wrap(self, file: Any) -> Any:
        """Return a file whose writes may fail."""
        disk = self

        class Writer:
            def __getattr__(self, name: str) -> Any:
                return getattr(file, name)

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *error: object) -> None:
                file.close()

            def write(self, data: Any) -> int:
                if not disk.is_full():
                    return int(file.write(data))
                file.write(bytes(memoryview(data))[: len(data) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        return Writer()


@contextmanager
def full_disk(module: Any, name: str, is_of_disk: Callable[..., bool], disk: FullDisk) -> Iterator[None]:
    """Let the files that a function opens for writing be on a disk."""
    opened = getattr(module, name)

    def open_on_disk(path: Any, mode: str = "r", *arguments: Any, **settings: Any) -> Any:
        file = opened(path, mode, *arguments, **settings)
        return disk.wrap(file) if is_of_disk(path, mode) else file

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, name, open_on_disk)
        yield


def test_a_log_on_a_full_disk_keeps_whole_lines_and_is_continued(folder: Path, counted: Callable[[str], None]) -> None:
    moments = random.Random(3)
    assert train("corpus.txt", *SMALL, "--steps", 120, "-m", "whole.npz").exit_code == 0
    history = checkpoint.load(folder / "whole.npz").history
    for _ in range(TIMES):
        first = moments.randrange(70)
        disk = FullDisk(first, first + moments.choice([1, 5, 1000]))
        with full_disk(Path, "open", lambda path, mode: path.name == "run.jsonl" and "a" in mode, disk):
            done = train("corpus.txt", *SMALL, "--steps", 120, "--log", "run.jsonl", "--force")
        assert done.exit_code == 0 and done.output.count("run.jsonl: No space left on device; training cont") == 1
        written = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
        steps = [entry["step"] for entry in written]
        assert Path("run.jsonl").read_bytes().endswith(b"\n") or not steps
        assert len(steps) < len(history.step) and set(steps) < set(history.step.tolist()) and steps == sorted(steps)
        losses = dict(zip(history.step.tolist(), history.training_loss.tolist(), strict=True))
        assert [entry["training_nats"] for entry in written] == [losses[step] for step in steps]
        again = train("--resume", "--steps", 130)
        assert again.exit_code == 0, again.output
        after = [json.loads(line)["step"] for line in Path("run.jsonl").read_text().splitlines()]
        assert after[: len(steps)] == steps and after[-1] == 130
    counted(f"{TIMES} full disks under a log survived")


def test_a_log_whose_broken_line_cannot_be_cut_at_once_is_cut_before_the_next_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(50, 51)
    with full_disk(Path, "open", lambda path, mode: path.name == "run.jsonl" and "a" in mode, disk):
        wrap = disk.wrap

        def stubborn(file: Any) -> Any:
            writer = wrap(file)
            if disk.calls == 50:

                def refuse(size: int) -> int:
                    if size < os.fstat(file.fileno()).st_size:
                        raise OSError(errno.EIO, os.strerror(errno.EIO))
                    return size

                writer.truncate = refuse
            return writer

        monkeypatch.setattr(disk, "wrap", stubborn)
        assert train("corpus.txt", *SMALL, "--steps", 120, "--log", "run.jsonl").exit_code == 0
    steps = [json.loads(line)["step"] for line in Path("run.jsonl").read_text().splitlines()]
    assert len(steps) == len(checkpoint.load(folder / "charlstm.npz").history.step) - 1


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("options", [("--steps", "5"), ("--time", "1h")], ids=["reading", "measuring"])
def test_a_signal_before_the_first_step_leaves_nothing(folder: Path, sent: int, options: tuple[str, ...]) -> None:
    os.mkfifo("pipe")
    corpus = "corpus.txt" if "--time" in options else "pipe"  # without a writer: the run waits for one
    words = [*COMMAND[:4], corpus, *SMALL[:-1], "2", *options]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        if "--time" in options:
            wait_for(process, "measure ")
        while not Path(".charlstm.npz.lock").exists():
            time.sleep(0.01)
            assert process.poll() is None
        process.send_signal(sent)
        assert process.wait() == 128 + sent
        assert process.stderr is not None and "Traceback" not in process.stderr.read()
    assert names() == {"corpus.txt", "pipe"}


def test_a_log_is_written_into_a_device_and_never_waits_for_a_reader(folder: Path) -> None:
    os.mkfifo("pipe")
    done = train("corpus.txt", *SMALL, "--steps", 50, "--log", "pipe")
    assert done.exit_code == 0 and done.output.count("cannot write pipe") == 1
    assert Path("pipe").is_fifo()
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert train("corpus.txt", *SMALL, "--steps", 50, "--log", "pipe", "--force").exit_code == 0
    lines = os.read(reader, 1 << 16).splitlines()
    os.close(reader)
    assert Path("pipe").is_fifo() and [json.loads(line)["step"] for line in lines][-1] == 50
    assert train("corpus.txt", *SMALL, "--steps", 50, "--log", "/dev/full", "--force").exit_code == 0


def test_a_full_disk_ends_in_a_sentence_and_the_run_goes_on_once_there_is_room(
    folder: Path, counted: Callable[[str], None]
) -> None:
    moments, resumed = random.Random(4), 0
    options = ("corpus.txt", *SMALL, "--steps", 40, "--save-every", 0, "--validate-every", 4)
    assert train(*options, "-m", "whole.npz").exit_code == 0
    measure = FullDisk(0, 0)
    with full_disk(os, "fdopen", lambda path, mode: "w" in mode, measure):
        assert train(*options).exit_code == 0
    for _ in range(TIMES):
        clear()
        disk = FullDisk(moments.randrange(measure.calls), float("inf"))
        with full_disk(os, "fdopen", lambda path, mode: "w" in mode, disk):
            done = train(*options)
        assert done.exit_code == 1, done.output
        assert re.search(r"^Error: cannot write charlstm\.npz: No space left on device[^\n]*\.\n\Z", done.output, re.M)
        assert not list(Path().glob(".*"))
        for path in Path().glob("charlstm*"):
            checkpoint.load(path)
        if Path("charlstm.npz.resume").exists():
            again = train("--resume")
            assert again.exit_code == 0, again.output
            assert Path("charlstm.npz").read_bytes() == Path("whole.npz").read_bytes()
            assert arrays_of(folder / "charlstm.npz.resume") == arrays_of(folder / "whole.npz.resume")
            resumed += 1
    assert resumed > TIMES // 2
    counted(f"{TIMES} full disks under a model survived, {resumed} of them resumed")


def test_a_stopped_run_that_could_not_be_saved_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(run: Any, path: Path, *_: object) -> None:
        if run.state.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        raise checkpoint.CheckpointError(f"cannot write {path}: the disk is full")

    monkeypatch.setattr(checkpoint, "save_run", fail)
    done = train("corpus.txt", *SMALL, "--steps", "1000", "--save-every", "0")
    assert done.exit_code == 143
    assert "the run cannot be resumed from this step, because its run file could not be written" in done.output
    assert "--resume" not in done.output


CHANGES: dict[str, Callable[[str], str]] = {
    "truncated": lambda text: text[: len(text) // 2],
    "emptied": lambda text: "",
    "grown": lambda text: text + "abc",
    "changed": lambda text: text[:100] + ("a" if text[100] != "a" else "b") + text[101:],
    "changed to an unknown character": lambda text: text[:100] + "ü" + text[101:],
}


def test_a_text_that_changes_while_it_is_read_is_refused(folder: Path, counted: Callable[[str], None]) -> None:
    """It changes between the two readings of a text that fits into a block, or of one that does not."""
    for number in range(TIMES):
        change = list(CHANGES.values())[number % len(CHANGES)]
        text = "".join(random.Random(number).choices("abcde \n", k=1_500_000 if number < len(CHANGES) else 2000))
        Path("corpus.txt").write_text(text)
        readings = [READ_JOINED, partial(read_and_change, change(text))]
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Sources, "read_joined", lambda sources, left=readings: left.pop()(sources))
            done = train("corpus.txt", *SMALL, "--steps", "1", *(["--lines"] if number % 2 else []))
        assert done.exit_code == 1, (number, done.output)
        assert re.fullmatch(r"Error: corpus\.txt changed while the text was read[^\n]+\.\n", done.output), done.output
        assert names() == {"corpus.txt"}
    counted(f"{TIMES} texts that changed while they were read were refused")


def read_and_change(after: str, sources: Sources) -> Iterator[Block]:
    """Read files, and then give the text of one of them another content."""
    yield from READ_JOINED(sources)
    Path("corpus.txt").write_text(after)
