"""One browser for every test of a page."""

import os
import shutil

import numpy as np
import pytest

from charlstm.network.loss import log_softmax
from charlstm.render import page
from charlstm.render.page_data import describe_model, encode_weights

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def missing(what):
    """A machine that checks every change must have a browser; a newcomer's need not."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}, and CI is set")
    pytest.skip(f"{what}: the page was not tried in a browser")


@pytest.fixture(scope="session")
def browser():
    """One window of one Chromium for all tests of a process."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        missing("there is no Chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield running.new_context(viewport={"width": 1200, "height": 900})
        running.close()


def is_own(address, path):
    """The page itself, and the worker that it makes of its own script."""
    return address.split("#")[0] == path.as_uri() or address.startswith("blob:")


@pytest.fixture
def opened(browser, tmp_path):
    """Return what opens a page; at the end nothing was complained of, nothing asked for, nobody disturbed."""
    tabs, heard = [], []

    def open_(content, scheme="light", fragment=""):
        path = tmp_path / f"page{len(tabs)}.html"
        path.write_text(content, encoding="utf-8")
        tab = browser.new_page()
        tab.emulate_media(color_scheme=scheme)
        tabs.append(tab)
        tab.on("console", lambda message: heard.append(message.text))
        tab.on("pageerror", lambda error: heard.append(str(error)))
        tab.on("dialog", lambda dialog: heard.append(dialog.message))
        tab.on("request", lambda request: heard.append(request.url) if not is_own(request.url, path) else None)
        tab.goto(path.as_uri() + fragment)
        tab.wait_for_selector("html[data-ready=yes]", timeout=20_000)
        return tab

    open_.heard = heard
    yield open_
    assert not heard, heard
    for tab in tabs:
        tab.close()


@pytest.fixture(scope="module")
def read_in_page(browser):
    """Return what reads a text with a network in the browser: records (N, L, Q, H) and log-probabilities (N, V)."""
    tab = browser.new_page()
    modules = (*page.ENGINE, "dom.js", "characters.js", "reading.js", "continuation.js")
    tab.add_script_tag(content=page.join_modules(modules))

    def read(it, text, interventions=()):
        weights, block = encode_weights(it)
        records, logits, points = tab.evaluate(
            """async ([description, places, block, text, opening, interventions]) => {
              const network = new Network(description, await unpackArrays(block, places));
              const points = Int32Array.from(text);
              const plain = new Reading(network, opening);
              plain.edit(points.slice(0, points.length / 2).fill(points[0], points.length / 2 - 3));
              plain.advance(Infinity);
              const reading = new Reading(network, opening, interventions);
              reading.follow(plain, Math.max(0, Math.min(...interventions.map(({ from }) => from))));
              for (const one of [plain, reading]) one.edit(points); // another end and the rest, as somebody types
              while (!reading.complete) reading.advance(0);
              const read = [...points.keys()];
              return [read.flatMap((n) => [...reading.record(n)]), read.flatMap((n) => [...reading.logits(n)]), [
                ...continueGreedily(reading, points.length - 1),
              ]];
            }""",
            [
                describe_model(it),
                weights,
                block,
                [ord(character) for character in text],
                it.opening_ids(1).tolist()[0] if it.vocabulary.end is not None else None,
                list(interventions),
            ],
        )
        config, quantities = it.network.config, it.network.cell.quantities
        return (
            np.array(records).reshape(len(text), config.layers, len(quantities), config.hidden),
            log_softmax(np.array(logits, float).reshape(len(text), -1)),
            "".join(map(chr, points)),
        )

    yield read
    tab.close()
