"""The manual pages say what the commands take, and the programs that show manual pages read them."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import click
import pytest
from pages import module_at

from charlstm.cli.main import COMMANDS, main

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs" / "man").glob("*.1"))
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return module_at(ROOT / "docs" / "make_man.py")


def plain(roff: str) -> str:
    return re.sub(r"\\f[BR]", "", roff).replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")


def options_of(page: Path) -> list[click.Parameter]:
    context = click.Context(main)
    name = page.stem.partition("-")[2]
    command = main.get_command(context, name) if name else main
    assert command is not None
    return [option for option in command.get_params(context) if isinstance(option, click.Option)]


def test_the_pages_are_fresh(script: ModuleType) -> None:
    assert script.pages() == {page.name: page.read_text(encoding="utf-8") for page in PAGES}, "run `make docs`"
    assert {page.stem for page in PAGES} == {"charlstm", *(f"charlstm-{name}" for name in COMMANDS)}


@each_page
def test_a_page_has_every_option_with_its_help(page: Path) -> None:
    text, options = plain(page.read_text(encoding="utf-8")), options_of(page)
    for option in options:
        spellings = (*option.opts, *option.secondary_opts)
        starts = [line for line in text.splitlines() if line.startswith("-")]
        lines = [line for line in starts if set(spellings) <= set(re.split(r"[\s,/]+", line))]
        assert len(lines) == 1, spellings
        assert (option.help or "").replace("\b", "") in text
    assert len(options) >= 3


@each_page
@pytest.mark.parametrize(
    "program", [["mandoc", "-W", "error", "-T", "utf8"], ["man", "-l"]], ids=lambda words: words[0]
)
def test_programs_show_a_page_whole(page: Path, program: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    monkeypatch.setenv("MANWIDTH", "300")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    done = subprocess.run([*program, page], capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub("\x1b\\[[\\d;]*m|.\b", "", done.stdout)
    for option in options_of(page):
        assert all(spelling in shown for spelling in (*option.opts, *option.secondary_opts))
    for heading in ("NAME", "SYNOPSIS", "OPTIONS", "ENVIRONMENT", "EXIT STATUS", "SEE ALSO"):
        assert re.search(f"^{heading}$", shown, re.M)


def test_the_exit_codes_are_those_of_their_page(script: ModuleType) -> None:
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| (\d+) \|", page, re.M)
    assert re.findall(r"\d+", " ".join(script.CODES)) == documented


def test_the_variables_are_those_that_the_commands_read(script: ModuleType) -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "charlstm" / "cli").glob("*.py"))
    source = re.sub(r'metavar="[^"]*"|Command\("[A-Z]*"', "", source)
    read = set(re.findall(r'"([A-Z][A-Z_]{3,})"', source)) - {"COMMAND", "CORPUS"}
    of_shells = {"SHELL", "ZDOTDIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "COMP_LINE", "COMP_WORD", "COMP_WORDS"}
    assert set(", ".join(script.VARIABLES).split(", ")) == read - of_shells


def test_roff_finds_no_request_in_a_text(script: ModuleType) -> None:
    assert script.escape(".x\n'y\n\\n-a") == "\\&.x\n\\&'y\n\\en\\-a"


def test_a_wheel_installs_the_pages() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    assert settings["options.data_files"]["share/man/man1"] == "docs/man/*.1"
