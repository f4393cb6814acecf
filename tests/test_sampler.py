"""Characters are drawn with the right probabilities, end where asked, and follow from what was read before."""

import math
import tracemalloc
from collections import deque
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from small import by_reference, every_kind, model, network, one_and_two_layers

from charlstm.config import TrainingConfig
from charlstm.errors import UnknownCharacterError
from charlstm.model.model import BLOCK, Reader
from charlstm.sampling.filters import SamplingConfig, probabilities
from charlstm.sampling.sampler import DRAWN_AHEAD, Texts, samples, streams
from charlstm.sampling.stopping import StoppingRules
from charlstm.text.batches import StreamBatches
from charlstm.training.trainer import train

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def characters(it, seed, drawing):
    """One text without end."""
    return (step.characters for step in streams(it, seed, drawing, 1))


@pytest.mark.parametrize("edge", [0.0, 1.0 - 2.0**-53])
def test_what_has_no_chance_is_not_drawn_at_the_edges_of_chance(monkeypatch, edge):
    it = network("rnn", np.float32)
    it.parameters.flat[:] = 0.0
    it.parameters["output/b"][:] = [0.0, 1.1, 0.7, 0.9, 0.0]
    monkeypatch.setattr(
        "charlstm.sampling.sampler.generator", lambda *_: SimpleNamespace(random=lambda count: np.full(count, edge))
    )
    assert next(characters(model(it, "abcde"), "", SamplingConfig(0.3, top_k=3))) == ("d" if edge else "b")


@pytest.mark.parametrize("kind", ["lstm", "relu"])
@pytest.mark.parametrize(("lines", "seed"), [(False, ""), (False, "ba"), (True, ""), (True, "ba")])
def test_predictions_follow_from_all_that_was_read_and_drawn_before(monkeypatch, kind, lines, seed):
    seen = []
    monkeypatch.setattr(
        "charlstm.sampling.sampler.probabilities", lambda z, *how: [seen.append(z), probabilities(z, *how)][1]
    )
    it = model(network(kind, layers=2), "\nabcd", lines)
    text = "".join(islice(characters(it, seed, SamplingConfig(3.0)), 25))
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
    texts = ["".join(islice(characters(it, "ab", SamplingConfig(1.0, random_seed=seed)), 60)) for seed in (3, 3, 4)]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0][:25] == "".join(islice(characters(it, "ab", SamplingConfig(1.0, random_seed=3)), 25))


@pytest.mark.parametrize("lines", [False, True])
def test_texts_side_by_side_are_each_a_text_of_its_own(lines):
    it = model(network("lstm", layers=2), "\nabcd", lines)
    together = [step.characters for step in islice(streams(it, "ab", SamplingConfig(1.5), 7), 80)]
    assert "".join(step[0] for step in together) == "".join(islice(characters(it, "ab", SamplingConfig(1.5)), 80))
    assert len({"".join(text) for text in zip(*together, strict=True)}) == 7


def test_a_seed_of_unknown_characters_is_refused():
    with pytest.raises(UnknownCharacterError, match="the seed"):
        next(characters(model(network("rnn"), "abcde"), "abx", SamplingConfig()))


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_the_state_after_a_seed_and_a_stream_is_that_of_the_whole_text_bit_for_bit(monkeypatch, kind, lines):
    readers = []
    monkeypatch.setattr("charlstm.sampling.sampler.Reader", lambda *_: readers.append(Watched(*_)) or readers[-1])
    it = model(network(kind, np.float32, hidden=37, layers=2), "\nabcd", lines)
    seed = "".join(np.random.default_rng(0).choice(list("\nabcd"), 1300))  # read in more than one block
    text = "".join(islice(characters(it, seed, SamplingConfig(2.0)), 201))
    whole = Reader(it)
    whole.read(it.vocabulary.encode(it.opening + seed + text[:200])[:, None])
    assert readers[0].copy.state.tobytes() == whole.state.tobytes()
    assert readers[0].copy.logits.tobytes() == whole.logits.tobytes()


class Watched(Reader):
    """A reader that remembers the copy made of it."""

    def copies(self, rows):
        self.copy = super().copies(rows)
        return self.copy


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("rows", [2, 7, 64])
def test_one_stream_is_a_row_of_a_batch_bit_for_bit(lines, rows):
    it = model(network("lstm", np.float32, hidden=37, layers=2), "\nabcd", lines)
    alone = list(islice(streams(it, "ab", SamplingConfig(1.5), 1), 200))
    together = list(islice(streams(it, "ab", SamplingConfig(1.5), rows), 200))
    assert [step.characters for step in alone] == [step.characters[0] for step in together]
    assert all(one.logits[0].tobytes() == all_.logits[0].tobytes() for one, all_ in zip(alone, together, strict=True))


