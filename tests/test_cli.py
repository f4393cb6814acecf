"""The command line as a person meets it: through real processes, and through Click's runner where that is enough."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import pty
import re
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from small import model, network

from charlstm import __version__
from charlstm.cli.commands import GroupedOption
from charlstm.cli.main import COMMANDS, main
from charlstm.cli.settings import DisplayConfig
from charlstm.cli.status import show_elapsed
from charlstm.cli.texts import TextOutput
from charlstm.model import checkpoint
from charlstm.render.text_writer import TextWriter
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.sampler import SampledCharacter
from charlstm.sampling.stopping import StoppingRules
from charlstm.text.documents import Documents

TEXT = "the cat sat on the mat.\n" * 40
SHAPE = ("--hidden", "12", "--batch-size", "4", "--seq-len", "16")
QUICK = (*SHAPE, "--steps", "60", "--lr", "0.03", "--val-fraction", "0.1", "--patience", "0", "--tar", "0")
SEEDED = ("sample", "--random-seed", "0")


def charlstm(*arguments: object, cwd: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run the command as its own process, away from any terminal."""
    return subprocess.run(
        [sys.executable, "-m", "charlstm", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        **settings,  # type: ignore[call-overload]
    )


def invoke(*arguments: object) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def one_sentence(text: str) -> bool:
    """Say whether an error is one line that begins as errors do and ends as sentences do, with no traceback."""
    return bool(re.fullmatch(r"Error: [^\n]+[.?]\n", text))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which `charlstm train corpus.txt` has been run."""
    where = tmp_path_factory.mktemp("trained")
    (where / "corpus.txt").write_text(TEXT)
    done = charlstm("train", "corpus.txt", *QUICK, cwd=where)
    assert done.returncode == 0, done.stderr
    return where


def test_training_writes_the_model_and_its_run_and_nothing_else(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"corpus.txt", "charlstm.npz", "charlstm.npz.resume"}


def test_training_says_what_it_read_what_it_builds_and_what_came_out(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    done = charlstm("train", "corpus.txt", *QUICK, cwd=tmp_path)
    parameters = 12 * 48 + 12 * 48 + 48 + 12 * 12 + 12
    assert done.stdout == ""
    for said in (
        f"{len(TEXT):,} characters, 12 distinct, 40 lines",
        "10%: 96 characters, the end of the text",
        f"lstm, 1 layer of 12 units: {parameters:,} parameters",
        "60 steps of 4 rows of 16 characters",
        "wrote     charlstm.npz",
    ):
        assert said in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("step ")]
    assert len(lines) == 10
    assert all(
        re.search(r"\d bits \(\d\.\d+ nats\) .*validation .* bits, best .* char/s .* left$", line) for line in lines
    )
    assert "\r" not in done.stderr


def test_quiet_training_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    done = charlstm("train", "corpus.txt", *QUICK, "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    for name, seed in (("same", 0), ("other", 1)):
        arguments = ("train", folder / "corpus.txt", *QUICK, "-m", tmp_path / name, "--random-seed", seed, "--quiet")
        assert charlstm(*arguments, cwd=tmp_path).returncode == 0
    assert (tmp_path / "same").read_bytes() == (folder / "charlstm.npz").read_bytes()
    assert (tmp_path / "other").read_bytes() != (folder / "charlstm.npz").read_bytes()


def test_a_model_is_never_replaced_unasked(folder: Path) -> None:
    before = (folder / "charlstm.npz").read_bytes()
    done = charlstm("train", "corpus.txt", *QUICK, cwd=folder)
    assert done.returncode == 2 and one_sentence(done.stderr)
    assert "--force" in done.stderr and "-m" in done.stderr
    assert (folder / "charlstm.npz").read_bytes() == before
    assert charlstm("train", "corpus.txt", *QUICK, "--force", cwd=folder).returncode == 0
    assert (folder / "charlstm.npz").read_bytes() == before


def test_sample_continues_the_seed_and_ends_with_a_newline(folder: Path) -> None:
    done = charlstm(*SEEDED, "--seed", "the cat", "-n", "50", cwd=folder)
    assert done.stderr == ""
    assert done.stdout.startswith("the cat") and done.stdout.endswith("\n")
    assert len(done.stdout.rstrip("\n")) - len("the cat") in range(40, 51)


def test_the_random_seed_decides_the_sample(folder: Path) -> None:
    arguments = ("sample", "-m", folder / "charlstm.npz", "--temperature", "1.5", "-n", "80")
    first = invoke(*arguments, "--random-seed", "7").output
    assert invoke(*arguments, "--random-seed", "7").output == first
    assert charlstm(*arguments, "--random-seed", "7", cwd=folder).stdout == first
    assert invoke(*arguments, "--random-seed", "1").output != first


@pytest.mark.parametrize("more", [(), ("--format", "jsonl"), ("--samples", "2"), ("--interactive",)])
def test_without_a_random_seed_each_text_is_a_fresh_one_and_the_seed_is_printed(
    folder: Path, more: tuple[str, ...]
) -> None:
    arguments = ["sample", "-m", str(folder / "charlstm.npz"), "--temperature", "1.5", "-n", "80", *more]
    fresh = [CliRunner().invoke(main, arguments, input="the") for _ in range(2)]
    seeds = [re.fullmatch(r"random seed (\d{5})\n", done.stderr) for done in fresh]
    assert all(seeds) and fresh[0].stdout != fresh[1].stdout
    for done, found in zip(fresh, seeds, strict=True):
        assert found is not None
        again = CliRunner().invoke(main, [*arguments, "--random-seed", found[1]], input="the")
        assert (again.stdout, again.stderr) == (done.stdout, "")


def test_a_search_has_no_random_seed(folder: Path) -> None:
    assert invoke("sample", "-m", folder / "charlstm.npz", "-n", 9, "--beam", 2).stderr == ""


def test_top_k_1_equals_temperature_0(folder: Path) -> None:
    arguments = (*SEEDED, "-m", folder / "charlstm.npz", "--seed", "the ")
    assert invoke(*arguments, "--top-k", "1").output == invoke(*arguments, "--temperature", "0").output


def test_sample_stops_after_the_stop_text(folder: Path) -> None:
    done = invoke(*SEEDED, "-m", folder / "charlstm.npz", "--seed", "the cat", "--stop", "mat")
    assert done.output.endswith("mat\n") and done.output.count("mat") == 1


def test_the_first_of_several_samples_is_the_single_sample(folder: Path) -> None:
    alone = charlstm(*SEEDED, "--seed", "the", "-n", 40, cwd=folder).stdout
    several = charlstm(*SEEDED, "--seed", "the", "-n", 40, "--samples", 3, cwd=folder).stdout
    assert (
        several.startswith(alone + "\nthe") and 3 * 43 + 2 <= len(several) <= 3 * 44 + 2
    )  # no newline is added to a text that ends with one


@pytest.mark.parametrize("stop", [("--stop", "mat", "--stop", "cat"), ("--until-sentence",), ("--lines", 2)])
def test_each_stopping_option_stops_the_sample(folder: Path, stop: tuple[str, ...]) -> None:
    shape = ("--seed", "the cat", "--format", "jsonl")
    made = json.loads(invoke(*SEEDED, "-m", folder / "charlstm.npz", *shape, *stop).output)
    ends = {"stop": ("mat", "cat"), "sentence": (".",), "lines": ("\n",)}
    assert made["stop"] in ends and made["text"].endswith(ends[made["stop"]]) and made["seed"] == "the cat"


def test_hide_stop_and_hide_seed_omit_them(folder: Path) -> None:
    arguments = (*SEEDED, "-m", folder / "charlstm.npz", "--seed", "the cat", "--stop", "mat")
    whole = invoke(*arguments).output
    assert invoke(*arguments, "--hide-stop").output == whole.removesuffix("mat\n") + "\n"
    assert invoke(*arguments, "--hide-seed").output == whole.removeprefix("the cat")


def test_the_seed_comes_from_an_option_a_file_or_a_pipe(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "seed.txt").write_bytes(b"the\r\ncat\n")
    model = ("-m", folder / "charlstm.npz", "-n", 30)
    wanted = invoke(*SEEDED, *model, "--seed", "the\ncat").output
    assert invoke(*SEEDED, *model, "--prompt", "the\ncat").output == wanted
    assert invoke(*SEEDED, *model, "--seed-file", tmp_path / "seed.txt").output == wanted
    for arguments in ((), ("--seed", "-")):
        assert charlstm(*SEEDED, *model, *arguments, cwd=tmp_path, input="the\ncat\n").stdout == wanted
        with (tmp_path / "seed.txt").open() as file:
            assert charlstm(*SEEDED, *model, *arguments, cwd=tmp_path, stdin=file).stdout == wanted
    assert charlstm(*SEEDED, *model, cwd=tmp_path, input="").stdout == invoke(*SEEDED, *model).output
    assert charlstm(*SEEDED, *model, "--seed", "the\ncat", cwd=tmp_path, input="x").stdout == wanted


def test_json_lines_hold_the_same_texts(folder: Path) -> None:
    arguments = (*SEEDED, "-m", folder / "charlstm.npz", "--seed", "the", "-n", 40, "--samples", 3)
    objects = [json.loads(line) for line in invoke(*arguments, "--format", "jsonl").output.splitlines()]
    assert "\n".join(f"{it['seed']}{it['text']}\n" for it in objects) == invoke(*arguments).output
    assert [it["stop"] for it in objects] == ["length"] * 3 and all(it["bits_per_character"] > 0 for it in objects)
    empty = invoke(*arguments[:-2], "-n", 0, "--format", "jsonl").output
    wanted = {"seed": "the", "text": "", "bits_per_character": None, "stop": "length"}
    assert json.loads(empty).items() >= wanted.items()


def test_novelty_is_reported_on_stderr_or_in_the_json_object(folder: Path) -> None:
    arguments = (*SEEDED, "-m", folder / "charlstm.npz", "--seed", "the", "-n", 40, "--samples", 2)
    asked = ("--novelty", folder / "corpus.txt")
    plain, told = invoke(*arguments), invoke(*arguments, *asked)
    assert told.stdout == plain.stdout and "longest parts copied from the corpus" in told.stderr
    assert max(map(len, told.stderr.splitlines())) <= 80
    for line, text in zip(invoke(*arguments, *asked, "--format", "jsonl").stdout.splitlines(), (0, 1), strict=True):
        made = json.loads(line)
        told = made.pop("novelty")
        assert made == json.loads(invoke(*arguments, "--format", "jsonl").stdout.splitlines()[text])
        shares = told["new parts of the text"]
        assert shares["parts"][0] == 37 and shares["length"][0] == 4
        new = sum(made["text"][k : k + 4] not in TEXT for k in range(37)) / 37
        assert shares["new"][0] == pytest.approx(new)
        for run in told["longest parts copied from the corpus"]["part"]:
            assert run in made["text"] and run in TEXT


def test_beam_search_writes_the_most_likely_texts_in_each_format(folder: Path, tmp_path: Path) -> None:
    arguments = ("sample", "-m", folder / "charlstm.npz", "--seed", "the", "-n", 30)
    assert invoke(*arguments, "--beam", 1).output == invoke(*arguments, "--temperature", 0).stdout
    best = ("--beam", 4, "--samples", 3)
    objects = [json.loads(line) for line in invoke(*arguments, *best, "--format", "jsonl").output.splitlines()]
    bits = [made["bits_per_character"] for made in objects]
    assert len(bits) == 3 and bits == sorted(bits) and {made["stop"] for made in objects} == {"length"}
    text = invoke(*arguments, *best).output
    assert text == "\n".join(f"the{made['text']}".removesuffix("\n") + "\n" for made in objects)
    assert invoke(*arguments, *best, "--output", tmp_path / "made.txt").output == ""
    assert (tmp_path / "made.txt").read_text() == text
    assert invoke(*arguments, *best, "--hide-seed").output.startswith(objects[0]["text"])
    assert "from the corpus" in invoke(*arguments, *best, "--novelty", folder / "corpus.txt").stderr


def test_output_writes_the_same_to_a_file(folder: Path, tmp_path: Path) -> None:
    arguments = (*SEEDED, "-m", folder / "charlstm.npz", "--seed", "the", "-n", 40, "--samples", 2)
    done = invoke(*arguments, "--output", tmp_path / "made.txt")
    assert done.output == "" and [path.name for path in tmp_path.iterdir()] == ["made.txt"]
    assert (tmp_path / "made.txt").read_text() == invoke(*arguments).output
    assert invoke(*arguments, "--output", "/dev/null").exit_code == 0 and not Path("/dev/null").is_file()


@pytest.mark.parametrize(("shape", "file"), [("text", False), ("jsonl", True)])
def test_after_ctrl_c_all_that_was_sampled_is_written(folder: Path, tmp_path: Path, shape: str, file: bool) -> None:
    output = ("--output", str(tmp_path / "made")) if file else ()
    command = [
        sys.executable,
        "-m",
        "charlstm",
        "sample",
        "--random-seed",
        "0",
        "--seed",
        "the",
        "-n",
        "10000000",
        "--format",
        shape,
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0}
    with subprocess.Popen([*command, *output], cwd=folder, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout is not None
        began = process.stdout.read(0 if file else 1)
        while file and not list(tmp_path.iterdir()):
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        made, said = (stream.decode() for stream in process.communicate())
        made = began.decode() + made
    assert process.returncode == 130 and said == "\n" and (made == "") == file
    made = (tmp_path / "made").read_text() if file else made
    if shape == "jsonl":
        assert json.loads(made)["stop"] == "interrupted"
        made = "the" + json.loads(made)["text"] + "\n"
    whole = invoke(*SEEDED, "-m", folder / "charlstm.npz", "--seed", "the", "-n", len(made) - 4).output
    assert len(made) > 100 and made.rstrip("\n") == whole.rstrip("\n")


def test_ctrl_c_while_a_character_is_written_neither_repeats_nor_loses_it() -> None:
    class Interrupting(io.StringIO):
        def write(self, text: str) -> int:
            written = super().write(text)
            if text == "b":
                signal.raise_signal(signal.SIGINT)
            return written

    made = Interrupting()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), TextOutput(made, [TextWriter()], "x", Documents("")) as output:
            for character in "abc":
                output.add(SampledCharacter(0, character, None))  # type: ignore[arg-type]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert made.getvalue() == "xab\n"


def test_the_model_is_found_through_the_environment(folder: Path, tmp_path: Path) -> None:
    there = {**os.environ, "CHARLSTM_MODEL": str(folder / "charlstm.npz")}
    assert charlstm(*SEEDED, "-n", "5", cwd=tmp_path, env=there).returncode == 0
    missing = charlstm(*SEEDED, "-n", "5", cwd=tmp_path)
    assert missing.returncode == 1 and one_sentence(missing.stderr) and "charlstm.npz" in missing.stderr


def test_a_closed_pipe_ends_quietly(folder: Path) -> None:
    command = f"{sys.executable} -m charlstm sample --random-seed 0 -n 200000 | head -c 10"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr, len(done.stdout)) == (0, "", 10)


def test_inspect_shows_a_row_a_character(folder: Path) -> None:
    done = charlstm("inspect", "the cat", cwd=folder)
    rows = done.stdout.splitlines()
    assert "\x1b" not in done.stdout and max(map(len, rows)) <= 80
    assert re.split(r"\s\s+", rows[1].strip())[-6:] == ["f", "i", "o", "c~", "c", "h"]
    assert [row[0] for row in rows[2:]] == ["t", "h", "e", "␣", "c", "a", "t"]
    assert rows[2].split()[1] == "-" and all(float(row.split()[1]) >= 0 for row in rows[3:])


def test_inspect_gives_every_value_as_csv_and_json(folder: Path) -> None:
    arguments = ("inspect", "-m", folder / "charlstm.npz", "the cat", "--format")
    table = list(csv.DictReader(io.StringIO(invoke(*arguments, "csv").output)))
    value = json.loads(invoke(*arguments, "json").output)
    assert value["text"] == "the cat" and value["characters"][0]["surprise_bits"] is None
    for n, row in enumerate(table):
        for quantity in ("f", "i", "o", "c_tilde", "c", "h"):
            units = value["layers"][0][quantity][n]
            assert len(units) == 12
            assert units == [float(row[f"layer0.{quantity}.{unit}"]) for unit in range(12)]


def test_inspect_shows_single_units(folder: Path) -> None:
    arguments = ("inspect", "-m", folder / "charlstm.npz", "the cat")
    value = json.loads(invoke(*arguments, "--format", "json").output)
    shown = invoke(*arguments, "--unit", "3", "--unit", "0").output
    assert "layer 0, unit 3" in shown and "layer 0, unit 0" in shown
    assert shown.splitlines()[2].split()[-1] == f"{value['layers'][0]['h'][0][3]:+.2f}"
    done = invoke(*arguments, "--unit", "12")
    assert done.exit_code == 2 and one_sentence(done.stderr) and "0 to 11" in done.stderr


def test_inspect_without_a_text_sums_the_model_up(folder: Path) -> None:
    arguments = ("inspect", "-m", folder / "charlstm.npz")
    shown = invoke(*arguments).output
    value = json.loads(invoke(*arguments, "--format", "json").output)
    assert value["network"]["hidden"] == 12 and value["corpus"]["files"] == "corpus.txt"
    assert value["outcome"]["steps done"] == 60 and len(value["losses (bits per character)"]["step"]) == 60
    for fact in ("corpus.txt", "960", "training loss (nats)", "validation loss (bits)", "step (log scale)"):
        assert fact in shown
    assert "validation loss (nats)" not in shown  # nats stand beside the training loss only
    curve = [line for line in shown.splitlines() if " |" in line]
    assert len(curve) == 8 and any("o" in line.split("|")[1] for line in curve)
    assert max(map(len, shown.splitlines())) <= 80


def test_inspect_reads_a_file_as_it_reads_a_text(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(b"\xef\xbb\xbfthe\r\ncat")
    model = folder / "charlstm.npz"
    from_file = invoke("inspect", "-m", model, "--file", tmp_path / "text.txt")
    assert from_file.output == invoke("inspect", "-m", model, "the\ncat").output


def test_a_score_is_of_a_text_a_file_or_what_is_piped_in(folder: Path, tmp_path: Path) -> None:
    text = "the cat sat on the mat.\nthat mat, the cat"
    (tmp_path / "text.txt").write_text(text)
    score = ("inspect", "-m", folder / "charlstm.npz", "--score", "--format", "json", "--unknown", "skip")
    found = json.loads(invoke(*score, text).output)
    surprise = json.loads(invoke(*score[:3], text.replace(",", ""), "--format", "json").output)["characters"]
    bits = [character["surprise_bits"] for character in surprise[1:]]
    assert found["score"]["bits"] == pytest.approx([sum(bits)])
    assert found["score"]["bits/char"] == pytest.approx([sum(bits) / len(bits)])
    assert found["surprisal in bits"]["position"] == list(range(len(text)))
    for arguments, given in (
        (("--file", tmp_path / "text.txt"), ""),
        (("--file", "-"), text),
        (("-",), text),
        ((), text),
    ):
        other = json.loads(charlstm(*score, *arguments, cwd=tmp_path, input=given).stdout)
        name = "standard input" if given else str(tmp_path / "text.txt")
        assert other["score"].pop("text") == [name] and other["score"].items() <= found["score"].items()
        assert other["surprisal in bits"] | found["surprisal in bits"] == other["surprisal in bits"]


def test_scores_of_several_files_and_models_are_a_table(folder: Path, tmp_path: Path) -> None:
    for name, text in (("a.txt", "the cat sat."), ("b.txt", "the mat\non the cat")):
        (tmp_path / name).write_text(text)
    files = ("--file", tmp_path / "a.txt", "--file", tmp_path / "b.txt")
    model = folder / "charlstm.npz"
    done = invoke("inspect", "-m", model, "--score", *files, "--compare", model, "--adapt", "--adapt-rate", 0.1)
    assert done.exit_code == 0 and max(map(len, done.output.splitlines())) <= 80
    rows = list(
        csv.DictReader(io.StringIO(invoke("inspect", "-m", model, "--score", *files, "--format", "csv").output))
    )
    assert [row["text"] for row in rows] == [str(tmp_path / "a.txt"), str(tmp_path / "b.txt"), "total"]
    assert float(rows[2]["bits"]) == pytest.approx(float(rows[0]["bits"]) + float(rows[1]["bits"]), abs=1e-6)
    assert [row["characters"] for row in rows] == ["12", "18", "30"]


def test_a_cloze_test_has_a_row_a_prompt_and_a_count_for_each_group(folder: Path, tmp_path: Path) -> None:
    asked = "the cat\tsat\tknown\nthe cat sat on the\tmat\tknown\nthe mat\thas\tnew\n"
    (tmp_path / "asked.tsv").write_text(asked)
    cloze = ("inspect", "-m", folder / "charlstm.npz")
    rows = list(
        csv.DictReader(io.StringIO(invoke(*cloze, "--cloze", tmp_path / "asked.tsv", "--format", "csv").output))
    )
    assert [(row["prompt"], row["answer"], row["group"]) for row in rows] == [
        ("the cat", " sat", "known"),
        ("the cat sat on the", " mat", "known"),
        ("the mat", " has", "new"),
    ]
    for row in rows:
        said = invoke("sample", *cloze[1:], "--seed", row["prompt"], "--temperature", 0, "-n", 4, "--hide-seed").stdout
        assert row["predicted"] and row["predicted"][:4] == said[: min(4, len(row["predicted"]))]
        assert (row["correct"] == "1") == (row["predicted"] == row["answer"])
    shown = charlstm(*cloze, "--cloze", "-", cwd=tmp_path, input=asked).stdout
    assert shown == invoke(*cloze, "--view", "cloze", "--file", tmp_path / "asked.tsv").output
    assert [line.split()[0] for line in shown.splitlines()[-3:]] == ["known", "new", "all"]
    assert max(map(len, shown.splitlines())) <= 80
    (tmp_path / "asked.tsv").write_text("the cat\tsat\nthe cat sat\n")
    done = invoke(*cloze, "--cloze", tmp_path / "asked.tsv")
    assert done.exit_code == 1 and one_sentence(done.stderr) and "line 2 of" in done.stderr and "tab" in done.stderr


@pytest.mark.parametrize("arguments", [(*SEEDED, "--seed"), ("inspect",)])
def test_unknown_characters_are_named_or_skipped(folder: Path, arguments: tuple[str, ...]) -> None:
    command, *option = arguments
    model = ("-m", folder / "charlstm.npz")
    done = invoke(command, *model, *option, "the 🎈 ca\tté")
    assert done.exit_code == 1 and one_sentence(done.stderr) and done.stdout == ""
    for named in (
        "'🎈' U+1F388 at character 5",
        "U+0009 at character 9",
        "'é' U+00E9 at character 11",
        "--unknown skip",
    ):
        assert named in done.stderr
    skipped = invoke(command, *model, *option, "the 🎈 cat", "--unknown", "skip")
    assert skipped.exit_code == 0 and skipped.stderr.startswith("1 of 9 characters")
    assert skipped.stdout == invoke(command, *model, *option, "the  cat").stdout


def test_a_model_trained_on_lines_samples_whole_lines(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("anna\notto\nhannah\nbob\n" * 20)
    arguments = (
        "--lines",
        "--steps",
        400,
        "--hidden",
        16,
        "--lr",
        0.03,
        "--batch-size",
        8,
        "--val-fraction",
        0,
        "--quiet",
    )
    assert charlstm("train", "names.txt", *arguments, cwd=tmp_path).returncode == 0
    for seed in range(8):
        line = charlstm("sample", "--random-seed", seed, "--temperature", 0.5, cwd=tmp_path).stdout
        assert line in ("anna\n", "otto\n", "hannah\n", "bob\n")
    many = charlstm("sample", "--samples", 12, "--temperature", 0.5, "--random-seed", 0, cwd=tmp_path).stdout
    assert set(many.splitlines()) <= {"anna", "otto", "hannah", "bob"} and many.count("\n") == 12
    assert charlstm("inspect", "anna", cwd=tmp_path).stdout.splitlines()[2].split()[1] != "-"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "is empty"),
        (b"x", "one character"),
        (b"abc\xff\xfe" * 9, "byte 3 (0xFF)"),
        (b"PK\x03\x04\x89PNG\x00\x80" * 30, "zip archive"),
    ],
)
def test_a_corpus_that_cannot_be_learnt_is_one_sentence(tmp_path: Path, content: bytes, named: str) -> None:
    path = tmp_path / "corpus.txt"
    path.write_bytes(content)
    done = charlstm("train", path, cwd=tmp_path)
    assert done.returncode == 1 and one_sentence(done.stderr) and named in done.stderr and "corpus.txt" in done.stderr
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("train", "missing.txt"), 1, "missing.txt"),
        (("train", "corpus.txt", "-m", "no/such/folder.npz"), 1, "no/such"),
        (("train", "corpus.txt", "-m", "."), 2, "."),
        (("train", "corpus.txt", "--epochs", "1", "--steps", "1"), 2, "--epochs"),
        (("train", "corpus.txt", "--hidden", "0"), 2, "--hidden"),
        (("train", "corpus.txt", "--dropout", "1"), 2, "--dropout"),
        (("train", "corpus.txt", "--lr", "nan"), 2, "--learning-rate is nan"),
        (("train", "corpus.txt", "--lr", "-1"), 2, "--lr"),
        (("train", "corpus.txt", "--activation", "relu"), 2, "rnn"),
        (("train", "corpus.txt", "--cell", "rnn", "--forget-bias", "1"), 2, "--forget-bias"),
        (("train", "corpus.txt", "--cell", "rnn", "--chrono-init", "9"), 2, "--chrono-init"),
        (("train", "corpus.txt", "--chrono-init", "9", "--forget-bias", "1"), 2, "--forget-bias"),
        (("train", "corpus.txt", "--encoding", "klingon"), 2, "klingon"),
        (("train", "corpus.txt", "--encoding", "hex"), 2, "hex"),
        (("train", "corpus.txt", "--curriculum", "1"), 2, "--documents"),
        (("train", "corpus.txt", "--val-fraction", "1"), 2, "--val-fraction"),
        (("train",), 2, "there is no corpus"),
        (("sample", "-m", "corpus.txt"), 1, "corpus.txt"),
        (("sample", "--temperature", "nan"), 2, "temperature"),
        (("sample", "--temperature", "-1"), 2, "--temperature"),
        (("sample", "--top-k", "0"), 2, "--top-k"),
        (("sample", "--stop", ""), 2, "--stop"),
        (("sample", "--top-p", "0"), 2, "--top-p"),
        (("sample", "--top-p", "nan"), 2, "--top-p"),
        (("sample", "--min-p", "1.1"), 2, "--min-p"),
        (("sample", "--repeat-penalty", "0.5"), 2, "--repeat-penalty"),
        (("sample", "--repeat-window", "0"), 2, "--repeat-window"),
        (("sample", "--only", "XYZ"), 2, "XYZ"),
        (("sample", "--lines", "0"), 2, "--lines"),
        (("sample", "--seed", "a", "--seed-file", "corpus.txt"), 2, "--seed-file"),
        (("sample", "--seed-file", "missing.txt"), 1, "missing.txt"),
        (("sample", "--encoding", "klingon"), 2, "klingon"),
        (("sample", "--format", "jsonl", "--colour", "entropy"), 2, "--colour"),
        (("sample", "--colour", "blue"), 2, "surprise"),
        (("sample", "--alternatives", "0"), 2, "--alternatives"),
        (("sample", "--output", "no/such/file.txt"), 1, "no/such"),
        (("sample", "--output", "."), 1, "folder"),
        (("sample", "-n", "-1"), 2, "-n"),
        (("sample", "--beam", "0"), 2, "--beam"),
        (("sample", "--beam", "3", "--samples", "4"), 2, "1 to 3"),
        (("sample", "--beam", "3", "--temperature", "1"), 2, "--temperature"),
        (("sample", "--beam", "3", "--temperature", "0.8"), 2, "--temperature cannot be used with --beam"),
        (("sample", "--beam", "3", "--new-only"), 2, "--new-only"),
        (("sample", "--beam", "3", "--alternatives", "1"), 2, "--alternatives"),
        (("sample", "--beam", "3", "-n", "2", "--only", "XYZ"), 2, "XYZ"),
        (("sample", "--interactive", "--seed", "-"), 2, "--seed - cannot be used with --interactive"),
        (("sample", "--beam", "3", "--only", "XYZ"), 2, "XYZ"),
        (("sample", "--novelty", "missing.txt"), 1, "missing.txt"),
        (("sample", "--novelty", "charlstm.npz", "-n", "9", "--output", "made.txt"), 1, "charlstm.npz"),
        (("inspect", ""), 2, "empty"),
        (("inspect", "the", "--file", "corpus.txt"), 2, "--file"),
        (("inspect", "--unit", "1"), 2, "--unit"),
        (("inspect", "the", "--unit", "x"), 2, "layer:number"),
        (("inspect", "the", "--show", "f,x"), 2, "'x'"),
        (("inspect", "the", "--view", "history"), 2, "leave the text out"),
        (("inspect", "the", "--view", "history", "--show", "f"), 2, "--show"),
        (("inspect", "--view", "gates"), 2, "give one"),
        (("inspect", "the", "--view", "paint"), 2, "--view"),
        (("inspect", "the", "-o", "no/such/file"), 1, "no/such/file"),
        (("inspect", "--file", "missing.txt"), 1, "missing.txt"),
        (("inspect", "the", "--file", "corpus.txt", "--score"), 2, "--file"),
        (("inspect", "--file", "corpus.txt", "--file", "corpus.txt"), 2, "one text"),
        (("inspect", "--score", "--file", "-", "--file", "-"), 2, "once"),
        (("inspect", "--score", "--view", "gates", "the"), 2, "different views"),
        (("inspect", "--score", "--cloze", "corpus.txt"), 2, "different views"),
        (("inspect", "--score"), 1, "standard input is empty"),
        (("inspect", "--cloze", "corpus.txt"), 1, "line 1 of corpus.txt"),
        (("inspect", "--cloze", "missing.txt"), 1, "missing.txt"),
        (("inspect", "--cloze", "-"), 2, "no prompt"),
        (("inspect", "--score", "the", "--compare", "corpus.txt"), 1, "corpus.txt"),
        (("inspect", "--score", "the", "--adapt-rate", "0", "--adapt"), 2, "--adapt-rate"),
        (("inspect", "--score", "the", "--adapt", "--adapt-rate", "nan"), 2, "--adapt-rate is nan"),
        (("inspect", "--score", "the", "--adapt-rate", "0.1"), 2, "needs --adapt"),
        (("inspect", "--score", "the", "--adapt", "0.1"), 2, "set the learning rate with --adapt-rate 0.1"),
        (("inspect", "--score", "the", "--adapt=2e-3"), 2, "set the learning rate with --adapt-rate 2e-3"),
        (("inspect", "the", "--adapt"), 2, "--view score"),
        (("inspect", "--score", "the 🎈"), 1, "U+1F388"),
        (("paint",), 2, "paint"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_right_exit_code(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, named: str
) -> None:
    monkeypatch.chdir(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    extra = ("--force",) if arguments[:1] == ("train",) and len(arguments) > 1 else ()
    done = invoke(*arguments, *extra)
    assert done.exit_code == code and done.stdout == ""
    *_, last = done.stderr.splitlines(keepends=True)
    assert one_sentence(last) and named in last
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_corpus_too_small_for_the_batch_shrinks_it_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text("hello world, hello\n")
    done = charlstm("train", "corpus.txt", "--steps", 5, "--batch-size", 32, cwd=tmp_path)
    assert done.returncode == 0 and "too small for a batch size of 32; it is 2" in done.stderr


def test_a_byte_order_mark_and_foreign_line_ends_are_read_and_said(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text(TEXT)
    (tmp_path / "dos.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    for name in ("plain", "dos"):
        done = charlstm("train", f"{name}.txt", *QUICK, "-m", f"{name}.npz", cwd=tmp_path)
        assert ("byte order mark" in done.stderr, "CRLF" in done.stderr) == ((name == "dos"),) * 2
    texts = [
        charlstm("sample", "-m", f"{name}.npz", "--random-seed", 0, cwd=tmp_path).stdout for name in ("plain", "dos")
    ]
    assert texts[0] == texts[1] != ""


def test_a_full_disk_leaves_the_old_model(folder: Path, tmp_path: Path) -> None:
    old = (folder / "charlstm.npz").read_bytes()
    (tmp_path / "charlstm.npz").write_bytes(old)
    done = charlstm(
        *("train", folder / "corpus.txt", *QUICK, "--force"),
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert done.returncode == 1
    assert "training continues" in done.stderr and one_sentence(done.stderr.splitlines(keepends=True)[-1])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"charlstm.npz": old}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_saves_what_it_learnt(tmp_path: Path, number: signal.Signals, code: int) -> None:
    (tmp_path / "corpus.txt").write_text(TEXT)
    command = [sys.executable, "-m", "charlstm", "train", "corpus.txt", "--steps", "100000", "--hidden", "8"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("train "):
                break
        time.sleep(0.5)
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode == code and "Traceback" not in said
    assert re.search(
        r"stopped at step [\d,]+ of 100,000; the model so far is in charlstm.npz; .*--resume -m charlstm.npz\n$",
        said,
        re.DOTALL,
    )
    assert json.loads(charlstm("inspect", "--format", "json", cwd=tmp_path).stdout)["outcome"]["steps done"] > 0


def in_a_terminal(*arguments: object, cwd: Path, environment: dict[str, str]) -> str:
    """Run the command in a terminal of its own, 80 columns wide, and return what appeared on it."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "charlstm", *map(str, arguments)],
        cwd=cwd,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm-256color", **environment},
    )
    os.close(slave)
    seen = b""
    while True:
        ready, _, _ = select.select([master], [], [], 60)
        try:
            piece = os.read(master, 65536) if ready else b""
        except OSError:
            piece = b""
        if not piece:
            break
        seen += piece
    os.close(master)
    assert process.wait() == 0, seen
    return seen.decode()


