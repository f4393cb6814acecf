"""Values of the options of a run: numbers of NumPy are numbers, and what cannot be used is refused in one sentence."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import train
from hypothesis import example, given
from hypothesis import strategies as st

import charlstm
from charlstm.model import checkpoint
from charlstm.network.config import NetworkConfig
from charlstm.training import processes, recipe, trial
from charlstm.training.durations import format_duration
from charlstm.training.options import Options

TEXT = "".join(random.Random(0).choices(("the cat ", "sat on ", "a mat.\n", "the dog "), k=300))
SMALL: dict[str, Any] = {"hidden": 4, "batch_size": 4, "seq_len": 16, "steps": 3}
NUMBERS = (
    *("time", "epochs", "steps", "hidden", "layers", "dropout", "weight_dropout", "forget_bias", "chrono_init"),
    *("batch_size", "seq_len", "learning_rate", "warmup", "hold", "weight_decay", "clip", "patience", "validate_every"),
    *("averaging", "tar", "curriculum", "val_fraction", "random_seed", "workers", "save_every", "preview"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which everything runs, with a text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.txt").write_text(TEXT)
    return tmp_path


def words_of(options: dict[str, Any]) -> list[str]:
    """Return options as the command line has them."""
    return [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]


ODD = [0, 1, -1, 2**31, 2**63 - 1, 2**63, 10**400, 0.5, 1e-320, 1e38, 1e39, 1e308, -1e308]


@given(name=st.sampled_from(NUMBERS), value=st.sampled_from(ODD) | st.floats() | st.integers())
@example("epochs", float("nan"))
@example("epochs", float("inf"))
@example("epochs", 1e308)
@example("forget_bias", 1e39)
@example("hidden", 999_999_999_999)
@example("layers", 999_999_999_999)
@example("learning_rate", 1e308)
@example("weight_decay", 1e308)
@example("clip", 1e308)
@example("curriculum", 1e308)
@example("seq_len", 2**62)
@example("batch_size", 2**62)
@example("random_seed", 2**63 - 1)
@example("chrono_init", 2**62)
@example("workers", 99_999)
def test_any_number_in_any_option_is_used_or_refused_in_a_sentence(name: str, value: float) -> None:
    limits: dict[str, Any] = {
        "steps": 3,
        "epochs": 0.1,
        "time": 0.5,
        "preview": 3,
        "workers": 3,
        "hidden": 50,
        "layers": 9,
    }
    if name in limits and limits[name] < value <= {"workers": 99_998, "steps": 2**63 - 1}.get(name, 1e9):
        value = limits[name]  # what would take long
    options = SMALL | {name: value}
    if name in ("time", "epochs"):
        del options["steps"]
    if name == "curriculum":
        options["lines"] = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            charlstm.train("corpus.txt", **options)
        except (charlstm.ConfigError, charlstm.CorpusError, charlstm.TrainingError) as error:
            assert "\n" not in str(error) and len(str(error)) < 400
        if options.pop("lines", False):
            return
        suffix = "s" if name in ("time", "save_every") else ""
        done = train("corpus.txt", *words_of(options | {name: f"{value}{suffix}"}), "--force", "--quiet")
    assert done.exit_code == 0 or re.search(r"^(Error: )[^\n]+[.?]\n\Z", done.output, re.M), done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--epochs", "nan"), "--epochs is nan; it must be a number"),
        (("--epochs", "inf"), "--epochs is inf; it must be a number"),
        (("--forget-bias", "1e39"), "--forget-bias is 1e+39; it must be a number from -1000 to 1000"),
        (("--hidden", "999999999999"), "--hidden is 999999999999; it must be a whole number, 1 to 1000000"),
        (("--layers", "999999999999"), "--layers is 999999999999; it must be a whole number, 1 to 1000"),
        (("--hidden", "1000000", "--layers", "1000"), "GB for training, and this machine has"),
        (("--encoding", "undefined"), "text encoding"),
        (("--encoding", "hex"), "text encoding"),
        (("--encoding", "a\0b"), "text encoding"),
        (("--learning-rate", "nan"), "--learning-rate is nan; it must be a number"),
    ],
)
def test_what_no_run_can_use_is_refused_in_a_sentence(arguments: tuple[str, ...], said: str) -> None:
    done = train("corpus.txt", *arguments)
    assert done.exit_code == 2 and said in done.output, done.output
    assert re.search(r"^Error: [^\n]+\.\n\Z", done.output, re.M) and "Warning" not in done.output
    assert {path.name for path in Path().iterdir()} == {"corpus.txt"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hidden": "8"}, "hidden is '8'; it must be a whole number"),
        ({"hidden": 8.0}, "hidden is 8.0; it must be a whole number"),
        ({"hidden": True}, "hidden is True; it must be a whole number"),
        ({"dropout": "0.5"}, "dropout is '0.5'; it must be a number"),
        ({"forget_bias": 1e39}, r"forget_bias is 1e\+39; it must be a number from -1000 to 1000"),
        ({"steps": [3]}, r"steps is \[3\]; it must be a whole number"),
        ({"time": []}, r"time is \[\]; it must be a number"),
        ({"time": "5"}, "time is '5'; it must be a number with a unit"),
        ({"time": float("nan")}, "time is nan; it must be a number"),
        ({"save_every": "soon"}, "save_every is 'soon'; it must be a number with a unit"),
        ({"save_every": None}, "save_every is None; it must be a number"),
        ({"lines": 1}, "lines is 1; it must be True or False"),
        ({"resume": "yes"}, "resume is 'yes'; it must be True or False"),
        ({"model": 5}, "model: 5 is not a path"),
        ({"log": b"log"}, "log: b'log' is not a path"),
        ({"val": 1.5}, "val: 1.5 is not a path"),
        ({"corpora": 5}, "corpora: 5 is not a path"),
        ({"corpora": b"corpus.txt"}, "corpora: b'corpus.txt' is not a path"),
        ({"corpora": ["corpus.txt", None]}, "corpora: None is not a path"),
        ({"encoding": "undefined"}, "encoding is 'undefined', which is no text encoding"),
        ({"encoding": 8}, "encoding is 8; it must be a string"),
        ({"cell": 1}, "cell is 1; it must be one of"),
    ],
)
def test_values_of_a_wrong_type_are_errors_that_name_the_argument(options: dict[str, Any], said: str) -> None:
    with pytest.raises(charlstm.ConfigError, match=f"^{said}"):
        charlstm.train(**{"corpora": "corpus.txt"} | SMALL | options)


def test_numbers_of_numpy_and_paths_of_any_kind_give_the_bytes_of_plain_ones(folder: Path) -> None:
    plain = SMALL | {"dropout": 0.25, "random_seed": 3, "epochs": 0.5, "lines": True, "save_every": 60.0}
    del plain["steps"], plain["seq_len"]
    odd = {
        name: value if isinstance(value, bool) else np.int16(value) if isinstance(value, int) else np.float32(value)
        for name, value in plain.items()
    }
    charlstm.train("corpus.txt", model="plain.npz", log="plain.log", **plain)
    entry = next(entry for entry in list(os.scandir(folder)) if entry.name == "corpus.txt")
    charlstm.train([entry], model=folder / "odd.npz", log=folder / "odd.log", **odd)
    assert (folder / "odd.npz").read_bytes() == (folder / "plain.npz").read_bytes()
    options = Options.of(corpora=("corpus.txt",), **odd, time=np.float64(3.0))
    assert [type(getattr(options, name)) for name in ("hidden", "epochs", "time", "dropout")] == [int, *[float] * 3]


@pytest.mark.parametrize("lines", [False, True])
def test_more_workers_than_rows_are_as_many_as_rows(lines: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    start = processes.start_processes

    def note(size: int, *arguments: Any) -> Any:
        started.append(size)
        return start(size, *arguments)

    monkeypatch.setattr(processes, "start_processes", note)
    options = ("--lines",) if lines else ("--seq-len", 16)
    done = train("corpus.txt", "--hidden", 4, "--batch-size", 3, "--steps", 5, "--workers", 99999, *options)
    assert done.exit_code == 0 and "99,999 workers are more than the 3 rows of a batch; 3 share it\n" in done.output
    assert started == [3] and "work      3 processes" in done.output
    assert train("--resume", "--steps", 7, "--workers", 99999).exit_code == 0 and started == [3, 3]
    done = train(
        "corpus.txt", "--hidden", 4, "--batch-size", 3, "--time", "2s", "--workers", 99999, *options, "--force"
    )
    assert done.exit_code == 0 and started == [3] * 4


@pytest.mark.parametrize(
    ("time", "trials"), [("20s", [1.0]), ("2m", [2.4]), ("9m", [3.0]), ("10m", [3.0, 3.0]), ("400d", [3.0, 3.0])]
)
def test_a_timed_run_is_fitted_to_trials_of_seconds_and_a_long_one_to_the_network_of_the_first(
    time: str, trials: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    class LastTrialError(charlstm.CharlstmError):
        pass

    seen: list[tuple[float, int]] = []

    def measure(model: Any, split: Any, workers: int, world: Any, limit: float, prepare: Any) -> float:
        seen.append((limit, model.network.config.hidden))
        if len(seen) == len(trials):
            raise LastTrialError("the last trial")
        return 1.0  # multiplication per second, so the smallest network follows

    monkeypatch.setattr(trial, "measure_pace", measure)
    Path("long.txt").write_text("to be or not to be\n" * 1000)
    done = train("long.txt", "--time", time)
    assert done.exit_code == 1 and done.output.endswith("Error: the last trial.\n"), done.output
    assert [limit for limit, _ in seen] == pytest.approx(trials)
    assert done.output.startswith(f"measure   the speed of this machine, for about {format_duration(sum(trials))}\n")
    by_default, *others = [hidden for _, hidden in seen]
    assert by_default > recipe.FEWEST_UNITS and others == [recipe.FEWEST_UNITS] * len(others)


def test_ctrl_c_during_the_trial_leaves_at_once() -> None:
    command = [sys.executable, "-m", "charlstm", "train", "corpus.txt", "--time", "10h"]
    for options in ([], ["--workers", "2"]):
        with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None and process.stderr.readline().startswith("measure   the speed")
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
        assert process.returncode == 130 and said.strip() == "", said
        assert {path.name for path in Path().iterdir()} == {"corpus.txt"}


def test_dropout_rates_are_settings_of_a_fine_tuned_run() -> None:
    old: dict[str, Any] = SMALL | {"dropout": 0.1, "weight_dropout": 0.0, "forget_bias": 2.0}
    charlstm.train("corpus.txt", model="old.npz", **old)
    Path("more.txt").write_text(TEXT * 2)
    options = ("--init-from", "old.npz", "--batch-size", 4, "--steps", 5)
    done = train("more.txt", *options, "--weight-dropout", 0.3, "--dropout", 0.2, "-m", "new.npz")
    assert done.exit_code == 0, done.output
    assert checkpoint.load(Path("new.npz")).network.config == NetworkConfig(
        hidden=4, forget_bias=2.0, dropout=0.2, weight_dropout=0.3
    )
    python = charlstm.train("more.txt", init_from="old.npz", batch_size=4, steps=5, weight_dropout=0.3, dropout=0.2)
    assert python.model.digest == charlstm.load("new.npz").model.digest
    assert train("more.txt", *options, "-m", "auto.npz").exit_code == 0
    alone = train("more.txt", "--hidden", 4, "--batch-size", 4, "--steps", 5, "-m", "alone.npz")
    assert alone.exit_code == 0
    rates = [checkpoint.load(Path(name)).network.config.weight_dropout for name in ("auto.npz", "alone.npz")]
    assert rates[0] == rates[1]  # those of the recipe, and not those of the old model
    refused = train("more.txt", *options, "--hidden", 9, "-m", "other.npz")
    assert refused.exit_code == 2 and "--hidden 9 contradicts old.npz" in refused.output
