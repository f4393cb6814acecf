"""Nothing is lost and nobody sees a traceback: disks that fail at any call, texts of any kind, stops at any moment."""

from __future__ import annotations

import errno
import io
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from run_files import arrays_of

from charlstm.base import files
from charlstm.base.errors import CharlstmError
from charlstm.cli.main import main
from charlstm.model import checkpoint
from charlstm.model.checkpoint import Run

TEXT = "".join(random.Random(0).choices("abcde \n", k=1500))
SMALL = ("--hidden", "4", "--batch-size", "4", "--seq-len", "16", "--quiet")
FAULTS = (errno.ENOSPC, errno.EIO, errno.EACCES)


def train(folder: Path, *arguments: str, name: str = "corpus.txt") -> Result:
    """Run `charlstm train` in this process."""
    words = ["train", str(folder / name), "-m", str(folder / "charlstm.npz"), *SMALL, *arguments]
    done = CliRunner().invoke(main, words)
    assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exc_info)
    return done


class Faulty:
    """Every call that writes, counted; one of them fails."""

    def __init__(self, fails: int, fault: int) -> None:
        self.calls = 0
        self._fails = fails
        self._fault = fault

    def counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a call that may fail in place of one that does not."""

        def maybe(*arguments: Any, **settings: Any) -> Any:
            self.calls += 1
            if self.calls - 1 == self._fails:
                raise OSError(self._fault, os.strerror(self._fault))
            return call(*arguments, **settings)

        return maybe

    def opened(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return an `open` whose files may fail too, if they are opened for writing."""

        def maybe(path: Path | int, mode: str = "r", *arguments: Any, **settings: Any) -> Any:
            if ("w" not in mode and "a" not in mode) or str(path).endswith(".lock"):
                return call(path, mode, *arguments, **settings)
            file = self.counted(call)(path, mode, *arguments, **settings)
            return Watched(file, self)

        return maybe


class Watched(io.BufferedIOBase):
    """A file whose every write and flush is counted."""

    def __init__(self, file: Any, faulty: Faulty) -> None:
        self._file = file
        self.write = faulty.counted(file.write)  # type: ignore[method-assign]
        self.flush = faulty.counted(file.flush)  # type: ignore[method-assign]
        for name in ("fileno", "tell", "seek", "seekable", "truncate"):
            setattr(self, name, getattr(file, name))

    def close(self) -> None:
        """Close the file, whatever happened to it."""
        self._file.close()


@contextmanager
def failing(fails: int, fault: int) -> Iterator[Faulty]:
    """Let one call fail: of creating, opening, writing, flushing, syncing and renaming, all counted together."""
    faulty = Faulty(fails, fault)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "open", faulty.opened(Path.open))
        patched.setattr(os, "fdopen", faulty.opened(os.fdopen))
        patched.setattr(files, "create", faulty.counted(files.create))
        patched.setattr(Path, "replace", faulty.counted(Path.replace))
        patched.setattr(os, "fsync", faulty.counted(os.fsync))
        yield faulty


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a corpus, its model and its run."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "corpus.txt").write_text(TEXT)
    assert train(folder, "--steps", "20").exit_code == 0
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Return the name and bytes of every file in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def product(folder: Path) -> tuple[bytes, object]:
    """Return the bytes of the model file in a folder, and what the run file says of the run."""
    return (folder / "charlstm.npz").read_bytes(), arrays_of(folder / "charlstm.npz.resume")


@pytest.mark.parametrize("what", ["model", "run"])
def test_a_save_that_fails_at_any_call_leaves_the_old_file(
    trained: Path, tmp_path: Path, what: str, counted: Callable[[str], None]
) -> None:
    run = checkpoint.load_run(trained / "charlstm.npz.resume")
    path, tried = tmp_path / "file.npz", 0

    def save(value: Run) -> None:
        if what == "model":
            checkpoint.save(value.model, path)
        else:
            checkpoint.save_run(value, path)

    save(run)
    old = content(tmp_path)
    for fault in FAULTS:
        for call in range(10_000):
            with failing(call, fault) as faulty:
                try:
                    save(
                        run._replace(
                            state=run.state._replace(best=run.state.best._replace(weights=run.state.best.weights + 1))
                        )
                    )
                except CharlstmError as error:
                    assert os.strerror(fault) in str(error) and "unchanged" in str(error)
                    assert content(tmp_path) == old, (call, fault)
                    tried += 1
                    continue
            if faulty.calls <= call:
                break
            assert list(content(tmp_path)) == ["file.npz"]  # the folder's flush failed: the new file stands
            save(run)
        assert call > 20
        save(run)
    counted(f"{tried} failures of a save survived: {what}")


def test_a_run_survives_a_disk_that_fails_at_any_moment(
    trained: Path, tmp_path: Path, counted: Callable[[str], None]
) -> None:
    moments, tried = random.Random(0), 0
    with failing(-1, 0) as faulty:
        (tmp_path / "corpus.txt").write_text(TEXT)
        train(tmp_path, "--steps", "20", "--force")
        calls = faulty.calls
    for number in range(12):
        for path in tmp_path.glob("charlstm*"):
            path.unlink()
        with failing(moments.randrange(calls), FAULTS[number % len(FAULTS)]):
            done = train(tmp_path, "--steps", "20")
        assert not list(tmp_path.glob(".*"))
        for path in tmp_path.glob("charlstm*"):
            checkpoint.load(path)
        if done.exit_code == 0:
            assert "training continues" in done.output or product(tmp_path) == product(trained)
        else:
            assert done.exit_code == 1 and re.fullmatch(r"(Error|cannot write) [^\n]+\n|Error: [^\n]+\.\n", done.output)
            if (tmp_path / "charlstm.npz.resume").exists():
                assert train(tmp_path, "--resume").exit_code == 0
        if (tmp_path / "charlstm.npz.resume").exists():
            assert train(tmp_path, "--resume").exit_code == 0
            assert product(tmp_path)[0] == product(trained)[0]
        tried += 1
    counted(f"{tried} failures of a run's disk survived, at {calls} calls")


