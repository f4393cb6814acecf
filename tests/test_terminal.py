"""What reaches a terminal, a pipe or a file, whatever the text, the encoding and the state of the streams."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import re
import shlex
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pexpect
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from pages import DOCS, list_words
from small import model, network
from test_cli import in_a_terminal
from wcwidth import wcswidth

from charlstm.base.config import check_number
from charlstm.cli import console, keyboard, output, progress, status
from charlstm.cli.main import COMMANDS, main
from charlstm.inspection.view import Column, Curves, Kind, Strip, Table, View
from charlstm.model import checkpoint
from charlstm.render import data, terminal
from charlstm.render.characters import escape_character, escape_line, isolate, pad, wrap_words
from charlstm.sampling.record import describe
from charlstm.sampling.sampler import Sample
from charlstm.text.facts import CorpusFacts
from charlstm.training.durations import parse_duration
from charlstm.training.run import Progress

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "charlstm"]
PAGES = [
    *("guides/sample.md", "guides/sets.md", "guides/interactive.md", "guides/novelty.md", "guides/judge.md"),
    *("guides/compare.md", "reference/views.md"),
]
HOSTILE = "\x1b]0;owned\x07\x9b2J\u202e\x1b[31mab \n"
TEXT = 'mady walks in to the room, monica also walks in. mady said hi to "richard".\n\t▁é'


def save_model(path: Path, characters: str, lines: bool = False, **config: Any) -> None:
    net = network("lstm", np.float32, vocabulary=len(set(characters)), **config)
    checkpoint.save(model(net, "".join(set(characters)), lines), path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with models and texts under the names that the pages use."""
    where = tmp_path_factory.mktemp("terminal")
    for name in ("charlstm.npz", "m.npz", "rooms.npz", "lstm.npz", "model.npz"):
        save_model(where / name, TEXT + "".join(map(chr, range(32, 127))), hidden=32)
    net = network("rnn", np.float32, vocabulary=len({*TEXT, *map(chr, range(32, 127))}), hidden=32)
    checkpoint.save(model(net, "".join({*TEXT, *map(chr, range(32, 127))})), where / "rnn.npz")
    save_model(where / "l.npz", TEXT, lines=True)
    save_model(where / "names.npz", TEXT + "".join(map(chr, range(32, 127))), lines=True)
    save_model(where / "hostile.npz", HOSTILE, hidden=4)
    (where / "data").mkdir()
    for name in ("corpus", "scenes", "tales", "quotes", "start", "rooms-4000", "data/rooms", "data/names"):
        (where / f"{name}.txt").write_text(TEXT * 12, encoding="utf-8")
    (where / "names.txt").write_text("mady\nmonica\nrichard\n" * 20)
    (where / "data" / "rooms-heldout.tsv").write_text("mady said hi to\trichard\n")
    return where


@pytest.fixture(autouse=True)
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLORTERM", "CLICOLOR"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: object, charset: str = "utf-8", **settings: Any) -> Result:
    """Run the command in this process."""
    return CliRunner(charset=charset).invoke(main, list(map(str, arguments)), **settings)


def list_commands() -> list[list[str]]:
    """Return the commands of some pages and of the examples in --help, and --help, made short."""
    needs = {"--again", "history.svg"}  # records, and a model that was trained
    commands = [words for page in PAGES for words in list_words(DOCS / page, run=True) if not needs & set(words)]
    for name in COMMANDS:
        command = main.get_command(None, name)  # type: ignore[arg-type]
        commands += [shlex.split(line.removeprefix("charlstm ")) for line, _ in command.examples]  # type: ignore[union-attr]
        commands.append([name, "--help"])
    short = []
    for words in commands:
        words = ["rooms.npz" if word == "rooms" else word for word in words]
        if words[0] == "train" and not {"--resume", "--repeat", "--time", "--help"} & set(words):
            words = shlex.split(re.sub(r" --(hidden|steps|epochs|curriculum) \S+", "", shlex.join(words)))
            words += ["--hidden", "3", "--steps", "2", "--force", "--workers", "1", "-m", "trained.npz"]
        elif words[0] == "train" and "--help" not in words:
            continue
        elif words[0] == "sample" and "--beam" not in words and "--help" not in words and "-n" not in words:
            words += ["-n", "20"]
        elif "--beam" in words:
            words += ["-n", "5"]
        if words not in short:
            short.append(words)
    assert len(short) > 20
    return short


COMMAND_LINES = list_commands()
every_command = pytest.mark.parametrize("words", COMMAND_LINES, ids=" ".join)


@every_command
@pytest.mark.parametrize("charset", ["cp1252", "latin-1", "ascii"])
def test_no_command_fails_for_want_of_a_character(words: list[str], charset: str) -> None:
    done = run(*words, charset=charset, input="mady\n")
    assert done.exit_code == 0 and done.exception is None, (done.exc_info, done.output)
    assert (done.stdout_bytes + done.stderr_bytes).decode(charset) == done.stdout + done.stderr


class Failing(io.TextIOBase):
    """A stream whose writes fail: closed, full, or without a reader."""

    def __init__(self, fault: int) -> None:
        self._fault = fault

    def write(self, text: str) -> int:
        raise OSError(self._fault, os.strerror(self._fault))

    @property
    def buffer(self) -> Any:
        return self

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"


