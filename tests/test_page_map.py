"""The heat map, the curves, the search over a span and the legend of the page, in a real browser."""

import re
from functools import cache

import numpy as np
import pytest
from every_view import by_formula

from charlstm.inspection.quantities import find_steadiest
from charlstm.inspection.span_search import search_span
from charlstm.inspection.trace import trace
from charlstm.render import page
from charlstm.render.page_data import describe_model, encode_weights, seriate
from charlstm.render.style import build_page_style

CHARACTERS = "\n abcdé"
TEXT = "ab cad\né badcab dab bad"
MODULES = (
    "numbers.js",
    "slices.js",
    "interventions.js",
    "network.js",
    "sampling.js",
    "dom.js",
    "characters.js",
    "reading.js",
    "quantities.js",
    "legend.js",
    "curves.js",
    "pictures.js",
    "heatmap.js",
    "span.js",
    "steadiest.js",
)
BODY = """
<section class="card"><span id="legend"></span><canvas id="map" tabindex="0"></canvas></section>
<table id="over"><tbody></tbody></table>
<section class="card" id="span"><h3 id="span-title"></h3><p id="span-summary"></p><div id="span-found"></div></section>
"""
HELPERS = """
const frames = async (count) => { while (count--) await new Promise(requestAnimationFrame); };
const codes = (text) => Int32Array.from(text, (character) => character.codePointAt(0));
const map = () => document.getElementById("map");

async function openModel({ description, places, letters, palette }) {
  const weights = await unpackArrays(letters, places);
  Object.assign(globalThis, { description, palette, network: new Network(description, weights) });
}

/** Read the characters of a text up to one. */
function read(text, done = Infinity, interventions = []) {
  const reading = Object.assign(new Reading(network, null), { interventions });
  reading.edit(codes(text));
  readUpTo(reading, done);
  return reading;
}

function readUpTo(reading, done) {
  while (reading.done < Math.min(done, reading.length)) reading.advance(0);
}

/** Show a quantity of layer 0 in a new map, and note what it calls. */
async function openMap(reading, name = description.memory, order = undefined) {
  const fresh = map().cloneNode();
  map().replaceWith(fresh);
  globalThis.chosen = [];
  globalThis.hovered = [];
  globalThis.heatMap = new HeatMap(fresh, description, palette, {
    chosen: (unit, n) => { chosen.push([unit, n]); heatMap.mark(unit, n, true); },
    moved: (unit, n) => hovered.push([unit, n]),
  });
  heatMap.show(reading, quantitiesOf(description, 0).find((one) => one.name === name), order, "light");
  await frames(3);
  return heatMap;
}

/** Return the colours of the characters that are painted, [character][unit]: red, green, blue, opacity. */
function paintedColours({ pieces, order }) {
  return pieces.flatMap(({ canvas, painted }) => {
    if (!painted) return [];
    const { data } = canvas.getContext("2d").getImageData(0, 0, painted, order.length);
    const point = (n, row) => Array.from(data.subarray(4 * (row * painted + n), 4 * (row * painted + n) + 4));
    return Array.from({ length: painted }, (_, n) => Array.from(order, (_, row) => point(n, row)));
  });
}

/** Return the colour of the map at a point. */
function pixel(x, y) {
  const k = devicePixelRatio;
  return Array.from(map().getContext("2d").getImageData(x * k, y * k, 1, 1).data).join();
}
"""


@pytest.fixture(scope="module")
def shell(browser):
    """One tab with the modules."""
    tab = browser.new_page()
    style = build_page_style()
    tab.set_content(f'<!doctype html><html data-theme="light"><style>{style}</style><main>{BODY}</main></html>')
    tab.add_script_tag(content=page.join_modules(MODULES) + HELPERS)
    yield tab
    tab.close()


