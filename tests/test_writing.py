"""The options of `charlstm sample` that decide what is written: seeds, sets of texts, records, words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from small import model, network

from charlstm.cli.main import main
from charlstm.model import checkpoint
from charlstm.sampling import sets


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model of a stream, m.npz."""
    where = tmp_path_factory.mktemp("models")
    checkpoint.save(model(network("lstm", np.float32, hidden=9), "\nabc "), where / "m.npz")
    return where


@pytest.fixture(autouse=True)
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def sample(*arguments: object) -> Result:
    """Run `charlstm sample` in this process, with an empty standard input."""
    return CliRunner().invoke(main, ["sample", "--random-seed", "0", *map(str, arguments)], input="")


@pytest.mark.parametrize("typed", ["the\\ncat", "the\\\\ncat", "\\tthe", "\\the"])
def test_escapes_of_a_seed_are_understood_only_if_asked_for(typed: str, folder: Path) -> None:
    it = model(network("rnn", np.float32, vocabulary=9), "\n\t\\thecan")
    checkpoint.save(it, folder / "escapes.npz")
    meant = typed.replace("\\\\", "\0").replace("\\n", "\n").replace("\\t", "\t").replace("\0", "\\")
    command = ("-m", folder / "escapes.npz", "-n", 0)
    assert sample(*command, "--seed", typed).stdout.rstrip("\n") == typed
    for flag in ("-e", "--escapes"):
        assert sample(*command, "--seed", typed, flag).stdout.rstrip("\n") == meant
    (folder / "seed.txt").write_text(typed)
    assert sample(*command, "--seed-file", folder / "seed.txt", "-e").stdout.rstrip("\n") == typed


def test_words_are_forbidden_and_characters_biased_on_the_command_line() -> None:
    text = sample(
        "-m", "m.npz", "-n", 2000, "--temperature", 3, "--forbid-word", "ab", "--forbid-word", "\\n", "--seed", "a"
    )
    assert text.exit_code == 0 and "ab" not in text.stdout and text.stdout.count("\n") == 1
    rules = ("-m", "m.npz", "-n", 400, "--temperature", 1)
    most = sample(*rules, "--bias", "a=9", "--bias", "a=-9", "--bias", "\\n=12.5").stdout
    assert most.count("\n") > 380


@pytest.mark.parametrize(
    ("option", "value"), [("--bias", "ab=1"), ("--bias", "a"), ("--bias", "a=x"), ("--bias", "=1"), ("--bias", "a=nan"),
        ("--bias", "x=1"), ("--bias", "a=1e9"), ("--forbid-word", "")]
)  # fmt: skip
def test_a_wrong_bias_or_word_is_one_sentence(option: str, value: str) -> None:
    done = sample("-m", "m.npz", option, value)
    assert (
        done.exit_code == 2 and done.stderr.splitlines()[-1].startswith("Error: ") and done.stderr.count("Error") == 1
    )
    assert option.removeprefix("--").replace("-", "") in done.stderr.replace("_", "").replace("-", "")


def test_a_session_has_the_rules_for_words_and_characters_too() -> None:
    typed = (
        "/forbid-word ab\n/forbid-word ba\n/bias a=2\n/bias \\n=-3\n/bias\n/forbid-word\na\n"
        "/forbid-word off\n/bias off\n"
    )
    command = ["sample", "-m", "m.npz", "--random-seed", "0", "--interactive", "-n", "300", "--temperature", "3"]
    done = CliRunner().invoke(main, command, input=typed)
    shown = done.stderr.splitlines()
    assert shown[-4:] == ["/bias 'a'=2, '\\n'=-3", "/forbid-word 'ab', 'ba'", "/forbid-word off", "/bias off"]
    assert "ab" not in done.stdout and "ba" not in done.stdout and "a" in done.stdout


def test_a_bias_of_an_equals_sign_is_understood(folder: Path) -> None:
    checkpoint.save(model(network("rnn", np.float32, vocabulary=3), "=ab"), folder / "equals.npz")
    assert sample("-m", "equals.npz", "-n", 50, "--bias", "==50").stdout == "=" * 50 + "\n"


SET = ("-m", "m.npz", "-n", 2, "--temperature", 2)


def test_a_set_is_written_as_plain_samples_are(folder: Path) -> None:
    plain = sample(*SET, "--samples", 60, "--format", "jsonl").stdout.splitlines()
    first: dict[str, str] = {}
    for text in (json.loads(line)["text"] for line in plain):
        first.setdefault("".join(text.split()), text)
    wanted = list(first.values())
    done = sample(*SET, "--samples", 5, "--distinct")
    assert done.stdout == "\n".join(text if text.endswith("\n") else text + "\n" for text in wanted[:5])
    assert (done.stderr, done.exit_code) == ("", 0)
    made = sample(*SET, "--samples", 5, "--distinct", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line)["text"] for line in made] == wanted[:5]
    sample(*SET, "--samples", 5, "--distinct", "-o", "set.txt")
    assert (folder / "set.txt").read_text() == done.stdout


