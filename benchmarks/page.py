"""The size of a page, the time to make and to open it, and the time per frame of its heat map.

    python benchmarks/page.py [HIDDEN CHARACTERS]...

Needs playwright and Chromium. The variable CHROMIUM names the browser; the default is /usr/bin/chromium. The network is
untrained and the text random, which compresses least. Frames are 30 steps of zooming and 30 of panning with the mouse;
each is measured from the call that draws it until its pixels can be read.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from playwright.sync_api import sync_playwright

from charlstm.base.config import TrainingConfig
from charlstm.inspection.colouring import view_cell
from charlstm.inspection.gates import view_gates
from charlstm.inspection.saturation import view_saturation
from charlstm.inspection.trace import trace
from charlstm.model.model import Model
from charlstm.network.config import NetworkConfig
from charlstm.network.network import Network
from charlstm.render import page
from charlstm.text.corpus import CorpusFacts
from charlstm.text.vocabulary import Vocabulary

SIZES = ((128, 2000), (512, 5000))
CHARACTERS = "\n ,.abcdefghijklmnopqrstuvwxyz"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
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


def made(hidden: int, characters: int) -> str:
    """Return a page of a fresh network and a random text."""
    rng = np.random.default_rng(0)
    vocabulary = Vocabulary(np.array(sorted(map(ord, CHARACTERS))))
    network = Network(NetworkConfig(hidden=hidden), len(vocabulary))
    network.initialise(0)
    model = Model(network, vocabulary, TrainingConfig(steps=0), CorpusFacts((), 0, 0, ""))
    read = trace(model, "".join(rng.choice(list(CHARACTERS), characters)))
    views = {
        "gates": view_gates(model, read),
        "cell": view_cell(model, read),
        "saturation": view_saturation(model, read.text),
    }
    return page.render(views, page.TRACE, read)


def main(sizes: tuple[tuple[int, int], ...]) -> None:
    """Measure and print a line a size."""
    print(f"{'units × characters':>20} {'MB':>6} {'made':>7} {'opened':>7} {'frame, median':>14} {'slowest':>8}")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=ARGUMENTS
        )
        for hidden, characters in sizes:
            begin = time.perf_counter()
            path = Path(folder, "page.html")
            path.write_text(made(hidden, characters))
            took = time.perf_counter() - begin
            tab = browser.new_page(viewport={"width": 1400, "height": 900})
            begin = time.perf_counter()
            tab.goto(path.as_uri())
            tab.wait_for_selector("html[data-ready=yes]")
            opened = time.perf_counter() - begin
            frames = np.array(tab.evaluate(FRAMES))
            print(
                f"{f'{hidden} × {characters:,}':>20} {path.stat().st_size / 1e6:6.2f} {took:6.1f}s {opened:6.1f}s "
                f"{np.median(frames):11.1f} ms {frames.max():5.1f} ms"
            )
            tab.close()
        browser.close()


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    main(tuple(zip(numbers[::2], numbers[1::2], strict=True)) or SIZES)
