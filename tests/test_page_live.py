"""The live tab in a real browser, with real clicks and typing: what it shows is what the network does."""

import re
from dataclasses import replace
from urllib.parse import parse_qs

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live import CHARACTERS, TEXT, build_live, in_float32, live_model, wait_for, wait_until_read
from small import KINDS, labelled_model, model, network

import charlstm
from charlstm.base.symbols import END
from charlstm.inspection.patch import parse_interventions, read_with, write_continuation
from charlstm.inspection.quantities import find_steadiest
from charlstm.inspection.trace import read_activations, start_reader, trace
from charlstm.inspection.why import measure_occlusion
from charlstm.network.loss import NATS_PER_BIT, log_softmax
from charlstm.render import page
from charlstm.render.characters import escape_character
from charlstm.render.page_data import describe_model, encode_weights, seriate

CLOSE = 1e-5


# --- The network.


def random_model(kind, layers, lines, seed, characters="\nabc de"):
    it = network(kind, np.float32, vocabulary=len(characters), hidden=7, layers=layers, seed=seed)
    it.parameters.flat[:] *= 0.6
    return model(it, characters, lines)


def random_text(it, length, seed):
    """A text without empty documents, which the package leaves out."""
    drawn = np.random.default_rng(seed).choice(list(it.vocabulary.characters), length)
    return it.documents.parse("".join(drawn))


def assert_equal_to_trace(read_in_page, it, text):
    records, predictions, _ = read_in_page(it, text)
    read = trace(it, text)
    for layer, values in enumerate(read.layers):
        for k, name in enumerate(it.network.cell.quantities):
            np.testing.assert_allclose(records[:, layer, k], values[name], atol=CLOSE, err_msg=name)
    np.testing.assert_allclose(predictions, read.log_probabilities, atol=CLOSE)


