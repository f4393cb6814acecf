"""The poems have what they claim, and their checker notices what they lack."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

DATA = Path(__file__).parent.parent / "data"
sys.path.insert(0, str(DATA))

import check_rondels  # noqa: E402
import make_rondels  # noqa: E402
from check_rondels import Verdict, check_poem  # noqa: E402

FILES = make_rondels.build_files(seed=0)
MOODS = ("gloomy", "merry", "tender", "wild")
POEM = """The Golden Bell
so golden the bell
now sing in May
the bell by the gate
you rest all day
yet golden the mill
The Golden Bell"""
GOOD = Verdict(True, True, True, "The Golden Bell")


def poems_of(folder: str, mood: str) -> list[str]:
    return FILES[f"{folder}/{mood}.txt"].removesuffix("\n").split("\n\n")


def titles_of(folder: str) -> set[str]:
    return {poem.split("\n")[0] for mood in MOODS for poem in poems_of(folder, mood)}


def run(script: str, *arguments: str | Path, hash_seed: str = "0") -> str:
    return subprocess.run(
        [sys.executable, DATA / script, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    ).stdout


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for hash_seed in "12":
        run("make_rondels.py", tmp_path / hash_seed, hash_seed=hash_seed)
        written = [path for path in (tmp_path / hash_seed).rglob("*") if path.is_file()]
        named = {path.relative_to(tmp_path / hash_seed).as_posix(): path.read_bytes().decode() for path in written}
        assert named == FILES
    other = make_rondels.build_files(seed=1)
    assert other.keys() == FILES.keys()
    for name, text in FILES.items():
        assert (other[name] == text) == (name == "rondels-titles.txt")


def test_every_poem_passes_the_checker() -> None:
    for folder in ("rondels", "rondels-validation"):
        for mood in MOODS:
            for poem in poems_of(folder, mood):
                assert all(check_poem(poem, mood)[:3]), poem


def test_a_quarter_of_the_titles_occurs_only_in_the_validation_set() -> None:
    training, validation = titles_of("rondels"), titles_of("rondels-validation")
    new = validation - training
    assert len(training | new) >= 400 and len(new) * 4 == len(training | new)
    assert sorted(new) == sorted(FILES["rondels-titles.txt"].splitlines())
    for k in (1, 2):  # every word of a new title is known from others
        assert {title.split()[k] for title in new} == {title.split()[k] for title in training}


def test_no_word_of_a_title_begins_another() -> None:
    """So a title that is given as the start of a poem is complete."""
    for k in (1, 2):
        words = sorted({title.split()[k] for title in titles_of("rondels")})
        assert not [a for a in words for b in words if a != b and b.startswith(a)]


def test_poems_have_every_length_and_every_mood_has_as_many_as_the_others() -> None:
    for folder in ("rondels", "rondels-validation"):
        assert len({len(poems_of(folder, mood)) for mood in MOODS}) == 1
    lengths = Counter(poem.count("\n") for mood in MOODS for poem in poems_of("rondels", mood))
    assert sorted(lengths) == list(range(4, 31, 2))


def test_only_the_rhyme_tells_the_mood() -> None:
    """Titles, lengths and all words but the rhymes are alike in every mood."""
    words, ends = {}, {}
    for mood in MOODS:
        lines = [line for poem in poems_of("rondels", mood) for line in poem.split("\n")[:-1]]
        rhyming = [line.split() for line in lines if line.startswith(("now ", "we ", "they ", "you "))]
        others = {word for line in lines for word in line.split() if line.split() not in rhyming}
        words[mood] = {tuple(line[:2]) for line in rhyming}, others
        ends[mood] = {line[-1] for line in rhyming}
    assert len(MOODS) >= 3 and all(words[mood] == words["merry"] for mood in MOODS)
    assert sum(map(len, ends.values())) == len(set().union(*ends.values()))


def poem_of(lines: int) -> str:
    """A poem of a number of lines below its title."""
    body = ["so golden the bell", "now sing in May", *["the bell by the gate", "you rest all day"] * lines]
    return "\n".join(["The Golden Bell", *body[: lines - 1], *["The Golden Bell"] * (lines > 0)])


@pytest.mark.parametrize("lines", [4, 6, 8, 28, 30])
def test_a_poem_of_an_allowed_length_is_well_formed(lines: int) -> None:
    assert check_poem(poem_of(lines), "merry") == GOOD


@pytest.mark.parametrize("lines", [0, 1, 2, 3, 5, 29, 31, 32])
def test_a_poem_of_another_length_is_not(lines: int) -> None:
    assert not check_poem(poem_of(lines), "merry").well_formed


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("mill\nThe Golden", "mill\nThe Silver", {"ends_with_title"}),
        ("mill\nThe Golden Bell", "mill\nThe Golden Star", {"ends_with_title"}),
        ("mill\nThe Golden Bell", "mill\nThe Golden", {"ends_with_title", "well_formed"}),
        ("mill\nThe Golden Bell", "mill", {"ends_with_title", "well_formed"}),
        ("The Golden Bell\nso", "so", {"ends_with_title", "well_formed", "keeps_rhyme"}),
        ("Bell\nso", "Bell \nso", {"ends_with_title", "well_formed"}),
        ("Golden", "Goldn", {"well_formed"}),
        ("The Golden Bell", "The Bell", {"well_formed"}),
        ("The Golden Bell", "the golden bell", {"well_formed"}),
        ("in May", "at sea", {"keeps_rhyme"}),
        ("all day", "in June", {"keeps_rhyme"}),
        ("in May", "in Maine", {"keeps_rhyme", "well_formed"}),
        ("all day", "all May", {"well_formed"}),
        ("you rest all day", "you rest", {"keeps_rhyme", "well_formed"}),
        ("now sing in May\n", "", {"keeps_rhyme", "well_formed"}),
        ("now", "we", {"well_formed"}),
        ("you rest", "now rest", {"well_formed"}),
        ("you rest", "yourest", {"well_formed"}),
        ("so golden", "yet golden", {"well_formed"}),
        ("so golden the", "the bell by the", {"well_formed"}),
        ("yet golden", "so golden", {"well_formed"}),
        ("the gate", "the gat", {"well_formed"}),
        ("the gate", "the gate ", {"well_formed"}),
        ("golden the bell", "golden the hill", {"well_formed"}),
        ("golden the bell", "golden the star", {"well_formed"}),
        ("the bell by the gate", "the star by the gate", {"well_formed"}),
        ("so golden", "so silver", {"well_formed"}),
        ("yet golden", "yet bell", {"well_formed"}),
        ("yet golden the mill\n", "", {"well_formed"}),
        ("the bell by the gate\nyou rest all day\n", "", set()),
        ("gate\n", "gate\n\n", {"well_formed", "keeps_rhyme"}),
        ("gate\n", "gate\nyet golden the gate\n", {"well_formed", "keeps_rhyme"}),
    ],
)
def test_the_checker_notices_a_planted_fault(old: str, new: str, lost: set[str]) -> None:
    assert check_poem(POEM, "merry") == check_poem(POEM) == GOOD
    assert old in POEM
    verdict = check_poem(POEM.replace(old, new), "merry")
    assert {name for name in Verdict._fields[:3] if not getattr(verdict, name)} == lost


def test_the_rhyme_must_be_that_of_the_label_and_the_same_throughout() -> None:
    mixed = POEM.replace("all day", "at sea")
    assert not check_poem(POEM, "wild").keeps_rhyme and not check_poem(POEM, "unknown").keeps_rhyme
    assert not check_poem(mixed).keeps_rhyme and not check_poem(mixed, "wild").keeps_rhyme


def test_the_script_counts_samples_and_prints_those_with_a_fault(tmp_path: Path) -> None:
    samples = [
        {"seed": "", "text": POEM, "label": "merry", "stop": "end"},
        {"seed": POEM[:20], "text": POEM[20:], "label": None},
        {"text": POEM, "label": "wild"},
        {"text": POEM[:-5]},
    ]
    path = tmp_path / "samples.jsonl"
    path.write_text("".join(json.dumps(sample) + "\n" for sample in samples), encoding="utf-8")
    titles = tmp_path / "titles.txt"
    titles.write_text("The Golden Bell\n")
    printed = run("check_rondels.py", path, "--titles", titles, "--faults")
    assert "4 poems, 2 with a label" in printed and f"4 with a title of {titles}" in printed
    shares = dict(re.findall(r"^(\w[\w ]+?) +([\d.]+)%$", printed, re.MULTILINE))
    assert shares == {"ends with title": "75.0", "well formed": "75.0", "keeps rhyme": "75.0"}
    assert "[wild] not: keeps rhyme" in printed and "[None] not: ends with title, well formed" in printed


def test_the_script_reads_poems_and_takes_their_label_from_the_name_of_the_file(tmp_path: Path) -> None:
    for name in ("merry.txt", "wild.txt", "poems.txt"):
        (tmp_path / name).write_text(f"{POEM}\n\n{POEM}\n")
    printed = run("check_rondels.py", *sorted(tmp_path.iterdir()))
    assert "6 poems, 4 with a label" in printed and re.search(r"keeps rhyme +66\.7%", printed)
    assert check_rondels.count_verdicts([])["poems"] == 0