def test_a_terminal_gets_a_bar_and_colour_unless_it_asks_for_none(folder: Path, tmp_path: Path) -> None:
    trained = in_a_terminal("train", folder / "corpus.txt", *QUICK, "--steps", 3000, cwd=tmp_path, environment={})
    assert "\r" in trained and "best" in trained and "nats" in trained and "100%|" in trained
    coloured = in_a_terminal("inspect", "the cat", cwd=tmp_path, environment={})
    plain = in_a_terminal("inspect", "the cat", cwd=tmp_path, environment={"NO_COLOR": "1"})
    assert "\x1b[" in coloured and "\x1b[" not in plain
    *shown, shares, signed = re.sub(r"\x1b\[[0-9;]*m", "", coloured).splitlines()
    assert " ".join(shown).split() == plain.split() and [shares.split(), signed.split()] == [["0", "1"], ["−1", "+1"]]


def test_every_option_has_help_and_a_heading() -> None:
    for name in COMMANDS:
        command = main.get_command(None, name)  # type: ignore[arg-type]
        shown = invoke(name, "--help").output
        for parameter in command.params:
            if isinstance(parameter, GroupedOption):
                assert parameter.help and parameter.help.endswith(".")
                assert f"{parameter.heading}:" in shown
                assert all(word in shown for word in parameter.opts)
        assert command.help


