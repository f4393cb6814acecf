"""`sample --interactive` as a user meets it: through a pipe, and at the keyboard of a terminal."""

from __future__ import annotations

import os
import re
import readline
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pexpect
import pytest
from click.testing import CliRunner, Result
from small import model, network

from charlstm.cli.main import main
from charlstm.cli.settings import GROUP_OF
from charlstm.model import checkpoint
from charlstm.sampling import session_state

CHARACTERS = "\n ./" + "abcdefgh"
COMMAND = (sys.executable, "-m", "charlstm", "sample", "-m", "m.npz", "--random-seed", "0")
ANSWER = r"\r\n(?:\x1b\[\?2004l\r)?"  # a line ends, and with it the time in which pasted lines are one
SHORT = ("-n", "20", "--temperature", "1.5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model of a stream, m.npz, and one of lines, lines.npz."""
    where = tmp_path_factory.mktemp("models")
    for name, lines in (("m", False), ("lines", True)):
        net = network("lstm", np.float32, vocabulary=len(CHARACTERS), hidden=9)
        checkpoint.save(model(net, CHARACTERS, lines), where / f"{name}.npz")
    return where


@pytest.fixture(autouse=True)
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("NO_COLOR", raising=False)


def sample(*arguments: object) -> str:
    """Return what `charlstm sample` writes."""
    return CliRunner().invoke(main, ["sample", "-m", "m.npz", "--random-seed", "0", *map(str, arguments)]).stdout


def session(*lines: str, options: tuple[str, ...] = SHORT) -> Result:
    """Pipe lines into a session in this process."""
    typed = "".join(f"{line}\n" for line in lines)
    return CliRunner().invoke(
        main, ["sample", "-m", "m.npz", "--random-seed", "0", "--interactive", *options], input=typed
    )


def errors(result: Result) -> list[str]:
    """Return the errors of a session that ran to its end."""
    assert result.exit_code == 0 and result.exception is None
    assert "Traceback" not in result.stderr
    return [line for line in result.stderr.splitlines() if line.startswith("Error: ")]


def test_a_line_gives_the_output_of_sample_and_nothing_else() -> None:
    done = subprocess.run([*COMMAND, "--interactive", *SHORT], input="abc", capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == (sample("--seed", "abc", *SHORT), "", 0)
    for model_file in ("m.npz", "lines.npz"):
        whole = sample("-m", model_file, "--seed", "abc")
        assert session("abc", options=("-m", model_file)).stdout == whole
        assert session(options=("-m", model_file, "--seed", "abc")).stdout == whole


def test_each_line_continues_the_text_and_the_same_lines_give_the_same_bytes() -> None:
    typed = ("ab", "", "cd", "/again", "/suggest 3", "1", "/undo", "/add ef", "", "/text", "/quit", "ab")
    first, second = session(*typed), session(*typed)
    assert (first.stdout, first.stderr) == (second.stdout, second.stderr) and not errors(first)
    shown, text = session("ab", "cd").stdout, session("ab", "cd", "/text").stdout
    whole = text.removeprefix(shown)
    assert shown.replace("\n", "") == whole.replace(
        "\n", ""
    )  # the newline after a continuation is not part of the text
    assert whole.startswith(session("ab").stdout.removesuffix("\n")) and "cd" in whole


def test_undo_again_and_reset() -> None:
    assert session("ab", "/undo", "/random-seed 0", "ab").stdout == session("ab").stdout * 2
    assert session("ab", "cd", "/reset", "/random-seed 0", "ab").stdout.endswith(session("ab").stdout)
    done = session("ab", "/undo", "/undo")
    assert "the text is empty" in done.stderr and "there is no change to undo" in errors(done)[0]
    again = session("ab", "/again", "/text").stdout.removeprefix(session("ab").stdout)
    new = session("ab", "/again").stdout.removeprefix(session("ab").stdout)
    assert again == new + "ab" + new and new != session("ab").stdout.removeprefix("ab")


def test_suggestions_are_listed_on_stderr_and_picked_by_number() -> None:
    done = session("ab", "/suggest 4", "2", "/text")
    listed = re.findall(r"^ (\d)  (.*)$", done.stderr, re.M)
    assert [number for number, _ in listed] == ["1", "2", "3", "4"] and not errors(done)
    picked = session("ab", "/suggest 4", "2").stdout.removeprefix(session("ab").stdout)
    assert picked.removesuffix("\n").replace("\n", "\\n") == listed[1][1]
    assert done.stdout.replace("\n", "").endswith(picked.replace("\n", ""))
    assert session("ab", "/suggest 4", "/pick 2", "/text").stdout == done.stdout
    assert "no suggestion 7; the numbers are 1 to 2" in errors(session("ab", "/suggest 2", "7"))[0]
    assert (
        len(errors(session("7"))) == 1 and "U+0037" in errors(session("7"))[0]
    )  # a number is text, without suggestions


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("/undoo", "there is no command /undoo; did you mean /undo?"),
        ("/temprature 1", "there is no command /temprature; did you mean /temperature?"),
        ("/xyz", "there is no command /xyz; /help lists the commands."),
        ("/undo 3", "/undo takes no argument, but '3' is given"),
        ("/temperature hot", "/temperature: 'hot'"),
        ("/temperature -1", "/temperature"),
        ("/temperature nan", "temperature"),
        ("/top-k 0", "/top-k"),
        ("/top-p off", "/top-p"),
        ("/only xyz", "xyz"),
        ("/length many", "/length"),
        ("/length off", "no rule would stop"),
        ("/until-sentence perhaps", "/until-sentence"),
        ("/colour blue", "/colour"),
        ("/unknown keep", "/unknown"),
        ("/suggest 0", "0"),
        ("/suggest x", "x"),
        ("/pick", "''"),
        ("/pick 1", "ask for suggestions first"),
        ("/save", "there is no file name"),
        ("/save m.npz", "m.npz is a model"),
        ("/save .", "folder"),
        ("/save no/such/file", "no/such"),
        ("/load none.npz", "none.npz"),
        ("/load m.npz", "another kind of file"),
        ("abxé", "'x' U+0078 at character 3; 'é' U+00E9 at character 4"),
    ],
)
def test_an_error_is_one_sentence_and_the_session_continues(folder: Path, line: str, named: str) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    done = session("ab", line, "/text")
    (error,) = errors(done)
    assert named in error and error.endswith((".", "?"))
    assert done.stdout == session("ab", "/text").stdout
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_slashes_backslashes_empty_lines_and_undecodable_bytes() -> None:
    assert session("//ab").stdout == sample("--seed", "/ab", *SHORT)
    assert session("ab\\", "cd").stdout == sample("--seed", "ab\ncd", *SHORT)
    assert session("ab\\").stdout == sample("--seed", "ab\n", *SHORT)
    assert session("", "/").stderr == session("/help").stderr
    done = subprocess.run([*COMMAND, "--interactive", *SHORT], input=b"a\xffb\na\xc3\xa9\nab", capture_output=True)
    assert done.stdout.decode() == sample("--seed", "ab", *SHORT) and done.returncode == 0
    assert b"U+DCFF at character 2" in done.stderr and b"U+00E9" in done.stderr
    assert session("axb", options=(*SHORT, "--unknown", "skip")).stdout == sample("--seed", "ab", *SHORT)
    assert session("/unknown skip", "axb").stdout == sample("--seed", "ab", *SHORT)


