"""The page in a real browser: all views are on it, everything on it works, nothing in a text runs."""

import csv
import io
import json
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from every_view import build_every_view, by_formula
from live import CHARACTERS, TEXT, build_live, live_model, wait_until_read
from small import model, network
from test_hostile import HOSTILE

from charlstm.cli.main import main
from charlstm.inspection.colouring import view_cell
from charlstm.inspection.gates import view_gates
from charlstm.inspection.registry import Subject
from charlstm.inspection.span_search import search_span
from charlstm.inspection.trace import trace
from charlstm.inspection.view import Strip, View
from charlstm.inspection.why import view_why
from charlstm.model import checkpoint
from charlstm.render import data, html, page
from charlstm.render.characters import escape_character, escape_line
from charlstm.render.page_data import seriate

ALLOWED = 300_000  # bytes of a page beside its weights


@pytest.mark.parametrize("width", [400, 800, 1024, 1200])
def test_nothing_stands_beyond_the_edge_of_the_window(opened, width):
    it = by_formula("lstm", CHARACTERS)
    views = {name.replace(", ", "-").replace(" ", "-"): view for name, view in build_every_view(it, it, TEXT).items()}
    tab = opened(build_live(it, TEXT, TEXT, views=views))
    tab.set_viewport_size({"width": width, "height": 768})
    wait_until_read(tab)
    tab.click("#ablate")
    tab.click("#guesses button >> nth=0")
    tab.wait_for_selector("#words")
    assert tab.evaluate("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('#diagram').parentElement)")
    for name in [page.LIVE, *views]:
        tab.evaluate("id => document.getElementById(id).click()", f"tab-{name}")
        assert tab.evaluate("document.documentElement.scrollWidth") == width, name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(opened, scheme):
    from axe_playwright_python.sync_playwright import Axe

    tab = opened(page.build_page(Subject(by_formula("lstm", CHARACTERS), TEXT)), scheme)
    wait_until_read(tab)
    tab.click("#ablate")
    tab.click("#guesses button >> nth=0")
    tab.wait_for_selector("#words")
    tab.click("summary")
    found = {}
    for name in tab.eval_on_selector_all("[role=tab]", "all => all.map(e => e.id)"):
        tab.click(f"#{name}")
        found |= {f"{name}: {one['help']}": one["nodes"] for one in Axe().run(tab).response["violations"]}
    assert len(found) == 0, found


def test_every_view_is_a_tab_with_all_its_parts(opened):
    it = live_model()
    views = {
        f"view{k}": view for k, view in enumerate(build_every_view(it, by_formula("rnn", CHARACTERS), TEXT).values())
    }
    sentences = dict.fromkeys(views, "what it shows")
    tab = opened(page.render(views, "view3", page.Live(it, []), sentences))
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
    assert tab.get_attribute("[role=tab][aria-selected=true]", "id") == "tab-live"
    tab.keyboard.press("ArrowRight")
    assert tab.get_attribute("[role=tab][aria-selected=true]", "id") == "tab-view0"


def test_the_theme_is_that_of_the_system_or_a_chosen_one(opened):
    tab = opened(build_live(live_model(), TEXT), "dark")
    theme = lambda: (tab.get_attribute("html", "data-theme"), tab.inner_text("#theme"))  # noqa: E731
    assert theme() == ("dark", "theme: system")
    tab.click("#theme")
    assert theme() == ("light", "theme: light")
    tab.emulate_media(color_scheme="light")
    tab.click("#theme")
    assert theme() == ("dark", "theme: dark"), "what was chosen by hand stays"
    tab.click("#theme")
    assert theme() == ("light", "theme: system")
    tab.emulate_media(color_scheme="dark")
    tab.wait_for_selector("html[data-theme=dark]")  # the system is followed again
    assert theme() == ("dark", "theme: system")


def test_a_page_is_printed_in_the_light_theme(opened):
    tab = opened(build_live(live_model(), TEXT), "dark")
    for event, theme in (("beforeprint", "light"), ("afterprint", "dark")):
        tab.evaluate("event => window.dispatchEvent(new Event(event))", event)
        assert tab.get_attribute("html", "data-theme") == theme


def test_views_of_a_text_name_it(opened):
    tab = opened(page.build_page(Subject(by_formula("lstm", CHARACTERS), TEXT)))
    about = f"About the text «{TEXT}», which the page was made for.".replace("\n", "\\n")
    for name in ("units", "memory", "why"):
        assert tab.text_content(f"#panel-{name} .lead .hint") == about
    assert tab.text_content("#panel-summary .lead .hint") == ""


