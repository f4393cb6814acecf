"""Every view shows what plain loops over the reference's quantities give."""

import json
import math
import re
import tracemalloc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import by_reference, every_kind, model, network

from charlstm.api import LanguageModel
from charlstm.base.errors import ConfigError
from charlstm.inspection import units
from charlstm.inspection.colouring import view_cell
from charlstm.inspection.memory import score_answers, view_memory
from charlstm.inspection.quantities import find_steadiest
from charlstm.inspection.questions import QUESTIONS, match_pattern
from charlstm.inspection.ranking import Labels, rank_units
from charlstm.inspection.saturation import view_saturation
from charlstm.inspection.span_search import search_span
from charlstm.inspection.summary import view_history, view_summary
from charlstm.inspection.trace import Trace, trace
from charlstm.inspection.units import view_units
from charlstm.inspection.view import Strip, Table, columns_of
from charlstm.model.model import History
from charlstm.network.rnn import RNN
from charlstm.render.data import as_json
from charlstm.render.terminal import render
from charlstm.training.schedule import learning_rate

CHARACTERS = '\n "()ABab'
TEXT = 'Ab "ba" (a(b)) ab\nBa b"a b" a\n(b) A a'
GATES = {"lstm": ("f", "i", "o"), "gru": ("r", "u")}
gated = pytest.mark.parametrize("kind", GATES)


def two_layers(kind="lstm", hidden=3, seed=1):
    return model(network(kind, np.float32, vocabulary=len(CHARACTERS), layers=2, hidden=hidden, seed=seed), CHARACTERS)


def quantities(kind, it, text=TEXT):
    """What the plain equations give: for each layer, name of a quantity → rows of units."""
    layers = by_reference(kind, it.network, it.vocabulary.encode(text)[:, None]).quantities
    return [{name: [row[0] for row in rows] for name, rows in layer.items()} for layer in layers]


def memories(kind, it, text=TEXT):
    """Rows of what every unit of both layers remembers, between −1 and 1."""
    held = [
        [[math.tanh(c) for c in row] for row in layer["c"]] if kind == "lstm" else layer["h"]
        for layer in quantities(kind, it, text)
    ]
    return [low + high for low, high in zip(*held, strict=True)]


def values(view, part):
    return {column.name: list(column.values) for column in columns_of(view.parts[part])}


@every_kind
def test_the_view_of_a_cell_colours_the_text_by_its_memory(kind):
    it = two_layers(kind)
    strip = view_cell(it, trace(it, TEXT), ["0:2", "1:0"]).parts["cell"]
    wanted = memories(kind, it)
    assert strip.text == TEXT and [row.name[:3] for row in strip.rows] == ["0:2", "1:0"]
    for row, place in zip(strip.rows, (2, 3), strict=True):
        np.testing.assert_allclose(row.values, [held[place] for held in wanted], rtol=1e-5, atol=1e-6)


@gated
def test_the_view_of_a_cell_colours_the_text_by_any_quantity(kind):
    it = two_layers(kind)
    for name, wanted in quantities(kind, it)[1].items():
        (row,) = view_cell(it, trace(it, TEXT), ["1:1"], name).parts["cell"].rows
        np.testing.assert_allclose(row.values, [units[1] for units in wanted], rtol=1e-5, atol=1e-6)
    with pytest.raises(ConfigError, match="'x'"):
        view_cell(it, trace(it, TEXT), by="x")


def test_a_cell_that_is_not_named_is_one_whose_memory_changes():
    it = two_layers()
    columns = list(zip(*memories("lstm", it), strict=True))
    spreads = {
        f"{k // 3}:{k % 3}": sum((v - sum(column) / len(column)) ** 2 for v in column)
        for k, column in enumerate(columns)
    }
    best = sorted(spreads, key=lambda name: -spreads[name])[:3]
    assert [row.name.split()[0] for row in view_cell(it, trace(it, TEXT)).parts["cell"].rows] == best


