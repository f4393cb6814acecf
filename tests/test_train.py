"""What `charlstm train` chooses, holds out, says and writes on the way, and how it keeps to a time."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import signal
import time
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from commands import train
from hypothesis import given
from hypothesis import strategies as st
from run_files import arrays_of

import charlstm
from charlstm.base.config import TrainingConfig
from charlstm.base.errors import ConfigError, CorpusError
from charlstm.cli.main import main
from charlstm.cli.report import advise
from charlstm.cli.train import Duration
from charlstm.model import checkpoint
from charlstm.model.model import Model, Reader
from charlstm.training.clock import Clock
from charlstm.training.durations import format_duration, parse_duration
from charlstm.training.schedule import change_steps, learning_rate

TEXT = "".join(random.Random(0).choices(("the cat ", "sat on ", "a mat.\n", "the dog "), k=600))
SMALL = ("--hidden", "8", "--batch-size", "4", "--seq-len", "16")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which the commands run, with a text to learn."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.txt").write_text(TEXT)
    return tmp_path


def options_in(said: str) -> list[str]:
    """Return the options that a run says would repeat it."""
    found = re.search(r"^options   (.*(?:\n {10}.*)*)$", said, re.MULTILINE)
    assert found is not None, said
    return shlex.split(found[1])


@pytest.mark.parametrize(
    "arguments",
    [
        (*SMALL, "--steps", 30, "--cell", "gru", "--split", "stripes", "--no-decay", "--patience", 3),
        ("--lines", "--hidden", 8, "--epochs", 2, "--curriculum", 1, "--random-seed", 3),
        (*SMALL, "--cell", "rnn", "--activation", "relu", "--epochs", 1.5, "--validate-every", 7),
        (*SMALL, "--steps", 40, "--hold", 0.2, "--chrono-init", 9, "--workers", 2),
    ],
)
def test_the_options_that_are_said_repeat_the_run(folder: Path, arguments: tuple[object, ...]) -> None:
    done = train("corpus.txt", *arguments)
    assert done.exit_code == 0, done.output
    options = options_in(done.output)
    again = train("corpus.txt", "-m", "again.npz", *options)
    assert again.exit_code == 0, again.output
    assert (folder / "again.npz").read_bytes() == (folder / "charlstm.npz").read_bytes()
    assert arrays_of(folder / "again.npz.resume") == arrays_of(folder / "charlstm.npz.resume")


def test_a_timed_run_is_repeated_by_the_command_that_it_prints(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = {3: 60, 57: 80, 70: 75}  # the rate decays from step 55 on
    monkeypatch.setattr(Clock, "plan_steps", lambda self, done: planned.get(done, 0))
    options = (*SMALL, "--time", "3s", "--val-fraction", 0.2, "--workers", 1, "--dropout", 0.1, "--hold", 0.5)
    done = train("corpus.txt", *options, "-m", "first.npz")
    assert done.exit_code == 0, done.output
    printed = re.search(
        r"^steps     ([\d,]+) in that time.*; to repeat .*:\n {10}charlstm train (.*)$", done.output, re.M
    )
    assert printed is not None, done.output
    first = checkpoint.load(folder / "first.npz")
    assert first.training.steps == int(printed[1].replace(",", "")) == 75
    assert first.training.schedule_changes == ((57, 60), (70, 80))
    again = train(*shlex.split(printed[2]), "-m", "again.npz")
    assert again.exit_code == 0, again.output
    assert (folder / "again.npz").read_bytes() == (folder / "first.npz").read_bytes()
    assert arrays_of(folder / "again.npz.resume") == arrays_of(folder / "first.npz.resume")


@given(
    pace=st.floats(0.01, 1.0),
    seconds=st.floats(300.0, 3e3),
    hold=st.sampled_from([0.0, 0.3, 0.5, 0.9]),
    warmup=st.integers(0, 50),
    load=st.floats(1.0, 4.0),
    spell=st.floats(0.02, 1.0),
    planned=st.integers(100, 10_000),
)
def test_the_rate_of_a_timed_run_follows_its_time_whatever_else_the_machine_does(
    pace: float, seconds: float, hold: float, warmup: int, load: float, spell: float, planned: int
) -> None:
    """Another program slows the steps down now and then; each of its spells takes a share of the time."""
    now = [1000.0]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(time, "monotonic", lambda: now[0])
        config = TrainingConfig(planned, hold=hold, warmup=warmup)
        clock, done, rates, times = Clock(now[0] + seconds, config, seconds), 0, [], []
        while done < config.steps and done < 4_000:
            wish = clock.plan_steps(done)
            config = change_steps(config, done, wish) if wish else config
            rates.append(learning_rate(config, done) / config.learning_rate)
            times.append((now[0] - 1000.0) / seconds)
            now[0] += pace * (load if int(times[-1] / spell) % 2 else 1.0)
            done += 1
    if not 300 < done < 4_000:
        return
    assert now[0] - 1000.0 == pytest.approx(seconds, abs=0.01 * seconds + 2 * load * pace)
    decay = (np.array(times)[warmup:] - times[warmup]) / (1.0 - times[warmup])  # (N,)
    decay = np.clip((decay - hold) / (1.0 - hold), 0.0, 1.0)
    np.testing.assert_allclose(rates[warmup:], 0.5 * (1.0 + np.cos(np.pi * decay)), rtol=0, atol=0.15 if hold else 0.3)
    assert np.diff(rates[warmup:]).max() <= 0.0


def test_the_rates_of_a_timed_run_are_those_of_its_final_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the pace, and however often the run is resumed; also where it ends before its warm-up does."""
    now, short = [0.0], 0
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for number in range(1000):
        chance = random.Random(number)
        pace, hold, warmup = chance.uniform(0.01, 1.0), chance.choice([0, 0.2, 0.5, 0.9]), chance.randint(0, 60)
        deadline = now[0] + pace * chance.choice([chance.uniform(1.0, 300.0), chance.uniform(1.0, 2.0) * warmup])
        config = TrainingConfig(chance.choice([93, 300, 10**6]), hold=hold, warmup=warmup)
        seconds = deadline - now[0]
        clock, done, rates = Clock(deadline, config, seconds), 0, []
        while done < min(config.steps, 2_000):
            if number % 2 and done and chance.random() < 0.03:
                stopped = chance.uniform(0.0, 5.0)
                now[0] += stopped
                deadline += stopped
                clock = Clock(deadline, config, seconds, done)
            steps = clock.plan_steps(done)
            config = change_steps(config, done, steps) if steps else config
            rates.append(learning_rate(config, done))
            now[0] += pace * chance.choice([0.3, 1, 1, 1, 3])
            done += 1
        short += done < warmup
        assert rates == pytest.approx([learning_rate(config, step) for step in range(done)], rel=1e-12, abs=0)
    assert short > 100


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("10min", 600),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1h 30 min", 5400),
        ("1m30s", 90),
        ("1d", 86400),
        ("1D2H3M4.5S", 93784.5),
        ("0", 0),
    ],
)
def test_durations_have_one_notation(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == parse_duration(text) == seconds
    assert parse_duration(format_duration(seconds)) == round(seconds)
    two = format_duration(seconds, 2)
    assert len(re.findall("[dhms]", two)) <= 2
    assert 0 <= round(seconds) - parse_duration(two) < max(1, round(seconds) / 24)
    for wrong in (f"{text}x", f"-{text}", "", "m", "1s1m", "1m1m", "1e3s", "٣s", "nan", "inf", "1.s", "1h30"):
        with pytest.raises(click.BadParameter, match="is not a duration; write a number with a unit, such as 90s"):
            Duration().convert(wrong, None, None)
    for wrong in ("5", "007", "1.5"):
        with pytest.raises(click.BadParameter, match=rf"has no unit; write {wrong}s for seconds, or {wrong}m for minu"):
            Duration().convert(wrong, None, None)


@pytest.mark.parametrize("option", ["--time", "--save-every"])
def test_a_duration_without_a_unit_or_too_long_is_refused_in_a_sentence(folder: Path, option: str) -> None:
    for wrong, said in (("5", "'5' has no unit; write 5s"), ("9" * 400 + "d", " is inf; it must be a number")):
        done = train("corpus.txt", *SMALL, option, wrong)
        assert done.exit_code == 2 and said in done.output and "Error: " in done.output, done.output
    assert not (folder / "charlstm.npz").exists()


def test_a_file_of_its_own_can_be_held_out(folder: Path) -> None:
    (folder / "val.txt").write_text("a mat sat on a cat!\n")
    done = train("corpus.txt", "--val", "val.txt", *SMALL, "--steps", 40)
    assert done.exit_code == 0, done.output
    assert "validate  val.txt: 20 characters\n" in done.output and "--val val.txt" in " ".join(options_in(done.output))
    model = checkpoint.load(folder / "charlstm.npz")
    assert "!" in model.vocabulary.decode(np.arange(len(model.vocabulary)))
    again = train("corpus.txt", "--steps", 50, "--resume")
    assert again.exit_code == 0, again.output


def test_the_journal_has_a_json_object_a_report_and_is_gone_on_with(folder: Path) -> None:
    options = (*SMALL, "--steps", 200, "--preview", 12, "--log", "run.jsonl")
    done = train("corpus.txt", *options)
    assert done.exit_code == 0, done.output
    entries = [json.loads(line) for line in (folder / "run.jsonl").read_text().splitlines()]
    history = checkpoint.load(folder / "charlstm.npz").history
    assert [entry["step"] for entry in entries] == history.step.tolist()
    assert [entry["training_nats"] for entry in entries] == history.training_loss.tolist()
    assert [entry["gradient_norm"] for entry in entries] == history.gradient_norm.tolist()
    judged = [entry for entry in entries if entry["validation_nats"] is not None]
    assert [entry["validation_bits"] * np.log(2) for entry in judged] == pytest.approx(
        history.validations.validation_loss.tolist()
    )
    assert len(judged) == 10 and all(len(entry["sample"]) == 12 for entry in judged)
    for entry in judged:
        assert entry["sample"].split("\n")[0] in done.output
    assert train("corpus.txt", *options, "-m", "other.npz").exit_code == 2  # the journal is not replaced unasked

    first = train("corpus.txt", *SMALL, "--steps", 100, "--log", "other.jsonl", "--force")
    assert first.exit_code == 0, first.output
    with (folder / "other.jsonl").open("a") as file:
        file.write('{"step": 101}\n{"ste')  # as if it had been killed a little later
    second = train("corpus.txt", "--steps", 200, "--log", "other.jsonl", "--resume")
    assert second.exit_code == 0, second.output
    steps = [json.loads(line)["step"] for line in (folder / "other.jsonl").read_text().splitlines()]
    assert steps == checkpoint.load(folder / "charlstm.npz").history.step.tolist()
    (folder / "other.jsonl").write_text("no log\n")
    third = train("corpus.txt", "--steps", 210, "--log", "other.jsonl", "--resume")
    assert third.exit_code == 1 and "is not a log of this run" in third.output


@pytest.mark.parametrize("layers", [1, 2])
def test_a_model_goes_on_from_another_with_more_characters(folder: Path, layers: int) -> None:
    assert train("corpus.txt", *SMALL, "--layers", layers, "--steps", 60, "-m", "old.npz").exit_code == 0
    (folder / "more.txt").write_text("Zebras sat on a mat.\n" * 20)
    done = train("more.txt", "--init-from", "old.npz", "--steps", 0)
    assert done.exit_code == 0, done.output
    old, new = checkpoint.load(folder / "old.npz"), checkpoint.load(folder / "charlstm.npz")
    known = set(TEXT)
    assert f"from      old.npz: {len(known)} characters known, 3 new\n" in done.output  # Z, b and r
    assert set(new.vocabulary.decode(np.arange(len(new.vocabulary)))) == known | set("Zebras sat on a mat.\n")
    readers = [Reader(model) for model in (old, new)]
    for reader, model in zip(readers, (old, new), strict=True):
        reader.read(model.vocabulary.encode("the cat sat", "it")[:, None])
    places = new.vocabulary.encode(old.vocabulary.decode(np.arange(len(old.vocabulary))), "it")
    np.testing.assert_array_equal(readers[0].logits, readers[1].logits[:, places])
    contradicted = train("more.txt", "--init-from", "old.npz", "--hidden", 9, "-m", "other.npz")
    assert contradicted.exit_code == 2 and "--hidden 9 contradicts old.npz, which has 8" in contradicted.output


@pytest.mark.parametrize(
    ("options", "warmup"), [(("--steps", 20), 2), (("--steps", 600), 50), (("--steps", 20, "--warmup", 9), 9)]
)
def test_a_short_run_reaches_its_peak_and_decays(folder: Path, options: tuple[object, ...], warmup: int) -> None:
    done = train("corpus.txt", *SMALL, *options, "--hold", 0, "--lr", 0.3)
    assert done.exit_code == 0, done.output
    config = checkpoint.load(folder / "charlstm.npz").training
    rates = [learning_rate(config, step) for step in range(config.steps + 1)]
    assert config.warmup == warmup and rates.index(max(rates)) == warmup - 1
    assert max(rates) == 0.3 and rates[-2] < 0.01 and rates[-1] == 0.0
    again = train("corpus.txt", *options_in(done.output), "-m", "again.npz")
    assert again.exit_code == 0, again.output
    assert (folder / "again.npz").read_bytes() == (folder / "charlstm.npz").read_bytes()


def test_bits_a_line_are_those_of_the_lines_that_are_held_out(folder: Path) -> None:
    (folder / "short.txt").write_text("ab\nba\nb\n" * 10)
    (folder / "long.txt").write_text("\n".join(["ab" * 8, "ba" * 11]))
    done = train("short.txt", "--val", "long.txt", "--lines", "--hidden", 4, "--steps", 3)
    found = re.search(r"validation ([\d.]+) bits per character; ([\d.]+) bits per line", done.output)
    assert found is not None, done.output
    assert float(found[2]) == pytest.approx(float(found[1]) * (16 + 1 + 22 + 1) / 2, abs=0.06)


def test_a_run_without_a_step_does_not_tell_of_a_run_file(folder: Path) -> None:
    done = train("corpus.txt", *SMALL, "--steps", 0)
    assert done.exit_code == 0 and "wrote     charlstm.npz" in done.output and ".resume" not in done.output
    assert not (folder / "charlstm.npz.resume").exists()


def test_the_log_and_the_outcome_have_the_numbers_of_the_run(folder: Path) -> None:
    options = (*SMALL, "--steps", 90, "--validate-every", 10, "--lr", 0.3, "--warmup", 50)
    options = (*options, "--no-decay", "--tar", 0, "--averaging", 0, "--log", "log")
    done = train("corpus.txt", *options)
    assert done.exit_code == 0, done.output
    entries = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    epoch = 4 * 16 / (0.9 * len(TEXT))  # of a step
    assert [entry["epoch"] for entry in entries] == pytest.approx(
        [entry["step"] * epoch for entry in entries], rel=0.05
    )
    assert {entry["learning_rate"] for entry in entries if entry["step"] > 50} == {0.3}
    assert [entry["learning_rate"] for entry in entries if entry["step"] <= 50] == pytest.approx(
        [0.3 * entry["step"] / 50 for entry in entries if entry["step"] <= 50]
    )
    losses: dict[str, list[float]] = {"train": [], "valid": []}
    for entry in entries:
        for name in [name for name in entry if name.endswith("_nats") and entry[name] is not None]:
            assert entry[name.replace("nats", "bits")] * np.log(2) == pytest.approx(entry[name])
            losses["train" if "train" in name else "valid"].append(entry[name])
    assert min(losses["valid"]) < losses["valid"][-1] and len(losses["valid"]) == 9
    bits, nats = re.search(r"training ([\d.]+) bits \(([\d.]+) nats\) per character", done.output).groups()
    wanted = losses["train"][-1]
    assert (float(nats), float(bits) * np.log(2)) == pytest.approx((wanted, wanted), abs=1e-4)
    bits = re.search(r"validation ([\d.]+) bits per character", done.output)[1]
    assert float(bits) * np.log(2) == pytest.approx(min(losses["valid"]), abs=1e-4)


def test_the_weights_that_are_kept_are_those_of_the_best_validation(folder: Path) -> None:
    steady = ("--lr", 0.3, "--warmup", 50, "--no-decay", "--tar", 0, "--averaging", 0)
    steady = (*steady, "--dropout", 0, "--weight-dropout", 0, "--validate-every", 10)
    whole = train("corpus.txt", *SMALL, *steady, "--steps", 90)
    step, _, validation, _ = checkpoint.load(folder / "charlstm.npz").history
    best = int(step[np.nanargmin(validation)])
    assert whole.exit_code == 0 and best < 90
    assert train("corpus.txt", *SMALL, *steady, "--steps", best, "-m", "best.npz").exit_code == 0
    flat, wanted = (checkpoint.load(folder / name).network.parameters.flat for name in ("charlstm.npz", "best.npz"))
    np.testing.assert_array_equal(flat, wanted)


def test_the_memory_of_a_model_of_lines_spans_its_longest_line(folder: Path) -> None:
    (folder / "names.txt").write_text("anna\nmaximilian\nbob\n")
    done = train("names.txt", "--lines", "--hidden", 4, "--steps", 1, "--val-fraction", 0)
    options = options_in(done.output)
    assert options[options.index("--chrono-init") + 1] == str(len("maximilian\n"))


@pytest.mark.parametrize("options", [(), ("--lines", "--batch-size", 13), ("--batch-size", 7, "--seq-len", 31)])
def test_a_run_of_some_epochs_is_that_of_as_many_steps(folder: Path, options: tuple[object, ...]) -> None:
    options = (*options, "--hidden", 128, "--val-fraction", 0)
    done = train("corpus.txt", "--epochs", 3, *options)
    found = re.search(r"^train +([\d,]+) steps of .*: ([\d.]+) epochs$", done.output, re.MULTILINE)
    assert found is not None and found[2] == "3.0", done.output
    again = train("corpus.txt", "--steps", found[1], "-m", "again.npz", *options)
    assert again.exit_code == 0, again.output
    assert (folder / "again.npz").read_bytes() == (folder / "charlstm.npz").read_bytes()


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([3.0, 2.0, 1.5, 1.49, 1.489], ""),
        ([3.0, 2.0, 1.5, 1.6, 1.7], "overfit after step 30;"),
        ([3.0, 2.5, 2.0, 1.8, 1.7], "still falling at the end"),
        ([2.0], ""),
        ([1.5, 1.5, 1.5, 1.5, 1.52], ""),
    ],
)
def test_the_outcome_is_judged_in_a_sentence(losses: list[float], said: str) -> None:
    sentence = advise(losses, [10 * (k + 1) for k in range(len(losses))])
    assert re.search(said, sentence) if said else sentence == ""


