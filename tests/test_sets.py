"""A set of samples is what plain rejection sampling gives, whatever is sampled side by side."""

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import model, network
from texts import assert_samples_have, enumerate_documents, enumerate_texts

from charlstm.api.language_model import LanguageModel
from charlstm.base.errors import ConfigError, CorpusError, UnknownCharacterError
from charlstm.sampling import sets
from charlstm.sampling.sampler import Sampler
from charlstm.sampling.sets import SetRules
from charlstm.text.documents import hash_document

FREE = {"temperature": 1.0}
CORPUS = "abcab\nccba"


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text(CORPUS)
    return path


def tiny(seed=1):
    return LanguageModel(model(network("lstm", vocabulary=4, seed=seed), "Ab c"))


def lines_of(*known):
    """A model of lines whose corpus contained these lines."""
    it = model(network("rnn", vocabulary=3), "\nab", lines=True)
    return LanguageModel(replace(it, hashes=np.sort(np.array([hash_document(line) for line in known], np.uint64))))


def same(one, other):
    """Whether two texts are equal apart from case and white space."""
    return [c.lower() for c in one if not c.isspace()] == [c.lower() for c in other if not c.isspace()]


def longest_copy(text, corpus=CORPUS):
    """Length of the longest run of a text that stands in a corpus, by trying out all."""
    runs = [text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1)]
    return max((len(run) for run in runs if run in corpus), default=0)


def reject(samples, wanted, limit, distinct=False, max_copied=None, corpus=CORPUS):
    """Plain rejection: take samples one after the other; return the accepted texts and the number of attempts."""
    accepted = []
    for attempts, text in enumerate(samples):
        if len(accepted) == wanted or attempts == limit:
            return accepted, attempts
        if distinct and any(same(text, other) for other in accepted):
            continue
        if max_copied is not None and longest_copy(text, corpus) > max_copied:
            continue
        accepted.append(text)
    raise AssertionError("too few samples")


@pytest.mark.parametrize("rules", [{"distinct": True}, {"max_copied": 2}, {"distinct": True, "max_copied": 1}, {}])
@given(
    wanted=st.integers(1, 12), random_seed=st.integers(0, 99), rows=st.integers(1, 7), at_once=st.integers(1, 40),
    attempts=st.none() | st.integers(1, 30),
)  # fmt: skip
def test_a_set_is_what_plain_rejection_gives_however_many_are_sampled_side_by_side(
    rules, wanted, random_seed, rows, at_once, attempts, tmp_path_factory
):
    it = LanguageModel(model(network("gru", vocabulary=4), "abc\n"))
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text(CORPUS)
    how = {"length": 4, "random_seed": random_seed, "stop": "c", **FREE}
    plain = [sample.text for sample in it.sampler("", count=600, **how).collect()]
    accepted, tried = reject(plain, wanted, attempts or 500, **rules)
    against = {"against": path} if "max_copied" in rules else {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sets, "ROWS", rows)
        patched.setattr(sets, "CHARACTERS", at_once)
        found = it.samples("", wanted, attempts=attempts or 500, **rules, **against, **how)
    assert ([sample.text for sample in found], found.attempts) == (accepted, tried)
    assert (found.wanted, sum(found.rejected.values())) == (wanted, tried - len(accepted))
    for sample in found:
        assert sample.text == plain[sample.number]


@pytest.mark.parametrize("max_copied", [1, 2])
def test_accepted_texts_have_the_distribution_of_plain_ones_under_the_condition(corpus, max_copied):
    it = model(network("lstm", vocabulary=4), "abc\n")
    chances = enumerate_texts("lstm", it, "a", 4)
    chances = {text: p for text, p in chances.items() if longest_copy(text) <= max_copied}
    chances = {text: p / sum(chances.values()) for text, p in chances.items()}
    found = LanguageModel(it).samples(
        "a", 8_000, length=4, random_seed=3, max_copied=max_copied, against=corpus, **FREE
    )
    assert len(found) == 8_000 and len(chances) > 10
    assert_samples_have(chances, [sample.text for sample in found])


def test_distinct_texts_have_the_distribution_of_sampling_without_replacement():
    it = tiny()
    texts = enumerate_texts("lstm", it.model, "b", 2)
    chances = defaultdict(float)
    for first, p in texts.items():
        rest = {text: q for text, q in texts.items() if not same(text, first)}
        for second, q in rest.items():
            chances[first + "|" + second] += p * q / sum(rest.values())
    pairs = [it.samples("b", 2, length=2, random_seed=seed, distinct=True, **FREE) for seed in range(3_000)]
    assert_samples_have(chances, ["|".join(sample.text for sample in pair) for pair in pairs])


