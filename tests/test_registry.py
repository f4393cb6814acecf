"""The registry of the views: what it says of a view is true, and a view is imported when it is built."""

import inspect
import json
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
from click.testing import CliRunner
from every_view import by_formula
from small import model, network, with_counts

import charlstm.inspection.trace
from charlstm.api import LanguageModel
from charlstm.base.errors import ConfigError, UnknownCharacterError
from charlstm.cli.main import main
from charlstm.inspection.registry import VIEWS, Reads, Subject, build_view
from charlstm.inspection.view import TextSource
from charlstm.model import checkpoint
from charlstm.render import page

CHARACTERS = "\n abcd"
TEXT = "ab cad\nb dab"
SECOND_PARAMETER = {Reads.TEXT: ["text"], Reads.TRACE: ["trace"], Reads.TEXTS: ["given"], Reads.NOTHING: []}


@pytest.fixture
def path(tmp_path):
    checkpoint.save(by_formula("lstm", CHARACTERS), tmp_path / "m.npz")
    return str(tmp_path / "m.npz")


def run(*words):
    return CliRunner(env={"COLUMNS": "100"}).invoke(main, ["inspect", *words])


@pytest.mark.parametrize("name", VIEWS)
def test_an_entry_names_the_parameters_of_its_function(name):
    entry = VIEWS[name]
    function = getattr(import_module(f"charlstm.inspection.{entry.module}"), f"view_{name}")
    parameters = [parameter.rstrip("_") for parameter in inspect.signature(function).parameters]
    assert parameters == ["model", *SECOND_PARAMETER[entry.reads], *entry.options]


@pytest.mark.parametrize(
    ("words", "wanted"), [(["--help"], set()), ([], {"summary"}), (["ab", "--view", "saturation"], {"saturation"})]
)
def test_views_are_imported_when_they_are_shown(path, words, wanted):
    code = (
        "import sys; from click.testing import CliRunner; from charlstm.cli.main import main;"
        "done = CliRunner().invoke(main, ['inspect', '-m', *sys.argv[1:]]); assert done.exit_code == 0;"
        "print(*(name for name in sys.modules if name.startswith('charlstm.inspection.')))"
    )
    done = subprocess.run([sys.executable, "-c", code, path, *words], capture_output=True, text=True, check=True)
    modules = {entry.module for entry in VIEWS.values()}
    assert {name.rpartition(".")[2] for name in done.stdout.split()} & modules == wanted


def test_a_page_traces_the_text_once_and_parses_no_json(monkeypatch):
    it, traced = by_formula("lstm", CHARACTERS), []
    trace = charlstm.inspection.trace.trace
    monkeypatch.setattr(charlstm.inspection.trace, "trace", lambda *read: traced.append(read) or trace(*read))
    monkeypatch.setattr(json, "loads", lambda text: pytest.fail("JSON that was just written is parsed"))
    content = page.build_page(Subject(it, TEXT))
    assert traced == [(it, TEXT)] and all(f'id="panel-{name}"' in content for name in ("live", "memory", "why"))


def test_options_go_to_the_views_that_have_them():
    it = by_formula("lstm", CHARACTERS)
    content = page.build_page(Subject(it, TEXT), None, {"units": ["1:2"], "lags": 3})
    assert content.count("layer 1, unit 2") and "1:2 tanh(c)" in content
    with pytest.raises(ConfigError, match="no unit 9"):
        page.build_page(Subject(it, TEXT), None, {"units": ["9"]})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ab", "--view", "gate"], "did you mean gates?"),
        (["ab", "--show", "c_tild"], "did you mean c_tilde?"),
        (["ab", "--view", "cell", "--by", "memry"], "did you mean memory?"),
        (["ab", "--view", "why", "--taget", "a"], "did you mean --target?"),
        (["ab", "--view", "units", "--question", "vowel"], "vowels"),
    ],
)
def test_a_mistyped_name_gets_a_suggestion(path, words, said):
    done = run("-m", path, *words)
    assert done.exit_code == 2 and said in done.output


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("histroy", {}, "one of gates, cell.*; did you mean history"),
        ("gates", {"unit": "0:1"}, "has no option 'unit'.*did you mean units"),
        ("gates", {"show": "c_tild"}, "show is 'c_tild'.*did you mean c_tilde"),
        ("units", {"question": "vowel"}, "question is 'vowel'.*did you mean vowels"),
        ("gates", {"most_active": 0.5}, "most_active is 0.5"),
        ("why", {"reach": 0}, "reach is 0"),
        ("why", {"target": ""}, "target is ''"),
        ("gradients", {"lags": 0}, "lags is 0"),
    ],
)
def test_a_wrong_value_is_named_in_python(name, options, said):
    with pytest.raises(ConfigError, match=said):
        LanguageModel(by_formula("lstm", CHARACTERS)).view(name, TEXT, **options)


def test_the_help_explains_every_view_after_the_main_options():
    output = " ".join(run("--help").output.split())
    places = [
        output.index(f" {name} {entry.sentence[:1].upper()}{entry.sentence[1:]}.") for name, entry in VIEWS.items()
    ]
    assert places == sorted(places)
    order = [output.index(heading) for heading in ("Main options:", "--view VIEW", " Text:", " Views:", " Examples:")]
    assert order == sorted(order) and order[-1] > places[-1] > order[-2]


@pytest.mark.parametrize("name", [name for name, entry in VIEWS.items() if entry.reads is not Reads.NOTHING])
def test_unknown_characters_are_skipped_and_counted_by_every_view(name):
    labels = ("one", "two") if name == "labels" else ()
    made = by_formula("lstm", CHARACTERS, labels=labels)
    it = LanguageModel(with_counts(made, "abcab") if name == "counts" else made)
    text, asked = "abxc\nab", "ab\txc\nab\tc"
    given, plain = (asked, asked.replace("x", "")) if name == "cloze" else (text, text.replace("x", ""))
    with pytest.raises(UnknownCharacterError):
        it.view(name, given)
    skipped, without = it.view(name, given, skip_unknown=True), it.view(name, plain)
    (remark,) = [remark for remark in skipped.remarks if "unknown" in remark]
    count = {"cloze": 9}.get(name, 7)
    assert remark == f"1 of {count} characters is unknown to the model and is skipped."
    assert remark not in without.remarks


def test_several_texts_go_to_the_views_that_read_them():
    it = by_formula("gru", CHARACTERS)
    texts = [TextSource("one", ["ab", "c"]), TextSource("two", iter(["dab"]))]
    view = LanguageModel(it).view("score", texts)
    assert list(view.parts["score"].columns[0].values) == ["one", "two", "total"]
    with pytest.raises(ConfigError, match="the view gates reads the trace of a text"):
        LanguageModel(it).view("gates", texts)


def test_a_view_that_a_page_cannot_show_is_left_out():
    subject = Subject(model(network("rnn", np.float32, vocabulary=len(CHARACTERS)), CHARACTERS), TEXT)
    content = page.build_page(subject)
    assert 'id="panel-saturation"' not in content and 'id="panel-history"' in content
    with pytest.raises(ConfigError, match="has no gates"):
        page.build_page(subject, "saturation")
    with pytest.raises(ConfigError, match="has no gates"):
        build_view("saturation", subject, {})
