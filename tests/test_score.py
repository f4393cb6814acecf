"""Scores: what plain loops give, whatever the pieces; passages; learning while reading."""

import math
import re
import sys
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import reference
from hypothesis import example, given
from hypothesis import strategies as st
from small import by_reference, every_kind, model, network, one_and_two_layers

from charlstm.api.language_model import LanguageModel
from charlstm.base.errors import ConfigError, CorpusError, TrainingError, UnknownCharacterError
from charlstm.inspection.passages import COUNT, WINDOW, PassageFinder
from charlstm.inspection.score import Scorer, score_text, view_score
from charlstm.inspection.surprisal import SequentialEvaluation, StaticEvaluation
from charlstm.inspection.trace import trace
from charlstm.inspection.view import TextInput, TextSource, columns_of
from charlstm.model.adaptation import SEGMENT
from charlstm.network import optimizers

CHARACTERS = "\nabcd"
both = pytest.mark.parametrize("lines", [False, True], ids=["stream", "lines"])


def small(kind="lstm", lines=False, characters=CHARACTERS, dtype=np.float64, **config):
    return model(network(kind, dtype, len(characters), **config), characters, lines)


def plain_bits(kind, it, text):
    """The surprise at each character by the plain equations, every line of a model of lines by itself."""
    stretches = text.splitlines(keepends=True) if it.opening else [text]
    found = []
    for stretch in stretches:
        ids = it.vocabulary.encode(it.opening + stretch).tolist()
        rows = by_reference(kind, it.network, [[k] for k in ids[:-1]]).logits
        found += [] if it.opening else [math.nan]
        found += [-math.log2(reference.probabilities(row[0])[k]) for row, k in zip(rows, ids[1:], strict=True)]
    return found


def test_a_model_of_a_stream_need_not_know_a_newline():
    it = small(characters="abcd")
    np.testing.assert_allclose(LanguageModel(it).score("abca").surprise, plain_bits("lstm", it, "abca"), rtol=1e-9)


def some_text(length, seed=0, characters=CHARACTERS):
    return "".join(np.random.default_rng(seed).choice(list(characters), length))


@every_kind
@one_and_two_layers
@both
def test_the_bits_are_those_of_the_plain_equations(kind, layers, lines):
    it, text = small(kind, lines, layers=layers), "ab\n\ncadb\nb\ndddd\nca"
    found, wanted = LanguageModel(it).score(text), plain_bits(kind, it, text)
    np.testing.assert_allclose(found.surprise, wanted, rtol=1e-9)
    counted = wanted if lines else wanted[1:]
    assert (found.text, found.characters, found.predicted) == (it.documents.parse(text), len(text), len(counted))
    assert found.bits == pytest.approx(sum(counted), rel=1e-12)
    assert found.bits_per_character == pytest.approx(sum(counted) / len(counted))
    chances = [2.0**-bits for bits in counted]
    assert found.perplexity == pytest.approx(1 / math.prod(chances) ** (1 / len(chances)))