@gated
def test_saturation_counts_the_characters_at_which_a_gate_is_shut_or_open(kind):
    it = two_layers(kind)
    it.network.parameters.flat[:] *= 4.0
    view = view_saturation(it, TEXT)
    table = {(c.group, c.name): list(c.values) for c in columns_of(view.parts["units"])}
    totals = values(view, "gates")
    for number, layer in enumerate(quantities(kind, it)):
        for place, gate in enumerate(GATES[kind]):
            for unit in range(3):
                series = [row[unit] for row in layer[gate]]
                shut, open_ = (sum(map(test, series)) / len(series) for test in (lambda v: v < 0.1, lambda v: v > 0.9))
                assert table[gate, "below 0.1"][3 * number + unit] == pytest.approx(shut, abs=1e-12)
                assert table[gate, "above 0.9"][3 * number + unit] == pytest.approx(open_, abs=1e-12)
            mine = table[gate, "below 0.1"][3 * number : 3 * number + 3]
            row = number * len(GATES[kind]) + place
            assert totals["below 0.1"][row] == pytest.approx(sum(mine) / 3)
            assert totals["units mostly closed"][row] == sum(share > 0.9 for share in mine)
    assert any(0 < share < 1 for shares in table.values() for share in shares if not isinstance(share, str))


@pytest.mark.parametrize("look", [view_saturation, lambda it, text: view_memory(it, trace(it, text))])
def test_a_cell_without_gates_is_refused(look):
    with pytest.raises(ConfigError, match="lstm or gru"):
        look(two_layers("rnn"), TEXT)


@gated
def test_half_lives_are_how_long_a_written_half_stays(kind):
    it = two_layers(kind)
    found = values(view_memory(it, trace(it, TEXT)), "half-lives in characters")
    for number, layer in enumerate(quantities(kind, it)):
        for unit in range(3):
            product = math.prod(row[unit] for row in layer["f" if kind == "lstm" else "u"])
            wanted = math.log(0.5) / (math.log(product) / len(TEXT))
            place = found["unit"].index(f"{number}:{unit}")
            assert found["half-life"][place] == pytest.approx(wanted, rel=1e-4)
    assert found["half-life"] == sorted(found["half-life"], reverse=True)
    assert sum(values(view_memory(it, trace(it, TEXT)), "units by half-life")["units"]) == 6


@gated
def test_writes_and_erasures_follow_the_equation_of_the_memory(kind):
    it = two_layers(kind)
    view = view_memory(it, trace(it, TEXT))
    written, erased = [0.0] * len(TEXT), [0.0] * len(TEXT)
    for layer in quantities(kind, it):
        for unit in range(3):
            series = {name: [row[unit] for row in rows] for name, rows in layer.items()}
            for n in range(len(TEXT)):
                if kind == "lstm":
                    keep, write, held = series["f"][n], series["i"][n] * series["c_tilde"][n], series["c"]
                else:
                    keep, write, held = series["u"][n], (1 - series["u"][n]) * series["h_tilde"][n], series["h"]
                before = held[n - 1] if n else 0.0
                assert held[n] == pytest.approx(keep * before + write, abs=1e-9)
                written[n] += abs(write)
                erased[n] += abs(before) * (1 - keep)
    shown = values(view, "writes and erasures")
    np.testing.assert_allclose(shown["written"], np.array(written) / max(written), rtol=1e-4)
    np.testing.assert_allclose(shown["erased"], np.array(erased) / max(erased), rtol=1e-4, atol=1e-6)


@gated
def test_a_newline_erases_nothing_in_a_model_of_lines_and_the_opening_newline_leaves_a_state(kind):
    characters, text = "".join(sorted(set("mady walks in.\nmady said hi.\n"))), "mady walks in.\nmady said hi.\n"
    it = model(network(kind, np.float32, vocabulary=len(characters)), characters, lines=True)
    erased = values(view_memory(it, trace(it, text)), "writes and erasures")["erased"]
    wanted, forget, memory = [], *(("f", "c") if kind == "lstm" else ("u", "h"))
    for line in text.splitlines():
        read = by_reference(kind, it.network, it.vocabulary.encode(f"\n{line}")[:, None]).quantities[0]
        rows = [(read[memory][n][0], read[forget][n + 1][0]) for n in range(len(line))]
        wanted += [sum(abs(held) * (1 - kept) for held, kept in zip(*row, strict=True)) for row in rows] + [0.0]
    assert erased[14] == 0.0 == erased[-1] and erased[0] > 0.0
    np.testing.assert_allclose(erased, np.array(wanted) / max(wanted), rtol=1e-4)


