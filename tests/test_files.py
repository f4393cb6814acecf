"""Outputs never destroy inputs or models, follow no foreign links and keep modes; inputs are read whatever they are."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from small import model as small_model
from small import network

import charlstm
from charlstm.api.language_model import LanguageModel
from charlstm.base import files
from charlstm.base.errors import CharlstmError, ConfigError
from charlstm.base.files import Files, write_file
from charlstm.cli.main import main
from charlstm.model import checkpoint
from charlstm.training.signals import stopping_signals

TEXT = "abc cab bca\nab ca\n" * 30
SPELLINGS = ("same", "dots", "absolute", "hard link", "link", "link to a link")
TRAIN = ("--steps", "1", "--hidden", "3", "--batch-size", "2", "--seq-len", "8", "--quiet")


def save_model(path: Path) -> None:
    """Write a small model of a stream."""
    checkpoint.save(small_model(network("gru", np.float32), "\n abc"), path)


def invoke(*words: object) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, [*map(str, words)], input="")


def is_one_sentence(done: Result) -> bool:
    """Return whether a command failed with one sentence."""
    return done.exit_code in (1, 2) and bool(re.fullmatch(r"(Usage[^\n]*\n[^\n]*\n\n)?Error: [^\n]+\n", done.output))


def respell(path: Path, spelling: str) -> Path:
    """Return another path of the same file."""
    other = path.with_name(f"other-{path.name}")
    if spelling == "dots":
        return Path("folder") / ".." / path
    if spelling == "absolute":
        return path.absolute()
    if spelling == "hard link":
        other.hardlink_to(path)
    elif spelling == "link":
        other.symlink_to(path.name)
    elif spelling == "link to a link":
        path.with_name("middle").symlink_to(path.name)
        other.symlink_to("middle")
    return other if other.exists() else path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with a model, a session, texts and an empty folder."""
    monkeypatch.chdir(tmp_path)
    save_model(tmp_path / "m.npz")
    save_model(tmp_path / "n.npz")
    session = charlstm.load("m.npz").session(length=3)
    session.save("s.npz")
    for name in ("c.txt", "d.txt", "e.txt"):
        (tmp_path / name).write_text(TEXT)
    (tmp_path / "pairs.tsv").write_text("ab\tc\n")
    (tmp_path / "folder").mkdir()
    return tmp_path


COMMANDS: dict[str, tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]] = {
    "sample": (
        ("sample", "-n", "3", "-m", "m.npz", "--seed-file", "c.txt", "--novelty", "d.txt", "--format", "text"),
        {"-o": "new.txt"},
        ("m.npz", "c.txt", "d.txt"),
    ),
    "inspect": (
        (
            *[
                "inspect",
                "-m",
                "m.npz",
                "--score",
                "--file",
                "c.txt",
                "--file",
                "d.txt",
                "--compare",
                "n.npz",
                "--format",
                "json",
            ],
        ),
        {"-o": "new.json", "--format": "json"},
        ("m.npz", "n.npz", "c.txt", "d.txt"),
    ),
    "cloze": (("inspect", "-m", "m.npz", "--cloze", "pairs.tsv", "--format", "html"), {"-o": "x"}, ("pairs.tsv",)),
    "train": (
        ("train", "c.txt", "d.txt", "--val", "e.txt", "--init-from", "n.npz", *TRAIN),
        {"-m": "new.npz", "--log": "new.log"},
        ("c.txt", "d.txt", "e.txt", "n.npz"),
    ),
}
PAIRS = [
    (name, option, given) for name, (_, outputs, inputs) in COMMANDS.items() for option in outputs for given in inputs
]


