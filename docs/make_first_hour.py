"""Write docs/explanation/first-hour.md: what a new user does in the first hour, with times and pictures.

    python docs/make_first_hour.py

The script starts from an empty folder: it clones this repository, sets charlstm up as README.md says, and does four
tasks in a terminal, one command after the other. It needs tmux, Chromium, and playwright from the extra `test`.
Commands that show something run again in a larger terminal; pages are opened in a browser.
"""

from __future__ import annotations

import html
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from make_pictures import LARGEST, find_chromium, to_html
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "explanation" / "first-hour.md"
PICTURES = ROOT / "docs" / "pictures" / "first-hour"
SMALL, LARGE = (80, 24), (120, 40)
THEMES = {"dark": ("#16181d", "#d8dbe2"), "light": ("#ffffff", "#1d2127")}
TMUX = ("tmux", "-L", "first-hour")
LONGEST = 600.0  # seconds for one command
CELL = "mady walks in. monica walks in. mady said hi to monica."
STORY = "mady and monica walk in to the room together, later richard walks in to the room. mady said hi to"


class Step(NamedTuple):
    """One command. `picture` names the picture of what it shows; `page` is the page that it writes."""

    purpose: str
    command: str
    picture: str = ""
    page: str = ""


SET_UP = (
    Step("Clone the repository.", f"git clone --quiet {shlex.quote(str(ROOT))} charlstm"),
    Step("Set up an environment.", "cd charlstm && python3 -m venv .venv && . .venv/bin/activate"),
    Step("Install charlstm.", "pip install --quiet --disable-pip-version-check ."),
    Step("Try the model that comes with it.", 'charlstm sample --model rooms --seed "mady said hi to"'),
)
TASKS = {
    "Names and poems of one's own": (
        Step("Train on a list of names.", "charlstm train data/names.txt --lines -m names.npz"),
        Step("Write ten names.", "charlstm sample -m names.npz --samples 10 --random-seed 1", "names"),
        Step("Write only new ones.", "charlstm sample -m names.npz --samples 10 --distinct --novelty data/names.txt"),
        Step("Make a folder of poems.", "python data/make_rondels.py"),
        Step(
            "Train on the poems, with their mood as label.",
            "charlstm train data/rondels --documents blank-line --label file --hidden 128 --epochs 10 -m poems.npz",
        ),
        Step("Write poems of one mood.", "charlstm sample -m poems.npz --label wild --samples 3", "poems"),
    ),
    "Show a class what gates do": (
        Step("Print the gates at every character.", f'charlstm inspect --model rooms "{CELL}"', "gates"),
        Step(
            "Colour a story by the memory of single units.",
            f'charlstm inspect --model rooms --view cell "{CELL}"',
            "cell",
        ),
        Step(
            "Write the page that runs the network in a browser.",
            f'charlstm inspect --model rooms --format html -o lesson.html "{STORY} richard."',
            page="lesson.html",
        ),
    ),
    "Study what units learn": (
        Step("Take 200 stories as test text.", "head -n 200 data/rooms.txt > scenes.txt"),
        Step(
            "Rank the units by what they track.",
            "charlstm inspect --model rooms --view units --file scenes.txt",
            "units",
        ),
        Step(
            "Find the units that are active over a name.",
            "charlstm inspect --model rooms --view units --file scenes.txt --match monica",
        ),
        Step("Ablate one unit at a time.", f'charlstm inspect --model rooms --view patch "{STORY} "'),
        Step(
            "Ask which words make the prediction.",
            f'charlstm inspect --model rooms --view why --target " richard" "{STORY}"',
            "why",
        ),
        Step("Write the values of all units for a program.", f'charlstm inspect --model rooms "{STORY}" -o values.csv'),
    ),
    "Use it in a script and a notebook": (
        Step(
            "Write a script.",
            "printf '%s\\n' 'import charlstm' "
            '\'model = charlstm.train("data/names.txt", documents="line", steps=500, model="script.npz", force=True)\' '
            "'print(*model.samples(count=5, random_seed=1), sep=\", \")' 'print(model.score(\"anna\\n\"))' > script.py",
        ),
        Step("Run it.", "python script.py", "script"),
        Step("Install what runs notebooks.", "pip install --quiet --disable-pip-version-check nbconvert ipykernel"),
        Step(
            "Run the notebook of the documentation.",
            "jupyter nbconvert --to html --execute docs/guides/notebook.ipynb --output-dir . --log-level ERROR",
            page="notebook.html",
        ),
    ),
}


