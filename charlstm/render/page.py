"""Render a page: one HTML file with a trace to explore and views to read, which needs no server and no network.

Text cannot run as code. It is in the page as JSON without a «<», and as escaped HTML; and the content security policy
of the page allows no script but the one with its digest, no style but its own, and no connection.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from charlstm.base.errors import ConfigError
from charlstm.inspection.registry import VIEWS, Subject, build_all_views
from charlstm.inspection.trace import Trace
from charlstm.inspection.view import View
from charlstm.model.model import Model
from charlstm.render import data, html
from charlstm.render.colour import BLUE, MOST_BITS, ORANGE, WHITE, choose_ink, mix_rgb
from charlstm.render.page_data import encode_trace

SCRIPTS = ("numbers.js", "diagram.js", "heatmap.js", "span.js", "trace.js", "page.js")
MAX_VALUES = 40_000_000
TITLE = 60
TRACE = "trace"
# The colours of zero, high and low values; those of the dark theme have the same hues, but are lighter.
LIGHT = WHITE, BLUE, ORANGE
DARK = (24, 27, 33), (92, 170, 255), (255, 150, 60)


def build_page(subject: Subject, first: str | None = None, options: Mapping[str, Any] = MappingProxyType({})) -> str:
    """Return a page with the trace of a text and every view that the model and the text give.

    Parameters
    ----------
    subject
        The model and what it reads.
    first
        Name of the view that is open; None: the trace, or without a text the summary.
    options
        Options of the views by name.

    Raises
    ------
    ConfigError
        If the page would be too large for a browser, or the view that is asked for cannot be built.
    UnknownCharacterError
        If the text has characters that the model does not know.
    """
    if not subject.text:
        return render(build_all_views(subject, first, options), first or "summary")
    check_size(len(subject.text), subject.model)
    return render(build_all_views(subject, first, options), first or TRACE, subject.trace)


def render(
    views: Mapping[str, View],
    first: str,
    trace: Trace | None = None,
    sentences: Mapping[str, str] | None = None,
) -> str:
    """Return a page.

    Parameters
    ----------
    views
        Name → view, one tab each.
    first
        Name of the tab that is open; "trace" for the trace.
    trace
        The trace, in a tab before the others; None: there is no such tab.
    sentences
        Name of a view → what it shows; None: the sentences of the registry.
    """
    sentences = {name: entry.sentence for name, entry in VIEWS.items()} if sentences is None else sentences
    script = "\n".join(_read_asset(name) for name in SCRIPTS)
    style = _read_asset("page.css") + _build_shades()
    title = trace.text if trace else "a model"
    palette = {"light": LIGHT, "dark": DARK, "bits": MOST_BITS, "steps": html.STEPS}
    known = {
        "views": {name: None if view.exact else data.to_objects(view) for name, view in views.items()},
        "first": first,
        "trace": encode_trace(trace) | {"palette": palette} if trace else None,
    }
    holes = {
        "policy": f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        "title": html.escape_html(title[:TITLE] + ("…" if len(title) > TITLE else "")),
        "style": style,
        "script": script,
        "tabs": "".join(_build_tab(name) for name in ([TRACE] if trace else []) + list(views)),
        "trace": _read_asset("trace.html") if trace else "",
        "views": "".join(_build_panel(name, view, sentences[name]) for name, view in views.items()),
        "data": json.dumps(known, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda hole: holes[hole[1]], _read_asset("page.html"))


def check_size(characters: int, model: Model) -> None:
    """Refuse a page that is too large for a browser.

    Raises
    ------
    ConfigError
        If the trace would have more than 40 million values.
    """
    config = model.network.config
    per_character = config.layers * config.hidden * len(model.network.cell.quantities)
    if characters * per_character > MAX_VALUES:
        raise ConfigError(
            f"the page of {characters:,} characters would hold {characters * per_character:,} numbers, too many for a"
            f" browser; give a text of at most {MAX_VALUES // per_character:,} characters, or another format"
        )


def _read_asset(name: str) -> str:
    return (files("charlstm.render") / "assets" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _build_tab(name: str) -> str:
    return f'<button role="tab" id="tab-{name}" aria-controls="panel-{name}">{html.escape_html(name)}</button>'


def _build_panel(name: str, view: View, sentence: str) -> str:
    title = html.escape_html(sentence[:1].upper() + sentence[1:])
    return (
        f'<div role="tabpanel" class="panel" id="panel-{name}" aria-labelledby="tab-{name}" tabindex="0">'
        f'<div class="lead"><h2>{title}</h2><div class="downloads"></div></div>{html.render(view)}</div>'
    )


def _build_shades() -> str:
    """Return the background and the text colour of every shade as CSS variables, for the light and the dark theme."""
    rules = {
        theme: "".join(
            f".s{step}{{--bg:rgb{background};--ink:rgb{choose_ink(background)}}}".replace(" ", "")
            for step in range(-html.STEPS, html.STEPS + 1)
            for background in [mix_rgb(step / html.STEPS, *colours)]
        )
        for theme, colours in {"light": LIGHT, "dark": DARK}.items()
    }
    return rules["light"] + re.sub(r"\.s", ':root[data-theme="dark"] .s', rules["dark"])