def test_the_help_of_sample_starts_with_the_main_options_and_ends_with_examples() -> None:
    shown = invoke("sample", "--help").output
    headings = re.findall(r"^(\w[\w ]*):$", shown, re.M)
    assert headings == ["Main options", "Input", "Sampling", "Sets of samples", "Stopping", "Output", "Examples"]
    main_options = shown.split("Main options:")[1].split("Input:")[0]
    assert re.findall(r"^  (-.*?)  ", main_options, re.M) == [
        "--seed, --prompt TEXT",
        "-n, --length, --max-length N",
        "--temperature T",
        "--samples N",
        "--stop TEXT",
        "-m, --model FILE",
    ]
    for line, sentence in main.get_command(None, "sample").examples:  # type: ignore[arg-type, union-attr]
        assert f"  {line}\n    {sentence}\n" in shown


def test_each_sampling_and_stopping_field_has_an_option_with_its_default() -> None:
    command = main.get_command(click.Context(main), "sample")
    assert command is not None
    values = command.make_context("sample", []).params
    for kind in (SamplingConfig, StoppingRules, DisplayConfig):
        for field in dataclasses.fields(kind):
            fresh = field.name == "random_seed"  # the command chooses one
            assert values[field.name] == (None if fresh else field.default), field.name


def test_version_and_help(tmp_path: Path) -> None:
    assert charlstm("--version", cwd=tmp_path).stdout == f"charlstm, version {__version__}\n"
    shown = charlstm("--help", cwd=tmp_path).stdout
    assert all(name in shown for name in COMMANDS) and max(map(len, shown.splitlines())) <= 80