@pytest.mark.parametrize("lines", [False, True], ids=["stream", "lines"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_network_of_the_page_computes_what_the_package_computes(read_in_page, kind, layers, lines):
    it = random_model(kind, layers, lines, 3)
    if kind == "relu":  # a unit without an upper bound; its numbers must not grow without end
        it.network.parameters.flat[:] *= 0.4
    assert_equal_to_trace(read_in_page, it, random_text(it, 1000, 4))


def test_labels_and_other_documents_are_read_as_the_package_reads_them(read_in_page):
    it = in_float32(labelled_model()).with_label("merry")
    assert_equal_to_trace(read_in_page, it, random_text(it, 1000, 5))
    assert_equal_to_trace(read_in_page, it.with_label("wild"), random_text(it, 30, 6))


@settings(max_examples=12)
@given(
    kind=st.sampled_from(list(KINDS)),
    layers=st.integers(1, 3),
    lines=st.booleans(),
    seed=st.integers(0, 10**6),
    length=st.integers(1, 60),
)
def test_any_network_computes_what_the_package_computes(read_in_page, kind, layers, lines, seed, length):
    it = random_model(kind, layers, lines, seed)
    if kind == "relu":
        it.network.parameters.flat[:] *= 0.4
    assert_equal_to_trace(read_in_page, it, random_text(it, length, seed))


def as_words(changes):
    """Return interventions of the page as the options of the view patch."""
    words = {"set_": [], "freeze": [], "without": [], "gate": []}
    for one in changes:
        unit, at = f"{one['layer']}:{one['unit']}", "" if one["from"] < 0 else f"@{one['from']}"
        if one["kind"] == "ablate":
            words["without"].append(unit + at)
        elif one["kind"] == "freeze":
            words["freeze"].append(unit + at)
        elif one["kind"] == "set":
            words["set_"].append(f"{unit}={one['value']}{at}")
        else:
            words["gate"].append(f"{one['gate']}:{unit}={one['value']}{at}")
    return words


@settings(max_examples=25)
@given(
    kind=st.sampled_from(["lstm", "gru"]),
    layers=st.integers(1, 2),
    lines=st.booleans(),
    seed=st.integers(0, 10**6),
    chosen=st.lists(
        st.tuples(
            st.sampled_from(["ablate", "freeze", "set", "gate"]),
            st.integers(0, 1),
            st.integers(0, 6),
            st.integers(-1, 19),
            st.sampled_from([0.0, 0.25, 1.0]),
        ),
        min_size=1,
        max_size=4,
        unique_by=lambda one: one[:3],
    ),
)
def test_interventions_are_those_of_the_view_patch(read_in_page, kind, layers, lines, seed, chosen):
    it, text = random_model(kind, layers, lines, seed), ""
    text = random_text(it, 20, seed)
    gates = it.network.cell.logistic
    changes = [
        {
            "kind": name,
            "layer": layer % layers,
            "unit": unit,
            "from": place if name in ("ablate", "gate") else max(0, place),
            "value": value,
            "gate": gates[unit % len(gates)],
        }
        for name, layer, unit, place, value in chosen
    ]
    if len({(one["kind"], one["layer"], one["unit"]) for one in changes}) < len(changes):
        return  # the page keeps one intervention of a kind on a unit
    assert_equal_to_patch(read_in_page, it, text, changes)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_of_two_interventions_on_a_gate_the_later_one_holds(read_in_page, kind):
    it = random_model(kind, 1, True, 3)
    text, place = random_text(it, 12, 3), {"layer": 0, "unit": 2}
    for start in (-1, 4, 7):
        changes = [
            {"kind": "freeze", "from": 4} | place,
            {"kind": "gate", "gate": it.network.cell.forget_gate, "value": 0.25, "from": start} | place,
        ]
        assert_equal_to_patch(read_in_page, it, text, changes)
        assert_equal_to_patch(read_in_page, it, text, changes[::-1])
    begun = [{"kind": "freeze", "from": text.index(END, 1)} | place, {"kind": "set", "from": 0, "value": 9.0} | place]
    assert_equal_to_patch(read_in_page, it, text, begun)


def assert_equal_to_patch(read_in_page, it, text, changes):
    words = as_words(changes)
    interventions = parse_interventions(
        it, text, words["set_"], words["freeze"], words["gate"], words["without"], None, None
    )
    reader = read_with(it, text, interventions)
    records, predictions, written = read_in_page(it, text, changes)
    np.testing.assert_allclose(predictions[-1], log_softmax(reader.logits.astype(float))[0], atol=CLOSE)
    quantities, states = it.network.cell.quantities, it.network.cell.states
    for layer in range(it.network.config.layers):
        for number, name in enumerate(states):
            np.testing.assert_allclose(
                records[-1, layer, quantities.index(name)], reader.state[layer, number, 0], atol=CLOSE, err_msg=name
            )
    assert written == write_continuation(reader)


def test_unknown_characters_change_nothing_for_the_others(browser):
    tab, cases = browser.new_page(), []
    tab.add_script_tag(content=page.join_modules((*page.ENGINE, "dom.js", "characters.js", "reading.js")))
    wide = "".join(map(chr, range(0x4E00, 0x4E00 + 3000)))
    for it in (*(random_model("lstm", 1, lines, 3) for lines in (False, True)), random_model("gru", 1, False, 1, wide)):
        known = it.vocabulary.characters.replace(END, "")[-2:]
        end = f"{END}X{known}" * (it.vocabulary.end is not None)
        cases += [(it, text + end) for text in (f"X{known}XX{known[0]}", "XX", "X", "", f"{known}X", known[0])]
    networks = [(describe_model(it), *encode_weights(it)) for it, _ in cases]
    found = tab.evaluate(
        """async ([networks, texts]) => {
          const results = [];
          for (const [k, [description, places, block]] of networks.entries()) {
            const reading = new Reading(new Network(description, await unpackArrays(block, places)), description.end);
            reading.edit(parseText(description, texts[k]));
            reading.advance(Infinity);
            const bits = [...reading.surprisals.subarray(0, reading.done)].map((n) => Number.isNaN(n) ? null : n);
            const logits = reading.logits(reading.length - 1);
            results.push([bits, logits && [...logits], reading.finite, reading.most]);
          }
          return results;
        }""",
        [networks, [text for _, text in cases]],
    )
    tab.close()
    for (it, text), (bits, logits, finite, most) in zip(cases, found, strict=True):
        kept = it.vocabulary.known(text)
        read = trace(it, kept) if kept else None
        shown = [one for one, character in zip(bits, text, strict=True) if character in it.vocabulary]
        np.testing.assert_allclose(np.array(shown, float), read.surprise if read else [], atol=CLOSE)
        expected = read.log_probabilities[-1] if read else None
        if read is None and it.vocabulary.end is not None:
            expected = log_softmax(start_reader(it).logits)[0]
        assert (logits is None) == (expected is None)
        if logits is not None:
            np.testing.assert_allclose(log_softmax(np.array(logits)), expected, atol=CLOSE)
        assert finite and min(most, page.MAX_CHARACTERS) == page.limit_characters(it)


KINDS_OF_DOCUMENTS = [
    *("", "line", "blank-line", "file", "row", ", ", "\n***\n", "\n\n\n", "|", "a.c", "(?", "$^", "x{2}"),
    *("\\n", "\n[x]\n", "\n# -&~\n", "\n-\n-\n", "\t", "\n \n", "🌟", "∎", "a∎b"),
]


def test_a_typed_text_is_cut_into_documents_as_the_package_cuts_it(browser):
    tab, rng, cases = browser.new_page(), np.random.default_rng(3), []
    tab.add_script_tag(content=page.join_modules((*page.ENGINE, "dom.js", "characters.js")))
    for kind in KINDS_OF_DOCUMENTS:
        for characters in ("\n abc", " abc", "\n abc∎🌟é", "\n\rab"):
            known = sorted({*characters, *(END * bool(kind))})
            it = model(network("lstm", vocabulary=len(known)), "".join(known))
            it = replace(it, training=replace(it.training, documents=kind))
            pieces = [*"\n\n\n abc.|*-🌟é\t\x85\x1c\ufeff\u2028\xa0\u200b", *[it.documents.separator or "x"] * 5]
            texts = ["".join(pieces[k] for k in rng.integers(len(pieces), size=n)) for n in rng.integers(14, size=30)]
            typed = texts if "∎" in characters + kind else [text.replace(END, "∎") for text in texts]
            cases.append(
                (describe_model(it), typed, [it.vocabulary.translate(it.documents.parse(one)) for one in texts])
            )
    found = tab.evaluate(
        """(cases) => cases.map(([description, texts]) => texts.map((typed) => {
          const points = parseText(description, typed);
          return [points, parseText(description, formatText(description, points))].map((some) => [...some]);
        }))""",
        [case[:2] for case in cases],
    )
    tab.close()
    for (description, typed, expected), results in zip(cases, found, strict=True):
        for text, points, (parsed, again) in zip(typed, expected, results, strict=True):
            assert parsed == [*map(ord, points)] == again, (description["pattern"], text)


# --- What is shown.


def numbers_on(tab):
    """Every number of the cell, by name, whichever way it is drawn."""
    texts = tab.eval_on_selector_all(
        "#panel-live [data-value]", "all => all.filter(e => e.textContent).map(e => [e.dataset.value, e.textContent])"
    )
    return dict(texts)


def as_number(text):
    return float(text.replace("−", "-"))


def go_to(tab, n):
    tab.focus("#strip")
    tab.keyboard.press("Home")
    for _ in range(n):
        tab.keyboard.press("ArrowRight")


def position(tab):
    return int(re.match(r"character (\d+) ", tab.inner_text("#place"))[1])


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_the_numbers_on_screen_are_those_of_the_trace(opened, kind):
    it = live_model(kind)
    read = trace(it, TEXT)
    tab = opened(build_live(it, TEXT))
    wait_until_read(tab)
    tab.select_option("#layer", "1")
    for unit in (None, 2):
        tab.fill("#unit", "" if unit is None else str(unit))
        for n in (0, 1, len(TEXT) - 1):
            go_to(tab, n)
            assert_cell(numbers_on(tab), read.layers[1], unit, n)
            bits = tab.inner_text("#bits")
            assert bits == "–" if n == 0 else abs(float(bits) - read.surprise[n]) < 0.0051
            rows = [row.split() for row in tab.locator("#guesses tbody tr").all_inner_texts()]
            expected = read.most_probable(5)[n]
            assert [row[0] for row in rows] == [escape_character(guess) for guess, _ in expected]
            for row, (_, chance) in zip(rows, expected, strict=True):
                assert abs(float(row[1].rstrip("%")) - 100 * chance) < 0.051
            assert_next(tab, read, n)


def assert_next(tab, read, n):
    """The next character, its probability, and its place among the predictions."""
    rows = tab.locator("#guesses tr.next").all_inner_texts()
    if n + 1 == len(TEXT):
        assert rows == [] and tab.inner_text("#next") == "The text ends here."
        return
    chance, sign = np.exp(read.log_probabilities[n, CHARACTERS.index(TEXT[n + 1])]), escape_character(TEXT[n + 1])
    found = re.fullmatch(r"The next character is «(.*)», predicted with (.*)%\.", tab.inner_text("#next"))
    assert found[1] == sign and abs(float(found[2]) - 100 * chance) < 0.051
    expected = [guess for guess, _ in read.most_probable(5)[n]]
    assert [row.split()[0] for row in rows] == [sign] * (TEXT[n + 1] in expected)


def assert_cell(on_screen, layer, unit, n):
    """Every quantity as it is at a character, and one character before, where that is shown."""
    for name, values in layer.items():
        column = np.concatenate([[0.0], values.mean(axis=1) if unit is None else values[:, unit]])
        assert abs(as_number(on_screen[name]) - column[n + 1]) < 0.00051, (name, n)
        if f"{name} before" in on_screen:
            assert abs(as_number(on_screen[f"{name} before"]) - column[n]) < 0.00051, (name, n)


def test_typing_updates_everything_and_an_edit_reads_only_what_follows(opened):
    it = live_model()
    tab = opened(build_live(it, TEXT))
    wait_until_read(tab)
    tab.evaluate(
        """() => {
          window.steps = 0;
          const step = Network.prototype.step;
          Network.prototype.step = function (...given) {
            if (given[2].buffer.byteLength > given[2].byteLength) window.steps++; // a record of a reading
            return step.apply(this, given);
          };
        }"""
    )
    tab.focus("#typed")
    tab.keyboard.press("End")
    tab.keyboard.press("Control+End")
    tab.keyboard.type("é")
    wait_until_read(tab)
    assert tab.evaluate("steps") == 1
    assert position(tab) == len(TEXT)
    strip = lambda: "".join(tab.locator("#strip > span").all_inner_texts())  # noqa: E731
    assert strip().replace("\\n", "\n") == TEXT + "é"
    for _ in range(4):
        tab.keyboard.press("ArrowLeft")
    tab.keyboard.type("c")
    wait_until_read(tab)
    edited = TEXT[:-3] + "c" + TEXT[-3:] + "é"
    assert strip().replace("\\n", "\n") == edited and tab.evaluate("steps") == 1 + 5
    assert position(tab) == len(TEXT) - 3, "the position is the character that was typed"
    read = trace(it, edited)
    tab.focus("#strip")
    tab.keyboard.press("End")
    assert abs(float(tab.inner_text("#bits")) - read.surprise[-1]) < 0.0051
    tab.fill("#typed", "")
    wait_until_read(tab)
    assert strip() == "" and tab.inner_text("#place") == "before the first character"
    tab.fill("#typed", "abc")
    wait_until_read(tab)
    assert strip() == "abc"


def test_an_edit_leaves_no_mark_and_no_shade_behind(opened):
    tab = opened(build_live(live_model(), TEXT))
    wait_until_read(tab)
    tab.select_option("#colour", "h")
    marks = lambda name: tab.eval_on_selector_all(f"#strip > .{name}", "all => all.map(e => e.place)")  # noqa: E731
    go_to(tab, 2)
    tab.keyboard.press("Shift+ArrowRight")
    wait_for(tab, "document.querySelectorAll('#on tr, #span-summary').length")
    assert marks("here") == [3] and marks("in") == [2, 3]
    edits = [("d", 9, 9), ("a", 0, 0), ("Delete", 0, 0), ("Backspace", 12, 10), ("c", 23, 23)]
    for key, caret, place in edits:
        tab.evaluate("n => document.getElementById('typed').setSelectionRange(n, n)", caret)
        tab.focus("#typed")
        tab.keyboard.press(key)
        wait_until_read(tab)
        assert (position(tab), marks("here"), marks("in")) == (place, [place], []), key
        shades = "[...document.querySelectorAll('#strip > span')].map(e => e.className)"
        before = tab.evaluate(shades)
        tab.select_option("#colour", "surprise")
        tab.select_option("#colour", "h")
        assert tab.evaluate(shades) == before, key
        drawn = "document.getElementById('map').toDataURL()"
        before = tab.evaluate(drawn)
        for quantity in ("f", "c"):  # which paints the map anew
            tab.click(f"#quantities [value={quantity}]")
            wait_until_read(tab)
        assert tab.evaluate(drawn) == before, key
    assert "over a span" in tab.inner_text("#span-title") and tab.locator("#span-found table").count() == 0
    go_to(tab, 0)
    tab.keyboard.press("Shift+ArrowRight")
    wait_for(tab, "!document.querySelector('#colour [value=similarity]').disabled")
    tab.select_option("#colour", "similarity")
    tab.fill("#typed", tab.input_value("#typed") + "a")
    wait_until_read(tab)
    assert {name.split()[0] for name in tab.evaluate(shades)} == {"s0"}, "there is no span to be similar to"


def test_edits_follow_each_other_while_the_network_reads(opened):
    tab = opened(build_live(live_model(hidden=40), TEXT))
    tab.evaluate(
        """async (text) => {
          const field = document.getElementById("typed");
          for (let k = 0; k < 12; k++) {
            field.value = text.repeat(40 + k);
            field.dispatchEvent(new Event("input"));
            document.getElementById(["ablate", "undo"][k % 2]).click();
            for (const begin = performance.now(); performance.now() < begin + 10;) await nextTask();
          }
        }""",
        TEXT,
    )
    wait_until_read(tab)
    wait_for(tab, f"document.querySelectorAll('#strip > span').length === {51 * len(TEXT)}")
    assert tab.locator("#strip > .unread").count() == 0 and tab.locator("#changes li").count() == 0
    tab.fill("#typed", "")
    tab.focus("#strip")
    tab.keyboard.press("Shift+ArrowRight")
    assert tab.inner_text("#place") == "before the first character" and tab.locator("#strip > span").count() == 0


def test_a_warning_ends_with_the_character_that_gave_it(opened):
    it = live_model()
    it.network.parameters["layer0/U"][it.vocabulary.id("é")] = np.nan
    tab = opened(build_live(it, "abc"))
    for text, is_broken in (("abc", False), ("abécd", True), ("abcd", False)):
        tab.fill("#typed", text)
        wait_until_read(tab)
        assert tab.is_visible("#warning") == is_broken


def test_unknown_characters_are_marked_and_skipped(opened):
    it = live_model()
    tab = opened(build_live(it, TEXT))
    tab.fill("#typed", "abXc\u200bZ ad")
    wait_until_read(tab)
    cells = tab.locator("#strip > span")
    assert tab.eval_on_selector_all("#strip > .unknown", "all => all.map(e => e.textContent)") == ["X", "U+200B", "Z"]
    assert "3" in tab.inner_text("#count") and "does not know" in tab.inner_text("#count")
    read = trace(it, "abc ad")
    cells.last.click()
    assert abs(float(tab.inner_text("#bits")) - read.surprise[-1]) < 0.0051
    cells.nth(2).click()
    assert tab.inner_text("#bits") == "–"


def test_documents_begin_on_a_line_of_their_own(opened):
    it = model(network("lstm", np.float32, vocabulary=3, hidden=4), "\nab", lines=True)
    tab = opened(build_live(it, f"ab{END}ba{END}{END}a"))
    shown = "one => one.tagName === 'BR' ? '/' : one.textContent"
    strip = f"[...document.querySelector('.strip').childNodes].map({shown}).join('')"
    assert tab.evaluate(strip) == "ab∎/ba∎/∎/a"
    assert tab.input_value("#typed") == "ab\nba\n\na"
    tab.fill("#typed", "a\nb∎a")
    assert tab.evaluate(strip) == "a∎/b∎/a"


def test_the_page_opens_at_a_telling_character_and_keys_work_at_once(opened):
    tab = opened(build_live(live_model(), TEXT, place=7))
    assert position(tab) == 7
    tab.keyboard.press("ArrowRight")
    assert position(tab) == 8
    tab.keyboard.press("Space")
    wait_for(tab, "document.getElementById('place').textContent.startsWith('character 10 ')")
    tab.keyboard.press("Space")
    here = position(tab)
    tab.wait_for_timeout(300)
    assert position(tab) == here >= 10


def test_the_mouse_moves_and_selects(opened):
    tab = opened(build_live(live_model(), TEXT))
    wait_until_read(tab)
    cells = tab.locator("#strip > span")
    cells.nth(4).hover()
    assert position(tab) == 4
    cells.nth(9).click()
    cells.nth(2).hover()
    assert position(tab) == 9
    tab.keyboard.press("Escape")
    cells.nth(3).hover()
    assert position(tab) == 3
    assert tab.locator("#strip > .here").count() == 1
    assert tab.get_attribute("#strip", "aria-valuenow") == "3"
    assert {*tab.eval_on_selector_all("#over rect", "all => all.map(e => e.getAttribute('x'))")} == {"3"}


def test_shift_and_arrows_select_a_span(opened):
    tab = opened(build_live(live_model(), TEXT))
    wait_until_read(tab)
    go_to(tab, 2)
    tab.keyboard.press("Shift+ArrowRight")
    tab.keyboard.press("Shift+ArrowRight")
    marked = tab.eval_on_selector_all(
        "#strip > span", "all => all.flatMap((e, n) => e.classList.contains('in') ? [n] : [])"
    )
    assert marked == [2, 3, 4] and "characters 2 to 4" in tab.inner_text("#span")
    tab.wait_for_selector("#on")
    tab.evaluate("window.before = document.getElementById('span-found').innerHTML")
    tab.fill("#unit", "1")
    tab.click("#ablate")
    wait_for(tab, "document.getElementById('span-found').innerHTML !== before")


def test_steady_units_are_offered_and_the_first_is_chosen(opened):
    it = live_model()
    units = find_steadiest(trace(it, TEXT))
    tab = opened(build_live(it, TEXT))
    tab.wait_for_selector("#steadiest button")
    chosen = lambda: (tab.input_value("#layer"), tab.input_value("#unit"))  # noqa: E731
    wait_for(tab, "document.getElementById('unit').value !== ''")
    assert chosen() == (str(units[0].layer), str(units[0].number)) and tab.input_value("#colour") == "c"
    assert tab.locator("#steadiest button").all_inner_texts() == [str(unit) for unit in units]
    tab.click("#steadiest button >> nth=1")
    assert chosen() == (str(units[1].layer), str(units[1].number))


def test_a_unit_of_the_map_is_chosen_with_a_click(opened):
    it = live_model()
    order = seriate(trace(it, TEXT).layers[0]["c"])
    tab = opened(build_live(it, TEXT))
    wait_until_read(tab)
    tab.select_option("#layer", "0")
    tab.locator("#map").scroll_into_view_if_needed()
    box = tab.locator("#map").bounding_box()
    tab.mouse.click(box["x"] + 5, box["y"] + (box["height"] - 22) * 2.5 / len(order))
    assert tab.input_value("#unit") == str(order[2])


def test_a_place_far_away_comes_into_sight(opened):
    tab = opened(build_live(live_model(), TEXT * 60, place=1300))
    wait_until_read(tab)
    assert position(tab) == 1300
    wait_for(tab, f"document.querySelectorAll('#strip > span').length === {60 * len(TEXT)}")
    tab.focus("#strip")
    tab.keyboard.press("End")
    box, last = tab.locator("#strip").bounding_box(), tab.locator("#strip > span").last.bounding_box()
    assert box["y"] <= last["y"] and last["y"] + last["height"] <= box["y"] + box["height"]
    tab.keyboard.press("Home")
    first = tab.locator("#strip > span").first.bounding_box()
    assert box["y"] <= first["y"] <= box["y"] + box["height"]


def test_the_cell_shows_the_memory_that_the_network_reads_with(opened):
    it = model(network("lstm", np.float32, vocabulary=3, hidden=4), "\nab", lines=True)
    tab = opened(build_live(it, f"ab{END}ba"))
    wait_until_read(tab)
    tab.fill("#unit", "1")
    go_to(tab, 2)
    assert numbers_on(tab)["c before"] == "+0.000", "a document begins with the zero state"
    go_to(tab, 4)
    tab.fill("#set-value", "-3")
    tab.click("#set")
    wait_until_read(tab)
    shown = {name: as_number(text) for name, text in numbers_on(tab).items() if name != "x"}
    assert shown["c before"] == -3
    assert abs(shown["f"] * shown["c before"] + shown["written"] - shown["c"]) < 0.005
    assert tab.inner_text("#sentence").startswith("Its memory is set to −3. Forget gate ")


@pytest.mark.parametrize(
    ("name", "before", "after", "sentence"),
    [
        ("c", 0.01, -0.01, "The memory c stays near 0."),
        ("c", 5.9, 6.02, "The memory c stays near +6.02."),
        ("c", 0.4, 1.0, "The memory c becomes stronger: from +0.40 to +1.00."),
        ("c", -1.0, -0.4, "The memory c becomes weaker: from −1.00 to −0.40."),
        ("c", -1.0, 0.4, "The memory c changes its sign: from −1.00 to +0.40."),
        ("h", 0.0, 0.5, "The hidden state h becomes stronger: from 0.00 to +0.50."),
    ],
)
def test_a_sentence_fits_the_memory(opened_once, name, before, after, sentence):
    assert opened_once.evaluate("given => describeMemory(...given)", [name, before, after]) == sentence


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "nothing"), (0.01, "almost nothing"), (0.2, "little"), (0.5, "about half"), (0.8, "most"), (1, "all")],
)
def test_a_sentence_fits_the_gate(opened_once, value, words):
    sentence = opened_once.evaluate("value => describeGates(new Map([['f', value], ['i', 1], ['o', 1]]))", value)
    assert sentence.startswith(f"Forget gate {value:.2f}: keeps {words} of its memory. Input gate 1.00: writes all ")


