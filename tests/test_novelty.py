"""Matches with a corpus are those that plain Python finds, all of them and no others; lines are classified."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from small import model, network

from charlstm.api.language_model import LanguageModel
from charlstm.base.config import TrainingConfig
from charlstm.base.errors import ConfigError, CorpusError
from charlstm.base.symbols import END
from charlstm.model.model import Model
from charlstm.sampling.sampler import Sample
from charlstm.text import corpus, decoding
from charlstm.text.documents import LINE, Documents
from charlstm.text.matching import find_matches
from charlstm.text.split import split_documents
from charlstm.text.vocabulary import CODE_POINTS

few = st.text("ab\n", max_size=24)
many = st.text("abc\né漢🎈\ud800\n", max_size=24)
LINES = [f"{a} met {b}" for a in ("anna", "otto", "bob", "eve") for b in ("monica", "richard", "clara", "felix")]


def longest(text, corpus):
    """For every place of a text, how many characters from there on stand in a corpus: by trying."""
    return [max(n for n in range(len(text) - k + 1) if text[k : k + n] in corpus) for k in range(len(text))]


@given(
    st.lists(few, min_size=1, max_size=3) | st.lists(many, min_size=1, max_size=3),
    st.lists(few, max_size=5) | st.lists(many, max_size=5),
    st.sampled_from([1, 2, 4, 8]),
)
@example(["abab" * 9], ["ab"] * 40, 1)
@example(["a" * 33], ["a"] * 70, 8)
@example(["x" + "ab" * 30 + "y"], ["ab" * 20, "ab" * 20, "yx"], 4)
@example([""], ["a"], 1)
@example(["ab"], [], 1)
def test_the_longest_match_from_every_place_is_found_wherever_the_corpus_is_cut(texts, pieces, least):
    whole = "".join(pieces)
    lines = whole.split("\n")
    for text, copy in zip(texts, find_matches(texts, pieces, least), strict=True):
        wanted = longest(text, whole)
        for k, (found, length) in enumerate(zip(copy.longest, wanted, strict=True)):
            assert found == length if length >= least else found <= length
            start = sum(len(line) + 1 for line in lines[: copy.line[k]]) + copy.column[k]
            assert whole[start : start + found] == text[k : k + found] and copy.column[k] <= len(lines[copy.line[k]])
        for length, stands in copy.occurs.items():
            assert stands.tolist() == [text[k : k + length] in whole for k in range(len(text) - length + 1)]
        assert list(copy.occurs) == [1 << j for j in range(len(text).bit_length())]


def test_a_large_text_has_the_same_matches_as_a_small_one():
    rng = np.random.default_rng(0)
    whole = "".join(rng.choice(list("abcdefgh \n"), 60_000))
    text = "".join(rng.choice(list("abcdefgh \n"), 20_000)) + whole[777:9999]  # names too many for a table
    pieces = [whole[k : k + 7001] for k in range(0, len(whole), 7001)]
    (copy,) = find_matches([text], pieces, 8)
    assert copy.longest[20_000] == 9222 and copy.occurs[8192][20_000] and not copy.occurs[8192][:19_000].any()
    for k in rng.integers(len(text) - 40, size=300):
        n = int(copy.longest[k])
        assert text[k : k + 8] in whole if n >= 8 else text[k : k + 8] not in whole
        assert n < 8 or (text[k : k + n] in whole and (text[k : k + n + 1] not in whole or k + n == len(text)))


@pytest.fixture
def loaded():
    return LanguageModel(model(network("rnn"), "abcde"))


words = st.lists(st.sampled_from(["abba\n", "a", "bab", "\n", "aab b"]), max_size=12).map("".join)


@given(st.lists(words, min_size=1, max_size=3), words, words)
@example(["aab baab b\n\naab baab b\n"], "aab baab b", "")
def test_runs_are_the_longest_without_overlaps_and_at_their_places(tmp_path_factory, texts, one, other):
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "one.txt").write_text(one)
    (folder / "other.txt").write_text(other)
    it = LanguageModel(model(network("rnn"), "abcde"))
    novelty = it.novelty(texts, [folder / "one.txt", folder / "other.txt"])
    lines = {"one.txt": one.split("\n"), "other.txt": other.split("\n")}
    ended = one + ("\n" if one and other and not one.endswith("\n") else "")
    whole, begins = ended + other, {"one.txt": 0, "other.txt": len(ended)}
    runs = novelty.runs(99)
    lengths = [length for text in texts for length in longest(text, whole)]
    best = max(lengths, default=0)
    assert [len(run.text) for run in runs[:1]] == ([best] if best >= 8 else [])
    taken = set()
    for run in runs:
        places = {(run.number, run.start + k) for k in range(len(run.text))}
        assert not places & taken
        before = texts[run.number][: run.start + len(run.text)][-len(run.text) - 1 :]
        assert run.start == 0 or before not in whole
        taken |= places
        assert texts[run.number][run.start :].startswith(run.text)
        before = "".join(f"{line}\n" for line in lines[run.file][: run.line - 1])
        place = begins[run.file] + len(before) + run.column - 1
        assert whole[place:].startswith(run.text) and run.column <= len(lines[run.file][run.line - 1]) + 1
    assert len({run.text for run in runs}) == len(runs)
    assert [len(run.text) for run in runs] == sorted((len(run.text) for run in runs), reverse=True)
    for length, (new, all_) in novelty.novel.items():
        parts = [text[k : k + length] for text in texts for k in range(len(text) - length + 1)]
        assert (new, all_) == (sum(part not in whole for part in parts), len(parts))


def test_a_run_that_begins_where_a_longer_one_ends_is_found(loaded, tmp_path):
    (tmp_path / "corpus.txt").write_text("abcdefghij\njklmnopqr\nklmnopqrs\n")
    found = loaded.novelty("abcdefghijklmnopqrs", tmp_path / "corpus.txt")
    assert [(run.text, run.line) for run in found.runs()] == [("abcdefghij", 1), ("klmnopqrs", 3)]


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_a_run_that_stands_in_several_places_is_shown_at_the_first(loaded, tmp_path, monkeypatch, block):
    monkeypatch.setattr(decoding, "BLOCK", block)
    (tmp_path / "corpus.txt").write_text("abcdefg\n-abcdefgh\nabcdefgh\nabcdefgh\n")
    (run,) = loaded.novelty("abcdefgh", tmp_path / "corpus.txt").runs()
    assert (run.line, run.column) == (2, 2)


def test_the_view_shows_the_share_of_each_length_that_is_new_and_the_places_of_runs(loaded, tmp_path):
    (tmp_path / "one.txt").write_text("none\n")
    (tmp_path / "two.txt").write_text("-\n--abcdefghi\n")
    texts, files = ["xyz--abcdefghi-uvw", "abcdefgh!"], [tmp_path / "one.txt", tmp_path / "two.txt"]
    shares, runs = (
        [list(column.values) for column in part.columns] for part in loaded.novelty(texts, files).view().parts.values()
    )
    corpus = "none\n-\n--abcdefghi\n"
    parts = {n: [t[k : k + n] for t in texts for k in range(len(t) - n + 1)] for n in (4, 8, 16)}
    assert shares[0] == list(parts) and shares[1] == [len(of) for of in parts.values()]
    assert shares[2] == pytest.approx([sum(part not in corpus for part in of) / len(of) for of in parts.values()])
    assert runs == [[11, 8], [1, 2], [4, 1], ["two.txt:2:1", "two.txt:2:3"], ["--abcdefghi", "abcdefgh"]]


def test_runs_of_eight_characters_are_found_and_shorter_ones_are_not(loaded, tmp_path):
    (tmp_path / "corpus.txt").write_text("abcdefgh\nijklmno\n")
    found = loaded.novelty("-abcdefgh-ijklmno-", tmp_path / "corpus.txt")
    assert [run.text for run in found.runs()] == ["abcdefgh"]


def test_a_byte_order_mark_and_foreign_line_ends_are_no_part_of_a_corpus(loaded, tmp_path):
    (tmp_path / "dos.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo and three\r\n")
    (run,) = loaded.novelty("one\ntwo and three\n", tmp_path / "dos.txt").runs()
    assert (run.text, run.line, run.column) == ("one\ntwo and three\n", 1, 1)


@pytest.mark.parametrize("split", ["tail", "file"])
def test_lines_are_new_or_in_the_training_or_the_validation_set(tmp_path, split):
    files = [tmp_path / "names.txt", tmp_path / "more.txt"]
    files[0].write_text("\n".join(LINES[:12]) + "\n\n")
    files[1].write_text("\n".join(LINES[10:]))
    text = corpus.read(files, documents=Documents(LINE))
    config = TrainingConfig(9, batch_size=4, documents="line", split=split, val_fraction=0.3, random_seed=3)
    parts = split_documents(text, config)
    learnt = lines_of([parts.training.batch(step) for step in range(parts.training.per_epoch)], text)
    held_out = lines_of(parts.validation(), text) - learnt
    assert held_out
    net = network("rnn", vocabulary=len(text.vocabulary))
    it = LanguageModel(Model(net, text.vocabulary, config, text.facts))
    made = ["anna met monica\nnobody\n\notto met", "bob met eve\nbob met felix\n" + "".join(f"{x}\n" for x in LINES)]
    novelty = it.novelty(made, files)
    for number, ended in enumerate((["anna met monica", "nobody"], ["bob met eve", "bob met felix", *LINES])):
        found = novelty.documents[number]
        known = sum(line in learnt for line in ended), sum(line in held_out for line in ended)
        assert (found.training, found.validation) == known and found.total == len(ended) == sum(found[1:])
        assert dict(novelty.of(number).view().parts["documents"]) == {
            "documents": len(ended),
            "in the training set": known[0],
            "in the validation set": known[1],
            "new": found.new,
        }
    assert it.novelty(Sample("no\nan", "na met monica\n", 0.0, "lines"), files).documents[0].new == 0
    other = it.novelty(made, files[0])
    assert other.documents[1].training is None and "another corpus" in other.view().remarks[-1]
    assert other.documents[1].new == 1 + len([line for line in ["bob met felix", *LINES] if line not in LINES[:12]])


def test_a_document_that_is_longer_than_all_others_together_is_in_the_training_set(tmp_path):
    lines = ["x" * 500, *LINES[:9]]
    (tmp_path / "a.txt").write_text("\n".join(lines) + "\n")
    for seed in range(6):
        text = corpus.read([tmp_path / "a.txt"], documents=Documents(LINE))
        config = TrainingConfig(9, batch_size=4, documents="line", split="random", val_fraction=0.3, random_seed=seed)
        it = LanguageModel(Model(network("rnn", vocabulary=len(text.vocabulary)), text.vocabulary, config, text.facts))
        learnt = lines_of([split_documents(text, config).training.batch(step) for step in range(2)], text)
        (found,) = it.novelty(Sample("", lines[0], 0.0, "end"), tmp_path / "a.txt").documents
        assert (found.training, found.validation, found.new) == (1, 0, 0) and lines[0] in learnt


def lines_of(batches, text):
    """All lines of some batches."""
    lines = set()
    for batch in batches:
        for row in batch.targets.T:
            lines.add(text.vocabulary.decode(row).split(END)[0])
    return lines


def test_a_long_corpus_takes_no_more_memory_than_a_short_one():
    rng = np.random.default_rng(0)
    piece = "".join(rng.choice(list("abcdefgh \n"), 20_000))
    peaks = []
    for times in (3, 30):
        tracemalloc.start()
        find_matches([piece[5:900]], (piece[k % 7 :] for k in range(times)), 8)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000


def test_a_long_text_takes_less_than_300_bytes_a_character():
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefgh"), length)) for length in rng.integers(2, 7, 300)]
    text = " ".join(rng.choice(words, 20_000))
    pieces = [text[k : k + 10_000] for k in range(0, len(text), 20_000)]
    find_matches(["a"], ["a"], 16)
    tracemalloc.start()
    find_matches([text], pieces, 16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < CODE_POINTS * 4 + 300 * len(text)  # the first: numbers of characters


def test_what_cannot_be_compared_is_refused(loaded, tmp_path):
    (tmp_path / "binary").write_bytes(b"abc\xff")
    with pytest.raises(CorpusError, match="byte 3"):
        loaded.novelty("abc", tmp_path / "binary")
    with pytest.raises(CorpusError, match="none"):
        loaded.novelty("abc", tmp_path / "none")
    for texts, files in (([], ["x"]), ("abc", [])):
        with pytest.raises(ConfigError, match="nothing to compare"):
            loaded.novelty(texts, files)
    (tmp_path / "empty").write_text("")
    assert "too few" in loaded.novelty("abc", tmp_path / "empty").view().remarks[0]
    assert "No part of 8 characters" in loaded.novelty("abcd", tmp_path / "empty").view().remarks[0]