@pytest.mark.parametrize(("name", "option", "source"), PAIRS)
@pytest.mark.parametrize("force", [False, True])
def test_an_input_is_never_replaced(folder: Path, name: str, option: str, source: str, force: bool) -> None:
    words, outputs, _ = COMMANDS[name]
    for spelling in SPELLINGS:
        path = respell(Path(source), spelling)
        before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        chosen = [word for pair in (outputs | {option: str(path)}).items() for word in pair]
        done = invoke(*words, *chosen, *["--force"] * force)
        assert is_one_sentence(done) and path.name in done.output, (spelling, done.output)
        assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
        for other in (Path("middle"), path):
            if other.name != source:
                other.unlink(missing_ok=True)
    done = invoke(*words, *[word for pair in outputs.items() for word in pair])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_two_outputs_are_two_files(folder: Path, spelling: str) -> None:
    Path("old").write_text("old")
    done = invoke("train", "c.txt", "-m", "old", "--log", respell(Path("old"), spelling), "--force", *TRAIN)
    assert is_one_sentence(done) and Path("old").read_text() == "old"


@pytest.mark.parametrize("target", ["n.npz", "s.npz"])
def test_an_output_replaces_a_model_only_with_force(folder: Path, target: str) -> None:
    old = Path(target).read_bytes()
    commands = (
        ("sample", "-m", "m.npz", "-n", "3", "--format", "text", "-o", target),
        ("inspect", "-m", "m.npz", "ab", "--format", "npz", "-o", target),
        ("train", "c.txt", "-m", "new.npz", "--log", target, *TRAIN),
    )
    for words in commands:
        done = invoke(*words)
        assert is_one_sentence(done) and target in done.output and "--force" in done.output, done.output
        assert Path(target).read_bytes() == old
        assert invoke(*words, "--force").exit_code == 0 and Path(target).read_bytes() != old
        Path(target).write_bytes(old)


def test_python_replaces_a_model_only_with_force(folder: Path) -> None:
    it, old = charlstm.load("m.npz"), Path("n.npz").read_bytes()
    view = it.view("cell", "abc", units=["0:1"], by="r")
    saves: tuple[Callable[..., None], ...] = (
        it.trace("abc").save,
        view.save,
        lambda path, **how: it.page(path, "abc", **how),
    )
    for save in saves:
        with pytest.raises(ConfigError, match="force=True"):
            save("n.npz")
        assert Path("n.npz").read_bytes() == old
        save(Path("n.npz"), force=True)
        assert Path("n.npz").read_bytes() != old
        Path("n.npz").write_bytes(old)
        save("plain.npz")
        save("plain.npz")


def test_every_path_is_a_string_or_a_path(folder: Path) -> None:
    for kind in (str, Path):
        it = charlstm.load(kind("m.npz"))
        session = it.session(length=3)
        session.add("ab")
        session.save(kind("a.session"), replace=True)
        other = it.session(length=3)
        other.load(kind("a.session"))
        assert other.text == "ab"
        it.trace("ab").save(kind("t.npz"))
        it.page(kind("t.html"), "ab")
        assert it.novelty("abc", kind("c.txt")).files[0][0] == "c.txt"
    for wrong in (b"m.npz", 3, None, "", "a\0b"):
        for call in (charlstm.load, it.trace("ab").save, it.session(length=3).load, it.session(length=3).save):
            with pytest.raises(CharlstmError, match=r"not a path|not the name of a file|is not a"):
                call(wrong)  # type: ignore[operator]


def test_a_session_does_not_replace_a_model(folder: Path) -> None:
    session, old = charlstm.load("m.npz").session(length=3), Path("m.npz").read_bytes()
    with pytest.raises(CharlstmError, match="is a model"):
        session.save("m.npz", replace=True)
    assert Path("m.npz").read_bytes() == old


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_file_that_is_replaced_keeps_its_permissions(folder: Path, mode: int) -> None:
    old = os.umask(0o022)
    try:
        for name in ("n.npz", "n.npz.resume", "s.npz", "out.txt", "run.log"):
            Path(name).touch()
            Path(name).chmod(mode)
        assert invoke("train", "c.txt", "-m", "n.npz", "--log", "run.log", "--force", *TRAIN).exit_code == 0
        assert invoke("sample", "-m", "m.npz", "-n", "3", "-o", "out.txt").exit_code == 0
        charlstm.load("m.npz").session(length=3).save("s.npz", replace=True)
        for name in ("n.npz", "n.npz.resume", "s.npz", "out.txt", "run.log"):
            assert stat.S_IMODE(Path(name).stat().st_mode) == mode
        charlstm.load("m.npz").trace("ab").save("fresh.npz")
        assert stat.S_IMODE(Path("fresh.npz").stat().st_mode) == 0o644
    finally:
        os.umask(old)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files to others")