@pytest.fixture(scope="module")
def opened_once(browser):
    """One tab with the functions that write sentences."""
    tab = browser.new_page()
    tab.add_script_tag(content=page.join_modules((*page.ENGINE, "quantities.js", "words.js")))
    yield tab
    tab.close()


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (1200, 800)])
def test_the_first_screen_has_the_text_a_prediction_and_the_cell(opened, width, height):
    tab = opened(build_live(live_model(), TEXT))
    tab.set_viewport_size({"width": width, "height": height})
    wait_until_read(tab)
    bottoms = [
        tab.locator(name).bounding_box() for name in ("#strip", "#guesses tbody tr >> nth=0", "#whose", "#sentence")
    ]
    assert all(box["y"] + box["height"] <= height for box in bottoms)
    tab.locator(".now").evaluate("one => one.scrollIntoView()")
    for name in ("#guesses tbody tr >> nth=0", "#guesses tbody tr >> nth=4", "#continuations", "#ablate", "#diagram"):
        box = tab.locator(name).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= height, f"{name} is seen with the buttons"


# --- What the user can do.


def test_controls_are_large_enough_to_touch(opened):
    tab = opened(build_live(live_model(), TEXT))
    wait_until_read(tab)
    tab.click("#ablate")
    size = "all => all.map(e => e.getBoundingClientRect()).filter(r => r.width).map(r => Math.min(r.width, r.height))"
    assert min(tab.eval_on_selector_all("button, select, input, summary", size)) >= 24


