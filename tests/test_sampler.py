"""Characters are drawn with the right probabilities, end where asked, and follow from what was read before."""

import math
from collections import Counter
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from small import by_reference, every_kind, model, network, one_and_two_layers

from charlstm.errors import ConfigError, UnknownCharacterError
from charlstm.model import BLOCK, Reader
from charlstm.sampler import Drawing, probabilities, stream, streams, until

logits = st.lists(st.floats(-20.0, 20.0, width=32), min_size=1, max_size=8)
CLOSE = {"rtol": 1e-12, "atol": 1e-12}


@given(logits, st.floats(0.05, 5.0))
def test_probabilities_are_the_softmax_of_logits_over_temperature(numbers, temperature):
    wanted = reference.probabilities([z / temperature for z in numbers])
    result = probabilities(np.array(numbers, np.float32), Drawing(temperature))
    np.testing.assert_allclose(result, wanted, **CLOSE)
    assert result.dtype == np.float64


@given(logits, st.sampled_from([0.0, 5e-324, 1e-300, 1e-9, 0.5, 1.0, 7.0]), st.integers(1, 9))
def test_top_k_keeps_the_k_likeliest_and_their_proportions(numbers, temperature, k):
    full = probabilities(np.array(numbers), Drawing(temperature))
    result = probabilities(np.array(numbers), Drawing(temperature, top_k=k))
    kept = sorted(range(len(numbers)), key=lambda index: (-numbers[index], index))[:k]
    np.testing.assert_allclose(result[kept], full[kept] / full[kept].sum(), **CLOSE)
    assert not np.delete(result, kept).any()
    assert result.sum() == pytest.approx(1.0, rel=1e-14)
    if temperature >= 0.5:
        assert np.count_nonzero(result) == min(k, len(numbers))


@given(logits, st.sampled_from([(0.0, None), (0.0, 3), (1e-3, 1), (1.0, 1), (9.0, 1)]))
def test_no_temperature_or_one_choice_takes_the_first_of_the_likeliest(numbers, rule):
    wanted = [0.0] * len(numbers)
    wanted[numbers.index(max(numbers))] = 1.0
    assert probabilities(np.array(numbers), Drawing(*rule)).tolist() == wanted


def test_equals_share_and_the_lower_ids_stay():
    same = np.array([0.0, 3.0, 3.0, 3.0])
    np.testing.assert_allclose(probabilities(same, Drawing(1e-300)), [0, 1 / 3, 1 / 3, 1 / 3], **CLOSE)
    np.testing.assert_allclose(probabilities(same, Drawing(1e-300, top_k=2)), [0, 0.5, 0.5, 0], **CLOSE)
    np.testing.assert_allclose(probabilities(same, Drawing(1.0, top_k=2)), [0, 0.5, 0.5, 0], **CLOSE)


@pytest.mark.parametrize(
    "rule",
    [{"temperature": -0.1}, {"temperature": math.nan}, {"temperature": math.inf}, {"top_k": 0}, {"random_seed": -1}],
)
def test_rules_out_of_range_are_refused(rule):
    with pytest.raises(ConfigError, match=next(iter(rule))):
        Drawing(**rule)


@pytest.mark.parametrize("rule", [(0.7, None), (2.0, 4)])
def test_characters_are_drawn_as_often_as_they_should_be(rule):
    it = network("rnn", np.float32, vocabulary=6, hidden=1)
    it.parameters.flat[:] = 0.0
    it.parameters["output/b"][:] = bias = [1.0, -2.0, 0.5, -0.5, 1.5, 0.0]
    draws = 100_000
    drawn = Counter(islice(stream(model(it, "abcdef"), "a", Drawing(*rule)), draws))

    temperature, top_k = rule
    kept = sorted(bias, reverse=True)[:top_k]
    powers = {c: math.exp(z / temperature) for c, z in zip("abcdef", bias, strict=True) if z in kept}
    expected = {c: draws * power / sum(powers.values()) for c, power in powers.items()}
    assert set(drawn) <= set(expected)
    chi_square = sum((drawn[c] - n) ** 2 / n for c, n in expected.items())
    assert chi_square < 36.0  # one seed in a million is above it, with five degrees of freedom


@pytest.mark.parametrize("edge", [0.0, 1.0 - 2.0**-53])
def test_what_has_no_chance_is_not_drawn_at_the_edges_of_chance(monkeypatch, edge):
    it = network("rnn", np.float32)
    it.parameters.flat[:] = 0.0
    it.parameters["output/b"][:] = [0.0, 1.1, 0.7, 0.9, 0.0]
    monkeypatch.setattr(
        "charlstm.sampler.generator", lambda *_: SimpleNamespace(random=lambda count: np.full(count, edge))
    )
    assert next(stream(model(it, "abcde"), "", Drawing(0.3, top_k=3))) == ("d" if edge else "b")


@pytest.mark.parametrize("kind", ["lstm", "relu"])
@pytest.mark.parametrize(("lines", "seed"), [(False, ""), (False, "ba"), (True, ""), (True, "ba")])
def test_predictions_follow_from_all_that_was_read_and_drawn_before(monkeypatch, kind, lines, seed):
    seen = []
    monkeypatch.setattr("charlstm.sampler.probabilities", lambda z, how: [seen.append(z), probabilities(z, how)][1])
    it = model(network(kind, layers=2), "\nabcd", lines)
    text = "".join(islice(stream(it, seed, Drawing(3.0)), 25))
    assert set(text) == set("\nabcd")
    for drawn, logits in enumerate(seen):
        since = it.opening + seed + text[:drawn]
        if lines:
            since = since[since.rindex("\n") :]  # a line knows nothing of the one before
        read = by_reference(kind, it.network, it.vocabulary.encode(since)[:, None])
        wanted = read.logits[-1][0] if since else it.network.parameters["output/b"]
        np.testing.assert_allclose(logits[0], wanted, **CLOSE)