def test_a_file_that_is_replaced_keeps_its_owner(folder: Path) -> None:
    Path("out.txt").touch()
    os.chown("out.txt", 1234, 2345)
    assert invoke("sample", "-m", "m.npz", "-n", "3", "-o", "out.txt").exit_code == 0
    status = Path("out.txt").stat()
    assert status.st_size and (status.st_uid, status.st_gid) == (1234, 2345)


def read_pipe(path: str) -> tuple[threading.Thread, list[bytes]]:
    """Read a named pipe in a thread."""
    received: list[bytes] = []
    thread = threading.Thread(target=lambda: received.append(Path(path).read_bytes()), daemon=True)
    thread.start()
    return thread, received


def test_a_pipe_or_a_device_is_written_into_and_stays(folder: Path) -> None:
    os.mkfifo("pipe")
    for words in (
        ("sample", "-m", "m.npz", "-n3", "--random-seed=0"),
        ("inspect", "-m", "m.npz", "ab", "--format", "csv"),
    ):
        expected = invoke(*words).stdout
        thread, received = read_pipe("pipe")
        assert invoke(*words, "-o", "pipe").exit_code == 0
        thread.join()
        assert received[0].decode() == expected and stat.S_ISFIFO(Path("pipe").stat().st_mode)
        assert invoke(*words, "-o", "/dev/null").exit_code == 0
        assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    full = invoke("inspect", "-m", "m.npz", "ab", "--format", "csv", "-o", "/dev/full")
    assert is_one_sentence(full) and "No space left" in full.output
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
    for target in ("pipe", "/dev/null", "/dev/stdout"):
        done = invoke("train", "c.txt", "-m", target, "--force", *TRAIN)
        assert is_one_sentence(done) and "regular file" in done.output
        with pytest.raises(CharlstmError, match="regular file"):
            charlstm.load("m.npz").session(length=3).save(target, replace=True)
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode) and stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def run_command(*words: object, **settings: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "charlstm", *map(str, words)]
    return subprocess.run(command, capture_output=settings.get("stdout") is None, check=False, **settings)


def test_an_output_to_dev_stdout_is_added_where_stdout_is(folder: Path) -> None:
    words = ("sample", "-m", "m.npz", "-n", "5", "--random-seed", "0", "-o", "/dev/stdout", "--format", "text")
    expected = run_command(*words).stdout
    Path("all.txt").write_bytes(b"old ")
    with Path("all.txt").open("ab") as file:
        run_command(*words, stdout=file, stderr=subprocess.DEVNULL)
    assert Path("all.txt").read_bytes() == b"old " + expected and len(expected) == 5
    assert run_command(*words[:-3], "-", "--format", "text").stdout == expected and not Path("-").exists()


def test_a_model_and_a_corpus_are_read_from_pipes(folder: Path) -> None:
    model, text = Path("m.npz").read_bytes(), TEXT.encode()
    os.mkfifo("pipe")
    expected = run_command("sample", "-m", "m.npz", "-n9", "--random-seed=0", stdin=subprocess.DEVNULL).stdout
    for name in ("-", "/dev/stdin"):
        assert run_command("sample", "-m", name, "-n9", "--random-seed=0", input=model).stdout == expected
        with Path("m.npz").open("rb") as file:
            assert run_command("sample", "-m", name, "-n9", "--random-seed=0", stdin=file).stdout == expected
        trained = {}
        for number, source in enumerate((name, name, "c.txt")):
            with Path("c.txt").open("rb") as file:
                how: dict[str, Any] = {"input": text} if number == 0 else {"stdin": file}
                done = run_command("train", source, "-m", f"{number}.npz", "--force", *TRAIN, **how)
            assert done.returncode == 0, done.stderr
            trained[number] = checkpoint.load(Path(f"{number}.npz"))
        assert len({it.facts.sha256 for it in trained.values()}) == len({it.digest for it in trained.values()}) == 1
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(model), daemon=True)
    writer.start()
    assert run_command("sample", "-m", "pipe", "-n9", "--random-seed=0", stdin=subprocess.DEVNULL).stdout == expected
    writer.join()
    broken = run_command("sample", "-m", "-", input=model[:-200])
    assert broken.returncode == 1 and b"standard input" in broken.stderr and broken.stderr.count(b"\n") == 1


