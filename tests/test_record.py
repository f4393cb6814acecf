"""A record repeats its text to the byte, alone or among others, and nothing else passes for one."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from small import LABELS, labelled_model, model, network

from charlstm.base.config import TrainingConfig, to_mapping
from charlstm.base.symbols import END
from charlstm.cli.main import main
from charlstm.model import checkpoint
from charlstm.sampling import record
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.stopping import StoppingRules

CORPUS = "abcab\nccba bbb"
CALLS = {
    "one": ("-n", 30),
    "many": ("-n", 30, "--samples", 5, "--seed", "ab", "--repeat-penalty", 1.5, "--top-k", 4, "--temperature", 2),
    "stops": ("--samples", 4, "--stop", "ab", "--stop", "\\n", "--hide-stop", "--temperature", 3, "-n", 50),
    "words": ("--samples", 4, "-n", 30, "--forbid-word", "ab", "--bias", "c=2", "--bias", "\\n=-1", "--forbid", " "),
    "distinct": ("--samples", 6, "-n", 2, "--distinct", "--temperature", 2),
    "copied": ("--samples", 4, "-n", 9, "--max-copied", 3, "--against", "corpus.txt"),
    "best": ("--best", 3, "--of", 9, "--by", "novelty", "--against", "corpus.txt", "-n", 20, "--seed", "c"),
    "lines": ("-m", "lines.npz", "--samples", 3, "--new-only", "--seed", "b"),
    "documents": ("-m", "documents.npz", "--samples", 4, "--seed", "a\n\nb", "--temperature", 2, "-n", 60),
    "labels": ("-m", "labels.npz", "--samples", 6, "--temperature", 2, "-n", 40),
    "a label": ("-m", "labels.npz", "--samples", 3, "--label", LABELS[1][0], "--distinct", "-n", 9, "--temperature", 2),
    "seeds": ("--seed-lines", "seeds.txt", "-e", "--samples", 2, "-n", 9),
    "beam": ("--beam", 4, "--samples", 3, "-n", 7, "--only", "abc"),
    "empty": ("-n", 0, "--samples", 2),
}
SHAPES = ((), ("--format", "jsonl"), ("--format", "jsonl", "--surprisals"), ("--hide-seed",),
          ("--format", "jsonl", "--novelty", "corpus.txt"))  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("models")
    checkpoint.save(model(network("lstm", np.float32, hidden=9), "\nabc "), where / "m.npz")
    checkpoint.save(model(network("lstm", np.float32, hidden=9), "\nabc ", lines=True), where / "lines.npz")
    checkpoint.save(model(network("lstm", np.float32, hidden=9, seed=2), "\nabc "), where / "other.npz")
    poems = model(network("lstm", np.float32, hidden=9, vocabulary=6), f"{END}\nabc ")
    poems = replace(poems, training=TrainingConfig(steps=0, documents="blank-line"))
    checkpoint.save(labelled_model(dtype=np.float32), where / "labels.npz")
    checkpoint.save(poems, where / "documents.npz")
    (where / "corpus.txt").write_text(CORPUS)
    (where / "seeds.txt").write_text("a\n\nb\\nc\n")
    return where


@pytest.fixture(autouse=True)
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def sample(*arguments: object) -> str:
    """Return what `charlstm sample` writes."""
    named = () if "-m" in arguments else ("-m", "m.npz")
    done = CliRunner().invoke(main, ["sample", *named, *map(str, arguments)], input="")
    assert done.exit_code == 0, done.stderr
    return done.stdout


def seeded(name: str) -> tuple[object, ...]:
    """Return the option for the random seed of a call that has one."""
    return () if name == "beam" else ("--random-seed", 81234)


@pytest.mark.parametrize("name", CALLS)
def test_texts_written_again_have_the_same_bytes(name: str) -> None:
    call = CALLS[name]
    named = call[:2] if "-m" in call else ()
    Path("record.jsonl").write_text(sample(*call, *seeded(name), "--format", "jsonl"))
    for shape in SHAPES:
        if name == "beam" and "--surprisals" in shape:
            continue
        written = sample(*call, *seeded(name), *shape)
        assert sample(*named, "--again", "record.jsonl", *shape) == written


def test_any_lines_of_any_records_can_be_written_again_in_any_order() -> None:
    lines = [
        line
        for name, call in CALLS.items()
        if "-m" not in call
        for line in sample(*call, *(() if name == "beam" else ("--random-seed", 5)), "--format", "jsonl").splitlines(
            True
        )
    ]
    chosen = [lines[place] for place in np.random.default_rng(0).permutation(len(lines))]
    Path("record.jsonl").write_text("".join(chosen))
    assert sample("--again", "record.jsonl", "--format", "jsonl") == "".join(chosen)


def test_a_record_has_every_setting() -> None:
    (line,) = sample("-n", 9, "--random-seed", 7, "--bias", "a=1", "--format", "jsonl", "--surprisals").splitlines()
    made = json.loads(line)
    assert set(made) == record.NAMES | {"bits_per_character", "surprisals", "label", "adapt_rate"}
    assert (made["number"], made["random_seed"], made["beam"], made["set"]) == (0, 7, None, None)
    assert made["model"] == checkpoint.load(Path("m.npz")).digest
    wanted = json.loads(json.dumps(to_mapping(SamplingConfig(bias={"a": 1.0})) | {"random_seed": 7}))
    assert made["sampling"] | {"random_seed": 7} == wanted
    assert made["stopping"] == json.loads(json.dumps(to_mapping(StoppingRules(9))))
    assert len(made["surprisals"]) == 9
    assert made["bits_per_character"] == pytest.approx(np.mean(made["surprisals"]))
    made = json.loads(sample(*CALLS["best"], "--random-seed", 7, "--format", "jsonl").splitlines()[0])
    assert made["set"]["best"] == 3 and made["set"]["of"] == 9 and made["set"]["against"] == ["corpus.txt"]


def test_an_interrupted_text_is_repeated_as_far_as_it_went() -> None:
    made = json.loads(sample("-n", 40, "--random-seed", 7, "--temperature", 2, "--format", "jsonl"))
    cut = made | {"text": made["text"][:13], "stop": "interrupted"}
    Path("cut.jsonl").write_text(json.dumps(cut, ensure_ascii=False) + "\n")
    again = json.loads(sample("--again", "cut.jsonl", "--format", "jsonl"))
    assert (
        again["text"] == made["text"][:13] and again["stop"] == "interrupted" and again["stopping"] == made["stopping"]
    )


def refusal(text: str | bytes, *more: str) -> str:
    """Return the sentence about a file that is no record of m.npz."""
    Path("bad.jsonl").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = CliRunner().invoke(main, ["sample", "-m", "m.npz", "--again", "bad.jsonl", *more], input="")
    assert (done.exit_code, done.stdout) == (1, "") and done.exception is not None
    assert re.fullmatch(r"Error: [^\n]+\.\n", done.stderr), done.stderr
    return done.stderr


def test_a_record_of_another_model_and_a_text_that_it_does_not_write_are_one_sentence() -> None:
    line = sample("-n", 40, "--random-seed", 7, "--samples", 2, "--format", "jsonl").splitlines()
    other = sample("-m", "other.npz", "-n", 40, "--format", "jsonl", "--random-seed", 7)
    assert "line 1 of bad.jsonl was written by another model; name the model" in refusal(other)
    made = json.loads(line[1])
    for text in ("b" + made["text"][1:], made["text"][:-1], made["text"] + "a", ""):
        changed = json.dumps(made | {"text": text if text != made["text"] else "c" + text[1:]})
        assert "line 2 of bad.jsonl cannot be repeated" in refusal(line[0] + "\n" + changed + "\n")
    endless = made | {"stopping": made["stopping"] | {"length": None}}
    assert "cannot be repeated" in refusal(json.dumps(endless))
    endless = made | {"stopping": made["stopping"] | {"length": 10**15}}
    assert "cannot be repeated" in refusal(json.dumps(endless), "--format", "jsonl")


def test_a_refused_record_leaves_the_output_as_it_was() -> None:
    Path("kept.txt").write_text("kept")
    made = json.loads(sample("-n", 40, "--random-seed", 7, "--format", "jsonl"))
    refusal(json.dumps(made | {"text": "a" * 40}), "-o", "kept.txt", "--force")
    assert Path("kept.txt").read_text() == "kept"
    done = CliRunner().invoke(main, ["sample", "-m", "m.npz", "--again", "bad.jsonl", "-o", "bad.jsonl"], input="")
    assert done.exit_code == 2 and json.loads(Path("bad.jsonl").read_text())["text"] == "a" * 40


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "{", "[]", "5", '"a"', "null", "{}", "[" * 100_000, "\ufeff{}", '{"seed": "a"}', "NaN", "a b c\n",
        b"\xff\xfe", b"\x00" * 50, b"PK\x03\x04 no", '{"seed": 1e999999}', "9" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_record_is_one_sentence(text: str | bytes) -> None:
    assert "bad.jsonl" in refusal(text)


VALUES = [
    None,
    True,
    -1,
    10**30,
    1.5,
    "",
    "x",
    "\ud800",
    "\uffff",
    [],
    [1],
    [["a", "b"]],
    {},
    {"a": 1},
    {"length": -1},
    [[]],
]


@settings(max_examples=150)
@given(st.data())
def test_a_record_with_any_other_value_is_one_sentence_or_still_gives_its_text(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["many", "distinct", "beam", "words"]))
    made = json.loads(sample(*CALLS[name], *seeded(name), "--format", "jsonl").splitlines()[0])
    owner = made
    key = data.draw(st.sampled_from(sorted(made)))
    if isinstance(made[key], dict) and data.draw(st.booleans()):
        owner = made[key]
        key = data.draw(st.sampled_from([*sorted(owner), "new"]))
    owner[key] = data.draw(st.sampled_from(VALUES))
    Path("bad.jsonl").write_text(json.dumps(made))
    done = CliRunner().invoke(main, ["sample", "-m", "m.npz", "--again", "bad.jsonl"], input="")
    assert done.exit_code in (0, 1)
    if done.exit_code:
        assert re.fullmatch(r"Error: [^\n]+\.\n", done.stderr) and not done.stdout, (key, owner[key], done.stderr)
    else:
        assert done.stdout.rstrip("\n") == (made["seed"] + made["text"]).rstrip("\n")


@pytest.mark.parametrize(
    "option", [("--seed", "a"), ("-n", "3"), ("--samples", "2"), ("--random-seed", "1"), ("--top-k", "2"), ("-e",),
               ("--distinct",), ("--beam", "2"), ("--interactive",), ("--seed-lines", "seeds.txt"), ("--stop", "a")]
)  # fmt: skip
def test_a_record_names_all_settings_so_no_other_can_be_given(option: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, ["sample", "-m", "m.npz", "--again", "corpus.txt", *option], input="")
    assert done.exit_code == 2 and re.fullmatch(r"Error: [^\n]+ cannot be used with [^\n]+\.\n", done.stderr)
