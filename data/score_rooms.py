"""Score a model on the held-out stories: how many it answers, letter by letter, with the right name.

python data/score_rooms.py MODEL
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from make_rooms import KINDS, stories

import charlstm
from charlstm import LanguageModel

HELD_OUT = Path(__file__).parent / "rooms-heldout.tsv"


def answer(model: LanguageModel, story: str) -> str:
    """Return what the model says after a story: its likeliest continuation through the first full stop."""
    return model.sample(story, length=40, temperature=0.0, stop=".").text


def main(path: Path) -> None:
    """Print a line a kind of story, and one for all."""
    model = charlstm.load(path)
    kind_of = {text: kind for kind in KINDS for text, _ in stories(kind, held_out=True)}
    asked: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for line in HELD_OUT.read_text(encoding="utf-8").splitlines():
        story, name = line.split("\t")
        asked[kind_of[story]] += 1
        right[kind_of[story]] += answer(model, story) == f" {name}."
    for kind, count in asked.items():
        print(f"{kind:<8} {right[kind]:>5,} of {count:>5,} {right[kind] / count:>8.2%}")
    print(f"{'all':<8} {right.total():>5,} of {asked.total():>5,} {right.total() / asked.total():>8.2%}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
