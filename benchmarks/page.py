"""The live page in a browser: its size, the speed of its network, and how fast it answers.

    python benchmarks/page.py [HIDDEN CHARACTERS]...

Needs playwright and Chromium. The variable CHROMIUM names the browser; the default is /usr/bin/chromium. The network is
untrained and the text random. For each size it prints

    page, model     size of the page and of the model file in MB
    opened          seconds until the first screen shows the character at which the page opens
    read            characters a second that the network reads while the page opens
    end, middle     ms from typing a character, at the end and in the middle, until it is drawn with its prediction
    blocked         longest task in ms during each of: opening and reading; typing
    frame           median and longest of 30 steps of zooming and 30 of panning the heat map, in ms
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from playwright.sync_api import Page, sync_playwright

from charlstm.base.config import TrainingConfig
from charlstm.inspection.registry import Subject
from charlstm.model import checkpoint
from charlstm.model.model import Model
from charlstm.network.config import NetworkConfig
from charlstm.network.network import Network
from charlstm.render import page
from charlstm.text.facts import CorpusFacts
from charlstm.text.vocabulary import Vocabulary

SIZES = ((192, 2000), (512, 2000), (512, 5000))
CHARACTERS = "\n ,.abcdefghijklmnopqrstuvwxyz"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
KEYS = 9
WATCH = """
  window.tasks = [];
  new PerformanceObserver((list) => tasks.push(...list.getEntries().map((one) => one.duration)))
    .observe({ type: "longtask", buffered: true });
"""
READ = """async () => {
  while (document.documentElement.dataset.read !== "yes") await new Promise((resolve) => setTimeout(resolve, 5));
  return performance.now();
}"""
# Type at a place; return the ms until the character is in the strip, its prediction is shown, and a frame is drawn.
TYPE = """async (place) => {
  const field = document.getElementById("typed");
  const took = [];
  for (let k = 0; k < KEYS; k++) {
    const n = place < 0 ? field.value.length : place + k;
    const begin = performance.now();
    field.value = field.value.slice(0, n) + "abcdefghi"[k] + field.value.slice(n);
    field.dispatchEvent(new Event("input"));
    while (!document.getElementById("place").textContent.startsWith(`character ${n} of`)) await frame();
    await frame();
    took.push(performance.now() - begin);
    while (document.documentElement.dataset.read !== "yes") await frame();
  }
  return took;
  function frame() { return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))); }
}""".replace("KEYS", str(KEYS))
FRAMES = """async () => {
  const took = [], draw = HeatMap.prototype.drawNow, canvas = document.getElementById("map");
  HeatMap.prototype.drawNow = function () {
    const begin = performance.now();
    draw.call(this);
    this.context.getImageData(0, 0, 1, 1);
    took.push(performance.now() - begin);
  };
  const { left, top } = canvas.getBoundingClientRect();
  const at = (x) => ({ clientX: left + x, clientY: top + 100, pointerId: 1, ctrlKey: true });
  canvas.setPointerCapture = () => {};
  for (let k = 0; k < 60; k++) {
    if (k === 30) canvas.dispatchEvent(new PointerEvent("pointerdown", at(600)));
    if (k < 30) canvas.dispatchEvent(new WheelEvent("wheel", { ...at(600), deltaY: k < 20 ? -60 : 40 }));
    else canvas.dispatchEvent(new PointerEvent("pointermove", at(600 - 15 * (k - 29))));
    await new Promise(requestAnimationFrame);
  }
  return took;
}"""


def build_model(hidden: int) -> Model:
    """Return a fresh network as a model."""
    vocabulary = Vocabulary(np.array(sorted(map(ord, CHARACTERS))))
    network = Network(NetworkConfig(hidden=hidden), len(vocabulary))
    network.initialise(0)
    return Model(network, vocabulary, TrainingConfig(steps=0), CorpusFacts((), 0, 0, ""))


def measure(tab: Page, path: Path, characters: int) -> dict[str, Any]:
    """Open a page and return what it takes."""
    tab.add_init_script(WATCH)
    tab.goto(path.as_uri())
    tab.wait_for_selector("html[data-ready=yes]", timeout=60_000)
    opened = tab.evaluate("Number(document.documentElement.dataset.opened)")
    read = tab.evaluate(READ)
    blocked = [max(tab.evaluate("tasks"), default=0.0)]
    tab.evaluate("void (tasks.length = 0)")
    end, middle = (np.median(tab.evaluate(TYPE, place)) for place in (-1, characters // 2))
    blocked.append(max(tab.evaluate("tasks"), default=0.0))
    frames = np.array(tab.evaluate(FRAMES))
    return {
        "opened": opened / 1000,
        "read": characters / (read - opened) * 1000,
        "end": end,
        "middle": middle,
        "blocked": blocked,
        "frames": frames,
    }


def main(sizes: tuple[tuple[int, int], ...]) -> None:
    """Measure and print a line a size."""
    print(
        f"{'units × characters':>20} {'page':>6} {'model':>6} {'built':>6} {'opened':>7} {'read':>7} {'end':>5}"
        f" {'middle':>6} {'blocked':>9} {'frame':>11}"
    )
    rng = np.random.default_rng(0)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=ARGUMENTS
        )
        for hidden, characters in sizes:
            model, path = build_model(hidden), Path(folder, "page.html")
            checkpoint.save(model, Path(folder, "model.npz"))
            begin = time.perf_counter()
            path.write_text(page.build_page(Subject(model, "".join(rng.choice(list(CHARACTERS), characters)))))
            built = time.perf_counter() - begin
            tab = browser.new_page(viewport={"width": 1400, "height": 900})
            found = measure(tab, path, characters)
            sizes_mb = [Path(folder, name).stat().st_size / 1e6 for name in ("page.html", "model.npz")]
            print(
                f"{f'{hidden} × {characters:,}':>20} {sizes_mb[0]:6.2f} {sizes_mb[1]:6.2f} {built:5.1f}s"
                f" {found['opened']:6.2f}s {found['read']:7,.0f} {found['end']:5.0f} {found['middle']:6.0f}"
                f" {found['blocked'][0]:4.0f} {found['blocked'][1]:4.0f}"
                f" {np.median(found['frames']):5.1f} {found['frames'].max():5.1f}"
            )
            tab.close()
        browser.close()


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(tuple(zip(numbers[::2], numbers[1::2], strict=True)) or SIZES)
