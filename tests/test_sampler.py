"""Samples have the right probabilities, stop where the rules say, and depend on the whole text before them."""

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
from small import by_reference, every_kind, labelled_model, model, network, one_and_two_layers

from charlstm.base.config import TrainingConfig
from charlstm.base.errors import ConfigError, UnknownCharacterError
from charlstm.base.symbols import END
from charlstm.model.model import BLOCK, ROWS_TOGETHER, Reader
from charlstm.sampling.beam import beam_search
from charlstm.sampling.decoder import UNIFORMS_AHEAD, sample_steps
from charlstm.sampling.filters import SamplingConfig, probabilities
from charlstm.sampling.sampler import SCORED_AT_ONCE, Sampler, preview
from charlstm.sampling.stopping import StoppingRules
from charlstm.text.batches import StreamBatches
from charlstm.training.trainer import train

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def characters(it, seed, sampling):
    """One text without an end."""
    return (step.characters for step in sample_steps(it, seed, sampling, 1))


@pytest.mark.parametrize("edge", [0.0, 1.0 - 2.0**-53])
def test_a_character_of_probability_zero_is_never_sampled(monkeypatch, edge):
    it = network("rnn", np.float32)
    it.parameters.flat[:] = 0.0
    it.parameters["output/b"][:] = [0.0, 1.1, 0.7, 0.9, 0.0]
    monkeypatch.setattr(
        "charlstm.sampling.decoder.generator", lambda *_: SimpleNamespace(random=lambda count: np.full(count, edge))
    )
    assert next(characters(model(it, "abcde"), "", SamplingConfig(0.3, top_k=3))) == ("d" if edge else "b")


@pytest.mark.parametrize("kind", ["lstm", "relu"])
@pytest.mark.parametrize(("lines", "seed"), [(False, ""), (False, "ba"), (True, ""), (True, "ba")])
def test_predictions_depend_on_the_whole_text_before(monkeypatch, kind, lines, seed):
    seen = []
    monkeypatch.setattr(
        "charlstm.sampling.decoder.probabilities", lambda z, *how: [seen.append(z), probabilities(z, *how)][1]
    )
    it = model(network(kind, layers=2), "\nabcd", lines)
    text = "".join(islice(characters(it, seed, SamplingConfig(3.0)), 25))
    assert set(text) == set(it.vocabulary.characters)
    for count, logits in enumerate(seen):
        since = (it.opening if seed else it.start) + seed + text[:count]
        if lines:
            since = since[since.rindex(END) :]  # a line does not depend on the line before it
        read = by_reference(kind, it.network, it.vocabulary.encode(since)[:, None])
        wanted = read.logits[-1][0] if since else it.network.parameters["output/b"]
        np.testing.assert_allclose(logits[0], wanted, **CLOSE)


def test_the_random_seed_decides_the_text():
    it = model(network("gru", np.float32), "abcde")
    texts = ["".join(islice(characters(it, "ab", SamplingConfig(1.0, random_seed=seed)), 60)) for seed in (3, 3, 4)]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0][:25] == "".join(islice(characters(it, "ab", SamplingConfig(1.0, random_seed=3)), 25))


@pytest.mark.parametrize("lines", [False, True])
def test_texts_side_by_side_differ_and_the_first_is_the_single_text(lines):
    it = model(network("lstm", layers=2), "\nabcd", lines)
    together = [step.characters for step in islice(sample_steps(it, "ab", SamplingConfig(1.5), 7), 80)]
    assert "".join(step[0] for step in together) == "".join(islice(characters(it, "ab", SamplingConfig(1.5)), 80))
    assert len({"".join(text) for text in zip(*together, strict=True)}) == 7


def test_unknown_characters_in_the_seed_are_an_error():
    with pytest.raises(UnknownCharacterError, match="the seed"):
        next(characters(model(network("rnn"), "abcde"), "abx", SamplingConfig()))


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_the_state_after_sampling_is_that_of_reading_the_whole_text_bit_for_bit(monkeypatch, kind, lines):
    readers = []
    monkeypatch.setattr("charlstm.sampling.decoder.Reader", lambda *_: readers.append(Watched(*_)) or readers[-1])
    it = model(network(kind, np.float32, hidden=37, layers=2), "\nabcd", lines)
    seed = "".join(np.random.default_rng(0).choice(list("\nabcd"), 1300))  # read in more than one block
    text = "".join(islice(characters(it, seed, SamplingConfig(2.0)), 201))
    whole = Reader(it)
    whole.read(it.vocabulary.encode(it.opening + seed + text[:200])[:, None])
    assert readers[0].copy.state.tobytes() == whole.state.tobytes()
    assert readers[0].copy.logits.tobytes() == whole.logits.tobytes()


