"""Documents: how a text is cut into them, how training reads them, and which of them validate."""

from __future__ import annotations

import re
from itertools import pairwise, product

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from small import Example, corpus_of, gradient, network

from charlstm.base.config import TrainingConfig
from charlstm.base.parameters import Buffers
from charlstm.base.symbols import END
from charlstm.text.batches import DocumentBatches
from charlstm.text.corpus import Corpus
from charlstm.text.documents import Documents, find_documents, hash_document, hash_documents
from charlstm.text.facts import CorpusFacts
from charlstm.text.records import find_records
from charlstm.text.split import choose_validation, split_documents
from charlstm.text.vocabulary import Vocabulary
from charlstm.training.exchange import Requests
from charlstm.training.trainer import evaluate, train

KINDS = ["line", "blank-line", "file", "row", "\n%\n", "<|end|>", "aa", "%"]
lengths_of_documents = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def cut_by_hand(kind: str, text: str) -> list[str]:
    """Return the documents of a whole text, as the manual describes them."""
    if kind in ("file", "row"):
        return [text] if text else []
    if kind in ("blank-line", "\n%\n"):  # lines between lines that separate
        groups: list[list[str]] = [[]]
        for line in text.split("\n"):
            if line.strip() if kind == "blank-line" else line != "%":
                groups[-1].append(line)
            else:
                groups.append([])
        parts = ["\n".join(group) for group in groups]
    else:
        parts = re.split("\n" if kind == "line" else re.escape(kind), text)
    return [part for part in (*parts[:-1], parts[-1].removesuffix("\n")) if part]


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text("ab \n%<|end>", max_size=60), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_a_text_is_cut_into_the_same_documents_in_whatever_blocks(kind: str, text: str, cuts: list[int]) -> None:
    bounds = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    blocks = [text[a:b] for a, b in pairwise(bounds)] or [text]
    documents = Documents(kind)
    found = "".join(documents.parse_whole(blocks))
    assert found == "".join(f"{one}{END}" for one in cut_by_hand(kind, text))
    assert "".join(documents.parse_blocks(blocks)) == documents.parse(text)


@pytest.mark.parametrize("kind", ["line", "blank-line", "\n%\n", "<|end|>"])
@given(texts=st.lists(st.text("xyz", min_size=1, max_size=9), min_size=1, max_size=6))
def test_documents_that_are_written_are_read_again(kind: str, texts: list[str]) -> None:
    documents = Documents(kind)
    written = documents.join(texts)
    assert written.endswith("\n") and "".join(documents.parse_whole([written])).split(END)[:-1] == texts
    assert documents.parse(documents.format(END.join(texts))) == END.join(texts)


@pytest.mark.parametrize(("kind", "alphabet"), [("blank-line", "a \n"), ("\n%\n", "a%\n"), ("aa", "ab\n")])
def test_every_short_text_is_cut_in_blocks_of_every_length(kind: str, alphabet: str) -> None:
    documents = Documents(kind)
    for letters in product(alphabet, repeat=7):
        text = "".join(letters)
        wanted = "".join(f"{one}{END}" for one in cut_by_hand(kind, text))
        for size in (1, 2, 3, 5):
            assert "".join(documents.parse_whole([text[n : n + size] for n in range(0, 7, size)])) == wanted


def test_a_stream_is_not_cut() -> None:
    assert not Documents("") and Documents("").parse("a\n\nb") == "a\n\nb" and Documents("").opening == ""