class Terminal:
    """A terminal of some columns and rows, in which commands are typed."""

    def __init__(self, name: str, size: tuple[int, int], folder: Path) -> None:
        self._name = name
        subprocess.run([*TMUX, "kill-session", "-t", name], check=False, stderr=subprocess.DEVNULL)  # of another run
        columns, rows = map(str, size)
        self._ended = folder / f"{name}.ended"  # the shell writes the exit code of every command
        after = shlex.quote(f"PROMPT_COMMAND=echo $? > {self._ended}")
        shell = f"env -u NO_COLOR COLORTERM=truecolor PS1='$ ' {after} bash --norc --noprofile"
        self._tmux("new-session", "-d", "-s", name, "-x", columns, "-y", rows, "-c", str(folder), shell)
        time.sleep(1.0)

    def _tmux(self, *words: str) -> str:
        return subprocess.run([*TMUX, *words], check=True, stdout=subprocess.PIPE, text=True).stdout

    def type(self, command: str) -> float:
        """Type a command, wait for its end, and return the seconds that it took."""
        self._tmux("send-keys", "-t", self._name, "C-l")
        self._tmux("send-keys", "-t", self._name, "-l", command)
        time.sleep(0.2)
        self._ended.unlink(missing_ok=True)
        start = time.monotonic()
        self._tmux("send-keys", "-t", self._name, "Enter")
        while not (self._ended.exists() and self._ended.read_text()):
            if time.monotonic() > start + LONGEST:
                sys.exit(f"{command} takes more than {LONGEST:g} seconds")
            time.sleep(0.01)
        seconds = time.monotonic() - start
        if self._ended.read_text() != "0\n":
            sys.exit(f"{command} ends with {self._ended.read_text()}:\n{self.read()}")
        time.sleep(0.2)
        return seconds

    def read(self) -> str:
        """Return what is on screen, with its colours."""
        return self._tmux("capture-pane", "-e", "-p", "-t", self._name)

    def end(self) -> None:
        """End all terminals."""
        self._tmux("kill-server")


def main() -> None:
    """Do everything, and write the page and its pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES.glob("*.png"):
        picture.unlink()
    times: dict[Step, float] = {}
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"])
        small = Terminal("small", SMALL, Path(folder))
        for step in SET_UP:
            times[step] = small.type(step.command)
        large = Terminal("large", LARGE, Path(folder))
        large.type(SET_UP[1].command.replace("python3 -m venv .venv && ", ""))
        for steps in TASKS.values():
            for step in steps:
                times[step] = small.type(step.command)
                if step.picture:
                    take(browser, small.read(), SMALL, f"{step.picture}-80-dark", "dark")
                    large.type(step.command)
                    take(browser, large.read(), LARGE, f"{step.picture}-120-light", "light")
                if step.page:
                    open_page(browser, Path(folder) / "charlstm" / step.page)
        browser.close()
        small.end()
    PAGE.write_text("\n".join(compose(times)) + "\n", encoding="utf-8")
    for picture in sorted(PICTURES.glob("*.png")):
        if picture.stat().st_size >= LARGEST:
            sys.exit(f"{picture.name} has {picture.stat().st_size:,} bytes; at most {LARGEST:,} are allowed")


def take(browser: Browser, screen: str, size: tuple[int, int], name: str, theme: str) -> None:
    """Take a picture of a terminal."""
    columns, rows = size
    background, text = THEMES[theme]
    tab = browser.new_page(viewport={"width": 1200, "height": 900})
    tab.set_content(
        f'<pre style="display:inline-block;margin:0;padding:10px;background:{background};color:{text};'
        f"font:12px/1.3 'DejaVu Sans Mono',monospace;width:{columns}ch;height:{rows * 1.3}em;overflow:hidden\">"
        + to_html(screen)
        + "</pre>"
    )
    tab.locator("pre").screenshot(path=PICTURES / f"{name}.png")
    tab.close()


def open_page(browser: Browser, page: Path) -> None:
    """Take the first screen of a page, on a wide screen and a telephone, light and dark."""
    for width, height in ((1200, 800), (400, 800)):
        for theme in ("light", "dark"):
            tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)  # type: ignore[arg-type]
            tab.goto(page.as_uri())
            tab.wait_for_timeout(3000)
            tab.screenshot(path=PICTURES / f"{page.stem}-{width}-{theme}.png")
            tab.close()


def compose(times: dict[Step, float]) -> Iterator[str]:
    """Yield the lines of the page."""
    yield "# The first hour"
    yield ""
    yield "What a new user does, step by step, from an empty folder: the commands, how long each one took, and what was"
    yield "on screen. `python docs/make_first_hour.py` does all of it and writes this page. The pictures show terminals"
    yield "of 80 × 24 and 120 × 40 characters, and pages that are 1,200 and 400 pixels wide. The times include the"
    yield f"downloads of packages. They are from {date.today():%-d %B %Y}, from two cores of an Intel Xeon."
    yield ""
    for title, steps in {"Set up": SET_UP, **TASKS}.items():
        yield f"## {title}"
        yield ""
        yield "| step | command | seconds |"
        yield "|---|---|---|"
        for step in steps:
            command = step.command.replace(str(ROOT), "REPOSITORY").replace("|", "\\|")
            yield f"| {step.purpose} | `{command}` | {times[step]:.1f} |"
        yield f"| | all | {sum(times[step] for step in steps):.0f} |"
        yield ""
        for step in steps:
            for picture in sorted(PICTURES.glob(f"{step.picture or Path(step.page or '-').stem}-*.png")):
                _, size, theme = picture.stem.rsplit("-", 2)
                what = f"a terminal of {size} columns" if step.picture else f"the page {size} pixels wide"
                shown = f"{html.escape(step.purpose.rstrip('.'))}: {what}, {theme}"
                yield f"![{shown}](../pictures/first-hour/{picture.name})"
                yield ""


if __name__ == "__main__":
    main()
