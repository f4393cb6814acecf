"""Why something is predicted, and what would be otherwise: held against the plain equations, and on small stories."""

import math
import re

import numpy as np
import pytest
import reference
from small import by_reference, every_kind, model, network, one_and_two_layers
from stories import NAMES, SPEAKERS, learnt

from charlstm.api.language_model import LanguageModel
from charlstm.base.errors import ConfigError, UnknownCharacterError
from charlstm.base.symbols import END
from charlstm.inspection.memory import view_memory
from charlstm.inspection.patch import (
    Ablation,
    ForcedGate,
    Freeze,
    Interventions,
    StateEdit,
    ablate_each,
    parse_interventions,
    read_with,
    view_patch,
    write_continuation,
)
from charlstm.inspection.quantities import Unit
from charlstm.inspection.trace import start_reader, trace
from charlstm.inspection.why import ALTERNATIVES, MAX_WORD, measure_gradient, measure_occlusion, measure_words, view_why

CHARACTERS = "\n abcd"
TEXT, TARGET = "ab cad b", "da"
STEP = 1e-5


def small(kind, layers=1, lines=False):
    return model(network(kind, layers=layers, vocabulary=len(CHARACTERS)), CHARACTERS, lines)


def log_chance(kind, it, text, target=TARGET):
    """The plain equations' log p(target) after a text."""
    ids = it.vocabulary.encode(it.opening + text + target).tolist()
    rows = by_reference(kind, it.network, [[k] for k in ids]).logits[-len(target) - 1 : -1]
    return sum(math.log(reference.probabilities(row[0])[k]) for row, k in zip(rows, ids[-len(target) :], strict=True))


@every_kind
@one_and_two_layers
@pytest.mark.parametrize("lines", [False, True])
def test_occlusion_is_reading_again_with_another_character(kind, layers, lines):
    it = small(kind, layers, lines)
    found = measure_occlusion(start_reader(it), TEXT, TARGET)
    whole = log_chance(kind, it, TEXT)
    for n, character in enumerate(TEXT):
        if n or lines:
            before = by_reference(kind, it.network, it.vocabulary.encode(it.opening + TEXT[:n])[:, None])
            chances = reference.probabilities(before.logits[-1][0])
        else:
            chances = reference.probabilities(it.network.parameters["output/b"].tolist())
        expected = dict(zip(CHARACTERS, chances, strict=True))
        others = sorted(set(CHARACTERS) - {character}, key=lambda c: -expected[c])[:ALTERNATIVES]
        if lines and "\n" in others:
            continue  # the state is reset there, which the plain equations do not know
        drops = [whole - log_chance(kind, it, TEXT[:n] + other + TEXT[n + 1 :]) for other in others]
        weights = [expected[other] for other in others]
        wanted = sum(d * w for d, w in zip(drops, weights, strict=True)) / sum(weights)
        assert found[n] == pytest.approx(wanted, abs=1e-9), n


@every_kind
@one_and_two_layers
@pytest.mark.parametrize("lines", [False, True])
def test_gradient_times_input_is_the_slope_along_the_character(kind, layers, lines):
    it = small(kind, layers, lines)
    weights = {name: block.tolist() for name, block in it.network.parameters.items()}
    for row in weights["output/W"]:
        row.append(0.0)
    weights["output/b"].append(-1e6)
    ids = it.vocabulary.encode(it.opening + TEXT + TARGET).tolist()
    state = it.network.zero_state(1).tolist()

    def chance(n, scale):
        """log p(target) with the input of one character scaled: as an additional character."""
        own = ids[n]
        weights["layer0/U"] = [*it.network.parameters["layer0/U"].tolist()]
        weights["layer0/U"].append([scale * u for u in weights["layer0/U"][own]])
        read = [[len(CHARACTERS) if k == n else index] for k, index in enumerate(ids)]
        rows = reference.read(kind, weights, read, state).logits[-len(TARGET) - 1 : -1]
        return sum(math.log(reference.probabilities(r[0])[k]) for r, k in zip(rows, ids[-2:], strict=True))

    found = measure_gradient(start_reader(it), TEXT, TARGET)
    assert len(found) == len(TEXT)
    for n in range(len(TEXT)):
        place = n + len(it.opening)
        wanted = (chance(place, 1 + STEP) - chance(place, 1 - STEP)) / (2 * STEP)
        assert found[n] == pytest.approx(wanted, rel=1e-5, abs=1e-8)


