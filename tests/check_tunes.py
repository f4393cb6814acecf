"""Read tunes in ABC notation and tell what holds: a reader of its own, which shares nothing with `make_tunes`.

The notes of a key are its major pentatonic scale. With all seven notes, every note without an accidental would be in
its key, whichever letter it has.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

SEMITONES = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11), strict=True))
SHARPS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3}  # of the key signature; one flat counts as -1
SHARPENED, FLATTENED = "FCGDAEB", "BEADGCF"
PENTATONIC = (0, 2, 4, 7, 9)
ACCIDENTALS = {"^": 1, "_": -1, "=": 0}
HEADER = re.compile(r"X:\d+\nT:[^\n]+\n(?:M:(\d+/\d+)\nL:(\d+/\d+)\n)?K:([CGDAF])\n")
NOTE = re.compile(r"([\^_=]?)([A-Ga-g])(\d*)")


class Tune(NamedTuple):
    """What a reader finds in a tune.

    Attributes
    ----------
    header
        The fields X, T, M and L (or neither) and K come in this order, each once, and nothing else before the music.
    whole
        The music ends with `|]`, which occurs only there.
    bars_add_up
        Every bar has notes, and their lengths add up to the metre.
    notes, in_key
        The notes of the music, and how many of them are in the key; 0 without a header.
    """

    header: bool
    whole: bool
    bars_add_up: bool
    notes: int
    in_key: int


def key_signature(key: str) -> dict[str, int]:
    """Return by how many semitones the signature of a major key raises each letter."""
    sharps = SHARPS[key]
    raised = dict.fromkeys("ABCDEFG", 0)
    raised.update(dict.fromkeys(SHARPENED[: max(sharps, 0)], 1))
    raised.update(dict.fromkeys(FLATTENED[: max(-sharps, 0)], -1))
    return raised


def read_bar(bar: str, key: str) -> tuple[int, list[int]]:
    """Return the length of a bar in units, and its notes in semitones above the tonic; accidentals hold to its end."""
    raised, length, pitches = key_signature(key), 0, []
    for accidental, letter, units in NOTE.findall(bar):
        if accidental:
            raised[letter.upper()] = ACCIDENTALS[accidental]
        pitches.append((SEMITONES[letter.upper()] + raised[letter.upper()] - SEMITONES[key]) % 12)
        length += int(units or 1)
    return length, pitches


def read_tune(tune: str) -> Tune:
    """Read a tune, without the blank line after it."""
    header = HEADER.match(tune)
    music = tune[header.end() :] if header else tune
    whole = music.endswith("|]") and "]" not in music[:-1]
    if not header:
        return Tune(False, whole, False, 0, 0)
    metre, unit, key = header.groups()
    units = Fraction(metre or "4/4") / Fraction(unit or "1/8")
    bars = [bar.strip(" \n") for bar in music.removesuffix("]").removesuffix("|").split("|")]
    read = [read_bar(bar, key) for bar in bars]
    pitches = [pitch for _, notes in read for pitch in notes]
    return Tune(
        True,
        whole,
        all(re.fullmatch(f"(?:{NOTE.pattern})+", bar) for bar in bars) and all(length == units for length, _ in read),
        len(pitches),
        sum(pitch in PENTATONIC for pitch in pitches),
    )


def share_in_key(tunes: Iterable[Tune]) -> float:
    """Return the share of all notes of some tunes that are in the keys of their tunes; NaN if there are none."""
    notes, in_key = map(sum, zip(*((tune.notes, tune.in_key) for tune in tunes), strict=True))
    return in_key / notes if notes else math.nan
