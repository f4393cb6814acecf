"""Training from Python: the bytes of the command, its options by the same names, and nothing lost when interrupted."""

from __future__ import annotations

import builtins
import inspect
import math
import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from run_files import arrays_of

import charlstm
from charlstm.api.progress import BarWatcher, choose_watcher
from charlstm.base import errors
from charlstm.cli.main import main
from charlstm.cli.train import command
from charlstm.model import checkpoint
from charlstm.training import blas
from charlstm.training.options import DEFAULTS, OptionError, Options
from charlstm.training.run import Progress, Watcher
from charlstm.training.signals import stopping_signals

TEXT = "".join(random.Random(0).choices(("the cat ", "sat on ", "a mat.\n", "the dog "), k=600))
SMALL: dict[str, Any] = {"hidden": 8, "batch_size": 4, "seq_len": 16, "steps": 60, "random_seed": 3}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which everything runs, with a text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.txt").write_text(TEXT)
    return tmp_path


def words_of(options: dict[str, Any]) -> list[str]:
    """Return options as the command line has them."""
    words = []
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        words += [option] if value is True else [f"--no-{option[2:]}"] if value is False else [option, str(value)]
    return words


def command_trains(*words: str) -> None:
    """Run `charlstm train` in this process."""
    done = CliRunner().invoke(main, ["train", *words])
    assert done.exit_code == 0, done.output


def test_python_and_the_command_have_the_same_options() -> None:
    parsed = command.make_context("train", ["corpus.txt"]).params
    parameters = set(parsed)
    arguments = inspect.signature(charlstm.train).parameters
    assert parameters - {"quiet"} == set(arguments) - {"progress"} == {field.name for field in fields(Options)}
    for name, argument in arguments.items():
        if name not in ("corpora", "model", "progress"):
            assert argument.default == getattr(Options, name) == parsed[name], name
    recorded = {*DEFAULTS} - {"schedule_changes", "origin", "changed_on_resume"}
    assert recorded <= parameters


@pytest.mark.parametrize(
    "options",
    [
        SMALL | {"dropout": 0.2, "weight_dropout": 0.2, "workers": 2},
        {"lines": True, "hidden": 8, "epochs": 2, "curriculum": 0.5},
        SMALL | {"cell": "gru", "decay": False, "patience": 2, "validate_every": 5, "learning_rate": 0.0},
    ],
)
def test_a_model_and_its_run_have_the_bytes_of_the_command(folder: Path, options: dict[str, Any]) -> None:
    trained = charlstm.train("corpus.txt", model="python.npz", **options)
    command_trains("corpus.txt", "-m", "command.npz", *words_of(options))
    assert (folder / "python.npz").read_bytes() == (folder / "command.npz").read_bytes()
    assert arrays_of(folder / "python.npz.resume") == arrays_of(folder / "command.npz.resume")
    assert trained.model.digest == charlstm.load("command.npz").model.digest


def test_the_bytes_do_not_depend_on_the_threads_of_a_numpy_that_is_loaded(folder: Path) -> None:
    code = """
import numpy as np
square = np.ones((600, 600), np.float32)
square @ square  # the threads have started
import charlstm
from charlstm.training.blas import find_threads
threads = find_threads()
before = threads.get()
seen = set()
options = dict(hidden=160, batch_size=64, seq_len=32, steps=12, workers=1, warmup=0)
charlstm.train("corpus.txt", model="python.npz", progress=lambda progress: seen.add(threads.get()), **options)
print(before, *seen, threads.get())
"""
    many = os.environ | {f"{name}_NUM_THREADS": "4" for name in ("OPENBLAS", "OMP", "MKL")}
    done = subprocess.run([sys.executable, "-c", code], env=many, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    before, during, after = map(int, done.stdout.split())
    assert before == after and during == 1
    options = {"hidden": 160, "batch_size": 64, "seq_len": 32, "steps": 12, "workers": 1, "warmup": 0}
    command_trains("corpus.txt", "-m", "command.npz", *words_of(options))
    assert (folder / "python.npz").read_bytes() == (folder / "command.npz").read_bytes()


def test_threads_are_limited_and_restored_also_after_an_error() -> None:
    threads = blas.find_threads()
    assert threads is not None
    before = threads.get()
    with pytest.raises(charlstm.CorpusError):
        charlstm.train("missing.txt")
    assert threads.get() == before


def test_a_blas_without_known_functions_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "find_threads", lambda: None)
    with pytest.warns(RuntimeWarning, match="cannot be limited here"):
        charlstm.train("corpus.txt", **SMALL)