def test_what_changes_is_announced_once(opened):
    tab = opened(build_live(live_model(), TEXT))
    wait_until_read(tab)
    tab.evaluate(
        """() => {
          window.announced = [];
          const note = () => announced.push(document.getElementById("announcement").textContent);
          new MutationObserver(note).observe(document.getElementById("announcement"), { childList: true });
        }"""
    )
    tab.focus("#typed")
    tab.keyboard.press("Control+End")
    tab.keyboard.type("abcX", delay=20)
    wait_for(tab, "announced.length > 0")
    tab.fill("#unit", "2")
    tab.click("#ablate")
    wait_for(tab, "announced.length > 1")
    tab.focus("#map")
    for _ in range(3):
        tab.keyboard.press("ArrowLeft")
    wait_for(tab, "announced.length > 2")
    typed, intervened, moved = tab.evaluate("announced")
    assert "does not know 1 of them" in typed and re.search(r"; next \S+ [\d.]+%", typed)
    assert re.fullmatch(r"1 intervention; next without \S+ [\d.]+%, with \S+ [\d.]+%", intervened)
    assert moved == tab.inner_text("#map-value") and moved.startswith(f"unit 1:2, character {len(TEXT)} ")
    assert {
        *tab.eval_on_selector_all("#panel-live [aria-live], #panel-live [role=status]", "all => all.map(e => e.id)")
    } == {
        "announcement",
        "writing-says",
        "span-title",
    }


