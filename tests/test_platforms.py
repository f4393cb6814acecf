"""Windows and macOS, as far as Linux can play them: no fork, no locks, another console, names in any case, drives."""

import ast
import ctypes
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import without_posix

import charlstm
from charlstm.base import files
from charlstm.base.errors import ConfigError
from charlstm.cli import output, spelling
from charlstm.training import processes

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "charlstm").rglob("*.py"))
TEXT = "the cat sat on a mat “quoted”\n" * 100
# Names and modules that Windows lacks, and how the code does without.
GUARDED = {
    "base/files.py": {
        *("fcntl", "SIGHUP", "fchmod", "fchown", "O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK"),
        *("pthread_sigmask", "SIG_BLOCK", "SIG_SETMASK"),
    },
    "cli/keyboard.py": {"termios", "readline"},
    "training/log.py": {"O_NONBLOCK", "O_NOCTTY"},
    "training/processes.py": {"fork", "sched_getaffinity", "sysconf"},
    "training/signals.py": {"SIGHUP"},
    "text/corpus.py": {"posix_fallocate"},
}


def names_of(path: Path) -> set[str]:
    """Return the names in a module that Windows lacks: attributes, strings and imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("os", "signal"):
            found |= {node.attr} & set(without_posix.NAMES)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value} & set(without_posix.NAMES)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            found |= set(names) & set(without_posix.MODULES)
    return found


def test_what_windows_lacks_is_used_in_few_places() -> None:
    """A new place needs another way on Windows, a line in the page on platforms, and a command in the next test."""
    found = {path.relative_to(ROOT / "charlstm").as_posix(): names_of(path) for path in SOURCES}
    assert {name: used for name, used in found.items() if used} == GUARDED
    described = (ROOT / "docs" / "reference" / "platforms.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in described for names in GUARDED.values() for name in names)


def test_every_command_works_without_what_windows_lacks(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_bytes(TEXT.replace("\n", "\r\n").encode())
    small = ["--hidden", "4", "--batch-size", "4", "--seq-len", "16", "--workers", "2"]
    commands = [
        (["train", "corpus.txt", *small, "--steps", "3", "--log", "log.jsonl"], ""),
        (["train", "--resume", "--steps", "5", "-m", "charlstm.npz"], ""),
        (["sample", "--model", "rooms", "--seed", "mady said hi to", "--temperature", "0"], ""),
        (["sample", "-n", "9", "--format", "jsonl", "-o", "samples.jsonl", "--novelty", "corpus.txt"], ""),
        (["sample", "--interactive", "-n", "5"], "the cat\r\n/save a.session\r\n/undo\r\n"),
        (["inspect", "the “cat”"], ""),
        (["inspect", "--score", "--file", "corpus.txt"], ""),
        (["inspect", "--format", "html", "-o", "page.html"], ""),
        (["inspect", "--format", "csv", "the cat"], ""),
        (["sample", "--model", "nowhere.npz"], ""),
    ]
    (tmp_path / "commands.json").write_text(json.dumps(commands))
    script = [sys.executable, Path(without_posix.__file__), "commands.json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(tmp_path)}
    done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True)
    said, shown = done.stderr.decode(), done.stdout.decode("cp1252")
    assert re.findall(r"\[(\S+)\] \w+", shown) == ["0"] * 9 + ["1"], said
    assert "Traceback" not in said and "no other process could be started" in said
    assert re.search(r"mady said hi to \w+\.\r\n", shown)
    assert "“" in shown and b"\r" not in (tmp_path / "samples.jsonl").read_bytes()
    assert len(charlstm.load(tmp_path / "charlstm.npz").model.history.step) > 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "corpus.txt", "commands.json", "charlstm.npz", "charlstm.npz.resume", "log.jsonl", "samples.jsonl", "a.session",
        "page.html",
    }  # fmt: skip


def test_two_names_of_one_file_are_told_where_case_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = tmp_path / "Model.npz", tmp_path / "model.NPZ"
    apart = files.Files()
    assert [apart.add_output(path) for path in both] == list(both)
    monkeypatch.setattr(os.path, "samefile", lambda one, other: str(one).lower() == str(other).lower())
    together = files.Files()
    together.add_output(both[0])
    with pytest.raises(ConfigError, match="is the path of two outputs"):
        together.add_output(both[1])
    assert not files._ignores_case(Path("/"))


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        (r"C:\My Texts\poems.txt", r'"C:\My Texts\poems.txt"'),
        (r"C:\Texts\poems.txt", r"C:\Texts\poems.txt"),
        ("it's.txt", "it's.txt"),
        ("", '""'),
    ],
)
def test_commands_to_type_are_quoted_as_windows_takes_them(
    word: str, quoted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spelling, "os", SimpleNamespace(name="nt"))
    assert spelling.quote(word) == quoted
    monkeypatch.setattr(spelling, "os", SimpleNamespace(name="posix"))
    assert spelling.quote("a b") == "'a b'"


def test_the_console_of_windows_is_asked_to_take_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    modes = {-11: 3, -12: None}  # standard error is a file

    def get_mode(handle: int, mode: object) -> bool:
        mode._obj.value = modes[handle] or 0  # type: ignore[attr-defined]
        return modes[handle] is not None

    console = SimpleNamespace(
        GetStdHandle=lambda number: number, GetConsoleMode=get_mode, SetConsoleMode=modes.__setitem__
    )
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=console), raising=False)
    output._enable_escapes()
    assert modes == {-11: 3, -12: None}
    monkeypatch.setattr(output, "os", SimpleNamespace(name="nt"))
    output._enable_escapes()
    assert modes == {-11: 7, -12: None}


def test_on_macos_one_process_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes.platform, "system", lambda: "Darwin")
    assert processes.count_cores() == 1


def test_a_file_that_windows_does_not_release_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program has the old file open, so that it cannot be replaced."""
    path = tmp_path / "page.html"
    path.write_text("old")

    def replace(self: Path, target: Path) -> None:
        raise PermissionError(13, "The process cannot access the file because it is being used by another process")

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(charlstm.CharlstmError, match="used by another process; its old content is unchanged"):
        files.write_file(path, lambda file: file.write(b"new"))
    assert path.read_text() == "old" and [each.name for each in tmp_path.iterdir()] == ["page.html"]
