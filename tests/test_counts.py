"""Counts are those of the training set, stand in the model file, and the view compares them with the network."""

import io
import json
import math
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from dictionary_ngrams import DictionaryModel
from fuzz_archives import forge, members_of, to_member
from hypothesis import example, given
from hypothesis import strategies as st
from small import labelled_model, model, network, with_counts

import charlstm
from charlstm.api import LanguageModel
from charlstm.base.errors import CharlstmError, CheckpointError, ConfigError, CorpusError
from charlstm.base.symbols import END
from charlstm.cli.main import main
from charlstm.inspection import counts as counts_view
from charlstm.inspection.error_kinds import KINDS, PLACES, Sorter
from charlstm.inspection.trace import trace
from charlstm.inspection.view import TextSource
from charlstm.model import checkpoint
from charlstm.text.rare_words import WordCounts, find_words
from charlstm.training.counting import count_corpus, find_weight

SMALL = {"steps": 3, "hidden": 4, "workers": 1, "seq_len": 16, "batch_size": 4}
SPLIT = SMALL | {"val_fraction": 0.1}  # without it so short a text has no validation set
STREAM = "abcab dabc\nbad cab abba\n" * 12
LINES = ["abca", "bad", "cab dab", "abba", "dcba", "a", "bbb", "cadab", "abc", "dd"]


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("stream.txt").write_text(STREAM)
    Path("lines.txt").write_text("\n".join(LINES) + "\n")
    Path("val.txt").write_text("abab\ncab\nddd\n")


def distribution(it, text):
    """What the counts of a model predict after a text: character → probability."""
    ids = it.model.inputs(it.model.vocabulary.encode(it.model.opening + text)[:, None])[:, 0]
    ngrams = it.model.counts.ngrams.model
    return dict(zip(it.model.vocabulary.characters, ngrams.distribution(ngrams.read([ids]))[0], strict=True))


def agrees(it, oracle, text, opening=()):
    expected = {one: oracle.probability([*opening, *text], one) for one in oracle.alphabet}
    assert distribution(it, text) == pytest.approx(expected, rel=1e-9)


def test_the_counts_of_a_stream_are_those_of_its_training_part():
    it = charlstm.train("stream.txt", counts=4, **SPLIT)
    cut = len(STREAM) - round(len(STREAM) * 0.1)
    oracle = DictionaryModel([list(STREAM[:cut])], 4, it.model.vocabulary.characters)
    for text in ("", "ab", " dabc\nb", "dd"):
        agrees(it, oracle, text)
    again = LanguageModel(replace(it.model, counts=None)).with_counts("stream.txt", 4)
    assert again.model.counts.digest == it.model.counts.digest
    assert again.model.counts.weight == it.model.counts.weight


def test_the_counts_of_documents_begin_and_end_with_each():
    it = charlstm.train("lines.txt", lines=True, val="val.txt", counts=5, **SMALL)
    oracle = DictionaryModel([[END, *line, END] for line in LINES], 5, it.model.vocabulary.characters)
    for text in ("", "ab", "cab d", "ddd"):
        agrees(it, oracle, text, [END])
    words = it.model.counts.words
    assert sorted(words.counts.tolist()) == [1] * 11 and it.model.counts.order == 5


def test_the_counts_of_labelled_documents_begin_with_the_label():
    for name, text in (("sad", "ab\n\nabc"), ("gay", "cd\n\nbcd\n\ncc")):
        Path("poems").mkdir(exist_ok=True)
        Path(f"poems/{name}.txt").write_text(text)
    it = charlstm.train("poems", documents="blank-line", label="file", val_fraction=0, counts=3, **SMALL)
    passages = [["gay", *text, END] for text in ("cd", "bcd", "cc")] + [["sad", *text, END] for text in ("ab", "abc")]
    oracle = DictionaryModel(passages, 3, it.model.vocabulary.characters)
    for label in ("gay", "sad"):
        for text in ("", "a", "bc"):
            agrees(it.with_label(label), oracle, text, [label])
    counts = it.model.counts
    assert (counts.weight, counts.ngram_loss, counts.mixture_loss) == (None, None, None)
    view = it.with_label("sad").view("counts", "abc")
    assert list(view.to_dict()["score"]["predictor"]) == ["network", "n-gram"]
    assert any("no validation set" in remark for remark in view.remarks)