@pytest.mark.parametrize("by", ["likelihood", "surprisal", "novelty"])
def test_the_best_texts_have_the_distribution_of_their_order(by, corpus):
    it = LanguageModel(model(network("lstm", vocabulary=3), "abc"))
    texts = enumerate_texts("lstm", it.model, "a", 2)
    score = {
        "likelihood": lambda text: -texts[text],
        "surprisal": lambda text: texts[text],
        "novelty": lambda text: longest_copy(text) / len(text),
    }[by]
    chances = defaultdict(float)
    for first, p in texts.items():
        for second, q in texts.items():
            for third, r in texts.items():
                best = sorted((first, second, third), key=score)[:2]  # of equal ones the first
                chances["|".join(best)] += p * q * r
    against = {"against": corpus} if by == "novelty" else {}
    triples = [
        it.samples("a", best=2, of=3, by=by, length=2, random_seed=seed, **against, **FREE)
        for seed in range(600 if against else 2_000)
    ]
    assert_samples_have(chances, ["|".join(sample.text for sample in triple) for triple in triples])


def test_novelty_is_the_longest_run_as_a_fraction_of_the_text(corpus):
    it = LanguageModel(model(network("lstm", vocabulary=4), "abc\n"))
    how = {"length": 9, "stop": "\n", "random_seed": 4, **FREE}
    plain = [sample.text for sample in it.sampler("", count=60, **how).collect()]
    found = it.samples("", best=60, of=60, by="novelty", against=corpus, **how)
    wanted = sorted(plain, key=lambda text: longest_copy(text) / len(text))
    assert [sample.text for sample in found] == wanted and len({len(text) for text in plain}) > 4


@given(st.integers(0, 99), st.sampled_from(["", "a", "b\nab"]), st.integers(1, 5), st.integers(1, 3))
def test_new_documents_are_those_of_plain_sampling_that_the_corpus_lacks(random_seed, seed, wanted, length):
    known = ("", "a", "ab", "ba", "bb")
    it, how = lines_of(*known), {"random_seed": random_seed, "temperature": 1.5, "length": length}
    plain = it.sampler(seed, count=300, **how).collect()
    last = seed.rpartition("\n")[2]
    new = [sample for sample in plain if sample.stop != "end" or last + sample.text not in known]
    found = it.samples(seed, wanted, new_only=True, **how)
    assert list(found) == new[:wanted] and found.attempts == new[wanted - 1].number + 1


def test_new_documents_need_documents_and_the_search_for_them_is_bounded():
    with pytest.raises(ConfigError, match="trained with documents"):
        tiny().samples("", new_only=True)
    it = lines_of("", "a", "b")
    found = it.samples("", 2, new_only=True, length=1, only="a", temperature=0)
    assert (len(found), found.attempts) in ((0, 1_000), (2, 2))
    it.model.network.parameters.flat[:] = 0.0
    it.model.network.parameters["output/b"][...] = [9.0, 0.0, 0.0]
    found = it.samples("", 2, new_only=True, temperature=0)
    assert found.report == "found 0 of 2 texts in 1,000 attempts, of which 1,000 were in the corpus"


def test_new_documents_have_the_distribution_of_plain_ones_under_the_condition():
    it = lines_of("a", "ba", "")
    texts = enumerate_documents("rnn", it.model, 4)
    chances = {text: p for text, p in texts.items() if text not in ("a", "ba", "")}
    chances = {text: p / sum(chances.values()) for text, p in chances.items()}
    found = it.samples("", 8_000, new_only=True, length=4, random_seed=1, **FREE)
    assert_samples_have(chances, [sample.text for sample in found])


@given(st.lists(st.text("Ab c", max_size=3), min_size=1, max_size=5), st.integers(1, 3), st.booleans())
def test_several_seeds_share_the_streams_in_turn_and_no_two_texts_are_equal(seeds, count, distinct):
    it = tiny()
    how = {"length": 3, "random_seed": 5, **FREE}
    found = it.samples(seeds, count, distinct=distinct, **how)
    assert [sample.seed for sample in found] == [seed for seed in seeds for _ in range(count)]
    accepted = defaultdict(list)
    number = attempts = 0
    while sum(map(len, accepted.values())) < count * len(seeds):
        place = number % len(seeds)
        if len(accepted[place]) < count:
            (sample,) = Sampler(it.model, seeds[place], found[0].origin.sampling, found[0].origin.stopping,
                                streams=[number]).collect()  # fmt: skip
            attempts += 1
            others = [str(other) for texts in accepted.values() for other in texts]
            if not distinct or not any(same(str(sample), other) for other in others):
                accepted[place].append(sample)
        number += 1
    assert list(found) == [sample for place in range(len(seeds)) for sample in accepted[place]]
    assert found.attempts == attempts


