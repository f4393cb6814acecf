"""The view of a cloze test: how many prompts with a known answer the model completes correctly.

The prediction is the most probable continuation, written character by character: as long as the answer, and to the end
of the word there. It is correct if it equals the answer. Two numbers describe the true answer: its probability after
the prompt, and its rank, which is that of its least probable character at its place. Top-k sampling can write the
answer if k is at least its rank. An answer of rank 1 starts the most probable continuation, which may continue the
same word and then is not correct.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from charlstm.base.errors import ConfigError, CorpusError
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.inspection.continuation import copy_reader, score_continuations, write_greedily
from charlstm.inspection.trace import group_by_length, start_reader
from charlstm.inspection.view import Column, Kind, Part, Table, TextInput, View, skip_remark
from charlstm.model.model import Model

MAX_WORD = 24
ROWS = 5
TAIL = 24


class Question(NamedTuple):
    """A prompt and its answer.

    Attributes
    ----------
    prompt
        Text that is read.
    answer
        Its continuation, one character or more, including a space before it.
    group
        Name of the group with which the question is counted.
    place
        Where the question stands, for error messages.
    """

    prompt: str
    answer: str
    group: str = ""
    place: str = "the text"


class Cloze(NamedTuple):
    """The results of N questions.

    Attributes
    ----------
    questions : list of N Question
        The questions, in the order given.
    predicted : list of N str
        The most probable continuations, as long as the answer and to the end of the word there, within one line.
    correct : (N,) bool array
        True if the prediction equals the answer.
    probability : (N,) float64 array
        Probability of the answer after the prompt.
    rank : (N,) int64 array
        Rank of the answer's least probable character among all at its place; 1 is the most probable.
    """

    questions: list[Question]
    predicted: list[str]
    correct: Array
    probability: Array
    rank: Array

    def __repr__(self) -> str:
        return f"<Cloze: {int(self.correct.sum()):,} of {len(self.questions):,} correct, {self.accuracy:.1%}>"

    @property
    def accuracy(self) -> float:
        """The share of correct predictions."""
        return float(self.correct.mean())


def parse_questions(text: Iterable[str], name: str = "the text") -> Iterator[Question]:
    r"""Yield the questions of a text, one per line: prompt, tab, answer, and optionally a tab and the name of a group.

    A space is put before the answer, unless the prompt ends or the answer starts with white space.

    Parameters
    ----------
    text
        Pieces of the text.
    name
        Name of the text, for error messages.

    Raises
    ------
    CorpusError
        If a line has another form.

    Examples
    --------
    >>> [(question.prompt, question.answer) for question in parse_questions(["mady said hi to\trichard\n"])]
    [('mady said hi to', ' richard')]
    """
    for number, line in enumerate(_split_lines(text), start=1):
        place = f"line {number:,} of {name}"
        fields = line.split("\t")
        if len(fields) not in (2, 3) or not fields[1]:
            raise CorpusError(
                f"{place} is {line[:40]!r}; it must be a prompt, a tab and an answer, and optionally a tab and a group"
            )
        joined = fields[0][-1:].isspace() or fields[1][0].isspace()
        yield Question(
            fields[0], fields[1] if joined else f" {fields[1]}", fields[2] if len(fields) == 3 else "", place
        )


def _split_lines(text: Iterable[str]) -> Iterator[str]:
    rest = ""
    for piece in text:
        *whole, rest = (rest + piece).split("\n")
        yield from whole
    if rest:
        yield rest


def answer_questions(model: Model, questions: Sequence[Question], skip: bool = False) -> Cloze:
    """Let a model answer questions; those with prompts of equal length form one batch.

    Parameters
    ----------
    model
        The model.
    questions
        One question or more.
    skip
        True: characters that the model does not know are skipped in prompts and answers.

    Raises
    ------
    ConfigError
        If there is no question, or an answer is empty.
    UnknownCharacterError
        If the model does not know a character and does not skip it.
    """
    known, parse = model.vocabulary.known if skip else str, model.documents.parse
    questions = [
        question._replace(prompt=known(parse(question.prompt)), answer=known(parse(question.answer)))
        for question in questions
    ]
    if not questions:
        raise ConfigError("there is no prompt; give one or more, each with its answer")
    for question in questions:
        if not question.answer:
            raise ConfigError(f"{question.place} has an empty answer; give one character or more that the model knows")
    prompts = [model.vocabulary.encode(question.prompt, question.place) for question in questions]
    answers = [model.vocabulary.encode(question.answer, question.place) for question in questions]
    N = len(questions)
    predicted, log_p, rank = [""] * N, np.zeros(N), np.zeros(N, np.int64)
    for some in group_by_length([len(prompt) for prompt in prompts]):
        reader = start_reader(model, len(some))
        reader.read(np.stack([prompts[n] for n in some], axis=1))
        longest = max(len(answers[n]) for n in some)
        written = np.stack(list(islice(write_greedily(copy_reader(reader)), longest + MAX_WORD)), axis=1)  # (B, …)
        log_p[some], rank[some] = score_continuations(reader, [answers[n] for n in some])
        for n, ids in zip(some, written, strict=True):
            predicted[n] = _cut(model.vocabulary.decode(ids), questions[n].answer)
    correct = [text == question.answer for text, question in zip(predicted, questions, strict=True)]
    return Cloze(questions, predicted, np.array(correct), np.exp(log_p), rank)


def _cut(continuation: str, answer: str) -> str:
    """Return a continuation as long as an answer, and to the end of the word there, within one line."""
    found = re.compile(rf".{{{len(answer)}}}\w{{0,{MAX_WORD}}}", re.DOTALL).match(continuation)
    assert found is not None
    text = found[0] if "\n" in answer else found[0].partition("\n")[0]
    return text if END in answer else text.partition(END)[0]


def view_cloze(model: Model, given: TextInput) -> View:
    """Return the result of the questions in texts, one per line.

    Parameters
    ----------
    model
        The model.
    given
        The texts; see `parse_questions`.

    Raises
    ------
    CorpusError
        If a line has another form.
    ConfigError, UnknownCharacterError
        As for `answer_questions`.
    """
    questions = [question for text in given.texts for question in parse_questions(text.read(), text.name)]
    return view_questions(model, questions, given.skip_unknown)


def view_questions(model: Model, asked: Sequence[Question], skip: bool = False) -> View:
    """Return every question, those that are answered incorrectly, and the accuracy by group.

    Parameters
    ----------
    model, asked, skip
        As for `answer_questions`.

    Raises
    ------
    ConfigError, UnknownCharacterError
        As for `answer_questions`.
    """
    found = answer_questions(model, asked, skip)
    groups = np.array([question.group for question in found.questions])  # (N,)
    names = list(dict.fromkeys(groups.tolist()))
    masks = [(name, groups == name) for name in names if len(names) > 1 or name]
    masks.append(("all", np.ones(len(groups), bool)))
    parts: dict[str, Part] = {"questions": _build_question_table(found, np.arange(len(groups)))}
    incorrect = np.flatnonzero(~found.correct)
    if len(incorrect):
        parts["incorrect"] = _build_question_table(found, incorrect, TAIL)
    parts["accuracy"] = Table(
        (
            Column("group", [name for name, _ in masks], Kind.TEXT),
            Column("correct", [int(found.correct[mask].sum()) for _, mask in masks], Kind.WHOLE),
            Column("of", [int(mask.sum()) for _, mask in masks], Kind.WHOLE),
            Column("accuracy", [float(found.correct[mask].mean()) for _, mask in masks], Kind.PERCENT),
            Column("mean probability", [float(found.probability[mask].mean()) for _, mask in masks], Kind.PERCENT),
            Column("largest rank", [int(found.rank[mask].max()) for _, mask in masks], Kind.WHOLE),
        )
    )
    before, after = (sum(len(q.prompt + q.answer) for q in questions) for questions in (asked, found.questions))
    remarks = (skip_remark(before - after, before),) if after < before else ()
    return View(parts, remarks)


def _build_question_table(found: Cloze, which: Array, tail: int = 0) -> Table:
    """Return one row per question.

    Parameters
    ----------
    found
        The results.
    which : (K,) array
        Numbers of the questions to show.
    tail
        Number of characters at the end of each prompt to show, for questions that are all incorrect; 0: the whole
        prompts of any questions.
    """
    questions = [found.questions[n] for n in which]
    prompts = [question.prompt for question in questions]
    if tail:
        prompts = [prompt if len(prompt) <= tail else f"…{prompt[-tail:]}" for prompt in prompts]
    has_groups = any(question.group for question in questions)
    return Table(
        (
            Column("prompt", prompts, Kind.TEXT),
            *[Column("group", [question.group for question in questions], Kind.TEXT)] * has_groups,
            Column("answer", [question.answer for question in questions], Kind.TEXT),
            Column("predicted", [found.predicted[n] for n in which], Kind.TEXT),
            *[Column("correct", [int(found.correct[n]) for n in which], Kind.WHOLE)] * (not tail),
            Column("probability", found.probability[which], Kind.PERCENT),
            Column("rank", found.rank[which], Kind.WHOLE),
        ),
        head=ROWS,
    )