@pytest.mark.parametrize("options", [{}, {"lines": True}, {"split": "stripes"}])
def test_the_weight_has_the_lowest_validation_loss(options):
    text, settings = "lines.txt" if "lines" in options else "stream.txt", SMALL | {"seq_len": 2000}
    it = charlstm.train(text, counts=3, val_fraction=0.3, **options, **settings)
    found = count_corpus(it.model, [text], 3)
    network_p, counts_p = [], []
    for batch in found.split.validation():
        assert batch.resets_state
        for column in range(batch.ids.shape[1]):
            ids, kept = batch.ids[:, column], batch.loss_mask[:, column] > 0
            done = it.model.network.forward(ids[:, None], it.model.network.zero_state(1)).logits[:, 0].astype(float)
            p = np.exp(done) / np.exp(done).sum(axis=1, keepdims=True)
            ngrams = it.model.counts.ngrams.model
            for t in np.flatnonzero(kept):
                network_p.append(p[t, batch.targets[t, column]])
                counts_p.append(ngrams.distribution(ngrams.read([ids[: t + 1]]))[0, batch.targets[t, column]])
    losses = [-np.log((1 - w) * np.array(network_p) + w * np.array(counts_p)).mean() for w in np.arange(1001) / 1000]
    counts = it.model.counts
    assert counts.ngram_loss == pytest.approx(losses[-1], rel=1e-6)
    assert abs(counts.weight - np.argmin(losses) / 1000) <= 0.001
    assert counts.mixture_loss == pytest.approx(min(losses), abs=1e-6)
    assert it.model.history.validation_loss[-1] == pytest.approx(losses[0], rel=1e-5)


@given(st.lists(st.tuples(st.floats(1e-6, 1), st.floats(1e-6, 1)), min_size=1, max_size=30))
def test_the_weight_that_is_found_is_the_best(pairs):
    one, other = np.array(pairs).T
    losses = [-np.log((1 - w) * one + w * other).mean() for w in np.arange(101) / 100]
    w = find_weight(one, other)
    assert 0 <= w <= 1 and -np.log((1 - w) * one + w * other).mean() <= min(losses) + 1e-4


def test_a_run_with_counts_is_resumed_and_repeated_to_the_byte():
    Path("half").mkdir()

    def copy(progress):
        if progress.step == 3:  # the run file has the step before
            shutil.copy("whole.npz.resume", "half")

    charlstm.train("stream.txt", counts=3, model="whole.npz", save_every=0, progress=copy, **SPLIT)
    whole = Path("whole.npz").read_bytes()
    assert checkpoint.load_run("half/whole.npz.resume").state.step == 2
    charlstm.train(resume=True, model="half/whole.npz")
    assert Path("half/whole.npz").read_bytes() == whole
    charlstm.train("stream.txt", repeat="whole.npz", model="again.npz")
    assert Path("again.npz").read_bytes() == whole
    charlstm.train(resume=True, model="whole.npz")
    assert Path("whole.npz").read_bytes() == whole
    assert checkpoint.load_run("whole.npz.resume").record.counts == 3
    assert checkpoint.load_run("whole.npz.resume").model.counts is None
    charlstm.train("stream.txt", model="plain.npz", **SPLIT)
    for content, holds in ((Path("plain.npz").read_bytes(), False), (whole, True)):
        assert (json.loads(members_of(content)["metadata.npy"][128:])["counts"] is not None) == holds
    charlstm.train(resume=True, model="plain.npz", counts=3)
    assert Path("plain.npz").read_bytes() == whole
    charlstm.train(resume=True, model="plain.npz", steps=4)
    assert charlstm.load("plain.npz").model.counts.order == 3


def test_the_command_counts(capsys):
    options = ["--val-fraction", "0.1", "--steps", "3", "--hidden", "4", "--workers", "1", "-m", "m.npz"]
    done = CliRunner().invoke(main, ["train", "stream.txt", "--counts", *options])
    assert done.exit_code == 0, done.output
    for said in ("count     ", "n-grams of up to 6 characters", "--counts 6", "mixed with the network at weight"):
        assert said in done.output
    counts = charlstm.load("m.npz").model.counts
    summary = charlstm.load("m.npz").view("summary").parts
    assert counts.order == summary["corpus"]["order of the n-grams"] == 6
    assert summary["outcome"]["weight of the n-grams"] == counts.weight
    for words, said in [
        (["--counts", "stream.txt"], "give --counts after CORPUS"),
        (["stream.txt", "--counts", "13"], "1 to 12"),
        (["stream.txt", "--counts", "0"], "1 to 12"),
    ]:
        done = CliRunner().invoke(main, ["train", *words, *options])
        assert done.exit_code == 2 and said in done.output


