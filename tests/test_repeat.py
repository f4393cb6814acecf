"""`--repeat` repeats the run of a model to the same bytes, or refuses in one sentence."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from commands import train
from run_files import arrays_of

from charlstm.model import checkpoint

TEXT = "".join(random.Random(0).choices(("the cat ", "sat on ", "a mat.\n", "the dog "), k=400))
SMALL = ("--hidden", "8", "--batch-size", "4", "--seq-len", "16", "--steps", "40")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which the commands run, with two texts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.txt").write_text(TEXT)
    (tmp_path / "val.txt").write_text("a cat sat on a mat!\n" * 20)
    return tmp_path


def trained(*arguments: object) -> None:
    """Run `charlstm train` without an error."""
    done = train(*arguments)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("options", "again"),
    [
        (
            (*SMALL, "--dropout", 0.2, "--weight-dropout", 0.2, "--weight-decay", 0.01, "--averaging", 2.5, "--tar", 2),
            (),
        ),
        (("--lines", "--hidden", 8, "--epochs", 3, "--curriculum", 1, "--random-seed", 5), ("--lines", "--hidden", 8)),
        ((*SMALL, "--cell", "gru", "--val", "val.txt"), ("--val", "val.txt")),
        ((*SMALL, "--workers", 2, "--averaging", 0), ()),
        ((*SMALL, "--lr", 0.0, "--validate-every", 3, "--patience", 2), ("--patience", 2)),
    ],
)
def test_a_run_is_repeated_to_the_same_bytes(
    folder: Path, options: tuple[object, ...], again: tuple[object, ...]
) -> None:
    trained("corpus.txt", *options, "-m", "first.npz")
    trained("corpus.txt", "--repeat", "first.npz", *again, "-m", "again.npz")
    assert (folder / "again.npz").read_bytes() == (folder / "first.npz").read_bytes()
    assert arrays_of(folder / "again.npz.resume") == arrays_of(folder / "first.npz.resume")


def test_a_run_that_began_with_another_model_is_repeated_with_that_model(folder: Path) -> None:
    trained("corpus.txt", *SMALL, "-m", "old.npz")
    trained("val.txt", "--init-from", "old.npz", "--steps", 20, "-m", "first.npz")
    refused = train("val.txt", "--repeat", "first.npz", "-m", "again.npz")
    assert (
        refused.exit_code == 2
        and "with the weights of another model; give its file with --init-from." in refused.output
    )
    refused = train("corpus.txt", "--repeat", "old.npz", "--init-from", "old.npz", "-m", "again.npz")
    assert refused.exit_code == 2 and "with the weights of no other model; leave out --init-from." in refused.output
    trained("val.txt", "--repeat", "first.npz", "--init-from", "old.npz", "-m", "again.npz")
    assert (folder / "again.npz").read_bytes() == (folder / "first.npz").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--hidden", 9), "--hidden 9 contradicts the run of first.npz, which has 8; leave it out"),
        (("--lr", 0.5), "--learning-rate 0.5 contradicts the run of first.npz"),
        (("--steps", 41), "--steps 41 contradicts the run of first.npz, which has 40"),
        (("--workers", 2), "--workers 2 contradicts the run of first.npz, which has 1"),
        (("--lines",), "--documents line contradicts the run of first.npz, which does not use it"),
        (("--no-decay",), "--no-decay contradicts the run of first.npz"),
        (("--random-seed", 1), "--random-seed 1 contradicts"),
        (("--time", "2s"), "--time begins a new run; give it without --repeat"),
        (("--epochs", 2), "--epochs begins a new run; give it without --repeat"),
        (("--resume",), "--resume and --repeat exclude each other; give one of them"),
        (("--val", "val.txt"), "the run of first.npz has none; leave out --val"),
    ],
)
def test_what_contradicts_the_run_is_refused_by_name(folder: Path, arguments: tuple[object, ...], message: str) -> None:
    trained("corpus.txt", *SMALL, "--workers", 1, "-m", "first.npz")
    done = train("corpus.txt", "--repeat", "first.npz", "-m", "again.npz", *arguments)
    assert done.exit_code == 2 and message in done.output and re.search(r"^Error: [^\n]+\.\n\Z", done.output, re.M)
    assert not (folder / "again.npz").exists()


def test_another_text_is_refused(folder: Path) -> None:
    trained("corpus.txt", *SMALL, "-m", "first.npz")
    (folder / "corpus.txt").write_text(TEXT + "x")
    done = train("corpus.txt", "--repeat", "first.npz", "-m", "again.npz")
    assert done.exit_code == 1
    assert re.fullmatch(r"Error: the text is not that of the run of first\.npz: [^\n]+\.\n", done.output)


@pytest.mark.parametrize("change", [("--steps", 60), ("--workers", 2)])
def test_a_run_that_was_changed_when_it_was_resumed_is_refused(folder: Path, change: tuple[object, ...]) -> None:
    trained(
        "corpus.txt", *SMALL, "--workers", 1, "--validate-every", 5, "--lr", 0.0, "--patience", 2, "-m", "first.npz"
    )
    assert not checkpoint.load(folder / "first.npz").training.changed_on_resume
    trained("corpus.txt", "--resume", "-m", "first.npz", "--patience", 4, *change)
    done = train("corpus.txt", "--repeat", "first.npz", "-m", "again.npz")
    assert done.exit_code == 2 and "was resumed with another number of steps or workers" in done.output
