"""Sentences fit a terminal of any width and break at spaces only; a status line gives way to them; tables and Excel."""

from __future__ import annotations

import csv
import io
import os
import re
import shlex
import subprocess
import sys
import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas
import pexpect
import pytest
from click.testing import CliRunner
from every_view import build_every_view, by_formula
from hypothesis import given
from hypothesis import strategies as st
from small import model, network
from wcwidth import wcswidth

from charlstm.api.language_model import LanguageModel
from charlstm.cli import output, progress, status
from charlstm.cli.main import COMMANDS, main
from charlstm.inspection.view import Column, Kind, Table, View
from charlstm.model import checkpoint
from charlstm.render import data
from charlstm.render.characters import wrap_message
from charlstm.render.terminal import render

ROOT = Path(__file__).parent.parent
TEXT = "mady walks in. anna said hi to mady"
words = st.lists(st.text("abcdefgh-é日,.", min_size=1, max_size=12), min_size=1, max_size=25)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("wrapping")
    checkpoint.save(model(network("lstm", np.float32, vocabulary=len(set(TEXT))), "".join(sorted(set(TEXT)))),
                    where / "charlstm.npz")  # fmt: skip
    (where / "corpus.txt").write_text(f"{TEXT}\n" * 40)
    return where


@pytest.fixture(autouse=True)
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@given(words, st.integers(14, 100), st.sampled_from(["", "  ", "loss      ", 10 * " "]))
def test_lines_fit_and_break_at_spaces_only(several: list[str], width: int, label: str) -> None:
    message = label + " ".join(several)
    lines = wrap_message(message, width).split("\n")
    assert " ".join(" ".join(lines).split()) == " ".join(message.split())
    for line in lines:  # a word that is wider than the terminal stays whole
        assert wcswidth(line) <= width or len(line.split()) <= 1 + bool(label.strip())
    for line, following in pairwise(lines):  # no line ends before it is full
        assert wcswidth(line) + 1 + wcswidth(following.split()[0]) > width
    if len(label) * 2 <= width and len(lines) > 1:
        assert all(re.match(" *", line)[0] == " " * len(label) for line in lines[1:])  # type: ignore[index]


@given(words, st.integers(16, 60))
def test_a_command_that_is_wrapped_is_still_the_same_command(several: list[str], width: int) -> None:
    command = f"          charlstm train {' '.join(shlex.quote(word + ' x') for word in several)}"
    wrapped = wrap_message(command, width)
    assert shlex.split(wrapped.replace("\\\n", " ")) == shlex.split(command)
    assert wrap_message(command, width, joins=False) == command


WRONG = [
    ["sample", "--temperature", "-1"],
    ["sample", "--seed", "Ω and Φ and Ψ and Ж"],
    ["inspect", "--vie", "x"],
    ["inspect", "mady", "--view", "units", "--like", "x"],
    ["train", "corpus.txt", "--model", "charlstm.npz"],
    ["train", "corpus.txt", "--force", "-m", "new.npz", "--steps", "2", "--hidden", "2", "--workers", "1"],
    *([name, "--help"] for name in COMMANDS),
]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_every_sentence_on_a_terminal_fits_it(columns: int, folder: Path) -> None:
    code = (
        "import sys, contextlib, os\n"
        "from charlstm.cli.main import main\n"
        f"for words in {WRONG!r}:\n"
        "    with contextlib.suppress(SystemExit): main(words, prog_name='charlstm')\n"
        "    print('---', file=sys.stderr)\n"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm", "NO_COLOR": "1"}
    child = pexpect.spawn(
        sys.executable,
        ["-c", code],
        cwd=folder,
        encoding="utf-8",
        timeout=60,
        dimensions=(24, columns),
        env=environment,
    )
    shown = child.read()
    assert "Traceback" not in shown and shown.count("---\r\n") == len(WRONG)
    for line in shown.replace("\r\n", "\n").split("\n"):
        assert all(wcswidth(part) <= columns for part in line.split("\r")), line
    if columns != 80:
        return
    piped = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env=environment)
    for said in re.findall(r"^Error: .*|^options .*", piped.stderr, re.M):
        assert said in re.sub(r"\n +(?=\S)", " ", shown.replace("\r\n", "\n")) or " ".join(said.split()) in " ".join(
            shown.split()
        )
    assert max(map(len, piped.stderr.splitlines())) > 120  # a sentence of a pipe is one line