def test_each_setting_is_listed_and_works_like_its_option() -> None:
    told, values = session("/help").stderr, session("/settings").stderr
    names = {{"sentence": "until-sentence"}.get(field, field.replace("_", "-")) for field in GROUP_OF}
    assert all(re.search(rf"/{name}[,.]", told) and re.search(rf"/{name} \S+  +\S", values) for name in names)
    assert max(map(len, (told + values).splitlines())) <= 80
    for name, word in (
        ("temperature", "0.3"),
        ("top-k", "2"),
        ("top-p", "0.5"),
        ("min-p", "0.2"),
        ("repeat-penalty", "1.4"),
        ("forbid", "abc"),
        ("only", "gh "),
        ("length", "33"),
        ("stop", "a"),
        ("lines", "1"),
        ("random-seed", "5"),
    ):
        done = session(f"/{name} {word}", "ab")
        assert done.stdout == sample("--seed", "ab", *SHORT, f"--{name}", word), name
        assert word in done.stderr and not errors(done)
    stopped = session("/stop a", "/stop b", "/hide-stop on", "/until-sentence on", "c").stdout
    assert stopped == sample("--seed", "c", *SHORT, "--stop", "a", "--stop", "b", "--hide-stop", "--until-sentence")
    assert session("/stop a", "/stop off", "/top-k 1", "/top-k off", "ab").stdout == session("ab").stdout


