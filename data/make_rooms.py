"""Write the story corpus: people walk in and out of a room, and one says hi to another.

    python data/make_rooms.py            writes rooms.txt and rooms-heldout.tsv beside this file
    python data/make_rooms.py FOLDER     writes them into FOLDER

Every story is one line. To answer «mady said hi to» a reader must remember who came in last and is still there:

    one      monica walks in to the room. mady said hi to monica.
    also     mady walks in to the room, monica also walks in to the room. mady said hi to monica.
    out      monica and richard walk in to the room together. richard walks out of the room. mady said hi to monica.
    back     monica and richard walk in to the room together. monica walks out of the room. mady said hi to richard.
    later    mady and monica walk in to the room together, later richard walks in to the room. mady said hi to richard.
    leaves   mady and monica walk in to the room together, later richard walks in to the room.
             richard walks out of the room. mady said hi to monica.
    stays    mady and monica walk in to the room together, later richard walks in to the room.
             monica walks out of the room. mady said hi to richard.

Once for every name there is also a bare «mady said hi to clara.», which nothing answers.

The words in brackets in `KINDS` may be left out: so there is a story of nearly every length, and what is learnt on a
short one carries over to the next. The held-out stories have all the words.

A story's cast is the set of people in it. A part of all casts is held out: it has stories in rooms-heldout.tsv and none
in rooms.txt. The article's two casts, mady and monica alone and with richard, are among them. The files depend on
nothing but this program.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from hashlib import sha256
from itertools import permutations, product
from pathlib import Path

NAMES = (
    *("mady", "monica", "richard", "alice", "ben", "clara"),
    *("david", "emma", "felix", "grace", "henry", "julia"),
)
HELD_OUT = {2: (6, 1), 3: (6, 3)}
VALIDATION_STORIES = 300

TWO_WALK_IN = "{b} and {c} walk in[ to the room][ together]. "
THIRD_WALKS_IN = "{a} and {b} walk in[ to the room][ together],[ later] {c} walks in[ to the room]. "
B_WALKS_OUT, C_WALKS_OUT = "{b} walks out[ of the room]. ", "{c} walks out[ of the room]. "
KINDS = {
    "one": ("{b} walks in[ to the room]. ", "b"),
    "also": ("{a} walks in[ to the room], {b}[ also] walks in[ to the room]. ", "b"),
    "out": (TWO_WALK_IN + C_WALKS_OUT, "b"),
    "back": (TWO_WALK_IN + B_WALKS_OUT, "c"),
    "later": (THIRD_WALKS_IN, "c"),
    "leaves": (THIRD_WALKS_IN + C_WALKS_OUT, "b"),
    "stays": (THIRD_WALKS_IN + B_WALKS_OUT, "c"),
}
LINES = {"one": 1200, "also": 3000, "out": 1900, "back": 1900, "later": 3200, "leaves": 3000, "stays": 2500}


def digest(text: str) -> bytes:
    """Return a number that looks random and follows from the text alone."""
    return sha256(text.encode()).digest()


def held_out_cast(people: tuple[str, ...]) -> bool:
    """Say whether the stories of these people are held out: by the sum of their places among the names.

    A sixth of all pairs and of all trios, spread evenly over the names and over who meets whom.
    """
    every, which = HELD_OUT[len(people)]
    return sum(map(NAMES.index, people)) % every == which


def wordings(template: str) -> Iterator[str]:
    """Yield a template with every choice of its words in brackets, all of them last."""
    parts = re.split(r"\[(.*?)\]", template)
    for kept in product((False, True), repeat=len(parts) // 2):
        yield "".join(part * (k % 2 == 0 or kept[k // 2]) for k, part in enumerate(parts))


def stories(kind: str, held_out: bool) -> list[tuple[str, str]]:
    """Return the stories of a kind, shuffled: the text up to «said hi to», and the answer.

    Held-out ones in their full wording, the others in every wording.
    """
    template, answer = KINDS[kind]
    texts = [f"{text}{{a}} said hi to" for text in wordings(template)]
    found = []
    for people in permutations(NAMES, 3 if "{c}" in template else 2):
        if held_out_cast(people) == held_out:
            names = dict(zip("abc", people, strict=False))
            found += [(text.format(**names), names[answer]) for text in (texts[-1:] if held_out else texts)]
    return sorted(found, key=lambda story: digest(story[0]))


def bare(name: str) -> str:
    """Return a greeting by someone without a story."""
    others = (other for other in NAMES if other != name and not held_out_cast((name, other)))
    return f"{name} said hi to {min(others, key=lambda other: digest(name + other))}.\n"


def corpus() -> str:
    """Return rooms.txt: as many lines of each kind as `LINES` says, stories again where there are fewer."""
    lines = [bare(name) for name in NAMES]
    for kind, count in LINES.items():
        known = [f"{text} {answer}.\n" for text, answer in stories(kind, held_out=False)]
        lines += (known * -(-count // len(known)))[:count]
    return "".join(line for _, line in sorted((digest(f"{k} {line}"), line) for k, line in enumerate(lines)))


def held_out() -> str:
    """Return rooms-heldout.tsv: story up to «said hi to», tab, answer."""
    return "".join(
        f"{text}\t{answer}\n" for kind in KINDS for text, answer in stories(kind, held_out=True)[:VALIDATION_STORIES]
    )


def main(folder: Path) -> None:
    """Write both files."""
    for name, text in (("rooms.txt", corpus()), ("rooms-heldout.tsv", held_out())):
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
