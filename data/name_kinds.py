"""Print the test set with the kind of each story as a third column, so that a cloze test counts each kind.

python data/name_kinds.py | charlstm inspect -m MODEL --cloze -
"""

from __future__ import annotations

from pathlib import Path

from make_rooms import KINDS, list_stories

TEST_SET = Path(__file__).parent / "rooms-heldout.tsv"


def main() -> None:
    """Print the lines of rooms-heldout.tsv, each with its kind."""
    kind_of = {text: kind for kind in KINDS for text, _ in list_stories(kind, test=True)}
    for line in TEST_SET.read_text(encoding="utf-8").splitlines():
        print(line, kind_of[line.split("\t")[0]], sep="\t")


if __name__ == "__main__":
    main()
