"""Each sampling rule does what its definition says, alone and with the others; the definition is plain Python."""

import math
from collections import Counter, defaultdict
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from small import model, network

from charlstm.base.errors import ConfigError
from charlstm.sampling.decoder import sample_steps
from charlstm.sampling.filters import SamplingConfig, probabilities

CHARACTERS = "abcdef"
CLOSE = {"rtol": 1e-9, "atol": 1e-12}
RULES = {
    "temperature": {"temperature": 0.6},
    "top_k": {"temperature": 1.0, "top_k": 3},
    "top_p": {"temperature": 1.0, "top_p": 0.8},
    "min_p": {"temperature": 1.0, "min_p": 0.25},
    "repeat_penalty": {"temperature": 1.0, "repeat_penalty": 3.0, "repeat_window": 1},
    "forbid": {"temperature": 1.0, "forbid": "ex"},
    "only": {"temperature": 1.0, "only": "bdfx"},
    "all": {
        "temperature": 1.4,
        "top_k": 4,
        "top_p": 0.9,
        "min_p": 0.2,
        "repeat_penalty": 2.0,
        "repeat_window": 1,
        "forbid": "a",
        "only": "abcdef",
    },
}


def definition(logits, characters, recent="", borders=None, **rule):
    """Probability of each character by the definitions of the rules; collects the distances from each threshold."""
    borders = [] if borders is None else borders
    only = rule.get("only")
    p = {c: z for c, z in zip(characters, logits, strict=True) if c not in rule.get("forbid", "")}
    p = {c: z for c, z in p.items() if only is None or c in only}
    p = normal({c: math.exp(z - max(p.values())) for c, z in p.items()})
    p = {c: x ** rule.get("repeat_penalty", 1.0) if c in recent else x for c, x in p.items()}
    temperature = rule.get("temperature", 0.8)
    best = max(p.values())
    k = 1 if temperature == 0 else rule.get("top_k") or len(p)
    p = dict(ranked(p)[:k])
    p = normal({c: (x / best) ** (1.0 / (temperature or 1.0)) for c, x in p.items()})
    kept, total = {}, 0.0
    for c, x in ranked(p):
        borders.append(abs(total - rule.get("top_p", 1.0)))
        if total < rule.get("top_p", 1.0):
            kept[c] = x
            total += x
    least = rule.get("min_p", 0.0)
    borders += [abs(x / max(kept.values()) - least) for x in kept.values()]
    p = normal({c: x for c, x in kept.items() if x / max(kept.values()) >= least})
    return [p.get(c, 0.0) for c in characters]


def ranked(p):
    return sorted(p.items(), key=lambda item: (-item[1], item[0]))


def normal(p):
    return {c: x / sum(p.values()) for c, x in p.items()}


@given(
    st.lists(st.floats(-9.0, 9.0), min_size=1, max_size=6, unique=True),
    st.fixed_dictionaries(
        {},
        optional={
            "temperature": st.sampled_from([0.0]) | st.floats(0.2, 4.0),
            "top_k": st.integers(1, 7),
            "top_p": st.floats(0.01, 1.0),
            "min_p": st.floats(0.0, 1.0),
            "repeat_penalty": st.floats(1.0, 5.0),
            "forbid": st.text("abcdefx", max_size=3),
            "only": st.text("abcdefx", min_size=3, max_size=7),
        },
    ),
    st.sets(st.sampled_from(CHARACTERS)),
)
def test_rules_together_equal_their_definitions(logits, rule, recent):
    characters = CHARACTERS[: len(logits)]
    left = [c for c in characters if c not in rule.get("forbid", "") and c in rule.get("only", characters)]
    assume(left)
    borders: list[float] = []
    wanted = definition(logits, characters, recent, borders, **rule)
    assume(all(distance > 1e-9 for distance in borders if distance))
    sampling = SamplingConfig(**rule)
    seen = np.array([c in recent for c in characters])
    result = probabilities(np.array(logits), sampling, sampling.allowed(code_points(characters)), seen)
    np.testing.assert_allclose(result, wanted, **CLOSE)