def test_every_coloured_text_has_a_scale_with_numbers(opened):
    it = by_formula("lstm", CHARACTERS)
    views = {"cell": view_cell(it, trace(it, TEXT)), "why": view_why(it, TEXT)}
    tab = opened(build_live(it, TEXT, views=views))
    for name, view in views.items():
        tab.click(f"#tab-{name}")
        strips = [part for part in view.parts.values() if isinstance(part, Strip)]
        shown = [text.split() for text in tab.locator(f"#panel-{name} .scales").all_inner_texts()]
        assert len(shown) == len(strips) > 0 and all(words[-3:] == ["−1", "0", "+1"] for words in shown)


def downloaded(tab, panel, kind):
    with tab.expect_download() as waited:
        tab.click(f"#panel-{panel} .downloads >> text={kind}")
    assert waited.value.suggested_filename == f"{panel}.{kind.lower()}"
    return Path(waited.value.path()).read_bytes().decode()


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_what_is_downloaded_is_the_trace_and_the_views(opened, kind):
    it, gated = live_model(kind), live_model()
    read, every = trace(it, TEXT), build_every_view(gated, it, TEXT)
    views = {"summary": every["summary"], "cell": every["cell"]}
    tab = opened(build_live(it, TEXT, views=views))
    wait_until_read(tab)
    whole = json.loads(downloaded(tab, "live", "JSON"))
    assert whole["text"] == TEXT
    for saved, layer in zip(whole["layers"], read.layers, strict=True):
        for name, values in layer.items():
            np.testing.assert_allclose(np.array(saved[name]).T, values, atol=1e-5, err_msg=name)
    rows, expected = (
        list(csv.reader(io.StringIO(text)))
        for text in (downloaded(tab, "live", "CSV"), data.as_csv(View({}, exact=read)))
    )
    assert rows[0] == expected[0] and len(rows) == len(expected)
    for row, other in zip(rows[1:], expected[1:], strict=True):
        assert row[:3] == other[:3] and row[4] == other[4]
        np.testing.assert_allclose([float(cell or "nan") for cell in row[5:]], [float(c) for c in other[5:]], atol=1e-5)
    for name, view in views.items():
        tab.click(f"#tab-{name}")
        assert json.loads(downloaded(tab, name, "JSON")) == json.loads(data.as_json(view))
        assert downloaded(tab, name, "CSV").count("\n") > len(view.parts)


def test_nothing_in_a_text_runs(opened):
    text = " ".join(HOSTILE.values()) + " </script><img src=x onerror=alert(1)>"
    it = by_formula("lstm", "".join(sorted({*CHARACTERS, *text})))
    read = trace(it, text)
    views = {
        "gates": view_gates(it, read),
        "cell": view_cell(it, read),
        "like": search_span(it, text, f"{text}[2:4]"),
        "why": view_why(it, text[:40]),
        "facts": View({"</script>": {text: text}}, (text,)),
    }
    content = build_live(it, text, views=views)
    assert content.count("<script") == 4 and content.count("</script") == 4
    tab = opened(content)
    wait_until_read(tab)
    assert tab.locator("iframe, img, object, link[rel=stylesheet]").count() == 0
    signs = tab.eval_on_selector_all("#strip > span", "all => all.map(e => e.textContent)")
    assert signs == [" " if character == " " else escape_character(character) for character in text]


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", '"><script>alert(2)</script>', "‮a b"])
def test_nothing_in_the_name_of_a_label_runs(opened, name):
    it = by_formula("lstm", CHARACTERS, labels=(name, "b"))
    tab = opened(build_live(it, TEXT))
    assert tab.locator("img").count() == 0
    assert {*tab.eval_on_selector_all("#label option", "all => all.map(e => e.textContent)")} == {name, "b"}


@pytest.mark.parametrize(
    "fragment",
    [
        "#text=%3Cimg%20src=x%20onerror=alert(1)%3E&at=999999999&unit=9999:9&colour=__proto__&map=constructor&view=x",
        "#text=%E0%A4%A&at=-5&unit=0:1&change=ablate~~0~99~0&change=gate~constructor~0~0~0~1&change=set~~0~0~0~1e999",
        "#view=%22%5D%3Cscript%3E&colour=%22%5D&label=%3Cb%3E&change=freeze~~0~0~-7&change=__proto__~~0~0~0",
        "#" + "change=ablate~~0~0~0&" * 2000,
        "#at=NaN&unit=0:1e3&text=",
    ],
)
def test_nothing_in_the_address_runs(opened, fragment):
    tab = opened(build_live(live_model(), TEXT), fragment=fragment)
    wait_until_read(tab)
    assert tab.locator("img").count() == 0
    assert tab.locator("#changes li").count() == (1 if "ablate~~0~0~0" in fragment else 0)


