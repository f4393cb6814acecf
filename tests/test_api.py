"""From Python: the same texts and numbers as the commands give, and an import that costs nothing."""

import json
import subprocess
import sys
from itertools import islice

import numpy as np
import pytest
from click.testing import CliRunner
from small import labelled_model, model, network, with_counts

import charlstm
from charlstm.api import LanguageModel
from charlstm.base.errors import CheckpointError, ConfigError, UnknownCharacterError
from charlstm.base.symbols import END
from charlstm.cli.main import main
from charlstm.inspection.registry import VIEWS
from charlstm.inspection.trace import trace
from charlstm.inspection.view import columns_of
from charlstm.model import checkpoint

CHARACTERS = "\n abcd"


@pytest.fixture(params=[False, True], ids=["stream", "lines"])
def loaded(request, tmp_path):
    checkpoint.save(
        model(network("lstm", np.float32, vocabulary=len(CHARACTERS)), CHARACTERS, request.param), tmp_path / "m.npz"
    )
    return charlstm.load(str(tmp_path / "m.npz"))


def test_import_is_cheap_and_what_is_asked_for_is_there():
    code = (
        "import sys, charlstm; before = 'numpy' in sys.modules;"
        "charlstm.load; print(before, 'numpy' in sys.modules, sorted(set(charlstm.__all__) - set(dir(charlstm))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False True []\n"
    with pytest.raises(AttributeError, match="paint"):
        charlstm.paint  # noqa: B018


def test_a_stream_and_a_sample_are_the_same_text(loaded):
    sample = loaded.sample("ab", length=40, temperature=1.3, top_k=4, random_seed=5)
    assert sample.seed == "ab" and sample.stop == ("end" if loaded.model.documents else "length")
    assert sample.text == "".join(islice(loaded.stream("ab", 1.3, top_k=4, random_seed=5), 40))
    assert loaded.sample("ab", 40, 1.3, top_k=4, random_seed=6) != sample


def test_a_sample_ends_by_default_where_the_command_would(loaded):
    sample = loaded.sample("ab", temperature=1.5)
    if loaded.model.documents:
        assert "\n" not in sample.text and sample.stop == "end"
        return
    assert len(sample.text) == 500
    assert loaded.sample(length=900, temperature=2.0, stop="cd").text.endswith("cd")
    assert loaded.sample(lines=3, temperature=2.0).text.count("\n") == 3


def test_a_trace_is_that_of_the_inspector(loaded):
    np.testing.assert_array_equal(loaded.trace("abca").surprise, trace(loaded.model, "abca").surprise)


def commanded(path, *words):
    """What `charlstm inspect` prints."""
    done = CliRunner(env={"COLUMNS": "100"}).invoke(main, ["inspect", "-m", str(path), *words])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_what_the_command_shows(loaded, tmp_path, name):
    text = {"cloze": "ab\tc", "history": None, "summary": None}.get(name, "abcad\nbca")
    words = ["--view", name, *([text] if text else [])]
    path = tmp_path / "m.npz"
    if name == "labels":
        loaded, text, path = LanguageModel(labelled_model(dtype=np.float32)), "abc\ncab", tmp_path / "labelled.npz"
        words[-1] = text
        checkpoint.save(loaded.model, path)
    if name == "counts":
        end = END if loaded.model.documents else "\n"
        loaded, path = LanguageModel(with_counts(loaded.model, f"abcab{end}dab{end}")), tmp_path / "counted.npz"
        checkpoint.save(loaded.model, path)
    view = loaded.view(name, text)
    assert f"{view!r}" == commanded(path, *words)
    assert view.to_dict() == json.loads(commanded(path, *words, "--format", "json"))
    for shape in ("csv", "json"):
        view.save(tmp_path / f"it.{shape}")
        assert (tmp_path / f"it.{shape}").read_text(encoding="utf-8") == commanded(path, *words, "--format", shape)
    view.save(tmp_path / "it.npz")
    columns = sum(len(columns_of(part)) for part in view.parts.values())
    assert len(np.load(tmp_path / "it.npz", allow_pickle=False)) == (
        columns if view.exact is None else len(view.exact.arrays)
    )
    with pytest.raises(ConfigError, match=r"one of \.csv, \.json, \.npz, \.txt"):
        view.save(tmp_path / "it.html")


def test_the_options_of_a_view_have_the_commands_names(loaded, tmp_path):
    path, text = tmp_path / "m.npz", "abcadbca"
    for name, options, words in [
        ("gates", {"units": "0:1", "show": "f,c"}, ["--unit", "0:1", "--show", "f,c"]),
        ("units", {"match": "a."}, ["--match", "a."]),
        ("units", {"like": "abc[0:1]"}, ["--like", "abc[0:1]"]),
        ("memory", {"ask": "a", "answers": ["b", "c"]}, ["--ask", "a", "--answer", "b", "--answer", "c"]),
        ("why", {"target": "bc", "reach": 3}, ["--target", "bc", "--reach", "3"]),
        ("patch", {"set": ["0:1=1@2", "0:0=2"], "without": "0:2"}, ["--set=0:1=1@2", "--set=0:0=2", "--without=0:2"]),
        ("patch", {"gate": ["f:0:1=.5@2", "o:2=0"]}, ["--gate", "f:0:1=.5@2", "--gate=o:2=0"]),
        ("patch", {"without": ["0:2@3"]}, ["--without", "0:2@3"]),
        ("gradients", {"compare": {"m.npz": loaded}}, ["--compare", str(path)]),
    ]:
        view = loaded.view(name, text, **options)
        assert f"{view!r}" == commanded(path, "--view", name, *words, text), name


def test_a_page_is_that_of_the_command(loaded, tmp_path):
    for words in (["abcad"], []):
        loaded.page(tmp_path / "page.html", *words)
        written = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert written == commanded(tmp_path / "m.npz", "--format", "html", *words)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("gate", "ab"), r"view is 'gate'; it must be one of gates, cell.*; did you mean gates\?"),
        (("why",), "give one"),
        (("why", ""), "give one"),
        (("history", "ab"), "leave the text out"),
        (("why", "ab", {"reaches": 3}), r"no option 'reaches'; it has target, reach; did you mean reach\?"),
        (("saturation", "ab", {"reach": 3}), "it has none"),
    ],
)
def test_a_view_that_cannot_be_made_says_why(loaded, wrong, said):
    *read, options = wrong if isinstance(wrong[-1], dict) else (*wrong, {})
    with pytest.raises(ConfigError, match=said):
        loaded.view(*read, **options)


def test_what_is_wrong_is_said(loaded, tmp_path):
    with pytest.raises(UnknownCharacterError):
        loaded.stream("abx")
    with pytest.raises(ConfigError, match="no sampling rule 'top_q'; did you mean top_k or top_p"):
        loaded.sample("ab", top_q=1)
    with pytest.raises(ConfigError, match="no sampling rule 'colour'; the rules are temperature, top_k"):
        loaded.sample("ab", colour=1)
    for count in (0, 1.5):
        with pytest.raises(ConfigError, match=f"count is {count}"):
            loaded.sampler("ab", count=count)
    with pytest.raises(ConfigError, match="stop is 5"):
        loaded.sample("ab", stop=5)
    with pytest.raises(CheckpointError):
        charlstm.load(tmp_path / "none.npz")
    assert "lstm" in repr(loaded)
