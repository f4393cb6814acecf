"""Pages with a live model, for the tests in a browser."""

from dataclasses import replace

import numpy as np
from every_view import by_formula

from charlstm.inspection.examples import OfferedText
from charlstm.render import page

CHARACTERS = "\n abcdé"
TEXT = "ab cad\né badcab dab bad"


def in_float32(it):
    """Return a model whose weights are those that a page stores."""
    return replace(it, network=it.network.with_weights(it.network.parameters.flat.astype(np.float32)))


def live_model(kind="lstm", text=TEXT, **settings):
    """Return a model that knows the characters of a text."""
    return in_float32(by_formula(kind, "".join(sorted({*CHARACTERS, *text})), **settings))


def build_live(it, *texts, views=None, place=0):
    """Return a page with a live model that offers some texts, and views."""
    label = it.labels[0] if it.labels else None
    live = page.Live(it, [OfferedText(text, label, place) for text in texts])
    views = views or {}
    return page.render(views, page.LIVE, live, dict.fromkeys(views, "what it shows"))


def wait_until_read(tab):
    """Wait until the network has read the text, and what follows from it is drawn."""
    tab.wait_for_selector("html[data-read=yes]", timeout=20_000)
    tab.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def wait_for(tab, condition):
    """Wait until an expression is true; the policy of the page forbids the browser to evaluate it by itself."""
    for _ in range(1000):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(20)
    raise AssertionError(condition)