def test_units_are_counted_by_half_lives_from_one_power_of_two_to_the_next():
    it = model(network("lstm", vocabulary=len(CHARACTERS)), CHARACTERS)
    it.network.parameters.flat[:] = 0.0
    it.network.parameters["layer0/b"][:3] = -2.0, 0.0, 1e4  # forget gates of 0.12, ½ and 1
    bars = LanguageModel(it).view("memory", "ab").parts["units by half-life"]
    assert list(bars.value.values) == [1, 1, *[0] * 9, 1]  # less than 1; 1; for ever


def test_stretches_with_one_answer_are_rows():
    it, answers = two_layers(seed=3), ["a", "b", " "]
    it.network.parameters.flat[:] *= 3.0  # it changes its mind
    parts = LanguageModel(it).view("memory", TEXT, ask="(", answers=answers).parts.values()
    strip = next(part for part in parts if isinstance(part, Strip))
    first, last, said, share, place = (
        list(column.values) for column in next(part for part in parts if isinstance(part, Table)).columns
    )
    assert len(first) > 2 and first[0] == 0 and last[-1] == len(TEXT) - 1
    assert first[1:] == [n + 1 for n in last[:-1]] and all(one != other for one, other in pairwise(said))
    for start, stop, answer, mean, where in zip(first, last, said, share, place, strict=True):
        at = {row.name: [float(row.values[n]) for n in range(start, stop + 1)] for row in strip.rows}
        assert all(at[answer][n] == max(column[n] for column in at.values()) for n in range(stop + 1 - start))
        assert mean == pytest.approx(sum(at[answer]) / len(at[answer])) and where.startswith(f"{start}: ")


@pytest.mark.parametrize("lines", [False, True])
def test_answers_have_the_probability_of_reading_on(lines):
    it = two_layers()
    it = model(it.network, CHARACTERS, lines)
    ask, answers = " (a", ["b)", "a"]
    found = score_answers(it, "ab B", ask, answers)
    for n in range(4):
        for row, answer in enumerate(answers):
            read = "ab B"[: n + 1] + ask + answer
            bits = trace(it, read).surprise[-len(answer) :]
            assert found[row, n] == pytest.approx(-sum(bits) * math.log(2), rel=1e-5)
    view = view_memory(it, trace(it, "ab B"), ask, answers)
    chances = np.exp(found)
    np.testing.assert_allclose(values(view, f"answers to «{ask}»")["b)"], chances[0] / chances.sum(axis=0), rtol=1e-6)
    for wrong in ({"ask": ask}, {"answers": answers}):
        with pytest.raises(ConfigError, match="give both"):
            view_memory(it, trace(it, "ab"), **wrong)


def pairs_told_apart(series, answers):
    """Of all pairs of an inside and an outside, the share in which the inside is higher; a tie is half a pair."""
    inside = [v for v, yes in zip(series, answers, strict=True) if yes]
    outside = [v for v, yes in zip(series, answers, strict=True) if not yes]
    won = sum((a > b) + 0.5 * (a == b) for a in inside for b in outside)
    return won / (len(inside) * len(outside))


def ranked(blocks, answers):
    """The scores of the units whose values go by in blocks."""
    return rank_units(blocks, {"it": Labels(np.array(answers))})["it"]


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
def test_a_score_is_the_share_of_pairs_that_a_unit_tells_apart(rows):
    series, answers = [v for v, _ in rows], [int(yes) for _, yes in rows]
    if len(set(answers)) == 1:
        return
    found = ranked([np.array(series, float)[:, None]], answers)
    area = pairs_told_apart(series, answers)
    assert found.scores[0] + 0.5 == pytest.approx(area, abs=1e-12)
    assert found.unsigned()[0] == pytest.approx(max(area, 1 - area), abs=1e-12)


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 5)), min_size=2, max_size=20))
def test_a_correlation_is_that_of_the_ranks(rows):
    series, answers = [v for v, _ in rows], [k for _, k in rows]
    if len(set(series)) == 1 or len(set(answers)) == 1 or set(answers) <= {0, 1}:
        return

    def ranks(of):
        return [sum((b < a) + 0.5 * (a == b) for b in of) for a in of]

    wanted = np.corrcoef(ranks(series), ranks(answers))[0, 1]
    assert ranked([np.array(series, float)[:, None]], answers).scores[0] == pytest.approx(wanted)


