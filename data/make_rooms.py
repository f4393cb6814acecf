"""Write the corpus of the demo: people walk in and out of a room, and one person says hi to another.

    python data/make_rooms.py            writes rooms.txt and rooms-heldout.tsv next to this file
    python data/make_rooms.py FOLDER     writes them to FOLDER

Each story is one line. The speaker greets the person who came in last and is still in the room. These are the kinds of
stories:

    one      monica walks in to the room. mady said hi to monica.
    also     mady walks in to the room, monica also walks in to the room. mady said hi to monica.
    out      monica and richard walk in to the room together. richard walks out of the room. mady said hi to monica.
    back     monica and richard walk in to the room together. monica walks out of the room. mady said hi to richard.
    later    mady and monica walk in to the room together, later richard walks in to the room. mady said hi to richard.
    leaves   mady and monica walk in to the room together, later richard walks in to the room.
             richard walks out of the room. mady said hi to monica.
    stays    mady and monica walk in to the room together, later richard walks in to the room.
             monica walks out of the room. mady said hi to richard.

The corpus also has one greeting without a story for each name, such as «mady said hi to clara.».

Words in brackets in `KINDS` are optional, so the corpus has a story of nearly every length. What a network learns on a
short story carries over to a longer one. The stories of the test set have all words.

The cast of a story is the set of people in it. Some casts belong to the test set: their stories are in
rooms-heldout.tsv and not in rooms.txt. They include the two casts of the article: mady and monica, and both with
richard. The files depend only on this program.
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
TEST_CASTS = {2: (6, 1), 3: (6, 3)}  # people in the cast → modulus and remainder of a test cast
TEST_STORIES = 300  # at most, of each kind

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
    """Return the SHA-256 digest of a text, which orders stories pseudo-randomly."""
    return sha256(text.encode()).digest()


def is_test_cast(people: tuple[str, ...]) -> bool:
    """Return whether a cast belongs to the test set, given the sum of the indices of its names.

    The test set has a sixth of all pairs and of all trios, spread evenly over the names and their combinations.
    """
    modulus, remainder = TEST_CASTS[len(people)]
    return sum(map(NAMES.index, people)) % modulus == remainder


def expand(template: str) -> Iterator[str]:
    """Yield a template with every combination of its optional words; the last one has all of them."""
    parts = re.split(r"\[(.*?)\]", template)
    for kept in product((False, True), repeat=len(parts) // 2):
        yield "".join(part * (k % 2 == 0 or kept[k // 2]) for k, part in enumerate(parts))


def list_stories(kind: str, test: bool) -> list[tuple[str, str]]:
    """Return the stories of a kind in pseudo-random order, each as its text up to «said hi to» and its answer.

    Parameters
    ----------
    kind
        A key of `KINDS`.
    test
        True: the stories of the test set, with all optional words. False: the stories of the corpus, with every
        combination of them.
    """
    template, answer = KINDS[kind]
    texts = [f"{text}{{a}} said hi to" for text in expand(template)]
    found = []
    for people in permutations(NAMES, 3 if "{c}" in template else 2):
        if is_test_cast(people) == test:
            names = dict(zip("abc", people, strict=False))
            found += [(text.format(**names), names[answer]) for text in (texts[-1:] if test else texts)]
    return sorted(found, key=lambda story: digest(story[0]))


def greet_without_story(name: str) -> str:
    """Return a greeting by a person, without a story."""
    others = (other for other in NAMES if other != name and not is_test_cast((name, other)))
    return f"{name} said hi to {min(others, key=lambda other: digest(name + other))}.\n"


def build_corpus() -> str:
    """Return rooms.txt: `LINES` lines of each kind; stories repeat if a kind has fewer."""
    lines = [greet_without_story(name) for name in NAMES]
    for kind, count in LINES.items():
        distinct = [f"{text} {answer}.\n" for text, answer in list_stories(kind, test=False)]
        lines += (distinct * -(-count // len(distinct)))[:count]
    return "".join(line for _, line in sorted((digest(f"{k} {line}"), line) for k, line in enumerate(lines)))


def build_test_set() -> str:
    """Return rooms-heldout.tsv: on each line a story up to «said hi to», a tab and the answer."""
    return "".join(
        f"{text}\t{answer}\n" for kind in KINDS for text, answer in list_stories(kind, test=True)[:TEST_STORIES]
    )


def main(folder: Path) -> None:
    """Write both files."""
    for name, text in (("rooms.txt", build_corpus()), ("rooms-heldout.tsv", build_test_set())):
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