def test_a_message_takes_the_place_of_the_status_line(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(output, "columns", lambda: 30)
    monkeypatch.setattr(status, "columns", lambda: 30)
    status.draw_status("inspecting … 00:05")
    writers = [threading.Thread(target=output.write_message, args=(f"message {n}",)) for n in range(4)]
    for writer in writers:
        writer.start()
        status.draw_status("inspecting … 00:06")
    for writer in writers:
        writer.join()
    output.STATUS_LINE.clear()
    for line in written.getvalue().split("\n"):  # on every row the message stands at its start, over an emptied line
        shown = line.rpartition("\r")[2]
        assert re.fullmatch(r"message \d|", shown), line
        assert shown == line or line.endswith(f"\r{' ' * 29}\r{shown}")


def in_rows(*words: str, rows: int = 24, columns: int = 80) -> str:
    """Return what a terminal shows of a command, with every row that was drawn over on a line of its own."""
    child = pexpect.spawn(
        sys.executable, ["-m", "charlstm", *words], encoding="utf-8", timeout=60, dimensions=(rows, columns),
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "NO_COLOR": "1"},
    )  # fmt: skip
    return child.read().replace("\r", "\n")


def test_every_long_phase_shows_its_progress(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(progress, "can_redraw", lambda: True)
    monkeypatch.setattr(progress, "draw_status", drawn.append)
    monkeypatch.setattr(progress, "SECONDS_BEFORE_PHASES", -1.0)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_BARS", -1.0)
    words = ("train", "corpus.txt", "--hidden", "2", "--workers", "1", "--force", "-m", "phases.npz")
    assert CliRunner().invoke(main, [*words, "--time", "1s"]).exit_code == 0
    length = len((folder / "corpus.txt").read_text())
    assert drawn[:2] == [f"counting characters: {length:,}", "reading the text: 100%"]
    shares = [int(line.rpartition(" ")[2].rstrip("%")) for line in drawn if line.startswith("measuring the speed: ")]
    assert shares == sorted(shares) and shares[-1] > 50
    drawn.clear()
    assert CliRunner().invoke(main, ["train", "--resume", "--steps", "99999", "--patience", "1", *words[2:4], "-m",
                                     "phases.npz", "--epochs", "0"]).exit_code == 2  # fmt: skip
    assert CliRunner().invoke(main, ["train", "--resume", "-m", "phases.npz"]).exit_code == 0
    assert drawn[:2] == [f"counting characters: {length:,}", "reading the text: 100%"]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--beam", "2"], "beam search … 00:00  100%  35 of 35 characters"),
        (["--seed-lines", "corpus.txt"], "sampling … 00:00  0%  0 of 40 texts"),
        (["--again", "written.jsonl"], "sampling again … 00:00  0%  0 of 3 texts"),
        (["--samples", "3", "--distinct"], "sampling … 00:00  0%  0 of 3 texts"),
        ([], "reading the seed … 00:00  100%  35 of 35 characters"),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_samples_show_how_far_they_are(options: list[str], what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = ["sample", "--seed", TEXT, "-n", "3", "--samples", "3", "--format", "jsonl", "-o", "written.jsonl"]
    assert CliRunner().invoke(main, written).exit_code == 0
    clocks: list[status.Clock] = []
    drawn: list[str] = []

    class Now(status.Clock):
        """A clock that draws whenever something is reported, in place of a thread that waits for seconds."""

        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            clocks.append(self)

        def report(self, read: int) -> None:
            super().report(read)
            self.ended.clear()
            monkeypatch.setattr(status, "draw_status", lambda text: (drawn.append(text), self.ended.set()))
            monkeypatch.setattr(self.ended, "wait", lambda seconds: False)
            self.run()

    monkeypatch.setattr(status, "Clock", Now)
    given = options if {"--again", "--seed-lines"} & set(options) else ["--seed", TEXT, *options]
    length = [] if "--again" in options else ["-n", "3"]
    done = CliRunner().invoke(main, ["sample", *given, *length])
    assert done.exit_code == 0 and what in drawn, (drawn, done.stderr, done.exc_info)


def test_a_preview_has_a_heading_and_the_end_explains_the_run_file() -> None:
    words = ("train", "corpus.txt", "--hidden", "2", "--steps", "20", "--workers", "1", "--force", "-m", "a b.npz",
             "--val-fraction", "0.1")  # fmt: skip
    shown = in_rows(*words, "--preview", "30", columns=120)
    heading = r"^sample    after step (\d+): training [\d.]+ bits, validation [\d.]+ bits per character$"
    assert re.findall(heading, shown, re.M)[0] == "2"
    assert re.search(r"^wrote     a b\.npz\n+ {10}a b\.npz\.resume holds the run .* delete it once the run is finished",
                     shown, re.M)  # fmt: skip
    assert Path("a b.npz.resume").exists()
    piped = CliRunner().invoke(main, [*words, "--preview", "30"]).stderr
    assert re.search(r"^step 2/20  [\d.]+ bits \([\d.]+ nats\)  validation [\d.]+ bits, best [\d.]+  ", piped, re.M)


def test_the_header_of_a_table_is_repeated_and_the_strip_has_the_whole_width(folder: Path) -> None:
    table = Table((Column("n", list(range(45)), Kind.WHOLE), Column("a", [0.5] * 45, Kind.SHARE, "group")))
    lines = render(View({"it": table}), 80, every=20).splitlines()
    assert [n for n, line in enumerate(lines) if line.split() == ["n", "a"]] == [1, 23, 45] and len(lines) == 45 + 6
    assert render(View({"it": table}), 80).count("group") == 1
    done = CliRunner().invoke(main, ["inspect", TEXT, "--every", "7"])
    assert done.exit_code == 0 and done.stdout.count("predicted next") == -(-len(TEXT) // 7)
    assert CliRunner().invoke(main, ["inspect", TEXT]).stdout.count("predicted next") == 1  # a pipe has no height
    wide = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["inspect", TEXT * 6, "--view", "cell", "--unit", "0:1"])
    assert max(map(wcswidth, wide.stdout.splitlines())) == 200


@given(st.lists(st.tuples(words, st.integers(1, 5)), min_size=1, max_size=6), st.integers(12, 120))
def test_the_words_of_headings_are_never_cut(groups: list[tuple[list[str], int]], width: int) -> None:
    headings = [f"{n} {' '.join(several)}" for n, (several, _) in enumerate(groups)]
    columns = [Column(f"v{k}", [0.5], Kind.SHARE, heading)
               for heading, (_, count) in zip(headings, groups, strict=True) for k in range(count)]  # fmt: skip
    lines = render(View({"it": Table((Column("n", [1], Kind.WHOLE), *columns), keys=1)}), width).splitlines()
    assert max(map(wcswidth, lines)) <= width and not any("…" in line for line in lines)
    assert Counter("".join(lines)) >= Counter("".join(headings).replace(" ", ""))


def test_pandas_reads_what_was_written() -> None:
    text = 'null "NA", (nan)\n-1 = 1\n'
    it = by_formula("lstm", "".join(sorted(set(text))))
    for name, view in build_every_view(it, by_formula("gru", "".join(sorted(set(text)))), text).items():
        read = pandas.read_csv(io.StringIO(data.as_csv(view)), keep_default_na=False, na_values="")
        rows = list(csv.reader(io.StringIO(data.as_csv(view), newline="")))
        assert list(read.columns) == rows[0] and len(read) == len(rows) - 1, name
        for column, *cells in zip(*rows, strict=True):
            known = [cell for cell in cells if cell]
            if known and all(re.fullmatch(r"-?(inf|[\d.]+(e[-+]\d+)?)", cell) for cell in known):
                numbers = [float(cell or "nan") for cell in cells]
                assert pandas.api.types.is_numeric_dtype(read[column]), f"{name}: {column}"
                np.testing.assert_array_equal(read[column].to_numpy(float), numbers, f"{name}: {column}")
            else:
                assert ["" if pandas.isna(cell) else str(cell) for cell in read[column]] == cells, f"{name}: {column}"


def test_excel_reads_what_was_written(folder: Path) -> None:
    values = ["=1+2", "-x", "+49", "@home", "-1.5", "=", 'é "quoted", and\nmore', "\ttab"]
    view = View({"it": Table((Column("text", values, Kind.TEXT), Column("bits", np.arange(8.0), Kind.BITS)))})
    file = io.BytesIO()
    data.write(view, "csv", file, bom=True)
    raw = file.getvalue()
    assert raw.startswith(b"\xef\xbb\xbf") and raw.count(b"\r\n") == 9
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    protected = ["'=1+2", "'-x", "+49", "'@home", "-1.5", "=", 'é "quoted", and\nmore', "'\ttab"]
    assert [row["text"] for row in rows] == protected and [float(row["bits"]) for row in rows] == list(range(8))
    it = LanguageModel(checkpoint.load(Path("charlstm.npz")))
    it.view("gates", TEXT).save("excel.csv", bom=True)
    done = CliRunner().invoke(main, ["inspect", TEXT, "-o", "typed.csv", "--bom", "--force"])
    assert done.exit_code == 0 and Path("typed.csv").read_bytes() == Path("excel.csv").read_bytes()
    plain = list(csv.reader(io.StringIO(str(it.view("gates", TEXT).dump("csv")), newline="")))
    read = list(csv.reader(io.StringIO(Path("typed.csv").read_bytes().decode("utf-8-sig"), newline="")))
    assert read == plain
    done = CliRunner().invoke(main, ["inspect", TEXT, "--bom"])
    assert done.exit_code == 2 and "--format csv" in done.stderr