def text_of_places(lengths: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return a text of documents in which every character is its own place, and 0 is the end symbol; with the spans."""
    ids = np.arange(sum(lengths) + len(lengths) + 1)
    ids[np.cumsum([0, *(length + 1 for length in lengths)])] = 0
    return ids, find_documents(ids, 0)


@given(lengths_of_documents, st.integers(1, 5), st.integers(1, 12), st.integers(0, 3), st.sampled_from([0.0, 0.7]))
def test_every_character_is_predicted_once_an_epoch_after_the_one_before_it(
    lengths: list[int], rows: int, seq_len: int, seed: int, curriculum: float
) -> None:
    ids, spans = text_of_places(lengths)
    batches = DocumentBatches(ids, spans, rows, seq_len, seed, curriculum)
    ramp = round(curriculum * batches.per_epoch)
    for epoch in range(2):
        predicted: list[int] = []
        before = np.zeros(0)
        first = ramp + epoch * batches.per_epoch
        for step in range(first, first + batches.per_epoch):
            batch = batches.batch(step)
            assert len(batch.ids) <= seq_len and batch.ids.shape[1] <= batches.rows <= rows
            if not batch.resets_state:  # each row goes on where it was
                goes_on = batch.loss_mask[0] == 1.0
                np.testing.assert_array_equal(batch.ids[0][goes_on], before[goes_on])
            before = batch.targets[-1]
            counted = batch.loss_mask == 1.0
            inputs, targets = batch.ids[counted], batch.targets[counted]
            predicted += targets.tolist()
            for read, target in zip(inputs.tolist(), targets.tolist(), strict=True):
                assert read == (ids[target - 1] if target else read)
        assert sorted(predicted) == sorted(ids[1:].tolist())
    assert 0.0 <= batches.padding < 1.0


@given(lengths_of_documents, st.integers(1, 4), st.integers(1, 9), st.randoms(use_true_random=False))
def test_a_batch_of_documents_depends_on_its_step_alone(lengths: list[int], rows: int, seq_len: int, random) -> None:  # type: ignore[no-untyped-def]
    one, other = (DocumentBatches(*text_of_places(lengths), rows, seq_len, 5, 0.5) for _ in range(2))
    steps = list(range(3 * one.per_epoch))
    in_order = [one.batch(step) for step in steps]
    random.shuffle(steps)
    for step in steps:
        found = other.batch(step)
        assert found.resets_state == in_order[step].resets_state
        assert all(map(np.array_equal, found[:3], in_order[step][:3]))


@given(lengths_of_documents, st.integers(1, 4), st.integers(1, 9), st.integers(0, 50))
def test_every_batch_predicts_something(lengths: list[int], rows: int, seq_len: int, seed: int) -> None:
    """Also where a group of the curriculum, or what is left for a last pool, has short documents only."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("charlstm.text.batches.BATCHES_SORTED_TOGETHER", 2)
        batches = DocumentBatches(*text_of_places(lengths), rows, seq_len, seed, curriculum=2.0)
        for step in range(4 * batches.per_epoch):
            assert batches.batch(step).loss_mask.any()


def test_what_is_left_for_a_last_pool_has_as_many_windows_as_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charlstm.text.batches.BATCHES_SORTED_TOGETHER", 2)
    batches = DocumentBatches(
        *text_of_places([1, 11, 11, 11, 11]), 2, 4
    )  # the short one shares a group with a long one
    for step in range(40 * batches.per_epoch):
        assert batches.batch(step).loss_mask.any()


def test_a_curriculum_of_short_documents_beside_a_long_one_has_no_empty_window() -> None:
    for seed in range(30):
        batches = DocumentBatches(*text_of_places([5, 200]), 2, 64, seed, curriculum=3.0)
        assert all(batches.batch(step).loss_mask.any() for step in range(3 * batches.per_epoch))


def test_in_windows_of_any_length_documents_are_the_same_as_whole_ones() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 60, 40).tolist()
    ids = text_of_places(lengths)[0]
    ids[ids > 0] = rng.integers(1, 5, np.count_nonzero(ids))
    it = network("lstm", vocabulary=5, hidden=4)
    whole = DocumentBatches(ids, find_documents(ids, 0), 4)
    wanted = evaluate(it, whole.in_order(), Buffers(np.float64))
    for seq_len in (1, 7, 30):
        cut = DocumentBatches(ids, find_documents(ids, 0), 4, max(seq_len, 4))
        assert evaluate(it, cut.in_order(), Buffers(np.float64)) == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("seq_len", [3, 8, 25])