class Watched(Reader):
    """A reader that keeps a reference to its copy."""

    def copies(self, rows):
        self.copy = super().copies(rows)
        return self.copy


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("rows", [2, 7, 64])
def test_one_text_is_a_row_of_a_batch_bit_for_bit(lines, rows):
    it = model(network("lstm", np.float32, hidden=37, layers=2), "\nabcd", lines)
    alone = list(islice(sample_steps(it, "ab", SamplingConfig(1.5), 1), 200))
    together = list(islice(sample_steps(it, "ab", SamplingConfig(1.5), rows), 200))
    assert [step.characters for step in alone] == [step.characters[0] for step in together]
    assert all(one.logits[0].tobytes() == all_.logits[0].tobytes() for one, all_ in zip(alone, together, strict=True))


def test_each_text_stops_on_its_own():
    it = model(network("lstm", np.float32), "abcde")
    made = Sampler(it, "ab", SamplingConfig(1.5), StoppingRules(60, ("ce",)), 9).collect()
    rows = zip(*[step.characters for step in islice(sample_steps(it, "ab", SamplingConfig(1.5), 9), 60)], strict=True)
    whole = ["".join(row) for row in rows]
    assert [sample.text for sample in made] == [text[: text.find("ce") + 2] if "ce" in text else text for text in whole]
    assert [sample.stop for sample in made] == ["stop" if "ce" in text else "length" for text in whole]
    assert {sample.stop for sample in made} == {"stop", "length"}
    assert {sample.seed for sample in made} == {"ab"} and str(made[0]) == "ab" + made[0].text


@pytest.mark.parametrize("hide", [False, True])
def test_a_stop_string_is_found_across_blocks_of_random_numbers(hide):
    it = model(network("lstm", np.float32), "abcde")
    whole = "".join(islice(characters(it, "ab", SamplingConfig(1.5)), UNIFORMS_AHEAD + 20))
    for end in range(UNIFORMS_AHEAD - 7, UNIFORMS_AHEAD + 8):
        stop = whole[end - 12 : end]
        assert whole.index(stop) == end - 12
        (made,) = Sampler(it, "ab", SamplingConfig(1.5), StoppingRules(stop=(stop,), hide_stop=hide)).collect()
        assert (made.text, made.stop) == (whole[: end - 12 if hide else end], "stop")


def test_surprisal_and_entropy_are_those_of_the_network_whatever_the_rules():
    it = model(network("gru", vocabulary=6), "abcdef")
    (made,) = Sampler(it, "ab", SamplingConfig(0.3, top_k=2), StoppingRules(20)).collect()
    read = by_reference("gru", it.network, it.vocabulary.encode("ab" + made.text)[:, None])
    chances = [reference.probabilities(rows[0]) for rows in read.logits[1:-1]]
    bits = [-math.log2(chance["abcdef".index(c)]) for chance, c in zip(chances, made.text, strict=True)]
    assert made.bits_per_character == pytest.approx(sum(bits) / 20, rel=1e-9)
    steps = list(islice(sample_steps(it, "ab", SamplingConfig(0.3, top_k=2), 1), 20))
    np.testing.assert_allclose([step.surprisal[0] for step in steps], bits, rtol=1e-9)
    wanted = [-sum(p * math.log2(p) for p in chance) for chance in chances]
    np.testing.assert_allclose([step.entropy[0] for step in steps], wanted, rtol=1e-9)


@given(st.integers(0, 99), st.integers(1, 40), st.text("abc", min_size=2, max_size=4))
def test_a_sampler_shows_all_but_the_hidden_stop_string(seed, length, stop):
    it = model(network("rnn", vocabulary=3), "abc")
    sampling = SamplingConfig(2.0, random_seed=seed)
    whole = "".join(islice(characters(it, "a", sampling), length))
    (sample,) = Sampler(it, "a", sampling, StoppingRules(length, stop, hide_stop=True)).collect()
    assert (sample.text, sample.stop) == (whole.partition(stop)[0], "stop" if stop in whole else "length")


def test_the_numbers_of_samples_and_of_texts_in_a_beam_are_bounded():
    it = model(network("lstm", np.float32), "abcde")
    for call in (
        lambda: Sampler(it, "", SamplingConfig(), StoppingRules(1), 100_001),
        lambda: beam_search(it, "", 100_001, StoppingRules(1), SamplingConfig()),
    ):
        with pytest.raises(ConfigError, match="1 to 100000"):
            call()


