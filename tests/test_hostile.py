"""Text that would break a terminal, a page or the columns is shown as what it is, by every view."""

import re
import unicodedata
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from click.testing import CliRunner
from every_view import build_every_view, by_formula
from wcwidth import wcswidth, wcwidth

from charlstm.cli.main import main
from charlstm.inspection.view import Column, Kind, Strip, Table, View
from charlstm.model import checkpoint
from charlstm.render import html, terminal
from charlstm.render.characters import escape_character, escape_line, width_of, wrap_words

HOSTILE = {
    "control characters": "a\x00\x07\x08b\x1b\x7f\x85\x9bc\r\nd",
    "escapes": "\x1b[2J\x1b]0;owned\x07\x1b[31mred\x9b1;1H ab",
    "tabs and lines": "a\tb\n\n\tc\x0b\x0cd\u2028e\u2029 ab",
    "wide": "日本語のテキスト、 한국어 ab ｗｉｄｅ",
    "emoji": "👩\u200d👩\u200d👧 🏳\ufe0f\u200d🌈 👍🏽 🇩🇪 1\ufe0f\u20e3 ab",
    "marks": "e\u0301 n\u0303a\u0308\u0323 ก\u0e33 \u0915\u094d\u0937 Z\u0351\u036b ab",
    "right to left": "שלום \u202eevil\u202c \u2066مرحبا\u2069 ab ١٢",
    "nothing to see": "a\u200b\u200c\u200d\u2060\ufeff\u00ad\u115f\u1160\u3164\uffa0b c",
    "markup": "<script>alert('1')</script> & \"ab\" <!-- ]]>",
    "not in Unicode": "\ue000\U000f0000\ufffe\U0010ffff a b\udc80\ud800c",
}
MARK = Column("|", [], Kind.TEXT)
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
WIDE_SINCE_UNICODE_16 = {
    *range(0x2630, 0x2638),
    *range(0x268A, 0x2690),
    *range(0x4DC0, 0x4E00),
    *range(0x1D300, 0x1D377),
}


@pytest.fixture(scope="module", params=HOSTILE.values(), ids=HOSTILE)
def views(request):
    """Every view of a text of which a model knows the characters."""
    text = request.param
    models = [by_formula(kind, "".join(sorted(set(text)))) for kind in ("lstm", "rnn")]
    return build_every_view(*models, text)


# Terminals do not agree on the width of spacing marks.
SPACING_MARKS = {point for point in range(0x110000) if unicodedata.category(chr(point)) == "Mc"} | {0x1171E}
ISOLATES = re.compile("[\u2068\u2069]")
RUN = re.compile("\u2068[^\u2068\u2069]+\u2069")
RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")


def test_every_sign_takes_the_columns_that_it_is_said_to_take():
    wrong = [
        f"U+{point:04X}"
        for point in (*range(0x32400), *range(0xE0000, 0xE0200), *range(0x32400, 0x110000, 997))
        if point not in WIDE_SINCE_UNICODE_16 | SPACING_MARKS
        and wcswidth(escape_character(chr(point))) != width_of(escape_character(chr(point)))
    ]
    assert not wrong
    assert all(wcwidth(sign) > 0 for point in WIDE_SINCE_UNICODE_16 for sign in escape_character(chr(point)))


@pytest.mark.parametrize(("width", "colours"), [(60, 0), (80, 8), (60, 256), (80, 1 << 24)])
def test_nothing_but_signs_and_colours_reaches_the_terminal(views, width, colours):
    for name, view in views.items():
        for line in ESCAPE.sub("", terminal.render(view, width, colours)).split("\n"):
            assert wcswidth(line) <= width, (name, line)
            assert ISOLATES.sub("", line).isprintable(), (name, line)
            assert not RIGHT_TO_LEFT.search(RUN.sub("", line)) and not ISOLATES.search(RUN.sub("", line)), (name, line)
            assert not re.search(r"(?:^| )[\u0300-\u036f]", line)


@pytest.mark.parametrize("colours", [0, 256])
def test_the_columns_of_every_table_are_straight(views, colours):
    """Each column of numbers ends where its name ends, and each column of words begins where its name begins."""
    for name, view in views.items():
        for part, table in view.parts.items():
            if not isinstance(table, Table):
                continue
            for k, column in enumerate(table.columns):
                alone = Table((*table.columns[:k], column, MARK._replace(values=["|"] * len(column.values))), head=30)
                lines = ESCAPE.sub("", terminal.render(View({part: alone}), 10_000, colours)).splitlines()
                lines = [line for line in lines if "|" in line]
                assert len({wcswidth(line[: line.rindex("|")]) for line in lines}) == 1, (name, part, column.name)


def test_the_bars_stand_under_their_characters(views):
    for name, view in views.items():
        for part, strip in view.parts.items():
            if not isinstance(strip, Strip):
                continue
            *blocks, _ = terminal.render(View({part: strip}), 60, 0).split("\n\n")  # the last one is the legend
            for characters, *bars in (block.splitlines() for block in blocks):
                assert len(bars) == len(strip.rows)
                assert {wcswidth(bar) for bar in bars} == {wcswidth(characters)}, (name, characters, bars)


def test_nothing_but_its_own_elements_reaches_a_page(views):
    tags = r"div|section|h3|p|table|thead|tbody|tr|th|td|dl|dt|dd|i|b|span|svg|path|rect|circle|text|g|ul|li"
    for name, view in views.items():
        page = html.render(view)
        found = []
        reader = HTMLParser()
        reader.handle_starttag = lambda tag, attributes: found.append((tag, attributes))  # noqa: B023
        reader.feed(page)
        assert all(re.fullmatch(tags, tag) for tag, _ in found) and ISOLATES.sub("", page).isprintable(), name
        attributes = {attribute for _, several in found for attribute, _ in several}
        assert not any(attribute.startswith("on") or attribute in ("style", "href", "src") for attribute in attributes)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_an_error_says_what_was_given_and_obeys_nothing_of_it(text, tmp_path):
    checkpoint.save(by_formula("lstm", "abc"), tmp_path / "m.npz")
    name = text.replace("\0", "").replace("/", "").encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    for given in (("--match", "(" + text), (text,), ("--file", name)):
        words = ["inspect", "-m", str(tmp_path / "m.npz"), "--view", "units", *given]
        done = CliRunner().invoke(main, [*words, *(["abc"] if given[0] == "--match" else [])])
        assert done.exit_code in (1, 2) and done.output.startswith("Error: ") and "Traceback" not in done.output
        assert all(ISOLATES.sub("", line).isprintable() for line in done.output.split("\n"))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("width", [7, 20, 60])
def test_a_paragraph_fits_and_leaves_nothing_out(text, width):
    lines = wrap_words(f"{text} and {text}, to the end", width)
    assert all(wcswidth(line) <= width for line in lines)
    whole = escape_line(f"{text} and {text}, to the end")
    assert ISOLATES.sub("", "".join(lines)).replace(" ", "") == ISOLATES.sub("", whole).replace(" ", "")
    whole = [wcswidth(one) + 1 + wcswidth(other.split(" ")[0]) for one, other in pairwise(lines)]
    assert all(taken > width for taken in whole)