def test_loss_and_gradient_are_those_of_each_document_read_alone(kind: str, seq_len: int) -> None:
    """Each row is read by plain loops, alone; its state is carried from window to window, and gradients end there."""
    rng = np.random.default_rng(1)
    ids = text_of_places(rng.integers(1, 50, 12).tolist())[0]
    ids[ids > 0] = rng.integers(1, 5, np.count_nonzero(ids))
    it = network(kind, vocabulary=5, hidden=3)
    weights = {name: block.tolist() for name, block in it.parameters.items()}
    batches = DocumentBatches(ids, find_documents(ids, 0), 3, seq_len)
    state = it.zero_state(1)
    alone: list[np.ndarray] = []
    for step in range(batches.per_epoch):
        batch = batches.batch(step)
        B = batch.ids.shape[1]
        if batch.resets_state:
            state = it.zero_state(B)
        alone = [it.zero_state(1) if batch.ids[0, row] == 0 else alone[row] for row in range(B)]
        loss, found = 0.0, np.zeros_like(it.parameters.flat)
        of = Example(batch.ids, batch.targets, batch.loss_mask.astype(np.float64), state, None)
        together, state, whole = gradient(it, of)
        for row in range(B):
            count = int(batch.loss_mask[:, row].sum())
            if not count:
                continue
            column = slice(row, row + 1)
            one = batch.ids[:count, column], batch.targets[:count, column], np.ones((count, 1))
            read = reference.read(kind, weights, one[0].tolist(), alone[row].tolist())
            loss += reference.loss(read.logits, one[1].tolist(), one[2].tolist())
            _, alone[row], part = gradient(it, Example(*one, alone[row], None))
            found += part
        assert together == pytest.approx(loss, rel=1e-10)
        np.testing.assert_allclose(whole, found, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("seq_len", [4, 25])
def test_the_gradient_is_that_of_plain_loops_over_each_document(seq_len: int) -> None:
    """Nothing here is computed by the package but what is tested: not even one document alone."""
    rng = np.random.default_rng(2)
    ids = text_of_places(rng.integers(1, 30, 9).tolist())[0]
    ids[ids > 0] = rng.integers(1, 5, np.count_nonzero(ids))
    it = network("lstm", vocabulary=5, hidden=3)
    weights = {name: block.tolist() for name, block in it.parameters.items()}
    batches = DocumentBatches(ids, find_documents(ids, 0), 3, seq_len)
    state, alone = it.zero_state(1), [[[0.0] * 3] * 2]
    for step in range(batches.per_epoch):
        batch = batches.batch(step)
        B = batch.ids.shape[1]
        if batch.resets_state:
            state = it.zero_state(B)
        begins = batch.ids[0] == 0  # a document begins with the end symbol, and with it the zero state
        alone = [[[0.0] * 3, [0.0] * 3] if begins[row] else alone[row] for row in range(B)]
        found = it.parameters.like()
        of = Example(batch.ids, batch.targets, batch.loss_mask.astype(np.float64), state, None)
        _, state, found.flat[:] = gradient(it, of)
        wanted = {name: np.zeros_like(block) for name, block in it.parameters.items()}
        for row in range(B):
            count = int(batch.loss_mask[:, row].sum())
            if count:
                read = batch.ids[:count, row].tolist(), batch.targets[:count, row].tolist()
                part, alone[row] = reference.lstm_gradient(weights, *read, alone[row])
                for name, block in part.items():
                    wanted[name] += block
        for name, block in wanted.items():
            np.testing.assert_allclose(found[name], block, rtol=1e-10, atol=1e-12, err_msg=name)


def test_a_run_that_stops_within_a_document_goes_on_exactly() -> None:
    ids, spans = text_of_places([50, 3, 20, 41, 7, 33, 12])
    ids = ids % 5

    def run(stops: int | None, start=None):  # type: ignore[no-untyped-def]
        it = network("lstm", vocabulary=5, hidden=4)
        it.initialise(0)
        config = TrainingConfig(30, batch_size=2, seq_len=6, learning_rate=0.02)
        batches = DocumentBatches(ids, find_documents(ids, 0), 2, 6)
        steps = list(train(it, batches, None, config, ask=lambda done: Requests(stop=done + 1 == stops), start=start))
        return it.parameters.flat.tobytes(), steps[-1].state

    assert len(spans) == 7
    wanted, _ = run(None)
    for stops in range(1, 30, 4):
        _, state = run(stops)
        assert run(None, state)[0] == wanted


SPANS = np.stack([np.arange(400) * 10, np.arange(400) * 10 + 9], axis=1)


def test_copies_are_on_one_side_and_each_file_has_its_share() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 60, 400).astype(np.uint64)
    config = TrainingConfig(1, documents="line", split="random", val_fraction=0.2)
    for files in ([0], [0, 1000, 3000]):
        chosen = choose_validation(SPANS, hashes, config, files)
        assert not set(hashes[chosen]) & set(hashes[~chosen])
        assert 0.15 < chosen.mean() < 0.25
    distinct = np.arange(400).astype(np.uint64)
    chosen = choose_validation(SPANS, distinct, config, [0, 1000, 3000])
    assert [int(chosen[a:b].sum()) for a, b in ((0, 100), (100, 300), (300, 400))] == [20, 40, 20]
    assert (
        chosen.tolist()
        != choose_validation(
            SPANS,
            distinct,
            TrainingConfig(1, split="random", val_fraction=0.2, random_seed=1),
            [0, 1000, 3000],
        ).tolist()
    )