def learnt_or_refused(folder: Path, text: bytes, *arguments: str) -> int:
    """Train on a text; see that it gives a model, or one sentence; say which by the exit code."""
    (folder / "corpus.txt").write_bytes(text)
    done = train(folder, "--steps", "1", "--force", *arguments)
    if done.exit_code == 0:
        model = checkpoint.load(folder / "charlstm.npz")
        assert model.facts.characters >= (1 if model.documents else 2)
    else:
        assert done.exit_code == 1 and re.fullmatch(r"Error: [^\n]+\.\n", done.output), done.output
    return done.exit_code


def odd_texts() -> dict[str, bytes]:
    """Return texts that a tool may stumble over, by what they are."""
    chance = random.Random(0)
    return {
        "nothing": b"",
        "one byte": b"a",
        "two characters": b"ab",
        "one character again and again": b"a" * 1000,
        "newlines only": b"\n" * 1000,
        "NUL only": b"\0" * 1000,
        "NUL between": b"a\0b\0" * 300,
        "carriage returns only": b"\r" * 500,
        "a mark and nothing": b"\xef\xbb\xbf",
        "a mark and a letter": b"\xef\xbb\xbfa",
        "bytes at random": chance.randbytes(5000),
        "every byte": bytes(range(256)) * 8,
        "a lone surrogate": b"abc\xed\xa0\x80def" * 50,
        "a character cut at the end": "aé".encode()[:-1],
        "UTF-16": "a text in another encoding\n".encode("utf-16") * 20,
        "characters of four bytes": "🎈🎉🎊\n".encode() * 200,
        "100,000 distinct characters": re.sub(
            r"(.{50})", r"\1\n", "".join(map(chr, range(0x10000, 0x10000 + 100_000)))
        ).encode(),
        "one long line": b"ab " * 4000,
        "a line beyond all measure": b"ab " * 400_000,
        "10 MB": b"the cat sat on the mat. " * 420_000,
        "10 MB in lines": b"the cat sat on the mat.\n" * 420_000,
    }


@pytest.mark.parametrize("lines", [False, True])
def test_every_odd_text_is_learnt_or_refused_in_a_sentence(
    tmp_path: Path, lines: bool, counted: Callable[[str], None]
) -> None:
    codes = [
        learnt_or_refused(tmp_path, text, "--val-fraction", "0.01", *(["--lines"] if lines else []))
        for name, text in odd_texts().items()
        if name != ("10 MB" if lines else "10 MB in lines")
    ]
    assert set(codes) == {0, 1}
    counted(f"{len(codes)} odd texts tried: {codes.count(0)} learnt, {codes.count(1)} refused")


def test_texts_of_any_bytes_are_learnt_or_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, counted: Callable[[str], None]
) -> None:
    folder, tried = tmp_path_factory.mktemp("bytes"), [0, 0]

    @given(text=st.binary(max_size=200) | st.text(max_size=100).map(str.encode), lines=st.booleans())
    def learn(text: bytes, lines: bool) -> None:
        tried[learnt_or_refused(folder, text, *(["--lines"] if lines else []))] += 1

    learn()
    assert min(tried) > 0
    counted(f"{sum(tried)} texts at random tried: {tried[0]} learnt, {tried[1]} refused")


def test_names_and_texts_that_are_no_text_are_taken_or_refused_in_a_sentence(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.txt"
    Path(os.fsdecode(name)).write_text(TEXT)
    words = [sys.executable, "-m", "charlstm"]
    trained = subprocess.run(
        [*words, "train", name, "--steps", "2", *SMALL[:-1]], cwd=tmp_path, capture_output=True, check=False
    )
    assert trained.returncode == 0, trained.stderr
    for arguments in (
        ["sample", "--seed", b"a\xff"],
        ["inspect", b"\xffa"],
        ["inspect"],
        ["train", b"\xfe.txt", "--force"],
    ):
        done = subprocess.run([*words, *arguments], cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode in (0, 1) and b"Traceback" not in done.stderr, (arguments, done.stderr)
        assert done.returncode == 0 or re.fullmatch(rb"Error: [^\n]+\.\n", done.stderr)


def test_a_second_ctrl_c_leaves_at_once_with_the_last_save_intact(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT * 400)
    command = [sys.executable, "-m", "charlstm", "train", "corpus.txt", "--hidden", "1500", "--batch-size", "1"]
    first = [*command, "--seq-len", "4000", "--steps", "50", "--workers", "1"]
    with subprocess.Popen(first, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("work "):
                break
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)  # a step of this size takes seconds: nothing happens yet
        time.sleep(0.5)  # two signals during one call of NumPy would be one, so a step has many short ones
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130 and "Traceback" not in said, said
    assert {path.name for path in tmp_path.iterdir()} == {"corpus.txt"}
