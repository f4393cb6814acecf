"""Write docs/gallery.md: the views of two trained models.

    python docs/make_gallery.py FOLDER

FOLDER holds the models. The script trains a model that is missing, which takes some minutes. The training text of the
first model is data/rooms.txt; that of the second is source code of Python's standard library. The second model is
tested on source code that follows its training text.
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
CHARACTERS, TEST_CHARACTERS = 2_000_000, 200_000
WIDTH = 80
PROSE_WIDTH = 110

MONICA_STORY = "mady walks in to the room, monica also walks in to the room. mady said hi to"
RICHARD_STORY = "mady and monica walk in to the room together, later richard walks in to the room. mady said hi to"
TEST = "test.txt"
SNIPPET = (
    '    """Return the source of a file."""\n    for name in ("first.py", "second.py"):  # both\n        read(name)\n'
)
# Questions about source code: a name, and a pattern for `--match` or None for a built-in question.
QUESTIONS = {
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
    """Train the missing models, run every command of the page, and write the page."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    write_texts()
    demo = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("DEMO_OPTIONS"))
    recipe = demo.partition(":=")[2].strip()
    commands = {
        "rooms.npz": f"charlstm train {ROOT}/data/rooms.txt {recipe} -m rooms.npz",
        "python.npz": "charlstm train python.txt -m python.npz",
    }
    for model, command in commands.items():
        if not Path(model).exists():
            subprocess.run(arguments_of(command), check=True)
    PAGE.write_text(
        "\n".join(compose_page({k: v.replace(f"{ROOT}/", "") for k, v in commands.items()})) + "\n", encoding="utf-8"
    )


def write_texts() -> None:
    """Write source code of the standard library as training text and test text.

    The test text follows the training text and has only characters of it.
    """
    library = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    text = "".join(file.read_text("utf-8", "replace") for file in library)
    training, after = text[:CHARACTERS], text[CHARACTERS:]
    known = set(training)
    Path("python.txt").write_text(training, encoding="utf-8")
    Path(TEST).write_text("".join(c for c in after if c in known)[:TEST_CHARACTERS], encoding="utf-8")


def compose_page(commands: dict[str, str]) -> Iterator[str]:
    """Yield the paragraphs of the page, given the training commands of the models."""
    yield "# The views of two models\n"
    yield wrap(
        "`make gallery` writes this page. It trains both models if they are missing, and it runs every command below."
        " One model is trained on the stories of `data/rooms.txt`. The other is trained on two million characters of"
        f" source code from Python's standard library and tested on the next {TEST_CHARACTERS:,} characters, `{TEST}`."
    )
    for command in commands.values():
        yield quote([command])
    yield from describe_stories()
    yield from describe_source()


def describe_stories() -> Iterator[str]:
    """Yield the views of the model of the stories."""
    yield "## The most probable name after each character\n"
    walking = RICHARD_STORY.partition(" mady said")[0] + " "
    yield quote_output(
        f'charlstm inspect -m rooms.npz --view memory --ask "mady said hi to" --answer " monica." --answer " richard."'
        f' "{walking}"',
        until="half-lives in characters",
    )
    yield "## The influence of each character and word\n"
    for story, name in ((MONICA_STORY, " monica"), (RICHARD_STORY, " richard")):
        command = f'charlstm inspect -m rooms.npz --view why --target "{name}" "{story}"'
        yield quote_output(command)
    yield "## The effect of ablating each unit\n"
    yield quote_output(f'charlstm inspect -m rooms.npz --view patch "{RICHARD_STORY} "')
    yield "## The effect of the cell state of another story\n"
    swap = MONICA_STORY.replace("monica", "richard").partition(" mady said")[0]
    yield quote_output(f'charlstm inspect -m rooms.npz --view patch --swap-memory "{swap}" --at 60 "{MONICA_STORY}"')


def describe_source() -> Iterator[str]:
    """Yield the views of the model of the source code."""
    yield "## The best unit for each question about source code\n"
    yield wrap(
        "The score is the area under the ROC curve for a yes-or-no question, and the rank correlation for a numeric"
        " one. The threshold is the 95th percentile of the best unit's score under shifted labels. Lower scores are not"
        " significant."
    )
    rows, best = [], {}
    for name, pattern in QUESTIONS.items():
        asked = f"--question {shlex.quote(name)}" if pattern is None else f"--match {shlex.quote(pattern)}"
        command = f"charlstm inspect -m python.npz --view units {asked} --file {TEST}"
        unit, score, threshold, significant = first_row(json.loads(run(f"{command} --format json")))
        verdict = f"unit {unit}" if significant == "yes" else "not significant"
        rows.append(f"| {name} | {verdict} | {score:.3f} | {threshold:.3f} | `{asked.replace('|', chr(92) + '|')}` |")
        if significant == "yes":
            best[name] = unit
    yield "\n".join(["| question | best unit | score | threshold | option |", "|---|---|---|---|---|", *rows]) + "\n"
    yield f"The command of each row is `charlstm inspect -m python.npz --view units … --file {TEST}`.\n"
    yield "## The memory of these units on a short text\n"
    chosen = " ".join(f"--unit {unit}" for unit in dict.fromkeys(best.values()))
    yield quote_output(f"charlstm inspect -m python.npz --view cell {chosen} {shlex.quote(SNIPPET)}")
    yield "## How often gates are closed or open\n"
    yield quote_output(f"charlstm inspect -m python.npz --view saturation --file {TEST}")
    yield "## How long units keep what they write\n"
    yield quote_output(f"charlstm inspect -m python.npz --view memory {shlex.quote(SNIPPET)}")


def first_row(view: dict[str, Any]) -> tuple[str, float, float, str]:
    """Return unit, score, threshold and significance of the first row of a ranking."""
    table = next(iter(view.values()))
    row = {name: values[0] for name, values in table.items()}
    return row["unit"], row.get("ROC AUC", row.get("correlation")), row["threshold"], row["significant"]


def quote_output(command: str, until: str | None = None) -> str:
    """Return a command and its output, up to the part with the given title."""
    lines = run(command).splitlines()
    if until is not None:
        lines = lines[: lines.index(until) - 1]  # without the blank line before the part
    return quote([f"$ {command}", *lines])


def quote(lines: list[str]) -> str:
    """Return lines as a code block in Markdown."""
    return "\n".join(["```", *(line.rstrip() for line in lines), "```", ""])


def wrap(text: str) -> str:
    """Return a text as a paragraph of the page's width."""
    return textwrap.fill(text, PROSE_WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"


def run(command: str) -> str:
    """Run a charlstm command and return its output, 80 columns wide."""
    done = subprocess.run(
        arguments_of(command), check=True, stdout=subprocess.PIPE, env=os.environ | {"COLUMNS": str(WIDTH)}
    )
    return done.stdout.decode()


def arguments_of(command: str) -> list[str]:
    """Return a charlstm command as arguments of a process that runs this Python."""
    return [sys.executable, "-m", *shlex.split(command)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