@pytest.mark.parametrize("rules", [{"forbid": "c"}, {"only": "abd"}])
def test_a_stop_text_that_the_rules_exclude_is_an_error(rules):
    it = model(network("lstm", np.float32), "abcde")
    sampling, stopping = SamplingConfig(**rules), StoppingRules(5, ("ab", "bc"))
    for call in (lambda: Sampler(it, "", sampling, stopping), lambda: beam_search(it, "", 2, stopping, sampling)):
        with pytest.raises(ConfigError, match=r"stop is 'bc', which is never sampled .* excludes 'c' U\+0063"):
            call()


def test_positions_of_unknown_characters_count_from_the_first_of_the_seed():
    it = model(network("rnn", vocabulary=3), "\nab", lines=True)
    for call in (
        lambda: Sampler(it, "abx", SamplingConfig(), StoppingRules(1)),
        lambda: beam_search(it, "abx", 1, StoppingRules(1), SamplingConfig()),
    ):
        with pytest.raises(UnknownCharacterError, match=r"'x' U\+0078 at character 3;"):
            call()


@pytest.mark.parametrize("stopping", [StoppingRules(300), StoppingRules(300, ("ce", "abcab"), hide_stop=True)])
def test_collecting_shows_each_character_once_and_in_order(stopping):
    it = model(network("lstm", np.float32), "abcde")
    shown = [""] * 3
    sampler = Sampler(it, "ab", SamplingConfig(1.5), stopping, 3)

    def show(sampled):
        shown[sampled.row] += sampled.character

    assert sampler.collect(show) == sampler.samples
    assert [sample.text for sample in sampler.samples] == shown
    assert sampler.samples == Sampler(it, "ab", SamplingConfig(1.5), stopping, 3).collect()


@pytest.mark.parametrize("length", [0, 1, 20, SCORED_AT_ONCE, 2 * SCORED_AT_ONCE + 3])
def test_after_an_interrupt_the_samples_are_what_was_shown(length):
    it = model(network("gru", vocabulary=6), "abcdef")
    sampler, shown = Sampler(it, "ab", SamplingConfig(), StoppingRules(10**6)), []

    def show(sampled):
        shown.append(sampled)
        if len(shown) == length:
            raise KeyboardInterrupt

    if length:
        with pytest.raises(KeyboardInterrupt):
            sampler.collect(show)
    (sample,) = sampler.samples
    assert (sample.seed, sample.text, sample.stop) == ("ab", "".join(one.character for one in shown), "interrupted")
    if length:
        wanted = sum(float(one.step.surprisal[0]) for one in shown) / length
        assert sample.bits_per_character == wanted == sampler.samples[0].bits_per_character


@pytest.mark.parametrize("lines", [False, True])
def test_a_preview_is_a_text_of_the_default_rules(lines):
    it = model(network("lstm", np.float32), "\nabcd", lines)
    whole = "".join(islice(characters(it, "", SamplingConfig(random_seed=4)), 300))
    assert preview(it, 300, 4) == whole.partition(END)[0]


def test_an_empty_text_has_no_bits_per_character():
    (made,) = Sampler(model(network("rnn"), "abcde"), "ab", SamplingConfig(), StoppingRules(0)).collect()
    assert (made.text, made.stop, math.isnan(made.bits_per_character)) == ("", "length", True)


def test_memory_does_not_grow_with_the_length_of_a_text():
    texts = iter(
        Sampler(model(network("rnn", np.float32), "abcde"), "", SamplingConfig(repeat_penalty=1.2), StoppingRules(), 4)
    )
    deque(islice(texts, 4 * 300), maxlen=0)
    tracemalloc.start()
    try:
        deque(islice(texts, 4 * 300), maxlen=0)
        first = tracemalloc.get_traced_memory()[1]
        deque(islice(texts, 4 * 1500), maxlen=0)
        assert tracemalloc.get_traced_memory()[1] < first + 100_000  # a kept step takes more
    finally:
        tracemalloc.stop()


def test_a_model_of_a_markov_source_samples_its_transition_probabilities():
    source = np.array([[0.1, 0.6, 0.3], [0.5, 0.0, 0.5], [0.25, 0.7, 0.05]])
    rng = np.random.default_rng(0)
    text = np.zeros(40_000, np.intp)
    for n, chance in enumerate(rng.random(len(text) - 1)):
        text[n + 1] = np.searchsorted(np.cumsum(source[text[n]]), chance)
    net = network("rnn", np.float32, vocabulary=3, hidden=8)
    net.initialise(0)
    for _ in train(net, StreamBatches(text, 32, 32), None, TrainingConfig(800, learning_rate=0.01)):
        pass
    sampled = [step.ids for step in islice(sample_steps(model(net, "abc"), "", SamplingConfig(1.0), 256), 401)]
    counts = np.zeros((3, 3))
    np.add.at(counts, (np.stack(sampled[:-1]), np.stack(sampled[1:])), 1)
    np.testing.assert_allclose(counts / counts.sum(axis=1, keepdims=True), source, atol=0.015)


