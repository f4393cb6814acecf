"""Every character is predicted as often as it should be, from the text that stands before it."""

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import corpus_of

from charlstm.base.config import TrainingConfig
from charlstm.base.errors import CorpusError
from charlstm.text.batches import BATCHES_SORTED_TOGETHER, CHARACTERS_PER_BATCH, DocumentBatches, StreamBatches
from charlstm.text.documents import LONGEST_WINDOW, find_documents
from charlstm.text.split import (
    VALIDATION_CONTEXT,
    split_documents,
    split_stream,
    validation_batches,
)

sizes = st.integers(2, 400), st.integers(1, 12), st.integers(1, 40)  # characters, rows, characters in a window
line_lengths = st.lists(st.integers(1, 12), min_size=1, max_size=40)


def text(characters):
    """A text in which every character is its own place."""
    return np.arange(characters)


def text_of_lines(lengths):
    """Line k is the character k + 1, over and over; with where the lines stand."""
    ids = np.concatenate([[0], *([k + 1] * length + [0] for k, length in enumerate(lengths))])
    return ids, find_documents(ids, 0)


def lines_in(batch, lengths):
    """The numbers of the lines in a batch, once it is shown that they stand in it as they should."""
    assert batch.resets_state
    assert batch.ids.shape == batch.targets.shape == batch.loss_mask.shape
    numbers = []
    for ids, targets, counted in zip(batch.ids.T, batch.targets.T, batch.loss_mask.T, strict=True):
        line = int(targets[0])
        there = lengths[line - 1] + 1
        assert counted.tolist() == [1.0] * there + [0.0] * (len(counted) - there)
        assert ids[:there].tolist() == [0] + [line] * (there - 1)
        assert targets[:there].tolist() == [line] * (there - 1) + [0]
        numbers.append(line - 1)
    return numbers


def all_lines_in(batches, lengths):
    return [line for batch in batches for line in lines_in(batch, lengths)]


def same(one, other):
    return one.resets_state == other.resets_state and all(map(np.array_equal, one[:3], other[:3]))


@given(*sizes)
def test_streams_predict_every_character_of_a_row_once_and_in_order(characters, wanted_rows, seq_len):
    streams = StreamBatches(text(characters), wanted_rows, seq_len)
    epoch = [streams.batch(step) for step in range(streams.per_epoch)]
    ids = np.concatenate([batch.ids for batch in epoch])  # (span, rows)
    targets = np.concatenate([batch.targets for batch in epoch])

    span, rows = ids.shape
    assert rows == streams.rows <= wanted_rows
    np.testing.assert_array_equal(targets, ids + 1)
    np.testing.assert_array_equal(ids.T.reshape(-1), np.arange(rows * span))
    assert characters - 1 - rows * span < rows  # what is left over is less than one character a row
    assert [batch.resets_state for batch in epoch] == [True] + [False] * (len(epoch) - 1)
    assert [len(batch.ids) for batch in epoch[:-1]] == [seq_len] * (len(epoch) - 1)
    assert 1 <= len(epoch[-1].ids) <= seq_len
    assert all(batch.loss_mask.all() for batch in epoch)
    assert rows == 1 or span >= min(seq_len, 8)
    assert rows == wanted_rows or (characters - 1) < (rows + 1) * min(seq_len, 8)


@given(*sizes, st.randoms(use_true_random=False))
def test_a_batch_of_streams_depends_on_its_step_alone(characters, rows, seq_len, random):
    streams, others = (StreamBatches(text(characters), rows, seq_len) for _ in range(2))
    steps = list(range(2 * streams.per_epoch + 1))
    in_order = [streams.batch(step) for step in steps]
    assert all(same(in_order[step], in_order[step % streams.per_epoch]) for step in steps)
    random.shuffle(steps)
    assert all(same(others.batch(step), in_order[step]) for step in steps)


@pytest.mark.parametrize("characters", [0, 1])
def test_a_stream_needs_something_to_read_and_something_to_predict(characters):
    with pytest.raises(CorpusError, match="two characters"):
        StreamBatches(text(characters), 4, 8)


