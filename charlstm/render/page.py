"""A page: one HTML file with a trace to move through and views to read. It loads nothing and works without a network.

The numbers of the trace are in it once, as one deflated block: every value of an activation to the nearest 2⁻²⁰, less
than 10⁻⁶ apart; probabilities and surprises as they are, in 64 bits. What follows from others is left out: h, which is
o ⊙ tanh(c), and means.

Nothing in a text can run: it reaches the page as JSON without a «<», and as escaped HTML; and the page's own policy
allows no script but the one whose digest it names, no style but its own, and no connection.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import zlib
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import numpy as np

from charlstm.errors import ConfigError
from charlstm.inspection.cell import steadiest
from charlstm.inspection.gates import kind_of
from charlstm.inspection.like import ON, PLACES
from charlstm.inspection.order import alike
from charlstm.inspection.trace import Trace, trace
from charlstm.inspection.view import Kind, View
from charlstm.inspection.views import VIEWS, Read, every_view
from charlstm.model.model import Model
from charlstm.network.config import NetworkConfig
from charlstm.parameters import Array
from charlstm.render import data, parts
from charlstm.render.characters import safe, shown
from charlstm.render.colour import BLUE, MOST_BITS, ORANGE, WHITE, ink
from charlstm.text.vocabulary import code_points_of

SCRIPTS = ("numbers.js", "diagram.js", "heatmap.js", "span.js", "trace.js", "page.js")
GUESSES = 5
BITS = 20  # after the point
LETTERS = "".join(sign for sign in map(chr, range(33, 127)) if sign not in "\"&'<>\\")[:85]
MOST_VALUES = 40_000_000
TITLE = 60
TRACE = "trace"
# Where there is nothing, high, below zero: the hues of `colour`, lighter, for the night.
DARK = (24, 27, 33), (92, 170, 255), (255, 150, 60)


def of(model: Model, read: Read, asked: str | None = None, options: Mapping[str, Any] = MappingProxyType({})) -> str:
    """Return a page with a trace of a text, and every view that needs nothing more.

    Parameters
    ----------
    model
        What is looked at.
    read
        A text, or what the view that is asked for reads.
    asked
        The view that is open; None: the trace, or without a text the summary.
    options
        Those of the views, by name.

    Raises
    ------
    ConfigError
        If it would be too large for a browser, or an option of the view asked for cannot be meant.
    UnknownCharacterError
        If the text has characters that the model does not know.
    """
    text = read if isinstance(read, str) else None
    if text is not None:
        check_size(len(text), model.network.config, len(model.network.cell.quantities))
    views = every_view(model, read, asked, options)
    sentences = {name: entry.sentence for name, entry in VIEWS.items()}
    first = asked or ("summary" if text is None else TRACE)
    return html(views, first, sentences, None if text is None else trace(model, text))


def html(views: Mapping[str, View], first: str, sentences: Mapping[str, str], trace: Trace | None = None) -> str:
    """Return the page.

    Parameters
    ----------
    views
        Name → view: a tab each.
    first
        Which tab is open; «trace» for the trace.
    sentences
        Name of a view → what it shows.
    trace
        What to move through, in a tab before the others; none: there is no such tab.
    """
    script = "\n".join(_asset(name) for name in SCRIPTS)
    style = _asset("page.css") + _shades()
    told = safe(trace.text if trace else "a model")
    known = {"views": _objects(views), "first": first, "trace": _trace(trace) if trace else None}
    holes = {
        "policy": f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        "title": parts.words(told[:TITLE] + ("…" if len(told) > TITLE else "")),
        "style": style,
        "script": script,
        "tabs": "".join(_tab(name) for name in ([TRACE] if trace else []) + list(views)),
        "trace": _asset("trace.html") if trace else "",
        "views": "".join(_panel(name, view, sentences[name]) for name, view in views.items()),
        "data": json.dumps(known, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda hole: holes[hole[1]], _asset("page.html"))


def check_size(characters: int, config: NetworkConfig, quantities: int) -> None:
    """Refuse a page that no browser would open.

    Raises
    ------
    ConfigError
        If the trace would have more than 40 million values.
    """
    values = characters * config.layers * config.hidden * quantities
    if values > MOST_VALUES:
        most = MOST_VALUES // (config.layers * config.hidden * quantities)
        raise ConfigError(
            f"a page of {characters:,} characters would hold {values:,} numbers, too many for a browser; "
            f"give a text of at most {most:,} characters, or another --format"
        )


def _asset(name: str) -> str:
    return (files("charlstm.render") / "assets" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _tab(name: str) -> str:
    return f'<button role="tab" id="tab-{name}" aria-controls="panel-{name}">{parts.words(name)}</button>'


def _panel(name: str, view: View, sentence: str) -> str:
    return (
        f'<div role="tabpanel" class="panel" id="panel-{name}" aria-labelledby="tab-{name}" tabindex="0">'
        f'<div class="lead"><h2>{parts.words(sentence[:1].upper() + sentence[1:])}</h2><div class="downloads"></div>'
        f"</div>{parts.html(view)}</div>"
    )


def _objects(views: Mapping[str, View]) -> dict[str, Any]:
    """Return what can be downloaded of each view; null where that is the trace."""
    return {name: None if view.exact else json.loads(data.as_json(view)) for name, view in views.items()}


def _shades() -> str:
    """Return the colours of all shades as CSS variables, by day and by night, each with an ink to be read on it."""
    rules = {
        theme: "".join(
            f".s{step}{{--bg:rgb{background};--ink:rgb{ink(background)}}}".replace(" ", "")
            for step in range(-parts.STEPS, parts.STEPS + 1)
            for background in [_mixed(ends, step / parts.STEPS)]
        )
        for theme, ends in {"light": (WHITE, BLUE, ORANGE), "dark": DARK}.items()
    }
    night = re.sub(r"\.s", ':root[data-theme="dark"] .s', rules["dark"])
    return rules["light"] + night


def _mixed(ends: tuple[tuple[int, int, int], ...], s: float) -> tuple[int, int, int]:
    """Return the colour of a strength between −1 and 1; by day it is that of `colour.rgb`."""
    middle, end = ends[0], ends[1] if s >= 0 else ends[2]
    r, g, b = (round(m + (e - m) * abs(s)) for m, e in zip(middle, end, strict=True))
    return r, g, b


def _trace(trace: Trace) -> dict[str, Any]:
    """Return a trace as JSON: what it is, and where each array lies in the block."""
    chances = np.exp(trace.log_probabilities.astype(np.float64))  # (N, V)
    likeliest = np.argsort(-trace.log_probabilities, axis=1, kind="stable")[:, :GUESSES]  # (N, 5)
    arrays: dict[str, Array] = {
        "surprise": trace.surprise,
        "guess": likeliest.astype(np.uint32),
        "chance": np.take_along_axis(chances, likeliest, axis=1),
        "text": code_points_of(trace.text).astype(np.uint32),
        "vocabulary": code_points_of(trace.vocabulary).astype(np.uint32),
    }
    quantities = []
    for number, layer in enumerate(trace.layers):
        for name, values in layer.items():
            bits = _bits(values)
            if name != "h" or trace.cell.hidden_factors is None:
                whole = np.rint(values.T.astype(np.float64) * 2.0**bits).astype(np.int32)  # (H, N)
                arrays[f"{number}/{name}"] = whole
            arrays[f"{number}/{name}/order"] = alike(values).astype(np.uint32)  # (H,)
            quantities.append(
                {"layer": number, "name": name, "bits": bits, "share": kind_of(trace.cell, name) is Kind.SHARE}
            )
    places, block = _packed(arrays)
    deflated = zlib.compress(block, 6)
    signs = {ord(sign): shown(sign) for sign in {*trace.text, *trace.vocabulary} if shown(sign) != sign}
    return {
        "quantities": quantities,
        "hidden": trace.layers[0]["h"].shape[1],
        "layers": len(trace.layers),
        "signs": dict(sorted(signs.items())),
        "palette": {"light": (WHITE, BLUE, ORANGE), "dark": DARK, "bits": MOST_BITS, "steps": parts.STEPS},
        "steadiest": steadiest(trace),
        "like": {"on": ON, "places": PLACES},
        "arrays": places,
        "letters": LETTERS,
        "size": len(deflated),
        "block": _in_letters(deflated),
    }


def _bits(values: Array) -> int:
    """Return how many binary digits after the point fit 32 bits, with those before it; at most 20."""
    return min(BITS, 30 - math.frexp(float(np.abs(values).max()))[1])


def _packed(arrays: Mapping[str, Array]) -> tuple[dict[str, tuple[str, int, int]], bytes]:
    """Return arrays as one block: name → type, place and length of each.

    First come the lowest bytes of all numbers of an array, last the highest, which change least from one to the next.
    """
    places, block = {}, bytearray()
    for name, array in arrays.items():
        places[name] = (array.dtype.name, len(block), array.size)
        low_first = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).view(np.uint8)
        block += low_first.reshape(array.size, -1).T.tobytes()
    return places, bytes(block)


def _in_letters(block: bytes) -> str:
    """Return bytes as letters, five for four of them: the digits of base 85, which JSON and HTML leave as they are."""
    words = np.frombuffer(block + bytes(-len(block) % 4), ">u4").astype(np.uint32)  # (K,)
    digits = words[:, None] // 85 ** np.arange(4, -1, -1, dtype=np.uint32) % 85  # (K, 5)
    return bytes(np.frombuffer(LETTERS.encode(), np.uint8)[digits]).decode()