def test_the_focus_stays_where_the_user_works(opened):
    tab = opened(build_live(live_model(), TEXT))
    wait_until_read(tab)
    focused = lambda: tab.evaluate("document.activeElement.id || document.activeElement.className")  # noqa: E731
    tab.click("#ablate")
    tab.focus("#undo")
    tab.keyboard.press("Enter")
    assert focused() == "since", "undo is disabled"
    tab.click("#ablate")
    tab.focus("#changes button")
    tab.keyboard.press("Enter")
    assert focused() == "undo"
    tab.focus("#guesses button >> nth=1")
    tab.keyboard.press("Enter")
    tab.focus("#why-close")
    tab.keyboard.press("Enter")
    assert tab.is_hidden("#why") and focused() == "guess"
    tab.click("#write-step")
    tab.focus("#write-stop")
    tab.keyboard.press("Enter")
    assert focused() == "write"


def test_the_text_shows_where_an_intervention_begins(opened):
    tab = opened(build_live(live_model(), TEXT))
    wait_until_read(tab)
    go_to(tab, 6)
    assert tab.inner_text("#at-once") == "at character 6 «\\n»:"
    tab.select_option("#since", "here")
    tab.click("text=closed >> nth=0")
    assert tab.inner_text("#since-here") == "character 6"
    assert tab.inner_text("#changes li span").endswith(": forget gate held closed from character 6 on")
    marked = tab.eval_on_selector_all("#strip > span", "all => all.map(e => e.classList.contains('begins'))")
    assert marked == [n == 6 for n in range(len(TEXT))]
    tab.evaluate("location.hash = location.hash.replace(/&change=.*/, '') + '&at=3'")
    wait_for(tab, "!document.querySelector('#changes li')")
    assert tab.locator("#strip > .begins").count() == 0, "an address without interventions has none"