def test_the_gradient_ends_where_a_line_begins():
    it = small("lstm", lines=True)
    found = measure_gradient(start_reader(it), f"ab{END}cad b", TARGET)
    assert not found[:2].any() and found[2]
    np.testing.assert_allclose(found[2:], measure_gradient(start_reader(it), f"{END}cad b", TARGET), rtol=1e-12)
    np.testing.assert_allclose(found[3:], measure_gradient(start_reader(it), "cad b", TARGET), rtol=1e-12)


@every_kind
@one_and_two_layers
@pytest.mark.parametrize("lines", [False, True])
def test_within_reach_the_influence_is_that_in_the_whole_text(kind, layers, lines):
    it = small(kind, layers, lines)
    whole, near = view_why(it, TEXT, TARGET), view_why(it, TEXT, TARGET, reach=4)
    assert "last 4 of the 8" in near.remarks[-1] and len(near.remarks) == len(whole.remarks) + 1
    (_, strip), _ = near.parts.items()
    assert strip.text == TEXT[-4:]
    begun = start_reader(it)
    begun.read(it.vocabulary.encode(TEXT[:-4])[:, None])
    for by in (measure_occlusion, measure_gradient):
        np.testing.assert_allclose(by(begun, TEXT[-4:], TARGET), by(start_reader(it), TEXT, TARGET)[-4:], rtol=1e-9)
    words, near = measure_words(start_reader(it), TEXT, TARGET), measure_words(begun, TEXT[-4:], TARGET)
    assert near["b"] == pytest.approx(words["b"], rel=1e-9)


@every_kind
@one_and_two_layers
def test_a_word_is_replaced_wherever_it_stands(kind, layers):
    it, text = small(kind, layers), "ab ca ab d ab"
    whole = log_chance(kind, it, text)

    def ranked(before):
        rows = by_reference(kind, it.network, it.vocabulary.encode(before)[:, None]).logits if before else ()
        chances = rows[-1][0] if before else it.network.parameters["output/b"].tolist()
        return sorted(CHARACTERS, key=lambda c: -chances[CHARACTERS.index(c)])

    wanted = {}
    for word in ("ab", "ca", "d"):
        before, drops = text[: text.index(word)], []
        for other in [c for c in ranked(before) if c not in "\n " and c != word[0]][:ALTERNATIVES]:
            while len(other) < MAX_WORD and (after := ranked(before + other)[0]) not in "\n ":
                other += after
            drops.append(whole - log_chance(kind, it, " ".join(other if w == word else w for w in text.split())))
        wanted[word] = sum(drops) / len(drops)
    assert measure_words(start_reader(it), text, TARGET) == pytest.approx(wanted, rel=1e-9)


def test_the_influence_of_the_characters_of_a_word_is_added_up():
    text = "abb ca abb d abbc"
    strip, table = view_why(small("lstm"), text, TARGET).parts.values()
    words, times, _, *sums = (list(column.values) for column in table.columns)
    places = {"abb": [0, 1, 2, 7, 8, 9], "ca": [4, 5], "d": [11], "abbc": [13, 14, 15, 16]}
    assert dict(zip(words, times, strict=True)) == {"abb": 2, "ca": 1, "d": 1, "abbc": 1}
    for row, column in zip(strip.rows, sums, strict=True):  # the strip shows parts of the largest
        scales = [total / sum(row.values[n] for n in places[word]) for word, total in zip(words, column, strict=True)]
        assert scales == pytest.approx([scales[0]] * len(words), rel=1e-9)


