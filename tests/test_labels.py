"""Labels: read with the corpus, read before each document, drawn for samples, and inferred from a text."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import reference
from click.testing import CliRunner
from small import LABELS, labelled_model, network

import charlstm
from charlstm.api import LanguageModel
from charlstm.base.config import TrainingConfig
from charlstm.base.errors import ConfigError
from charlstm.base.symbols import END
from charlstm.cli.main import main
from charlstm.inspection.labels import measure_labels, view_labels
from charlstm.model import checkpoint
from charlstm.model.model import Model, Reader
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.sampler import Sampler
from charlstm.sampling.stopping import StoppingRules
from charlstm.text import corpus
from charlstm.text.documents import Documents
from charlstm.text.facts import CorpusFacts
from charlstm.text.split import split_documents


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("files", "how", "wanted"),
    [
        ({"p/b.txt": "x\n\ny\n", "p/a.txt": "z"}, {"label": "file"}, [("z", "a"), ("x", "b"), ("y", "b")]),
        ({"p/s/b.txt": "x\n\ny\n", "p/t/a.txt": "z"}, {"label": "folder"}, [("x", "s"), ("y", "s"), ("z", "t")]),
        (
            {"p/t.csv": "text,who\nx,ann\ny,bob\nz,ann\n"},
            {"label": "field:who", "field": "text"},
            [("x", "ann"), ("y", "bob"), ("z", "ann")],
        ),
    ],
)
def test_each_document_has_the_label_of_its_file_folder_or_row(
    tmp_path: Path, files: dict[str, str], how: dict[str, str], wanted: list[tuple[str, str]]
) -> None:
    write(tmp_path, files)
    found = corpus.read([tmp_path / "p"], documents=Documents("blank-line"), **how)  # type: ignore[arg-type]
    names = [name for name, _ in found.facts.labels]
    texts = found.vocabulary.decode(found.ids).split(END)[1:-1]
    assert [(text, names[label]) for text, label in zip(texts, found.labels, strict=True)] == wanted
    assert dict(found.facts.labels) == {name: [each for _, each in wanted].count(name) for name in names}
    config = TrainingConfig(1, batch_size=2, documents="blank-line", split="random", val_fraction=0.4)
    split = split_documents(found, config)
    assert split.validation is not None
    for batch in (split.training.batch(0), *split.validation()):
        for first, target in zip(batch.ids[0], batch.targets[0], strict=True):
            assert (found.vocabulary.character(target), names[first - len(found.vocabulary)]) in wanted


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_a_document_begins_with_the_symbol_of_its_label(kind: str) -> None:
    it = labelled_model(kind)
    weights = {name: block.tolist() for name, block in it.network.parameters.items()}
    ids = it.vocabulary.encode("ab\nc")
    for number, label in enumerate(it.labels):
        reader = Reader(it.with_label(label))
        reader.read(np.array([[it.vocabulary.end], *ids[:, None].tolist()]))
        whole = [[len(it.vocabulary) + number], *ids[:, None].tolist()]
        read = reference.read(kind, weights, whole, it.network.zero_state(1).tolist())
        np.testing.assert_allclose(reader.logits[0], read.logits[-1][0], rtol=1e-9)
    with pytest.raises(ConfigError, match="none is chosen"):
        Reader(it)
    with pytest.raises(ConfigError, match="did you mean merry"):
        it.with_label("mery")


def test_labels_are_drawn_as_often_as_they_occur_whatever_is_sampled_beside_them() -> None:
    it = labelled_model()
    samples = Sampler(it, "", SamplingConfig(random_seed=5), StoppingRules(1), 3000).collect()
    found = np.array([[sample.label for sample in samples].count(name) for name, _ in LABELS])
    expected = 3000 * np.array([count for _, count in LABELS]) / 10
    assert ((found - expected) ** 2 / expected).sum() < 13.8  # 0.1 % of the chi-square distribution, 2 degrees
    alone = Sampler(it, "", SamplingConfig(random_seed=5), StoppingRules(9), 1, streams=[77]).collect()[0]
    beside = Sampler(it, "", SamplingConfig(random_seed=5), StoppingRules(9), 100).collect()[77]
    chosen = Sampler(it.with_label(beside.label), "", SamplingConfig(random_seed=5), StoppingRules(9), 1, streams=[77])
    assert alone == beside == chosen.collect()[0]


def test_the_probability_of_a_label_follows_from_the_likelihoods() -> None:
    it = labelled_model()
    text = f"abc\ncab{END}bb{END}a"
    found = np.exp(measure_labels(it, text))
    likelihoods = {}
    for label, _ in LABELS:
        score = LanguageModel(it.with_label(label)).score(it.documents.format(text))
        likelihoods[label] = score.surprise
    for n in range(len(text)):
        start = text.rfind(END, 0, n) + 1
        weights = [count * 2.0 ** -likelihoods[label][start : n + 1].sum() for label, count in LABELS]
        np.testing.assert_allclose(found[n], np.array(weights) / sum(weights), rtol=1e-8)
    view = view_labels(it, text)
    summary, words = view.parts["labels"], view.parts["words that tell most"]
    assert [*summary.columns[1].values] == [8, 3, 1]  # type: ignore[union-attr]
    assert [*summary.columns[2].values] == [it.labels[found[n].argmax()] for n in (7, 10, 11)]  # type: ignore[union-attr]
    rows = dict(zip(words.columns[1].values, words.columns[4].values, strict=True))  # type: ignore[union-attr]
    label = found[7].argmax()
    prior = LABELS[label][1] / 10
    assert rows[1] == pytest.approx(math.log2(found[2, label] / prior), rel=1e-6)
    change = math.log2(found[6, label] / found[3, label])
    assert (5 in rows) == (abs(change) >= 0.01) and rows.get(5, change) == pytest.approx(change, rel=1e-6)
    with pytest.raises(ConfigError, match="no labels"):
        view_labels(Model(network("rnn"), it.vocabulary, TrainingConfig(0), CorpusFacts((), 0, 0, "")), "a")


def test_a_model_with_labels_is_trained_saved_resumed_and_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"p/x.txt": "xa xb\n\nxc xa\n\n" * 30, "p/y.txt": "yb ya\n\nyc yb\n\n" * 30})

    def run(*words: object) -> str:
        done = CliRunner().invoke(main, [*map(str, words)])
        assert done.exit_code == 0, done.output
        return done.stdout

    common = ("p", "--documents", "blank-line", "--label", "file", "--hidden", 16, "--lr", 0.03, "--val-fraction", 0)
    run("train", *common, "--steps", 150, "-m", "whole.npz")
    run("train", *common, "--steps", 60, "-m", "part.npz")
    run("train", "--resume", "-m", "part.npz", "--steps", 150)
    whole, part = (checkpoint.load(name) for name in ("whole.npz", "part.npz"))
    assert whole.facts.labels == part.facts.labels == (("x", 60), ("y", 60))
    for label in ("x", "y"):
        made = run("sample", "-m", "whole.npz", "--label", label, "--samples", 20, "--temperature", 0.5)
        assert made.count(label) > 20 > made.count("y" if label == "x" else "x")
    record = run("sample", "-m", "whole.npz", "--samples", 6, "--format", "jsonl", "--random-seed", 1)
    assert {json.loads(line)["label"] for line in record.splitlines()} <= {"x", "y"}
    (tmp_path / "r.jsonl").write_text(record)
    again = run("sample", "-m", "whole.npz", "--again", "r.jsonl", "--format", "jsonl")
    assert again == record
    shown = run("inspect", "-m", "whole.npz", "--view", "labels", "yb ya")
    assert "y" in shown.splitlines()[2].split() and "words that tell most" in shown
    loaded = charlstm.load("whole.npz")
    assert loaded.with_label("x").score("xa xb").bits < loaded.with_label("y").score("xa xb").bits


def test_weights_of_labels_are_matched_by_name_when_a_model_is_fine_tuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(
        tmp_path,
        {"p/b.txt": "ab\n\nba\n\n" * 9, "p/c.txt": "aa\n\nbb\n\n" * 9, "q/a.txt": "ab\n\n" * 9, "q/b.txt": "ba\n\n"},
    )
    common = {"documents": "blank-line", "label": "file", "hidden": 3, "val_fraction": 0.0}
    first = charlstm.train("p", steps=3, model="p.npz", **common).model  # type: ignore[arg-type]
    del common["hidden"]
    second = charlstm.train("q", steps=0, init_from="p.npz", **common).model  # type: ignore[arg-type]
    one, other = (it.network.parameters["layer0/U"] for it in (first, second))
    np.testing.assert_array_equal(other[second.label_id("b")], one[first.label_id("b")])
    np.testing.assert_array_equal(other[: len(second.vocabulary)], one[: len(first.vocabulary)])


def test_labelled_documents_that_are_separated_give_no_remark_about_their_separator(tmp_path: Path) -> None:
    write(tmp_path, {"p/a.txt": "x\n\ny\n\nz\n", "p/b.txt": "x\n\ny\n"})
    found = corpus.read([tmp_path / "p"], documents=Documents("blank-line"), label="file")
    assert found.facts.labels == (("a", 3), ("b", 2)) and found.remarks == ()