def test_a_narrow_window_opens_without_the_interventions(opened):
    tab = opened(build_live(live_model(), TEXT))
    assert tab.is_visible("#ablate")
    tab.set_viewport_size({"width": 400, "height": 800})
    tab.reload()
    wait_until_read(tab)
    assert tab.is_hidden("#ablate")
    tab.click("#interventions summary")
    tab.click("#ablate")
    wait_until_read(tab)
    wait_for(tab, "location.hash.includes('change=')")
    tab.reload()
    wait_until_read(tab)
    assert tab.is_visible("#changes li"), "interventions of the address are shown"


def continuation(reader, end=None):
    return charlstm.inspection.patch.write_continuation(reader)


def test_an_intervention_shows_before_and_after_side_by_side(opened):
    it = live_model()
    tab = opened(build_live(it, TEXT))
    wait_until_read(tab)
    tab.focus("#strip")
    tab.keyboard.press("End")
    tab.select_option("#layer", "0")
    tab.fill("#unit", "2")
    tab.click("#ablate")
    wait_until_read(tab)
    assert tab.locator("#changes li span").all_inner_texts() == ["unit 0:2: ablated"]
    assert "charlstm inspect --view patch --without 0:2 " in tab.inner_text("#command")
    tab.select_option("#since", "here")
    go_to(tab, 5)
    tab.click("text=closed >> nth=0")
    wait_until_read(tab)
    assert "--gate f:0:2=0@5" in tab.inner_text("#command")
    tab.focus("#strip")
    tab.keyboard.press("End")
    readers = [
        read_with(it, TEXT),
        read_with(it, TEXT, parse_interventions(it, TEXT, [], [], ["f:0:2=0@5"], ["0:2"], None, None)),
    ]
    chances = [np.exp(log_softmax(reader.logits.astype(float)))[0] for reader in readers]
    for row in tab.locator("#guesses tbody tr").all_inner_texts():
        sign, *shown = row.split()
        index = [escape_character(one) for one in it.vocabulary.characters].index(sign)
        for percent, p in zip(shown, chances, strict=True):
            assert abs(float(percent.rstrip("%")) - 100 * p[index]) < 0.051
    written = tab.locator("#continuations mark").all_inner_texts()
    assert written == ["".join(escape_in_text(c) for c in write_continuation(reader)) for reader in readers]
    tab.click("#undo")
    assert tab.locator("#changes li").count() == 1
    tab.click("#undo")
    assert tab.locator("#changes li").count() == 0 and tab.inner_text("#command") == ""
    assert tab.locator("#continuations mark").count() == 1
    assert tab.is_disabled("#undo") and tab.is_disabled("#clear")


