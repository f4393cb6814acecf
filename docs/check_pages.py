"""Run every command of the documentation and compare what it prints with what the page shows: `make docs-check`.

    python docs/check_pages.py [--renew] [PAGE ...]

A page is README.md, ARCHITECTURE.md, CONTRIBUTING.md, or a Markdown file below docs/. Its blocks are of these kinds:

    ```console          commands after `$ `, each with its output below it; `> ` continues a command, or is what the
                        user types into a session; `…` alone on a line stands for any lines, elsewhere for any text
    ```console exit:3   the last command ends with this exit code; 0 without it
    ```console slow     one word says why the block is not run; the words are in NOT_RUN
    ```pycon            Python after `>>> `, with its output; all such blocks of a page share their variables
    ```text and others  no commands

A page runs in an empty folder of its own, which has a copy of data/ if the page names it. Comments at the top of the
page declare files:

    <!-- creates: names.npz -->           what its commands write; no two pages may create a file of the same name
    <!-- uses: tutorial/names.md -->      it starts with the files of this page
    <!-- names: big.npz -->               files of blocks that are not run; no page may create a file of this name

The output of training is stored under build/docs-check/cache, under a digest of all that it depends on: the command,
the files in the folder, the package, and the machine. Trained weights depend on the processor and the versions of
packages. docs/machine.json describes the machine that wrote the pages. On another one, commands that use models which
the pages trained are run, but their output is not compared; that of all others is compared without its numbers, whose
last digits may differ. The last lines count these commands.

`--renew` writes the output of this machine into the pages. It keeps `…` lines where they are.
"""

from __future__ import annotations

import argparse
import contextlib
import doctest
import fcntl
import hashlib
import io
import json
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import termios
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
BUILD = ROOT / "build" / "docs-check"
MACHINE = DOCS / "machine.json"
NOT_RUN = {
    "slow": "takes more than a minute",
    "bench": "installs other packages or measures speed",
    "clock": "its result depends on the speed of the machine",
    "mpi": "needs an MPI library",
    "installs": "installs charlstm",
    "yours": "needs a text of the reader",
    "opens": "opens a window",
}
NOT_A_RESULT = {"render", "inspection"}  # packages on which training does not depend
YOURS = {"corpus.txt", "charlstm.npz", "charlstm.npz.resume"}  # a text of the reader, and the model of it
FILE = re.compile(r"[\w./-]+\.(?:npz|npz\.resume|txt|html|jsonl|json|csv|tsv|svg|png)$")
PROGRESS = re.compile(r"^step [\d,]+/[\d,]+ .*(?:\n.*)?? left\n", re.M)  # elsewhere a bar, which vanishes; may wrap
TIMEOUT = 600
ROWS, COLUMNS = 1000, 80  # of the terminal: so many rows that no header is repeated


@dataclass
class Command:
    """A command, or an example in Python, and where its page shows the output."""

    source: str
    expected: list[str]
    first: int  # index of the first line of the output in the page
    kind: str  # console, pycon
    exit_code: int = 0


