"""Store the model that `make demo` trains in half precision, as the package includes it.

    python data/bundle_rooms.py rooms.npz charlstm/model/data/rooms.npz

It refuses a model that answers a held-out story otherwise in half precision. The same model gives the same bytes, also
if it is in half precision already.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import charlstm
from charlstm.base.files import write_file
from charlstm.model import checkpoint

STORIES = Path(__file__).parent / "rooms-heldout.tsv"


def answers(model: charlstm.LanguageModel) -> list[str]:
    """Return the name that the model gives as the answer to each held-out story."""
    lines = STORIES.read_text(encoding="utf-8").splitlines()
    stories = [tuple(line.split("\t")) for line in lines]
    return model.cloze([(story, f" {name}") for story, name in stories]).predicted


def main(trained: Path, bundled: Path) -> None:
    """Write the bundled model, or end with a message."""
    full = charlstm.load(trained)
    bundled.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        half = Path(folder) / "half.npz"
        checkpoint.save(full.model, half, checkpoint.HALF)
        before, after = answers(full), answers(charlstm.load(half))
        changed = sum(one != other for one, other in zip(before, after, strict=True))
        if changed:
            sys.exit(f"half precision changes {changed:,} of {len(before):,} answers; {bundled} is unchanged")
        write_file(bundled, lambda file: file.write(half.read_bytes()))
    print(f"{bundled}: {bundled.stat().st_size:,} bytes; the same {len(before):,} answers as {trained}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