def escape_in_text(character):
    return " " if character == " " else escape_character(character)


def test_the_model_writes_what_the_sampler_writes(opened):
    it = live_model()
    tab = opened(build_live(it, TEXT))
    wait_until_read(tab)
    tab.click("summary")
    for name, value in (("temperature", "0.9"), ("top-k", "5"), ("top-p", "0.95"), ("seed", "7")):
        tab.fill(f"#{name}", value)
    tab.select_option("#speed", "0")
    expected = charlstm.LanguageModel(it).sample(TEXT, 40, 0.9, top_k=5, top_p=0.95, random_seed=7).text
    tab.click("#write-step")
    wait_until_read(tab)
    assert tab.input_value("#typed") == TEXT + expected[0]
    tab.click("#write")
    wait_for(tab, "document.getElementById('typed').value.length > 70")
    tab.click("#write")
    assert tab.inner_text("#write") == "go on"
    assert tab.input_value("#typed")[len(TEXT) :][:40] == expected
    assert position(tab) == len(tab.input_value("#typed")) - 1
    tab.click("#write-stop")
    tab.click("#write-remove")
    assert tab.input_value("#typed") == TEXT
    tab.click("#write-step")
    wait_until_read(tab)
    assert tab.input_value("#typed") == TEXT + expected[0], "the random seed begins again"


def test_what_the_model_writes_ends_with_a_click_or_an_edit(opened):
    tab = opened(build_live(live_model(), TEXT))
    wait_until_read(tab)
    length = "document.getElementById('typed').value.length"
    tab.select_option("#speed", "10")
    begin = tab.evaluate("Date.now()")
    tab.evaluate("for (let k = 0; k < 9; k++) document.getElementById('write').click()")  # write, pause, go on, …
    wait_for(tab, f"{length} > {len(TEXT) + 3}")
    assert tab.evaluate(length) - len(TEXT) <= 5 + (tab.evaluate("Date.now()") - begin) / 100, "one writer at a time"
    tab.fill("#typed", "abc")  # which ends the sample: nothing of it can be removed
    tab.wait_for_timeout(150)
    assert tab.input_value("#typed") == "abc" and tab.inner_text("#write") == "write"
    assert tab.is_disabled("#write-remove") and tab.is_disabled("#write-stop")
    long = "ab cad" * 900
    tab.evaluate(
        """(long) => {
          const [field, write, stop] = ["typed", "write", "write-stop"].map((id) => document.getElementById(id));
          field.value = long;
          field.dispatchEvent(new Event("input"));
          for (const control of [write, stop]) control.click(); // while the network reads
        }""",
        long,
    )
    wait_until_read(tab)
    assert tab.input_value("#typed") == long and "Stopped after 0" in tab.inner_text("#writing-says")
    tab.fill("#typed", "")
    tab.evaluate("document.getElementById('top-k').value = 0")
    tab.click("#write-step")
    assert tab.is_visible("#top-k") and tab.input_value("#typed") == "", "what is not possible is shown"


def test_a_stream_begins_with_a_line_if_there_are_lines(opened):
    for it, begun in ((live_model(), "\n"), (random_model("lstm", 1, False, 3, "abc"), "")):
        tab = opened(build_live(it, "ab"))
        tab.fill("#typed", "")
        tab.select_option("#speed", "0")
        tab.click("#write")
        wait_for(tab, "document.getElementById('typed').value.length > 20")
        tab.click("#write-stop")
        expected = begun + charlstm.LanguageModel(it).sample("", 20, 0.8, random_seed=0).text
        assert tab.input_value("#typed")[:20] == expected[:20]


def test_a_document_ends_what_the_model_writes(opened):
    it = random_model("lstm", 1, True, 3)
    it.network.parameters["output/b"][it.vocabulary.end] = 2.0
    tab = opened(build_live(it, "ab"))
    wait_until_read(tab)
    tab.select_option("#speed", "0")
    tab.click("#write")
    wait_for(tab, "document.getElementById('writing-says').textContent.startsWith('The document ends')")
    assert tab.locator("#strip > span").last.inner_text() == "∎"
    assert tab.inner_text("#write") == "write"
    it = replace(it, training=replace(it.training, documents="blank-line"))
    it.network.parameters["output/b"][it.vocabulary.end] = 99.0
    tab = opened(build_live(it, "ab"))
    for _ in range(3):
        tab.click("#write-step")
        wait_until_read(tab)
    assert tab.input_value("#typed") == "ab∎∎∎"
    tab.fill("#typed", "ab∎∎∎a")
    assert "".join(tab.locator("#strip > span").all_inner_texts()) == "ab∎∎∎a", "empty documents stay as they are"


