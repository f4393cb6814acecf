"""The cache predicts by the n-grams of the text that was read, as their definition says."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from small import model, network, with_counts

from charlstm.api import LanguageModel
from charlstm.base.symbols import END
from charlstm.cli.main import main
from charlstm.model import adaptation, checkpoint
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.sampler import Sampler
from charlstm.sampling.stopping import StoppingRules
from charlstm.text import cache as module
from charlstm.text.cache import Cache

CHARACTERS = "\nabcd"
P = np.array([0.1, 0.2, 0.3, 0.15, 0.25])
texts = st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=60)


def define(read, p):
    """The probabilities after (character, counted) pairs, from the definition: every occurrence is searched."""
    symbols = [symbol for symbol, _ in read]
    for length in range(3, 9):
        context = symbols[len(symbols) - length :]
        if len(symbols) < length:
            break
        times = [0] * len(p)
        for place in range(length, len(symbols)):
            counts = all(counted for _, counted in read[place - length : place + 1])
            if symbols[place - length : place] == context and counts:
                times[symbols[place]] += 1
        kinds = sum(count > 0 for count in times)
        if kinds:
            p = [(count + kinds * below) / (sum(times) + kinds) for count, below in zip(times, p, strict=True)]
    return p


def read_pairs(cache, pairs):
    for symbol, counted in pairs:
        cache.read(np.array([symbol]), counted)


@given(texts, texts)
def test_predictions_are_those_of_the_definition(before, after):
    """Also after characters that are followed and not read, as in sampling."""
    cache = Cache()
    read_pairs(cache, before)
    context = cache.context
    for symbol, _ in after[:12]:
        context = context.follow(symbol)
    found = context.predict(P)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(found, define([*before, *((symbol, False) for symbol, _ in after[:12])], P), rtol=1e-12)


@given(st.lists(st.integers(0, 4), max_size=60), st.integers(0, 60))
def test_a_text_is_predicted_character_by_character(ids, cut):
    rows = np.random.default_rng(1).dirichlet(np.ones(5), len(ids))
    whole, parts = Cache(), Cache()
    found = whole.predict_text(rows, np.array(ids, int))
    expected = [define([(one, True) for one in ids[:place]], row) for place, row in enumerate(rows)]
    np.testing.assert_allclose(found, np.reshape(expected, found.shape), rtol=1e-12)
    again = [parts.predict_text(rows[part], np.array(ids, int)[part]) for part in (slice(0, cut), slice(cut, None))]
    np.testing.assert_array_equal(np.concatenate(again), found)


def test_a_full_cache_forgets_the_older_half(monkeypatch):
    monkeypatch.setattr(module, "MOST_NODES", 900)
    ids = np.random.default_rng(2).integers(0, 5, 2000)
    cache, lengths = Cache(), [0]
    cache.read(ids[:100])
    old = cache.context
    before = old.follow(2).follow(3).predict(P)
    cache = Cache()
    for one in ids:
        cache.read(np.array([one]))
        assert len(cache.context.tree) <= 900 + 8
        lengths.append(len(cache._read))
    assert {after - before for before, after in pairwise(lengths)} > {1}
    assert all(after > before // 2 for before, after in pairwise(lengths))
    np.testing.assert_array_equal(old.follow(2).follow(3).predict(P), before)
    newest = [(one, True) for one in ids[-lengths[-1] :].tolist()]
    np.testing.assert_allclose(cache.context.predict(P), define(newest, P), rtol=1e-12)
    reading = Cache()
    reading.read(np.tile(np.arange(5), 100), counted=False)
    assert len(reading._read) == 500
    reading.read(np.tile(np.arange(5), 200), counted=False)
    assert len(reading._read) <= 901


def by_hand(it, text, weights):
    """The surprisal of each character of a text in bits, from single predictions: of a network that predicts P."""
    shown = (it.opening + text) if it.opening else text
    ids = [it.vocabulary.id(one) for one in shown]
    first = 1
    bits = [np.nan] * (len(text) - len(ids) + first)
    for place in range(first, len(ids)):
        p = P
        if weights.get("counts"):
            ngrams = it.counts.ngrams.model
            start = max(at for at in range(place) if at == 0 or (it.opening and ids[at] == it.vocabulary.end))
            counts = ngrams.distribution(ngrams.read([np.array(ids[start:place])]))[0]
            p = (1 - weights["counts"]) * p + weights["counts"] * counts
        cached = np.array(define([(one, True) for one in ids[:place]], p))
        p = (1 - weights.get("cache", 0.0)) * p + weights.get("cache", 0.0) * cached
        bits.append(-np.log2(p[ids[place]]))
    return bits


def constant(lines, text="abcabd\nbadcab"):
    """A model with counts whose network predicts P after any text."""
    it = network("lstm", np.float32, hidden=1)
    it.parameters.flat[:] = 0.0
    it.parameters["output/b"][:] = np.log(P)
    made = model(it, CHARACTERS, lines)
    return with_counts(made, (text + "\n").replace("\n", END) if lines else text, 3)


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("weights", [{"cache": 0.4}, {"counts": 0.3}, {"counts": 0.3, "cache": 0.6}])
def test_the_score_of_a_mixture_is_that_of_single_predictions(lines, weights, monkeypatch):
    monkeypatch.setattr(adaptation, "BLOCK", 50)
    it = constant(lines)
    text = "abcabcd\nabcab\nabcabcabcabd" * 6
    score = LanguageModel(it).score(text, mix=weights)
    expected = by_hand(it, text.replace("\n", END) if lines else text, weights)
    np.testing.assert_allclose(score.surprise[: len(text)], expected[: len(text)], rtol=2e-5)


def test_a_mixture_of_a_network_that_learns_is_scored():
    learnt = LanguageModel(model(network("lstm", np.float32), CHARACTERS))
    text = "abcdabcabdca\n" * 30
    plain, learning, mixed = (
        learnt.score(text, **options).bits for options in ({}, {"adapt": True}, {"adapt": True, "mix": {"cache": 0.5}})
    )
    assert mixed < learning < plain
    parts = [learnt.view("score", text, mix=mix).parts for mix in ({}, {"cache": 0.5})]
    assert len(parts[1]) == len(parts[0]) + 3
    assert parts[1]["most surprising passages"] == parts[0]["most surprising passages"]
    none = learnt.score(text, mix={"cache": 0.0}).surprise
    np.testing.assert_array_equal(none, learnt.score(text).surprise)


@pytest.mark.parametrize("lines", [False, True])
def test_a_session_counts_what_the_user_adds(lines, tmp_path, monkeypatch):
    it = constant(lines)
    rules = {"length": 30, "mix": {"cache": 0.9}, "random_seed": 3, "temperature": 1.0}
    mixed = LanguageModel(it)
    session = mixed.session(**rules)
    first = "".join(sampled.character for sampled in session.generate("abcdabcdab"))
    assert first == mixed.sample("abcdabcdab", **rules).text
    assert first != mixed.sample("abcdabcdab", **rules | {"mix": {}}).text
    session.add("cdcdcd")
    list(session.generate("bbbbb"))

    def check(each):
        """Return the chances of the next character, once they are compared with those by definition."""
        state, cache = each.state, each._count_added()
        text = it.opening + state.text
        counts = {place + len(it.opening) for span in state.added for place in range(*span)} | {*range(len(it.opening))}
        pairs = [(it.vocabulary.id(one), place in counts) for place, one in enumerate(text)]
        found = cache.context.predict(P)
        np.testing.assert_allclose(found, define(pairs, P), rtol=1e-12)
        return found.tolist()

    def interrupt(cache, ids, counted=True, read=Cache.read):
        read(cache, ids[:2], counted)
        raise KeyboardInterrupt

    before = check(session)
    session.save(tmp_path / "s.npz")
    other = mixed.session(length=5)
    other.load(tmp_path / "s.npz")
    assert check(other) == before and other.state.added == session.state.added
    for text in ("abcd", "dabcd", "abc"):
        session.undo()
        check(session)
        session.add(text)
        check(session)
        list(session.generate())
        check(session)
    session.undo()
    written = "".join(sampled.character for sampled in session.generate("abcabcabc"))
    check(session)
    session.undo()
    session.add("abcabcabc")
    session.add(written)  # the same text, but now of the user
    assert check(session) != P.tolist()
    session.add("dcdcdc")
    with monkeypatch.context() as patch:
        patch.setattr(Cache, "read", interrupt)
        with pytest.raises(KeyboardInterrupt):
            session.generate()
    check(session)
    session.reset()
    assert check(session) == P.tolist()


def test_each_text_has_a_cache_of_its_own():
    mixed = LanguageModel(constant(False))
    rules = {"mix": {"cache": 0.9}, "random_seed": 3, "temperature": 1.0}
    seeds = ["abcabcabcabc", "dcbadcbadcba", "abcabcabcabc"]
    together = Sampler(mixed.model, seeds, SamplingConfig(**rules), StoppingRules(40), 3).collect()
    for number, (seed, sample) in enumerate(zip(seeds, together, strict=True)):
        alone = Sampler(mixed.model, seed, SamplingConfig(**rules), StoppingRules(40), 1, streams=[number]).collect()
        assert sample.text == alone[0].text


def test_a_session_that_was_saved_without_the_cache_knows_what_the_user_added(tmp_path):
    mixed = LanguageModel(constant(False))
    session = mixed.session(length=10)
    session.add("abcdabcdab")
    session.save(tmp_path / "s.npz")
    other = mixed.session()
    other.load(tmp_path / "s.npz")
    assert other.state.added == ((0, 10),)


def test_probabilities_of_zero_have_a_finite_score():
    it = constant(False)
    it.network.parameters["output/b"][:] *= 5000.0
    assert 0.0 < LanguageModel(it).score("abcdabcd", mix={"cache": 0.5}).bits < 10_000.0


def call(*words):
    return CliRunner().invoke(main, [*map(str, words)])


def test_the_command_refuses_what_has_no_effect(tmp_path):
    path, without = tmp_path / "m.npz", tmp_path / "without.npz"
    it = constant(False)
    checkpoint.save(it, path)
    checkpoint.save(replace(it, counts=None), without)
    refused = call("sample", "-m", path, "--mix", "cache=0.2")
    assert refused.exit_code == 2 and "--seed" in refused.output
    assert call("sample", "-m", path, "--mix", "cache=0", "-n", 3).exit_code == 0
    wrong = call("inspect", "-m", path, "--score", "abcabcabcabc", "--mix", "cash=0.2")
    assert wrong.exit_code == 2 and "cache=" in wrong.output
    for models in ((path, without), (without, path)):
        missing = call(
            "inspect", "-m", models[0], "--compare", models[1], "--score", "abcabcabc", "--mix", "counts=0.2"
        )
        assert missing.exit_code == 2 and "without.npz holds no counts" in missing.output.replace("\n", " ")


def test_commands_mix_in_the_cache(tmp_path):
    path = tmp_path / "m.npz"
    checkpoint.save(constant(False), path)
    made = call(
        "sample",
        "-m",
        path,
        "--mix",
        "cache=0.9",
        "--mix",
        "counts=0.2",
        "--seed",
        "abcabc",
        "-n",
        20,
        "--format",
        "jsonl",
    )
    assert made.exit_code == 0 and '"mix": [["cache", 0.9], ["counts", 0.2]]' in made.stdout
    records = tmp_path / "r.jsonl"
    records.write_text(made.stdout)
    again = call("sample", "-m", path, "--again", records, "--format", "jsonl")
    assert again.stdout == made.stdout
    shown = call("inspect", "-m", path, "--score", "abcabcabcabc", "--mix", "cache=0.2", "--adapt")
    assert shown.exit_code == 0 and "mixed with cache at weight 0.2" in shown.output.replace("\n", " ")
    value = json.loads(made.stdout)
    value["sampling"]["mix"], value["model"] = {"counts": 0.5}, constant(False).digest
    for mix in (5, [5], [[]], ["counts"], {"counts": None}, None, [{}]):
        records.write_text(json.dumps(value | {"sampling": value["sampling"] | {"mix": mix}}))
        refused = call("sample", "-m", path, "--again", records)
        assert refused.exit_code == 1 and refused.output.startswith("Error: ")
    records.write_text(json.dumps(value))
    odd = call("sample", "-m", path, "--again", records)
    assert odd.exit_code == 1 and "another model" in odd.output