def test_the_view_reports_whether_its_two_methods_agree():
    it = small("lstm")
    view = view_why(it, TEXT, TARGET)
    (name, strip), _ = view.parts.items()
    assert "«da»" in name
    for row, measure in zip(strip.rows, (measure_occlusion, measure_gradient), strict=True):
        values = measure(start_reader(it), TEXT, TARGET)
        np.testing.assert_allclose(row.values, values / max(map(abs, values)), rtol=1e-12)
    one, other = (np.argsort(np.argsort(np.abs(row.values))) for row in strip.rows)
    correlation = float(np.corrcoef(one, other)[0, 1])
    assert ("do not agree" in view.remarks[1]) == (correlation < 0.5)
    assert f"{correlation:.2f}" in view.remarks[1]
    assert f"{math.exp(log_chance('lstm', it, TEXT)):.1%}" in view.remarks[0]
    likeliest = trace(it, TEXT).most_probable(1)[-1][0][0]
    assert f"U+{ord(likeliest):04X}" in next(iter(view_why(it, TEXT).parts))
    with pytest.raises(UnknownCharacterError, match="the target"):
        view_why(it, TEXT, "z")


def test_the_influence_of_words_is_in_bits_beside_the_sums_of_their_characters():
    it, begun = small("lstm"), start_reader(small("lstm"))
    table = view_why(it, TEXT, TARGET).parts["influence of words in bits"]
    columns = {column.name: list(column.values) for column in table.columns}
    words = measure_words(begun, TEXT, TARGET)
    by_character = {
        "sum of occlusion": measure_occlusion(begun, TEXT, TARGET),
        "sum of gradient": measure_gradient(begun, TEXT, TARGET),
    }
    assert columns["word"] == sorted(words, key=lambda word: -abs(words[word])) and len(words) == 3
    for row, word in enumerate(columns["word"]):
        assert columns["count"][row] == len(re.findall(rf"\b{word}\b", TEXT))
        assert columns["word replaced"][row] == pytest.approx(words[word] / math.log(2), rel=1e-9)
        start = TEXT.split(" ").index(word)
        start = sum(len(before) + 1 for before in TEXT.split(" ")[:start])
        for name, values in by_character.items():
            total = sum(values[start : start + len(word)])
            assert columns[name][row] == pytest.approx(total / math.log(2), rel=1e-9)


@every_kind
@one_and_two_layers
def test_nothing_reads_an_ablated_unit(kind, layers):
    it = small(kind, layers)
    cut = [Unit(0, 1), Unit(layers - 1, 2)]
    found = read_with(it, TEXT, Interventions(ablations=[*map(Ablation, cut)])).logits[0]
    for layer, number in cut:
        above = "output/W" if layer == layers - 1 else f"layer{layer + 1}/U"
        it.network.parameters[f"layer{layer}/W"][number] = 0.0
        it.network.parameters[above][number] = 0.0
    wanted = by_reference(kind, it.network, it.vocabulary.encode(TEXT)[:, None]).logits[-1][0]
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@every_kind
@one_and_two_layers
@pytest.mark.parametrize("lines", [False, True])
def test_each_unit_is_ablated_as_if_alone(kind, layers, lines):
    it = small(kind, layers, lines)
    text = it.documents.parse("ab\ncad b")
    every = [Unit(layer, number) for layer in range(layers) for number in range(it.network.config.hidden)]
    cuts = [[], *([Ablation(unit)] for unit in every)]
    wanted = [read_with(it, text, Interventions(ablations=cut)).logits[0] for cut in cuts]
    np.testing.assert_allclose(ablate_each(start_reader(it), text), wanted, rtol=1e-9)
    (table,) = view_patch(it, text).parts.values()
    columns = {column.name: list(column.values) for column in table.columns}
    whole, *without = [reference.probabilities(row) for row in wanted]
    change = [sum(p * math.log2(p / q) for p, q in zip(whole, row, strict=True)) for row in without]
    order = sorted(range(len(every)), key=lambda k: -change[k])
    assert columns["ablated unit"] == [str(every[k]) for k in order]
    assert columns["change in bits"] == pytest.approx([change[k] for k in order])
    assert columns["its probability"] == pytest.approx([without[k][np.argmax(whole)] for k in order])
    assert columns["probability"] == pytest.approx([max(without[k]) for k in order])