def test_patience_ends_a_run_early_and_it_can_be_gone_on_with(folder: Path) -> None:
    options = (*SMALL, "--steps", 5000, "--lr", 0.0, "--validate-every", 10, "--patience", 2)
    done = train("corpus.txt", *options)
    assert done.exit_code == 0 and "wrote     charlstm.npz" in done.output, done.output
    assert re.search(r"^patience  .*after step 30 of 5,000: 2 validations in a row", done.output, re.MULTILINE)
    again = train("corpus.txt", "--resume", "--patience", 4)
    assert again.exit_code == 0 and "after step 50 of 5,000" in again.output


def test_a_run_that_overfits_stops_early_by_default_and_can_be_gone_on_with(folder: Path) -> None:
    (folder / "other.txt").write_text("tac eht\n" * 40)
    options = (*SMALL, "--val", "other.txt", "--steps", 60, "--lr", 0.05, "--workers", 1)
    done = train("corpus.txt", *options)
    assert done.exit_code == 0, done.output
    said = re.search(
        r"^patience  ended the run after step (\d+) of 60: the validation loss was lowest at step (\d+); --patience 0"
        r" turns this off$",
        done.output,
        re.MULTILINE,
    )
    assert said is not None, done.output
    stopped, best = map(int, said.groups())
    assert 2 * best <= stopped <= max(2 * best, best + 2 * 6) and stopped < 60
    assert checkpoint.load_run(folder / "charlstm.npz.resume").state.best.step == best
    assert "patience" not in " ".join(options_in(done.output))
    whole = train("corpus.txt", *options, "--patience", 0, "-m", "whole.npz")
    assert whole.exit_code == 0 and not re.search("^patience ", whole.output, re.MULTILINE)
    assert "--patience 0" in " ".join(options_in(whole.output))
    assert checkpoint.load("whole.npz").history.step[-1] == 60
    stopped_again = train("--resume")
    assert stopped_again.exit_code == 0 and f"after step {stopped}, where it stopped early: --patience 0 lets" in (
        stopped_again.output
    )
    on = train("--resume", "--patience", 0)
    assert on.exit_code == 0, on.output
    assert (folder / "charlstm.npz").read_bytes() == (folder / "whole.npz").read_bytes()


