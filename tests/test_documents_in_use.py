"""Documents as users meet them: what commands and Python programs say and do about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from small import corpus_of, labelled_model, model, network

import charlstm
from charlstm.api import LanguageModel
from charlstm.base.config import TrainingConfig
from charlstm.base.errors import CheckpointError, ConfigError, CorpusError, SessionError
from charlstm.base.symbols import END
from charlstm.cli.main import main
from charlstm.inspection.surprisal import StaticEvaluation
from charlstm.model import checkpoint
from charlstm.text import corpus
from charlstm.text.documents import Documents
from charlstm.text.facts import CorpusFacts
from charlstm.text.split import split_documents
from charlstm.training.options import Options

POEMS = LanguageModel(labelled_model().with_label("merry"))
STREAM = LanguageModel(model(network("lstm", vocabulary=4, hidden=4), "\nabc"))
TYPED = f"a{END}b"
USES: list[Callable[[LanguageModel], object]] = [
    lambda it: it.sample(TYPED),
    lambda it: it.samples(["a", TYPED]),
    lambda it: it.sample(stop=TYPED),
    lambda it: it.sample(forbid=END),
    lambda it: it.sample(only=TYPED),
    lambda it: it.sample(forbid_word=END),
    lambda it: it.sample(bias={END: 2.0}),
    lambda it: it.beam(TYPED),
    lambda it: it.stream(TYPED),
    lambda it: it.session().add(TYPED),
    lambda it: it.session().generate(TYPED),
    lambda it: it.score(TYPED),
    lambda it: it.trace(TYPED),
    lambda it: it.cloze([(TYPED, "a")]),
    lambda it: it.view("why", "ab", target=TYPED),
    lambda it: it.with_label(END),
]


@pytest.mark.parametrize("it", [POEMS, STREAM], ids=["documents", "stream"])
@pytest.mark.parametrize("use", USES)
def test_nobody_types_or_forbids_the_end_symbol(it: LanguageModel, use: Callable[[LanguageModel], object]) -> None:
    with pytest.raises(ConfigError, match=r"U\+FFFF.*; remove it"):
        use(it)


@pytest.mark.parametrize(
    "words", [["sample", "--seed", TYPED], ["sample", "--stop", END], ["inspect", TYPED], ["inspect", "--score", TYPED]]
)
def test_commands_refuse_the_end_symbol(words: list[str], tmp_path: Path) -> None:
    checkpoint.save(POEMS.model, tmp_path / "it.npz")
    done = CliRunner().invoke(main, [words[0], "-m", str(tmp_path / "it.npz"), "--label", "merry", *words[1:]])
    assert done.exit_code and "U+FFFF" in done.stderr and "Traceback" not in done.stderr


def test_a_session_ends_only_a_document_that_has_a_text() -> None:
    session = POEMS.session(random_seed=1)
    for text in ("", "ab"):
        with pytest.raises(SessionError, match="no document to end"):
            session.end()
        session.add(text or "c")
        session.end()
    with pytest.raises(SessionError, match="no document to end"):
        session.end()
    assert session.text == "c\n\nab\n\n"


@pytest.mark.parametrize(
    ("text", "documents", "said"),
    [
        ("one\ntwo\n", "Line", "'Line', so each file is one document; did you mean line?"),
        ("one\ntwo\n", "FILE", "'FILE', so each file is one document; did you mean file?"),
        ("one\ntwo\n", "blank-line", "a blank line, so each file is one document"),
        ("one\ntwo\n", "\n%\n", r"'\n%\n', so each file is one document"),
        ("one\n%\ntwo\n", "\n%\n", ""),
        ("one\n\ntwo\n", "blank-line", ""),
        ("one\n", "line", ""),
        ("one\n\ntwo\n", "file", ""),
    ],
)
def test_a_separator_that_separates_nothing_is_named(text: str, documents: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text(text)
    remarks = corpus.read([file], "utf-8", Documents(documents)).remarks
    assert [remark.partition("separated by ")[2] for remark in remarks] == [said] * bool(said)


def test_a_separator_with_other_line_ends_is_read_as_the_text_is() -> None:
    assert Options(["x"], documents="\r\n%\r\n").documents == "\n%\n"


def test_the_validation_set_never_is_nearly_all_of_the_text() -> None:
    ids = np.concatenate([[0], np.repeat(1, 500), [0], *[[k % 7 + 2, k // 7 + 2, 0] for k in range(40)]])
    for seed in range(30):
        config = TrainingConfig(1, batch_size=2, documents="line", split="random", val_fraction=0.1, random_seed=seed)
        split = split_documents(corpus_of(ids), config)
        assert split.validation_characters == 4 * 3 and split.longest_document == 501


def test_documents_in_both_sets_are_counted() -> None:
    ids = np.array([0, 1, 0, 2, 2, 0, 3, 0, 1, 0, 4, 0])
    config = TrainingConfig(1, batch_size=2, documents="line", split="file")
    [remark] = split_documents(corpus_of(ids, last_file=8), config).remarks
    assert remark.startswith("1 of 2 documents of the validation set is in the training set too")
    repeated = np.array([0, 1, 0, 1, 0, 3, 0, 4, 0])
    [remark] = split_documents(corpus_of(repeated, last_file=7), config).remarks
    assert remark == "1 of 4 documents is a copy of another"


def test_copies_do_not_make_the_validation_set_another_kind_of_text() -> None:
    ids = np.array([0, *[1, 2, 0] * 8, 3, 0, 4, 4, 0])
    split = split_documents(corpus_of(ids), TrainingConfig(1, batch_size=2, documents="line", split="random"))
    assert split.remarks and split.is_alike


def test_a_score_has_the_bits_of_a_document_with_its_end() -> None:
    texts = ["ab", "c\nc", "a"]
    score = POEMS.score("\n\n".join([*texts, "b"]))
    alone = [StaticEvaluation(POEMS.model).read(POEMS.model.vocabulary.encode(text + END)).sum() for text in texts]
    assert score.documents == 3
    assert score.bits_per_document == pytest.approx(np.mean(alone), rel=1e-9)
    assert score.bits > score.document_bits
    assert np.isnan(POEMS.score("ab").bits_per_document) and not STREAM.score("ab\n\nc").documents


def test_the_score_of_two_models_does_not_depend_on_their_order() -> None:
    text, found = "ab\n\nc\nc\n\n", []
    for one, other in ((POEMS, STREAM), (STREAM, POEMS)):
        score = one.view("score", text, compare={"other": other}).parts["score"]
        table = {(column.group, column.name): column.values for column in score.columns}  # type: ignore[union-attr]
        found.append([[table[group, name][0] for name in ("bits", "bits/doc")] for group in (one.name, "other")])
    assert found[0] == found[1][::-1]
    assert found[1][0][0] == pytest.approx(STREAM.score(text).bits, rel=1e-9)  # it read both newlines at each end


def test_a_table_that_is_read_as_text_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("jokes.csv").write_text("who,joke\n" + "".join(f"ann,joke {n}\n" for n in range(40)))
    train = ["train", "jokes.csv", "--steps", "1", "--hidden", "2", "-m"]
    done = CliRunner().invoke(main, [*train, "a.npz"])
    assert "jokes.csv is a table and read as text" in done.stderr and "records separated" not in done.stderr
    done = CliRunner().invoke(main, [*train, "b.npz", "--field", "joke"])
    assert not done.exit_code and "is a table" not in done.stderr
    done = CliRunner().invoke(main, [*train, "c.npz", "--label", "field:who"])
    assert done.exit_code and done.stderr.endswith("name the field with the texts with --field.\n")
    done = CliRunner().invoke(main, [*train, "d.npz", "--documents", END])
    assert done.stderr.startswith("Error: --documents has the character U+FFFF")


def test_one_document_that_was_cut_off_is_named_in_the_singular(tmp_path: Path) -> None:
    checkpoint.save(POEMS.model, tmp_path / "it.npz")
    words = ["sample", "-m", tmp_path / "it.npz", "--label", "merry", "--samples", "9", "--random-seed", "1", "-n"]
    said = {CliRunner().invoke(main, [*map(str, words), str(n)]).stderr for n in range(1, 40)}
    assert any("1 of 9 documents was cut off" in one for one in said)
    assert any("2 of 9 documents were cut off" in one for one in said)


def test_a_seed_with_a_backslash_and_lines_of_a_model_of_lines_are_explained(tmp_path: Path) -> None:
    checkpoint.save(POEMS.model, tmp_path / "it.npz")
    checkpoint.save(model(network("lstm", vocabulary=3, hidden=4), "\nab", lines=True), tmp_path / "lines.npz")
    poem = ["sample", "--label", "merry", "-m", str(tmp_path / "it.npz"), "--seed", r"a\nb", "--random-seed", "1"]
    done = CliRunner().invoke(main, poem)
    assert done.exit_code == 1 and r"with -e, \n in a seed is a newline" in done.stderr
    assert CliRunner().invoke(main, [*poem, "-e"]).stdout.startswith("a\nb")
    assert CliRunner().invoke(main, [*poem, "--unknown", "skip"]).stdout.startswith("ab")
    lines = ["sample", "-m", str(tmp_path / "lines.npz"), "--random-seed", "1", "--lines"]
    assert "--samples N writes N lines" in CliRunner().invoke(main, [*lines, "2"]).stderr
    assert not CliRunner().invoke(main, [*lines, "1"]).stderr


def test_a_document_may_have_one_character(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "empty.txt").write_text("")
    assert corpus.read([tmp_path / "a.txt"], "utf-8", Documents("file")).document_lengths.tolist() == [
        2
    ]  # with its end
    with pytest.raises(CorpusError, match=r"a\.txt has one character; two characters or more"):
        corpus.read([tmp_path / "a.txt"], "utf-8", Documents(""))
    with pytest.raises(CorpusError, match=r"empty\.txt is empty; give a text$"):
        corpus.read([tmp_path / "empty.txt"], "utf-8", Documents("line"))


def test_a_session_of_a_model_with_labels_has_one(tmp_path: Path) -> None:
    file, it = tmp_path / "saved.npz", POEMS.with_label(None)
    session = POEMS.session(random_seed=1)
    session.add("ab")
    session.save(file)
    other = it.with_label("wild").session()
    with pytest.raises(CheckpointError, match="saved with the label 'merry'; start the session with that label"):
        other.load(file)
    again = POEMS.session()
    again.load(file)
    assert again.text == "ab"
    checkpoint.save(it.model, tmp_path / "it.npz")
    words = ["sample", "-m", str(tmp_path / "it.npz"), "--interactive", "--random-seed"]
    runs = [CliRunner().invoke(main, [*words, str(seed)], input="ab\n") for seed in range(12)]
    found = [run.stderr.partition("label ")[2].partition(";")[0] for run in runs]
    assert {"merry", "wild"} <= set(found) <= {name for name, _ in it.model.facts.labels}
    for seed, label in enumerate(found):
        chosen = CliRunner().invoke(main, [*words, str(seed), "--label", label], input="ab\n")
        assert chosen.stdout == runs[seed].stdout and "label" not in chosen.stderr


def test_a_label_that_is_not_learnt_is_named() -> None:
    ids = np.array([0, 1, 0, 2, 2, 0, 3, 0, 1, 1, 0, 4, 0])
    labels = (("gloomy", 2), ("merry", 3))
    for numbers, said in (([0, 0, 0, 1, 1], ["merry"]), ([0, 1, 0, 1, 1], [])):
        given = corpus_of(ids, last_file=8)._replace(
            labels=np.array(numbers), facts=CorpusFacts((), len(ids), 0, "", labels)
        )
        config = TrainingConfig(1, batch_size=2, documents="line", split="file", label="file")
        remarks = [one for one in split_documents(given, config).remarks if "label" in one]
        assert [one.partition("the label ")[2].partition(",")[0] for one in remarks] == said


def test_many_labels_are_called_labels() -> None:
    facts = CorpusFacts((), 0, 0, "", tuple((f"label {n}", 1) for n in range(3)))
    it = LanguageModel(replace(labelled_model(), facts=facts))
    for use in (lambda: it.with_label("x"), lambda: it.score("ab")):
        with pytest.raises(ConfigError, match=r"label 0, label 1 and 1 other label\b"):
            use()


def test_weights_go_from_streams_to_documents_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end symbol of lines takes the place of the newline; all characters keep their weights, and files load."""
    monkeypatch.chdir(tmp_path)
    Path("c.txt").write_text("ab ba\nbb a\n\nab\n" * 20)

    def row(it: LanguageModel, character: str) -> np.ndarray:
        index = it.model.vocabulary.id(character)
        return np.append(it.model.network.parameters["layer0/U"][index], it.model.network.parameters["output/b"][index])

    line_ends = {"": "\n", "line": "\uffff"}  # the newline of a stream is the end symbol of documents that are lines
    for kind in ("", "line", "blank-line"):
        charlstm.train("c.txt", documents=kind, hidden=3, steps=2, val_fraction=0.0, model=f"{kind}.npz")
    for one, other in product(("", "line", "blank-line"), repeat=2):
        steps = {"steps": 0, "val_fraction": 0.0, "force": True}
        charlstm.train("c.txt", documents=other, init_from=f"{one}.npz", model="new.npz", **steps)  # type: ignore[arg-type]
        before, after = charlstm.load(f"{one}.npz"), charlstm.load("new.npz")
        pairs = {"a": "a", " ": " "}
        if one in line_ends and other in line_ends:
            pairs[line_ends[one]] = line_ends[other]
        elif "line" not in (one, other):
            pairs["\n"] = "\n"
        for ours, theirs in pairs.items():
            np.testing.assert_array_equal(row(before, ours), row(after, theirs), err_msg=f"{one} → {other}, {ours!r}")
        assert after.sample(length=20, random_seed=0).text
