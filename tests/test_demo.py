"""What `make demo` says and does, with a short training, and what it tells a user to type next."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from pages import module_at

import charlstm
from charlstm.cli.main import main

ROOT = Path(__file__).parent.parent
next_steps = module_at(ROOT / "data" / "next_steps.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of what the demo needs, with few stories, and programs in the place of its environment."""
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "Makefile", tmp_path)
    stories = (ROOT / "data" / "rooms.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "data" / "rooms.txt").write_text("".join(stories[:400]), encoding="utf-8")
    for name in ("make_rooms.py", "name_kinds.py", "next_steps.py", "rooms-heldout.tsv"):
        shutil.copy(ROOT / "data" / name, tmp_path / "data")
    (tmp_path / "bin").mkdir()
    for name, words in {"python": "", "charlstm": "-m charlstm"}.items():
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_the_demo_says_how_long_it_takes_and_ends_with_what_to_type(folder: Path) -> None:
    options = ("BIN=bin", "DEMO_OPTIONS=--lines --hidden 4 --steps 5 --workers 1")
    outside = {name: value for name, value in os.environ.items() if "MAKE" not in name}  # of `make test`
    environment = {**outside, "PYTHONPATH": os.pathsep.join(sys.path), "SHELL": "/bin/bash"}
    done = subprocess.run(
        ["make", "-o", ".venv/installed", "demo", *options],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "about five minutes" in "".join(done.stdout.splitlines(keepends=True)[:2])
    places = [done.stdout.index(f"\n{number}. ") for number in range(1, 7)]
    assert places == sorted(places) and "step 5/5" in done.stderr
    stories, score, page, end = (done.stdout.index(f"\n{start}") for start in ("4. W", "5. Ask", "6. Write", "Next:\n"))
    assert done.stdout[stories:score].count("\n") >= 6 and "accuracy\n" in done.stdout[score:page]
    assert done.stdout[end:].strip() == next_steps.text(os.uname().sysname, "/bin/bash")
    assert (folder / "rooms.html").stat().st_size > 100_000 and not (folder / ".venv").exists()


@pytest.mark.parametrize(
    ("system", "shell", "activate", "page"),
    [
        ("Linux", "/bin/bash", "source .venv/bin/activate", "xdg-open rooms.html"),
        ("Linux", "", "source .venv/bin/activate", "xdg-open rooms.html"),
        ("Linux", "/usr/bin/fish", "source .venv/bin/activate.fish", "xdg-open rooms.html"),
        ("Darwin", "/bin/zsh", "source .venv/bin/activate", "open rooms.html"),
        ("Darwin", "/bin/tcsh", "source .venv/bin/activate.csh", "open rooms.html"),
        ("Windows", "", r".venv\Scripts\activate", "start rooms.html"),
    ],
)
def test_what_to_type_next_fits_the_system_and_the_shell(system: str, shell: str, activate: str, page: str) -> None:
    first, second, third = (command for command, _ in next_steps.steps(system, shell))
    assert (first, third) == (activate, page)
    program, name, *words = shlex.split(second)
    command = main.get_command(click.Context(main), name)
    assert program == "charlstm" and command is not None and command.make_context(name, words)
    assert all(len(line) <= 120 for line in next_steps.text(system, shell).splitlines())


def test_the_story_to_type_is_new_and_the_model_completes_it() -> None:
    assert next_steps.STORY not in (ROOT / "data" / "rooms.txt").read_text(encoding="utf-8")
    assert charlstm.load("rooms").sample(next_steps.STORY, temperature=0).text == " henry."


def test_the_demo_trains_the_bundled_model() -> None:
    """The settings in the bundled model are those of the Makefile."""
    [options] = re.findall(r"^DEMO_OPTIONS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    command = main.get_command(click.Context(main), "train")
    assert command is not None
    given = command.make_context("train", ["data/rooms.txt", *shlex.split(options)]).params
    model = charlstm.load("rooms").model
    settings = vars(model.training) | vars(model.network.config)
    common = {name: value for name, value in given.items() if name in settings and value is not None}
    assert {name: settings[name] for name in common} == common and len(common) >= 6
    assert model.training.documents == "line" and given["lines"] and model.facts.files == ("rooms.txt",)