@pytest.mark.parametrize("kind", ["lstm", "rnn"])
def test_units_are_ranked_by_their_own_memory(kind):
    it = two_layers(kind)
    found = values(view_units(it, TEXT, match=r"a+"), "inside a+")
    answers = [character == "a" for character in TEXT]
    areas = [pairs_told_apart(column, answers) for column in zip(*memories(kind, it), strict=True)]
    for k, area in enumerate(areas):
        place = found["unit"].index(f"{k // 3}:{k % 3}")
        assert found["ROC AUC"][place] == pytest.approx(max(area, 1 - area), abs=1e-9)
        assert found["value is"][place] == ("higher" if area > 0.5 else "lower")
    assert found["ROC AUC"] == sorted(found["ROC AUC"], reverse=True)


def test_a_unit_that_tracks_is_significant_and_the_best_of_512_by_chance_is_not():
    rng = np.random.default_rng(0)
    answers = (np.sin(np.arange(4000) / 20) > 0.6).astype(int)
    values = np.cumsum(rng.normal(size=(4000, 512)), axis=0)
    lucky = ranked([values], answers)
    assert 0.04 < abs(lucky.scores).max() < lucky.threshold
    values[:, 17] = answers + rng.normal(size=4000)
    found = ranked([values], answers)
    assert found.scores.argmax() == 17 and found.scores[17] > found.threshold


@given(st.lists(st.integers(0, 3), min_size=12, max_size=60), st.integers(1, 8), st.integers(1, 8), st.booleans())
def test_the_scores_do_not_depend_on_where_blocks_end(answers, first, then, yes_or_no):
    answers = [min(answer, 1) if yes_or_no else answer for answer in answers]
    series = np.sin(np.arange(len(answers)) * 1.7)[:, None] * np.array([1.0, 3.0, 0.001])
    one, other = (
        [series[:first], series[first:]],
        [series[:first], series[first : first + then], series[first + then :]],
    )
    np.testing.assert_allclose(ranked(one, answers).scores, ranked(other, answers).scores, rtol=1e-12)


def test_long_texts_score_as_if_all_values_were_kept():
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(12_000, 40))
    wanders, returns = np.cumsum(steps, axis=0) / 40, steps.copy()
    for before, after in pairwise(returns):
        after += 0.95 * before
    for values in wanders, returns / 3:
        answers = (values[:, 3] + rng.normal(size=12_000) > 0.5).astype(int)
        for asked in (answers, np.arange(12_000) % 77):
            whole, blocks = ranked([values], asked), ranked(np.array_split(values, 12), asked)
            np.testing.assert_allclose(blocks.scores, whole.scores, atol=1e-3)
    assert blocks.threshold == pytest.approx(whole.threshold, rel=0.1)  # of values that come back


@pytest.mark.parametrize("label", ["runs of 100 on, 200 off", "numbers, 100"])
def test_the_best_of_slow_units_exceeds_the_threshold_in_one_case_of_twenty(label):
    rng, N, K, exceeded, ranked = np.random.default_rng(0), 4096, 100, 0, 0
    for _ in range(3):
        steps = {"units": rng.normal(size=(N, 32)), "labels": rng.normal(size=(N, K))}
        processes = {name: values.copy() for name, values in steps.items()}
        for name, time_constant in (("units", 300), ("labels", 100)):
            keep = math.exp(-1 / time_constant)
            for t in range(1, N):
                processes[name][t] = keep * processes[name][t - 1] + math.sqrt(1 - keep**2) * steps[name][t]
        labels = processes["labels"].T
        if label.startswith("runs"):
            chance, labels = rng.random((N, K)), np.zeros((N, K), int)
            labels[0] = rng.random(K) < 1 / 3
            for t in range(1, N):
                labels[t] = labels[t - 1] ^ (chance[t] < np.where(labels[t - 1], 1 / 100, 1 / 200))
            labels = labels.T
        for found in rank_units(
            np.array_split(processes["units"], 4), {str(k): Labels(row) for k, row in enumerate(labels)}
        ).values():
            exceeded += found.is_significant(int(abs(found.scores).argmax()))
            ranked += 1
    assert 0.01 < exceeded / ranked < 0.08