def test_interventions_change_what_is_written(opened):
    it = live_model()
    tab = opened(build_live(it, TEXT))
    wait_until_read(tab)
    tab.click("summary")
    tab.fill("#temperature", "0")
    tab.select_option("#layer", "1")
    tab.fill("#unit", "0")
    tab.click("#ablate")
    wait_until_read(tab)
    for _ in range(5):
        tab.click("#write-step")
        wait_until_read(tab)
    reader = read_with(it, TEXT, parse_interventions(it, TEXT, [], [], [], ["1:0"], None, None))
    written = tab.input_value("#typed")[len(TEXT) :]
    assert len(written) == 5
    for character in written:
        assert character == it.vocabulary.character(int(reader.logits[0].argmax()))
        reader.read(it.vocabulary.encode(character)[:, None])


def test_a_click_on_a_prediction_asks_why(opened):
    it = live_model()
    tab = opened(build_live(it, TEXT))
    wait_until_read(tab)
    go_to(tab, 12)
    tab.click("#guesses button >> nth=1")
    wait_for(tab, "document.getElementById('why-says').textContent.startsWith('Done')")
    target = it.vocabulary.character(
        [escape_character(c) for c in it.vocabulary.characters].index(tab.inner_text("#guesses button >> nth=1"))
    )
    expected = measure_occlusion(start_reader(it), TEXT[:13], target) / NATS_PER_BIT
    titles = tab.eval_on_selector_all("#influences span", "all => all.map(e => e.title)")
    shown = [as_number(re.fullmatch(r"\d+: (.*) bits", title)[1]) for title in titles]
    np.testing.assert_allclose(shown, expected, atol=0.0051)
    plain = tab.inner_text("#why-words")
    tab.select_option("#rival", index=1)
    wait_for(tab, "document.getElementById('why-says').textContent.startsWith('Done')")
    assert "rather than" in tab.inner_text("#why-title") and tab.inner_text("#why-words") != plain
    tab.click("#why-close")
    assert tab.is_hidden("#why")
    tab.click("#guesses button >> nth=0")
    assert tab.is_visible("#why")
    tab.fill("#typed", "abc")
    assert tab.is_hidden("#why"), "the answer is about another text"


def test_the_address_brings_back_what_was_seen(opened):
    it = live_model()
    tab = opened(build_live(it, TEXT))
    wait_until_read(tab)
    tab.fill("#typed", "abca dé bad")
    wait_until_read(tab)
    tab.select_option("#layer", "1")
    tab.fill("#unit", "3")
    tab.click("#ablate")
    tab.click("#quantities button >> text=f")
    tab.select_option("#colour", "i")
    go_to(tab, 4)
    wait_for(tab, "location.hash.includes('at=4')")
    fragment = tab.evaluate("location.hash")
    assert parse_qs(fragment[1:])["text"] == ["abca dé bad"]
    seen = "[...document.querySelectorAll('#strip, #guesses, #place, #changes, #whose')].map(e => e.innerText)"
    before = tab.evaluate(seen)
    tab.reload()
    tab.wait_for_selector("html[data-ready=yes]")
    wait_until_read(tab)
    assert tab.evaluate(seen) == before
    chosen = lambda one: [one.input_value(f"#{name}") for name in ("typed", "layer", "unit", "colour")]  # noqa: E731
    assert chosen(tab) == ["abca dé bad", "1", "3", "i"]
    assert tab.get_attribute("#quantities [aria-checked=true]", "value") == "f"
    tab.evaluate("location.hash = '#text=bad'")
    wait_for(tab, "document.getElementById('typed').value === 'bad'")
    assert tab.locator("#changes li").count() == 0
    other = opened(build_live(it, TEXT), fragment=fragment)
    wait_until_read(other)
    assert other.evaluate(seen) == before


def test_labels_open_their_documents(opened):
    it = in_float32(labelled_model())
    tab = opened(build_live(it, "abcca"))
    wait_until_read(tab)
    for label in ("gloomy", "wild"):
        tab.select_option("#label", label)
        wait_until_read(tab)
        tab.focus("#strip")
        tab.keyboard.press("Home")
        read = trace(it.with_label(label), "abcca")
        assert abs(float(tab.inner_text("#bits")) - read.surprise[0]) < 0.0051


def test_a_network_whose_numbers_are_not_finite_says_so(opened):
    it = live_model()
    it.network.parameters.flat[:] = np.nan
    tab = opened(build_live(it, TEXT))
    wait_until_read(tab)
    assert "Train it again" in tab.inner_text("#warning")
    tab.click("#write-step")
    assert tab.input_value("#typed") == TEXT


def test_a_cell_that_the_page_does_not_know_leaves_the_views(opened):
    it = live_model()
    content = build_live(it, TEXT).replace('"cell":"lstm"', '"cell":"peephole"')
    tab = opened(content)
    assert "no function for the cell peephole" in tab.inner_text("#panel-live")


def test_what_was_read_is_what_the_reader_of_the_package_reads():
    """The oracle of this file reads as training does: its activations are those of the trace."""
    it = live_model()
    ids = it.vocabulary.encode(TEXT)
    logits = np.concatenate([block for block, _ in read_activations(it, ids)])
    np.testing.assert_allclose(log_softmax(logits), trace(it, TEXT).log_probabilities, atol=1e-6)
