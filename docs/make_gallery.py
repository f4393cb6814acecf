"""Write docs/gallery.md: the views of two trained models.

    python docs/make_gallery.py FOLDER

The first model is `rooms`, which is part of charlstm. FOLDER holds the second one; the script trains it if it is
missing, which takes some minutes. Its training text is source code of Python's standard library. It is tested on source
code that follows its training text.
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
MODEL = "python.npz"
TRAINING = f"charlstm train python.txt -m {MODEL}"
SNIPPET = (
    '    """Return the source of a file."""\n    for name in ("first.py", "second.py"):  # both\n        read(name)\n'
)
LIVE_PAGES = """\
## Live pages

Pages of two models, which run in your browser. `make docs` writes them.

- <a href="live/rooms.html">Who is in the room</a>: the model `rooms`.
- <a href="live/manual.html">The manual of Python</a>: the model of [the first lesson](tutorial/first-text.md).

![The live page at the character before a name](pictures/page.png)

![The heat map of all units, dark](pictures/page-dark.png)

![Single units in a terminal](pictures/terminal.png)
"""
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
    if not Path(MODEL).exists():
        subprocess.run(arguments_of(TRAINING), check=True)
    PAGE.write_text("\n".join(compose_page()) + "\n", encoding="utf-8")


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


def compose_page() -> Iterator[str]:
    """Yield the paragraphs of the page."""
    yield "# Gallery: the views of two models\n"
    yield f"<!-- names: python.txt {MODEL} {TEST} -->\n"
    yield wrap(
        "One model is `rooms`, which is part of charlstm. The other is trained on two million characters of source code"
        f" from Python's standard library and tested on the next {TEST_CHARACTERS:,} characters, `{TEST}`."
        " `make gallery` writes this page: it runs every command below, and trains the second model if it is missing."
    )
    yield quote([f"$ {TRAINING}"], "console slow")
    yield LIVE_PAGES
    yield from describe_stories()
    yield from describe_source()


def describe_stories() -> Iterator[str]:
    """Yield the views of the model of the stories."""
    yield "## The most probable name after each character\n"
    walking = RICHARD_STORY.partition(" mady said")[0] + " "
    yield quote_output(
        f'charlstm inspect --model rooms --view memory --ask "mady said hi to" --answer " monica." --answer " richard."'
        f' "{walking}"',
        until="half-lives in characters",
    )
    yield "## The influence of each character and word\n"
    for story, name in ((MONICA_STORY, " monica"), (RICHARD_STORY, " richard")):
        command = f'charlstm inspect --model rooms --view why --target "{name}" "{story}"'
        yield quote_output(command)
    yield "## The effect of ablating each unit\n"
    yield quote_output(f'charlstm inspect --model rooms --view patch "{RICHARD_STORY} "')
    yield "## The effect of the cell state of another story\n"
    swap = MONICA_STORY.replace("monica", "richard").partition(" mady said")[0]
    yield quote_output(f'charlstm inspect --model rooms --view patch --swap-memory "{swap}" --at 60 "{MONICA_STORY}"')


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
        lines = [*lines[: lines.index(until)], "…"]
    typed = f"$ {command}".replace("\n", "\n> ").split("\n")
    return quote([*typed, *lines], "console slow" if MODEL in command else "console")


def quote(lines: list[str], language: str) -> str:
    """Return lines as a code block in Markdown."""
    return "\n".join([f"```{language}", *(line.rstrip() for line in lines), "```", ""])


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