def test_texts_end_each_for_itself_and_are_what_the_streams_give():
    it = model(network("lstm", np.float32), "abcde")
    made = samples(Texts(it, "ab", SamplingConfig(1.5), StoppingRules(60, ("ce",)), 9))
    rows = zip(*[step.characters for step in islice(streams(it, "ab", SamplingConfig(1.5), 9), 60)], strict=True)
    whole = ["".join(row) for row in rows]
    assert [sample.text for sample in made] == [text[: text.find("ce") + 2] if "ce" in text else text for text in whole]
    assert [sample.stop for sample in made] == ["stop" if "ce" in text else "length" for text in whole]
    assert {sample.stop for sample in made} == {"stop", "length"}
    assert {sample.seed for sample in made} == {"ab"} and str(made[0]) == "ab" + made[0].text


@pytest.mark.parametrize("hide", [False, True])
def test_a_stop_is_found_where_the_chances_drawn_ahead_run_out_and_begin_anew(hide):
    it = model(network("lstm", np.float32), "abcde")
    whole = "".join(islice(characters(it, "ab", SamplingConfig(1.5)), DRAWN_AHEAD + 20))
    for end in range(DRAWN_AHEAD - 7, DRAWN_AHEAD + 8):
        stop = whole[end - 12 : end]
        assert whole.index(stop) == end - 12
        (made,) = samples(Texts(it, "ab", SamplingConfig(1.5), StoppingRules(stops=(stop,), hide_stop=hide)))
        assert (made.text, made.stop) == (whole[: end - 12 if hide else end], "stop")


def test_surprise_and_entropy_are_of_the_network_whatever_the_rules():
    it = model(network("gru", vocabulary=6), "abcdef")
    (made,) = samples(Texts(it, "ab", SamplingConfig(0.3, top_k=2), StoppingRules(20)))
    read = by_reference("gru", it.network, it.vocabulary.encode("ab" + made.text)[:, None])
    chances = [reference.probabilities(rows[0]) for rows in read.logits[1:-1]]
    bits = [-math.log2(chance["abcdef".index(c)]) for chance, c in zip(chances, made.text, strict=True)]
    assert made.bits_per_character == pytest.approx(sum(bits) / 20, rel=1e-9)
    steps = list(islice(streams(it, "ab", SamplingConfig(0.3, top_k=2), 1), 20))
    np.testing.assert_allclose([step.surprise[0] for step in steps], bits, rtol=1e-9)
    wanted = [-sum(p * math.log2(p) for p in chance) for chance in chances]
    np.testing.assert_allclose([step.entropy[0] for step in steps], wanted, rtol=1e-9)


def test_a_text_of_no_length_has_no_bits():
    (made,) = samples(Texts(model(network("rnn"), "abcde"), "ab", SamplingConfig(), StoppingRules(0)))
    assert (made.text, made.stop, math.isnan(made.bits_per_character)) == ("", "length", True)


def test_a_long_text_takes_no_more_memory_than_a_short_one():
    texts = iter(
        Texts(model(network("rnn", np.float32), "abcde"), "", SamplingConfig(repeat_penalty=1.2), StoppingRules(), 4)
    )
    deque(islice(texts, 4 * 300), maxlen=0)
    tracemalloc.start()
    try:
        deque(islice(texts, 4 * 300), maxlen=0)
        first = tracemalloc.get_traced_memory()[1]
        deque(islice(texts, 4 * 1500), maxlen=0)
        assert tracemalloc.get_traced_memory()[1] < first + 100_000  # what is kept of a step takes more
    finally:
        tracemalloc.stop()


def test_a_model_of_a_known_markov_source_writes_with_its_transition_frequencies():
    source = np.array([[0.1, 0.6, 0.3], [0.5, 0.0, 0.5], [0.25, 0.7, 0.05]])
    rng = np.random.default_rng(0)
    text = np.zeros(40_000, np.intp)
    for n, chance in enumerate(rng.random(len(text) - 1)):
        text[n + 1] = np.searchsorted(np.cumsum(source[text[n]]), chance)
    net = network("rnn", np.float32, vocabulary=3, hidden=8)
    net.initialise(0)
    for _ in train(net, StreamBatches(text, 32, 32), None, TrainingConfig(800, learning_rate=0.01)):
        pass
    drawn = [step.ids for step in islice(streams(model(net, "abc"), "", SamplingConfig(1.0), 256), 401)]
    counts = np.zeros((3, 3))
    np.add.at(counts, (np.stack(drawn[:-1]), np.stack(drawn[1:])), 1)
    np.testing.assert_allclose(counts / counts.sum(axis=1, keepdims=True), source, atol=0.015)


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
    whole = net.forward(ids, net.zero_state(2))
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