@both
@given(st.text(CHARACTERS, min_size=1, max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_a_text_scores_the_same_in_whatever_pieces_it_is_read(lines, text, cuts):
    it = small(lines=lines)
    reading, bounds = StaticEvaluation(it), sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    ids = it.vocabulary.encode(text)
    found = np.concatenate([reading.read(ids[a:b]) for a, b in pairwise(bounds)])
    np.testing.assert_allclose(found, trace(it, text).surprise, rtol=1e-9)


@both
def test_a_text_longer_than_a_piece_is_scored_to_its_end(lines, monkeypatch):
    monkeypatch.setattr(sys.modules[score_text.__module__], "PIECE", 700)
    monkeypatch.setattr("charlstm.inspection.surprisal.ROWS", 3)
    it, text = small(lines=lines), some_text(3000)
    (found,) = score_text(TextSource("it", [text[:10], text[10:2000], "", text[2000:]]), [Scorer("m", it)], kept=1000)
    wanted = trace(it, text).surprise
    np.testing.assert_allclose(found.surprise, wanted[:1000], rtol=1e-9)
    assert (found.text, found.characters) == (it.documents.parse(text)[:1000], 3000)
    assert found.bits == pytest.approx(np.nansum(wanted), rel=1e-12)
    assert found.passages == LanguageModel(it).score(text).passages


def test_a_long_text_needs_little_memory(monkeypatch):
    monkeypatch.setattr(sys.modules[score_text.__module__], "PIECE", 10_000)
    line, held = some_text(49, characters="abcd") + "\n", []

    def pieces():
        for _ in range(15):
            held.append(tracemalloc.get_traced_memory()[0])
            yield line * 200

    tracemalloc.start()
    try:
        (found,) = score_text(TextSource("it", pieces()), [Scorer("m", small(lines=True))], kept=100)
    finally:
        tracemalloc.stop()
    assert found.characters == 150_000 and len(found.text) == 100
    assert held[-1] - held[4] < 10 * 10_000  # a byte a character would be as much


def plain_passages(text, weights):
    """All windows that weigh more than those that overlap with them, by trying every pair."""
    window = min(WINDOW, len(text))
    sums = [round(sum(weights[n : n + window]), 9) for n in range(len(text) - window + 1)]
    peaks = [
        n
        for n, own in enumerate(sums)
        if own > max([0, *sums[max(0, n - window + 1) : n]]) and own >= max([0, *sums[n + 1 : n + window]])
    ]
    best = sorted(peaks, key=lambda n: (-sums[n], n))[:COUNT]
    return [(text.count("\n", 0, n) + 1, n - text.rfind("\n", 0, n), text[n : n + window]) for n in best]


@given(
    st.lists(st.tuples(st.sampled_from("ab\n"), st.integers(0, 4)), min_size=1, max_size=300),
    st.lists(st.integers(0, 300), max_size=6),
)
@example([("a", 1)] * 60, [])
@example([("a", 1)] * 70, [10, 45])
def test_passages_are_the_windows_that_weigh_more_than_all_over_them(rows, cuts):
    text, weights = "".join(c for c, _ in rows), [float(w) for _, w in rows]
    found, bounds = PassageFinder(), sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    for a, b in pairwise(bounds):
        found.add(text[a:b], np.array([weights[a:b]]))
    places = [(passage.line, passage.column, passage.text) for passage in found.finish()]
    assert places == plain_passages(text, weights)


@pytest.mark.parametrize("size", [1, 7])
def test_passages_are_the_same_in_small_pieces(size):
    for seed in range(30, 60):
        text, weights = some_text(300, seed), np.random.default_rng([size, seed]).random(300)
        found = PassageFinder()
        for n in range(0, 300, size):
            found.add(text[n : n + size], weights[None, n : n + size])
        places = [(passage.line, passage.column, passage.text) for passage in found.finish()]
        assert places == plain_passages(text, weights.tolist())


def test_passages_of_two_models_are_those_that_differ_most():
    rows = np.ones((2, 200))
    rows[0, 30:40], rows[1, 120:140] = 9.0, 8.0
    found = PassageFinder()
    found.add("x" * 200, rows)
    first, second = found.finish()[:2]
    assert first.weight == pytest.approx(20 * 7 / WINDOW) and second.weight == pytest.approx(10 * 8 / WINDOW)
    assert first.bits_per_character[1] > first.bits_per_character[0] == pytest.approx(1.0)


def values(view, part):
    return {(column.group, column.name): list(column.values) for column in columns_of(view.parts[part])}


@both
def test_several_texts_have_a_row_each_and_their_sum(lines):
    it, texts = small(lines=lines), [some_text(length, length) for length in (40, 1, 90)]
    found = values(view_score(it, TextInput([TextSource(f"{k}", [text]) for k, text in enumerate(texts)])), "score")
    alone = [LanguageModel(it).score(text) for text in texts]
    assert found["", "text"] == ["0", "1", "2", "total"]
    assert found["", "bits"] == pytest.approx([*(one.bits for one in alone), sum(one.bits for one in alone)])
    assert found["", "predicted"] == [*(one.predicted for one in alone), sum(one.predicted for one in alone)]
    mean = found["", "bits"][-1] / found["", "predicted"][-1]
    assert found["", "bits/char"][-1] == pytest.approx(mean)
    assert found["", "perplexity"][-1] == pytest.approx(2**mean)
    assert lines or math.isnan(found["", "bits/char"][1])


def test_the_most_surprising_passages_of_several_texts_are_those_of_each_by_their_weight():
    it, texts = small(), [some_text(length, length) for length in (400, 90)]
    given = TextInput([TextSource(f"{k}", [text]) for k, text in enumerate(texts)])
    passages = view_score(it, given).parts["most surprising passages"]
    of, _, bits, shown = (list(column.values) for column in passages.columns)
    alone = [(LanguageModel(it).score(text).passages, str(k)) for k, text in enumerate(texts)]
    every = [(-one.weight, name, one.text) for found, name in alone for one in found]
    assert len(set(of)) == 2 and len(shown) == max(len(found) for found, _ in alone) < len(every)
    assert list(zip(of, shown, strict=True)) == [(name, text) for _, name, text in sorted(every)[: len(shown)]]
    assert bits == sorted(bits, reverse=True)


def test_models_are_compared_over_the_characters_that_both_predict():
    one, other = small(lines=True), small("gru", seed=4, characters="\nabcde")
    text = "abed\nde\ncab\nbad"
    with pytest.raises(UnknownCharacterError, match=r"it, read by one, .*'e' U\+0065 at character 3 and 1 more"):
        view_score(one, TextInput([TextSource("it", [text])], model_name="one"), {"other": other})
    view = view_score(one, TextInput([TextSource("it", [text])], True, "one"), {"other": other})
    left = text.replace("e", "")
    wanted = [plain_bits("lstm", one, left), plain_bits("gru", other, text)[1:]]
    wanted[0] = wanted[0][1:]
    wanted[1] = [bits for bits, c in zip(wanted[1], text[1:], strict=True) if c != "e"]
    found = values(view, "score")
    for name, bits in zip(("one", "other"), wanted, strict=True):
        assert found[name, "bits"] == pytest.approx([sum(bits)])
        assert found[name, "bits/char"] == pytest.approx([sum(bits) / len(bits)])
    assert found["", "predicted"] == [len(left) - 1] and found["", "characters"] == [len(text)]
    assert any("one has 5 and other has 6" in remark for remark in view.remarks)


@both
@pytest.mark.parametrize(
    ("texts", "unknown", "characters"),
    [(["abxcd"], 1, 5), (["xab"], 1, 3), (["ab", "xaxbx\nc"], 3, 9), (["axb", "xxcd", "d"], 3, 8), (["abcd"], 0, 4)],
)
def test_unknown_characters_are_counted(lines, texts, unknown, characters):
    view = view_score(small(lines=lines), TextInput([TextSource("it", [text]) for text in texts], True))
    counts = [re.findall(r"\d+", remark)[:2] for remark in view.remarks if "unknown" in remark]
    assert counts == [[str(unknown), str(characters)]] * (unknown > 0)


def test_an_unknown_character_is_reported_with_its_place_in_the_whole_text(monkeypatch):
    monkeypatch.setattr(sys.modules[score_text.__module__], "PIECE", 10)
    with pytest.raises(UnknownCharacterError, match="'x' U\\+0078 at character 26"):
        score_text(TextSource("it", ["ab" * 12 + "cxd"]), [Scorer("m", small())])


@both
def test_a_text_without_characters_is_refused(lines):
    with pytest.raises(CorpusError, match="it is empty"):
        score_text(TextSource("it", []), [Scorer("m", small(lines=lines))])


@both
@given(cuts=st.lists(st.integers(1, 90), max_size=4))
def test_dynamic_evaluation_does_not_depend_on_where_blocks_end(lines, cuts):
    it = small(lines=lines)
    ids = it.vocabulary.encode("abca\nbd\n\ncadcabba\nab\ncc" * 4)
    whole, parts = SequentialEvaluation(it, 0.5), SequentialEvaluation(it, 0.5)
    bits = np.concatenate([parts.read(piece) for piece in np.split(ids, sorted(cuts))])
    np.testing.assert_array_equal(bits, whole.read(ids))


@both
def test_dynamic_evaluation_takes_a_step_every_96_characters_and_at_the_end_of_a_document(lines, monkeypatch):
    it, steps = small(lines=lines), []
    text = ("abcd" * 10 + "\n") * 10 + "ab" * 300 + "\n" + "dc" * 32 + "\n" + "b" * 127
    clip = optimizers.clip_gradient_norm
    monkeypatch.setattr(optimizers, "clip_gradient_norm", lambda *given: steps.append(0) or clip(*given))
    monkeypatch.setattr(sys.modules[score_text.__module__], "PIECE", 100)
    LanguageModel(it).score(text, adapt=True)
    of_lines = 10 + 601 // SEGMENT + 1 + 1 + 127 // SEGMENT
    assert len(steps) == (of_lines if lines else (len(text) - 1) // SEGMENT)


@both
def test_dynamic_evaluation_learns_what_repeats(lines):
    it = small(lines=lines, hidden=8)
    text = "abcdd\n" * 250
    still = LanguageModel(it).score(text)
    learning = LanguageModel(it).score(text, adapt=True, adapt_rate=0.5)
    assert learning.bits < 0.5 * still.bits
    assert learning.surprise[-60:].mean() < 0.2 * still.surprise[-60:].mean()
    view = view_score(it, TextInput([TextSource("it", [text])]), adapt=True, adapt_rate=0.5)
    assert values(view, "score")["", "bits"] == pytest.approx([still.bits])
    dynamic = values(view, "score with dynamic evaluation at a learning rate of 0.5")
    assert dynamic["", "bits"] == pytest.approx([learning.bits])
    assert values(view, "surprisal in bits")["", "bits"][1:] == still.surprise[1:].tolist()


def test_invalid_and_diverging_rates_are_refused():
    it = LanguageModel(small(dtype=np.float32))
    for rate in (0.0, -0.1, math.nan, math.inf):
        with pytest.raises(ConfigError, match="adapt_rate is"):
            it.score("abc", adapt=True, adapt_rate=rate)
    with pytest.raises(ConfigError, match=r"adapt is 0\.1; it must be True or False, and adapt_rate sets"):
        it.score("abc", adapt=0.1)
    with pytest.raises(TrainingError, match="lower adapt_rate"):
        SequentialEvaluation(it.model, 1e200).read(it.model.vocabulary.encode("abcd" * 100))