def test_devices_without_end_are_refused_as_models_sessions_and_texts(folder: Path) -> None:
    session = charlstm.load("m.npz").session(length=3)
    for path in ("/dev/zero", "/dev/urandom", "folder"):
        for words in (
            ("sample", "-m", path),
            ("sample", "-m", "m.npz", "--seed-file", path),
            ("sample", "-m", "m.npz", "--novelty", path),
            ("inspect", "-m", path, "ab"),
            ("inspect", "-m", "m.npz", "--score", "--file", path),
            ("inspect", "-m", "m.npz", "--score", "ab", "--compare", path),
            ("train", path, *TRAIN),
            ("train", "c.txt", "-m", "new.npz", "--init-from", path, *TRAIN),
        ):
            done = invoke(*words)
            assert is_one_sentence(done) and path in done.output, (words, done.output)
        with pytest.raises(CharlstmError, match=f"cannot read the saved session {path}"):
            session.load(path)


def test_links_that_others_have_laid_are_not_followed(folder: Path) -> None:
    Path("victim").write_text("precious")
    for name in (".new.npz.lock", ".n.npz.lock"):
        Path(name).symlink_to("victim")
    for target in ("new.npz", "n.npz"):
        done = invoke("train", "c.txt", "-m", target, "--force", *TRAIN)
        assert is_one_sentence(done) and "lock" in done.output and "is a link" in done.output
        Path(f".{target}.lock").unlink()
        Path(f".{target}.{os.getpid()}.tmp").symlink_to("victim")
        assert invoke("train", "c.txt", "-m", target, "--force", *TRAIN).exit_code == 0
    assert Path("victim").read_text() == "precious"


def test_a_write_protected_file_is_not_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access, old = os.access, Path("d.txt").read_bytes()
    Path("d.txt").chmod(0o444)
    monkeypatch.setattr(
        os, "access", lambda path, mode: access(path, mode) and (mode, Path(path).name) != (os.W_OK, "d.txt")
    )
    for words in (
        ("sample", "-m", "m.npz", "-n", "3", "-o", "d.txt"),
        ("inspect", "-m", "m.npz", "ab", "-o", "d.txt", "--force"),
        ("train", "c.txt", "-m", "d.txt", "--force", *TRAIN),
        ("train", "c.txt", "-m", "new.npz", "--log", "d.txt", "--force", *TRAIN),
    ):
        done = invoke(*words)
        assert is_one_sentence(done) and "write-protected" in done.output, done.output
    with pytest.raises(CharlstmError, match="write-protected"):
        charlstm.load("m.npz").trace("ab").save("d.txt")
    assert Path("d.txt").read_bytes() == old


def test_a_minus_is_standard_output_for_an_output_and_standard_input_for_an_input(folder: Path) -> None:
    saved = run_command("train", "-", "-m", "new.npz", "--log", "-", *TRAIN, input=TEXT.encode())
    assert saved.returncode == 0 and not saved.stderr and saved.stdout.startswith(b'{"step": 1,')
    code = "import charlstm; charlstm.load('m.npz').trace('ab').save('-')"
    printed = subprocess.run([sys.executable, "-c", code], input=b"", capture_output=True, check=True).stdout
    with np.load(io.BytesIO(printed)) as found:
        np.testing.assert_array_equal(found["surprise"], charlstm.load("m.npz").trace("ab").surprise)
    assert not Path("-").exists()