@pytest.mark.parametrize("kind", ["stream", "lines", "labels"])
def test_a_file_gives_the_counts_that_were_saved(kind):
    it = model(network("lstm", np.float32), "\nabcd", lines=kind == "lines")
    it = labelled_model(dtype=np.float32) if kind == "labels" else it
    text = "abcabc\nab" if kind == "stream" else f"abc{END}ab c{END}ab{END}".replace(" ", "")
    made = with_counts(it.with_label("merry") if kind == "labels" else it, text, 4)
    made = replace(made, counts=replace(made.counts, ngram_loss=1.5, mixture_loss=1.25), label=None)
    LanguageModel(made).save("it.npz")
    found = charlstm.load("it.npz").model
    for name in ("sizes", "symbols", "counts", "children"):
        np.testing.assert_array_equal(getattr(found.counts.ngrams, name), getattr(made.counts.ngrams, name))
    np.testing.assert_array_equal(found.counts.words.hashes, made.counts.words.hashes)
    assert [found.counts.weight, found.counts.ngram_loss, found.counts.mixture_loss] == [0.25, 1.5, 1.25]
    assert found.digest == it.digest != found.digest_for(mixes_counts=True)
    LanguageModel(found).save("again.npz")
    assert Path("it.npz").read_bytes() == Path("again.npz").read_bytes()
    with pytest.raises(ConfigError, match="exists"):
        LanguageModel(found).save("it.npz")


def changed(name, change):
    """A change of a member of a model file."""

    def apply(members):
        data = members[f"{name}.npy"]
        start = 10 + int.from_bytes(data[8:10], "little")
        if name == "metadata":
            metadata = json.loads(data[start:])
            change(metadata["counts"])
            array = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
        else:
            array = change(np.load(io.BytesIO(data)))
        members[f"{name}.npy"] = to_member(array)

    return apply