@pytest.fixture
def opened(shell):
    """Return what evaluates a function in a tab with the modules and a model; nothing goes wrong there."""
    heard = []

    def hear(message):
        if getattr(message, "type", "error") == "error":  # not a hint that the tests read the canvas back often
            heard.append(getattr(message, "text", str(message)))

    for event in "console", "pageerror":
        shell.on(event, hear)

    def open_(kind="lstm", **settings):
        it = build(kind, **settings)
        places, letters = encode_weights(it)
        description = describe_model(it, trace(it, TEXT)) | {"opening": None}
        palette = {"light": page.LIGHT, "dark": page.DARK, "steps": 20}
        model = {"description": description, "places": places, "letters": letters, "palette": palette}
        shell.evaluate("(model) => openModel(model)", model)
        return it

    open_.tab, open_.run = shell, shell.evaluate
    yield open_
    assert not heard
    for event in "console", "pageerror":
        shell.remove_listener(event, hear)


@cache
def build(kind, **settings):
    return by_formula(kind, CHARACTERS, **settings)


def expected_colours(values, name):
    """The colours of (N, H) values, [character][unit]."""
    strengths = np.clip(np.tanh(values) if name == "c" else values, -1, 1)[..., None]
    ends = np.where(strengths >= 0, (0, 68, 170), (190, 80, 0))
    return 255 + (ends - 255) * np.abs(strengths)


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_the_map_has_the_colour_of_every_value(opened, kind):
    it = opened(kind)
    painted = opened.run(
        """async (text) => {
          const found = {};
          for (const { name } of quantitiesOf(description, 0)) {
            found[name] = paintedColours((await openMap(read(text), name, description.orders[`0/${name}`])).picture);
          }
          return found;
        }""",
        TEXT,
    )
    layer = trace(it, TEXT).layers[0]
    assert {*painted} == {*layer}
    for name, values in layer.items():
        points = np.array(painted[name])
        np.testing.assert_allclose(
            points[..., :3], expected_colours(values, name)[:, seriate(values)], atol=1.0, err_msg=name
        )
        assert (points[..., 3] == 255).all()


def test_the_map_follows_what_is_read_and_edited(opened):
    """Pieces meet at character 1,024; what an edit leaves alone is not painted again."""
    it = opened()
    text = TEXT * 50
    edited = text[:1030] + "ddd" + text[1030:1100]
    first, second, third = opened.run(
        """async ([text, edited]) => {
          const reading = read(text, 700);
          const { picture } = await openMap(reading);
          const first = paintedColours(picture).length;
          readUpTo(reading, Infinity);
          heatMap.update(700);
          await frames(2);
          const second = paintedColours(picture);
          picture.paintBlock = ((paint) => function (k, end) {
            if (k === 0) throw new Error("painted again");
            paint.call(this, k, end);
          })(picture.paintBlock);
          const kept = reading.edit(codes(edited));
          readUpTo(reading, Infinity);
          heatMap.update(kept);
          await frames(2);
          return [first, second, paintedColours(picture)];
        }""",
        [text, edited],
    )
    assert first == 700
    for read, colours in (text, second), (edited, third):
        expected = expected_colours(trace(it, read).layers[0]["c"], "c")
        np.testing.assert_allclose(np.array(colours)[..., :3], expected, atol=1.0)


def test_what_is_no_number_has_no_colour(opened):
    opened()
    painted = opened.run(
        """async (text) => {
          const reading = read(text);
          reading.record(2).fill(NaN);
          reading.record(3).fill(Infinity);
          return paintedColours((await openMap(reading)).picture);
        }""",
        TEXT,
    )
    assert {tuple(point) for point in painted[2]} == {(0, 0, 0, 0)}
    assert {tuple(point) for point in painted[3]} == {(0, 68, 170, 255)}


def test_a_large_map_is_painted_in_several_frames(opened):
    opened()
    early, last = opened.run(
        """async (text) => {
          await openMap(read(text));
          const { picture } = heatMap;
          picture.forget(0);
          picture.paint = ((paint) => (first, last) => {
            const deadline = { valueOf: () => ++asked > 1 ? -Infinity : Infinity }; // one block in a frame
            let asked = 0;
            return paint.call(picture, first, last, deadline);
          })(picture.paint);
          heatMap.update(0);
          await frames(2);
          const early = paintedColours(picture).length;
          await frames(12);
          return [early, paintedColours(picture).length];
        }""",
        TEXT * 20,
    )
    assert 0 < early < last == len(TEXT) * 20