def test_the_policy_of_the_page_lets_nothing_else_run(opened):
    tab = opened(build_live(live_model(), TEXT))
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
          fetch("https://localhost:9/").catch(() => {});
          try { new Worker("data:text/javascript,postMessage(1)"); } catch { }
          return window.ran;
        }"""
    )
    assert ran == 0
    tab.wait_for_timeout(50)  # for what the browser says of it
    assert len(opened.heard) >= 4 and all("Content Security Policy" in line for line in opened.heard), opened.heard
    opened.heard.clear()


def test_the_scripts_need_nothing_from_outside():
    for name in (*page.ENGINE, *page.PAGE):
        source = (files("charlstm.render") / "assets" / name).read_text(encoding="utf-8")
        source = source.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
        assert not re.search(
            r"https?:|\bfetch\(|XMLHttpRequest|WebSocket|\beval\(|new Function|innerHTML|import\(", source
        )
    listed = {path.name for path in (files("charlstm.render") / "assets").iterdir() if path.name.endswith(".js")}
    assert listed == {*page.ENGINE, *page.PAGE}


@pytest.mark.parametrize("characters", [300, 1_500])
def test_a_page_is_hardly_larger_than_its_model_whatever_the_length_of_the_text(tmp_path, characters):
    known = "\n ,.abcdefghijklmnopqrstuvwxyz"
    it = model(network("lstm", np.float32, vocabulary=len(known), hidden=8), known)
    checkpoint.save(it, tmp_path / "m.npz")
    text = "".join(np.random.default_rng(0).choice(list(known), characters))
    content = page.build_page(Subject(it, text))
    assert content == page.build_page(Subject(it, text))
    # Beyond the rows that a page has of a table, only the text grows.
    grown = (page.MAX_CHARACTERS - characters if characters > page.MAX_ROWS else 0) * 1.2
    assert len(content.encode()) + grown <= 1.4 * (tmp_path / "m.npz").stat().st_size + ALLOWED
    if grown:
        longer = page.build_page(Subject(it, text + "a" * 500))
        assert len(longer) - len(content) < 1_500


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

    content = build_live(live_model(), TEXT)
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
    every = ["live", "units", "saturation", "memory", "why", "patch", "gradients", "history", "summary"]
    for text in TEXT, TEXT * 20:
        assert run("-o", str(out), text).output == ""
        assert re.findall(r'id="tab-(\w+)"', out.read_text(encoding="utf-8")) == every
    assert '"first":"live"' in out.read_text(encoding="utf-8")
    assert re.findall(r'id="tab-(\w+)"', run().output) == ["live", "history", "summary"]
    asked = run("--view", "memory", "--ask", "ab", "--answer", "a", "--answer", "b", TEXT).output
    assert '"first":"memory"' in asked and "answers to «ab»" in asked
    assert re.findall(r'id="tab-(gates|cell)"', run("--view", "cell", TEXT).output) == ["cell"]
    assert "most probable continuation" in run("--view", "patch", "--without", "0:1", TEXT).output
    refused = run("--view", "units", "--match", "(", TEXT)
    assert refused.exit_code == 2 and refused.output.startswith("Error: ")


@pytest.mark.parametrize(("kind", "characters"), [("lstm", "a"), ("gru", "abcdefg")])
def test_a_model_of_one_unit_that_knows_nothing_has_a_page(opened, kind, characters):
    it = by_formula(kind, characters, hidden=1, layers=1)
    it.network.parameters.flat[:] = 0.0
    tab = opened(page.build_page(Subject(it, "aaa")))
    wait_until_read(tab)
    rows = [row.split()[:2] for row in tab.locator("#guesses tbody tr").all_inner_texts()]
    assert rows == [[one, f"{100 / len(characters):.1f}%"] for one in characters[:5]]


def test_a_page_that_no_browser_would_open_is_refused(model_file, monkeypatch):
    monkeypatch.setattr(page, "MAX_NUMBERS", 550)
    done = CliRunner().invoke(main, ["inspect", "-m", model_file, "--format", "html", TEXT])
    assert done.exit_code == 2 and "at most 10 characters" in done.output


def test_every_script_imports_only_scripts_before_it_and_names_things_once():
    earlier, names = set(), []
    for name in (*page.ENGINE, *page.PAGE):
        source = (files("charlstm.render") / "assets" / name).read_text(encoding="utf-8")
        assert {*re.findall(r'^import \{[^;]*\} from "\./(.*)";$', source, re.MULTILINE)} <= earlier, name
        assert source.count("\nimport ") + source.startswith("import ") == len(re.findall(r"^import \{", source, re.M))
        names += re.findall(r"^(?:export )?(?:async )?(?:const|let|class|function\*?) (\w+)", source, re.MULTILINE)
        earlier.add(name)
    assert len(names) == len({*names})