HOSTILE = {
    "no sizes": lambda members: members.pop("counts/sizes.npy"),
    "longer": changed("counts/symbols", lambda it: np.append(it, it[-1:])),
    "signed": changed("counts/ngrams", lambda it: it.astype(np.int32)),
    "another shape": changed("counts/children", lambda it: it[None]),
    "not in order": changed("counts/symbols", lambda it: it[::-1].copy()),
    "of another vocabulary": changed("counts/symbols", lambda it: it + np.uint8(200)),
    "never": changed("counts/ngrams", lambda it: np.where(np.arange(len(it)) == len(it) - 1, 0, it).astype(it.dtype)),
    "no children": changed("counts/children", lambda it: it * np.uint8(0)),
    "other children": changed("counts/children", lambda it: it[::-1].copy()),
    "negative": changed("counts/sizes", lambda it: it * np.array([1, -1, 1])),
    "huge": changed("counts/sizes", lambda it: it * np.array([1, 2**50, 1])),
    "overflow": changed("counts/sizes", lambda it: np.array([it[0], 2**62, 2**62])),
    "words not in order": changed("counts/words", lambda it: it[::-1].copy()),
    "word counts": changed("counts/words_counts", lambda it: it + np.uint8(7)),
    "an order": changed("metadata", lambda it: it.update(order=2)),
    "many": changed("metadata", lambda it: it.update(ngrams=10**12)),
    "more words": changed("metadata", lambda it: it.update(words=it["words"] + 1)),
    "a weight": changed("metadata", lambda it: it.update(weight=1.5)),
    "no number": changed("metadata", lambda it: it.update(mixture_loss=math.nan)),
    "a text": changed("metadata", lambda it: it.update(weight="0.5")),
    "a missing key": changed("metadata", lambda it: it.pop("words")),
    "another key": changed("metadata", lambda it: it.update(more=1)),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_counts_that_nobody_saved_are_refused(how):
    made = with_counts(model(network("lstm", np.float32), "\nabcd"), "abca bcab\ncad".replace(" ", "\n") * 3, 3)
    checkpoint.save(made, Path("it.npz"))
    members = members_of(Path("it.npz").read_bytes())
    Path("same.npz").write_bytes(forge(dict(members)))
    assert checkpoint.load("same.npz").counts is not None
    HOSTILE[how](members)
    Path("it.npz").write_bytes(forge(members))
    with pytest.raises(CheckpointError, match=r"^it\.npz is not a "):
        checkpoint.load("it.npz")


def test_a_pipe_may_be_as_long_as_its_counts():
    made = with_counts(model(network("lstm", np.float32), "\nabcd"), STREAM.replace(" ", "\n"), 12)
    checkpoint.save(made, Path("it.npz"))
    content = Path("it.npz").read_bytes()
    start = 10 + int.from_bytes(members_of(content)["metadata.npy"][8:10], "little")
    described = members_of(content)["metadata.npy"][start:]
    assert len(content) <= checkpoint._largest_file(np.frombuffer(described, np.uint8)) < len(content) + 10**8


def by_position(it, text, w):
    """The surprisal of each character of a text, in bits, from single predictions: network, n-gram, mixture."""
    read, rows = trace(it.model, text), []
    for place, character in enumerate(text):
        if place == 0 and not it.model.documents:
            rows.append([np.nan] * 3)
            continue
        p, q = 2.0 ** -read.surprise[place], distribution(it, text[:place].rpartition(END)[2])[character]
        if not it.model.documents:
            q = distribution(it, text[:place])[character]
        rows.append([-math.log2(each) for each in (p, q, (1 - w) * p + w * q)])
    return np.array(rows).T


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("piece", [1 << 18, 7])
def test_the_view_has_every_surprisal_and_their_sums(lines, piece, monkeypatch):
    monkeypatch.setattr(counts_view, "PIECE", piece)
    end = END if lines else "\n"
    it = LanguageModel(with_counts(model(network("lstm"), "\nabcd", lines), f"abca{end}bad{end}cadab{end}", 4, 0.3))
    text = f"ab{end}cadab{end}{end if not lines else ''}dabcabca{end}abc"
    view = it.view("counts", [TextSource("t", [text])])
    expected = by_position(it, text, 0.3)
    strip = {row.name: np.asarray(row.values) for row in view.parts["surprisal in bits"].rows}
    for name, row in zip(("network", "n-gram", "mixture"), expected, strict=True):
        np.testing.assert_allclose(strip[name], row, rtol=1e-5)
    np.testing.assert_allclose(strip["gain"], 2.0 ** -expected[0] - 2.0 ** -expected[1], atol=1e-6)
    parts = view.to_dict()
    np.testing.assert_allclose(parts["score"]["bits"], np.nansum(expected, axis=1), rtol=1e-5)
    np.testing.assert_allclose(parts["score"]["bits/char"], np.nanmean(expected, axis=1), rtol=1e-5)
    counted = ~np.isnan(expected[0])
    assert parts["text"]["n-gram better"] == pytest.approx(np.mean(expected[1][counted] < expected[0][counted]))
    assert parts["by order"]["bits/char"][-1] == pytest.approx(np.nanmean(expected[1]), rel=1e-6)
    for name, row in (("network", expected[0]), ("n-gram", expected[1])):
        errors = parts["errors"][f"{name}: errors"]
        assert errors[-1] == sum(errors[:-1]) == np.sum(row > 1)
    assert sum(parts["by place"]["characters"]) == counted.sum()


def test_the_view_reads_the_validation_set_without_a_text():
    it = charlstm.train("stream.txt", **SPLIT)
    view = it.view("counts", against="stream.txt", order=4)
    held_out = STREAM[len(STREAM) - round(len(STREAM) * 0.1) :]
    assert view.parts["surprisal in bits"].text == held_out
    counted = it.with_counts("stream.txt", 4)
    same = counted.view("counts", held_out)
    assert view.to_dict()["score"] == same.to_dict()["score"]
    assert len(view.remarks) == len(same.remarks) + 1
    commands = ["inspect", "-m", "m.npz", "--view", "counts", "--against", "stream.txt", "--order", "4"]
    it.save("m.npz")
    done = CliRunner(env={"COLUMNS": "100"}).invoke(main, commands)
    assert done.exit_code == 0 and done.stdout == f"{view!r}"
    assert CliRunner().invoke(main, [*commands, "-o", "it.html"]).exit_code == 0
    assert "said in the last" in Path("it.html").read_text() or "predicted by an n-gram" in Path("it.html").read_text()
    Path("other.txt").write_text(STREAM[::-1])
    assert any("not the one" in remark for remark in it.view("counts", "abc", against="other.txt").remarks)


def test_what_the_view_cannot_compare_is_an_error():
    it = charlstm.train("stream.txt", **SPLIT)
    Path("more.txt").write_text("abc xyz" * 20)
    for text, options, kind, said in [
        ("abc", {}, ConfigError, "holds no counts; name the corpus"),
        (None, {}, ConfigError, "give one of one character or more"),
        ("abc", {"against": "more.txt"}, CorpusError, "does not know.*'x' U\\+0078.*corpus of the model"),
        ("abc", {"against": "stream.txt", "order": 13}, ConfigError, "order is 13"),
        ("abc", {"against": []}, ConfigError, "against names no file"),
        ("abc", {"against": 3}, ConfigError, "against"),
        ("", {"against": "stream.txt"}, CorpusError, "is empty"),
    ]:
        with pytest.raises(kind, match=said):
            it.view("counts", text, **options)
    with pytest.raises(ConfigError, match="have order 3; leave it out"):
        it.with_counts("stream.txt", 3).view("counts", "abc", order=4)
    bare = charlstm.train("stream.txt", val_fraction=0, **SMALL)
    with pytest.raises(ConfigError, match="no validation set to read"):
        bare.view("counts", against="stream.txt")
    with pytest.raises(CharlstmError, match=r"no such file|there is no|cannot read"):
        it.with_counts("nowhere.txt")


def test_errors_are_sorted_by_what_would_help():
    known = {"mary": 6, "had": 6, "said": 2, "the": 6, "at": 6}
    hashes = {word: find_words(np.array([*map(ord, word)]), np.ones(len(word), bool)).hashes[0] for word in known}
    order = sorted(known, key=lambda word: hashes[word])
    words = WordCounts(np.array([hashes[word] for word in order]), np.array([known[word] for word in order], np.uint8))
    gap = "at, " * 40 + "at"  # 162 characters
    text = f'mary had (the mary) "said" the zzz [{gap}] mary at\n{END}mary'
    by_ngram = np.zeros(len(text), bool)
    by_ngram[1] = True
    kinds, places = Sorter(words).add(text, by_ngram)
    found = [KINDS[kind] for kind in kinds]
    assert found[1] == "predicted by an n-gram" and found[0] == "after a space, newline or quote"
    assert found[2] == found[3] == "rest" and len(text) == len(found)
    second = text.index("mary", 4)
    assert found[second : second + 4] == ["after a space, newline or quote", *["said in the last 100 characters"] * 3]
    assert found[text.index(")")] == "closing quote or bracket, to 20"
    assert found[text.rindex('"')] == "closing quote or bracket, to 20"
    assert found[text.index("]")] == "closing quote or bracket, beyond 100"
    assert found[text.index("said") + 1] == "word up to 5 times in it"
    assert found[text.index("zzz") : text.index("zzz") + 3] == ["word not in the training set"] * 3
    third = text.index("mary", second + 1)
    assert found[third + 1] == "said in the last 1,000 characters"
    assert found[text.index(",")] == "punctuation and white space"
    last = text.rindex("mary")
    assert found[last:] == ["after a space, newline or quote", "rest", "rest", "rest"]  # a document of its own
    assert PLACES[places[text.index(END)]] == "end of a document"
    assert [PLACES[place] for place in places[:3]] == ["first of a word", "second or third", "second or third"]
    assert [PLACES[place] for place in places[3:5]] == ["later in a word", "white space"]


@example('ab ab (ab "ab) ab" \nab', {3, 6, 10, 14})
@given(st.text('ab (\n")' + END, max_size=80), st.sets(st.integers(1, 79)))
def test_kinds_do_not_depend_on_the_pieces(text, cuts):
    places = [0, *sorted(cut for cut in cuts if cut < len(text) and not text[cut - 1].isalnum()), len(text)]
    words = WordCounts(np.zeros(0, np.uint64), np.zeros(0, np.uint8))
    by_ngram = np.arange(len(text)) % 5 == 4
    whole = Sorter(words).add(text, by_ngram)
    sorter = Sorter(words)
    parts = [sorter.add(text[start:stop], by_ngram[start:stop]) for start, stop in pairwise(places)]
    for number in (0, 1):
        np.testing.assert_array_equal(np.concatenate([part[number] for part in parts]), whole[number])