def test_a_set_that_cannot_be_completed_ends_at_its_limit_and_says_why(corpus):
    it = LanguageModel(model(network("rnn", vocabulary=2), "ab"))
    found = it.samples("", 7, length=2, distinct=True, random_seed=0)
    assert (len(found), found.wanted, found.attempts) == (4, 7, 1_000)
    assert found.report == "found 4 of 7 texts in 1,000 attempts, of which 996 were like another one"
    assert it.samples("", 20, length=2, distinct=True, random_seed=0).attempts == 2_000
    corpus.write_text("aabba")
    none = it.samples("", 3, length=9, max_copied=1, against=corpus, attempts=50, random_seed=0)
    assert none == [] and none.report.endswith("in 50 attempts, of which 50 were copied from the corpus")
    best = it.samples("", best=2, of=9, length=2, distinct=True, random_seed=0)
    assert (len(best), best.wanted) == (2, 2)


def test_the_longest_run_is_found_across_blocks_and_files(tmp_path, monkeypatch):
    it = LanguageModel(model(network("rnn", vocabulary=3), "ab\n"))
    (tmp_path / "one.txt").write_text("x" * 99 + "aabbab")
    (tmp_path / "two.txt").write_text("abbbba")
    monkeypatch.setattr("charlstm.text.decoding.BLOCK", 4)
    files = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for most, against in ((1, files), (2, tmp_path), (3, files), (5, tmp_path), (7, files)):
        found = it.samples("", 30, length=8, max_copied=most, against=against, random_seed=1, attempts=4000, **FREE)
        plain = [sample.text for sample in it.sampler("", count=4000, length=8, random_seed=1, **FREE).collect()]
        joined = "x" * 99 + "aabbab\nabbbba"
        assert [sample.text for sample in found] == [t for t in plain if longest_copy(t, joined) <= most][:30]


def test_empty_texts_are_the_last_of_the_best(corpus):
    it = LanguageModel(model(network("rnn", vocabulary=3), "abc"))
    for by in ("likelihood", "surprisal", "novelty"):
        against = {"against": corpus} if by == "novelty" else {}
        how = {"stop": ("a", "b"), "hide_stop": True, "length": 5, "random_seed": 2}
        found = it.samples("", best=40, of=40, by=by, **how, **against)
        lengths = [len(sample.text) for sample in found]
        assert 0 in lengths and lengths.index(0) + lengths.count(0) == 40


def test_an_interrupt_leaves_the_accepted_texts(monkeypatch):
    it = tiny()
    sampler = it.set_sampler("", 50, length=3, distinct=True, random_seed=0)
    monkeypatch.setattr(sets, "ROWS", 4)
    monkeypatch.setattr(sets, "CHARACTERS", 12)
    rounds = Counter()
    plain = sampler._sample_round

    def interrupted():
        rounds["done"] += 1
        if rounds["done"] == 4:
            raise KeyboardInterrupt
        return plain()

    monkeypatch.setattr(sampler, "_sample_round", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sampler.collect()
    whole = it.samples("", 50, length=3, distinct=True, random_seed=0)
    assert 0 < len(sampler.samples) < 50 and list(sampler.samples) == list(whole)[: len(sampler.samples)]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"count": 0}, "samples"), ({"count": 2, "best": 1, "of": 2}, "count"), ({"best": 2}, "best is given alone"),
        ({"of": 2}, "of is given alone"), ({"best": 3, "of": 2}, "best is 3"), ({"by": "beauty"}, "by is 'beauty'"),
        ({"max_copied": 0}, "max_copied"), ({"distinct": 1}, "distinct"), ({"attempts": 0}, "attempts"),
        ({"max_copied": 3}, "no corpus"), ({"max_copied": 3, "against": 5}, "against"),
        ({"encoding": "klingon"}, "klingon"), ({"best": 1, "of": 2, "by": "novelty"}, "no corpus"),
        ({"seed": []}, "no seed"),
        ({"seed": ["A", 5]}, "seed is 5"), ({"seed": 5}, "seed is 5"), ({"tone": 1}, "no sampling rule"),
    ],
)  # fmt: skip
def test_wrong_values_are_errors(wrong, error):
    with pytest.raises(ConfigError, match=error):
        tiny().samples(**wrong)


def test_an_unknown_character_names_its_seed_and_a_missing_corpus_its_name(tmp_path):
    with pytest.raises(UnknownCharacterError, match=r"seed 2 has .*'x'"):
        tiny().samples(["A", "x"])
    with pytest.raises(CorpusError, match=r"none\.txt"):
        tiny().samples("A", 1, length=3, max_copied=3, against=tmp_path / "none.txt")


def test_the_random_seed_of_a_set_is_fresh_and_each_text_has_its_fields():
    it = tiny()
    one, other = (it.samples("b", 3, length=30) for _ in range(2))
    assert [s.text for s in one] != [s.text for s in other] and one[0].random_seed != other[0].random_seed
    again = it.samples("b", 3, length=30, random_seed=one[0].random_seed)
    assert again == one
    for number, sample in enumerate(one):
        assert print_of(sample) == "b" + sample.text and sample.number == number and sample.stop == "length"
        assert sample.bits_per_character == pytest.approx(sample.surprisals.mean())
        assert sample.origin.rules == SetRules(3) and np.all(sample.surprisals > 0)


def print_of(sample):
    return f"{sample}"