@dataclass
class Page:
    """A page: its commands, and the files that it creates."""

    path: Path
    lines: list[str]
    commands: list[Command] = field(default_factory=list)
    not_run: list[Command] = field(default_factory=list)
    named: set[str] = field(default_factory=set)  # every file that a command names, run or not
    creates: set[str] = field(default_factory=set)
    not_created: set[str] = field(default_factory=set)  # files of blocks that are not run
    uses: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return the path within the repository."""
        return self.path.relative_to(ROOT).as_posix()


@dataclass
class Outcome:
    """What happened to a page."""

    folder: Path
    faults: list[str] = field(default_factory=list)
    compared: int = 0
    not_compared: int = 0
    seconds: float = 0.0
    trained: bool = False
    fresh: dict[int, list[str]] = field(default_factory=dict)  # index of a command → its output, if it is another one


class PageError(Exception):
    """A page breaks the convention."""


def list_pages() -> list[Path]:
    """Return every page of the documentation."""
    tops = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
    return [*(ROOT / name for name in tops), *sorted(DOCS.rglob("*.md"))]


def read_page(path: Path) -> Page:
    """Return a page with its commands."""
    page = Page(path, path.read_text(encoding="utf-8").split("\n"))
    for comment in re.findall(r"<!-- (.*?) -->", "\n".join(page.lines)):
        key, _, value = comment.partition(": ")
        if key == "creates":
            page.creates |= set(value.split())
        elif key == "names":
            page.not_created |= set(value.split())
        elif key == "uses":
            page.uses += [(DOCS / name).relative_to(ROOT).as_posix() for name in value.split()]
    for language, words, start, end in find_blocks(page):
        where = f"{page.name}:{start}"
        block = page.lines[start:end]
        if language == "console":
            commands = list(split_console(block, start))
            if not commands:
                raise PageError(f"{where}: a console block without a command; commands start with `$ `")
            reasons = [word for word in words if not word.startswith("exit:")]
            if unknown := set(reasons) - set(NOT_RUN):
                raise PageError(f"{where}: {sorted(unknown)} is no reason; the reasons are {', '.join(NOT_RUN)}")
            for word in words:
                if word.startswith("exit:"):
                    commands[-1].exit_code = int(word.removeprefix("exit:"))
            page.named |= {name for command in commands for name in files_in(command.source)}
            (page.not_run if reasons else page.commands).extend(commands)
        elif language == "pycon":
            page.commands += split_pycon(block, start)
        elif any(re.match(r"(\$ |charlstm |make |python |pip )", line) for line in block):
            raise PageError(f"{where}: commands belong into a block that begins with ```console")
    return page


def find_blocks(page: Page) -> Iterator[tuple[str, list[str], int, int]]:
    """Yield the language, further words, first line and end of every fenced block."""
    start = None
    for number, line in enumerate(page.lines):
        if not (fence := re.match(r"\s*(```+|:::+)(.*)$", line)) or fence[1][0] == ":":
            continue
        if start is None:
            language, *words = fence[2].split() or [""]
            if not language:
                raise PageError(f"{page.name}:{number + 1}: a block without a language: console, pycon, python or text")
            start = number + 1
        else:
            yield language, words, start, number
            start = None


def split_console(block: list[str], start: int) -> Iterator[Command]:
    """Yield the commands of a block."""
    begins = [number for number, line in enumerate(block) if line.startswith("$ ")]
    for begin, end in pairwise([*begins, len(block)]):
        source, first = [block[begin][2:]], begin + 1
        if "--interactive" not in source[0]:
            while first < end and (source[-1].endswith("\\") or block[first].startswith("> ") or block[first] == ">"):
                source.append(block[first].removeprefix("> ").removeprefix(">"))
                first += 1
        while first < end and not block[end - 1]:
            end -= 1  # blank lines between two commands
        yield Command("\n".join(source), block[first:end], start + first, "console")


def split_pycon(block: list[str], start: int) -> Iterator[Command]:
    """Yield the examples of a block."""
    for example in doctest.DocTestParser().get_examples("\n".join(block) + "\n"):
        first = example.lineno + example.source.count("\n")
        count = example.want.count("\n")
        yield Command(example.source, block[first : first + count], start + first, "pycon")


def files_in(command: str) -> set[str]:
    """Return the names of files in a command, without their folders."""
    try:
        words = shlex.split(command.partition("\n")[0], comments=True)
    except ValueError:
        words = command.split()
    return {word for word in words if FILE.match(word) and "/" not in word}


def check_names(pages: list[Page]) -> Iterator[str]:
    """Yield a fault for each file name that is used for two things, or that nothing creates."""
    by_name = {page.name: page for page in pages}
    owners: dict[str, str] = {}
    for page in pages:
        for name in sorted(page.creates | page.not_created):
            if name in owners:
                yield f"{page.name} and {owners[name]} both have a file {name}; choose another name"
            owners[name] = page.name
    for page in pages:
        known = page.creates | page.not_created | YOURS
        for used in all_uses(page, by_name):
            known |= by_name[used].creates
        for name in sorted(page.named - known):
            owner = f"; {owners[name]} has a file of this name" if name in owners else ""
            yield f"{page.name} names {name}, which it neither creates nor has from a page that it uses{owner}"


def all_uses(page: Page, by_name: dict[str, Page]) -> Iterator[str]:
    """Yield the pages that a page uses, and those that these use."""
    for used in page.uses:
        if used not in by_name:
            raise PageError(f"{page.name} uses {used}, which is no page")
        yield used
        yield from all_uses(by_name[used], by_name)


def matches(expected: list[str], lines: list[str]) -> bool:
    """Say whether lines are what a page shows."""
    pattern = ""
    for line in (line.rstrip() for line in expected):
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(re.escape(part) for part in line.split("…")) + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


def alike(expected: list[str], lines: list[str]) -> bool:
    """Say whether lines are what a page shows apart from their numbers and bars."""
    return matches(*([blur(line) for line in part] for part in (expected, lines)))


def blur(line: str) -> str:
    """Return a line in which all numbers are the same, and all bars."""
    return re.sub(r" +", " ", re.sub(r"[+−-]?\d[\d,.]*(?:e[+-]?\d+)?", "0", re.sub(r"[▁-█]", "▁", line))).strip()


def shorten(expected: list[str], lines: list[str]) -> list[str]:
    """Return lines with those left out that a page leaves out, as far as their number tells which."""
    cuts = [number for number, line in enumerate(expected) if line.strip() == "…"]
    if not cuts:
        return lines
    head, tail = cuts[0], len(expected) - 1 - cuts[-1]
    kept = [*lines[:head], expected[cuts[0]], *lines[len(lines) - tail :]] if head + tail <= len(lines) else lines
    if len(cuts) > 1:  # keep the lines between two cuts where they still occur
        middle = [line for line in expected[cuts[0] + 1 : cuts[-1]] if line.strip() == "…" or line in lines]
        kept = [*lines[:head], expected[cuts[0]], *middle, expected[cuts[-1]], *lines[len(lines) - tail :]]
    return kept


def clean(output: str) -> list[str]:
    """Return the lines of an output as a terminal shows them in the end."""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output).replace("\r\n", "\n")
    lines = [line.rpartition("\r")[2].rstrip() for line in PROGRESS.sub("", text).split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


class Runner:
    """Runs the commands of one page in its folder."""

    def __init__(self, page: Page, outcome: Outcome, bin_: Path, machine: str) -> None:
        self._page, self._outcome, self._machine = page, outcome, machine
        self._python: subprocess.Popen[str] | None = None
        self._environment = {
            **{k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "CHARLSTM_MODEL")},
            "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{page.path.parent}",
            "PYTHONWARNINGS": "ignore",
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
        }

    def run(self, command: Command) -> tuple[list[str], int]:
        """Return the lines and the exit code of a command."""
        if command.kind == "pycon":
            return self._run_python(command.source), 0
        if "--interactive" in command.source:
            return self._run_session(command)
        if re.search(r"charlstm train\b", command.source):
            return self._run_cached(command.source)
        return self._run_shell(command.source)

    def close(self) -> None:
        """End the Python of the page."""
        if self._python is not None:
            self._python.communicate()

    def _run_shell(self, source: str) -> tuple[list[str], int]:
        """Run a command in a terminal of 80 columns, so that a page shows what a reader sees."""
        terminal, end = pty.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        process = subprocess.Popen(
            ["bash", "-o", "pipefail", "-c", source],
            cwd=self._outcome.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=end,
            stderr=end,
        )
        os.close(end)
        timer = threading.Timer(TIMEOUT, process.kill)
        timer.start()
        seen = b""
        with contextlib.suppress(OSError):  # Linux reports the end of a terminal as an error
            while piece := os.read(terminal, 65536):
                seen += piece
        os.close(terminal)
        code = process.wait()
        timer.cancel()
        return clean(seen.decode("utf-8", "replace")), code

    def _run_cached(self, source: str) -> tuple[list[str], int]:
        """Run a training, or take from the cache what it wrote."""
        folder = self._outcome.folder
        before = digests(folder)
        key = digest(source, str(COLUMNS), self._machine, package_digest(), json.dumps(sorted(before.items())))
        stored = BUILD / "cache" / key
        if not stored.exists():
            lines, code = self._run_shell(source)
            if code:
                return lines, code
            partial = stored.with_name(f"{key}.partial-{os.getpid()}-{id(self)}")
            (partial / "files").mkdir(parents=True)
            for name, value in digests(folder).items():
                if before.get(name) != value:
                    target = partial / "files" / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(folder / name, target)
            (partial / "output.json").write_text(json.dumps(lines), encoding="utf-8")
            with contextlib.suppress(OSError):  # another page may have stored the same training
                partial.rename(stored)
            return lines, code
        shutil.copytree(stored / "files", folder, dirs_exist_ok=True)
        return json.loads((stored / "output.json").read_text(encoding="utf-8")), 0

    def _run_session(self, command: Command) -> tuple[list[str], int]:
        """Type the lines after `> ` of the page at a terminal."""
        import pexpect

        child = pexpect.spawn(
            "bash",
            ["-c", command.source],
            cwd=str(self._outcome.folder),
            env={**self._environment, "NO_COLOR": "1", "COLUMNS": str(COLUMNS)},
            encoding="utf-8",
            dimensions=(ROWS, 400),  # wide, so that typed lines do not scroll
            timeout=60,
        )
        child.logfile_read = seen = io.StringIO()
        prompt = r"(?:^|\n)(?:\x1b\[[0-9;?]*[a-zA-Z])*> "
        for line in (line for line in command.expected if line.startswith(">")):
            child.expect(prompt)
            child.sendline(line.removeprefix(">").removeprefix(" "))
            time.sleep(0.2)  # lines that arrive together are one text
        child.expect(prompt)
        child.sendeof()
        child.expect(pexpect.EOF)
        child.close()
        lines = clean(seen.getvalue())
        while lines and lines[-1] in ("", ">"):
            lines.pop()
        return lines, child.exitstatus or 0

    def _run_python(self, source: str) -> list[str]:
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, __file__, "--python"],
                cwd=self._outcome.folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        assert self._python.stdin is not None and self._python.stdout is not None
        self._python.stdin.write(json.dumps(source) + "\n")
        self._python.stdin.flush()
        return clean(json.loads(self._python.stdout.readline()))


def serve_python() -> None:
    """Run the examples that come in as lines of JSON, and answer each with what it printed."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    names: dict[str, Any] = {"__name__": "__main__"}
    for line in sys.stdin:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            try:
                exec(compile(json.loads(line), "<page>", "single"), names)
            except Exception as error:
                printed.write("Traceback (most recent call last):\n    ...\n")
                printed.write("".join(traceback.format_exception_only(error)))
        answers.write(json.dumps(printed.getvalue()) + "\n")
        answers.flush()


