"""In a notebook a trace shows itself: every number of it, nothing that runs, readable on any page."""

import json
import math
import re
from html.parser import HTMLParser
from itertools import groupby

import numpy as np
import pytest
from every_view import build_every_view, by_formula
from test_hostile import HOSTILE

from charlstm.api.language_model import LanguageModel
from charlstm.base.errors import CharlstmError
from charlstm.inspection.gates import view_gates
from charlstm.render import html, results
from charlstm.render.characters import escape_character
from charlstm.render.style import THEMES

CHARACTERS = "\n abcdé"
TEXT = "ab cad\né ba"
ALLOWED = {"div", "span", "br", "wbr", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"}
VOID = {"br", "wbr"}


class Page(HTMLParser):
    """What a browser makes of HTML: elements with their attributes, texts, and whether every one is ended."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((tuple(self.open), data))

    def handle_comment(self, data):
        raise AssertionError(data)

    def inside(self, tag):
        return [text for path, text in self.texts if path[-1] == tag]


def traced(text, kind="lstm"):
    return LanguageModel(by_formula(kind, "".join(sorted({*CHARACTERS, *text})))).trace(text)


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_the_text_and_every_number_of_the_gates_are_there(kind):
    it = by_formula(kind, CHARACTERS)
    trace = LanguageModel(it).trace(TEXT)
    page = Page(trace._repr_html_())
    assert [text.replace("\xa0", "␣") for text in page.inside("span")] == list(map(escape_character, TEXT))
    titles = [attributes["title"] for tag, attributes in page.elements if tag == "span"]
    assert all(f"{bits:.2f} bits" in title for bits, title in zip(trace.surprise[1:], titles[1:], strict=True))
    columns = view_gates(it, trace).parts["gates"].columns
    cells = np.array(page.inside("td")).reshape(len(TEXT), len(columns))
    for column, shown_cells in zip(columns[5:], cells.T[5:], strict=True):
        np.testing.assert_allclose(shown_cells.astype(float), column.values, atol=0.00501, err_msg=column.name)
    assert list(cells[:, 0]) == list(map(escape_character, TEXT))
    headings = [attributes for tag, attributes in page.elements if tag in ("th", "td") and "style" not in attributes]
    spans = [int(attributes["colspan"]) for attributes in headings if "colspan" in attributes]
    assert spans == [len(list(group)) for _, group in groupby(columns, lambda column: column.group)]
    assert len(headings) == len(spans) + len(columns)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_of_a_text_runs_or_becomes_an_element(text):
    html = traced(text)._repr_html_()
    page = Page(html)
    assert {tag for tag, _ in page.elements} <= ALLOWED
    assert {name for _, attributes in page.elements for name in attributes} <= {"style", "title", "colspan", "scope"}
    assert "url" not in html and "http" not in html
    assert re.sub("[\u2068\u2069]", "", html).isprintable()  # but for what isolates letters from right to left
    assert "".join(page.inside("span")).replace("\xa0", "␣") == "".join(map(escape_character, text))


def test_what_is_shaded_can_be_read_on_its_own_background():
    """The contrast is at least 4.5, as WCAG 2.1 asks; what has no background of its own has no ink of its own."""

    def luminance(colour):
        shares = [int(c) / 255 for c in colour.split(",")]
        return sum(
            weight * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
            for weight, c in zip((0.2126, 0.7152, 0.0722), shares, strict=True)
        )

    html = traced(TEXT * 3)._repr_html_()
    pairs = re.findall(r"background:rgb\(([\d,]+)\);color:rgb\(([\d,]+)\)", html)
    assert len(pairs) > 100 and html.count("color:") == len(pairs) == html.count("background:")
    for pair in pairs:
        low, high = sorted(map(luminance, pair))
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_a_long_text_is_cut_and_says_so():
    html = traced("abc " * 1000)._repr_html_()
    page = Page(html)
    assert len(page.inside("span")) == results.MOST_CHARACTERS and len(html) < 1_000_000
    assert "… and 2,000 more characters" in html and "… and 3,900 more characters" in html


def test_a_trace_is_saved_whole_or_not_at_all(tmp_path, monkeypatch):
    trace = traced(TEXT)
    trace.save(tmp_path / "trace")
    before = (tmp_path / "trace").read_bytes()

    def broken(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", broken)
    with pytest.raises(CharlstmError, match="No space left on device; its old content is unchanged"):
        trace.save(str(tmp_path / "trace"))
    assert (tmp_path / "trace").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_a_dict_is_what_json_can_hold():
    trace = traced(TEXT)
    lists = json.loads(json.dumps(trace.to_dict(), allow_nan=False))
    assert lists["surprise"][0] is None and math.isnan(trace.surprise[0])
    for name, values in trace.arrays.items():
        if name not in ("text", "vocabulary", "surprise"):
            np.testing.assert_array_equal(lists[name], values)


VIEW_TAGS = {*ALLOWED, "style", "section", "h3", "p", "dl", "dt", "dd", "i", "b", "svg", "path", "circle", "rect", "g",
             "text", "ul", "li"}  # fmt: skip


def test_every_view_shows_itself_as_the_page_draws_it():
    models = [by_formula(kind, "".join(sorted({*CHARACTERS, *TEXT}))) for kind in ("lstm", "rnn")]
    for name, view in build_every_view(*models, TEXT).items():
        shown = results.ViewResult(*view)._repr_html_()
        page = Page(shown)
        assert {tag for tag, _ in page.elements} <= VIEW_TAGS, name
        assert shown.endswith(f"</style>{html.render(view)}</div>"), name
        assert not any(key.startswith("on") or key in ("src", "href") for _, has in page.elements for key in has), name
        assert "".join(page.inside("style")).count("@import") == "".join(page.inside("style")).count("url(") == 0


def test_the_style_of_a_view_touches_nothing_else_of_the_notebook():
    style = Page(traced_view()._repr_html_()).inside("style")[0]
    depth, outside = 0, ""
    for sign in style:
        depth += (sign == "{") - (sign == "}")
        outside += sign if depth == 0 else ""
    selectors = [one.strip() for one in outside.split("}") if one.strip()]
    assert len(selectors) == 2 and all(".charlstm-view" in one for one in selectors) and depth == 0
    assert all(value in style for theme in THEMES.values() for value in theme.values())


def traced_view():
    return LanguageModel(by_formula("lstm", CHARACTERS)).view("saturation", TEXT)
