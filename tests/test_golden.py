"""Views are drawn as in the golden files, which a person has looked at; golden.py writes them."""

import re

import pytest
from golden import FOLDER, draw_all
from wcwidth import wcswidth

from charlstm.inspection.registry import VIEWS
from charlstm.inspection.view import Kind
from charlstm.render import colour
from charlstm.render.html import shade_class

LEGEND = re.compile(r"(0|−1) +(1|\+1|8 bits and more)")
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def files():
    return draw_all()


def test_every_view_is_looked_at(files):
    assert set(VIEWS) == {name.split("-")[0] for name in files}
    assert set(files) == {path.name for path in FOLDER.iterdir()}


def test_every_view_is_drawn_as_it_was_looked_at(files):
    changed = [name for name, content in files.items() if (FOLDER / name).read_text(encoding="utf-8") != content]
    assert not changed, "look at what `python tests/golden.py` changes"


def test_no_number_of_them_stands_on_the_edge_of_rounding(files):
    assert [name for name, content in draw_all(1e-11).items() if content != files[name]] == []


def test_nothing_is_wider_than_the_terminal_and_colour_changes_no_word(files):
    for name, content in files.items():
        view, width, colours = re.fullmatch(r"(.*)-(60|80|120)(-.*)?\.txt", name).groups()
        assert max(map(wcswidth, ESCAPE.sub("", content).splitlines())) <= int(width), name
        assert bool(ESCAPE.search(content)) <= bool(colours), name
        # Where bars take the place of colour, and where a terminal with colours has the dots of Braille as well.
        differ = ("cell", "counts", "gradients", "history", "labels", "memory", "saturation", "score", "summary", "why")
        if colours and not view.startswith(differ):
            shown = [line for line in ESCAPE.sub("", content).splitlines() if not LEGEND.fullmatch(line)]
            assert "\n".join(shown).split() == files[f"{view}-{width}.txt"].split(), name


@pytest.mark.parametrize("colours", [colour.EIGHT, colour.MANY])
@pytest.mark.parametrize("kind", [Kind.SHARE, Kind.SIGNED, Kind.BITS])
def test_rounding_errors_change_no_shade(colours, kind):
    top = colour.MOST_BITS if kind is Kind.BITS else 1.0
    for k in range(-16, 17):
        value = top * k / 16
        drawn = [
            (colour.shade("x", v, kind, colours), colour.level(v, kind), shade_class(v, kind))
            for v in (value, value * (1 - 2e-8), value * (1 + 2e-8), value - 1e-8, value + 1e-8)
        ]
        assert len(set(drawn)) == 1, (k, drawn)