@every_kind
@one_and_two_layers
def test_a_set_cell_state_has_an_effect_from_there_on(kind, layers):
    it = small(kind, layers)
    found = read_with(it, TEXT, Interventions(edits=[StateEdit(Unit(layers - 1, 2), 0.7, 5)]))
    ids = it.vocabulary.encode(TEXT)[:, None]
    state = by_reference(kind, it.network, ids[:5]).state
    state[layers - 1][-1][0][2] = 0.7
    wanted = by_reference(kind, it.network, ids[5:], np.array(state))
    np.testing.assert_allclose(found.logits[0], wanted.logits[-1][0], rtol=1e-9)
    untouched = by_reference(kind, it.network, ids).logits[-1][0]
    assert abs(found.logits[0] - untouched).max() > 1e-4


@every_kind
@one_and_two_layers
def test_a_patched_cell_state_is_that_of_the_other_text(kind, layers):
    it = small(kind, layers)
    found = read_with(it, TEXT, Interventions(swap="dcb a", swap_at=6))
    ids = it.vocabulary.encode(TEXT)[:, None]
    state = np.array(by_reference(kind, it.network, ids[:6]).state)
    state[:, -1] = np.array(by_reference(kind, it.network, it.vocabulary.encode("dcb a")[:, None]).state)[:, -1]
    wanted = by_reference(kind, it.network, ids[6:], state)
    np.testing.assert_allclose(found.logits[0], wanted.logits[-1][0], rtol=1e-9)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_frozen_memory_stays_and_nothing_else_does(kind):
    it = small(kind)
    found = read_with(it, TEXT, Interventions(freezes=[Freeze(Unit(0, 1), 4)]))
    ids = it.vocabulary.encode(TEXT).tolist()
    state = np.array(by_reference(kind, it.network, [[k] for k in ids[:4]]).state)
    kept = state[0, -1, 0, 1]
    for index in ids[4:]:
        step = by_reference(kind, it.network, [[index]], state)
        state = np.array(step.state)
        state[0, -1, 0, 1] = kept
        if kind == "lstm":
            state[0, 0, 0, 1] = step.quantities[0]["o"][0][0][1] * math.tanh(kept)
    np.testing.assert_allclose(found.state, state, rtol=1e-9)
    wanted = state[0, 0, 0] @ it.network.parameters["output/W"] + it.network.parameters["output/b"]
    np.testing.assert_allclose(found.logits[0], wanted, rtol=1e-9)


def by_lines(kind, it, text, change):
    """The state after a text of lines by the plain equations; `change` edits the state before each character."""
    state = np.array(by_reference(kind, it.network, it.vocabulary.encode("\n")[:, None]).state)
    for n, character in enumerate(text):
        if character == "\n":
            state = 0.0 * state
        change(n, state)
        state = np.array(by_reference(kind, it.network, it.vocabulary.encode(character)[:, None], state).state)
    return state


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_frozen_memory_is_kept_over_the_ends_of_lines(kind, place):
    it = model(small(kind).network, "\n" + CHARACTERS[1:], lines=True)
    text, kept = "ab\ncda\nb\n\nda", []

    def hold(n, state):
        if n >= place:
            kept.append(state[0, -1, 0, 1])
            state[0, -1, 0, 1] = kept[0]

    memory = read_with(it, text, Interventions(freezes=[Freeze(Unit(0, 1), place)])).state[0, -1, 0]
    others = by_lines(kind, it, text, hold)[0, -1, 0]
    assert memory[1] == pytest.approx(kept[0], rel=1e-9) and (kept[0] != 0.0) == (place != 2)
    if kind == "gru":  # the h of the LSTM depends on its frozen c in the same step, before `hold` is called
        np.testing.assert_allclose(np.delete(memory, 1), np.delete(others, 1), rtol=1e-9)


