"""The model of `make demo`, asked about every story that it has not read: `make test-demo`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import charlstm
from charlstm.inspection.trace import start_reader
from charlstm.inspection.why import measure_words

ROOT = Path(__file__).parent.parent
TOLD = subprocess.run([sys.executable, ROOT / "data" / "name_kinds.py"], capture_output=True, text=True, check=True)
HELD_OUT = [line.split("\t") for line in TOLD.stdout.splitlines()]
KINDS = dict.fromkeys(kind for _, _, kind in HELD_OUT)
NAMES = {answer for _, answer, _ in HELD_OUT}
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="session")
def rooms():
    path = ROOT / "rooms.npz"
    assert path.exists(), "there is no model of the stories; `make demo` learns it"
    return charlstm.load(path)


def stories(kind):
    return [(story, f" {answer}") for story, answer, other in HELD_OUT if other == kind]


def test_it_answers_99_of_100(rooms):
    assert len(HELD_OUT) >= 1000
    assert rooms.cloze([pair for kind in KINDS for pair in stories(kind)]).accuracy >= 0.99


@each_kind
def test_the_answers_name_is_the_most_influential_of_the_story(rooms, kind, counted):
    right = []
    for story, answer in stories(kind):
        influence = measure_words(start_reader(rooms.model), story, answer)
        names = NAMES.intersection(re.findall(r"\w+", story))
        right.append(max(names, key=influence.__getitem__) == answer.strip())
    share = sum(right) / len(right)
    counted(f"{kind}: the answer's name counts most in {sum(right)} of {len(right)} stories")
    assert share >= 0.95
