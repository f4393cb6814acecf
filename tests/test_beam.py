"""Beam search finds the most likely texts if the beam is wide enough, and never less likely ones than greedy."""

import math
from itertools import product

import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from small import by_reference, every_kind, model, network

from charlstm.api.language_model import LanguageModel
from charlstm.base.errors import ConfigError, UnknownCharacterError
from charlstm.sampling.beam import beam_search
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.stopping import StoppingRules

FREE = SamplingConfig()


def log_probability(kind, it, seed, text):
    """Log-probability of a text after a seed by the reference equations, in nats."""
    ids = it.vocabulary.encode(it.opening + seed + text)
    logits = [rows[0] for rows in by_reference(kind, it.network, ids[:, None]).logits]
    first = len(ids) - len(text)
    chances = [reference.probabilities(logits[n - 1]) for n in range(first, len(ids))]
    return sum(math.log(chance[c]) for chance, c in zip(chances, ids[first:], strict=True))


@every_kind
@pytest.mark.parametrize("rule", [{}, {"forbid": "b"}, {"only": "ab"}])
def test_a_beam_as_wide_as_all_texts_finds_the_best_of_all_texts(kind, rule):
    it = model(network(kind, vocabulary=3), "abc")
    characters = [c for c in rule.get("only", "abc") if c not in rule.get("forbid", "")]
    tried = [(log_probability(kind, it, "ab", "".join(text)), "".join(text)) for text in product(characters, repeat=4)]
    tried.sort(key=lambda pair: -pair[0])
    found = beam_search(it, "ab", len(tried), StoppingRules(4), SamplingConfig(**rule), len(tried))
    assert [one.text for one in found] == [text for _, text in tried]
    for one, (wanted, _) in zip(found, tried, strict=True):
        assert one.log_probability == pytest.approx(wanted, rel=1e-9) == one.shown_log_probability


def ends(text, length, stop):
    """Whether the text has stopped."""
    return text.endswith(stop) or len(text) == length


def test_texts_of_different_lengths_compare_by_their_whole_probability():
    it = model(network("lstm", vocabulary=3), "abc")
    texts, open_ = [], [""]
    while open_:
        longer = [text + c for text in open_ for c in "abc"]
        texts += [text for text in longer if ends(text, 5, "ca")]
        open_ = [text for text in longer if not ends(text, 5, "ca")]
    texts.sort(key=lambda text: -log_probability("lstm", it, "b", text))
    found = beam_search(it, "b", 3**5, StoppingRules(5, ("ca",)), FREE, 20)
    assert [one.text for one in found] == texts[:20]
    assert {one.stop for one in found} == {"stop", "length"}
    for count in range(1, 20):
        assert [one.text for one in beam_search(it, "b", 3**5, StoppingRules(5, ("ca",)), FREE, count)] == texts[:count]
    hidden = beam_search(it, "b", 3**5, StoppingRules(5, ("ca",), hide_stop=True), FREE, 20)
    assert [one.text for one in hidden] == [text.removesuffix("ca") for text in texts[:20]]
    assert [one.log_probability for one in hidden] == [one.log_probability for one in found]
    for one in hidden:
        assert one.shown_log_probability == pytest.approx(log_probability("lstm", it, "b", one.text), rel=1e-9)


def test_the_probability_of_what_is_shown_leaves_a_hidden_stop_string_out():
    it = model(network("lstm", vocabulary=3), "abc")
    found = beam_search(it, "b", 3**5, StoppingRules(5, ("a",), hide_stop=True), FREE, 20)
    assert any(one.text and one.stop == "stop" for one in found)
    for one in found:
        whole = one.text + "a" * (one.stop == "stop")
        assert one.log_probability == pytest.approx(log_probability("lstm", it, "b", whole), rel=1e-9)
        assert one.shown_log_probability == pytest.approx(log_probability("lstm", it, "b", one.text), rel=1e-9)


@every_kind
@pytest.mark.parametrize("lines", [False, True])
def test_a_beam_of_one_is_greedy_decoding(kind, lines):
    it = LanguageModel(model(network(kind, layers=2), "\nabcd", lines))
    for rules in ({"length": 40}, {"length": 40, "stop": "a"}, {"length": 30, "lines": 2}):
        (one,) = it.beam("ab", 1, **rules)
        greedy = it.sample("ab", temperature=0, **rules)
        assert (one.text, one.stop) == (greedy.text, greedy.stop)
        assert one.bits_per_character == pytest.approx(greedy.bits_per_character, rel=1e-9)