# What --help imports of charlstm, and what a sample imports beside the packages that it consists of.
HELP_IMPORTS = """charlstm charlstm.__main__ charlstm.base charlstm.base.errors charlstm.base.symbols charlstm.cli
    charlstm.cli.console charlstm.cli.group charlstm.cli.main charlstm.cli.output
    charlstm.render charlstm.render.characters"""
SAMPLE_PACKAGES = ("base", "cli", "model", "network", "sampling")
SAMPLE_IMPORTS = """charlstm charlstm.__main__ charlstm.api charlstm.api.language_model charlstm.render
    charlstm.render.characters charlstm.render.text_writer charlstm.text charlstm.text.documents charlstm.text.facts
    charlstm.text.remarks charlstm.text.vocabulary"""
SLOW_FOR_HELP = {"csv", "dataclasses", "hashlib", "json", "numpy", "pathlib", "tempfile", "tqdm", "zipfile"}
SLOW_FOR_A_SAMPLE = {"csv", "multiprocessing", "numpy.ma", "tempfile", "tqdm"} | {
    f"charlstm.{name}"
    for name in (
        "cli.interactive", "cli.train", "model.format2", "model.format3", "model.format4", "sampling.beam",
        "sampling.record",
    )
}  # fmt: skip


def imports_of(*arguments: str, cwd: Path) -> set[str]:
    """Return the modules that a command imports, without those of the start of Python."""
    code = f"import atexit, sys; sys.path[:] = {sys.path}; atexit.register(lambda: print(*sys.modules, sep=chr(10)))"
    code += "; from charlstm.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-S", "-c", code, *arguments], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines())


