"""The tab key in bash, zsh and fish: what a user gets there, and what charlstm answers to the shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pexpect
import pytest
from click.testing import CliRunner, Result
from small import labelled_model, model, network

from charlstm.cli.main import main
from charlstm.model import checkpoint

SHELLS = {"bash": ("--norc", "-i"), "zsh": ("-i",), "fish": ("--private",)}
PROMPT = "ready> "
# What a user types before the tab key, and the words that the shell then runs charlstm with. Bash gets all, the others
# the first lines.
FIRST = 5
LINES = {
    "sample --model=roo": ["sample", "--model=rooms"],
    "sample --model my\\ models/": ["sample", "--model", "my models/first one.npz"],
    "inspect --question 'inside q": ["inspect", "--question", "inside quotes"],
    "inspect -m units.npz --unit 1:": ["inspect", "-m", "units.npz", "--unit", "1:0"],
    "sample --seed-file notes\\ ": ["sample", "--seed-file", "notes (new) & 'old'.txt"],
    "ins": ["inspect"],
    "sample --mod": ["sample", "--model"],
    "sample --model po": ["sample", "--model", "poems.npz"],
    "sample --model my\\ mo": ["sample", "--model", "my models/"],
    "inspect --question=inside\\ b": ["inspect", "--question=inside brackets"],
    "sample -m poems.npz --label me": ["sample", "-m", "poems.npz", "--label", "merry"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with models, and with a program charlstm that shows its words if it is not asked to complete."""
    monkeypatch.chdir(tmp_path)
    checkpoint.save(labelled_model(dtype=np.float32), Path("poems.npz"))
    checkpoint.save(model(network("lstm", np.float32, layers=2, hidden=1), "abcd "), Path("units.npz"))
    Path("my models").mkdir()
    checkpoint.save(model(network("lstm", np.float32), "abcd "), Path("my models/first one.npz"))
    Path("my models/notes.txt").touch()
    Path("notes (new) & 'old'.txt").touch()
    Path("novel.npz").write_text("no model")
    Path("bin").mkdir()
    program = Path("bin/charlstm")
    program.write_text(
        "#!/bin/sh\n"
        'if [ -n "$_CHARLSTM_COMPLETE" ]; then\n'
        '    echo >> "$HOME/asked"\n'
        f"    exec '{sys.executable}' -c 'from charlstm.__main__ import main; main(prog_name=\"charlstm\")' \"$@\"\n"
        "fi\n"
        "printf '{'; printf '<%s>' \"$@\"; printf '}\\n'\n"
    )
    program.chmod(0o755)
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": tmp_path / "home", "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    Path("home").mkdir()
    return tmp_path


def install(*words: str) -> Result:
    return CliRunner().invoke(main, ["--install-completion", *words], prog_name="charlstm")


def start(shell: str) -> pexpect.spawn[str]:
    """Return a shell in a terminal, at its prompt, with completion."""
    done = install(shell)
    assert done.exit_code == 0, done.output
    load = done.stdout.splitlines()[-1].strip()
    ask = {"fish": f"function fish_prompt; printf '{PROMPT}'; end"}.get(shell, f"PS1='{PROMPT}'")
    environment = {**os.environ, "TERM": "dumb" if shell == "fish" else "xterm", "INPUTRC": "/dev/null"}
    child = pexpect.spawn(shell, list(SHELLS[shell]), encoding="utf-8", timeout=20, env=environment, echo=False)
    child.setwinsize(40, 400)
    child.sendline(f"{ask}; {load}; echo be'gin'")
    child.expect("begin")
    child.expect(PROMPT)
    return child


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, folder: Path) -> Iterator[pexpect.spawn[str]]:
    """Return each of the shells in a terminal."""
    if shutil.which(request.param) is None:
        assert not os.environ.get("CI"), f"{request.param} is not installed; .ci/run installs it"
        pytest.skip(f"{request.param} is not installed")
    child = start(request.param)
    yield child
    child.close(force=True)


def test_the_tab_key_completes_what_a_user_types(shell: pexpect.spawn[str]) -> None:
    lines = [*LINES.items()][: None if shell.command.endswith("bash") else FIRST]
    for line, words in lines:
        shell.send(f"charlstm {line}\t")
        shell.send("\r")
        shell.expect(r"\{(<.*>)\}")
        assert shell.match is not None
        assert shell.match[1] == "".join(f"<{word}>" for word in words), line
        shell.expect(PROMPT)
    assert len(Path("home/asked").read_text()) == len(lines)  # each tab asks once


def answer(shell: str, *words: str) -> list[list[str]]:
    """Return what charlstm answers to zsh or fish about the last of several words."""
    environment = {
        "_CHARLSTM_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": "\n".join(["charlstm", *words[:-1]]),
        "COMP_WORD": words[-1],
    }
    done = CliRunner().invoke(main, [], env=environment, prog_name="charlstm")
    assert done.exit_code == 0, done.output
    return [line.split("\t") for line in done.stdout.splitlines() if line]


def values(*words: str) -> list[str]:
    return [value for _, value, _ in answer("zsh", *words)]