def test_a_saved_session_continues_in_another(tmp_path: Path) -> None:
    file = tmp_path / "s.npz"
    stayed = session("/temperature 2", "ab", f"/save {file}", "cd", "/again")
    returned = session(f"/load {file}", "cd", "/again")
    assert stayed.stdout == session("/temperature 2", "ab").stdout + returned.stdout and not errors(returned)
    content = file.read_bytes()
    assert len(errors(session("ab", f"/save {file}"))) == 1 and file.read_bytes() == content
    assert not errors(session("ab", f"/save! {file}")) and file.read_bytes() != content
    assert "another model" in errors(session(f"/load {file}", options=("-m", "lines.npz")))[0]


@pytest.mark.parametrize(
    "options",
    [
        ("--samples", "2"),
        ("--format", "jsonl"),
        ("--output", "x"),
        ("--seed", "-"),
        ("--new-only",),
        ("--beam", "2"),
        ("--novelty", __file__),
    ],
)
def test_options_that_exclude_a_session_are_errors(options: tuple[str, ...]) -> None:
    done = session("ab", options=options)
    assert done.exit_code == 2 and done.stdout == "" and "--interactive" in done.stderr


def test_a_closed_pipe_ends_quietly() -> None:
    command = f"yes ab | {' '.join(COMMAND)} --interactive | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr, len(done.stdout)) == (0, "", 10)