@pytest.mark.parametrize("documents", [(), ("--lines",), ("--documents", "mat.\\n")])
def test_a_short_text_is_learnt_whole(folder: Path, documents: tuple[str, ...]) -> None:
    for length, options, validates in ((1999, (), False), (1999, ("--val-fraction", 0.2), True), (2000, (), True)):
        (folder / "short.txt").write_text(TEXT[:length])
        model = f"{length}{len(options)}.npz"
        done = train("short.txt", *SMALL[:4], *documents, "--steps", 12, *options, "-m", model)
        assert done.exit_code == 0, done.output
        assert ("nothing: the text is short; --val-fraction 0.1 makes a validation set\n" in done.output) != validates
        assert (checkpoint.load(model).history.validations.step.size > 0) == validates
        again = train("short.txt", *options_in(done.output), "-m", f"again-{model}")
        assert again.exit_code == 0, again.output
        assert (folder / model).read_bytes() == (folder / f"again-{model}").read_bytes()


@pytest.mark.parametrize("wrong", ["never", "-1", "1.5", ""])
def test_patience_is_a_number_of_validations_or_automatic(folder: Path, wrong: str) -> None:
    done = train("corpus.txt", "--patience", wrong)
    assert done.exit_code == 2 and "is neither auto nor a whole number, 0 or more." in done.output, done.output
    with pytest.raises(ConfigError, match=r"patience is .*; it must be "):
        charlstm.train("corpus.txt", patience=wrong)