def code_points(characters):
    return np.array([ord(c) for c in characters])


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-9])
@pytest.mark.parametrize("rule", [{}, {"top_k": 2}, {"top_p": 0.5}, {"min_p": 1.0}, {"repeat_penalty": 1.1}])
def test_the_smallest_temperatures_do_not_overflow(temperature, rule):
    seen = np.array([False, True, False])
    result = probabilities(np.array([1.0, -700.0, 1.001]), SamplingConfig(temperature, **rule), None, seen)
    np.testing.assert_allclose(result, [0.0, 0.0, 1.0])


def test_equal_logits_have_equal_probabilities_and_lower_ids_rank_first():
    same = np.array([0.0, 3.0, 3.0, 3.0])
    for rule, wanted in (
        ({}, [0, 1 / 3, 1 / 3, 1 / 3]),
        ({"top_k": 2}, [0, 0.5, 0.5, 0]),
        ({"top_p": 0.6}, [0, 0.5, 0.5, 0]),
        ({"top_p": 1e-9}, [0, 1, 0, 0]),
        ({"min_p": 1.0}, [0, 1 / 3, 1 / 3, 1 / 3]),
    ):
        np.testing.assert_allclose(probabilities(same, SamplingConfig(1e-300, **rule)), wanted, **CLOSE)


@pytest.mark.parametrize(
    ("p", "rule", "wanted"),
    [
        ([0.5, 0.3, 0.1, 0.1], {"top_p": 0.6, "min_p": 0.25}, [5, 3, 0, 0]),  # 0.5 is not yet 60% of all
        ([0.4, 0.3, 0.2, 0.1], {"top_k": 2, "top_p": 0.5}, [1, 0, 0, 0]),  # 0.4 is more than half of 0.7
        ([0.5, 0.3, 0.2], {"temperature": 0.5, "top_p": 0.6}, [1, 0, 0]),  # 25 of 25 + 9 + 4
        ([0.5, 0.3, 0.2], {"temperature": 0.5, "min_p": 0.5}, [1, 0, 0]),  # 9 of 25
        ([0.5, 0.4, 0.1], {"repeat_penalty": 2.0, "top_k": 1}, [0, 1, 0]),  # 0.25 is less than 0.4
        ([0.5, 0.4, 0.1], {"repeat_penalty": 2.0, "forbid": "b"}, [25, 0, 6]),  # of 0.6, 5/6 becomes 25/36
        ([0.4, 0.3, 0.3], {"forbid": "a", "top_k": 2}, [0, 1, 1]),
        ([0.6, 0.2, 0.2], {"forbid": "a", "min_p": 0.5}, [0, 1, 1]),
    ],
)
def test_the_rules_are_applied_in_their_order(p, rule, wanted):
    rules = SamplingConfig(**{"temperature": 1.0} | rule)
    recent = np.arange(len(p)) == 0
    result = probabilities(np.log(p), rules, rules.allowed(code_points(CHARACTERS[: len(p)])), recent)
    np.testing.assert_allclose(result, np.array(wanted) / sum(wanted), **CLOSE)


@pytest.mark.parametrize("kept", [1, 2, 3, 4])
def test_the_nucleus_ends_where_its_sum_equals_p(kept):
    result = probabilities(np.zeros(4), SamplingConfig(temperature=1.0, top_p=kept / 4))
    np.testing.assert_array_equal(result, [1 / kept] * kept + [0.0] * (4 - kept))


def test_rows_do_not_affect_each_other():
    rng = np.random.default_rng(0)
    logits, seen = rng.normal(size=(5, 6)), rng.random((5, 6)) < 0.5
    sampling = SamplingConfig(**RULES["all"])
    allowed = sampling.allowed(code_points(CHARACTERS))
    together = probabilities(logits, sampling, allowed, seen)
    for row in range(5):
        np.testing.assert_array_equal(together[row], probabilities(logits[row], sampling, allowed, seen[row]))
    assert together.dtype == np.float64