def test_ctrl_c_ends_a_piped_session() -> None:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([*COMMAND, "--interactive", *SHORT], **pipes, text=True) as process:  # type: ignore[call-overload]
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("ab\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith("ab")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130 and "Traceback" not in process.stderr.read()  # type: ignore[union-attr]


def terminal(*options: str) -> pexpect.spawn[str]:
    """Start a session in a terminal of its own, 80 columns wide."""
    command, *arguments = (*COMMAND, "--interactive", *options)
    child = pexpect.spawn(
        command,
        arguments,
        encoding="utf-8",
        dimensions=(24, 80),
        timeout=60,
        env={**os.environ, "TERM": "xterm"},
    )
    child.expect("m.npz: type a text .*Ctrl-D to leave")
    child.expect_exact("> ")
    return child


def left(child: pexpect.spawn[str]) -> int:
    """Return the exit code of a session that the user has left."""
    child.expect(pexpect.EOF)
    child.close()
    assert "Traceback" not in str(child.before)
    assert child.exitstatus is not None
    return int(child.exitstatus)


def on_screen(text: str) -> str:
    return text.replace("\n", "\r\n")


def test_a_terminal_has_editing_history_and_completion() -> None:
    child = terminal(*SHORT, "--stop", "\n")
    child.sendline("abx\x7f")  # backspace
    child.expect_exact(on_screen(sample("--seed", "ab", *SHORT, "--stop", "\n")))
    child.expect_exact("> ")
    child.sendline("/tempe\t 0.25")
    child.expect("/temperature 0.25" + ANSWER + r"\x1b\[2m/temperature 0.25")
    child.expect_exact("> ")
    child.sendline("/undo")
    child.expect_exact("the text is empty")
    child.expect_exact("> ")
    child.sendline("/add hg")
    child.expect_exact("> ")
    child.sendline("\x1b[A\x1b[A\x1b[A\x1b[A\x01c")  # up to the first line, to its start, c
    child.expect_exact("cab")
    child.expect(ANSWER + re.escape("\x1b[2mhg\x1b[0mcab"))  # the line that is continued, then the new text
    child.expect_exact("> ")
    child.sendeof()
    assert left(child) == 0


@pytest.mark.skipif("libedit" in (readline.__doc__ or ""), reason="it takes pasted lines one by one")
def test_pasted_lines_are_one_text() -> None:
    child = terminal(*SHORT)
    child.sendline("\x1b[200~ab\ncd\x1b[201~")
    child.expect(ANSWER + re.escape(on_screen(sample("--seed", "ab\ncd", *SHORT))))
    child.expect_exact("> ")
    child.sendeof()
    assert left(child) == 0


def test_ctrl_c_stops_the_model_and_the_session_has_read_what_was_shown(tmp_path: Path) -> None:
    child = terminal("--length", "10000000", "--temperature", "1.5")
    child.sendline("ab")
    child.expect(ANSWER + "ab")
    child.expect(".{50}")
    shown = "ab" + child.after
    child.sendintr()
    child.expect("(?s)(.*)\x1b\\[2mstopped; the text so far is kept")
    shown += child.match.group(1).replace("^C", "")
    child.expect_exact("> ")
    child.sendline(f"/save {tmp_path / 's.npz'}")
    child.expect("saved [0-9,]+ characters")
    child.sendline("/quit")
    assert left(child) == 0
    text = session_state.load(checkpoint.load(Path("m.npz")), tmp_path / "s.npz").state.text
    assert text == sample("--seed", "ab", "--temperature", "1.5", "-n", len(text) - 2)[: len(text)]
    assert shown.replace("\r", "").rstrip("\n") == text.rstrip("\n") and len(text) > 50


def test_ctrl_c_at_the_prompt_discards_the_line_and_leaves_if_pressed_twice() -> None:
    child = terminal(*SHORT)
    child.send("abc")
    child.expect_exact("abc")
    child.sendintr()
    child.expect_exact("> ")
    child.sendline("ab\\")
    child.expect_exact("… ")
    child.sendintr()
    child.expect_exact("> ")
    child.sendintr()
    child.expect_exact("press Ctrl-C again, or Ctrl-D, to leave the session")
    child.expect_exact("> ")
    child.sendline("/text")
    child.expect_exact("> ")
    child.sendintr()
    child.expect_exact("press Ctrl-C again")
    child.expect_exact("> ")
    child.sendintr()
    assert left(child) == 130


def test_the_text_can_be_redirected_to_a_file_while_a_user_types(tmp_path: Path) -> None:
    child = pexpect.spawn("bash", ["-c", f"{' '.join([*COMMAND, '--interactive', *SHORT])} > {tmp_path / 'made.txt'}"])
    child.expect_exact("> ")
    child.sendline("ab")
    child.expect_exact("> ")
    child.sendline("/suggest 2")
    child.expect_exact("type a number to append that suggestion, or a text")
    child.expect_exact("> ")
    child.sendeof()
    assert left(child) == 0
    assert (tmp_path / "made.txt").read_text() == sample("--seed", "ab", *SHORT)


def test_a_closed_standard_input_is_one_sentence() -> None:
    command = f"{' '.join(COMMAND)} --interactive <&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "Error: there is no standard input to read.\n")


def test_plurals_agree(tmp_path: Path) -> None:
    for typed, said in (("", "saved 0 characters"), ("a", "saved 1 character and"), ("ab", "saved 2 characters and")):
        assert said in session(*([f"/add {typed}"] if typed else []), f"/save {tmp_path / f'{typed}.npz'}").stderr
    assert "there is no suggestion 2; its number is 1" in errors(session("/temperature 0", "/suggest 3", "2"))[0]