def test_a_text_that_is_short_for_slow_labels_is_remarked():
    """Of the labels without the remark, the best unit exceeds the threshold for one of twenty."""
    rng, N, K, exceeded = np.random.default_rng(2), 1024, 100, {False: [], True: []}
    for time_constant in [300] * 5 + [5] * 2:
        keep = math.exp(-1 / time_constant)
        series = np.zeros((2, N, K))
        series[:, 0] = rng.normal(size=(2, K))
        for t in range(1, N):
            series[:, t] = keep * series[:, t - 1] + math.sqrt(1 - keep**2) * rng.normal(size=(2, K))
        found = rank_units([series[0, :, :32]], {str(k): Labels(row) for k, row in enumerate(series[1].T)}).values()
        for ranking in found:
            exceeded[ranking.text_is_short].append(ranking.is_significant(int(abs(ranking.scores).argmax())))
        assert time_constant == 300 or not any(ranking.text_is_short for ranking in found)
    assert len(exceeded[True]) > 50
    assert np.mean(exceeded[True]) > 0.1 and np.mean(exceeded[False]) < 0.07


def test_the_remark_names_the_questions_for_which_a_text_is_short():
    it = two_layers(hidden=8)
    for times, names in ((1, "inside a"), (60, "")):
        remarks = view_units(it, ("a" * 40 + "b" * 40) * times, match="a").remarks
        assert [names in remark for remark in remarks if "short" in remark] == [True] * bool(names)
    assert any("short for inside brackets, bracket depth" in remark for remark in view_units(it, "(AB)\nab").remarks)


@pytest.mark.parametrize("mirror", [False, True])
@given(st.lists(st.booleans(), min_size=2, max_size=9), st.integers(0, 40), st.data())
def test_shifted_labels_start_over_or_turn_back(mirror, answers, start, data):
    labels, N = Labels(np.array(answers)), len(answers)
    T = data.draw(st.integers(1, N))
    circle = [*answers, *(answers[::-1] if mirror else answers)]
    wanted = [[circle[(first + t) % (2 * N)] for t in range(T)] for first in (start, start + 1)]
    found = labels.shift(np.array([start, start + 1]), T, mirror)
    np.testing.assert_array_equal(found, wanted)


def test_scores_of_a_text_of_many_blocks_are_exact_to_a_thousandth():
    rng, N = np.random.default_rng(1), 9_000
    drifts = np.concatenate([rng.normal(size=(1024, 6)), 4.0 + 3.0 * rng.normal(size=(N - 1024, 6))])
    narrow = 1.0 + 1e-4 * rng.normal(size=(N, 3))
    ties = np.round(rng.normal(size=(N, 3)), 1)
    units = np.concatenate([drifts, narrow, ties, np.exp(4.0 * drifts)], axis=1).astype(np.float32)
    for answers in (drifts[:, 0] + rng.normal(size=N) > 4, drifts[:, 1] > 9, np.abs(narrow[:, 0] - 1) < 2e-7):
        found = ranked(np.array_split(units, 9), answers).scores + 0.5
        for unit, score in zip(units.T, found, strict=True):
            inside, outside = unit[answers], np.sort(unit[~answers])
            below, not_above = outside.searchsorted(inside), outside.searchsorted(inside, "right")
            area = (below + not_above).sum() / 2 / (len(inside) * len(outside))
            assert score == pytest.approx(area, abs=1e-3)


@pytest.mark.parametrize("count", [32_768, 40_000, 70_000])
def test_answers_of_a_long_text_keep_their_order(count):
    numbers = np.random.default_rng(0).permutation(count)
    values = np.stack([numbers, -numbers, numbers % 2], axis=1).astype(np.float32)
    np.testing.assert_allclose(ranked([values], numbers).scores, [1.0, -1.0, 0.0], atol=1e-4)


