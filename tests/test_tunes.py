"""The made-up tunes have what they claim, and their reader notices what they lack."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from check_tunes import read_tune, share_in_key
from make_tunes import build_tunes, write_tunes

TUNES = list(write_tunes(2000))
D = """X:1
T:New
M:3/4
L:1/8
K:D
D2E2F2 | A3Bd2 | f6 | ^G2A2B2 |
D2E2F2 | A3Bd2 | f6 | D6 |]"""
SHORT = "X:1\nT:New\nK:F\nF2A2c2d2 | G8 | A4=B4 | F8 |]"


def printed(hash_seed: str) -> bytes:
    script = Path(__file__).with_name("make_tunes.py")
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run([sys.executable, script], capture_output=True, check=True, env=environment).stdout


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert printed("1") == printed("2") == build_tunes(2000).encode()
    assert build_tunes(50, seed=1) != build_tunes(50)
    assert build_tunes(2000).removesuffix("\n").split("\n\n") == TUNES


def test_every_tune_has_its_header_ends_whole_and_its_bars_add_up() -> None:
    for tune in TUNES:
        read = read_tune(tune)
        assert read.header and read.whole and read.bars_add_up and read.notes >= 4, tune


def test_one_note_of_25_is_not_in_its_key_and_letters_tell_the_key() -> None:
    assert 0.95 < share_in_key(map(read_tune, TUNES)) < 0.97
    keys = defaultdict(list)
    for tune in TUNES:
        key = tune.split("\nK:")[1][0]
        keys[key].append(tune)
    assert len(keys) >= 4
    for key, tunes in keys.items():
        assert 0.94 < share_in_key(map(read_tune, tunes)) < 0.98
        for other in keys.keys() - {key}:
            renamed = [tune.replace(f"\nK:{key}\n", f"\nK:{other}\n") for tune in tunes]
            assert share_in_key(map(read_tune, renamed)) < 0.9, (key, other)


def test_metres_and_headers_vary() -> None:
    metres = Counter(line for tune in TUNES for line in tune.split("\n") if line[:2] in ("M:", "L:"))
    assert len(metres) >= 5
    without = sum("\nM:" not in tune for tune in TUNES)
    assert 0.1 < without / len(TUNES) < 0.4


@pytest.mark.parametrize(("tune", "notes", "in_key"), [(D, 18, 17), (SHORT, 8, 7)])
def test_a_tune_is_read(tune: str, notes: int, in_key: int) -> None:
    assert read_tune(tune) == (True, True, True, notes, in_key)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("X:1\nT:New", "T:New\nX:1"),
        ("M:3/4\nL:1/8", "L:1/8\nM:3/4"),
        ("L:1/8\nK:D\n", "K:D\nL:1/8\n"),
        ("X:1\n", ""),
        ("T:New\n", ""),
        ("T:New", "T:"),
        ("M:3/4\n", ""),
        ("L:1/8\n", ""),
        ("K:D\n", ""),
        ("K:D", "K:H"),
        ("X:1", "X:one"),
        ("T:New\n", "T:New\nT:New\n"),
    ],
)
def test_a_header_out_of_order_or_incomplete_is_noticed(old: str, new: str) -> None:
    assert old in D and not read_tune(D.replace(old, new)).header


@pytest.mark.parametrize(
    ("old", "new"), [("|]", "|"), ("|]", ""), ("|]", "|]\n"), ("|]", "|]|]"), ("^G2A2B2 |", "^G2A2B2 |]"), ("|]", "]")]
)
def test_a_tune_that_does_not_end_whole_is_noticed(old: str, new: str) -> None:
    changed = read_tune(D.replace(old, new))
    assert old in D and changed.header and not changed.whole


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("f6", "f7"),
        ("A3Bd2", "A3B2d2"),
        ("A3Bd2", "A3d2"),
        ("A3Bd2 |", "A3Bd2"),
        ("f6 |", "f6 | |"),
        ("f6", ""),
        ("f6", "f6 x"),
        ("f6", "f6^"),
        ("f6", "h6"),
        ("M:3/4", "M:4/4"),
        ("L:1/8", "L:1/4"),
    ],
)
def test_a_bar_that_does_not_add_up_is_noticed(old: str, new: str) -> None:
    changed = read_tune(D.replace(old, new))
    assert old in D and changed.header and not changed.bars_add_up


@pytest.mark.parametrize(
    ("bar", "in_key"),
    [
        ("D2E2F2", 3),
        ("G2c2D2", 1),  # the key has G and c sharp; its scale has neither
        ("=F2^F2F2", 2),  # natural, then sharp to the end of the bar
        ("=F2F2f2", 0),
        ("^E2_E2=E2", 1),
        ("=f2F2D2", 1),  # in every octave
        ("d3f3", 2),
    ],
)
def test_notes_outside_the_scale_of_the_key_are_noticed(bar: str, in_key: int) -> None:
    one = read_tune(f"X:1\nT:New\nM:3/4\nL:1/8\nK:D\n{bar} |]")
    assert one.bars_add_up and one.in_key == in_key
    then = read_tune(f"X:1\nT:New\nM:3/4\nL:1/8\nK:D\n{bar} | F6 |]")
    assert then.in_key == in_key + 1  # an accidental ends with its bar