def test_the_same_seed_gives_the_same_text_and_another_another():
    it = model(network("gru", np.float32), "abcde")
    texts = ["".join(islice(stream(it, "ab", Drawing(1.0, None, seed)), 60)) for seed in (3, 3, 4)]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0][:25] == "".join(until(stream(it, "ab", Drawing(1.0, None, 3)), 25))


@pytest.mark.parametrize("lines", [False, True])
def test_texts_side_by_side_are_each_a_text_of_its_own(lines):
    it = model(network("lstm", layers=2), "\nabcd", lines)
    together = list(islice(streams(it, "ab", Drawing(1.5), 7), 80))
    assert "".join(step[0] for step in together) == "".join(islice(stream(it, "ab", Drawing(1.5)), 80))
    assert len({"".join(text) for text in zip(*together, strict=True)}) == 7


def test_a_seed_of_unknown_characters_is_refused():
    with pytest.raises(UnknownCharacterError, match="the seed"):
        next(stream(model(network("rnn"), "abcde"), "abx", Drawing()))


@given(
    st.text("ab", max_size=14),
    st.none() | st.integers(0, 16),
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=3),
)
def test_a_text_ends_through_the_first_stop_or_at_the_length(text, length, stops):
    ends = [text.index(stop) + len(stop) for stop in stops if stop in text]
    wanted = text[: min(ends, default=None)][:length]
    rest = iter(text)
    assert "".join(until(rest, length, stops)) == wanted
    assert "".join(rest) == text[len(wanted) :]  # nothing more was asked for


@pytest.mark.parametrize(
    ("text", "stops", "wanted"),
    [
        ("aaab..", ["aab"], "aaab"),
        ("ababac..", ["abac"], "ababac"),
        ("x\n\ny", ["\n\n"], "x\n\n"),
        ("xaab", ["x"], "x"),
        ("abcd", ["abcd", "c"], "abc"),
    ],
)
def test_a_stop_is_found_in_every_alignment(text, stops, wanted):
    assert "".join(until(text, None, stops)) == wanted


@every_kind
@one_and_two_layers
@pytest.mark.parametrize("lines", [False, True])
@given(text=st.text("\nabcd", min_size=1, max_size=20), cuts=st.sets(st.integers(0, 20)))
def test_reading_in_pieces_is_reading_at_once(kind, layers, lines, text, cuts):
    it = model(network(kind, layers=layers), "\nabcd", lines)
    ids = it.vocabulary.encode(text)[:, None]
    whole, pieces = Reader(it), Reader(it)
    whole.read(ids)
    for piece in np.split(ids, sorted(cuts)):
        pieces.read(piece)
    np.testing.assert_allclose(pieces.state, whole.state, **CLOSE)
    np.testing.assert_allclose(pieces.logits, whole.logits, **CLOSE)


def test_a_text_longer_than_a_block_is_read_as_one():
    it = model(network("lstm"), "abcde")
    ids = np.random.default_rng(0).integers(5, size=(2 * BLOCK + 77, 2))
    reader, net = Reader(it, rows=2), it.network
    pieces = [done.logits.copy() for done in reader.passes(ids)]
    whole = net.forward(ids, net.fresh_state(2))
    assert max(map(len, pieces)) <= BLOCK
    np.testing.assert_allclose(np.concatenate(pieces), whole.logits, **CLOSE)
    np.testing.assert_allclose(reader.state, whole.state, **CLOSE)
    np.testing.assert_allclose(reader.logits, whole.logits[-1], **CLOSE)


def test_before_anything_is_read_the_bias_predicts():
    it = model(network("gru"), "abcde")
    np.testing.assert_array_equal(Reader(it, rows=2).logits, [it.network.parameters["output/b"]] * 2)


@every_kind
@given(before=st.text("\nabcd", max_size=8), after=st.text("abcd", max_size=6))
def test_a_line_is_read_without_the_lines_before_it(kind, before, after):
    it = model(network(kind, layers=2), "\nabcd", lines=True)
    alone, second = Reader(it), Reader(it)
    alone.read(it.vocabulary.encode("\n" + after)[:, None])
    second.read(it.vocabulary.encode(before + "\n" + after)[:, None])
    np.testing.assert_allclose(second.state, alone.state, **CLOSE)
    np.testing.assert_allclose(second.logits, alone.logits, **CLOSE)


def test_a_stream_remembers_beyond_a_newline():
    it = model(network("lstm"), "\nabcd")
    readers = [Reader(it), Reader(it)]
    for reader, text in zip(readers, ("\na", "bcb\na"), strict=True):
        reader.read(it.vocabulary.encode(text)[:, None])
    assert (np.abs(readers[0].state - readers[1].state) > 1e-6).all()


@pytest.mark.parametrize("lines", [False, True])
@given(
    texts=st.integers(1, 9).flatmap(lambda n: st.lists(st.text("\nab", min_size=n, max_size=n), min_size=2, max_size=4))
)
def test_texts_read_side_by_side_do_not_feel_each_other(lines, texts):
    it = model(network("lstm", vocabulary=3, layers=2), "\nab", lines)
    together = Reader(it, rows=len(texts))
    together.read(np.stack([it.vocabulary.encode(text) for text in texts], axis=1))
    for row, text in enumerate(texts):
        alone = Reader(it)
        alone.read(it.vocabulary.encode(text)[:, None])
        np.testing.assert_allclose(together.state[:, :, row], alone.state[:, :, 0], **CLOSE)
        np.testing.assert_allclose(together.logits[row], alone.logits[0], **CLOSE)