def test_commands_import_no_more_than_they_need(tmp_path: Path) -> None:
    """A module that is missing in the lists makes every start slower: import it where it is used."""
    found = imports_of("--help", cwd=tmp_path)
    assert {name for name in found if name.split(".")[0] == "charlstm"} == set(HELP_IMPORTS.split())
    assert not found & SLOW_FOR_HELP
    checkpoint.save(model(network("lstm", np.float32), "abcde"), tmp_path / "charlstm.npz")
    found = imports_of("sample", "--seed", "a", "-n", "1", cwd=tmp_path)
    names = [name for name in found if name.split(".")[0] == "charlstm"]
    others = {name for name in names if name.split(".")[1:2] not in [[package] for package in SAMPLE_PACKAGES]}
    assert others == set(SAMPLE_IMPORTS.split())
    assert not found & SLOW_FOR_A_SAMPLE


class Terminal(io.StringIO):
    """What stands on a screen that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("screen", [Terminal, io.StringIO])
def test_a_command_that_is_long_busy_says_so_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, screen: type[io.StringIO]
) -> None:
    monkeypatch.setattr("charlstm.cli.status.INTERVAL", 0.01)
    for patience in (0.01, 1000.0):
        monkeypatch.setattr("charlstm.cli.status.PATIENCE", patience)
        monkeypatch.setattr(sys, "stderr", screen())
        with pytest.raises(KeyboardInterrupt), show_elapsed("looking"):
            for _ in range(1000 * (screen is Terminal and patience < 1.0)):
                if "looking … " in sys.stderr.getvalue():  # type: ignore[attr-defined]
                    break
                time.sleep(0.01)
            raise KeyboardInterrupt
        shown = sys.stderr.getvalue()  # type: ignore[attr-defined]
        assert ("looking … 0" in shown) == (screen is Terminal and patience < 1.0)
        assert shown.split("\r")[-1] == "" and all(thread.name != "elapsed" for thread in threading.enumerate())


def test_a_long_seed_shows_how_far_it_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("charlstm.cli.status.INTERVAL", 0.001)
    monkeypatch.setattr("charlstm.cli.status.PATIENCE", 0.0)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with show_elapsed("reading the seed", 2000) as report:
        report(500)
        for _ in range(1000):
            if "25%" in sys.stderr.getvalue():  # type: ignore[attr-defined]
                break
            time.sleep(0.01)
        report(2001)
    assert "reading the seed … 00:00  25%  500 of 2,000 characters" in sys.stderr.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "suggested"),
    [
        (("smaple",), "sample"),
        (("trian", "corpus.txt"), "train"),
        (("sample", "--temp", "1"), "--temperature"),
        (("sample", "--colr", "unsure"), "--colour"),
        (("train", "corpus.txt", "--hiden", "4"), "--hidden"),
        (("train", "corpus.txt", "--no-decya"), "--no-decay"),
        (("inspect", "--viwe", "gates"), "--view"),
    ],
)
def test_a_mistyped_name_is_answered_with_a_similar_one(words: tuple[str, ...], suggested: str) -> None:
    done = invoke(*words)
    assert done.exit_code == 2 and done.stderr.endswith(f"; did you mean {suggested}?\n")


def test_a_name_that_resembles_none_gets_no_suggestion() -> None:
    assert invoke("paint").stderr.endswith("the commands are train, sample, inspect.\n")
    assert invoke("sample", "--zzz").stderr.endswith("there is no option --zzz; --help lists the options.\n")
