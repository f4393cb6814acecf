"""The excerpts that a model file stores: parts of the validation set and of nothing else, remembered by every run."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest
from commands import train
from hypothesis import example, given
from hypothesis import strategies as st
from run_files import arrays_of

import charlstm
from charlstm.base.config import TrainingConfig
from charlstm.base.symbols import END
from charlstm.model import checkpoint
from charlstm.text.corpus import Corpus
from charlstm.text.examples import LEAST, LENGTH, MOST, choose_examples
from charlstm.text.facts import CorpusFacts
from charlstm.text.split import split_corpus
from charlstm.text.vocabulary import Vocabulary, code_points_of

SMALL = ("--hidden", 4, "--batch-size", 4, "--steps", 4, "--workers", 1)


def corpus_of(text: str, documents: bool = False, starts: tuple[int, ...] = (0,), labels: str = "") -> Corpus:
    """Return a text as a corpus; each of the labels is one character, and belongs to one document."""
    vocabulary = Vocabulary.of(np.unique(code_points_of(text)))
    names = sorted(set(labels))
    facts = CorpusFacts((), len(text), 0, "", tuple((name, labels.count(name)) for name in names))
    numbers = np.array([names.index(label) for label in labels], np.int64)
    return Corpus(vocabulary.encode(text), vocabulary, facts, (), np.array(starts) + documents, labels=numbers)


streams = st.text("ab .\n", min_size=30) | st.lists(st.sampled_from(["word", " ", "!  ", "\n", "\n\n", "x" * 300])).map(
    lambda words: "a b" * 10 + "".join(3 * words)
)


@given(
    streams,
    st.sampled_from(["tail", "tails", "stripes", "file"]),
    st.floats(0, 0.9),
    st.lists(st.floats(0.01, 0.9), max_size=4),
)
@example("ab " * 20 + "ab " * 20, "tails", 0.5, [61 / 120])  # the validation set ends within a word
def test_excerpts_of_a_stream_belong_to_its_validation_set(
    text: str, split: str, fraction: float, files: list[float]
) -> None:
    starts = sorted({0, *(int(len(text) * share) for share in files)})
    config = TrainingConfig(1, split=split, val_fraction=fraction)
    corpus = corpus_of(text, starts=tuple(starts))
    if split == "file" and len(starts) < 2:
        return
    found = split_corpus(corpus, config)
    spans = found.validation_spans
    assert sum(stop - start for start, stop in spans) == found.validation_characters
    for a, b in spans:
        text = text[:a] + text[a:b].upper() + text[b:]
    examples = choose_examples(corpus_of(text, starts=tuple(starts)), spans, found.validation_labels)
    assert len(examples) <= 3 and len(set(examples)) == len(examples)
    assert examples or not any(text[a:b].strip() for a, b in spans if b - a >= min(LENGTH, np.diff(spans).max()))
    for excerpt, label in examples:
        assert any(excerpt in text[a:b] for a, b in spans)
        assert label is None and 0 < len(excerpt) <= LENGTH and excerpt == excerpt.rstrip()


@pytest.mark.parametrize("split", ["tail", "stripes"])
@pytest.mark.parametrize(("ending", "begins"), [("\n", "line"), (". ", "line"), (" ", "line|has|some|words|[0-9]")])
def test_excerpts_begin_after_a_line_or_else_a_sentence_or_a_word(ending: str, begins: str, split: str) -> None:
    text = "".join(f"line {1000 + number} has some words{ending}" for number in range(800))
    corpus = corpus_of(text)
    found = split_corpus(corpus, TrainingConfig(1, split=split, val_fraction=0.5))
    examples = choose_examples(corpus, found.validation_spans, found.validation_labels)
    starts = [text.index(excerpt) for excerpt, _ in examples]
    if split == "tail":  # which begins where a line begins
        assert starts[0] == text.index("line", len(text) // 2)
    kept = np.concatenate([np.arange(a, b) for a, b in found.validation_spans])
    np.testing.assert_allclose(np.searchsorted(kept, starts) / len(kept), [0, 1 / 3, 2 / 3], atol=0.1)
    for start, (excerpt, _) in zip(starts, examples, strict=True):
        assert re.match(begins, excerpt) and text[start - 1] in " \n" and len(excerpt) > LENGTH // 2
        assert text[start + len(excerpt)] in " \n" if ending != "\n" else text[start + len(excerpt)] == "\n"


documents = st.lists(
    st.tuples(
        st.sampled_from(["ab", "a b", "ab" * 10, "long text " * 6, "word " * 80, "x" * 400]), st.sampled_from("PQ")
    ),
    min_size=2,
    max_size=40,
)


@given(documents, st.booleans())
@example([("ab", "P")] * 40, True)
def test_excerpts_of_documents_are_whole_or_cut_and_have_their_label(texts: list[tuple[str, str]], label: bool) -> None:
    labels = "".join(each for _, each in texts) if label else ""
    numbered = [f"{number}:{text}" for number, (text, _) in enumerate(texts)]
    corpus = corpus_of(END + "".join(text + END for text in numbered), documents=True, labels=labels)
    config = TrainingConfig(1, documents="row", split="random", val_fraction=0.5)
    found = split_corpus(corpus, config)
    kept = [corpus.vocabulary.decode(corpus.ids[a:b]) for a, b in found.validation_spans.tolist()]
    examples = choose_examples(corpus, found.validation_spans, found.validation_labels)
    assert bool(examples) == bool(kept) and len(examples) <= 3
    places = []
    for text, its_label in examples:
        parts = text.split(END)
        first = next(k for k, document in enumerate(kept) if document.startswith(parts[0]))
        places.append(first)
        whole = kept[first : first + len(parts)]
        assert parts[:-1] == whole[:-1] and whole[-1].startswith(parts[-1]) and len(text) <= MOST
        if parts != whole:  # it is cut where it would be too long, at a word's end
            rest = whole[-1].removeprefix(parts[-1])
            assert len(END.join(whole)) > MOST and (rest[0] == " " or (len(text) == MOST and "xxx" in whole[-1]))
        if len(examples) > 1:
            assert len(text) >= LEAST
        own = {labels[numbered.index(document)] for document in whole} if label else {None}
        assert own == {its_label}
    assert places == sorted(set(places))


def test_a_short_validation_set_is_stored_whole() -> None:
    kept = "the first line of two\nab"
    corpus = corpus_of("a text " * 9 + kept, starts=(0, 63))
    found = split_corpus(corpus, TrainingConfig(1, split="file"))
    assert [text for text, _ in choose_examples(corpus, found.validation_spans, found.validation_labels)] == [kept]


def test_a_whole_document_is_preferred_to_the_beginning_of_a_long_one() -> None:
    texts = [f"{number} " + "word " * ((number % 5 == 3 and 10) or 70) for number in range(60)]
    corpus = corpus_of(END + END.join(texts) + END, documents=True)
    ends = np.cumsum([len(text) + 1 for text in texts])
    spans = np.stack([ends - np.diff(ends, prepend=0) + 1, ends], axis=1)
    assert [text for text, _ in choose_examples(corpus, spans, corpus.labels)] == [texts[3], texts[23], texts[43]]


def words_of(names: str, count: int) -> str:
    """Return lines of words that are made of some letters."""
    rng = random.Random(0)
    return "".join(
        " ".join("".join(rng.choices(names, k=4)) for _ in range(rng.randint(2, 9))) + "\n" for _ in range(count)
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which the commands run, with two texts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.txt").write_text(words_of("abcde", 300))
    (tmp_path / "other.txt").write_text(words_of("vwxyz", 300))
    return tmp_path


def trained(*arguments: object) -> tuple[str, ...]:
    """Run `charlstm train` without an error; return the texts of the examples in the model file."""
    done = train(*arguments)
    assert done.exit_code == 0, done.output
    model = arguments[arguments.index("-m") + 1]
    return tuple(text for text, _ in checkpoint.load(str(model)).examples)


@pytest.mark.parametrize("kind", [(), ("--lines",)])
def test_a_run_stores_excerpts_and_resumes_and_repeats_with_them(folder: Path, kind: tuple[str, ...]) -> None:
    stored = trained("corpus.txt", *kind, *SMALL, "-m", "m.npz")
    lines = words_of("abcde", 300).splitlines()
    assert len(stored) == 3 and {line for text in stored for line in re.split(f"[\n{END}]", text)} <= {*lines}
    assert stored == trained("corpus.txt", "--repeat", "m.npz", "-m", "again.npz")
    assert (folder / "again.npz").read_bytes() == (folder / "m.npz").read_bytes()
    assert stored == trained("--resume", "--steps", 6, "-m", "m.npz")
    tuned = trained("other.txt", "--init-from", "m.npz", *kind, "--steps", 2, "-m", "o.npz")
    assert len(tuned) == 3 and {*"".join(tuned)} <= {*"vwxyz \n", END}


def test_a_run_without_excerpts_stays_without_them_and_has_the_same_weights(folder: Path) -> None:
    assert trained("corpus.txt", *SMALL, "-m", "with.npz")
    assert trained("corpus.txt", *SMALL, "--no-examples", "-m", "m.npz") == ()
    models = [checkpoint.load(name) for name in ("with.npz", "m.npz")]
    assert models[0].digest == models[1].digest
    assert trained("corpus.txt", "--repeat", "m.npz", "-m", "again.npz") == ()
    assert (folder / "again.npz").read_bytes() == (folder / "m.npz").read_bytes()
    assert trained("corpus.txt", "--repeat", "with.npz", "--no-examples", "-m", "less.npz") == ()
    assert (folder / "less.npz").read_bytes() == (folder / "m.npz").read_bytes()
    assert arrays_of(folder / "less.npz.resume") == arrays_of(folder / "m.npz.resume")
    assert trained("--resume", "--steps", 6, "-m", "m.npz") == ()
    assert trained("--resume", "--no-examples", "--steps", 6, "-m", "with.npz") == ()
    assert trained("corpus.txt", *SMALL, "--val-fraction", 0, "-m", "all.npz") == ()


def test_python_stores_them_too_and_the_summary_counts_them(folder: Path) -> None:
    settings = {"hidden": 4, "batch_size": 4, "steps": 2, "workers": 1}
    for stores, count in ((True, 3), (False, 0)):
        model = charlstm.train("corpus.txt", examples=stores, **settings)
        assert len(model.model.examples) == count
        assert model.view("summary").to_dict()["corpus"]["stored examples"] == count
