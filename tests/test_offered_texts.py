"""The texts that a page offers: given ones, else those of the model file, else some that the model samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from every_view import by_formula
from small import labelled_model, model, network

from charlstm.api import LanguageModel
from charlstm.base.errors import ConfigError, UnknownCharacterError
from charlstm.base.symbols import END
from charlstm.cli.main import main
from charlstm.inspection.examples import LENGTH, LONGEST_DOCUMENT, OfferedText, examples_of
from charlstm.inspection.telling_place import find_telling_place
from charlstm.model import checkpoint
from charlstm.model.model import Model
from charlstm.render import page
from charlstm.text.examples import LEAST
from charlstm.text.facts import Example

LONG = "ab cab bca ccab acb bb cab cc ba cab"


def a_model(lines: bool = False, end: float = 0.0) -> Model:
    """Return a model of characters, for whose end symbol, in a model of lines, a logit is added."""
    made = model(network("lstm", np.float32, vocabulary=5), "\n abc", lines)
    made.network.parameters["output/b"][made.vocabulary.id(END) if lines else 0] += end
    return made


def test_given_texts_come_before_stored_ones_and_these_before_sampled_ones() -> None:
    stored = replace(a_model(), examples=(Example(LONG), Example("abc")))
    assert [one.text for one in examples_of(stored, "b")] == ["b"]
    assert [one.text for one in examples_of(stored, ["b", LONG])] == ["b", LONG]
    assert [one.text for one in examples_of(stored)] == [LONG, "abc"]
    assert examples_of(stored)[0] == OfferedText(LONG, None, find_telling_place(stored, LONG))
    assert len(examples_of(replace(stored, examples=()))) == 3


def test_every_text_has_the_label_that_it_is_read_with() -> None:
    it = labelled_model()
    stored = replace(it, examples=(Example("abc" * 12, "merry"), Example(f"ab\ncab{END}ba", "wild")))
    for text, label, place in examples_of(stored.with_label("gloomy")):
        assert Example(text, label) in stored.examples and place == find_telling_place(it.with_label(label), text)
    assert examples_of(stored.with_label("gloomy"), f"a\n\nb{20 * 'ab'}")[0][:2] == (f"a{END}b{20 * 'ab'}", "gloomy")
    with pytest.raises(ConfigError, match="none is chosen"):
        examples_of(stored, "ab")
    assert {one.label for one in examples_of(it)} <= {*it.labels}
    assert {one.label for one in examples_of(it.with_label("wild"))} == {"wild"}


@pytest.mark.parametrize("end", [-20.0, 0.0, 2.0])
@pytest.mark.parametrize("lines", [False, True])
def test_sampled_texts_are_the_same_each_time_and_not_long(lines: bool, end: float) -> None:
    it = a_model(lines, end)
    offered = examples_of(it)
    np.random.default_rng().random()
    assert offered == examples_of(it) and 1 <= len(offered) <= 3 and len({*offered}) == len(offered)
    for text, label, place in offered:
        assert label is None and text.strip() and 0 <= place < len(text) and it.vocabulary.known(text) == text
        assert len(text) < (LONGEST_DOCUMENT if lines else LENGTH)
        assert len(text) >= (LEAST if len(offered) > 1 else 1) and (lines or END not in text)


def test_a_model_that_writes_nothing_offers_nothing() -> None:
    assert examples_of(a_model(lines=True, end=1e4)) == []
    broken = a_model()
    broken.network.parameters["output/b"][1] = np.nan
    assert examples_of(broken) == []


def test_unknown_characters_of_a_given_text_are_an_error_or_skipped() -> None:
    with pytest.raises(UnknownCharacterError, match="an example has characters"):
        examples_of(a_model(), "abx")
    assert [one.text for one in examples_of(a_model(), "axb", skip_unknown=True)] == ["ab"]
    for given, message in (("x", "no character"), ("", "examples is ''"), (5, "examples is 5")):
        with pytest.raises(ConfigError, match=message):
            examples_of(a_model(), given, skip_unknown=True)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> str:
    checkpoint.save(by_formula("lstm", "\n abc"), tmp_path / "m.npz")
    return str(tmp_path / "m.npz")


def test_the_page_gets_the_texts_of_the_option(path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(page, "build_page", lambda *given: asked.append(given[3]) or "<p>")
    words = ["inspect", "-m", path, "-o", str(tmp_path / "page.html")]
    done = CliRunner().invoke(main, [*words, "--example", LONG, "--example", "bxa", "--unknown", "skip"])
    assert done.exit_code == 0 and "1 of 39 characters are unknown" in done.output
    it = checkpoint.load(path)
    assert asked.pop() == examples_of(it, [LONG, "ba"])
    LanguageModel(it).page(tmp_path / "page.html", examples="ab", force=True)
    assert asked.pop() == examples_of(it, "ab")
    assert CliRunner().invoke(main, words).exit_code == 0 and asked.pop() == examples_of(it)
    refused = CliRunner().invoke(main, [*words, "--example", "abx"])
    assert refused.exit_code == 1 and "an example has characters" in refused.output and not asked


@pytest.mark.parametrize("words", [(), ("--format", "json"), ("-o", "x.csv")])
def test_an_example_without_a_page_is_an_error(path: str, words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, ["inspect", "-m", path, "ab", "--example", "ab", *words])
    assert done.exit_code == 2 and "--example offers a text on a page, and this is --format" in done.output