def test_copies_are_counted_in_a_remark() -> None:
    ids = np.array([0, *[1, 2, 0] * 8, 3, 0, 4, 4, 0])
    config = TrainingConfig(1, batch_size=2, documents="line", split="random", val_fraction=0.3)
    split = split_documents(corpus_of(ids), config)
    assert split.remarks[0].startswith("7 of 10 documents are copies of others")
    assert len(split.hashes) == 3


def test_long_documents_are_cut_so_that_their_rows_are_full() -> None:
    lengths = [50_000, *[100] * 40]
    batches = DocumentBatches(*text_of_places(lengths), 16, 32)
    assert batches.rows == 16 and batches.padding < 0.1


POEMS = "".join(f"Title {n}\nIn the room of {n}\nthere was a long line\n\n" for n in range(30))


@pytest.mark.parametrize(
    ("text", "number", "documents"),
    [
        (POEMS, 30, "blank-line"),
        (POEMS.replace("\n\n", "\n%\n"), 30, "\n%\n"),
        (POEMS.replace("\n\n", "\n<|end|>\n"), 30, "\n<|end|>\n"),
        ("".join(f"name {n}\n" for n in range(40)), 40, "line"),
        (POEMS[:300], 0, ""),  # a few of them
        ("A long sentence that goes on and on over several lines of a text of one piece.\n" * 40, 0, ""),
        (("a line of a long record\n" * 300 + "\n") * 30, 0, ""),
    ],
)
def test_a_text_of_records_is_recognised(text: str, number: int, documents: str) -> None:
    vocabulary = Vocabulary.of(np.array([*{*map(ord, text)}]))
    found = find_records(Corpus(vocabulary.encode(text), vocabulary, CorpusFacts((), 0, 0, ""), (), np.array([0])))
    assert (found is not None) == bool(number)
    assert found is None or (found.number, found.documents) == (number, documents)


def test_a_long_document_is_hashed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary = Vocabulary.of(np.array([ord(END), *map(ord, "aü漢🎈")]))
    ids = vocabulary.encode(f"{END}aü漢🎈aaüü{END}a{END}")
    spans = find_documents(ids, int(vocabulary.encode(END)[0]))
    wanted = [hash_document("aü漢🎈aaüü"), hash_document("a")]
    assert hash_documents(ids, spans, vocabulary).tolist() == wanted
    monkeypatch.setattr("charlstm.text.documents.HASHED_BLOCK", 3)
    assert hash_documents(ids, spans, vocabulary).tolist() == wanted


def test_many_lines_that_separate_are_read_in_blocks() -> None:
    text = "one\n" + "%\n" * 200_000 + "two\n%"
    blocks = [text[n : n + 70_001] for n in range(0, len(text), 70_001)]
    assert "".join(Documents("\n%\n").parse_whole(blocks)) == f"one{END}two{END}"