def test_the_questions_answer_as_a_reader_would():
    text = 'Ab "ba" (a(b)) ab\nB "x'
    wanted = {
        "inside quotes": "0001111000000000000000",
        "inside brackets": "0000000011111100000000",
        "bracket depth": "0000000011222100000000",
        "upper case": "1000000000000000001000",
    }
    for name, digits in wanted.items():
        assert "".join(str(int(answer)) for answer in QUESTIONS[name](text)) == digits, name
    assert [text[n] for n in np.flatnonzero(QUESTIONS["word start"](text))] == list("AbabaBx")
    assert {text[n] for n in np.flatnonzero(QUESTIONS["vowels"](text))} == set("Aa")
    assert QUESTIONS["since newline"](text).tolist() == [*range(18), *range(4)]
    np.testing.assert_allclose(
        QUESTIONS["position in line"](text), [*(k / 18 for k in range(18)), *(k / 5 for k in range(4))]
    )


def test_a_quotation_goes_on_over_one_newline_and_not_over_two():
    text = 'a "b\nc" d "e\n\nf" g'
    inside = "".join(c if yes else "-" for c, yes in zip(text, QUESTIONS["inside quotes"](text), strict=True))
    assert inside == '--"b\nc"---"e\n\n----'


@given(st.text("a(b[)]\n", max_size=20))
def test_brackets_are_counted(text):
    open_now = 0
    for character, deep, inside in zip(
        text, QUESTIONS["bracket depth"](text), QUESTIONS["inside brackets"](text), strict=True
    ):
        open_now += character in "(["
        assert (deep, inside) == (open_now, open_now > 0)
        open_now = max(0, open_now - (character in ")]"))


def test_a_pattern_marks_its_matches_or_its_first_group():
    assert match_pattern("abcab", "ab").tolist() == [1, 1, 0, 1, 1]
    assert match_pattern("abcab", "a(b)").tolist() == [0, 1, 0, 0, 1]
    assert match_pattern("abcab", "c|(b)").tolist() == [0, 1, 0, 0, 1]
    with pytest.raises(ConfigError, match="regular expression"):
        match_pattern("abc", "(")
    with pytest.raises(ConfigError, match="the same at every character"):
        view_units(two_layers(), TEXT, match="x")


def test_units_are_significant_if_their_score_is_above_the_threshold():
    it, text = two_layers(hidden=8), TEXT * 6
    view = LanguageModel(it).view("units", text, match="a")
    names, scores, _, chance, beats = (list(column.values) for column in view.parts["inside a"].columns)
    assert len(set(chance)) == 1 and 0.5 < chance[0] < 1
    assert beats == ["yes" if score > chance[0] else "no" for score in scores] and len(set(beats)) == 2
    assert names != sorted(names)


@gated
def test_the_memory_that_a_text_of_lines_takes_does_not_grow_with_it(kind):
    it = LanguageModel(model(network(kind, np.float32, vocabulary=len(CHARACTERS)), CHARACTERS, lines=True))
    line, peaks = "ab(A)B\n" * 6, []
    for times in (300, 1500):
        text = line * times
        tracemalloc.start()
        it.view("saturation", text)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 16 * len(text)


def test_a_short_text_is_read_once_and_a_long_one_twice_with_the_same_scores(monkeypatch):
    it, text, reads, found = two_layers(hidden=8), TEXT * 300, [], []
    read = units.read_activations
    monkeypatch.setattr(units, "read_activations", lambda *given: reads.append(1) or read(*given))
    size = 4 * 16 * len(text)
    for most, times in ((size, 1), (size - 1, 2)):
        monkeypatch.setattr(units, "MOST_KEPT", most)
        found.append(view_units(it, text))
        assert len(reads) == times
        reads.clear()
    assert found[0] == found[1]


