"""A forbidden word never occurs, and the other characters have the probabilities of the definition; so has a bias."""

import math
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from small import model, network
from texts import assert_samples_have, enumerate_texts

from charlstm.base.errors import ConfigError
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.sampler import Sampler
from charlstm.sampling.stopping import StoppingRules
from charlstm.sampling.words import ForbiddenWords

words_of = st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=5)


def definition(words, allowed):
    """Return what says whether a character may follow a text, by trying out all continuations."""
    reach = max(map(len, words)) - 1
    far = len(allowed) ** reach + 1  # of more characters, two have the same recent ones

    @lru_cache(None)
    def lives(recent, steps):
        """Whether some continuation has so many characters and completes no word."""
        if steps == 0:
            return True
        return any(
            not any((recent + c).endswith(word) for word in words)
            and lives((recent + c)[-reach:] if reach else "", steps - 1)
            for c in allowed
        )

    def may(text, c):
        recent = text[max(0, len(text) - reach) :] if reach else ""
        completes = any((recent + c).endswith(word) for word in words)
        return c in allowed and not completes and lives((recent + c)[-reach:] if reach else "", far)

    return may


@given(words_of, st.sets(st.sampled_from("abcd"), min_size=1), st.text("abcd", max_size=5), st.text("abcd", max_size=9))
def test_the_allowed_characters_are_those_of_the_definition(words, allowed, seed, text):
    points = np.array([ord(c) for c in "abcd"])
    mask = np.array([c in allowed for c in "abcd"])
    may = definition(tuple(words), "".join(sorted(allowed)))
    try:
        made = ForbiddenWords(words, points, mask, [seed, "d" * 9])
    except ConfigError:
        assert not any(may(seed, c) for c in allowed) or not any(may("d" * 9, c) for c in allowed)
        return
    for c in text:
        wanted = [may(seed, each) for each in "abcd"]
        assert made.allowed[0].tolist() == wanted and any(wanted)
        c = c if may(seed, c) else "abcd"[wanted.index(True)]
        seed += c
        made.add(
            np.array(["abcd".index(c), 3]) if 3 in np.flatnonzero(made.allowed[1]) else np.array(["abcd".index(c)] * 2)
        )


@given(words_of, st.integers(0, 99))
def test_no_sample_contains_a_forbidden_word_not_even_one_that_begins_in_the_seed(words, random_seed):
    it = model(network("rnn", vocabulary=4), "abcd")
    sampling = SamplingConfig(2.0, forbid_word=words, random_seed=random_seed)
    for seed, sample in zip(
        ("a", "ba", "cbca"), Sampler(it, ("a", "ba", "cbca"), sampling, StoppingRules(40), 3).collect(), strict=True
    ):
        whole = seed + sample.text
        assert len(sample.text) == 40
        assert not any(whole.find(word, max(0, len(seed) - len(word) + 1)) >= 0 for word in words)


RULES = {
    "words": ({"forbid_word": ("ab", "bca", "cc")}, {}, None),
    "words that leave one character": ({"forbid_word": ("a", "ba", "bb", "cb", "cc")}, {}, "ac"),
    "bias": ({"bias": {"a": -1.5, "\n": 0.75}}, {"a": -1.5, "\n": 0.75}, None),
    "both": ({"bias": {"b": 1.25}, "forbid_word": "bb", "forbid": "\n"}, {"b": 1.25}, "abc"),
}


@pytest.mark.parametrize("name", ["words", "bias", "both"])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_the_frequencies_of_texts_are_those_of_the_definition(name, temperature):
    rules, bias, allowed = RULES[name]
    it = model(network("lstm", vocabulary=4), "\nabc")
    words = rules.get("forbid_word", ("?",))
    may = definition((words,) if isinstance(words, str) else words, allowed or "\nabc")
    chances = enumerate_texts("lstm", it, "ca", 4, temperature, may, bias)
    sampler = Sampler(it, "ca", SamplingConfig(temperature, **rules), StoppingRules(4), 20_000)
    assert_samples_have(chances, [sample.text for sample in sampler.collect()])


def test_a_character_without_a_continuation_is_not_sampled():
    it = model(network("lstm", vocabulary=3), "abc")
    sampling = SamplingConfig(3.0, forbid_word=("ba", "bb", "bc"))
    samples = Sampler(it, "a", sampling, StoppingRules(30), 20).collect()
    assert all(set(sample.text) == {"a", "c"} for sample in samples)
    with pytest.raises(ConfigError, match="every continuation would contain a forbidden word"):
        Sampler(it, "b", sampling, StoppingRules(30))
    with pytest.raises(ConfigError, match="every continuation"):
        Sampler(it, "", SamplingConfig(forbid_word=("a", "b"), only="ab"), StoppingRules(30))


@pytest.mark.parametrize(
    "wrong",
    [
        {"forbid_word": ""},
        {"forbid_word": ("a", "")},
        {"forbid_word": 5},
        {"forbid_word": "a" * 5_001},
        {"bias": {"ab": 1.0}},
        {"bias": {"a": math.nan}},
        {"bias": {"a": 1e5}},
        {"bias": {"a": "1"}},
        {"bias": "a"},
        {"bias": 3},
    ],
)
def test_values_out_of_range_are_errors(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        SamplingConfig(**wrong)


def test_the_last_bias_of_a_character_counts_and_a_character_must_be_known():
    assert SamplingConfig(bias=[("a", 1), ("b", 2), ("a", 3)]).bias == (("a", 3), ("b", 2))
    with pytest.raises(ConfigError, match=r"bias .*'x' U"):
        SamplingConfig(bias={"x": 1.0}).check_possible(model(network("rnn"), "abcde"))


@given(st.lists(st.text("abcd", max_size=12), min_size=1, max_size=6), st.integers(0, 9))
def test_texts_of_several_seeds_are_those_of_each_seed_alone(seeds, first):
    it = model(network("lstm", np.float32, vocabulary=5, layers=2), "\nabcd", lines=True)
    sampling = SamplingConfig(2.0, repeat_penalty=1.5, repeat_window=4, forbid_word="ab", random_seed=3)
    assume(seeds)
    numbers = [first + 3 * row for row in range(len(seeds))]
    together = Sampler(it, seeds, sampling, StoppingRules(9), len(seeds), streams=numbers).collect()
    for seed, number, sample in zip(seeds, numbers, together, strict=True):
        (alone,) = Sampler(it, seed, sampling, StoppingRules(9), streams=[number]).collect()
        assert alone == sample and alone.surprisals.tobytes() == sample.surprisals.tobytes()
        assert (sample.seed, sample.number, sample.random_seed, len(sample.surprisals)) == (
            *(seed, number, 3),
            len(sample.text) + (sample.stop == "end"),
        )