def test_without_a_model_file_nothing_is_written(folder: Path) -> None:
    assert repr(charlstm.train("corpus.txt", **SMALL)).startswith("<LanguageModel: lstm, 1 × 8 units")
    assert [path.name for path in folder.iterdir()] == ["corpus.txt"]
    charlstm.train([Path("corpus.txt"), "corpus.txt"], log="run.jsonl", **SMALL)
    assert sorted(path.name for path in folder.iterdir()) == ["corpus.txt", "run.jsonl"]


def test_progress_comes_after_every_step(folder: Path) -> None:
    seen: list[Progress] = []
    trained = charlstm.train("corpus.txt", progress=seen.append, preview=7, hold=0.5, **SMALL).model
    assert [progress.step for progress in seen] == list(range(1, 61)) and {progress.steps for progress in seen} == {60}
    reports = [progress for progress in seen if progress.training_loss is not None]
    assert [progress.step for progress in reports] == trained.history.step.tolist()
    assert [progress.training_loss for progress in reports] == trained.history.training_loss.tolist()
    assert [progress.gradient_norm for progress in reports] == trained.history.gradient_norm.tolist()
    validations = [progress for progress in seen if progress.validation_loss is not None]
    assert [
        progress.validation_loss for progress in validations
    ] == trained.history.validations.validation_loss.tolist()
    assert all(len(progress.sample) == 7 for progress in validations)
    assert not any(progress.sample for progress in seen if progress.validation_loss is None)
    rates = [progress.learning_rate for progress in seen]
    assert rates[0] == pytest.approx(max(rates) / 6) and rates[-1] < max(rates) / 5
    assert all(math.isfinite(progress.loss) and progress.characters == 64 for progress in seen[:3])


@pytest.mark.parametrize("number", stopping_signals())
def test_an_interrupt_saves_and_the_run_can_be_resumed(folder: Path, number: signal.Signals) -> None:
    charlstm.train("corpus.txt", model="whole.npz", **SMALL)

    def interrupt(progress: Progress) -> None:
        if progress.step == 23:
            os.kill(os.getpid(), number)

    handler = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt) as caught:
        charlstm.train("corpus.txt", model="stopped.npz", progress=interrupt, **SMALL)
    assert signal.getsignal(number) is handler
    assert isinstance(caught.value, charlstm.TrainingInterrupted) and caught.value.signal == number
    assert 23 <= checkpoint.load_run(folder / "stopped.npz.resume").state.step <= 24
    assert caught.value.model.model.digest == charlstm.load("stopped.npz").model.digest
    charlstm.train(model="stopped.npz", resume=True)
    assert (folder / "stopped.npz").read_bytes() == (folder / "whole.npz").read_bytes()
    assert arrays_of(folder / "stopped.npz.resume") == arrays_of(folder / "whole.npz.resume")