def test_similar_places_are_those_where_the_same_units_are_on():
    it = two_layers(hidden=6, seed=5)
    it.network.parameters.flat[:] *= 3.0
    span = 'a "b(B) '
    held = memories("lstm", it, span)
    on = {
        k: math.copysign(1, held[3][k])
        for k in range(12)
        if all(abs(row[k]) >= 0.5 and row[k] * held[3][k] > 0 for row in held[3:5])
    }
    assert 0 < len(on) < 12
    corpus = memories("lstm", it)
    alike = [[row[k] * side >= 0.5 for k, side in on.items()] for row in corpus]
    often = [sum(column) / len(alike) for column in zip(*alike, strict=True)]
    weights = [-math.log2(share) if share else 0.0 for share in often]
    shares = [sum(w for w, yes in zip(weights, row, strict=True) if yes) / sum(weights) for row in alike]
    view = search_span(it, TEXT, f"{span}[3:5]")
    table = values(view, "units on over «b(»")
    assert sorted(table["unit"]) == sorted(f"{k // 6}:{k % 6}" for k in on)
    assert sorted(table["on in the corpus"]) == pytest.approx(sorted(often))
    places = values(view, "other places where they are on")
    for n, share in zip(places["position"], places["similarity"], strict=True):
        assert share == pytest.approx((shares[n] + shares[n + 1]) / 2)
    assert places["similarity"] == sorted(places["similarity"], reverse=True) and len(set(places["similarity"])) > 2
    assert all(abs(a - b) >= 2 for k, a in enumerate(places["position"]) for b in places["position"][:k])
    assert places["similarity"][0] == pytest.approx(max((a + b) / 2 for a, b in pairwise(shares)))
    assert table["on in the corpus"] == sorted(table["on in the corpus"])
    apart = []
    for n in sorted(range(len(shares) - 1), key=lambda n: (-round(shares[n] + shares[n + 1], 9), n)):
        apart += [n] * all(abs(n - other) >= 2 for other in apart)
    assert places["position"] == apart[: len(places["position"])] and len(places["position"]) == min(12, len(apart))


@pytest.mark.parametrize("span", ["abc", "abc[2:2]", "abc[0:4]", "[0:1]", "abc[b:c]"])
def test_a_span_that_holds_nothing_is_refused(span):
    with pytest.raises(ConfigError):
        search_span(two_layers(), TEXT, span)


def test_history_gives_the_losses_and_the_rate_of_each_report():
    it = two_layers()
    assert view_history(it).parts == {} and "not been trained" in view_history(it).remarks[0]
    reports = History(np.array([3, 7]), np.array([2.0, 1.5]), np.array([math.nan, 1.7]), np.array([0.5, 0.25]))
    it = type(it)(it.network, it.vocabulary, it.training, it.facts, reports)
    view = view_history(it)
    losses = values(view, "losses (bits per character)")
    assert losses["step"] == [3, 7] and losses["training"] == [2.0 / math.log(2), 1.5 / math.log(2)]
    assert values(view, "learning rate")["learning rate"] == [learning_rate(it.training, n) for n in (2, 6)]
    assert values(view, "gradient norm")["gradient norm"] == [0.5, 0.25]


@pytest.mark.parametrize("loss", [800.0, 1e300, math.inf])
def test_a_loss_whose_perplexity_exceeds_a_float_is_shown(loss):
    history = History(np.array([3]), np.array([loss]), np.array([loss]), np.array([0.5]))
    it = replace(two_layers(), history=history)
    outcome = view_summary(it).parts["outcome"]
    assert outcome["training loss (nats)"] == loss and outcome["validation loss (perplexity)"] == math.inf
    assert re.search(r"validation loss \(perplexity\)\W*∞", render(view_summary(it), 80, 0))
    assert json.loads(as_json(view_summary(it)))["outcome"]["training loss (perplexity)"] is None


def test_the_score_of_a_diverged_model_has_an_infinite_perplexity():
    it = two_layers()
    it.network.parameters["output/b"][0] = -1e4
    score = LanguageModel(it).score("ab\n\n\n\n\n\n\n\n\n\n\n")
    assert score.bits_per_character > 1024 and score.perplexity == math.inf
    assert "∞" in render(LanguageModel(it).view("score", "ab\n\n\n\n\n\n\n\n\n\n\n"), 80, 0)


def test_the_steadiest_unit_takes_one_value_and_then_another_and_keeps_each():
    holds = np.array([0.0] * 10 + [0.9] * 10)
    flutters, rests, drifts = np.tile([0.9, -0.9], 10), np.full(20, 0.7), np.linspace(0.0, 0.3, 20)
    layer = {"h": np.stack([flutters, rests, holds, drifts], axis=1)}
    of = Trace("a" * 20, (layer,), np.zeros((20, 1)), np.zeros(20), "a", RNN(), ())
    assert find_steadiest(of)[0].number == 2