@pytest.mark.usefixtures("folder")
def test_what_is_offered_fits_the_place() -> None:
    assert values("") == ["train", "sample", "inspect"] and values("-") == [
        "--version",
        "--install-completion",
        "-h",
        "--help",
    ]
    assert values("sample", "-m", "") == ["rooms", "bin/", "home/", "my models/", "poems.npz", "units.npz"]
    assert values("inspect", "--compare", "n") == [] == values("train", "--init-from", "n")
    assert values("sample", "--seed-file", "n") == ["notes (new) & 'old'.txt", "novel.npz"]
    assert values("train", "my models/") == ["my models/first one.npz", "my models/notes.txt"]
    assert values("inspect", "--view", "sat") == ["saturation"] and values("train", "--cell", "") == [
        "lstm",
        "gru",
        "rnn",
    ]
    assert values("inspect", "-m", "units.npz", "--unit", "") == ["0:", "1:"]
    assert values("inspect", "-m", "rooms", "--unit", "0:19") == ["0:19", "0:190", "0:191"]
    assert values("inspect", "-m", "poems.npz", "--label", "") == ["gloomy", "merry", "wild"]
    for model_file in ("missing.npz", "novel.npz", "my models"):
        assert (
            values("inspect", "-m", model_file, "--unit", "") == [] == values("sample", "-m", model_file, "--label", "")
        )


@pytest.mark.usefixtures("folder")
def test_values_have_help_and_say_whether_they_go_on() -> None:
    assert answer("zsh", "inspect", "--view", "gr") == [
        ["whole", "gradients", "how far back the gradient of a prediction reaches"]
    ]
    assert answer("zsh", "sample", "-m", "my") == [["open", "my models/", ""]]
    assert answer("fish", "sample", "--model=r") == [["--model=rooms", "part of charlstm"]]
    assert all(help_ and len(help_) <= 70 for _, _, help_ in answer("zsh", "train", "--"))
    assert answer("zsh", "inspect", "-m", "units.npz", "--freeze", "1:") == [["open", "1:0", ""]]


@pytest.mark.usefixtures("folder")
def test_names_that_no_shell_could_insert_and_hidden_ones_are_left_out() -> None:
    for name in (".hidden", "line\nfeed", "tab\tname", "esc\x1b[2J"):
        Path(name).touch()
    assert values("train", "") == [
        "bin/",
        "home/",
        "my models/",
        "notes (new) & 'old'.txt",
        "novel.npz",
        "poems.npz",
        "units.npz",
    ]
    assert values("train", ".") == [".hidden"] and values("train", "~/") == [] == values("train", "nowhere/")
    Path("home/x").touch()
    assert values("train", "~/") == ["~/x"]


@pytest.mark.parametrize(("shell", "start"), [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_installing_keeps_what_the_start_file_has_and_adds_one_line_once(folder: Path, shell: str, start: str) -> None:
    file = folder / "home" / start
    file.write_bytes(b"export A=\xff")
    file.chmod(0o600)
    for _ in range(2):
        done = install(shell)
        assert done.exit_code == 0 and str(file) in done.stdout, done.output
        first, second = file.read_bytes().splitlines()
        assert first == b"export A=\xff" and second.endswith(b"# completion of charlstm")
        assert file.stat().st_mode & 0o777 == 0o600
    script = next((folder / "home").rglob(f"completion.{shell}"))
    assert subprocess.run([shutil.which("bash") or "bash", "-n", script]).returncode == 0 or shell == "zsh"


def test_a_script_of_the_user_is_not_replaced(folder: Path) -> None:
    mine = folder / "home" / ".config" / "fish" / "completions" / "charlstm.fish"
    mine.parent.mkdir(parents=True)
    mine.write_text("complete -c charlstm -a mine\n")
    done = install("fish")
    assert done.exit_code == 1 and f"{mine} exists and is not of charlstm; move it away" in done.stderr
    assert mine.read_text() == "complete -c charlstm -a mine\n"


@pytest.mark.usefixtures("folder")
def test_the_shell_is_that_of_the_environment_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, named in (("/usr/bin/fish", "charlstm.fish"), (r"C:\Program Files\Git\usr\bin\bash.exe", ".bashrc")):
        monkeypatch.setenv("SHELL", value)
        assert named in install().stdout
    for value, said in (("/bin/ksh", "SHELL is 'ksh'"), ("", "SHELL names no shell")):
        monkeypatch.setenv("SHELL", value)
        done = install()
        assert done.exit_code == 2 and said in done.stderr and "--install-completion bash or zsh or fish" in done.stderr
    assert install("tcsh").exit_code == 2


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("words", [[""], ["in"], ["-"]])
def test_a_command_is_completed_without_numpy(words: list[str]) -> None:
    code = "import atexit, sys; atexit.register(lambda: print(*sys.modules, sep='\\n', file=sys.stderr));"
    code += "from charlstm.__main__ import main; main(prog_name='charlstm')"
    environment = {"_CHARLSTM_COMPLETE": "zsh_complete", "COMP_WORDS": "charlstm", "COMP_WORD": words[0]}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )
    imported = set(done.stderr.split())
    assert done.stdout and "charlstm.cli.completion" in imported and not {"numpy", "charlstm.model"} & imported