@every_kind
@one_and_two_layers
@pytest.mark.parametrize("lines", [False, True])
@given(text=st.text("\nabcd", min_size=1, max_size=20), cuts=st.sets(st.integers(0, 20)))
def test_reading_in_pieces_equals_reading_at_once(kind, layers, lines, text, cuts):
    it = model(network(kind, layers=layers), "\nabcd", lines)
    ids = it.vocabulary.encode(text)[:, None]
    whole, pieces = Reader(it), Reader(it)
    whole.read(ids)
    for piece in np.split(ids, sorted(cuts)):
        pieces.read(piece)
    np.testing.assert_allclose(pieces.state, whole.state, **CLOSE)
    np.testing.assert_allclose(pieces.logits, whole.logits, **CLOSE)


def test_a_text_longer_than_a_block_is_read_without_a_seam():
    it = model(network("lstm"), "abcde")
    ids = np.random.default_rng(0).integers(5, size=(2 * BLOCK + 77, 2))
    reader, net = Reader(it, rows=2), it.network
    pieces = [done.logits.copy() for done in reader.passes(ids)]
    whole = net.forward(ids, net.zero_state(2))
    assert max(map(len, pieces)) <= BLOCK
    np.testing.assert_allclose(np.concatenate(pieces), whole.logits, **CLOSE)
    np.testing.assert_allclose(reader.state, whole.state, **CLOSE)
    np.testing.assert_allclose(reader.logits, whole.logits[-1], **CLOSE)


def test_before_the_first_character_the_bias_predicts():
    it = model(network("gru"), "abcde")
    np.testing.assert_array_equal(Reader(it, rows=2).logits, [it.network.parameters["output/b"]] * 2)


@pytest.mark.parametrize("rows", [2, ROWS_TOGETHER, ROWS_TOGETHER + 1, 2 * ROWS_TOGETHER + 3])
def test_each_of_many_texts_is_read_as_if_it_were_alone(rows):
    """With labels, so that every row has an opening of its own, and with documents that begin within the rows."""
    it = labelled_model(dtype=np.float32)
    openings = it.draw_labels(3, range(rows))
    ids = np.random.default_rng(rows).integers(len(it.vocabulary), size=(7, rows))
    together = Reader(it, rows, openings)
    for part in (ids[:1], ids[1:2], ids[2:]):
        together.read(part)
    for row in {0, rows - 1, *range(0, rows, 29)}:
        alone = Reader(it, 1, openings[row : row + 1])
        alone.read(ids[:, row : row + 1])
        np.testing.assert_array_equal(together.state[:, :, row], alone.state[:, :, 0])
        np.testing.assert_array_equal(together.logits[row], alone.logits[0])


@every_kind
@given(before=st.text("\nabcd", max_size=8), after=st.text("abcd", max_size=6))
def test_a_line_does_not_depend_on_the_lines_before_it(kind, before, after):
    it = model(network(kind, layers=2), "\nabcd", lines=True)
    alone, second = Reader(it), Reader(it)
    alone.read(it.vocabulary.encode("\n" + after)[:, None])
    second.read(it.vocabulary.encode(before + "\n" + after)[:, None])
    np.testing.assert_allclose(second.state, alone.state, **CLOSE)
    np.testing.assert_allclose(second.logits, alone.logits, **CLOSE)


def test_a_stream_depends_on_the_text_before_a_newline():
    it = model(network("lstm"), "\nabcd")
    readers = [Reader(it), Reader(it)]
    for reader, text in zip(readers, ("\na", "bcb\na"), strict=True):
        reader.read(it.vocabulary.encode(text)[:, None])
    assert (np.abs(readers[0].state - readers[1].state) > 1e-6).all()


@pytest.mark.parametrize("lines", [False, True])
@given(
    texts=st.integers(1, 9).flatmap(lambda n: st.lists(st.text("\nab", min_size=n, max_size=n), min_size=2, max_size=4))
)
def test_texts_read_side_by_side_do_not_affect_each_other(lines, texts):
    it = model(network("lstm", vocabulary=3, layers=2), "\nab", lines)
    together = Reader(it, rows=len(texts))
    together.read(np.stack([it.vocabulary.encode(text) for text in texts], axis=1))
    for row, text in enumerate(texts):
        alone = Reader(it)
        alone.read(it.vocabulary.encode(text)[:, None])
        np.testing.assert_allclose(together.state[:, :, row], alone.state[:, :, 0], **CLOSE)
        np.testing.assert_allclose(together.logits[row], alone.logits[0], **CLOSE)