@every_kind
def test_a_change_at_a_newline_changes_the_state_that_the_newline_is_read_in(kind):
    it = model(small(kind).network, "\n" + CHARACTERS[1:], lines=True)
    text, other = "ab\ncda", by_reference(kind, small(kind).network, it.vocabulary.encode("\nbd")[:, None]).state

    def put(n, state):
        if n == 2:
            state[0, -1, 0, 2] = 0.7

    def swap(n, state):
        if n == 2:
            state[:, -1] = np.array(other)[:, -1]

    for changes, change in (
        (Interventions(edits=[StateEdit(Unit(0, 2), 0.7, 2)]), put),
        (Interventions(swap="bd", swap_at=2), swap),
    ):
        np.testing.assert_allclose(read_with(it, text, changes).state, by_lines(kind, it, text, change), rtol=1e-9)


def test_interventions_are_parsed():
    it = small("lstm", layers=2)
    options = [["1:2=-.5e0@3", "0=2"], ["0:1@2"], ["f:1:0=1@4", "o:2=.25"], ["1:0@0", "2"], "ab", 4]
    both = [Unit(0, 2), Unit(1, 2)]
    assert parse_interventions(it, TEXT, *options) == (
        [StateEdit(Unit(1, 2), -0.5, 3), StateEdit(Unit(0, 0), 2.0, 7), StateEdit(Unit(1, 0), 2.0, 7)],
        [Freeze(Unit(0, 1), 2)],
        [ForcedGate("f", Unit(1, 0), 1.0, 4), *(ForcedGate("o", unit, 0.25) for unit in both)],
        [Ablation(Unit(1, 0), 0), *map(Ablation, both)],
        "ab",
        4,
    )
    made = parse_interventions(it, TEXT, [], ["0:1"], [], [], "ab", None)
    assert made == ([], [Freeze(Unit(0, 1), 7)], [], [], "ab", 7)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"set_": ["0:1"]}, "0:17=-1@40"),
        ({"set_": ["0:1=x"]}, "0:17=-1@40"),
        ({"set_": ["0:1=1.2.3"]}, "0:17=-1@40"),
        ({"set_": ["0:1=1@8"]}, "no character 8"),
        ({"set_": ["0:3=1"]}, "no unit 3"),
        ({"freeze": ["0:1@x"]}, "0:17@40"),
        ({"without": ["2:0"]}, "no layer 2"),
        ({"without": ["0:1@x"]}, r"without is '0:1@x'; it must be unit@position, such as 0:17@40, or unit for"),
        ({"without": ["0:1@"]}, "0:17@40"),
        ({"without": ["0:1@8"]}, "no character 8"),
        ({"gate": ["f:0:1"]}, r"gate is 'f:0:1'; it must be gate:unit=value@position, such as f:0:17=1@40, or"),
        ({"gate": ["f=1"]}, "f:0:17=1@40"),
        ({"gate": ["f:0:1=x"]}, "f:0:17=1@40"),
        ({"gate": ["f:0:1=1@"]}, "f:0:17=1@40"),
        ({"gate": ["F:0:1=1"]}, r"the name in gate is 'F'; it must be one of f, i, o$"),
        ({"gate": ["c_tilde:0:1=1"]}, r"the name in gate is 'c_tilde'; it must be one of f, i, o$"),
        ({"gate": ["f:0:1=1.01"]}, "the value in gate is 1.01; it must be a number from 0 to 1"),
        ({"gate": ["f:0:1=-1"]}, "the value in gate is -1"),
        ({"gate": ["f:0:1=1e999"]}, "the value in gate is inf"),
        ({"gate": ["f:0:3=1"]}, "no unit 3"),
        ({"gate": ["f:2:0=1"]}, "no layer 2"),
        ({"gate": ["f:0:1=1@8"]}, "no character 8"),
        ({"at": 8, "swap_memory": "a"}, "no character 8"),
        ({"at": -1, "swap_memory": "a"}, "at is -1"),
        ({"at": "x", "swap_memory": "a"}, "at is 'x'"),
        ({"set_": [f"0:1=1@{'9' * 5000}"]}, r"9…; it must be unit=value@position"),
        ({"freeze": ["0:1@"]}, "it must be unit@position"),
        ({"freeze": [f"{'9' * 5000}:1@2"]}, r"9…; it must be layer:number"),
    ],
)
def test_invalid_interventions_are_refused(wrong, said):
    it = small("lstm", layers=2)
    with pytest.raises(ConfigError, match=said):
        view_patch(it, TEXT, **wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"freeze": ["0:0@2"]}, "the rnn has no forget gate; freeze needs a model of lstm or gru"),
        ({"gate": ["f:0:0=1"]}, "the rnn has no logistic gates; gate needs a model of lstm or gru"),
    ],
)
def test_a_unit_without_a_gate_cannot_be_frozen_and_has_no_gate_to_force(wrong, said):
    with pytest.raises(ConfigError, match=said):
        view_patch(small("rnn"), TEXT, **wrong)


