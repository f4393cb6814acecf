"""The view of a cloze test: of prompts with a known answer, how many the network answers right.

What counts is the likeliest continuation, made letter by letter: read as far as the answer is long, and to the end of
the word there, it has to be the answer. Beside that stand two numbers about the true answer: its probability, that the
text goes on with it after the prompt; and its rank, that of its most unlikely character at its place, which is the
smallest k with which drawing among the k likeliest can write it. An answer of rank 1 is spelt by the likeliest
continuation, though that may go on with the word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from charlstm.errors import ConfigError, CorpusError
from charlstm.inspection.trace import side_by_side, start
from charlstm.inspection.view import Column, Kind, Part, Table, View
from charlstm.model.model import Model, Reader
from charlstm.network.loss import log_softmax
from charlstm.parameters import Array

WORD = 24
SHOWN = 5
TAIL = 24


class Question(NamedTuple):
    """A prompt and what comes after it.

    Attributes
    ----------
    prompt
        What is read.
    answer
        What the text goes on with: one character or more, white space before it included.
    group
        With which others it is counted together.
    place
        Where it stands, for errors.
    """

    prompt: str
    answer: str
    group: str = ""
    place: str = "the text"


class Cloze(NamedTuple):
    """How N prompts were answered.

    Attributes
    ----------
    questions : list of N Question
        What was asked, in the order given.
    said : list of N str
        The likeliest continuations, each as far as the answer is long and to the end of the word there, at most to the
        end of its line.
    right : (N,) bool array
        Whether that is the answer.
    probability : (N,) float64 array
        The probability that the text goes on with the answer after the prompt.
    rank : (N,) int64 array
        The rank of the answer's most unlikely character among all that could stand at its place; 1: the likeliest.
    """

    questions: list[Question]
    said: list[str]
    right: Array
    probability: Array
    rank: Array

    @property
    def share(self) -> float:
        """The share of the prompts that was answered right."""
        return float(self.right.mean())


def questions_in(text: Iterable[str], name: str = "the text") -> Iterator[Question]:
    """Yield the questions of a text that has one a line: prompt, tab, answer; and a tab and a group, if it has groups.

    A space belongs before the answer, unless the prompt ends or the answer begins with white space.

    Raises
    ------
    CorpusError
        If a line is not written so.
    """
    for number, line in enumerate(_lines(text), start=1):
        place = f"line {number:,} of {name}"
        fields = line.split("\t")
        if len(fields) not in (2, 3) or not fields[1]:
            raise CorpusError(
                f"{place} is {line[:40]!r}; write the prompt, a tab and the answer, and no more than a group"
            )
        joined = fields[0][-1:].isspace() or fields[1][0].isspace()
        yield Question(
            fields[0], fields[1] if joined else f" {fields[1]}", fields[2] if len(fields) == 3 else "", place
        )


def _lines(text: Iterable[str]) -> Iterator[str]:
    held = ""
    for piece in text:
        *whole, held = (held + piece).split("\n")
        yield from whole
    if held:
        yield held


def answered(model: Model, asked: Sequence[Question], skip: bool = False) -> Cloze:
    """Ask questions, those with prompts of one length side by side.

    Parameters
    ----------
    model
        What answers.
    asked
        One question or more.
    skip
        True: characters that the model does not know are left out of prompts and answers.

    Raises
    ------
    ConfigError
        If there is no question, or an answer is empty.
    UnknownCharacterError
        If the model does not know a character, and does not leave it out.
    """
    known = model.vocabulary.known if skip else str
    asked = [question._replace(prompt=known(question.prompt), answer=known(question.answer)) for question in asked]
    if not asked:
        raise ConfigError("there is no prompt to ask; give one or more, each with its answer")
    for question in asked:
        if not question.answer:
            raise ConfigError(f"{question.place} has an empty answer; give one character or more that the model knows")
    prompts = [model.vocabulary.encode(question.prompt, question.place) for question in asked]
    answers = [model.vocabulary.encode(question.answer, question.place) for question in asked]
    said, probability, rank = [""] * len(asked), np.zeros(len(asked)), np.zeros(len(asked), np.int64)
    for rows in side_by_side([len(prompt) for prompt in prompts]):
        found = _answer(model, np.stack([prompts[n] for n in rows], axis=1), [answers[n] for n in rows])
        for n, continuation, chance, worst in zip(rows, *found, strict=True):
            said[n] = _heard(continuation, asked[n].answer)
            probability[n], rank[n] = chance, worst
    right = [text == question.answer for text, question in zip(said, asked, strict=True)]
    return Cloze(asked, said, np.array(right), probability, rank)


def _answer(model: Model, prompts: Array, answers: Sequence[Array]) -> tuple[list[str], Array, Array]:
    """Return of B prompts what the model says to each, and the probability and rank of its answer.

    The rows of the second half follow the true answers, those of the first half the likeliest characters.

    Parameters
    ----------
    prompts : (T, B) array of ids
        What is read.
    answers : B arrays of ids
        What should come next.
    """
    asked = start(model, prompts.shape[1])
    asked.read(prompts)
    B, longest = prompts.shape[1], max(map(len, answers))
    both = Reader(model, 2 * B)
    both.state, both.logits = np.tile(asked.state, (1, 1, 2, 1)), np.tile(asked.logits, (2, 1))
    true = np.stack([np.resize(answer, longest) for answer in answers], axis=1)  # (longest, B)
    counted = np.arange(longest)[:, None] < np.array([len(answer) for answer in answers])  # (longest, B)
    chances, rank = np.zeros(B), np.ones(B, np.int64)
    written = []
    for t in range(longest + WORD):
        likeliest = both.logits[:B].argmax(axis=1)  # (B,)
        written.append(likeliest)
        if t < longest:
            logits, rows = both.logits[B:], np.arange(B)
            own = logits[rows, true[t]][:, None]  # (B, 1)
            before = (logits > own) | ((logits == own) & (np.arange(logits.shape[1]) < true[t][:, None]))  # (B, V)
            rank = np.maximum(rank, np.where(counted[t], before.sum(axis=1) + 1, 1))
            chances += np.where(counted[t], log_softmax(logits.astype(np.float64))[rows, true[t]], 0.0)
        both.read(np.concatenate([likeliest, true[min(t, longest - 1)]])[None])
    texts = [model.vocabulary.decode(row) for row in np.stack(written, axis=1)]
    return texts, np.exp(chances), rank


def _heard(continuation: str, answer: str) -> str:
    """Return a continuation as far as an answer is long, and to the end of the word there, on its line."""
    found = re.compile(rf".{{{len(answer)}}}\w{{0,{WORD}}}", re.DOTALL).match(continuation)
    assert found is not None
    return found[0] if "\n" in answer else found[0].partition("\n")[0]


def cloze(model: Model, asked: Sequence[Question], skip: bool = False) -> View:
    """Return how a model answers: the shares by group, every question, and first of all what it answers wrong.

    Parameters
    ----------
    model, asked, skip
        As for `answered`.

    Raises
    ------
    ConfigError, UnknownCharacterError
        As for `answered`.
    """
    found = answered(model, asked, skip)
    groups = np.array([question.group for question in found.questions])  # (N,)
    named = list(dict.fromkeys(groups.tolist()))
    every = [(name, groups == name) for name in named if len(named) > 1 or name]
    every.append(("all", np.ones(len(groups), bool)))
    parts: dict[str, Part] = {"questions": _questions(found, np.arange(len(groups)))}
    wrong = np.flatnonzero(~found.right)
    if len(wrong):
        parts["answered wrong"] = _questions(found, wrong, TAIL)
    parts["answered right"] = Table(
        (
            Column("group", [name for name, _ in every], Kind.TEXT),
            Column("right", [int(found.right[mine].sum()) for _, mine in every], Kind.WHOLE),
            Column("of", [int(mine.sum()) for _, mine in every], Kind.WHOLE),
            Column("share", [float(found.right[mine].mean()) for _, mine in every], Kind.PERCENT),
            Column("mean probability", [float(found.probability[mine].mean()) for _, mine in every], Kind.PERCENT),
            Column("worst rank", [int(found.rank[mine].max()) for _, mine in every], Kind.WHOLE),
        )
    )
    left_out = sum(len(q.prompt + q.answer) for q in asked) - sum(len(q.prompt + q.answer) for q in found.questions)
    remarks = (f"{left_out:,} characters are unknown to the model, and were left out.",) if left_out else ()
    return View(parts, remarks)


def _questions(found: Cloze, which: Array, tail: int = 0) -> Table:
    """Return a row a question: what was asked, answered and said, and what the network thought of the answer.

    Of questions that were answered wrong, the last `tail` characters of the prompt are shown; 0: of others too, whole.
    """
    asked = [found.questions[n] for n in which]
    prompts = [question.prompt for question in asked]
    if tail:
        prompts = [prompt if len(prompt) <= tail else f"…{prompt[-tail:]}" for prompt in prompts]
    columns = {
        "prompt": Column("prompt", prompts, Kind.TEXT),
        "group": Column("group", [question.group for question in asked], Kind.TEXT),
        "answer": Column("answer", [question.answer for question in asked], Kind.TEXT),
        "said": Column("said", [found.said[n] for n in which], Kind.TEXT),
        "right": Column("right", [int(found.right[n]) for n in which], Kind.WHOLE),
        "probability": Column("probability", found.probability[which], Kind.PERCENT),
        "rank": Column("rank", found.rank[which], Kind.WHOLE),
    }
    left_out = {*["group"] * (not any(question.group for question in found.questions)), *["right"] * (tail > 0)}
    return Table(tuple(column for name, column in columns.items() if name not in left_out), head=SHOWN)