@every_command
@pytest.mark.parametrize("fault", [None, errno.ENOSPC, errno.EPIPE])
@pytest.mark.parametrize("which", ["stdout", "stderr"])
def test_no_command_shows_a_traceback_when_a_stream_is_closed_full_or_without_a_reader(
    words: list[str], fault: int | None, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = None if fault is None else Failing(fault)
    out, error, read = io.StringIO(), io.StringIO(), io.TextIOWrapper(io.BytesIO(b"mady\n"))
    monkeypatch.setattr(sys, "stdin", read)
    monkeypatch.setattr(sys, "stdout", out if which == "stderr" else stream)
    monkeypatch.setattr(sys, "stderr", error if which == "stdout" else stream)
    monkeypatch.setattr(output, "binary_output", lambda: sys.stdout if fault else io.BytesIO())
    (Path("trained.npz")).unlink(missing_ok=True)
    with pytest.raises(SystemExit) as left:
        main(words)
    writes = words[0] != "train" or "--help" in words
    to_file = "-o" in words or "--output" in words or "--interactive" in words
    if which == "stderr" or not writes or fault == errno.EPIPE:
        assert left.value.code == 0
    elif not to_file:
        assert left.value.code == 1
        assert re.fullmatch(r"(random seed \d+\n)?Error: cannot write to standard output: [^\n]+\.\n", error.getvalue())
    if words[0] == "train" and "--help" not in words:
        assert Path("trained.npz").exists()


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">/dev/full", "2>/dev/full", ">&- 2>&-", "| head -c 1"])
@pytest.mark.parametrize(
    ("words", "writes"),
    [
        ("sample -n 3000 --random-seed=0", True),
        ("inspect 'the room'", True),
        ("--help", True),
        ("train names.txt -m r.npz", False),
    ],
)
def test_processes_whose_streams_are_closed_or_full_leave_without_a_traceback(
    redirection: str, words: str, writes: bool, folder: Path
) -> None:
    if not writes:
        words += " --force --hidden 3 --steps 3 --workers 1"
    line = f"set -o pipefail; {shlex.join(COMMAND)} {words} {redirection}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, cwd=folder)
    fails = writes and (">&- " in f"{redirection} ".replace("2>&-", "") or redirection == ">/dev/full")
    assert done.returncode == fails, done
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert writes or Path("r.npz").exists()