@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_a_log_to_a_stream_is_added_where_the_stream_is(folder: Path, mode: str) -> None:
    Path("all.txt").write_bytes(b"old\n")
    with Path("all.txt").open(mode) as file:
        file.write(b"before\n")
        file.flush()
        run_command("train", "c.txt", "-m", "new.npz", "--log", "/dev/stdout", *TRAIN, stdout=file)
        file.seek(0, os.SEEK_END)
        file.write(b"after\n")
    *start, entry, last = Path("all.txt").read_bytes().splitlines()
    assert start == [b"old", b"before"][mode == "wb" :] and last == b"after" and entry.startswith(b'{"step": 1,')


def test_a_pipe_is_no_saved_session(folder: Path) -> None:
    os.mkfifo("pipe")  # without a writer: opening it would wait for one
    for path in ("pipe", "/dev/stdin", "-"):
        words = ("sample", "-m", "m.npz", "--interactive", "-n", "3")
        done = run_command(*words, input=f"/load {path}\nab\n".encode())
        assert done.returncode == 0 and done.stdout.startswith(b"ab"), done
        assert done.stderr.count(b"cannot read the saved session") == 1
        with pytest.raises(CharlstmError, match="it is a"):
            charlstm.load("m.npz").session(length=3).load(path)


def count_written(pipe: int, start: bytes, endless: bytes) -> int:
    """Write a text, then another again and again until nobody reads it, and return the number of bytes."""
    written = 0
    with suppress(BrokenPipeError), os.fdopen(pipe, "wb", buffering=0) as file:
        written += file.write(start)
        while endless:
            written += file.write(endless)
    return written


@pytest.mark.parametrize("case", ["whole", "run", "version", "member", "session", "other", "endless text"])
def test_a_model_from_a_pipe_is_read_no_further_than_its_settings_allow(folder: Path, case: str) -> None:
    assert invoke("train", "c.txt", "-m", "run.npz", *TRAIN).exit_code == 0
    start = Path({"run": "run.npz.resume", "session": "s.npz"}.get(case, "m.npz")).read_bytes()
    said = {"session": "another program", "other": "another kind of file", "member": "another program"}
    if case == "other":
        start = b"x" * 100
    elif case == "member":
        start = start.replace(b"metadata.npy", b"metadatb.npy")
    elif case == "version":
        start = (Path(__file__).parent / "data" / "version-2" / "stream.npz").read_bytes()
    reading, writing = os.pipe()
    with ThreadPoolExecutor() as pool:
        written = pool.submit(count_written, writing, start, b"abc" * 1000)
        try:
            with pytest.raises(CharlstmError, match=said.get(case, r"longer than the [\d,]+ bytes")) as error:
                charlstm.load(f"/dev/fd/{reading}")
        finally:
            os.close(reading)
    assert written.result() < (1 << 27 if case not in said else 1 << 21) + len(start), error.value


@pytest.mark.parametrize("name", ["train", "score", "novelty"])
def test_a_pipe_does_not_fill_the_disk(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=20_000_000))
    for text, fits in ((TEXT.encode() * 100, True), (TEXT.encode() * 25_000, False)):
        reading, writing = os.pipe()
        words = {
            "train": ("train", f"/dev/fd/{reading}", "-m", "new.npz", "--force", *TRAIN),
            "score": ("inspect", "-m", "m.npz", "--score", "--file", f"/dev/fd/{reading}"),
            "novelty": ("sample", "-m", "m.npz", "-n", "3", "--novelty", f"/dev/fd/{reading}"),
        }[name]
        with ThreadPoolExecutor() as pool:
            pool.submit(count_written, writing, text, b"")
            done = invoke(*words)
            os.close(reading)
        assert done.exit_code == (0 if fits else 1), done.output
        assert fits or (is_one_sentence(done) and "longer than 10,000,000 bytes" in done.output), done.output


