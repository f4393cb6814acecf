"""The small texts that the defaults are measured on have the size in their names, and no name twice."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))

import make_small_texts

FILES = make_small_texts.build_files()


@pytest.mark.parametrize("size", make_small_texts.SIZES)
@pytest.mark.parametrize(("kind", "separator", "longest"), [("names", "\n", 25), ("poems", "\n\n", 800)])
def test_documents_fill_their_size_and_are_distinct(kind: str, separator: str, longest: int, size: str) -> None:
    text, limit = FILES[f"{kind}-{size}.txt"], make_small_texts.SIZES[size]
    documents = text.strip("\n").split(separator)
    assert limit - longest <= len(text) <= limit + 1 and text.endswith("\n")
    assert all(documents) and (kind == "poems" or len(set(documents)) == len(documents))


def test_the_files_are_the_same_every_time_and_the_smaller_texts_begin_the_larger_ones() -> None:
    assert make_small_texts.build_files() == FILES
    for kind in ("names", "poems", "prose"):
        assert FILES[f"{kind}-100k.txt"].startswith(FILES[f"{kind}-5k.txt"].rstrip("\n"))


def test_the_poem_and_the_prose_are_as_long_as_the_documents_say() -> None:
    assert f"a stream of {len(FILES['poem.txt'])} characters" in str(make_small_texts.__doc__)
    assert 15_000 < len(FILES["prose-20k.txt"]) <= 20_001 and "|" not in FILES["prose-100k.txt"]
