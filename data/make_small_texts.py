"""Write the small texts that the defaults of training are measured on: a poem, names, poems and prose of several sizes.

    python data/make_small_texts.py FOLDER

poem.txt            a stream of 248 characters
names-SIZE.txt      made-up names, one per line
poems-SIZE.txt      poems of make_rondels.py, separated by blank lines
prose-SIZE.txt      a stream: the paragraphs of README.md and of other documents of this project, which change with them

The sizes are 250 (names and poems only), 5k, 20k and 100k characters; the prose ends earlier if the documents do.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import make_rondels

SIZES = {"250": 250, "5k": 5_000, "20k": 20_000, "100k": 100_000}

POEM = """\
The lamp is low, the kettle sings,
the rain taps softly at the pane;
a sparrow folds its narrow wings
and waits below the weather vane.

The night comes slowly up the hill,
it lays its coat on field and lane;
the house is warm, the house is still.
"""

ONSETS = "b br c d dr f g gl h j k l m n p r s st t th v w z - -"  # - is silent
VOWELS = "a e i o u ae ia ei oo"
CODAS = "n l r s nd ll m th x ck - -"
ENDINGS = "a o us en ine or is el ia ard wyn mund"
SYLLABLES = (1, 1, 2, 2, 3)  # before the ending

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "docs/explanation/speed.md", "docs/guides/documents.md", "docs/gallery.md")
DOCUMENTS += ("docs/reference/file-format.md", "CHANGELOG.md", "docs/reference/page.md", "docs/explanation/ranking.md")
SHORTEST_PARAGRAPH = 120


def pick_sound(rng: Random, sounds: str) -> str:
    """Return one of some sounds, or none."""
    return make_rondels.pick(rng, sounds.split()).removeprefix("-")


def write_names(rng: Random) -> Iterator[str]:
    """Yield made-up names, each once, without an end."""
    seen = set()
    while True:
        count = make_rondels.pick(rng, SYLLABLES)
        syllables = [pick_sound(rng, kind) for _ in range(count) for kind in (ONSETS, VOWELS, CODAS)]
        name = "".join([*syllables, pick_sound(rng, ENDINGS)]).capitalize()
        if name not in seen:
            seen.add(name)
            yield name


def write_poems(rng: Random) -> Iterator[str]:
    """Yield the training poems of make_rondels.py in random order."""
    files = make_rondels.build_files(seed=0)
    poems = [poem for name in sorted(files) if name.startswith("rondels/") for poem in files[name].split("\n\n")]
    return (poem.strip() for poem in make_rondels.shuffle(rng, poems))


def read_paragraphs() -> Iterator[str]:
    """Yield the paragraphs of the project's documents, each as one line, without tables, code and short ones."""
    root = Path(__file__).parents[1]
    for name in DOCUMENTS:
        for block in re.split(r"\n\s*\n", (root / name).read_text(encoding="utf-8")):
            paragraph = " ".join(block.split())
            if len(paragraph) > SHORTEST_PARAGRAPH and not re.search(r"[|]|```|^<", paragraph):
                yield paragraph


def join(pieces: Iterator[str], separator: str, size: int) -> str:
    """Return as many pieces as fit into a number of characters, joined, with a newline at the end."""
    text = ""
    for piece in pieces:
        longer = f"{text}{separator if text else ''}{piece}"
        if len(longer) > size:
            break
        text = longer
    return text + "\n"


def build_files() -> dict[str, str]:
    """Return the text of every file by its name."""
    files = {"poem.txt": POEM}
    for name, size in SIZES.items():
        files[f"names-{name}.txt"] = join(write_names(Random(5)), "\n", size)
        files[f"poems-{name}.txt"] = join(write_poems(Random(1)), "\n\n", size)
        if size >= SIZES["5k"]:
            files[f"prose-{name}.txt"] = join(read_paragraphs(), "\n\n", size)
    return files


def main(folder: Path) -> None:
    """Write the files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in build_files().items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(*sys.argv[1:2]))
