"""A text ends where it was asked to, at the first of its reasons, and what is hidden is never shown."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charlstm.errors import ConfigError
from charlstm.sampling.stopping import Stopper, StoppingRules


def shown(text, **settings):
    """What is shown of a text that comes character by character, and why it ended."""
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
def test_a_text_ends_at_the_first_of_its_reasons(text, length, stops, lines):
    ends = {"stop": [text.index(stop) + len(stop) for stop in stops if stop in text]}
    ends["lines"] = [match.end() for match in re.finditer("\n", text)][(lines or 99) - 1 :][:1]
    ends["length"] = [length] if length and length <= len(text) else []
    first = min((min(places), reason) for reason, places in [*ends.items(), ("none", [99])] if places)[0]
    wanted = next((reason for reason, places in ends.items() if first in places), None)
    assert shown(text, length=length, stops=stops, lines=lines) == (text[:first], wanted)


@given(st.text("ab", max_size=14), stops, st.none() | st.integers(1, 16))
def test_a_hidden_stop_is_never_shown_and_all_else_is(text, stops, length):
    ends = [(text.index(stop) + len(stop), -len(stop)) for stop in stops if stop in text]
    result, reason = shown(text, length=length, stops=stops, hide_stop=True)
    if reason == "stop":
        end, size = min(ends)
        assert result == text[: end + size]
    elif reason == "length":
        assert result == text[:length]
    else:
        held = text.removeprefix(result)
        assert text.startswith(result) and not ends
        assert not held or any(stop.startswith(held) for stop in stops)


@pytest.mark.parametrize("hide", [False, True])
@pytest.mark.parametrize("before", range(9))
@pytest.mark.parametrize("stop", ["x", "xy", "xxy", "aab", "abab", "\n\n", "aaaa"])
def test_a_stop_is_found_in_every_alignment(stop, before, hide):
    for filler in ("a", "ab", "x", "\n"):
        text = (filler * 9)[:before] + stop + "..."
        where = text.index(stop)
        wanted = text[: where if hide else where + len(stop)]
        assert shown(text, stops=(stop,), hide_stop=hide) == (wanted, "stop")


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
def test_a_sentence_ends_with_its_stop_and_what_closes_it(text, wanted):
    assert shown(text, sentence=True) == ((wanted, "sentence") if wanted else (text, None))


def test_nothing_is_wanted_of_a_text_without_length():
    assert Stopper(StoppingRules(length=0)).reason == "length"


@pytest.mark.parametrize("wrong", [{"length": -1}, {"length": 1.5}, {"lines": 0}, {"stops": ("a", "")}, {"stops": "a"}])
def test_endings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        StoppingRules(**wrong)