def check_page(page: Page, others: dict[str, Future[Outcome]], bin_: Path, machine: str, known: bool) -> Outcome:
    """Run a page and compare its output."""
    outcome = Outcome(BUILD / "pages" / page.name)
    shutil.rmtree(outcome.folder, ignore_errors=True)
    outcome.folder.mkdir(parents=True)
    for used in page.uses:
        other = others[used].result()
        outcome.trained |= other.trained
        shutil.copytree(other.folder, outcome.folder, dirs_exist_ok=True)
    if any("data/" in command.source for command in page.commands) and not (outcome.folder / "data").exists():
        tracked = subprocess.run(["git", "ls-files", "data"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
        (outcome.folder / "data").mkdir()
        for name in tracked.stdout.split():
            shutil.copy2(ROOT / name, outcome.folder / name)
    before, start = set(digests(outcome.folder)), time.monotonic()
    runner = Runner(page, outcome, bin_, machine)
    try:
        for index, command in enumerate(page.commands):
            lines, code = runner.run(command)
            outcome.trained |= bool(re.search(r"charlstm(\.| )train\b", command.source))
            where = f"{page.name}:{command.first}: {command.source.splitlines()[0]}"
            if code != command.exit_code or (raised(lines) and not raised(command.expected)):
                told = "\n".join(f"    {line}" for line in lines)
                outcome.faults.append(f"{where}\n  failed: exit code {code}, not {command.exit_code}\n{told}")
            elif outcome.trained and not known and "--model rooms" not in command.source:
                outcome.not_compared += 1
            elif not (matches(command.expected, lines) or (not known and alike(command.expected, lines))):
                shown = "\n".join(f"  - {line}" for line in command.expected)
                told = "\n".join(f"  + {line}" for line in lines)
                outcome.faults.append(f"{where}\n{shown}\n{told}")
                outcome.fresh[index] = lines
            else:
                outcome.compared += 1
    finally:
        runner.close()
    created = {top_level(name) for name in set(digests(outcome.folder)) - before}
    if created != page.creates:
        for name in sorted(created - page.creates):
            outcome.faults.append(f"{page.name}: its commands write {name}, which it does not declare")
        for name in sorted(page.creates - created):
            outcome.faults.append(f"{page.name}: it declares {name}, which its commands do not write")
    outcome.seconds = time.monotonic() - start
    return outcome


def raised(lines: list[str]) -> bool:
    """Say whether an output is that of an exception in Python."""
    return bool(lines) and lines[0].startswith("Traceback ")


def top_level(name: str) -> str:
    """Return the file or the folder of a folder that a page created; below data/, the name there."""
    parts = name.split("/")
    depth = 2 if parts[0] == "data" else 1
    return "/".join(parts[:depth]) + ("/" if len(parts) > depth else "")


def renew(page: Page, fresh: dict[int, list[str]]) -> None:
    """Write output into a page; a page that shows it already is not written."""
    if not fresh:
        return
    for index, command in reversed(list(enumerate(page.commands))):
        lines = fresh.get(index)
        if lines is not None:
            end = command.first + len(command.expected)
            page.lines[command.first : end] = shorten(command.expected, lines)
    page.path.write_text("\n".join(page.lines), encoding="utf-8")


def digest(*texts: str) -> str:
    """Return a short digest of texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:24]


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file in a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def package_digest() -> str:
    """Return a digest of the part of the package on which training depends."""
    package = ROOT / "charlstm"
    sources = [path for path in sorted(package.rglob("*.py")) if not NOT_A_RESULT & set(path.parts)]
    return digest(*(path.read_text(encoding="utf-8") for path in sources))


def describe_machine() -> dict[str, str]:
    """Return what the bits of a trained model depend on besides charlstm."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from pydoc_data.topics import topics

    import numpy as np

    rng = np.random.default_rng(0)
    bits = hashlib.sha256()
    for rows, columns in ((1, 64), (32, 128), (14, 192), (64, 256)):
        x = rng.standard_normal((rows, columns), dtype=np.float32)
        w = rng.standard_normal((columns, 4 * columns), dtype=np.float32)
        z = x @ w
        for array in (z, x.T @ z, np.tanh(z / 20), np.exp(-np.abs(z))):
            bits.update(array.tobytes())
    return {
        "numpy": np.__version__,
        "arithmetic": bits.hexdigest()[:16],
        "cores": str(os.cpu_count()),
        "manual": digest(*topics.values()),  # the text of the first tutorial comes with Python
    }


def write_programs(folder: Path) -> Path:
    """Write the programs `charlstm` and `python`, which run this checkout with this Python."""
    folder.mkdir(parents=True, exist_ok=True)
    entry = folder / "entry" / "charlstm"  # click shows the name of this file as that of the program
    entry.parent.mkdir(exist_ok=True)
    entry.write_text("from charlstm.__main__ import main\n\nmain()\n")
    for name, words in (("charlstm", f'"{sys.executable}" "{entry}"'), ("python", f'"{sys.executable}"')):
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        path.chmod(0o755)
    return folder


def order(pages: list[Page]) -> list[Page]:
    """Return pages in an order in which each comes after those that it uses."""
    by_name = {page.name: page for page in pages}
    ordered: dict[str, Page] = {}
    for page in pages:
        for name in [*reversed(list(all_uses(page, by_name))), page.name]:
            ordered.setdefault(name, by_name[name])
    return list(ordered.values())


def main() -> int:
    """Check the pages; return the exit code."""
    parser = argparse.ArgumentParser(description="Run every command of the documentation and compare its output.")
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--renew", action="store_true")
    parser.add_argument("--python", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.python:
        serve_python()
        return 0
    try:
        every = [read_page(path) for path in list_pages()]
        faults = list(check_names(every))
    except PageError as error:
        sys.exit(str(error))
    wanted = {path.resolve().relative_to(ROOT).as_posix() for path in arguments.pages}
    by_name = {page.name: page for page in every}
    if wanted - set(by_name):
        sys.exit(f"no page: {', '.join(sorted(wanted - set(by_name)))}")
    chosen = wanted.union(*(all_uses(by_name[name], by_name) for name in wanted)) if wanted else set(by_name)
    machine = describe_machine()
    known = MACHINE.exists() and json.loads(MACHINE.read_text(encoding="utf-8")) == machine
    bin_ = write_programs(BUILD / "bin")
    outcomes: dict[str, Future[Outcome]] = {}
    with ThreadPoolExecutor(2) as pool:
        for page in order([page for page in every if page.name in chosen]):
            args = (page, outcomes, bin_, json.dumps(machine), known or arguments.renew)
            outcomes[page.name] = pool.submit(check_page, *args)
    for name, future in outcomes.items():
        outcome = future.result()
        if by_name[name].commands:
            print(f"{outcome.seconds:6.1f} s  {len(by_name[name].commands):3} commands  {name}")
        if arguments.renew and (not wanted or name in wanted):
            renew(by_name[name], outcome.fresh)
            outcome.faults = [fault for fault in outcome.faults if "\n  + " not in fault]
        faults += outcome.faults
    if arguments.renew:
        MACHINE.write_text(json.dumps(machine, indent=2) + "\n", encoding="utf-8")
    print("\n".join(faults))
    compared = sum(future.result().compared for future in outcomes.values())
    skipped = sum(future.result().not_compared for future in outcomes.values())
    if skipped:
        print("docs/machine.json is of another machine: outputs were compared without their numbers,")
        print(f"and {skipped} outputs of models that were trained here were not compared")
    print(f"{len(outcomes)} pages, {compared} outputs as shown, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