@pytest.mark.parametrize(
    "rule",
    [
        {"temperature": -0.1},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"top_k": 0},
        {"top_k": 1.5},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_p": math.nan},
        {"min_p": -0.1},
        {"min_p": math.nan},
        {"repeat_penalty": 0.9},
        {"repeat_penalty": math.inf},
        {"repeat_window": 0},
        {"random_seed": -1},
    ],
)
def test_values_out_of_range_are_errors(rule):
    with pytest.raises(ConfigError, match=next(iter(rule))):
        SamplingConfig(**rule)


@pytest.mark.parametrize("rule", [{"only": ""}, {"only": "xyz"}, {"forbid": "fedcba"}, {"only": "ab", "forbid": "ba"}])
def test_rules_that_allow_no_character_are_errors(rule):
    with pytest.raises(ConfigError, match="none of the model's 6 characters"):
        next(sample_steps(model(network("rnn", vocabulary=6), CHARACTERS), "", SamplingConfig(**rule), 1))


def test_without_forbid_and_only_all_characters_are_allowed():
    assert SamplingConfig().allowed(code_points(CHARACTERS)) is None


def of_biases(biases):
    """A model whose predictions do not depend on the text."""
    it = network("rnn", np.float32, vocabulary=len(biases), hidden=1)
    it.parameters.flat[:] = 0.0
    it.parameters["output/b"][:] = biases
    return model(it, CHARACTERS[: len(biases)])


@pytest.mark.parametrize("name", RULES)
def test_the_frequencies_of_samples_are_their_probabilities(name):
    biases = [1.0, -2.0, 0.5, -0.5, 1.5, 0.0]
    rows, steps = 1000, 101
    drawn = [
        step.characters
        for step in islice(sample_steps(of_biases(biases), "a", SamplingConfig(**RULES[name]), rows), steps)
    ]
    after: dict[str, Counter] = defaultdict(Counter)
    for before, now in pairwise(drawn):
        for previous, character in zip(before, now, strict=True):
            after[previous if "repeat_penalty" in RULES[name] else ""][character] += 1
    assert sum(counts.total() for counts in after.values()) == 100_000
    chi_square, freedom = 0.0, 0
    for previous, counts in after.items():
        expected = definition(biases, CHARACTERS, previous, **RULES[name])
        assert set(counts) <= {c for c, p in zip(CHARACTERS, expected, strict=True) if p}
        freedom += np.count_nonzero(expected) - 1
        for c, p in zip(CHARACTERS, expected, strict=True):
            if p:
                chi_square += (counts[c] - p * counts.total()) ** 2 / (p * counts.total())
    assert chi_square < freedom + 4.9 * math.sqrt(2 * freedom) + 16  # above it: less than one seed in a million


@pytest.mark.parametrize(("seed", "window"), [("ab", 2), ("abcdefa", 3), ("", 1), ("a", 50)])
def test_the_penalty_covers_exactly_the_repeat_window(monkeypatch, seed, window):
    seen = []
    monkeypatch.setattr(
        "charlstm.sampling.decoder.probabilities",
        lambda z, how, allowed, recent: [seen.append(recent.copy()), probabilities(z, how, allowed, recent)][1],
    )
    it = of_biases([0.0] * 6)
    steps = islice(sample_steps(it, seed, SamplingConfig(repeat_penalty=1.5, repeat_window=window), 3), 30)
    texts = ["".join(text) for text in zip(*[step.characters for step in steps], strict=True)]
    for drawn, flags in enumerate(seen):
        for row, text in enumerate(texts):
            last = (seed + text[:drawn])[-window:]
            assert {c for c, flag in zip(CHARACTERS, flags[row], strict=True) if flag} == set(last)
