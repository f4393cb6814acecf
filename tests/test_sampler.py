"""Characters are drawn with the right probabilities, end where asked, and follow from what was read before."""

from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import by_reference, every_kind, model, network, one_and_two_layers

from charlstm.drawing import Drawing, probabilities
from charlstm.errors import UnknownCharacterError
from charlstm.model import BLOCK, Reader
from charlstm.sampler import stream, streams, until

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


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
    monkeypatch.setattr("charlstm.sampler.probabilities", lambda z, *how: [seen.append(z), probabilities(z, *how)][1])
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
    texts = ["".join(islice(stream(it, "ab", Drawing(1.0, random_seed=seed)), 60)) for seed in (3, 3, 4)]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0][:25] == "".join(until(stream(it, "ab", Drawing(1.0, random_seed=3)), 25))


@pytest.mark.parametrize("lines", [False, True])
def test_texts_side_by_side_are_each_a_text_of_its_own(lines):
    it = model(network("lstm", layers=2), "\nabcd", lines)
    together = [step.characters for step in islice(streams(it, "ab", Drawing(1.5), 7), 80)]
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
