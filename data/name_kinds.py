"""Write the held-out stories with a third column, the kind of each, for a cloze test that counts every kind.

python data/name_kinds.py | charlstm inspect -m MODEL --cloze -
"""

from __future__ import annotations

from pathlib import Path

from make_rooms import KINDS, stories

HELD_OUT = Path(__file__).parent / "rooms-heldout.tsv"


def main() -> None:
    """Print the lines of rooms-heldout.tsv, each with its kind."""
    kind_of = {text: kind for kind in KINDS for text, _ in stories(kind, held_out=True)}
    for line in HELD_OUT.read_text(encoding="utf-8").splitlines():
        print(line, kind_of[line.split("\t")[0]], sep="\t")


if __name__ == "__main__":
    main()
