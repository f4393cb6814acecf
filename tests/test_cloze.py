"""Cloze tests: what writing letter by letter by the plain equations says, with its probability and rank."""

import math
import re
import sys
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from small import by_reference, every_kind, model, network

from charlstm.api.language_model import LanguageModel
from charlstm.base.errors import ConfigError, CorpusError, UnknownCharacterError
from charlstm.inspection.cloze import MAX_WORD, Question, answer_questions, parse_questions, view_questions
from charlstm.inspection.trace import group_by_length
from charlstm.inspection.view import columns_of

CHARACTERS = "\n .ab"


def small(kind="lstm", lines=False, seed=1):
    it = network(kind, vocabulary=len(CHARACTERS), seed=seed, hidden=4)
    it.parameters["output/b"][1:3] += 2.0  # words end
    return model(it, CHARACTERS, lines)


def chances(kind, it, text):
    """What may come next by the plain equations, a line of a model of lines by itself."""
    if it.opening:
        text = "\n" + text[text.rfind("\n") + 1 :]
    if not text:
        return reference.probabilities(it.network.parameters["output/b"].tolist())
    return reference.probabilities(by_reference(kind, it.network, it.vocabulary.encode(text)[:, None]).logits[-1][0])


def best(row):
    return CHARACTERS[max(range(len(row)), key=lambda k: row[k])]


@every_kind
@pytest.mark.parametrize("lines", [False, True], ids=["stream", "lines"])
def test_predictions_are_what_greedy_sampling_writes(kind, lines):
    it = small(kind, lines)
    expected = cache(lambda text: chances(kind, it, text))
    prompts = ["ab", "b ", "a.", "ba ab", "", "a\nb", ".. a.", "b\n"]
    pairs = [(prompt, answer) for prompt in prompts for answer in ("a", " ab", "b. a")]
    pairs += [(prompt, best(expected(prompt))) for prompt in prompts]  # some of them right
    found = LanguageModel(it).cloze(pairs)
    assert 0 < found.accuracy < 1 and found.accuracy == sum(found.correct) / len(pairs)
    for n, (prompt, answer) in enumerate(pairs):
        written = ""
        for _ in range(len(answer) + MAX_WORD):
            written += best(expected(prompt + written))
        heard = written[: len(answer)] + re.match(rf"\w{{0,{MAX_WORD}}}", written[len(answer) :])[0]
        if "\n" not in answer:
            heard = heard.partition("\n")[0]
        assert found.predicted[n] == heard and found.correct[n] == (heard == answer)
        probability, worst = 1.0, 1
        for k, character in enumerate(answer):
            row = expected(prompt + answer[:k])
            own = row[CHARACTERS.index(character)]
            probability, worst = probability * own, max(worst, 1 + sum(other > own for other in row))
        assert found.probability[n] == pytest.approx(probability, rel=1e-9) and found.rank[n] == worst
        if found.correct[n]:
            assert found.rank[n] == 1


def test_a_longer_word_is_not_the_answer_that_it_begins_with():
    it = small()
    it.network.parameters.flat[:] = 0.0
    it.network.parameters["output/b"][CHARACTERS.index("a")] = 1.0
    found = LanguageModel(it).cloze([("b", "aa"), ("b", "a" * (2 + MAX_WORD))])
    assert (
        not found.correct[0]
        and found.rank[0] == 1
        and found.predicted[0] == "a" * (2 + MAX_WORD) == found.predicted[1][:-MAX_WORD]
    )


def test_of_equally_likely_characters_those_that_come_first_have_the_better_ranks():
    it = small()
    it.network.parameters.flat[:] = 0.0
    pairs = [("ab", character) for character in CHARACTERS]
    assert LanguageModel(it).cloze(pairs).rank.tolist() == [1, 2, 3, 4, 5]
    it.network.parameters["output/b"][CHARACTERS.index("b")] = 1.0
    assert LanguageModel(it).cloze([*pairs, ("ab", "b\na."), ("", "\n")]).rank.tolist() == [2, 3, 4, 5, 1, 5, 2]


@given(st.lists(st.tuples(st.text("ab .", max_size=4), st.text("ab ", min_size=1, max_size=3)), min_size=1, max_size=5))
def test_an_answer_does_not_depend_on_what_else_is_asked(pairs):
    it = LanguageModel(small("gru"))
    together, alone = it.cloze(pairs), [it.cloze([pair]) for pair in pairs]
    assert together.predicted == [one.predicted[0] for one in alone]
    np.testing.assert_allclose(together.probability, [one.probability[0] for one in alone], rtol=1e-9)
    assert together.rank.tolist() == [int(one.rank[0]) for one in alone]