@given(line_lengths, st.integers(1, 9), st.integers(0, 3), st.sampled_from([0.0, 0.3, 1.0, 2.5]))
def test_every_line_is_learnt_once_an_epoch_after_the_short_ones(lengths, rows, seed, curriculum):
    ids, spans = text_of_lines(lengths)
    lines = DocumentBatches(ids, spans, rows, None, seed, curriculum)
    ramp = round(curriculum * lines.per_epoch)
    for step in range(ramp):
        reach = max(lines.rows, len(lengths) * (step + 1) // ramp)
        drawn = lines_in(lines.batch(step), lengths)
        assert len(drawn) == lines.rows
        assert max(lengths[line] for line in drawn) <= sorted(lengths)[reach - 1]
    for epoch in range(2):
        steps = range(ramp + epoch * lines.per_epoch, ramp + (epoch + 1) * lines.per_epoch)
        batches = [lines.batch(step) for step in steps]
        assert sorted(all_lines_in(batches, lengths)) == list(range(len(lengths)))
        assert max(batch.ids.shape[1] for batch in batches) == lines.rows == min(rows, len(lengths))


@given(line_lengths, st.integers(1, 9))
def test_lines_in_order_are_all_lines_shortest_first(lengths, rows):
    batches = DocumentBatches(*text_of_lines(lengths), rows, None, 0).in_order()
    numbers = all_lines_in(batches, lengths)
    assert sorted(numbers) == list(range(len(lengths)))
    assert [lengths[line] for line in numbers] == sorted(lengths)


@given(line_lengths, st.integers(1, 4), st.randoms(use_true_random=False))
def test_a_batch_of_lines_depends_on_seed_and_step_alone(lengths, rows, random):
    lines, others = (DocumentBatches(*text_of_lines(lengths), rows, None, 5, curriculum=0.5) for _ in range(2))
    steps = list(range(3 * lines.per_epoch))
    in_order = [lines.batch(step) for step in steps]
    random.shuffle(steps)
    assert all(same(others.batch(step), in_order[step]) for step in steps)


def test_epochs_and_seeds_have_their_own_order():
    lengths = [3] * 50
    orders = []
    for seed, epoch in [(0, 0), (0, 1), (1, 0)]:
        lines = DocumentBatches(*text_of_lines(lengths), 5, None, seed)
        orders.append(all_lines_in([lines.batch(10 * epoch + k) for k in range(10)], lengths))
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_the_ramp_goes_from_short_lines_of_about_one_length_to_all():
    lengths = list(range(1, 801))
    lines = DocumentBatches(*text_of_lines(lengths), 2, None, 0, curriculum=1.0)
    drawn = [lines_in(lines.batch(step), lengths) for step in range(lines.per_epoch)]
    assert max(map(max, drawn[-40:])) > 600
    assert max(abs(one - other) for one, other in drawn) <= 2 * BATCHES_SORTED_TOGETHER
    assert len({tuple(batch) for batch in drawn}) > len(drawn) // 2


def test_epochs_of_lines_have_little_padding_and_do_not_run_from_short_to_long():
    lengths = list(range(1, 201)) * 2
    lines = DocumentBatches(*text_of_lines(lengths), 8, None, 0)
    epoch = [lines.batch(step) for step in range(lines.per_epoch)]
    assert sum(batch.loss_mask.sum() for batch in epoch) > 0.9 * sum(batch.loss_mask.size for batch in epoch)
    widths = [len(batch.ids) for batch in epoch]
    assert widths != sorted(widths)


def test_lines_meet_others_in_every_epoch():
    lengths = list(range(1, 801))
    lines = DocumentBatches(*text_of_lines(lengths), 2, None, 0)
    one, other = (
        {frozenset(lines_in(lines.batch(epoch * lines.per_epoch + k), lengths)) for k in range(lines.per_epoch)}
        for epoch in range(2)
    )
    assert len(one) == len(other) == 400 and len(one & other) < 40


def test_the_ramp_reaches_one_line_more_in_every_step():
    lengths = [1, 2, 3, 4, 5]
    runs = [DocumentBatches(*text_of_lines(lengths), 1, None, seed, curriculum=1.0) for seed in range(60)]
    for step in range(5):
        drawn = {line for lines in runs for line in lines_in(lines.batch(step), lengths)}
        assert drawn == set(range(step + 1))


def test_long_lines_come_in_smaller_batches():
    lengths = [LONGEST_WINDOW] * 30
    lines = DocumentBatches(*text_of_lines(lengths), 64, None, 0)
    full = next(lines.in_order()).ids
    assert lines.rows == full.shape[1]
    assert full.size <= CHARACTERS_PER_BATCH < full.size + LONGEST_WINDOW + 1


@pytest.mark.parametrize("piece", [1, 2, 4, 100])
def test_empty_lines_are_left_out(monkeypatch, piece):
    monkeypatch.setattr("charlstm.text.documents.BLOCK", piece)
    ids = np.array([0, 0, 1, 1, 0, 0, 0, 2, 0])
    assert [ids[a:b].tolist() for a, b in find_documents(ids, 0)] == [[1, 1], [2]]
    assert find_documents(np.array([0, 0, 0]), 0).shape == (0, 2)


@given(st.integers(2, 40_000), st.floats(0.0, 1.0, exclude_max=True), st.integers(1, 300))
def test_held_out_text_is_predicted_once_from_the_text_before_it(characters, share, seq_len):
    first = 1 + int(share * (characters - 1))
    batches = list(validation_batches(text(characters), [(first, characters)], seq_len))
    ids, targets, counted = (np.concatenate([batch[k] for batch in batches]) for k in range(3))
    np.testing.assert_array_equal(np.sort(targets[counted == 1.0]), np.arange(first, characters))
    np.testing.assert_array_equal(targets, ids + 1)
    assert set(np.unique(counted)) <= {0.0, 1.0}
    assert [batch.resets_state for batch in batches] == [True] + [False] * (len(batches) - 1)
    assert all(len(batch.ids) == seq_len for batch in batches[:-1])
    assert 1 <= len(batches[-1].ids) <= seq_len
    context = min(VALIDATION_CONTEXT, first - 1)
    for row, counts in zip(ids.T, counted.T, strict=True):
        last = np.flatnonzero(counts)[-1]
        np.testing.assert_array_equal(row[: last + 1], row[0] + np.arange(last + 1))  # real text, without a gap
        assert counts[: last + 1].tolist() == [0.0] * context + [1.0] * (last + 1 - context)
    assert ids.shape[1] <= 64


@given(st.integers(3, 3000), st.floats(0.0, 0.95), st.integers(1, 8), st.integers(1, 50))
def test_a_stream_is_split_into_what_is_learnt_and_its_end(characters, share, rows, seq_len):
    config = TrainingConfig(steps=1, batch_size=rows, seq_len=seq_len, val_fraction=share)
    held = round(characters * share)
    if characters - held < 2:
        with pytest.raises(CorpusError):
            split_stream(text(characters), config)
        return
    split = split_stream(text(characters), config)
    learnt = np.concatenate([split.training.batch(step).targets.ravel() for step in range(split.training.per_epoch)])
    assert learnt.max() < characters - held
    assert len(learnt) > characters - held - 1 - split.training.rows
    assert split.training_characters == len(learnt)
    assert split.validation_characters == held
    if not held:
        assert split.validation is None
        return
    for _ in range(2):  # each call starts from the beginning
        predicted = np.concatenate([batch.targets[batch.loss_mask == 1.0] for batch in split.validation()])
        np.testing.assert_array_equal(np.sort(predicted), np.arange(characters - held, characters))


@given(st.integers(300, 90_000), st.floats(0.0, 0.6), st.integers(1, 8), st.integers(1, 300))
def test_stripes_are_held_out_all_over_the_text(characters, share, rows, seq_len):
    config = TrainingConfig(steps=1, batch_size=rows, seq_len=seq_len, val_fraction=share, split="stripes")
    split = split_stream(text(characters), config)
    batches = [split.training.batch(step) for step in range(split.training.per_epoch)]
    learnt = np.sort(np.concatenate([batch.targets.ravel() for batch in batches]))
    assert len(learnt) == len(set(learnt)) == split.training_characters
    held = round(characters * share)
    if not held:
        assert split.validation is None
        return
    predicted = [batch.targets[batch.loss_mask == 1.0] for batch in split.validation()]
    kept = np.sort(np.concatenate(predicted))
    assert len(kept) == len(set(kept)) == split.measured_characters == split.validation_characters
    assert not set(kept) & set(learnt)
    parts = np.split(kept, np.flatnonzero(np.diff(kept) > 1) + 1)
    assert len(parts) == max(1, min(20, held // 1000))
    assert {len(part) for part in parts} == {held // len(parts)}
    assert len({int(gap) for gap in np.diff([part[0] for part in parts])}) <= 1
    assert len(kept) + len(learnt) > characters - rows - 2 * len(parts) - 1
    for batch in batches:  # what follows is the next character, but where a stripe was cut out
        gaps = batch.targets - batch.ids
        assert set(np.unique(gaps)) <= {1, 1 + held // len(parts)}


def test_the_last_file_is_held_out_as_it_stands():
    config = TrainingConfig(steps=1, batch_size=2, seq_len=5, split="file")
    split = split_stream(text(100), config, (0, 83))
    predicted = np.concatenate([batch.targets[batch.loss_mask == 1.0] for batch in split.validation()])
    np.testing.assert_array_equal(np.sort(predicted), np.arange(83, 100))
    lengths = [3, 1, 4, 1, 5]
    ids, spans = text_of_lines(lengths)
    split = split_documents(corpus_of(ids, int(spans[3, 0])), replace(config, documents="line"))
    assert sorted(all_lines_in(split.validation(), lengths)) == [3, 4]


@pytest.mark.parametrize("how", ["tail", "stripes", "lines"])
def test_of_much_that_is_held_out_a_million_characters_are_measured(monkeypatch, how):
    monkeypatch.setattr("charlstm.text.split.MOST_VALIDATION_CHARACTERS", 4000)
    if how == "lines":
        ids, _ = text_of_lines([9] * 2000)
        split = split_documents(corpus_of(ids), TrainingConfig(steps=1, documents="line", val_fraction=0.5))
        assert split.characters_per_document == 10.0
    else:
        split = split_stream(text(20_000), TrainingConfig(steps=1, split=how, val_fraction=0.5))
    assert split.validation_characters == 10_000
    assert split.measured_characters == sum(int(batch.loss_mask.sum()) for batch in split.validation()) == 4000


@given(line_lengths, st.floats(0.0, 0.95), st.integers(1, 6), st.integers(0, 3))
def test_lines_are_split_into_two_parts_that_are_all_of_them(lengths, share, rows, seed):
    config = TrainingConfig(steps=1, batch_size=rows, documents="line", val_fraction=share, random_seed=seed)
    ids, _ = text_of_lines(lengths)
    held = round(len(lengths) * share)
    if held == len(lengths):
        with pytest.raises(CorpusError, match="no document is left"):
            split_documents(corpus_of(ids), config)
        return
    split = split_documents(corpus_of(ids), config)
    training = split.training
    learnt = all_lines_in([training.batch(step) for step in range(training.per_epoch)], lengths)
    kept = all_lines_in(split.validation(), lengths) if held else []
    assert (split.validation is None) == (held == 0)
    assert sorted(learnt + kept) == list(range(len(lengths)))
    assert len(kept) == held
    assert split.training_characters == sum(lengths[line] + 1 for line in learnt)
    assert split.validation_characters == sum(lengths[line] + 1 for line in kept)


def test_held_out_lines_are_drawn_by_the_seed_from_everywhere():
    ids, _ = text_of_lines([2] * 100)
    kept = []
    for seed in (0, 0, 1):
        split = split_documents(
            corpus_of(ids), TrainingConfig(steps=1, documents="line", val_fraction=0.2, random_seed=seed)
        )
        kept.append(sorted(all_lines_in(split.validation(), [2] * 100)))
    assert kept[0] == kept[1] != kept[2]
    assert min(kept[0]) < 25
    assert max(kept[0]) > 75
    assert np.ptp(kept[0]) > 20


def test_the_ramp_is_the_one_asked_for():
    config = TrainingConfig(steps=1, batch_size=1, documents="line", val_fraction=0.0, curriculum=1.0)
    lengths = list(range(1, 31))
    split = split_documents(corpus_of(text_of_lines(lengths)[0]), config)
    assert lines_in(split.training.batch(0), lengths) == [0]  # the shortest of all


@given(
    st.lists(st.integers(0, 900), min_size=1, max_size=12), st.floats(0.0, 0.9), st.integers(1, 8), st.integers(1, 50)
)
def test_each_of_several_files_has_its_end_in_the_validation_set(sizes, share, rows, seq_len):
    config = TrainingConfig(steps=1, batch_size=rows, seq_len=seq_len, val_fraction=share, split="tails")
    starts = np.cumsum([0, *sizes])[:-1]
    cuts = [stop - round(size * share) for size, stop in zip(sizes, np.cumsum(sizes), strict=True)]
    learnt = np.concatenate([np.arange(start, cut) for start, cut in zip(starts, cuts, strict=True)])
    kept = np.setdiff1d(np.arange(sum(sizes)), learnt)
    if len(learnt) < 2:
        with pytest.raises(CorpusError):
            split_stream(text(sum(sizes)), config, starts)
        return
    split = split_stream(text(sum(sizes)), config, starts)
    batches = [split.training.batch(step) for step in range(split.training.per_epoch)]
    targets = np.sort(np.concatenate([batch.targets.ravel() for batch in batches]))
    assert split.training_characters == len(targets) > len(learnt) - 1 - split.training.rows
    np.testing.assert_array_equal(targets, learnt[1 : len(targets) + 1])
    assert split.validation_characters == split.measured_characters == len(kept)
    if not len(kept):
        assert split.validation is None
        return
    predicted = [batch.targets[batch.loss_mask == 1.0] for batch in split.validation()]
    np.testing.assert_array_equal(np.sort(np.concatenate(predicted)), kept)
    assert all(batch.ids.shape[1] <= 64 for batch in split.validation())


def test_four_thousand_files_have_few_parts_from_all_over(monkeypatch):
    config = TrainingConfig(steps=1, val_fraction=0.1, split="tails")
    split = split_stream(text(400_000), config, np.arange(4000) * 100)
    kept = np.concatenate([batch.targets[batch.loss_mask == 1.0] for batch in split.validation()])
    parts = np.split(np.sort(kept), np.flatnonzero(np.diff(np.sort(kept)) > 1) + 1)
    assert len(parts) == 64 and len(kept) == split.validation_characters == pytest.approx(40_000, rel=0.01)
    monkeypatch.setattr("charlstm.text.split.MOST_VALIDATION_CHARACTERS", 4000)
    split = split_stream(text(400_000), config, [0, 300_000])
    assert 3990 < split.measured_characters == sum(int(batch.loss_mask.sum()) for batch in split.validation()) <= 4000


def test_one_file_is_split_as_its_end():
    for split in ("tail", "tails"):
        config = TrainingConfig(steps=1, val_fraction=0.15, split=split)
        made = split_stream(text(3333), config, [0])
        predicted = [batch.targets[batch.loss_mask == 1.0] for batch in made.validation()]
        assert np.array_equal(np.sort(np.concatenate(predicted)), np.arange(2833, 3333))


@pytest.mark.parametrize("lines", [False, True])
def test_a_validation_set_of_another_kind_of_text_is_remarked(lines):
    rng = np.random.default_rng(0)
    one, other = rng.integers(1, 30, 45_000), rng.integers(25, 60, 5_000)
    alike = rng.integers(1, 30, 5_000)
    for end, remarked in ((other, True), (alike, False)):
        ids = np.concatenate([one, end]).astype(np.uint8)
        ids[::50] = ids[-1] = 0
        config = TrainingConfig(steps=1, documents="line" if lines else "", split="file" if lines else "tail")
        split = split_documents(corpus_of(ids, 45_000), config) if lines else split_stream(ids, config)
        assert bool(split.remarks) == remarked
        assert not remarked or ("does not mean overfitting" in split.remarks[0] and "\n" not in split.remarks[0])
    ids = np.concatenate([one, other]).astype(np.uint8)
    assert not split_stream(ids, TrainingConfig(steps=1, split="tails"), [0, 45_000]).remarks
    assert not split_stream(ids[:200], TrainingConfig(steps=1, split="tail")).remarks


@pytest.mark.parametrize("length", [3_000, 20_000, 100_000])
def test_a_remark_needs_another_language_and_not_another_script(length):
    """The words of the other language are reversed, so that its characters have the same frequencies."""
    text = (Path(__file__).parent.parent / "data" / "rooms.txt").read_text()
    config, rng, ratios, other = TrainingConfig(steps=1), np.random.default_rng(length), [], 0
    for _ in range(20):
        start = rng.integers(len(text) - length)
        ids = np.frombuffer(text[start : start + length].encode(), np.uint8)
        assert not split_stream(ids, config).remarks
        tail = ids[-length // 10 :]
        reversed_words = b" ".join(word[::-1] for word in tail.tobytes().split(b" "))
        assert len(reversed_words) == len(tail)
        other += bool(
            split_stream(np.concatenate([ids[: -len(tail)], np.frombuffer(reversed_words, np.uint8)]), config).remarks
        )
        pairs = Counter(pairwise(ids[: -len(tail)].tolist()))
        rest = length * 9 // 80
        parts = [Counter(pairwise(ids[k * rest : (k + 1) * rest].tolist())) for k in range(8)] + [
            Counter(pairwise(tail.tolist()))
        ]
        usual = [diverge(part, pairs - part if k < 8 else pairs) for k, part in enumerate(parts)]
        ratios.append((usual[-1] / max(usual[:-1]), usual[-1] - np.mean(usual[:-1])))
    assert other == 20
    assert np.quantile([ratio for ratio, _ in ratios], 0.9) < 1.4 and max(difference for _, difference in ratios) < 0.15


def diverge(one, other):
    """Return the Jensen–Shannon divergence of two counters, in bits."""
    total = 0.0
    for mine, theirs in ((one, other), (other, one)):
        for key, count in mine.items():
            p, q = count / mine.total(), theirs[key] / theirs.total()
            total += p * math.log2(2 * p / (p + q)) / 2
    return total