@given(seed=st.integers(0, 300), width=st.integers(2, 5), length=st.integers(1, 12))
def test_the_best_result_is_never_less_likely_than_the_greedy_text(seed, width, length):
    it = model(network("rnn", vocabulary=4, seed=seed), "abcd")
    for rules in (StoppingRules(length), StoppingRules(length, ("ba",))):
        (greedy,), found = beam_search(it, "a", 1, rules, FREE), beam_search(it, "a", width, rules, FREE, width)
        assert found[0].log_probability >= greedy.log_probability
        totals = [one.log_probability for one in found]
        assert totals == sorted(totals, reverse=True) and len({one.text for one in found}) == len(found)
        for one in found:
            assert one.log_probability == pytest.approx(log_probability("rnn", it, "a", one.text), rel=1e-9)


@pytest.mark.parametrize("width", [2, 3])
def test_the_greedy_text_stays_in_the_beam_although_others_are_better(width):
    it = model(
        network("rnn", vocabulary=4, seed=124), "abcd"
    )  # its greedy text has an unlikely beginning and a likely end
    (greedy,), (found,) = (beam_search(it, "a", n, StoppingRules(8), FREE) for n in (1, width))
    assert found.log_probability >= greedy.log_probability


def test_equally_likely_texts_are_ordered_by_ids():
    it = network("rnn", vocabulary=6)
    it.parameters.flat[:] = 0.0
    found = beam_search(model(it, "abcdef"), "", 36, StoppingRules(2), FREE, 36)
    assert [one.text for one in found] == ["".join(text) for text in product("abcdef", repeat=2)]


def test_lines_and_sentences_stop_a_text():
    it = model(network("gru"), "\n .ab")
    for one in beam_search(it, "ab", 4, StoppingRules(60, lines=1), FREE, 4):
        assert one.text.endswith("\n") == (one.stop == "lines") and one.text.count("\n") <= 1
    it = model(network("gru"), "\n .ab", lines=True)
    assert {one.stop for one in beam_search(it, "ab", 4, StoppingRules(60), FREE, 4)} <= {"end", "length"}
    it = model(network("gru"), "\n .ab")
    for one in beam_search(it, "ab", 40, StoppingRules(4, sentence=True), FREE, 40):
        assert one.stop == ("sentence" if one.text.endswith(".") and len(one.text) < 4 else "length")


def test_length_zero_gives_one_empty_text():
    assert beam_search(model(network("rnn"), "abcde"), "ab", 3, StoppingRules(0), FREE, 3) == [("", 0.0, 0.0, "length")]
    (one,) = LanguageModel(model(network("rnn"), "abcde")).beam("ab", 3, length=0)
    assert one.text == "" and math.isnan(one.bits_per_character)


def test_a_text_without_a_stopping_rule_has_a_maximum_length(monkeypatch):
    monkeypatch.setattr("charlstm.sampling.beam.MAX_LENGTH", 30)
    (one,) = beam_search(model(network("rnn"), "abcde"), "ab", 2, StoppingRules(), FREE)
    assert len(one.text) == 30 and one.stop == "length"


@pytest.mark.parametrize(
    ("width", "count", "named"), [(0, 1, "width is 0"), (1.5, 1, "width"), (3, 4, "1 to 3"), (3, 0, "count is 0")]
)
def test_numbers_out_of_range_are_refused(width, count, named):
    with pytest.raises(ConfigError, match=named):
        beam_search(model(network("rnn"), "abcde"), "ab", width, StoppingRules(5), FREE, count)


def test_unknown_and_no_characters_are_refused():
    it = model(network("rnn"), "abcde")
    with pytest.raises(UnknownCharacterError, match="the seed"):
        beam_search(it, "abx", 2, StoppingRules(5), FREE)
    with pytest.raises(ConfigError, match="none of the model's 5 characters"):
        beam_search(it, "ab", 2, StoppingRules(5), SamplingConfig(only="xyz"))