@pytest.mark.parametrize("shape", ["text", "jsonl"])
def test_a_set_that_is_not_complete_is_written_and_reported_with_exit_code_3(folder: Path, shape: str) -> None:
    rules = ("--samples", 400, "--distinct", "--attempts", 600, "--format", shape)
    done = sample("-m", "m.npz", "-n", 1, *rules)
    assert done.exit_code == 3
    assert done.stderr == (
        "found 4 of 400 texts in 600 attempts, of which 596 were like another one; --attempts sets the limit\n"
    )
    assert done.stdout.count("\n") == (4 if shape == "jsonl" else 7)
    kept = sample("-m", "m.npz", "-n", 1, *rules, "-o", "set.out")
    assert kept.exit_code == 3 and (folder / "set.out").read_text() == done.stdout


def test_seed_lines_are_continued_each_and_escapes_are_understood_if_asked_for(folder: Path) -> None:
    (folder / "seeds.txt").write_text("a\\nb\n\nc a\n")
    (folder / "three.txt").write_text("a\nb\n\nc a")
    file = ("-m", "m.npz", "--seed-lines", "seeds.txt", "-n", 5)
    lines = sample(*file, "-e", "--samples", 2, "--format", "jsonl").stdout
    made = [json.loads(line) for line in lines.splitlines()]
    assert [(one["seed"], one["number"]) for one in made] == [
        ("a\nb", 0), ("a\nb", 3), ("", 1), ("", 4), ("c a", 2), ("c a", 5)
    ]  # fmt: skip
    done = sample(*file)
    assert done.exit_code == 1 and "seed 1 has characters that are not in the model's vocabulary: '\\'" in done.stderr
    skipped = sample(*file, "--unknown", "skip")
    assert skipped.exit_code == 0 and "2 of 7 characters are unknown" in skipped.stderr
    texts = sample("-m", "m.npz", "--seed-lines", "three.txt", "-n", 0).stdout
    assert texts == "a\n\nb\n\n\n\nc a\n"
    command = [sys.executable, "-m", "charlstm", "sample", "-m", "m.npz", "--random-seed", "0", "-n", "0"]
    piped = subprocess.run([*command, "--seed-lines", "-"], input="a\nb\n\nc a\n", capture_output=True, text=True)
    assert (piped.stdout, piped.stderr) == (texts, "")


@pytest.mark.parametrize("more", [("--colour", "surprise"), ("--alternatives", "2")])
def test_a_set_and_a_repeated_record_are_coloured_as_a_plain_sample_is(
    more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    rules = ("-m", "m.npz", "-n", 40, "--seed", "ab")
    plain = sample(*rules, *more).stdout
    assert sample(*rules, "--best", 1, "--of", 1, *more).stdout == plain and len(plain) > 50
    Path("plain.jsonl").write_text(sample(*rules, "--format", "jsonl").stdout)
    again = CliRunner().invoke(main, ["sample", "-m", "m.npz", "--again", "plain.jsonl", *more], input="")
    assert again.stdout == plain


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--best", 2), "best is given alone; give --best and --of together"),
        (("--of", 2), "of is given alone; give --best and --of together"),
        (("--best", 3, "--of", 2), "--best is 3 and --of is 2"),
        (("--best", 1, "--of", 2, "--samples", 2), "--samples cannot be used with --best"),
        (("--by", "novelty"), "--by needs --best and --of"),
        (("--best", 1, "--of", 2, "--by", "novelty"), "--by novelty needs a corpus; name it with --against"),
        (("--max-copied", 4), "--max-copied needs a corpus; name it with --against"),
        (("--against", "corpus.txt"), "--against needs --max-copied or --by novelty"),
        (("--attempts", 4), "--attempts needs --distinct, --new-only or --max-copied"),
        (("--surprisals",), "--surprisals needs --format jsonl"),
        (("--distinct", "--beam", 2), "--distinct cannot be used with --beam"),
        (("--distinct", "--interactive"), "--distinct cannot be used with --interactive"),
        (("--seed-lines", "m.npz", "--seed", "a"), "--seed cannot be used with --seed-lines"),
        (("--max-copied", 4, "--against", "corpus.txt", "-o", "corpus.txt"), "corpus.txt"),
        (("--seed-lines", "corpus.txt", "-o", "corpus.txt"), "corpus.txt"),
    ],
)
def test_options_that_contradict_each_other_or_have_no_effect_are_errors(
    options: tuple[object, ...], said: str, folder: Path
) -> None:
    (folder / "corpus.txt").write_text("abc")
    done = CliRunner().invoke(main, ["sample", "-m", "m.npz", *map(str, options)], input="")
    assert done.exit_code == 2 and said in done.stderr and done.stderr.startswith("Error: ") and done.stdout == ""
    assert (folder / "corpus.txt").read_text() == "abc"


@pytest.mark.parametrize("shape", ["text", "jsonl"])
def test_after_ctrl_c_a_set_has_what_was_accepted_until_then(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sample(*SET, "--samples", 30, "--distinct", "--format", shape).stdout
    monkeypatch.setattr(sets, "ROWS", 4)
    monkeypatch.setattr(sets, "CHARACTERS", 8)
    judge, count = sets.SetSampler._judge, [0]

    def interrupted(sampler: sets.SetSampler, *attempt: Any) -> None:
        count[0] += 1
        if count[0] == 20:
            raise KeyboardInterrupt
        judge(sampler, *attempt)

    monkeypatch.setattr(sets.SetSampler, "_judge", interrupted)
    done = sample(*SET, "--samples", 30, "--distinct", "--format", shape)
    assert done.exit_code == 130 and 5 < len(done.stdout) < len(whole)
    assert whole.startswith(done.stdout)