def test_an_interrupt_without_a_file_keeps_the_model_on_the_exception(folder: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == 23:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(charlstm.TrainingInterrupted, match="is the model so far") as caught:
        charlstm.train("corpus.txt", progress=interrupt, **SMALL)
    assert len(caught.value.model.sample("the", length=5).text) == 5
    assert [path.name for path in folder.iterdir()] == ["corpus.txt"]


def test_training_works_in_another_thread() -> None:
    models: list[charlstm.LanguageModel] = []
    thread = threading.Thread(target=lambda: models.append(charlstm.train("corpus.txt", workers=1, **SMALL)))
    thread.start()
    thread.join()
    assert models[0].model.digest == charlstm.train("corpus.txt", workers=1, **SMALL).model.digest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 1, "steps": 2}, "epochs and steps both set the length of the run; give one of them"),
        ({"curriculum": 1.0}, "curriculum orders documents by length; give documents with it"),
        ({"lines": True, "split": "stripes"}, "split='stripes' is for streams; with documents the validation set"),
        ({"time": "5s", "decay": False}, "time plans the decay of the learning rate; leave out decay=False"),
        ({"resume": True}, "resume=True needs the model file of the run; give model"),
        ({"model": "there.npz"}, "there.npz exists already; resume its run with resume=True"),
        ({"hidden": 0}, "hidden is 0; it must be a whole number, 1 to 1000000"),
        ({"time": "soon"}, "time is 'soon'; it must be a number with a unit, such as 90s"),
        ({"cell": "mlp"}, "cell is 'mlp'"),
        ({"workers": 0}, "workers is 0; it must be a whole number, 1 or more"),
        ({"mpi": True, "workers": 2}, "mpi=True uses the processes that mpirun started; leave out workers"),
    ],
)
def test_wrong_options_are_errors_that_speak_python(folder: Path, options: dict[str, Any], message: str) -> None:
    (folder / "there.npz").write_bytes(b"mine")
    with pytest.raises(charlstm.ConfigError) as caught:
        charlstm.train("corpus.txt", **options)
    assert str(caught.value).startswith(message) and "--" not in str(caught.value)
    assert (folder / "there.npz").read_bytes() == b"mine"


def test_an_error_survives_the_way_between_processes() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(OptionError("{hidden} contradicts {{a file}}", hidden=3)))
    assert isinstance(error, OptionError) and str(error) == "hidden=3 contradicts {a file}"
    assert error.text("command", lambda name, value: f"--{name} {value}") == "--hidden 3 contradicts {a file}"


class ZMQInteractiveShell:
    """What a notebook's `get_ipython` returns, as far as its name."""


def test_a_notebook_gets_a_bar_and_others_get_none(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert type(choose_watcher(None)) is Watcher and type(choose_watcher(False)) is Watcher
    assert isinstance(choose_watcher(True), BarWatcher)
    charlstm.train("corpus.txt", **SMALL)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(builtins, "get_ipython", ZMQInteractiveShell, raising=False)
    assert isinstance(choose_watcher(None), BarWatcher) and type(choose_watcher(False)) is Watcher
    charlstm.train("corpus.txt", preview=5, **SMALL)
    shown = capsys.readouterr().err
    assert "60/60" in shown and "bits per character: training" in shown and ", validation " in shown


def test_the_package_shows_its_public_names_and_nothing_else() -> None:
    assert dir(charlstm) == sorted(charlstm.__all__)
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, Exception) and not name.startswith("_"):
            assert getattr(charlstm, name) is value
    for name in charlstm.__all__:
        assert name == "__version__" or getattr(charlstm, name).__doc__, name


def test_a_shell_gets_the_exit_code_of_the_signal(folder: Path) -> None:
    assert isinstance(command, click.Command)
    code = "import os, signal; import charlstm.cli.progress as p\n"
    code += "kill = lambda self, progress: progress.step == 9 and os.kill(os.getpid(), signal.SIGTERM)\n"
    code += "p.ConsoleWatcher.advance = kill\n"
    code += "from charlstm.__main__ import main; main()"
    words = [sys.executable, "-c", code, "train", "corpus.txt", *words_of(SMALL)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert "stopped at step" in done.stderr and "charlstm train --resume -m charlstm.npz\n" in done.stderr
