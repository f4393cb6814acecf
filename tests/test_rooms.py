"""The story corpus asks what it claims to ask: told by a reader of its own, which simulates the room."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parent.parent / "data"
CORPUS = (DATA / "rooms.txt").read_text().splitlines()
HELD_OUT = [line.split("\t") for line in (DATA / "rooms-heldout.tsv").read_text().splitlines()]
NAMES = {name for pair in re.findall(r"(\w+) said hi to (\w+)\.", "\n".join(CORPUS)) for name in pair}
ARTICLE = {
    "mady walks in to the room, monica also walks in to the room. mady said hi to": "monica",
    "mady and monica walk in to the room together, later richard walks in to the room. mady said hi to": "richard",
}
THIRD = (
    "mady and monica walk in to the room together, later richard walks in to the room."
    " richard walks out of the room. mady said hi to"
)


def cast(story: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", story)) & frozenset(NAMES)


def greeted(story: str) -> str:
    """Play a story: the last one who came in, is still there and does not speak is greeted."""
    room: list[str] = []
    for sentence in re.split(r"[.,] ", story):
        names = [word for word in re.findall(r"\w+", sentence) if word in NAMES]
        if " said hi to" in sentence:
            return [name for name in room if name != names[0]][-1]
        if " out" in sentence:
            room.remove(names[0])
        else:
            room += names
    raise AssertionError(story)


def test_the_names_are_a_dozen_with_the_articles_three() -> None:
    assert len(NAMES) >= 12 and {"mady", "monica", "richard"} <= NAMES
    assert (DATA / "rooms.txt").stat().st_size <= 1_500_000


def test_there_are_enough_held_out_stories_and_each_is_there_once() -> None:
    assert len(HELD_OUT) >= 1000 and len({story for story, _ in HELD_OUT}) == len(HELD_OUT)


def test_no_cast_that_is_held_out_stands_in_the_corpus() -> None:
    assert not {cast(f"{story} {answer}") for story, answer in HELD_OUT} & {cast(line) for line in CORPUS}


def test_every_answer_is_whom_the_story_makes_greet() -> None:
    for story, answer in HELD_OUT:
        assert greeted(story) == answer, story
    for line in CORPUS:
        story, answer = re.fullmatch(r"(.* said hi to|\w+ said hi to) (\w+)\.", line).groups()  # type: ignore[union-attr]
        assert re.match(r"\w+ said", story) or greeted(story) == answer, line


def test_every_held_out_story_is_named_a_kind_that_its_words_tell() -> None:
    written = subprocess.run(
        [sys.executable, DATA / "name_kinds.py"], capture_output=True, text=True, check=True
    ).stdout
    named = [line.split("\t") for line in written.splitlines()]
    assert [line[:2] for line in named] == HELD_OUT
    for story, answer, kind in named:
        out = re.search(r"(\w+) walks out", story)
        assert ("later" in story) == (kind in ("later", "leaves", "stays"))
        assert (out is not None) == (kind in ("out", "back", "leaves", "stays"))
        assert ("also" in story) == (kind == "also") and (len(cast(f"{story} {answer}")) == 2) == (
            kind in ("one", "also")
        )


@pytest.mark.parametrize("story", [*ARTICLE, THIRD])
def test_the_articles_stories_are_held_out_word_for_word(story: str) -> None:
    assert [story, {**ARTICLE, THIRD: "monica"}[story]] in HELD_OUT
    assert not any(line.startswith(story) for line in CORPUS)
    assert cast(story) not in {cast(line) for line in CORPUS}
