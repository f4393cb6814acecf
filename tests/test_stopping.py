"""A text stops at the first rule that applies, and a hidden stop string is never shown."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlstm.base.errors import ConfigError
from charlstm.sampling.stopping import Stopper, StoppingRules


def shown(text, **settings):
    """What a stopper shows of a text that comes character by character, and its reason."""
    end = Stopper(StoppingRules(**settings))
    waiting = result = ""
    for character in text:
        if end.reason:
            break
        waiting += character
        count = end.add(character)
        result, waiting = result + waiting[:count], waiting[count:]
    return result, end.reason


stops = st.lists(st.text("ab", min_size=1, max_size=4), max_size=3).map(tuple)


@given(st.text("ab\n", max_size=14), st.none() | st.integers(1, 16), stops, st.none() | st.integers(1, 3))
def test_a_text_stops_at_the_first_rule_that_applies(text, length, stops, lines):
    ends = {"stop": [text.index(stop) + len(stop) for stop in stops if stop in text]}
    ends["lines"] = [match.end() for match in re.finditer("\n", text)][(lines or 99) - 1 :][:1]
    ends["length"] = [length] if length and length <= len(text) else []
    first = min((min(places), reason) for reason, places in [*ends.items(), ("none", [99])] if places)[0]
    wanted = next((reason for reason, places in ends.items() if first in places), None)
    assert shown(text, length=length, stop=stops, lines=lines) == (text[:first], wanted)


@given(st.text("ab", max_size=14), stops, st.none() | st.integers(1, 16))
def test_a_hidden_stop_string_is_never_shown_and_the_rest_is(text, stops, length):
    ends = [(text.index(stop) + len(stop), -len(stop)) for stop in stops if stop in text]
    result, reason = shown(text, length=length, stop=stops, hide_stop=True)
    if reason == "stop":
        end, size = min(ends)
        assert result == text[: end + size]
    elif reason == "length":
        assert result == text[:length]
    else:
        held = text.removeprefix(result)
        assert text.startswith(result) and not ends
        assert not held or any(stop.startswith(held) for stop in stops)


def test_of_stop_strings_that_end_together_the_longest_is_hidden():
    for stop in (("b", "ab"), ("ab", "b"), ("b", "xab", "ab")):
        longest = max(stop, key=len)
        assert shown("axxab.", stop=stop, hide_stop=True) == ("axxab".removesuffix(longest), "stop")


@pytest.mark.parametrize("hide", [False, True])
@pytest.mark.parametrize("before", range(9))
@pytest.mark.parametrize("stop", ["x", "xy", "xxy", "aab", "abab", "\n\n", "aaaa", "xyxyxyxyxyxyz"])
def test_a_stop_string_is_found_at_every_offset(stop, before, hide):
    for filler in ("a", "ab", "x", "\n"):
        text = (filler * 9)[:before] + stop + "..."
        where = text.index(stop)
        wanted = text[: where if hide else where + len(stop)]
        assert shown(text, stop=(stop,), hide_stop=hide) == (wanted, "stop")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (" said hi. Then he", " said hi."),
        ("it is 3.14 long! yes", "it is 3.14 long!"),
        ('"Go." he said', '"Go."'),
        ("he (she?) went", "he (she?)"),
        (". Then. ", "."),
        ("no...\nyes", "no..."),
        ("何。そう", "何。"),
        ("never", None),
    ],
)
def test_a_sentence_ends_after_its_full_stop_and_closing_quotes(text, wanted):
    assert shown(text, sentence=True) == ((wanted, "sentence") if wanted else (text, None))


def test_length_zero_stops_before_the_first_character():
    assert Stopper(StoppingRules(length=0)).reason == "length"


@pytest.mark.parametrize(
    "wrong",
    [
        {"length": -1},
        {"length": 1.5},
        {"lines": 0},
        {"stop": ("a", "")},
        {"stop": ""},
        {"stop": 5},
        {"stop": (5,)},
        {"hide_stop": "no"},
        {"sentence": 1},
    ],
)
def test_values_out_of_range_are_errors(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        StoppingRules(**wrong)


def test_one_stop_string_needs_no_tuple():
    assert StoppingRules(stop="ab") == StoppingRules(stop=("ab",)) == StoppingRules(stop=["ab"])


def test_each_rule_but_hide_stop_can_stop_a_text():
    for rule in ({"length": 3}, {"stop": "a"}, {"lines": 1}, {"sentence": True}):
        assert StoppingRules(**rule).can_stop
    assert not StoppingRules(hide_stop=True).can_stop
