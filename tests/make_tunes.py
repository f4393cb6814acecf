"""Made-up tunes in ABC notation, separated by blank lines: `python tests/make_tunes.py > tunes.abc`.

A tune has the header fields X, T, M, L and K, in this order. M and L are left out together in a third of the tunes,
which then are in 4/4 with eighths. The music has lines of four bars, and ends with `|]`. The note lengths of a bar add
up to the metre. A tune keeps to the major pentatonic scale of its key, so that the letters of its notes tell the key;
one note of 25 is the raised fourth instead, with its accidental. The last note is the tonic.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from random import Random
from typing import TypeVar

# The scale as letters that the key signature raises or lowers, and the raised fourth.
SCALES = {
    "C": ("C D E G A c d e g a", "^F"),
    "G": ("G A B d e g a b", "^c"),
    "D": ("D E F A B d e f a b", "^G"),
    "A": ("A B c e f a b", "^d"),
    "F": ("F G A c d f g a", "=B"),
}
BARS = {  # metre and unit of length → the lengths of the notes of a bar; last that of a bar with one note
    ("2/4", "1/8"): ("22", "211", "112", "1111", "31", "4"),
    ("3/4", "1/8"): ("222", "42", "2211", "1122", "312", "6"),
    ("4/4", "1/8"): ("2222", "422", "31211", "112211", "44", "8"),
    ("6/8", "1/8"): ("33", "2121", "111111", "321", "213", "6"),
    ("3/4", "1/4"): ("111", "21", "12", "3"),
    ("4/4", "1/4"): ("1111", "211", "112", "22", "31", "4"),
}
PLAIN = ("4/4", "1/8")
FIRST_WORDS = ("New", "Old", "Red", "Blue", "Long", "Merry")
SECOND_WORDS = ("", " Reel", " Jig", " Road", " Mill", " Lass")
BARS_PER_LINE = 4
RAISED = 0.04
PLAIN_SHARE = 1 / 3

T = TypeVar("T")


def pick(rng: Random, items: Sequence[T]) -> T:
    """Return a random item; only `random`, whose numbers are the same in every version of Python, is called."""
    return items[int(rng.random() * len(items))]


def write_bar(rng: Random, key: str, rhythm: str, place: int) -> tuple[str, int]:
    """Return the notes of a bar, and at which note of the scale it ends; neighbours are at most two notes apart."""
    notes, raised = SCALES[key]
    scale = notes.split()
    bar = ""
    for length in rhythm:
        place = min(max(place + pick(rng, (-2, -1, -1, 0, 1, 1, 2)), 0), len(scale) - 1)
        bar += (raised if rng.random() < RAISED else scale[place]) + (length if length != "1" else "")
    return bar, place


def write_tune(rng: Random, number: int) -> str:
    """Return a tune with its number in the field X, without a newline at its end."""
    key = pick(rng, tuple(SCALES))
    metre, unit = kind = PLAIN if rng.random() < PLAIN_SHARE else pick(rng, tuple(BARS))
    is_short = kind == PLAIN and rng.random() < 0.5
    fields = [f"X:{number}", f"T:{pick(rng, FIRST_WORDS)}{pick(rng, SECOND_WORDS)}"]
    fields += [f"K:{key}"] if is_short else [f"M:{metre}", f"L:{unit}", f"K:{key}"]
    place, lines = 2, []
    for _ in range(pick(rng, (1, 2, 2, 3))):
        bars = []
        for _ in range(BARS_PER_LINE):
            bar, place = write_bar(rng, key, pick(rng, BARS[kind]), place)
            bars.append(bar)
        lines.append(bars)
    lines[-1][-1] = key + BARS[kind][-1]
    return "\n".join([*fields, *(" | ".join(bars) + " |" for bars in lines)]) + "]"


def write_tunes(count: int, seed: int = 0) -> Iterator[str]:
    """Yield tunes, the same for the same seed."""
    rng = Random(f"tunes {seed}")
    for _ in range(count):
        yield write_tune(rng, 1 + int(9 * rng.random()))


def build_tunes(count: int, seed: int = 0) -> str:
    """Return tunes separated by blank lines."""
    return "\n\n".join(write_tunes(count, seed)) + "\n"


if __name__ == "__main__":
    sys.stdout.write(build_tunes(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
