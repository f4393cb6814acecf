"""The n-gram model has the probabilities of its definition, and they sum to one after any text of any corpus."""

from itertools import pairwise

import numpy as np
import pytest
from dictionary_ngrams import DictionaryModel
from hypothesis import example, given
from hypothesis import strategies as st

from charlstm.base.errors import ConfigError
from charlstm.text import ngrams
from charlstm.text.ngrams import MOST_ORDER, NOTHING, count_ngrams, join_passages
from charlstm.text.rare_words import count_words, find_words
from charlstm.text.vocabulary import Vocabulary

V, S = 4, 6  # the last two symbols only open documents
symbols = st.integers(0, V - 1)
passages_of_symbols = st.lists(
    st.tuples(st.integers(0, S - 1), st.lists(symbols, max_size=30)).map(lambda pair: [pair[0], *pair[1]]),
    min_size=1,
    max_size=8,
)
orders = st.integers(1, 6)


def counted(passages, order):
    ids, places = np.array([one for passage in passages for one in passage]), np.cumsum([0, *map(len, passages)])
    return count_ngrams(join_passages(ids, [*pairwise(places)]), order, V, S)


def after(model, texts):
    """The probabilities after each text: (texts, V)."""
    return model.distribution(model.read([np.array(text, np.int64) for text in texts]))


@example([[4, 0, 1], [4, 0, 2], [4, 1, 0]], 3, [[4], [4, 0], [5]])  # n-grams that nothing precedes keep their counts
@given(passages_of_symbols, orders, st.lists(st.lists(st.integers(0, S - 1), max_size=8), min_size=1, max_size=5))
def test_probabilities_are_those_of_the_definition_and_sum_to_one(passages, order, texts):
    model, oracle = counted(passages, order).model, DictionaryModel(passages, order, range(V))
    found = after(model, texts)
    assert (found > 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)
    expected = [[oracle.probability(text, symbol) for symbol in range(V)] for text in texts]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@given(passages_of_symbols, orders, st.lists(symbols, min_size=1, max_size=20), st.integers(0, S - 1))
def test_a_text_is_predicted_as_by_its_distributions(passages, order, text, first):
    model = counted(passages, order).model
    read = np.array([NOTHING, first, *text[:-1], NOTHING, first, *text[:-1]])
    targets = np.array([0, *text, 0, *text])
    found = model.predict(read, targets)
    contexts = [[], *([first, *text[:k]] for k in range(len(text)))]
    expected = after(model, contexts)[np.arange(len(contexts)), targets[: len(contexts)]]
    np.testing.assert_allclose(found, np.tile(expected, 2), rtol=1e-9)
    nodes = model.read([np.array([first])])
    for k, symbol in enumerate(text):
        np.testing.assert_allclose(model.distribution(nodes)[0, symbol], expected[k + 1], rtol=1e-9)
        nodes = model.extend(nodes, np.array([symbol]))


@given(passages_of_symbols, orders, st.lists(symbols, min_size=1, max_size=12))
def test_each_order_is_the_model_of_that_order(passages, order, text):
    found = counted(passages, order).model.predict_by_order(np.array([NOTHING, *text[:-1]]), np.array(text))
    for k in range(1, order + 1):
        oracle = DictionaryModel(passages, k, range(V))
        expected = [oracle.probability(text[:place], symbol) for place, symbol in enumerate(text)]
        np.testing.assert_allclose(found[k - 1], expected, rtol=1e-9)


@given(passages_of_symbols, orders, st.integers(1, 7))
def test_a_text_that_is_counted_in_blocks_has_the_same_counts(passages, order, block):
    whole = counted(passages, order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngrams, "BLOCK", block)
        parts = counted(passages, order)
    for name in ("sizes", "symbols", "counts", "children"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert whole.find_fault() == ""


def test_a_new_text_has_no_context():
    counts = count_ngrams(join_passages(np.array([1, 1, 0, 1, 1, 0, 0, 1]), [(0, 8)]), 3, 2, 2)
    for before in ([0], [1], [0, 0], [1, 0]):
        read = np.array([*before, NOTHING, 1])
        together = counts.model.predict(read, np.array([1] * len(read)))[len(before) :]
        np.testing.assert_array_equal(together, counts.model.predict(np.array([NOTHING, 1]), np.array([1, 1])))
        np.testing.assert_array_equal(counts.model.find(np.array([0, 1, 2, 3]), np.full(4, NOTHING)), NOTHING)


def test_a_row_does_not_depend_on_those_beside_it():
    model = counted([np.random.default_rng(1).integers(0, V, 500).tolist()], 5).model
    texts = [np.random.default_rng(seed).integers(0, V, 9).tolist() for seed in range(40)]
    together = after(model, texts)
    for row, text in enumerate(texts):
        np.testing.assert_array_equal(together[row], after(model, [text])[0])


def test_counts_have_the_highest_order_and_a_limit(monkeypatch):
    text = np.random.default_rng(1).integers(0, V, 300).tolist()
    found = counted([text], MOST_ORDER)
    assert found.order == MOST_ORDER == 12
    np.testing.assert_allclose(after(found.model, [text[:50]]).sum(), 1.0)
    monkeypatch.setattr(ngrams, "MOST_NGRAMS", int(found.sizes.sum()) - 1)
    with pytest.raises(ConfigError, match=r"n-grams of up to 12 characters.*a lower order"):
        counted([text], MOST_ORDER)
    assert counted([text], 3).order == 3


@given(st.text("ab1 .é\n", max_size=60), st.integers(1, 9))
def test_words_are_counted_as_a_dictionary_counts_them(text, block):
    vocabulary = Vocabulary.of(np.array([*map(ord, "ab1 .é\n")]))
    ids = vocabulary.encode("." + text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "charlstm.text.rare_words.BLOCK", max(block, len(text) and max(map(len, words_of(text)), default=1))
        )
        found = count_words(join_passages(ids, [(0, len(ids))]), vocabulary, len(vocabulary))
    assert found.find_fault() == ""
    expected = {word: min(words_of(text).count(word), 6) for word in words_of(text)}
    assert len(found.hashes) == len(expected)
    for word, count in {**expected, "bbbb1": expected.get("bbbb1", 0)}.items():
        (hashed,) = find_words(np.array([*map(ord, word)]), np.ones(len(word), bool)).hashes
        assert found.look_up(np.array([hashed])).tolist() == [count]


def words_of(text):
    """The words of a text, by a loop over its characters."""
    words, word = [], ""
    for character in f"{text} ":
        if character.isalnum():
            word += character
        elif word:
            words.append(word)
            word = ""
    return words