def test_lines_that_stand_in_the_corpus_are_left_out(folder: Path) -> None:
    names = ["anna", "bob", "otto", "hannah", "ann", "bobby", "annabob"]
    (folder / "names.txt").write_text("\n".join(names * 5) + "\n")
    shape = ("--hidden", 16, "--batch-size", 8, "--val-fraction", 0.1)
    done = train("names.txt", "--lines", *shape, "--steps", 150, "--lr", 0.03)
    assert done.exit_code == 0 and re.search(r"validation .* bits per line\n", done.output), done.output
    plain, new = (
        CliRunner()
        .invoke(main, ["sample", "--random-seed=0", "--temperature=1.5", "--samples=40", *more], input="")
        .stdout
        for more in ([], ["--new-only"])
    )
    assert set(plain.splitlines()) & set(names)
    assert not set(new.splitlines()) & set(names) and new.count("\n") == 40
    drawn = [line for line in plain.splitlines() if line not in names]
    assert new.splitlines()[: len(drawn)] == drawn  # the others are as they would have been
    always = CliRunner().invoke(main, ["sample", "--seed", "", "--temperature", "0", "--new-only", "--samples", "5"])
    assert always.exit_code == 3 and "found 0 of 5 texts in 1,000 attempts, of which 1,000 were in the" in always.stderr
    assert train("corpus.txt", *SMALL, "--steps", 2, "-m", "stream.npz").exit_code == 0
    refused = CliRunner().invoke(main, ["sample", "-m", "stream.npz", "--new-only"], input="")
    assert refused.exit_code == 2 and "needs a model that was trained with --documents" in refused.output


