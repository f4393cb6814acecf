"""Take the pictures of the documentation: the page in a browser, and a terminal.

    python docs/make_pictures.py

It needs Chromium, and playwright from the extra `test`. Each picture is smaller than 150 kB.
"""

from __future__ import annotations

import html
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

PICTURES = Path(__file__).resolve().parent / "pictures"
STORY = "mady and monica walk in to the room together, later richard walks in to the room. mady said hi to richard."
COMMANDS = (
    'charlstm inspect --model rooms --view cell "mady walks in. monica walks in. mady said hi to monica."',
    'charlstm inspect --model rooms --most-active 2 --show f,c "mady said hi"',
)
COLUMNS = 80
LARGEST = 150_000  # bytes
# The colours of a terminal with a dark background.
BACKGROUND, TEXT, PROMPT = "#16181d", "#d8dbe2", "#8ec07c"
BASIC = ("#000000", "#cc3333", "#33aa33", "#bbaa33", "#4477cc", "#aa55aa", "#44aaaa", "#cccccc")


def main() -> None:
    """Take every picture."""
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = Path(folder) / "page.html"
        run(f'charlstm inspect --model rooms --format html -o {page} "{STORY}"')
        take_page(browser, page, "page", "light")
        take_page(browser, page, "page-dark", "dark")
        take_terminal(browser)
        browser.close()
    for picture in sorted(PICTURES.glob("*.png")):
        size = picture.stat().st_size
        print(f"{picture.name:16} {size:7,} bytes")
        if size >= LARGEST:
            sys.exit(f"{picture.name} has {size:,} bytes; at most {LARGEST:,} are allowed")


def find_chromium() -> str:
    """Return the path of Chromium, or end with a message."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    return path or sys.exit("there is no Chromium; install it first")


def take_page(browser: Browser, page: Path, name: str, scheme: str) -> None:
    """Take the first screen of the live tab, in a light or dark colour scheme."""
    tab = browser.new_page(viewport={"width": 1200, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    tab.goto(page.as_uri())
    tab.wait_for_timeout(3000)  # until the network has read the text, and the predictions are drawn
    tab.screenshot(path=PICTURES / f"{name}.png")
    tab.close()


def take_terminal(browser: Browser) -> None:
    """Take a terminal in which the commands have been run."""
    lines = []
    for command in COMMANDS:
        lines += [f'<span style="color:{PROMPT}">$</span> {html.escape(command)}', to_html(run(command)), ""]
    tab = browser.new_page(viewport={"width": 900, "height": 300}, device_scale_factor=1.25)
    tab.set_content(
        f'<pre style="display:inline-block;margin:0;padding:14px 18px;background:{BACKGROUND};color:{TEXT};'
        f"font:14px/1.35 'DejaVu Sans Mono',monospace;white-space:pre-wrap;width:{COLUMNS + 2}ch\">"
        + "\n".join(lines).rstrip()
        + "</pre>"
    )
    tab.locator("pre").screenshot(path=PICTURES / "terminal.png")
    tab.close()


def to_html(output: str) -> str:
    """Return output with its colours as HTML; the commands use SGR sequences only."""
    parts, style = [], {}
    for piece in re.split(r"(\x1b\[[0-9;]*m)", output.rstrip("\n")):
        if not piece.startswith("\x1b"):
            css = ";".join(f"{key}:{value}" for key, value in style.items())
            parts.append(f'<span style="{css}">{html.escape(piece)}</span>' if css else html.escape(piece))
            continue
        numbers = [int(number or 0) for number in piece[2:-1].split(";")]
        while numbers:
            code = numbers.pop(0)
            if code in (38, 48):
                kind = numbers.pop(0)
                colour = indexed(numbers.pop(0)) if kind == 5 else "rgb({},{},{})".format(*numbers[:3])
                numbers = numbers if kind == 5 else numbers[3:]
                style["color" if code == 38 else "background"] = colour
            elif code == 0:
                style = {}
            elif code == 1:
                style["font-weight"] = "bold"
            elif code == 2:
                style["opacity"] = "0.7"
            elif code == 22:
                style.pop("font-weight", None)
                style.pop("opacity", None)
            elif code == 39:
                style.pop("color", None)
            elif code == 49:
                style.pop("background", None)
            elif 30 <= code <= 37:
                style["color"] = BASIC[code - 30]
            elif 40 <= code <= 47:
                style["background"] = BASIC[code - 40]
            else:
                raise ValueError(f"no colour for {piece!r}")
    return "".join(parts)


def indexed(number: int) -> str:
    """Return a colour of the 256 as CSS."""
    if number < 16:
        return BASIC[number % 8]
    if number >= 232:
        return "rgb({0},{0},{0})".format(8 + 10 * (number - 232))
    levels = (0, 95, 135, 175, 215, 255)
    number -= 16
    return f"rgb({levels[number // 36]},{levels[number // 6 % 6]},{levels[number % 6]})"


def run(command: str) -> str:
    """Run a command of charlstm as in a terminal with all colours, and return its output."""
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "COLORTERM": "truecolor"}
    environment.pop("NO_COLOR", None)
    words = [sys.executable, "-m", *shlex.split(command)]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, env=environment).stdout.decode()


if __name__ == "__main__":
    main()