def test_a_click_and_keys_choose_units_of_the_map(opened):
    opened()
    order = [2, 0, 3, 1]
    opened.run("async ([text, order]) => { await openMap(read(text), 'h', order); }", [TEXT, order])
    box = opened.tab.locator("#map").bounding_box()
    place = lambda row, n: (  # noqa: E731
        box["x"] + box["width"] * (n + 0.5) / len(TEXT),
        box["y"] + (box["height"] - 22) * (row + 0.5) / len(order),
    )
    opened.tab.mouse.click(*place(2, 5))
    opened.tab.mouse.move(*place(1, 7))
    opened.tab.focus("#map")
    for key in ("ArrowUp", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowLeft", "Home"):
        opened.tab.keyboard.press(key)
    chosen, hovered = opened.run("() => [chosen, hovered]")
    assert chosen == [[3, 5], [0, 5], [0, 6], [3, 6], [1, 6], [1, 6], [1, 5]]
    assert hovered[0] == [3, 5] and hovered[-1] == [0, 7]


def test_plus_zooms_around_the_chosen_unit_and_zero_shows_the_whole(opened):
    opened()
    found = opened.run(
        """async (text) => {
          await openMap(read(text));
          const press = (key) => map().dispatchEvent(new KeyboardEvent("keydown", { key }));
          const middle = () => ({ ...heatMap.view, ...heatMap.at(heatMap.width / 2, heatMap.height / 2) });
          const found = { whole: { ...heatMap.view } };
          for (let k = 0; k < 4; k++) press("+");
          found.centre = middle();
          press("0");
          found.again = { ...heatMap.view };
          heatMap.mark(1, 40, false);
          const point = [(40 + 0.5) * found.whole.across, 1.5 * found.whole.down];
          for (let k = 0; k < 4; k++) press("+");
          found.chosen = heatMap.at(...point);
          heatMap.pan(-1e6, 0);
          press("+");
          const { view, width } = heatMap;
          found.visible = view.x <= 40 && 41 <= view.x + width / view.across;
          for (let k = 0; k < 9; k++) press("-");
          found.least = { ...heatMap.view };
          return found;
        }""",
        TEXT * 10,
    )
    assert found["centre"]["across"] > found["whole"]["across"] and abs(found["centre"]["n"] - len(TEXT) * 5) <= 1
    assert found["again"] == found["whole"] == found["least"]
    assert found["chosen"] == {"unit": 1, "n": 40} and found["visible"]


def test_the_whole_stays_whole_and_a_zoomed_view_stays(opened):
    opened()
    found = opened.run(
        """async (text) => {
          const reading = read(text);
          await openMap(reading);
          const type = (text) => {
            heatMap.update(reading.edit(codes(text)));
            readUpTo(reading, Infinity);
            heatMap.update(0);
            return { ...heatMap.view, width: heatMap.width };
          };
          const whole = type(text + text);
          heatMap.zoom(2, 300, 50);
          const zoomed = { ...heatMap.view };
          return { whole, zoomed, grown: type(text + text + text), shrunk: type("ab"), empty: type("") };
        }""",
        TEXT,
    )
    assert found["whole"]["across"] == pytest.approx(found["whole"]["width"] / len(TEXT) / 2)
    assert {name: found["grown"][name] for name in found["zoomed"]} == found["zoomed"] != found["whole"]
    assert found["shrunk"]["x"] == 0 and found["shrunk"]["across"] * 2 == pytest.approx(found["shrunk"]["width"])
    assert found["empty"]["x"] == 0


def test_what_is_not_read_has_no_values(opened):
    opened()
    found = opened.run(
        """async (text) => {
          const { width, view, height } = await openMap(read(text, 4));
          const at = (n) => heatMap.at((n + 0.5) * view.across, height / 2)?.n;
          return [at(3), at(4), pixel(3.5 * view.across, 30), pixel(5.5 * view.across, 30)];
        }""",
        TEXT,
    )
    assert found[:2] == [3, None]
    assert found[2].endswith(",255") and found[3] == "0,0,0,0"


@pytest.mark.parametrize("hidden", [4, 40])
def test_units_are_labelled_where_there_is_room_and_interventions_marked(opened, hidden):
    opened(hidden=hidden)
    left, right, unmarked = opened.run(
        """async (text) => {
          const { view, width } = await openMap(read(text));
          heatMap.mark(null, 9, false);
          heatMap.showInterventions([{ layer: 0, unit: 1 }, { layer: 1, unit: 3 }]);
          await frames(2);
          const middle = (unit) => (unit + 0.5) * view.down;
          return [pixel(3, middle(1)), pixel(width - 6, middle(1)), pixel(width - 6, middle(3))];
        }""",
        TEXT,
    )
    card, ink = "255,255,255,255", "27,30,36,255"
    assert (left == card) == (hidden == 4)
    assert right == ink and unmarked != ink


def curves_of(run, expression):
    """Return the rows of the table of curves: the label, the points of each line, the mark and whether it is new."""
    return run(
        f"""async (it) => {{
          const body = document.querySelector("#over tbody");
          {expression}
          const points = (line) => line.getAttribute("d").split("M").slice(1).map((part) =>
            part.split("L").map((point) => point.split(" ").map(Number)));
          return [...body.rows].map((row) => ({{
            label: row.cells[0].textContent,
            lines: [...row.querySelectorAll(".line")].reverse().map(points),
            mark: Number(row.querySelector("rect").getAttribute("x")),
            isNew: row.isNew ?? true,
          }}));
        }}""",
        TEXT,
    )


@pytest.mark.parametrize("unit", [2, None])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_curves_have_the_values_of_a_unit_or_the_mean(opened, kind, unit):
    layer = trace(opened(kind), TEXT).layers[1]
    rows = curves_of(opened.run, f"drawCurves(body, read(it), 1, {'null' if unit is None else unit}, 5, description);")
    assert [row["label"] for row in rows] == {
        "lstm": [
            "memory tanh(c)",
            "forget gate f",
            "input gate i",
            "output gate o",
            "candidate c~",
            "hidden state h",
        ],
        "gru": ["hidden state h", "reset gate r", "update gate u", "candidate h~"],
    }[kind]
    for row in rows:
        symbol = row["label"].split()[-1]
        name = {"tanh(c)": "c", "c~": "c_tilde", "h~": "h_tilde"}.get(symbol, symbol)
        values = np.tanh(layer[name]) if name == "c" else layer[name]
        values = values.mean(axis=1) if unit is None else values[:, unit]
        lowest = 0 if name in ("f", "i", "o", "r", "u") else -1
        points = np.array(row["lines"][0][0])
        np.testing.assert_allclose(points[:, 0], np.arange(len(TEXT)) + 0.5)
        np.testing.assert_allclose(points[:, 1], 38 - 36 * (values - lowest) / (1 - lowest), atol=0.051, err_msg=name)
        assert row["mark"] == 5 and len(row["lines"]) == 1


def test_curves_are_drawn_again_only_for_what_changed(opened):
    opened()
    start = """
      const reading = read(it, 10), other = read(it, 10, [{ kind: "set", layer: 0, unit: 1, from: 4, value: 3 }]);
      const draw = (unit, n, two = null) => drawCurves(body, reading, 0, unit, n, description, two);
      draw(null, 2);
      for (const row of body.rows) row.isNew = false;
    """
    change = "for (const row of body.rows) row.isNew = false;"
    moved = curves_of(opened.run, start + "draw(null, 3);")
    assert {(row["isNew"], row["mark"], len(row["lines"][0][0])) for row in moved} == {(False, 3, 10)}
    grown = curves_of(opened.run, start + "reading.advance(0); draw(null, 3);")
    fresh = curves_of(opened.run, "drawCurves(body, read(it, 11), 0, null, 3, description);")
    assert grown == fresh and len(fresh[0]["lines"][0][0]) == 11
    text = 'const text = "bb" + it.slice(2); reading.edit(codes(text)); readUpTo(reading, 10); draw(null, 3);'
    edited = curves_of(opened.run, start + text)
    fresh = curves_of(opened.run, 'drawCurves(body, read("bb" + it.slice(2), 10), 0, null, 3, description);')
    assert edited == fresh != moved
    both = curves_of(opened.run, start + f"draw(1, 3, other); {change} draw(1, 4, other);")
    assert all(len(row["lines"]) == 2 and not row["isNew"] for row in both)
    plain, changed = both[0]["lines"]
    assert plain[0][:4] == changed[0][:4] and plain[0][4:] != changed[0][4:]


def test_long_curves_have_few_points_and_gaps_where_there_is_no_number(opened):
    opened()
    rows = curves_of(
        opened.run,
        """
        const reading = read(it.repeat(50));
        reading.record(4).fill(NaN);
        drawCurves(body, reading, 0, 1, 3, description);
        """,
    )
    for row in rows:
        parts = row["lines"][0]
        assert [len(part) for part in parts] == [2, len(TEXT) * 25 - 3]
        assert parts[1][0][0] == 6.5


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_span_finds_what_the_command_finds(opened, kind):
    it = opened(kind, hidden=8, scale=1.2)  # with memories on either side of ½, none within a rounding of it
    tried = 0
    for start, stop in ((3, 5), (14, 18), (0, 7), (19, 21), (15, 17), (0, len(TEXT))):
        shown = opened.run(
            """async ([text, start, stop]) => {
              const part = (id) => document.getElementById(id);
              const clicks = [];
              const parts = { title: part("span-title"), summary: part("span-summary"), found: part("span-found") };
              const chosen = (layer, unit) => clicks.push([layer, unit]);
              const panel = new SpanSearch(parts, description, { chosen, moved: (n) => clicks.push(n) });
              const similarity = await panel.show(read(text), start, stop);
              document.querySelectorAll("#on button, #places button").forEach((button) => button.click());
              const texts = (which) => [...document.querySelectorAll(which)].map((cell) => cell.textContent);
              return {
                title: part("span-title").textContent,
                summary: part("span-summary").textContent,
                clicks,
                on: texts("#on tbody td"),
                places: texts("#places tbody td:not(.context)"),
                similarity: Array.from(similarity),
              };
            }""",
            [TEXT, start, stop],
        )
        assert shown["title"].endswith(f"characters {start} to {stop - 1}")
        found = tuple(search_span(it, TEXT, f"{TEXT}[{start}:{stop}]").parts.values())
        if not found:
            assert "No unit is on" in shown["summary"] and shown["on"] == []
            continue
        tried += 1
        names, sides, shares = (column.values for column in found[0].columns)
        assert shown["on"][::5] == list(names) and shown["on"][3::5] == list(sides)
        assert shown["on"][4::5] == [f"{100 * share:.1f}%" for share in shares]
        positions, means = found[1].columns[0].values, found[1].columns[4].values
        assert shown["places"][::2] == list(map(str, positions))
        assert shown["places"][1::2] == [f"{100 * mean:.1f}%" for mean in means]
        assert np.mean(shown["similarity"][positions[0] : positions[0] + stop - start]) == pytest.approx(means[0])
        assert shown["clicks"] == [*([int(part) for part in name.split(":")] for name in names), *positions]
    assert tried >= 3


def test_a_unit_is_on_until_a_character(opened):
    it = opened(hidden=8, scale=1.2)
    memory = np.stack([layer["c"] for layer in trace(it, TEXT).layers])
    sides = np.sign(memory) * (np.abs(np.tanh(memory)) >= 0.5)
    lasting = set()
    for start, stop in ((3, 5), (14, 18), (19, 21)):
        for one in opened.run(
            "([text, ...span]) => findSpan(read(text), description, ...span, () => true).then((found) => found.units)",
            [TEXT, start, stop],
        ):
            mine, until = sides[one["layer"], :, one["unit"]], one["until"]
            assert (mine[start:until] == one["here"]).all() and (until == len(TEXT) or mine[until] != one["here"])
            lasting.add("end" if until == len(TEXT) else until > stop)
    assert lasting == {"end", True, False}


def test_only_the_latest_search_and_what_is_read_count(opened):
    opened(hidden=8, scale=1.2)
    found = opened.run(
        """async (text) => {
          const part = (id) => document.getElementById(id);
          const parts = { title: part("span-title"), summary: part("span-summary"), found: part("span-found") };
          const panel = new SpanSearch(parts, description, { chosen() {}, moved() {} });
          const now = performance.now;
          let time = 0;
          performance.now = () => time += 5; // a slice is two characters
          const reading = read(text, 12);
          const searches = [panel.show(reading, 0, 2), panel.show(reading, 3, 5)];
          const early = panel.show(reading, 10, 13);
          const [older, newer, unread] = await Promise.all([...searches, early]);
          const summary = parts.summary.textContent;
          const last = await panel.show(reading, 3, 5);
          const longer = panel.show(reading, 3, 5);
          reading.edit(codes(text + "dab"));
          const kept = (await longer).length;
          const edited = panel.show(reading, 3, 5);
          reading.edit(codes("ddd" + text));
          readUpTo(reading, 12);
          performance.now = now;
          return { older, newer, unread, summary, last: last.length, kept, edited: await edited };
        }""",
        TEXT,
    )
    assert found["older"] is None and found["newer"] is None and found["unread"] is None
    assert "not read the span yet" in found["summary"]
    assert found["last"] == found["kept"] == 12 and found["edited"] is None


def test_a_repeated_search_leaves_the_keyboard_in_place(opened):
    opened(hidden=8, scale=1.2)
    focused = opened.run(
        """async (text) => {
          const part = (id) => document.getElementById(id);
          const parts = { title: part("span-title"), summary: part("span-summary"), found: part("span-found") };
          const panel = new SpanSearch(parts, description, { chosen() {}, moved() {} });
          const reading = read(text);
          await panel.show(reading, 3, 5);
          const button = document.querySelectorAll("#places button")[2];
          button.focus();
          await panel.show(reading, 3, 5);
          return [button.textContent, button.isConnected, document.activeElement.textContent];
        }""",
        TEXT,
    )
    assert focused == [focused[0], False, focused[0]]


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_the_steadiest_units_are_those_of_the_package(opened, kind):
    it = opened(kind, hidden=8)
    for text in TEXT, TEXT * 10, "a":
        found = opened.run("(text) => findSteadiest(read(text), description)", text)
        assert found == [list(unit) for unit in find_steadiest(trace(it, text))]
    assert opened.run("() => findSteadiest(read(''), description)") is None
    part = opened.run("(text) => findSteadiest(read(text, 12), description)", TEXT)
    assert part == [list(unit) for unit in find_steadiest(trace(it, TEXT[:12]))]


def test_a_legend_has_numbers_and_the_shades_between_them(opened):
    opened()
    show = """(scale) => {
      const place = document.getElementById("legend");
      legend(place, palette, scale);
      const image = place.querySelector("[role=img]");
      const shades = [...place.querySelectorAll("i")];
      const { backgroundColor } = getComputedStyle(shades.at(-1));
      return [image.innerText.split(/\\s+/), image.ariaLabel, shades.map((one) => one.className), backgroundColor];
    }"""
    signed = {"low": -1, "middle": 0, "high": 1, "unitLabel": "tanh(c)"}
    words, label, shades, blue = opened.run(show, signed)
    assert words == ["tanh(c)", "−1", "0", "+1"] and re.search(r"tanh\(c\).*orange is −1.*blue is \+1", label)
    assert shades == [f"s{step}" for step in range(-20, 21)] and blue == "rgb(0, 68, 170)"
    words, label, shades, _ = opened.run(show, {"low": 0, "middle": 4, "high": "8+", "unitLabel": "bits"})
    assert words == ["bits", "0", "4", "8+"] and "orange" not in label
    assert shades == [f"s{step}" for step in range(21)]