@pytest.fixture(scope="session")
def told():
    """The model that has learnt stories, and those that it has not read."""
    return learnt()


def greeted(it, story):
    return LanguageModel(it).sample(story, length=20, temperature=0.0, stop=".").text


def test_the_model_of_stories_answers_those_that_it_has_not_read(told):
    it, asked = told
    assert len(asked) >= 12 and all(greeted(it, story) == f" {answer}." for story, answer in asked)


def test_the_answers_name_is_the_most_influential_of_the_story(told):
    it, asked = told
    right = 0
    for story, answer in asked:
        influence = measure_words(start_reader(it), story, f" {answer}")
        names = [word for word in influence if word in (*NAMES, *SPEAKERS)]
        right += max(names, key=lambda word: influence[word]) == answer
    assert right >= 0.95 * len(asked)


def test_with_the_memory_of_another_story_she_greets_another(told):
    it, _ = told
    for one, other in [("monica", "richard"), ("ben", "anna")]:
        story, swapped = f"{one} is in. {SPEAKERS[0]} hi", f"{other} is in."
        changed = Interventions(swap=swapped, swap_at=story.index(".") + 1)
        assert write_continuation(read_with(it, story)) == f" {one}."
        assert write_continuation(read_with(it, story, changed)) == f" {other}."
        view = view_patch(it, story, swap_memory=swapped, at=changed.swap_at)
        assert list(view.parts["continuation"].columns[1].values) == [f" {one}.", f" {other}."]


def test_the_answer_changes_where_another_name_is_written(told):
    it, _ = told
    text = "monica is in, richard is in. "
    answers = (" monica.", " richard.")
    view = view_memory(it, trace(it, text), f"{SPEAKERS[0]} hi", answers)
    first, last = (row.values for row in view.parts[f"answers to «{SPEAKERS[0]} hi»"].rows)
    assert first[text.index(",")] > 0.9 and last[-1] > 0.9
    comes = text.index("richard")
    steps = list(view.parts["changes of the answer"].columns[0].values)
    assert any(comes <= step <= comes + len("richard is in.") for step in steps)
    assert re.search(r"\[.\]", view.parts["changes of the answer"].columns[4].values[-1])