@pytest.mark.parametrize(
    "number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM, errno.EIO, errno.ESTALE]
)
def test_a_file_system_without_locks_and_flushes_is_used_with_a_remark(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", fail)
    if number in files.UNSUPPORTED:
        monkeypatch.setattr("os.fsync", fail)
    told: list[str] = []
    with files.lock(Path("new.npz"), told.append):
        write_file(Path("new.npz"), lambda file: file.write(b"abc"))
    assert Path("new.npz").read_bytes() == b"abc" and len(told) == 1 and "locked" in told[0]
    assert invoke("train", "c.txt", "-m", "new.npz", "--force", *TRAIN).exit_code == 0
    assert not list(folder.glob(".*"))


def test_no_signal_can_come_while_the_random_numbers_of_numpy_are_imported() -> None:
    """That import swallows exceptions, so it has to be over before signals raise any."""
    code = "import charlstm.base.randomness, sys; print('numpy.random' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"


@pytest.mark.parametrize("sent", stopping_signals()[1:])  # Windows has no SIGHUP
def test_a_signal_while_a_file_is_written_leaves_no_temporary_file(folder: Path, sent: int) -> None:
    words = ["sample", "-m", "m.npz", "-n", "100000000", "-o", "made.txt"]
    Path("made.txt").write_text("old")
    with subprocess.Popen([sys.executable, "-m", "charlstm", *words], stdin=subprocess.DEVNULL) as process:
        while not list(folder.glob(".made.txt.*")):
            time.sleep(0.01)
            assert process.poll() is None
        process.send_signal(sent)
        assert process.wait() == 128 + sent
    assert not list(folder.glob(".*")) and Path("made.txt").read_text() == "old"


@pytest.mark.parametrize("name", ["", "x" * 300, "x" * 252, "folder/" * 2000 + "x", "no/such/x", "c.txt/x", "loop"])
def test_odd_names_are_one_sentence(folder: Path, name: str) -> None:
    Path("loop").symlink_to("loop")
    for words in (
        ("train", "c.txt", "-m", name, *TRAIN),
        ("train", "c.txt", "--log", name, "-m", "new.npz", *TRAIN),
        ("train", name, *TRAIN),
        ("sample", "-m", name),
        ("sample", "-m", "m.npz", "-n", "3", "-o", name, "--format", "text"),
        ("inspect", "-m", name, "ab"),
        ("inspect", "-m", "m.npz", "ab", "-o", name, "--format", "csv"),
        ("inspect", "-m", "m.npz", "--score", "--file", name),
    ):
        done = invoke(*words)
        if name == "x" * 252 and ("--log" in words or "-o" in words):
            assert done.exit_code == 0
            Path(name).unlink()
        else:
            assert is_one_sentence(done), (words, done.output)


def test_the_home_folder_is_found_where_the_shell_leaves_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder / "folder"))
    Path("folder/m.npz").write_bytes(Path("m.npz").read_bytes())
    assert invoke("sample", "--model=~/m.npz", "-n", "3", "--output=~/out.txt").exit_code == 0
    assert Path("folder/out.txt").exists()
    Path("~draft.txt").write_text("abc")
    assert invoke("inspect", "-m", "m.npz", "--score", "--file", "~draft.txt").exit_code == 0


@given(st.lists(st.tuples(st.sampled_from("io"), st.sampled_from(["a", "b", "./a", "d/../b", "l", "h"])), max_size=6))
def test_no_output_is_an_input_or_another_output(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "d").mkdir()
    (folder / "a").touch()
    (folder / "l").symlink_to("b")  # leads to a file that does not exist yet
    (folder / "h").hardlink_to(folder / "a")
    target = {"a": "a", "./a": "a", "h": "a", "b": "b", "d/../b": "b", "l": "b"}
    known, inputs, outputs = Files(), set(), set()
    for kind, name in calls:
        file = target[name]
        allowed = file not in outputs and (kind == "i" or file not in inputs)
        try:
            (known.add_input if kind == "i" else known.add_output)(folder / name)
            assert allowed
            (inputs if kind == "i" else outputs).add(file)
        except ConfigError:
            assert not allowed


def test_a_language_model_has_the_name_of_its_file(folder: Path) -> None:
    it = charlstm.load(Path("m.npz"))
    assert isinstance(it, LanguageModel) and it.name == "m.npz"
