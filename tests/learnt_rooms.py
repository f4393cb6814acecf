"""Tests of the model that `make demo` trains, on the whole test set: `make test-demo` runs them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import charlstm
from charlstm.inspection.telling_place import find_telling_place
from charlstm.inspection.trace import start_reader
from charlstm.inspection.why import measure_words

ROOT = Path(__file__).parent.parent
PRINTED = subprocess.run([sys.executable, ROOT / "data" / "name_kinds.py"], capture_output=True, text=True, check=True)
TEST_SET = [line.split("\t") for line in PRINTED.stdout.splitlines()]
KINDS = dict.fromkeys(kind for _, _, kind in TEST_SET)
NAMES = {answer for _, answer, _ in TEST_SET}
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="session")
def rooms():
    path = ROOT / "rooms.npz"
    assert path.exists(), "rooms.npz does not exist; `make demo` trains it"
    return charlstm.load(path)


def stories_of(kind):
    return [(story, f" {answer}") for story, answer, other in TEST_SET if other == kind]


def test_99_of_100_answers_are_correct(rooms):
    assert len(TEST_SET) >= 1000
    assert rooms.cloze([pair for kind in KINDS for pair in stories_of(kind)]).accuracy >= 0.99


def test_half_precision_gives_the_same_answers(rooms, tmp_path, counted):
    script = [sys.executable, ROOT / "data" / "bundle_rooms.py", ROOT / "rooms.npz", tmp_path / "half.npz"]
    counted(subprocess.run(script, capture_output=True, text=True, check=True).stdout.strip())
    assert charlstm.load(tmp_path / "half.npz").model.digest != rooms.model.digest


@each_kind
def test_the_name_of_the_answer_has_the_largest_influence(rooms, kind, counted):
    correct = []
    for story, answer in stories_of(kind):
        influence = measure_words(start_reader(rooms.model), story, answer)
        names = NAMES.intersection(re.findall(r"\w+", story))
        correct.append(max(names, key=influence.__getitem__) == answer.strip())
    fraction = sum(correct) / len(correct)
    counted(f"{kind}: the name of the answer has the largest influence in {sum(correct)} of {len(correct)} stories")
    assert fraction >= 0.95


@each_kind
def test_the_telling_place_is_mostly_before_the_answer(rooms, kind, counted):
    correct = [find_telling_place(rooms.model, f"{story}{answer}.") == len(story) for story, answer in stories_of(kind)]
    counted(f"{kind}: the telling place is before the answer in {sum(correct)} of {len(correct)} stories")
    assert sum(correct) / len(correct) >= 0.6


def test_the_network_of_the_page_answers_as_the_model_does(rooms, read_in_page, counted):
    stories = [(story, answer) for kind in KINDS for story, answer in stories_of(kind)[:5]]
    for story, answer in stories:
        _, predictions, _ = read_in_page(rooms.model, story + answer)
        expected = rooms.trace(story + answer).log_probabilities
        np.testing.assert_allclose(np.exp(predictions), np.exp(expected), atol=1e-5)
        np.testing.assert_allclose(predictions, expected, rtol=1e-5, atol=1e-5)  # up to 60 nats in float32
    counted(f"{len(stories)} stories read by the network of the page")
