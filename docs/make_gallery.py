"""Write docs/gallery.md: what the views show of two trained models, and what was found in them.

    python docs/make_gallery.py FOLDER

FOLDER keeps the models; one that is not there is trained first, which takes some minutes. One has learnt the stories of
data/rooms.txt, the other the source code of Python's standard library. The second is judged on what comes
after that, which it has not read.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "gallery.md"
CHARACTERS, UNREAD_CHARACTERS = 2_000_000, 200_000
WIDTH = 80
SENTENCE = 110

KEEPS = "mady walks in to the room, monica also walks in to the room. mady said hi to"
LETS_GO = "mady and monica walk in to the room together, later richard walks in to the room. mady said hi to"
LONG = "unread.txt"
SNIPPET = (
    '    """Return the source of a file."""\n    for name in ("first.py", "second.py"):  # both\n        read(name)\n'
)
# What a reader of Python would ask: a name, and a pattern for `--match`.
ASKED = {
    "inside a string": r"(?s)\"\"\".*?\"\"\"|\"[^\"\n]*\"|'[^'\n]*'",
    "inside a docstring": r'(?s)""".*?"""',
    "inside a comment": r"#[^\n]*",
    "in the indentation": r"(?m)^ +",
    "inside brackets": None,
    "since newline": None,
    "position in line": None,
    "upper case": None,
}


def main(folder: Path) -> None:
    """Train what is missing, run every command of the page, and write it."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    write_texts()
    demo = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("DEMO_OPTIONS"))
    recipe = demo.partition(":=")[2].strip()
    learnt = {
        "rooms.npz": f"charlstm train {ROOT}/data/rooms.txt {recipe} -m rooms.npz",
        "python.npz": "charlstm train python.txt -m python.npz",
    }
    for model, command in learnt.items():
        if not Path(model).exists():
            subprocess.run(words(command), check=True)
    PAGE.write_text("\n".join(page({k: v.replace(f"{ROOT}/", "") for k, v in learnt.items()})) + "\n", encoding="utf-8")


def write_texts() -> None:
    """Write source code of the standard library: what is learnt, and what comes after it, without other characters."""
    library = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    text = "".join(file.read_text("utf-8", "replace") for file in library)
    learnt, after = text[:CHARACTERS], text[CHARACTERS:]
    known = set(learnt)
    Path("python.txt").write_text(learnt, encoding="utf-8")
    Path(LONG).write_text("".join(c for c in after if c in known)[:UNREAD_CHARACTERS], encoding="utf-8")


def page(learnt: dict[str, str]) -> Iterator[str]:
    """Yield the paragraphs of the page."""
    yield "# What is seen inside two models\n"
    yield wrapped(
        "Written by `make gallery`, which trains both models where they are missing, runs every command below and tells"
        " what came out, whatever it was. One model has learnt the stories of `data/rooms.txt`; the other two million"
        " characters of source code of Python's standard library. The second is asked about the"
        f" {UNREAD_CHARACTERS:,} characters that come after those, in `{LONG}`, which it has not read."
    )
    for command in learnt.values():
        yield block([command])
    yield from stories()
    yield from source()


def stories() -> Iterator[str]:
    """Yield what is found in the model of the stories."""
    yield "## A memory that keeps monica until richard walks in\n"
    room = LETS_GO.partition(" mady said")[0] + " "
    yield shown(
        f'charlstm inspect -m rooms.npz --view memory --ask "mady said hi to" --answer " monica." --answer " richard."'
        f' "{room}"',
        until="units",
    )
    yield "## What made it say so\n"
    for story, name in ((KEEPS, " monica"), (LETS_GO, " richard")):
        command = f'charlstm inspect -m rooms.npz --view why --target "{name}" "{story}"'
        yield shown(command)
    yield "## Which units carry it\n"
    yield shown(f'charlstm inspect -m rooms.npz --view patch "{LETS_GO} "')
    yield "## The memory of another story\n"
    swap = KEEPS.replace("monica", "richard").partition(" mady said")[0]
    yield shown(f'charlstm inspect -m rooms.npz --view patch --swap-memory "{swap}" --at 60 "{KEEPS}"')


def source() -> Iterator[str]:
    """Yield what is found in the model of the source code."""
    yield "## Which unit tracks what in source code\n"
    yield wrapped(
        "A score is the area under the ROC curve where the question is yes or no, and a rank correlation otherwise."
        " *Chance* is what the best of all units reaches by luck in one of twenty cases."
    )
    rows, best = [], {}
    for name, pattern in ASKED.items():
        asked = f"--question {shlex.quote(name)}" if pattern is None else f"--match {shlex.quote(pattern)}"
        command = f"charlstm inspect -m python.npz --view units {asked} --file {LONG}"
        unit, score, chance, beyond = first(json.loads(output(f"{command} --format json")))
        verdict = f"unit {unit}" if beyond == "yes" else "none beats chance"
        rows.append(f"| {name} | {verdict} | {score:.3f} | {chance:.3f} | `{asked.replace('|', chr(92) + '|')}` |")
        if beyond == "yes":
            best[name] = unit
    yield "\n".join(["| question | best unit | score | chance | option |", "|---|---|---|---|---|", *rows]) + "\n"
    yield f"The command of a row is `charlstm inspect -m python.npz --view units … --file {LONG}`.\n"
    yield "## Their memories, on a few lines that nobody has read\n"
    chosen = " ".join(f"--unit {unit}" for unit in dict.fromkeys(best.values()))
    yield shown(f"charlstm inspect -m python.npz --view cell {chosen} {shlex.quote(SNIPPET)}")
    yield "## How often gates are shut or open\n"
    yield shown(f"charlstm inspect -m python.npz --view saturation --file {LONG}")
    yield "## How long what is written stays\n"
    yield shown(f"charlstm inspect -m python.npz --view memory {shlex.quote(SNIPPET)}")


def first(view: dict[str, Any]) -> tuple[str, float, float, str]:
    """Return unit, score, chance and whether it beats chance, of the first row of a ranking."""
    table = next(iter(view.values()))
    row = {name: values[0] for name, values in table.items()}
    return row["unit"], row.get("ROC area", row.get("correlation")), row["chance"], row["beats chance"]


def shown(command: str, until: str | None = None) -> str:
    """Return a command and what it prints, up to the part of that name."""
    lines = output(command).splitlines()
    if until in lines:
        lines = lines[: lines.index(until)]
    return block([f"$ {command}", *lines])


def block(lines: list[str]) -> str:
    """Return lines as they stand, in Markdown."""
    return "\n".join(["```", *(line.rstrip() for line in lines), "```", ""])


def wrapped(text: str) -> str:
    """Return a paragraph."""
    return textwrap.fill(text, SENTENCE, break_long_words=False, break_on_hyphens=False) + "\n"


def output(command: str) -> str:
    """Run a command of charlstm and return what it prints, 80 columns wide."""
    done = subprocess.run(words(command), check=True, stdout=subprocess.PIPE, env=os.environ | {"COLUMNS": str(WIDTH)})
    return done.stdout.decode()


def words(command: str) -> list[str]:
    """Return the words of a command, charlstm being the one of this Python."""
    return [sys.executable, "-m", *shlex.split(command)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
