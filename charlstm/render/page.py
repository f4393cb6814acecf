"""Render a page: one HTML file with a model that runs in the browser, and views. It needs no server and no network.

Text cannot run as code. It is in the page as JSON without a «<», and as escaped HTML; and the content security policy
of the page allows no script but the two with its digests, no style but its own, and no connection.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from charlstm.base.errors import ConfigError
from charlstm.inspection.examples import OfferedText
from charlstm.inspection.registry import VIEWS, Reads, Subject, build_all_views
from charlstm.inspection.trace import Trace
from charlstm.inspection.view import Column, Part, Strip, Table, View
from charlstm.model.model import Model
from charlstm.render import data, html
from charlstm.render.colour import MOST_BITS
from charlstm.render.page_data import ORDERED_BY, describe_model, encode_weights, read_text
from charlstm.render.style import DARK, LIGHT, STEPS, build_page_style, read_asset

# The network and what is computed with it, also in a worker; then the page around it. Each file uses only earlier ones.
ENGINE = ("numbers.js", "interventions.js", "network.js", "random.js", "sampling.js", "occlusion.js", "worker.js")
PAGE = (
    "dom.js",
    "announcer.js",
    "slices.js",
    "characters.js",
    "reading.js",
    "quantities.js",
    "words.js",
    "legend.js",
    "continuation.js",
    "diagram.js",
    "curves.js",
    "pictures.js",
    "heatmap.js",
    "steadiest.js",
    "span.js",
    "strip.js",
    "predictions.js",
    "intervening.js",
    "writing.js",
    "why.js",
    "panels.js",
    "live.js",
    "controls.js",
    "fragment.js",
    "downloads.js",
    "page.js",
)
MODULE_WORDS = r"^import [^;]*;\n|^export "
# Comments, indentation and empty lines, which make the page a fifth larger; the network keeps its own.
LAYOUT = r"^ *//.*\n|^ */\*\*(?s:.*?)\*/\n|^ +|^\n"
MAX_CHARACTERS = 20_000
MAX_NUMBERS = 40_000_000  # that the page keeps while it reads
MAX_ROWS = 500  # of a table or a strip of text
TITLE = 60
LIVE = "live"
SHOWN_LIVE = {"gates", "cell"}  # views whose content the live tab computes itself


class Live(NamedTuple):
    """What the live tab shows: a model, and the texts that it offers.

    Attributes
    ----------
    model
        The model.
    texts
        The texts, of which the page opens the first.
    read
        The trace of the first one; None: it is computed.
    """

    model: Model
    texts: Sequence[OfferedText]
    read: Trace | None = None


def build_page(
    subject: Subject,
    first: str | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
    examples: Sequence[OfferedText] = (),
) -> str:
    """Return a page with a live model and every view that the model and the text give.

    Parameters
    ----------
    subject
        The model and what it reads.
    first
        Name of the view that is open; None: the live model.
    options
        Options of the views by name.
    examples
        Texts that the page offers beside that of the subject; see `examples_of`.

    Raises
    ------
    ConfigError
        If the text is too long for a browser, or the view that is asked for cannot be built.
    UnknownCharacterError
        If the text has characters that the model does not know.
    """
    if subject.text:
        check_size(len(subject.text), subject.model)
    texts = list(examples)
    if subject.text:
        texts.insert(0, OfferedText(subject.text, subject.model.label, subject.telling_place))
    shown = {name for name in SHOWN_LIVE if name != first and not {*options} & {*VIEWS[name].options}}
    views = build_all_views(subject, first, options, shown)
    return render(
        {name: crop_view(view) for name, view in views.items()},
        first or LIVE,
        Live(subject.model, texts, subject.trace if subject.text else None),
    )


def render(
    views: Mapping[str, View],
    first: str,
    live: Live | None = None,
    sentences: Mapping[str, str] | None = None,
) -> str:
    """Return a page.

    Parameters
    ----------
    views
        Name → view, one tab each.
    first
        Name of the tab that is open; "live" for the live model.
    live
        The live model, in a tab before the others; None: there is no such tab.
    sentences
        Name of a view → what it shows; None: the sentences of the registry.
    """
    sentences = {name: entry.sentence for name, entry in VIEWS.items()} if sentences is None else sentences
    engine, script = join_modules(ENGINE), join_modules(PAGE, f"{MODULE_WORDS}|{LAYOUT}")
    style = build_page_style()
    title = live.texts[0].text if live and live.texts else "a model"
    known: dict[str, Any] = {
        "views": {name: None if view.exact else data.to_objects(view) for name, view in views.items()},
        "first": first,
        "palette": {"light": LIGHT, "dark": DARK, "bits": MOST_BITS, "steps": STEPS},
        "live": None,
    }
    block = ""
    given = live.texts[0].text if live and live.read else ""
    if live:
        weights, block = encode_weights(live.model)
        read = live.read or (read_text(live.model, live.texts[0]) if live.texts else None)
        known["live"] = {
            "model": describe_model(live.model, read.first(ORDERED_BY) if read else None),
            "weights": weights,
            "texts": [text._asdict() for text in live.texts],
            "most": limit_characters(live.model),
        }
    holes = {
        "policy": f"default-src 'none'; script-src {_digest(engine)} {_digest(script)}; style-src {_digest(style)}; "
        "img-src data:; worker-src blob:; base-uri 'none'; form-action 'none'",
        "title": html.escape_html(_shorten(title)),
        "style": style,
        "engine": engine,
        "script": script,
        "tabs": _build_tab(LIVE, "a network that reads your text") * bool(live)
        + "".join(_build_tab(name, sentences[name]) for name in views),
        "live": read_asset("live.html").replace("{{diagram}}", read_asset("diagram.svg")) if live else "",
        "views": "".join(_build_panel(name, view, sentences[name], given) for name, view in views.items()),
        "data": _dump_json(known),
        "weights": block,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda hole: holes[hole[1]], read_asset("page.html"))


def join_modules(names: Sequence[str], pattern: str = MODULE_WORDS) -> str:
    """Return JavaScript modules as one script: without imports, the word export, and what else a pattern matches."""
    sources = [re.sub(pattern, "", read_asset(name), flags=re.MULTILINE) for name in names]
    return '"use strict";\n' + "\n".join(sources)


def crop_view(view: View) -> View:
    """Return a view whose tables and strips of text do not grow with the text beyond a limit."""
    parts = {name: _crop_part(part) for name, part in view.parts.items()}
    longest = max((len(part.text) for part in view.parts.values() if isinstance(part, Strip)), default=0)
    longest = max([longest, *(len(part.columns[0].values) for part in view.parts.values() if isinstance(part, Table))])
    if longest <= MAX_ROWS:
        return view
    remark = f"The page has the first {MAX_ROWS:,} of {longest:,} rows; charlstm inspect --format csv saves all."
    return View(parts, (*view.remarks, remark))


def _crop_part(part: Part) -> Part:
    if isinstance(part, Strip):
        return part._replace(text=part.text[:MAX_ROWS], rows=_crop_columns(part.rows))
    return part._replace(columns=_crop_columns(part.columns)) if isinstance(part, Table) else part


def _crop_columns(columns: Sequence[Column]) -> tuple[Column, ...]:
    return tuple(column._replace(values=column.values[:MAX_ROWS]) for column in columns)


def limit_characters(model: Model) -> int:
    """Return the number of characters that a page reads of a text."""
    config = model.network.config
    per_character = config.layers * config.hidden * len(model.network.cell.quantities) + len(model.vocabulary)
    return min(MAX_CHARACTERS, max(1, MAX_NUMBERS // per_character))


def check_size(characters: int, model: Model) -> None:
    """Refuse a text that is too long for a browser.

    Raises
    ------
    ConfigError
        If the page would read only its beginning.
    """
    most = limit_characters(model)
    if characters > most:
        raise ConfigError(
            f"the text has {characters:,} characters, too many for a page; give a text of at most {most:,}"
            " characters, or another format"
        )


def _dump_json(known: Any) -> str:
    """Return a value as JSON without a «<» and without halves of surrogate pairs."""
    dumped = json.dumps(known, allow_nan=False, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", dumped)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _build_tab(name: str, sentence: str) -> str:
    title = html.escape_html(sentence)
    return (
        f'<button role="tab" id="tab-{name}" aria-controls="panel-{name}" title="{title}">'
        f"{html.escape_html(name)}</button>"
    )


def _shorten(text: str) -> str:
    return text[:TITLE] + ("…" if len(text) > TITLE else "")


def _build_panel(name: str, view: View, sentence: str, given: str) -> str:
    """Return a tab's content; it names the given text, if any, as what is typed in the live tab does not change it."""
    title = html.escape_html(sentence[:1].upper() + sentence[1:])
    reads = bool(given) and name in VIEWS and VIEWS[name].reads is not Reads.NOTHING
    about = f"About the text «{html.escape_html(_shorten(given))}», which the page was made for." if reads else ""
    return (
        f'<div role="tabpanel" class="panel" id="panel-{name}" aria-labelledby="tab-{name}">'
        f'<div class="lead"><div><h2>{title}</h2><p class="hint">{about}</p></div><div class="downloads"></div></div>'
        f"{html.render(view)}</div>"
    )