def test_many_prompts_are_asked_a_few_at_a_time(monkeypatch):
    it, pairs = LanguageModel(small()), [("ab" * 4, "a"), ("ba" * 4, "b"), ("a." * 4, " "), ("aaaabbbb", "ab")]
    whole = it.cloze(pairs)
    monkeypatch.setattr(sys.modules[group_by_length.__module__], "MAX_BATCH", 20)
    assert it.cloze(pairs).predicted == whole.predicted


@given(st.lists(st.integers(1, 40), max_size=4))
def test_a_file_of_questions_is_read_line_by_line(cuts):
    text = "ab\ta\nab \tb\tfirst\na\t b.\tsecond\nb\ta"
    bounds = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    found = list(parse_questions((text[a:b] for a, b in pairwise(bounds)), "it.tsv"))
    assert [tuple(question) for question in found] == [
        ("ab", " a", "", "line 1 of it.tsv"),
        ("ab ", "b", "first", "line 2 of it.tsv"),
        ("a", " b.", "second", "line 3 of it.tsv"),
        ("b", " a", "", "line 4 of it.tsv"),
    ]


@pytest.mark.parametrize("line", ["ab a", "", "ab\t", "\t", "a\tb\tc\td"])
def test_a_line_without_a_question_is_reported(line):
    with pytest.raises(CorpusError, match=r"line 2 of it\.tsv"):
        list(parse_questions([f"ab\ta\n{line}\nb\ta\n"], "it.tsv"))


def test_invalid_questions_are_refused():
    it = small()
    with pytest.raises(UnknownCharacterError, match=r"line 7 .*'x' U\+0078"):
        answer_questions(it, [Question("ab", " x", place="line 7")])
    assert answer_questions(it, [Question("axb", "x a")], skip=True).questions[0][:2] == ("ab", " a")
    assert view_questions(it, [Question("axb", "x a")], skip=True).remarks[0].startswith("2 of 6 characters are")
    with pytest.raises(ConfigError, match="line 7 has an empty"):
        answer_questions(it, [Question("ab", "x", place="line 7")], skip=True)
    with pytest.raises(ConfigError, match="no prompt"):
        LanguageModel(it).cloze([])


def test_of_a_long_prompt_with_a_wrong_answer_the_end_is_shown():
    long, short = "a" * 20 + "b" * 20, "a" * 24
    view = LanguageModel(small()).view("cloze", f"{long}\tbb ba\n{short}\tbb ba\n")
    shown = [list(columns_of(part)[0].values) for part in view.parts.values()]
    assert shown[:2] == [[long, short], ["…" + "a" * 4 + "b" * 20, short]]


def test_the_view_counts_every_group_and_lists_incorrect_answers():
    it = small()
    asked = [Question("ab", f" {answer}", group) for answer in ("a", "b", "ab", "a.b") for group in ("one", "two")]
    asked.append(Question("ab", best(chances("lstm", it, "ab")), "two"))
    found, view = answer_questions(it, asked), view_questions(it, asked)
    table = {name: dict(zip((c.name for c in columns_of(part)), (c.values for c in columns_of(part)), strict=True))
             for name, part in view.parts.items()}  # fmt: skip
    assert (
        table["questions"]["prompt"] == ["ab"] * 9
        and table["questions"]["correct"] == found.correct.astype(int).tolist()
    )
    assert table["incorrect"]["predicted"] == [
        said for said, yes in zip(found.predicted, found.correct, strict=True) if not yes
    ]
    counts = table["accuracy"]
    assert counts["group"] == ["one", "two", "all"] and counts["of"] == [4, 5, 9]
    for place, name in enumerate(("one", "two", "all")):
        mine = [n for n, question in enumerate(asked) if name in (question.group, "all")]
        assert counts["correct"][place] == sum(found.correct[mine])
        assert counts["accuracy"][place] == pytest.approx(sum(found.correct[mine]) / len(mine))
        assert counts["mean probability"][place] == pytest.approx(math.fsum(found.probability[mine]) / len(mine))
        assert counts["largest rank"][place] == max(found.rank[mine])