@pytest.mark.parametrize("environment", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "cp1252"}, {"TERM": "dumb"}, {}])
def test_processes_in_other_locales_print_without_a_traceback(environment: dict[str, str], folder: Path) -> None:
    bare = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    for words in (
        ["inspect", "the room"],
        ["inspect"],
        ["sample", "-n300", "--random-seed=0"],
        ["inspect", "--format", "json", "a"],
    ):
        done = subprocess.run([*COMMAND, *words], env={**bare, **environment}, capture_output=True, cwd=folder)
        assert done.returncode == 0 and not done.stderr, done
    assert "▁" in json.loads(run("inspect", "--format", "json", "▁", charset="cp1252").stdout_bytes)["text"]
    run("inspect", "-o", "t.txt", "▁é", charset="ascii")
    assert "▁" in Path("t.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("options", [(), ("--colour", "surprise"), ("--alternatives", "3"), ("--beam", "2")])
def test_a_terminal_gets_signs_for_control_characters_and_a_pipe_gets_the_text(
    options: tuple[str, ...], folder: Path
) -> None:
    words = ("sample", "-m", "hostile.npz", "-n", "200", "--seed", HOSTILE, *options)
    shown = in_a_terminal(*words, cwd=folder, environment={})
    bare = re.sub(r"\x1b\[[0-9;]*m", "", shown.replace("\r\n", "\n"))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", bare)
    if "--alternatives" not in options:
        assert "\\x1b]0;owned\\x07" in bare
        piped = run(*words).stdout
        assert piped.startswith(HOSTILE)


def test_a_terminal_gets_signs_in_sessions_previews_data_and_errors(folder: Path) -> None:
    child = pexpect.spawn(
        COMMAND[0], [*COMMAND[1:], "sample", "-m", "hostile.npz", "--interactive", "-n", "50"],
        cwd=folder, encoding="utf-8", timeout=30, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    child.expect_exact("> ")
    for line in ("ab", "/text", "/suggest 3", "/stop ab", "/settings", "/undo"):
        child.sendline(line)
        child.expect_exact("> ")
        assert not re.search("\x1b\\]|\x07|\x9b|\u202e", child.before)
    child.sendeof()
    child.expect(pexpect.EOF)
    Path("bad.txt").write_text(HOSTILE * 40, encoding="utf-8")
    for words in (
        ("train", "bad.txt", "-m", "bad.npz", "--force", "--hidden", "3", "--steps", "4", "--preview", "90"),
        ("inspect", "-m", "hostile.npz", "--format", "json", HOSTILE),
        ("inspect", "-m", "hostile.npz", "--format", "csv", HOSTILE),
        ("inspect", "-m", "hostile.npz", HOSTILE),
    ):
        shown = in_a_terminal(*words, cwd=folder, environment={"NO_COLOR": "1"})
        assert not re.search("[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u202e]|\x1b(?!\\[)", shown), words
    for name in ("\x1b]0;owned\x07", "\u202egnp.npz"):
        for done in (run("inspect", "-m", name), run("sample", "--seed-file", name), run(name), run("train", name)):
            assert done.exit_code in (1, 2) and not re.search("[\x1b\x07\u202e]", done.output)


@pytest.mark.parametrize(
    ("environment", "is_terminal", "coloured"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({}, True, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "CLICOLOR": "0"}, True, False),
        ({"TERM": "xterm", "FORCE_COLOR": "1"}, False, True),
        ({"TERM": "dumb", "CLICOLOR_FORCE": "1"}, False, True),
        ({"TERM": "xterm", "FORCE_COLOR": "0"}, False, False),
        ({"TERM": "xterm", "FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colours_follow_the_usual_conventions(
    environment: dict[str, str], is_terminal: bool, coloured: bool, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    from charlstm.cli.console import has_colour

    monkeypatch.delenv("TERM", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: is_terminal)
    assert has_colour(stream) == coloured
    if not is_terminal:
        words = ("sample", "-n", 60, "--temperature", 2, "--colour", "surprise")
        assert ("\x1b[" in run(*words).stdout) == coloured
        assert "\x1b" not in run(*words, "-o", "text.txt").stdout + Path("text.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("word", ["שלום", "مرحبا", "привет", "γειά", "नमस्ते", "สวัสดี", "日本語"])
def test_letters_of_every_script_are_shown_and_right_to_left_ones_are_isolated(word: str) -> None:
    shown = escape_line(f"a {word} 12, b")
    assert re.sub("[\u2068\u2069]", "", shown) == f"a {word} 12, b"
    is_turned = word in ("שלום", "مرحبا")
    assert shown == (f"a \u2068{word}\u2069 12, b" if is_turned else f"a {word} 12, b")
    cells = [escape_character(letter) for letter in word]
    assert all(letter in cell and "\\" not in cell for letter, cell in zip(word, cells, strict=True))
    assert is_turned == all(cell[0] == "\u2068" and cell[-1] == "\u2069" for cell in cells)
    assert escape_line("a\u202eb\u2066c\x1b\x9b") == "a\\u202eb\\u2066c\\x1b\\x9b"


@given(st.text("אבמرح\u05b0é日 a1,.\u202e\x1b", max_size=30), st.integers(2, 20))
def test_what_is_cut_or_wrapped_stays_isolated_and_in_its_columns(text: str, width: int) -> None:
    for line in (pad(escape_line(text), width), *wrap_words(text, width), isolate(text.replace("\u202e", ""))):
        depth = 0
        for sign in line:
            depth += (sign == "\u2068") - (sign == "\u2069")
            assert depth in (0, 1) and (depth or not re.match("[אבמرح]", sign))
        assert depth == 0
    assert wcswidth(pad(escape_line(text), width)) == width


def test_a_long_text_is_cut_at_once() -> None:
    started = time.process_time()
    assert len(pad("é" * 400_000, 80)) == 80
    assert time.process_time() - started < 5.0  # it was quadratic: minutes


def test_the_summary_of_a_model_of_thousands_of_files_names_two_of_them(tmp_path: Path) -> None:
    from dataclasses import replace

    names = tuple(f"chapter {n}.txt" for n in range(4000))
    it = replace(model(network("lstm", np.float32), "abcde"), facts=CorpusFacts(names, 10, 1, "0"))
    checkpoint.save(it, tmp_path / "many.npz")
    for words in (
        ("inspect", "-m", tmp_path / "many.npz"),
        ("inspect", "-m", tmp_path / "many.npz", "--format", "json"),
    ):
        shown = " ".join(run(*words).output.split())  # a long value goes on in the next line
        assert "chapter 0.txt" in shown and "3,998 other files" in shown and "chapter 77.txt" not in shown


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("t.csv", b"position,character"),
        ("t.json", b'{"text": '),
        ("T.JSON", b'{"text": '),
        ("t.html", b"<!doctype html>"),
        ("t.npz", b"PK"),
        ("t.txt", b"   "),
        ("t", b"   "),
    ],
)
def test_the_name_of_the_output_chooses_the_format(name: str, begins: bytes) -> None:
    assert run("inspect", "hello", "-o", name).exit_code == 0
    assert Path(name).read_bytes().startswith(begins)
    assert run("inspect", "hello", "-o", name, "--format", "csv").exit_code == 0
    assert Path(name).read_bytes().startswith(b"position,character")


def test_a_name_that_fits_no_format_is_refused() -> None:
    for words in (("inspect", "hello", "-o", "t.xlsx"), ("sample", "-o", "u.json"), ("sample", "-o", "u.npz")):
        done = run(*words)
        assert done.exit_code == 2 and f"no format belongs to the name {words[-1]}" in done.stderr
        assert not Path(words[-1]).exists()
    run("sample", "-n", 5, "-o", "t.jsonl")
    assert len(json.loads(Path("t.jsonl").read_text())["text"]) == 5
    run("sample", "-n", 5, "-o", "t.md", "--seed", "mady")
    assert Path("t.md").read_text().startswith("mady")


def test_data_of_a_long_text_is_written_in_pieces_that_add_up_to_the_same() -> None:
    from charlstm import load
    from charlstm.render import data

    view = load("m.npz").view("gates", TEXT * 9)
    assert view.dump("json") == data.dump_json(data.to_objects(view))
    for format in ("csv", "json"):
        file = io.BytesIO()
        data.write(view, format, file)
        assert file.getvalue() == view.dump(format).encode()  # type: ignore[union-attr]
        assert max(map(len, data.PIECES[format](view))) < 5000 < len(file.getvalue())


def test_data_of_parts_is_written_column_by_column() -> None:
    from charlstm import load
    from charlstm.render import data

    it = load("m.npz")
    for name, options in (("memory", {}), ("cell", {"units": "0:1"}), ("units", {}), ("summary", {}), ("history", {})):
        view = it.view(name, None if name in ("summary", "history") else TEXT, **options)
        assert view.dump("json") == data.dump_json(view.to_dict()), name


def test_infinite_numbers_are_written_to_csv_and_are_null_in_json() -> None:
    values = [1.5, math.inf, -math.inf, math.nan, np.float32("inf"), 1e-300]
    columns = (
        Column("n", list(range(6)), Kind.WHOLE),
        Column("value", values),
        Column("bits", np.array(values), Kind.BITS),
    )
    for part in (Table(columns), Curves(columns[0], columns[1:]), Strip("abcdef", columns[1:])):
        view = View({"part": part, "facts": {"loss": math.inf}})
        rows = list(csv.DictReader(io.StringIO(data.as_csv(view))))
        for name in ("value", "bits"):
            assert [float(row[name] or "nan") for row in rows] == pytest.approx(list(map(float, values)), nan_ok=True)
        read = json.loads(data.as_json(view), parse_constant=pytest.fail)
        assert read["part"]["value"] == [1.5, None, None, None, None, 1e-300] and read["facts"] == {"loss": None}
    endless = Sample("a", "b", math.inf, "length", surprisals=np.array([math.inf]))
    read = json.loads(data.dump_json(describe(endless, "", True)), parse_constant=pytest.fail)
    assert read["bits_per_character"] is None


def test_a_trace_with_infinite_numbers_is_valid_json() -> None:
    from charlstm import load

    trace = load("m.npz").trace("the room")
    trace.layers[0]["c"][2, 3], trace.surprise[3] = np.inf, -np.inf
    read = json.loads(json.dumps(trace.to_dict()), parse_constant=pytest.fail)
    assert read["layer0/c"][2][3] is None and read["surprise"][3] is None
    assert read["layer0/c"][2][:3] == trace.layers[0]["c"][2, :3].tolist()


@pytest.mark.parametrize("kind", ["table", "strip"])
@pytest.mark.parametrize("shape", ["txt", "csv", "json"])
def test_text_and_data_of_a_long_view_are_written_in_pieces(kind: str, shape: str) -> None:
    """120,000 values; as strings they would take 6 MB and more."""
    names = [f"c{k}" for k in range(20)]
    columns = tuple(Column(name, np.arange(6_000.0) / 7e3, Kind.SHARE) for name in names)
    view = View({"part": Table(columns) if kind == "table" else Strip("a" * 6_000, columns)})
    with Path(os.devnull).open("wb") as file:
        tracemalloc.start()
        try:
            if shape == "txt":
                terminal.write(view, terminal.Screen(80), file)
            else:
                data.write(view, shape, file)
            held = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert held < 1_500_000


@pytest.mark.parametrize("columns", [10, 12, 20, 40, 80, 200])
def test_progress_is_one_line_with_the_time_left(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (status, progress, output):
        monkeypatch.setattr(module, "columns", lambda: columns)
    monkeypatch.setattr(progress, "can_redraw", lambda: True)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_BARS", -1.0)
    drawn = io.StringIO()
    monkeypatch.setattr(sys, "stderr", drawn)
    watcher = progress.ConsoleWatcher()
    watcher._started -= 3661.0 * (columns >= 40)
    fields = dict.fromkeys(Progress._fields) if hasattr(Progress, "_fields") else {}
    for step in (1, 500, 1000):
        values = {**fields, "step": step, "steps": 1000, "loss": 1.5, "characters": 2048, "validation_loss": 1.25}
        values |= {"training_loss": 1.5, "sample": ""}
        watcher.advance(Progress(**values))
        (_, line) = drawn.getvalue().split("\r")[-2:]
        assert "\n" not in line and wcswidth(line) == columns - 1
        assert re.search(r"(^| )(\d+[dhms]){1,2}( left)? *$", line) and not set(line) & set("…"), line
        assert ("char/s" in line) == ("1.500 nats" in line) == (columns == 200), line
        assert (f"{step / 1000:4.0%}" in line) == (columns >= 80), line  # what is left out is left out as a whole
    watcher.close()
    assert drawn.getvalue().endswith("\r") and "\n" not in drawn.getvalue()


@given(
    st.integers(0, 10**7), st.integers(1, 10**7), st.floats(0.001, 12), st.floats(0.001, 12), st.floats(0.001, 12),
    st.floats(0.01, 9e6), st.integers(40, 220),
)  # fmt: skip
def test_at_forty_columns_and_more_the_bar_has_what_matters_whole(
    done: int, more: int, loss: float, best: float, above: float, seconds: float, width: int
) -> None:
    watcher = progress.ConsoleWatcher()
    watcher._steps, watcher._started = max(done, 1), time.monotonic() - seconds
    watcher._validation, watcher._best = best + above, best
    watcher._loss.add(loss)
    values = dict.fromkeys(Progress._fields) | {"step": done, "steps": done + more, "loss": loss, "characters": 1}
    line = watcher._draw(Progress(**values), width - 1)  # type: ignore[arg-type]
    assert wcswidth(line) <= width - 1
    step, total, *losses, left = re.fullmatch(
        r"(?: *\d+%(?:\|[█ ]*\|)? +)?([\d.,kMG]+)/([\d.,kMG]+) +(?:loss )?([\d.]+)(?: bits)?(?: \([\d.]+ nats\))? "
        r"+val(?:idation)? ([\d.]+)(?: bits)?(?:, best |/)([\d.]+)(?: bits)? +(?:[\d,]+ char/s +)?"
        r"((?:\d+[dhms]){1,2})(?: left)?",
        line,
    ).groups()  # type: ignore[union-attr]
    for shown, wanted in ((step, done), (total, done + more)):
        unit = {"k": 1e3, "M": 1e6, "G": 1e9}.get(shown[-1], 1)
        assert (
            abs(float(shown.rstrip("kMG").replace(",", "")) * unit - wanted)
            <= 0.05 * unit * (unit > 1) + 0.005 * wanted
        )
    for shown, wanted in zip(losses, (loss, best + above, best), strict=True):
        assert float(shown) == pytest.approx(wanted / math.log(2), abs=0.0051)
    assert parse_duration(left) == pytest.approx(seconds / max(done, 1) * more, rel=0.5, abs=1)


NARROW = ("--hidden", "64", "--steps", "1500", "--workers", "1")


def test_a_terminal_that_becomes_narrower_gets_no_new_lines(folder: Path) -> None:
    child = pexpect.spawn(
        COMMAND[0],
        [*COMMAND[1:], "train", "names.txt", "-m", "narrow.npz", "--force", *NARROW],
        cwd=folder, encoding="utf-8", timeout=120, dimensions=(24, 100), env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    child.expect("bits ")
    child.setwinsize(24, 40)
    child.expect_exact("wrote")
    bars = [line for line in child.before.split("\r\n") if "left" in line]
    assert len(bars) == 1 and min(len(line) for line in bars[0].split("\r")[1:] if "left" in line) == 39


@pytest.mark.parametrize("term", [None, "", "dumb"])
def test_a_terminal_that_cannot_redraw_gets_plain_lines(term: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: True))
    if term is None:
        monkeypatch.delenv("TERM", raising=False)
    else:
        monkeypatch.setenv("TERM", term)
    assert not status.can_redraw() and not console.has_colour(sys.stderr)
    monkeypatch.setenv("TERM", "xterm")
    assert status.can_redraw() and console.has_colour(sys.stderr)


@pytest.mark.parametrize("columns", [1, 2, 5, 9, 10, 13])
def test_a_terminal_of_a_few_columns_gets_no_traceback(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    views = ["gates", "cell", "units", "score", "saturation", "memory", "why", "patch", "gradients"]
    for words in ([], *(["the room", "--view", view] for view in views)):
        done = run("inspect", *words)
        assert done.exit_code == 0 and done.stdout, (words, done.exc_info)
    assert run("sample", "-n", 20, "--alternatives", 2, "--novelty", "corpus.txt").exit_code == 0


def test_fit_leaves_out_what_is_least_needed() -> None:
    pieces = {"percent": ["50%", ""], "speed": ["speed", ""], "loss": ["loss", ""], "left": ["3 s left"]}
    assert [status.fit(pieces, ("speed", "loss", "percent"), width) for width in (99, 26, 19, 13, 1)] == [
        "50%  speed  loss  3 s left",
        "50%  speed  loss  3 s left",
        "50%  loss  3 s left",
        "50%  3 s left",
        "3 s left",
    ]


@pytest.mark.parametrize(("option", "value"), [("--stop", "Ω"), ("--stop", "abΩ"), ("--only", "Ωab")])
def test_what_the_model_can_never_write_is_an_error_that_names_it(option: str, value: str) -> None:
    done = run("sample", option, value)
    assert done.exit_code == 2 and "'Ω' U+03A9" in done.stderr and option.removeprefix("--") in done.stderr


def test_a_session_refuses_rules_that_exclude_its_stop_text() -> None:
    typed = "/stop e\n/forbid e\n/only ma\n/forbid x\nmady\n/stop off\n/forbid e\n/stop me\n/text\n"
    done = run("sample", "--interactive", "-n", 3, input=typed)
    assert (
        done.exit_code == 0 and done.stderr.count("which is never sampled because /forbid or /only excludes 'e'") == 3
    )
    assert "/forbid x\n" in done.stderr and done.stdout.splitlines()[-1].startswith("mady")


def test_a_stop_text_may_have_escapes() -> None:
    for typed, meant in (("\\n", "\n"), ("\\t", "\t"), ("\\\\", "\\"), ("m", "m")):
        text = json.loads(run("sample", "-n", 3000, "--temperature", 3, "--stop", typed, "--format", "jsonl").stdout)
        assert text["stop"] == "stop" and text["text"].endswith(meant) and text["text"].count(meant) == 1


@pytest.mark.parametrize(
    ("pattern", "named"), [("a{99999999999}", "repetition number"), ("(" * 5000, "regular expression"), ("[[a]", None)]
)
def test_a_pattern_that_cannot_be_used_is_one_sentence(pattern: str, named: str | None) -> None:
    done = run("inspect", "--view", "units", "--match", pattern, TEXT)
    assert done.exit_code == (2 if named else 0) or named is None
    assert "Traceback" not in done.output and (named is None or named in done.stderr)


def test_a_pattern_matches_line_by_line() -> None:
    from charlstm.inspection.questions import match_pattern

    assert match_pattern("T: a\nb\nT: c\n", "^T:.*$").astype(int).tolist() == [1] * 4 + [0] * 3 + [1] * 4 + [0]


@pytest.mark.parametrize("text", ["- hello", "--hello", "-- hello", "-hello", "-x", "--encoding of hello"])
def test_a_text_that_begins_with_a_dash_gets_a_hint(text: str) -> None:
    done = run("inspect", text)
    assert done.exit_code == 2 and "a text that begins with a dash goes after --" in done.stderr
    assert run("inspect", "--", text).exit_code == 0
    assert run("sample", "--seed", text, "-n", "1").stdout.startswith(text)
    assert "a corpus that begins with a dash goes after --" in run("train", "-x.txt").stderr
    assert "dash" not in run("inspect", "--encodin", "utf-8").stderr + run("sample", "-x").stderr


def test_new_lines_end_at_the_length_and_the_search_for_them_is_bounded(folder: Path) -> None:
    done = run("sample", "-m", "l.npz", "--new-only", "-n", "20", "--temperature", "0")
    assert (done.exit_code == 0 and len(done.stdout.rstrip("\n")) <= 20) or "1,000 attempts" in done.stderr
    net = network("rnn", vocabulary=3)
    net.parameters.flat[:] = 0.0
    net.parameters["output/b"][...] = [0.0, 9.0, 0.0]  # a line that never ends
    checkpoint.save(model(net, "\nab", lines=True), folder / "endless.npz")
    for length in (1, 20):
        done = run("sample", "-m", "endless.npz", "--new-only", "-n", length, "--temperature", "0")
        assert (done.exit_code, done.stdout) == (0, "a" * length + "\n")


HUGE = [
    ["inspect"], ["inspect", "the room"], ["sample", "-n", "20"], ["sample", "-n", "5", "--beam", "2"],
    ["sample", "-n", "20", "--top-p", "0.5", "--min-p", "0.1", "--top-k", "3", "--repeat-penalty", "1e308"],
    ["sample", "-n", "20", "--format", "jsonl", "--novelty", "corpus.txt"],
    ["sample", "-n", "20", "--alternatives", "2", "--temperature", "1e-300"],
    ["inspect", "--score", "the room", "--adapt"],
    ["train", "corpus.txt", "--steps", "2", "--preview", "5", "--workers", "2", "-m", "h.npz", "--force"],
    *(["inspect", "the room", *words.split()] for words in (
        "--view cell", "--view saturation", "--view memory --ask the --answer a --answer b", "--view why --target the",
        "--view patch", "--view patch --set 0:1=3.4e38@2", "--view gradients", "--view units --question vowels",
        "--view units --like the[0:2]", "--format json", "--format csv", "--format html",
    )),
]  # fmt: skip


@pytest.mark.parametrize("words", HUGE, ids=" ".join)
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_no_command_prints_a_warning_of_numpy(kind: str, words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Weights and states beyond the range of float32 give infinite numbers or NaN, or one sentence."""
    characters = TEXT + "".join(map(chr, range(32, 127)))
    for number, weight in enumerate((3.4e38, 1e30)):
        net = network(kind, np.float32, vocabulary=len(set(characters)), hidden=4)
        net.parameters.flat[:] = np.where(np.arange(net.parameters.flat.size) % 3 == number, -weight, weight)
        checkpoint.save(model(net, "".join(set(characters))), Path("huge.npz"))
        start = ["--init-from", "huge.npz"] if words[0] == "train" else ["-m", "huge.npz"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            done = run(words[0], *start, *words[1:], input="")
        printed = done.stderr + capfd.readouterr().err
        assert isinstance(done.exception, SystemExit | None), done.exc_info
        assert "Warning" not in printed and "Traceback" not in printed
        assert done.exit_code == 0 or printed.splitlines()[-1].startswith("Error: "), printed


@pytest.mark.parametrize("rules", [("--repeat-penalty", "1e308", "--only", "ma"), ("--repeat-penalty", "1e308")])
@pytest.mark.parametrize("temperature", ["1e-300", "0.5", "1e300"])
@pytest.mark.filterwarnings("error")
def test_no_rule_leads_to_a_number_that_is_none(rules: tuple[str, ...], temperature: str) -> None:
    done = run("sample", "--seed", "mamama", "-n", 80, "--temperature", temperature, "--random-seed", 0, *rules)
    assert done.exit_code == 0 and not done.stderr
    if "--only" in rules:
        assert set(done.stdout) <= {"m", "a", "\n"}
    assert run("sample", "-n", 5, "--repeat-penalty", 2, "--repeat-window", 10**15).exit_code == 0


def test_a_prediction_that_is_no_number_is_an_error() -> None:
    from charlstm.base.errors import CharlstmError, ConfigError
    from charlstm.sampling.beam import beam_search
    from charlstm.sampling.filters import SamplingConfig
    from charlstm.sampling.sampler import preview
    from charlstm.sampling.stopping import StoppingRules

    net = network("rnn")
    net.parameters["output/b"][...] = np.nan
    it = model(net, "abcde")
    for call in (lambda: preview(it, 5, 0), lambda: beam_search(it, "a", 2, StoppingRules(5), SamplingConfig())):
        with pytest.raises(CharlstmError, match="NaN") as caught:
            call()
        assert not isinstance(caught.value, ConfigError)  # the usage is right: exit code 1


STAYS = [
    "/save ~draft.npz", "/save " + "n" * 300, "/load " + "n" * 300, "/save a\0b", "/load a\0b", "/load ~nobody/x",
    "/load /dev/zero", "/alternatives 99999999999", "/suggest 300000", "/suggest 99999999999999999999",
    "/length 99999999999999999999", "/repeat-window 999999999999", "/top-k 99999999999999999999", "/temperature 1e999",
    "/stop Ω", "/only Ωa", "/random-seed 99999999999999999999999", "/lines 9999999999999999999999",
    "/pick 9" + "9" * 30,
    "/" + "x" * 5000, "/stop \\", "/forbid \udc80", "/colour \x1b[31m",
]  # fmt: skip


@pytest.mark.parametrize("line", STAYS)
def test_nothing_that_is_typed_ends_a_session(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model_file = Path("m.npz").resolve()
    monkeypatch.chdir(tmp_path)
    typed = f"mady\n{line}\n\n/length 5\n/alternatives off\n/repeat-window 9\n/undo\n/add end\n/text\n"
    done = run("sample", "-m", model_file, "--interactive", "-n", 5, input=typed.encode("utf-8", "surrogateescape"))
    assert done.exit_code == 0 and "end" in done.stdout and "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert all(line.endswith((".", "?")) for line in errors) and len(errors) <= 1
    assert not (errors and line.startswith(("/alternatives", "/repeat-window")))


@pytest.mark.parametrize(
    "fault",
    [
        OSError(errno.EIO, "broken", "x.npz"),
        MemoryError(),
        OverflowError("too large"),
        RecursionError("too deep"),
        ValueError("odd"),
        RuntimeError("odd"),
    ],
)
def test_no_fault_of_a_command_ends_a_session(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr("charlstm.sampling.session.Session.save", fail)
    done = run("sample", "--interactive", "-n", 1, input="/save x.npz\n/add end\n/text\n")
    assert (done.exit_code, done.stdout) == (0, "end\n")
    assert len([line for line in done.stderr.splitlines() if re.fullmatch(r"Error: [^\n]+\.", line)]) == 1


def test_ctrl_c_during_suggestions_keeps_the_session_and_its_text(folder: Path) -> None:
    save_model(folder / "big.npz", TEXT, hidden=1500)  # takes many seconds for all suggestions
    child = pexpect.spawn(
        COMMAND[0], [*COMMAND[1:], "sample", "-m", "big.npz", "--interactive", "-n", "3"],
        cwd=folder, encoding="utf-8", timeout=60, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    child.expect_exact("> ")
    child.sendline("mady")
    child.expect_exact("> ")
    child.sendline("/suggest 1000")
    time.sleep(0.5)
    child.sendintr()
    child.expect_exact("interrupted; the text is unchanged")
    child.expect_exact("> ")
    child.sendline("/text")
    child.expect("mady")
    child.expect_exact("> ")
    child.sendeof()
    child.expect(pexpect.EOF)


def test_lines_that_end_with_crlf_or_begin_with_a_mark_are_read_as_files_are() -> None:
    plain = run("sample", "--interactive", "-n", 5, "--random-seed", 0, input=b"mady\nsaid\n").stdout
    for piped in (b"mady\r\nsaid\r\n", b"\xef\xbb\xbfmady\nsaid\n"):
        words = ("sample", "--interactive", "-n", "5", "--random-seed", "0")
        done = subprocess.run([*COMMAND, *words], input=piped, capture_output=True)
        assert (done.stderr, done.stdout.decode()) == (b"", plain)


def test_a_session_completes_commands_and_the_names_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drafts").mkdir()
    (tmp_path / "drafts" / "first one.npz").touch()
    (tmp_path / "data.npz").touch()
    commands = ["/load", "/save", "/save!", "/settings"]

    def complete(line: str) -> list[str]:
        return keyboard.complete_line(line, line.rpartition(" ")[2], commands)

    assert complete("/sa") == ["/save", "/save!"]
    assert complete("/load d") == ["data.npz", "drafts/"] == complete("/save! d")
    assert complete("/load drafts/") == ["drafts/first one.npz"]
    assert complete("/load drafts/first o") == ["one.npz"]
    assert complete("/load nowhere/") == [] == complete("text da")


def test_results_have_a_representation_of_one_line_and_show_themselves_in_a_notebook() -> None:
    from charlstm import load

    it = load("m.npz")
    Path("copied.txt").write_text(TEXT, encoding="utf-8")
    results: list[Any] = [
        it.trace("hello"),
        it.score("hello <b>"),
        it.cloze([("hel", "lo"), ("a <i>", "b")]),
        it.novelty("mady walks in", "copied.txt"),
    ]
    for result in results:
        assert "\n" not in repr(result) and len(repr(result)) < 120 and repr(result)[0] == "<"
        assert result._repr_html_().startswith("<div") and "<script" not in result._repr_html_()
        assert "<b>hello" not in result._repr_html_() and "<i>" not in result._repr_html_()


def test_advice_fits_the_place_where_an_error_appears() -> None:
    from charlstm import UnknownCharacterError, load

    end = "has characters that are not in the model's vocabulary: 'Ω' U+03A9 at character 1; remove them"
    assert run("sample", "--seed", "Ω").stderr == f"Error: the seed {end}, or skip them with --unknown skip.\n"
    typed = run("sample", "--interactive", "--random-seed", 0, input="Ω\n").stderr
    assert typed == f"Error: the text {end}, or skip them with /unknown skip.\n"
    for words in (
        ("why", "--target", "Ω"), ("patch", "--swap-memory", "Ω"), ("memory", "--ask", "Ω", "--answer", "a"),
        ("memory", "--ask", "a", "--answer", "Ω"), ("units", "--like", "Ω[0:1]"),
    ):  # fmt: skip
        assert run("inspect", "the room", "--view", *words).stderr.endswith(f" {end}.\n"), words
    with pytest.raises(UnknownCharacterError, match=r"model\.model\.vocabulary\.known\(text\)$") as caught:
        load("m.npz").sample("Ω")
    assert "--unknown" not in str(caught.value) and "/unknown" not in str(caught.value)
    run("sample", "--interactive", "-n", "1", input="a\n/save kept.sess\n")
    assert "/save!" in run("sample", "--interactive", "-n", "1", input="a\n/save kept.sess\n").stderr
    session = load("m.npz").session(length=1)
    with pytest.raises(Exception, match="replace=True") as refused:
        session.save("kept.sess")
    assert "/save!" not in str(refused.value)


WRONG: list[Callable[[Any], object]] = [
    lambda it: it.sample(5),
    lambda it: it.sample(None),
    lambda it: it.stream(5),
    lambda it: it.sampler("a", count="2"),
    lambda it: it.beam(5),
    lambda it: it.beam("a", width="2"),
    lambda it: it.session(length=1).generate(5),
    lambda it: it.session(length=1).suggest("2"),
    lambda it: it.session(length=1).pick("2"),
    lambda it: it.trace(5),
    lambda it: it.score(None),
    lambda it: it.cloze([("a",)]),
    lambda it: it.cloze([(1, 2)]),
    lambda it: it.novelty(5, "corpus.txt"),
    lambda it: it.sample("a", temperature="0.5"),
    lambda it: it.sample("a", top_p=None),
    lambda it: it.sample("a", stop=3),
    lambda it: it.sample("a", temperature=10**400),
    lambda it: it.cloze(5),
    lambda it: it.trace(""),
    lambda it: it.view("units", "abc", match=5),
    lambda it: it.view("units", "abc", like=["a"]),
    lambda it: it.view("units", "abc", question=5),
    lambda it: it.view("why", "abc", target=5),
    lambda it: it.view("memory", "abc", ask="a", answers=[""]),
    lambda it: it.view("patch", "abc", set=5),
    lambda it: it.view("patch", "abc", freeze=[5]),
    lambda it: it.view("patch", "abc", gate={"f": 1}),
    lambda it: it.view("patch", "abc", without=None),
    lambda it: it.view("patch", "abc", swap_memory=5),
    lambda it: it.view("cell", "abc", by=5),
    lambda it: it.view("gates", "abc", units=[5]),
    lambda it: it.view("score", "abc", compare=it),
    lambda it: it.view("gradients", "abc", compare={"other": "m.npz"}),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_type_is_an_error_that_names_the_argument(wrong: Callable[[Any], object]) -> None:
    from charlstm import ConfigError, load

    with pytest.raises(ConfigError, match=r"^\w+ (is|has) .*; (it|each) must be "):
        wrong(load("m.npz"))


NO_FILES: list[Any] = [5, None, object(), b"corpus.txt", "", "a\0b", "\ud800", "n" * 300, ["corpus.txt", 5]]


@pytest.mark.parametrize("path", NO_FILES, ids=lambda path: repr(path)[:20])
def test_what_is_no_path_of_a_file_is_an_error_in_one_sentence(path: Any) -> None:
    from charlstm import CharlstmError, load, train

    it = load("m.npz")
    for call in (
        lambda: it.novelty("a", path),
        lambda: load(path),
        lambda: train(path, steps=1),
        lambda: train("corpus.txt", steps=1, val=path or 5),
        lambda: it.session(length=1).load(path),
        lambda: it.trace("a").save(path),
    ):
        with pytest.raises(CharlstmError) as caught:
            call()
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    for words in (("sample", "--novelty"), ("train",), ("train", "corpus.txt", "--val")):
        if isinstance(path, str) and "\0" not in path:
            done = run(*words, path)
            assert done.exit_code in (1, 2) and len(done.stderr) < 500, done.stderr


def test_an_encoding_that_does_not_exist_is_an_error_in_python() -> None:
    from charlstm import ConfigError, load

    for encoding in ("no-such", "", 5, None):
        with pytest.raises(ConfigError, match="encoding"):
            load("m.npz").novelty("a", "corpus.txt", encoding)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "words",
    [
        ("inspect", "a", "--view", "LONG"), ("inspect", "a", "--show", "LONG"), ("inspect", "a", "--unit", "LONG"),
        ("inspect", "a", "--view", "units", "--match", "((((LONG"),
        ("inspect", "a", "--view", "units", "--like", "LONG"),
        ("inspect", "a", "--view", "patch", "--set", "LONG"),
        ("inspect", "a", "--view", "patch", "--freeze", "0:1@LONG"),
        ("inspect", "a", "--view", "patch", "--gate", "LONG:0:1=1"),
        ("sample", "--only", "ΩLONG"), ("sample", "--stop", "ΩLONG"), ("sample", "--forbid", "LONG", "--only", "x"),
        ("sample", "--encoding", "LONG"), ("LONG",), ("sample", "--LONG"), ("sample", "-o", "/LONG/x"),
        ("train", "LONG"), ("train", "corpus.txt", "--time", "LONG"), ("train", "corpus.txt", "--repeat", "LONG"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_long_values_are_shortened_in_messages(words: tuple[str, ...]) -> None:
    done = run(*(word.replace("LONG", "x" * 3000) for word in words))
    assert done.exit_code in (1, 2) and len(done.stderr) < 1000, done.stderr


def test_numpy_numbers_are_numbers() -> None:
    from charlstm import load

    it = load("m.npz")
    plain = it.sample("mady", length=9, temperature=0.5, top_k=3, top_p=0.75, random_seed=2, lines=1)
    numbers = {"length": np.int64(9), "temperature": np.float32(0.5), "top_k": np.uint8(3), "top_p": np.float64(0.75)}
    assert it.sample("mady", random_seed=np.int16(2), lines=np.int8(1), **numbers) == plain
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_number("time", np.float16(0.5), 0.0, 1e9) == 0.5  # the limit is no float16
