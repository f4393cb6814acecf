"""The page in a real browser: what it shows is what the network did, everything on it works, nothing in a text runs."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from every_view import build_every_view, by_formula
from small import model, network
from test_hostile import HOSTILE

from charlstm.base.symbols import END
from charlstm.cli.main import main
from charlstm.inspection.colouring import view_cell
from charlstm.inspection.gates import view_gates
from charlstm.inspection.quantities import find_steadiest
from charlstm.inspection.registry import Subject
from charlstm.inspection.span_search import search_span
from charlstm.inspection.trace import trace
from charlstm.inspection.view import View
from charlstm.inspection.why import view_why
from charlstm.model import checkpoint
from charlstm.render import data, html, page, page_data
from charlstm.render.characters import escape_character, escape_line
from charlstm.render.page_data import seriate

CHARACTERS = "\n abcdé"
TEXT = "ab cad\né badcab dab bad"


@pytest.fixture
def opened(browser, tmp_path):
    """Return what opens a page; at the end nothing was complained of, nothing asked for, nobody disturbed."""
    tabs, heard = [], []

    def open_(content, scheme="light"):
        path = tmp_path / f"page{len(tabs)}.html"
        path.write_text(content, encoding="utf-8")
        tab = browser.new_page()
        tab.emulate_media(color_scheme=scheme)
        tabs.append(tab)
        tab.on("console", lambda message: heard.append(message.text))
        tab.on("pageerror", lambda error: heard.append(str(error)))
        tab.on("dialog", lambda dialog: heard.append(dialog.message))
        tab.on("request", lambda request: heard.append(request.url) if request.url != path.as_uri() else None)
        tab.goto(path.as_uri())
        tab.wait_for_selector("html[data-ready=yes]", timeout=20_000)
        return tab

    open_.heard = heard
    yield open_
    assert not heard
    for tab in tabs:
        tab.close()


def traced(kind="lstm", text=TEXT, **settings):
    it = by_formula(kind, "".join(sorted({*CHARACTERS, *text})), **settings)
    return it, trace(it, text)


def build(kind="lstm", text=TEXT, **settings):
    it, read = traced(kind, text, **settings)
    return page.render({"gates": view_gates(it, read)}, page.TRACE, read), it, read


def signed(value, digits):
    return f"{value:+.{digits}f}".replace("-", "−").replace("−0." + "0" * digits, "+0." + "0" * digits)


def numbers_on(tab):
    """Every number of the cell, by name, whichever way it is drawn."""
    texts = tab.eval_on_selector_all(
        "#panel-trace [data-value]", "all => all.filter(e => e.textContent).map(e => [e.dataset.value, e.textContent])"
    )
    return dict(texts)


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_the_numbers_on_screen_are_those_of_the_trace(opened, kind):
    content, _, read = build(kind)
    tab = opened(content)
    tab.select_option("#layer", "1")
    for unit in (None, 2):
        tab.fill("#unit", "" if unit is None else str(unit))
        for n in (0, 1, len(TEXT) - 1):
            tab.focus("#strip")
            tab.keyboard.press("End" if n > 1 else "Home")
            if n == 1:
                tab.keyboard.press("ArrowRight")
            assert_cell(numbers_on(tab), read.layers[1], unit, n)
            assert tab.inner_text("#bits") == ("–" if n == 0 else f"{read.surprise[n]:.2f}")
            rows = [row.split() for row in tab.locator("#guesses tr").all_inner_texts()]
            expected = read.most_probable(page_data.GUESSES)[n]
            assert [row[0] for row in rows] == [escape_character(guess) for guess, _ in expected]
            assert [row[1] for row in rows] == [f"{100 * chance:.1f}%" for _, chance in expected]
            assert_next(tab, read, n)


def assert_next(tab, read, n):
    """The next character, its probability, and its place among the predictions."""
    rows = tab.locator("#guesses tr.next").all_inner_texts()
    if n + 1 == len(TEXT):
        assert rows == [] and tab.inner_text("#next") == "The text ends here."
        return
    chance, sign = np.exp(read.log_probabilities[n, CHARACTERS.index(TEXT[n + 1])]), escape_character(TEXT[n + 1])
    assert tab.inner_text("#next") == f"The next character is «{sign}», predicted with {100 * chance:.1f}%."
    expected = [guess for guess, _ in read.most_probable(page_data.GUESSES)[n]]
    assert [row.split()[0] for row in rows] == [sign] * (TEXT[n + 1] in expected)


def assert_cell(on_screen, layer, unit, n):
    """Every quantity as it is at a character, and one character before, where that is shown."""
    for name, values in layer.items():
        column = values.mean(axis=1) if unit is None else values[:, unit]
        gate = name in ("f", "i", "o", "r", "u")
        written = [f"{value:.3f}" if gate else signed(value, 3) for value in (0.0, *column)]
        assert on_screen[name] == written[n + 1], (name, n)
        assert on_screen.get(f"{name} before", written[n]) == written[n], (name, n)


@pytest.mark.parametrize("width", [400, 800, 1200])
def test_nothing_stands_beyond_the_edge_of_the_window(opened, width):
    it = by_formula("lstm", CHARACTERS)
    views = {name.replace(", ", "-").replace(" ", "-"): view for name, view in build_every_view(it, it, TEXT).items()}
    tab = opened(page.render(views, page.TRACE, trace(it, TEXT), dict.fromkeys(views, "what it shows")))
    tab.set_viewport_size({"width": width, "height": 900})
    assert tab.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('#diagram').parentElement)")
    for name in [page.TRACE, *views]:
        tab.evaluate("id => document.getElementById(id).click()", f"tab-{name}")
        assert tab.evaluate("document.documentElement.scrollWidth") == width, name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(opened, scheme):
    from axe_playwright_python.sync_playwright import Axe

    tab = opened(page.build_page(Subject(by_formula("lstm", CHARACTERS), TEXT)), scheme)
    found = {}
    for name in tab.eval_on_selector_all("[role=tab]", "all => all.map(e => e.id)"):
        tab.click(f"#{name}")
        found |= {f"{name}: {one['help']}": one["nodes"] for one in Axe().run(tab).response["violations"]}
    assert len(found) == 0, found


def test_the_mouse_moves_and_selects(opened):
    content, _, _ = build()
    tab = opened(content)
    cells = tab.locator("#strip > span")
    where = lambda: int(re.match(r"character (\d+) ", tab.inner_text("#place"))[1])  # noqa: E731
    cells.nth(4).hover()
    assert where() == 4
    cells.nth(9).click()
    cells.nth(2).hover()
    assert where() == 9
    tab.keyboard.press("Escape")
    cells.nth(3).hover()
    assert where() == 3
    assert tab.locator("#strip > .here").count() == 1
    assert tab.get_attribute("#strip", "aria-valuenow") == "3"
    assert {*tab.eval_on_selector_all("#over rect", "all => all.map(e => e.getAttribute('x'))")} == {"3"}


def test_steady_units_are_offered_and_the_first_colours_the_text(opened):
    content, _, read = build()
    tab = opened(content)
    for number, unit in [(0, find_steadiest(read)[0]), (1, find_steadiest(read)[1])]:
        assert (tab.input_value("#layer"), tab.input_value("#unit")) == (str(unit.layer), str(unit.number))
        assert tab.input_value("#colour") == "c"
        tab.click(f"#steadiest button:nth-of-type({number + 2})")


def test_a_unit_of_the_map_colours_the_text(opened):
    content, _, read = build()
    tab = opened(content)
    tab.select_option("#layer", "0")
    tab.locator("#map").scroll_into_view_if_needed()
    box = tab.locator("#map").bounding_box()
    order = seriate(read.layers[0]["c"])
    row = 2
    tab.mouse.click(box["x"] + 5, box["y"] + (box["height"] - 22) * (row + 0.5) / len(order))
    unit = int(order[row])
    assert tab.input_value("#unit") == str(unit)
    classes = tab.eval_on_selector_all("#strip > span", "all => all.map(e => e.classList[0])")
    strengths = np.tanh(read.layers[0]["c"][:, unit].round(3))
    assert all(abs(int(name[1:]) - html.STEPS * value) <= 0.51 for name, value in zip(classes, strengths, strict=True))
    tab.focus("#map")
    tab.keyboard.press("ArrowDown")
    assert tab.input_value("#unit") == str(order[row + 1])
    tab.keyboard.press("+")
    tab.mouse.move(box["x"] + 100, box["y"] + 100)
    tab.mouse.wheel(0, -400)
    tab.keyboard.press("0")


def test_documents_begin_on_a_line_of_their_own(opened):
    it = model(network("lstm", vocabulary=3, hidden=4), "\nab", lines=True)
    read = trace(it, f"ab{END}ba{END}{END}a")
    tab = opened(page.render({"gates": view_gates(it, read)}, page.TRACE, read))
    shown = "one => one.tagName === 'BR' ? '/' : one.textContent"
    assert tab.evaluate(f"[...document.querySelector('.strip').childNodes].map({shown}).join('')") == "ab∎/ba∎/∎/a"


def test_the_map_has_the_colour_of_every_value(opened):
    """The pictures behind the map are read back, point by point."""
    content, _, read = build()
    painted = opened(content).evaluate(
        """async () => {
          const trace = await unpacked(JSON.parse(document.getElementById("data").textContent).trace);
          const map = new HeatMap(document.createElement("canvas"), trace, () => 0, () => 0);
          return Object.fromEntries(trace.quantities.filter((one) => one.layer === 0).map((quantity) => {
            map.show(quantity, "light");
            const picture = map.piece(0);
            const points = picture.getContext("2d").getImageData(0, 0, picture.width, picture.height).data;
            return [quantity.name, Array.from(points)];
          }));
        }"""
    )
    for name, values in read.layers[0].items():
        strengths = np.clip(np.tanh(values) if name == "c" else values, -1, 1).T[seriate(values)]
        ends = np.where(strengths[:, :, None] >= 0, (0, 68, 170), (190, 80, 0))
        expected = 255 + (ends - 255) * np.abs(strengths)[:, :, None]
        points = np.array(painted[name]).reshape(*strengths.shape, 4)
        np.testing.assert_allclose(points[:, :, :3], expected, atol=1.0, err_msg=name)


def test_a_span_finds_what_the_command_finds(opened):
    content, it, _ = build(hidden=8, scale=1.2)  # with memories on either side of ½, none within a rounding of it
    tab = opened(content)
    cells = tab.locator("#strip > span")
    tried = 0
    for start, stop in ((3, 5), (14, 18), (0, 7), (19, 21), (15, 17)):
        tab.evaluate("scrollTo(0, 0)")
        first, last = cells.nth(start).bounding_box(), cells.nth(stop - 1).bounding_box()
        tab.mouse.move(first["x"] + 2, first["y"] + 9)
        tab.mouse.down()
        tab.mouse.move(last["x"] + 2, last["y"] + 9)
        tab.mouse.up()
        assert f"characters {start} to {stop - 1}" in tab.inner_text("#span")
        found = tuple(search_span(it, TEXT, f"{TEXT}[{start}:{stop}]").parts.values())
        if not found:
            assert "No unit is on" in tab.inner_text("#span")
            continue
        tried += 1
        units, places = found
        names = tab.locator("#on tbody button").all_inner_texts()
        assert names == list(units.columns[0].values)
        shares = tab.locator("#on tbody td:last-child").all_inner_texts()
        assert shares == [f"{100 * value:.1f}%" for value in units.columns[2].values]
        assert list(map(int, tab.locator("#places tbody button").all_inner_texts())) == list(places.columns[0].values)
        alikes = tab.locator("#places tbody td:last-child").all_inner_texts()
        assert alikes == [f"{100 * value:.1f}%" for value in places.columns[4].values]
        tab.locator("#on tbody button").first.click()
        assert [tab.input_value("#layer"), tab.input_value("#unit")] == names[0].split(":")
    assert tried >= 3


def test_a_place_far_away_comes_into_sight(opened):
    content, _, _ = build(text=TEXT * 60)
    tab = opened(content)
    tab.focus("#strip")
    tab.keyboard.press("End")
    box, last = tab.locator("#strip").bounding_box(), tab.locator("#strip > span").last.bounding_box()
    assert box["y"] <= last["y"] and last["y"] + last["height"] <= box["y"] + box["height"]
    tab.keyboard.press("Home")
    first = tab.locator("#strip > span").first.bounding_box()
    assert box["y"] <= first["y"] <= box["y"] + box["height"]


def test_shift_and_arrows_mark_a_span(opened):
    content, _, _ = build()
    tab = opened(content)
    tab.focus("#strip")
    for key in ("Home", "ArrowRight", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight"):
        tab.keyboard.press(key)
    marked = tab.eval_on_selector_all(
        "#strip > span", "all => all.flatMap((e, n) => e.classList.contains('in') ? [n] : [])"
    )
    assert marked == [2, 3, 4] and "characters 2 to 4" in tab.inner_text("#span")


def test_every_view_is_a_tab_with_all_its_parts(opened):
    it, read = traced()
    views = {
        f"view{k}": view for k, view in enumerate(build_every_view(it, by_formula("rnn", CHARACTERS), TEXT).values())
    }
    tab = opened(page.render(views, "view3", read, dict.fromkeys(views, "what it shows")))
    assert tab.get_attribute("[role=tab][aria-selected=true]", "id") == "tab-view3"
    for name, view in views.items():
        tab.click(f"#tab-{name}")
        assert tab.eval_on_selector_all("[role=tabpanel]:not([hidden])", "all => all.map(e => e.id)") == [
            f"panel-{name}"
        ]
        assert tab.locator(f"#panel-{name} section").count() == len(view.parts)
        assert tab.locator(f"#panel-{name} h3").all_inner_texts() == [
            part.replace("_tilde", "~") for part in map(escape_line, view.parts)
        ]
    tab.keyboard.press("Home")
    assert tab.get_attribute("[role=tab][aria-selected=true]", "id") == "tab-trace"
    tab.keyboard.press("ArrowRight")
    assert tab.get_attribute("[role=tab][aria-selected=true]", "id") == "tab-view0"


def test_day_and_night(opened):
    content, _, _ = build()
    tab = opened(content, "dark")
    assert tab.get_attribute("html", "data-theme") == "dark"
    tab.click("#theme")
    assert tab.get_attribute("html", "data-theme") == "light"
    tab.emulate_media(color_scheme="light")
    tab.emulate_media(color_scheme="dark")
    assert tab.get_attribute("html", "data-theme") == "light", "what was chosen by hand stays"
    assert opened(content, "light").get_attribute("html", "data-theme") == "light"


def downloaded(tab, panel, kind):
    with tab.expect_download() as waited:
        tab.click(f"#panel-{panel} .downloads >> text={kind}")
    assert waited.value.suggested_filename == f"{panel}.{kind.lower()}"
    return Path(waited.value.path()).read_bytes().decode()


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_what_is_downloaded_is_the_trace_and_the_views(opened, kind):
    (it, read), (gated, _) = traced(kind), traced()
    views = {"summary": build_every_view(gated, it, TEXT)["summary"], "cell": build_every_view(gated, it, TEXT)["cell"]}
    tab = opened(page.render(views, page.TRACE, read, dict.fromkeys(views, "")))
    whole = json.loads(downloaded(tab, "trace", "JSON"))
    assert whole["text"] == TEXT
    for saved, layer in zip(whole["layers"], read.layers, strict=True):
        for name, values in layer.items():
            np.testing.assert_allclose(np.array(saved[name]).T, values, atol=1e-6, err_msg=name)
    rows, expected = (
        list(csv.reader(io.StringIO(text)))
        for text in (downloaded(tab, "trace", "CSV"), data.as_csv(View({}, exact=read)))
    )
    assert rows[0] == expected[0] and len(rows) == len(expected)
    for row, other in zip(rows[1:], expected[1:], strict=True):
        assert row[:3] == other[:3] and row[4] == other[4]
        np.testing.assert_allclose([float(cell or "nan") for cell in row[5:]], [float(c) for c in other[5:]], atol=1e-6)
    for name, view in views.items():
        tab.click(f"#tab-{name}")
        assert json.loads(downloaded(tab, name, "JSON")) == json.loads(data.as_json(view))
        assert downloaded(tab, name, "CSV").count("\n") > len(view.parts)


def test_cell_states_of_any_size_are_stored(opened):
    _, read = traced()
    factors = [dict.fromkeys(layer, 1.0) | {"c": factor} for layer, factor in zip(read.layers, (3e4, 0.0), strict=True)]
    layers = tuple(
        {name: values * by[name] for name, values in layer.items()}
        for layer, by in zip(read.layers, factors, strict=True)
    )
    layers = tuple(layer | {"h": layer["o"] * np.tanh(layer["c"])} for layer in layers)
    tab = opened(page.render({}, page.TRACE, read._replace(layers=layers)))
    for saved, layer in zip(json.loads(downloaded(tab, "trace", "JSON"))["layers"], layers, strict=True):
        for name, values in layer.items():
            np.testing.assert_allclose(np.array(saved[name]).T, values, atol=1e-6, rtol=1e-6, err_msg=name)


def test_nothing_in_a_text_runs(opened):
    text = " ".join(HOSTILE.values()) + " </script><img src=x onerror=alert(1)>"
    it, read = traced(text=text)
    views = {
        "gates": view_gates(it, read),
        "cell": view_cell(it, read),
        "like": search_span(it, text, f"{text}[2:4]"),
        "why": view_why(it, text[:40]),
        "facts": View({"</script>": {text: text}}, (text,)),
    }
    content = page.render(views, page.TRACE, read, dict.fromkeys(views, text))
    assert content.count("<script") == 2 and content.count("</script") == 2
    tab = opened(content)
    assert tab.locator("script").count() == 2 and tab.locator("iframe, img, object, link[rel=stylesheet]").count() == 0
    signs = tab.eval_on_selector_all("#strip > span", "all => all.map(e => e.textContent)")
    assert signs == [" " if character == " " else escape_character(character) for character in text]


def test_the_policy_of_the_page_lets_nothing_else_run(opened):
    content, _, _ = build()
    tab = opened(content)
    ran = tab.evaluate(
        """() => {
          window.ran = 0;
          const script = document.createElement("script");
          script.textContent = "window.ran = 1";
          document.body.append(script);
          const picture = document.createElement("div");
          picture.innerHTML = "<b onclick='window.ran = 2'>x</b>";
          document.body.append(picture);
          picture.firstChild.click();
          return window.ran;
        }"""
    )
    assert ran == 0
    tab.wait_for_timeout(50)  # for what the browser says of it
    assert len(opened.heard) == 2 and all("Content Security Policy" in line for line in opened.heard)
    opened.heard.clear()


def test_two_thousand_characters_of_128_units_take_less_than_five_megabytes():
    it = model(network("lstm", np.float32, vocabulary=29, hidden=128), "\n ,abcdefghijklmnopqrstuvwxyz")
    text = "".join(np.random.default_rng(0).choice(list("\n ,abcdefghijklmnopqrstuvwxyz"), 2000))
    read = trace(it, text)
    views = {"gates": view_gates(it, read)}
    content = page.render(views, page.TRACE, read)
    assert len(content.encode()) < 5_000_000 and content == page.render(views, page.TRACE, read)


def test_units_with_similar_values_are_neighbours():
    rng = np.random.default_rng(3)
    kinds = rng.permutation(np.repeat(np.arange(3), 5))
    shapes = rng.normal(size=(3, 60))
    shapes -= shapes.mean(axis=1, keepdims=True)
    order = seriate((shapes[kinds] + 0.05 * rng.normal(size=(15, 60))).T)
    assert sorted(order) == list(range(15))
    assert np.count_nonzero(np.diff(kinds[order])) == 2
    places = rng.permutation(12)
    found = places[seriate(np.sin(np.linspace(0, 20, 400)[:, None] + 0.2 * places))]
    assert list(found) in (list(range(12)), list(range(11, -1, -1))), "where there is a line, it is found"
    assert sorted(seriate(np.zeros((4, 3)))) == [0, 1, 2] and list(seriate(np.ones((4, 1)))) == [0]


def test_all_text_can_be_read_by_day_and_by_night():
    """The contrast of every pair of colours that text is written in is at least 4.5, as WCAG 2.1 asks."""

    def luminance(colour):
        shares = [int(c) / 255 for c in colour]
        return np.dot(
            (0.2126, 0.7152, 0.0722), [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
        )

    def contrast(one, other):
        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    def rgb(name, rule):
        digits = re.search(rf"--{name}: #(\w+)", rule)[1]
        return [int(d, 16) for d in (re.findall("..", digits) if len(digits) == 6 else [2 * d for d in digits])]

    content, _, _ = build()
    shades = re.findall(r"--bg:rgb\((.*?)\);--ink:rgb\((.*?)\)", content)
    assert len(shades) == 2 * (2 * html.STEPS + 1)
    for pair in shades:
        assert contrast(*(colour.split(",") for colour in pair)) >= 4.5, pair
    for theme in re.findall(r":root(?:\[data-theme=\"dark\"\])? \{(.*?)\}", content, re.DOTALL)[:2]:
        for front in ("ink", "soft", "accent"):
            for back in ("paper", "card"):
                assert contrast(rgb(front, theme), rgb(back, theme)) >= 4.5, (front, back)


@pytest.fixture
def model_file(tmp_path):
    checkpoint.save(by_formula("lstm", CHARACTERS), tmp_path / "m.npz")
    return str(tmp_path / "m.npz")


def test_the_command_writes_a_page_of_all_views(model_file, tmp_path):
    run = lambda *words: CliRunner().invoke(main, ["inspect", "-m", model_file, "--format", "html", *words])  # noqa: E731
    out = tmp_path / "page.html"
    every = [
        "trace",
        "gates",
        "cell",
        "units",
        "saturation",
        "memory",
        "why",
        "patch",
        "gradients",
        "history",
        "summary",
    ]
    for text in TEXT, TEXT * 20:
        assert run("-o", str(out), text).output == ""
        assert re.findall(r'id="tab-(\w+)"', out.read_text(encoding="utf-8")) == every
    assert '"first":"trace"' in out.read_text(encoding="utf-8")
    assert re.findall(r'id="tab-(\w+)"', run().output) == ["history", "summary"] and '"first":"summary"' in run().output
    asked = run("--view", "memory", "--ask", "ab", "--answer", "a", "--answer", "b", TEXT).output
    assert '"first":"memory"' in asked and "answers to «ab»" in asked
    assert "most probable continuation" in run("--view", "patch", "--without", "0:1", TEXT).output
    refused = run("--view", "units", "--match", "(", TEXT)
    assert refused.exit_code == 2 and refused.output.startswith("Error: ")


def test_a_page_that_no_browser_would_open_is_refused(model_file, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "MAX_VALUES", 480)
    done = CliRunner().invoke(main, ["inspect", "-m", model_file, "--format", "html", TEXT])
    assert done.exit_code == 2 and "at most 10 characters" in done.output