def test_ctrl_c_while_the_finished_model_is_saved_loses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = checkpoint.save

    def interrupted(model: Model, path: Path) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        save(model, path)

    monkeypatch.setattr(checkpoint, "save", interrupted)
    done = train("corpus.txt", "--steps", 8, *SMALL, "--val-fraction", 0, "--workers", 1)
    assert done.exit_code == 0 and "wrote" in done.output
    assert checkpoint.load(Path("charlstm.npz")).history.step[-1] == 8


def test_several_files_of_different_kinds_each_validate_and_resume_and_repeat(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("the cat sat on the mat. " * 400)
    (tmp_path / "other.txt").write_text("ДОМ НА ХОЛМЕ СТОИТ ДАВНО. " * 40)
    small = {"hidden": 8, "batch_size": 4, "seq_len": 16, "steps": 30, "random_seed": 3}
    files = [tmp_path / "one.txt", tmp_path / "other.txt"]
    it = charlstm.train(files, model=tmp_path / "a.npz", **small)
    assert it.model.training.split == "tails"
    again = charlstm.train(files, repeat=tmp_path / "a.npz")
    assert again.model.digest == it.model.digest
    joined = tmp_path / "joined.txt"
    joined.write_text(files[0].read_text() + "\n" + files[1].read_text())
    with pytest.raises(CorpusError, match="2 files"):
        charlstm.train(joined, repeat=tmp_path / "a.npz")
    longer = charlstm.train(files, model=tmp_path / "a.npz", resume=True, steps=40)
    assert longer.model.training.split == "tails"
    assert charlstm.train(files, split="tail", **small).model.training.split == "tail"
    assert charlstm.train(joined, **small).model.training.split == "tail"
