"""An error names a parameter as its user types it: in Python, on the command line, at the prompt of a session."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from small import model, network

from charlstm import CharlstmError, LanguageModel, train
from charlstm.base.errors import ConfigError, named
from charlstm.cli.main import COMMANDS, main
from charlstm.cli.settings import GROUP_OF
from charlstm.inspection.registry import VIEWS
from charlstm.model import checkpoint

TEXT = "mady said hi to anna"
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("places")
    net = network("lstm", vocabulary=len(set(TEXT)))
    checkpoint.save(model(net, "".join(sorted(set(TEXT)))), where / "charlstm.npz")
    (where / "corpus.txt").write_text(TEXT * 20)
    (where / "table.csv").write_text("name\n" + f"{TEXT}\n" * 20)
    return where


@pytest.fixture(autouse=True)
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def view(name: str, **options: Any) -> Callable[[LanguageModel], object]:
    return lambda it: it.view(name, "mady", **options)


def sample(**options: Any) -> Callable[[LanguageModel], object]:
    return lambda it: it.set_sampler("mady", **options)


def training(**options: Any) -> Callable[[LanguageModel], object]:
    return lambda it: train("corpus.txt", **options)


# A wrong value through both doors; the words of each stand in its message, in this order.
WRONG: list[tuple[str, Callable[[LanguageModel], object], list[str], list[str]]] = [
    ("sample --temperature nan", sample(temperature=float("nan")), ["--temperature"], ["temperature"]),
    ("sample --only Ω", sample(only="Ω"), ["--only"], ["only"]),
    ("sample --bias Ω=1", sample(bias={"Ω": 1}), ["--bias"], ["bias"]),
    ("sample --bias m=1e300", sample(bias={"m": 1e300}), ["--bias"], ["bias"]),
    ("sample --only m --forbid m", sample(only="m", forbid="m"), ["--forbid", "--only"], ["forbid", "only"]),
    (
        "sample --stop m --forbid m",
        lambda it: it.sample(stop="m", forbid="m"),
        ["--stop", "--forbid", "--only"],
        ["stop", "forbid"],
    ),
    ("sample --best 3 --of 2", sample(best=3, of=2), ["--best", "--of"], ["best", "of"]),
    ("sample --best 3", sample(best=3), ["--best", "--best and --of"], ["best", "best and of"]),
    ("sample --new-only", sample(new_only=True), ["--new-only", "--documents"], ["new_only"]),
    ("sample --label x", lambda it: it.with_label("x"), ["--label"], ["label"]),
    ("inspect mady --show x", view("gates", show="x"), ["--show"], ["show"]),
    ("inspect mady --view cell --by x", view("cell", by="x"), ["--by"], ["by"]),
    ("inspect mady --view units --match [", view("units", match="["), ["--match"], ["match"]),
    ("inspect mady --view units --question x", view("units", question="x"), ["--question"], ["question"]),
    ("inspect mady --view units --like x", view("units", like="x"), ["--like"], ["like"]),
    (
        "inspect mady --view units --match m --question vowels",
        view("units", match="m", question="vowels"),
        ["--match and --question"],
        ["match and question"],
    ),
    ("inspect mady --view memory --ask m", view("memory", ask="m"), ["--ask", "--answer"], ["ask", "answers"]),
    ("inspect mady --view patch --at 1", view("patch", at=1), ["--at", "--swap-memory"], ["at", "swap_memory"]),
    ("inspect mady --view patch --set x", view("patch", set="x"), ["--set"], ["set"]),
    ("inspect mady --view patch --set 0:1=1e39@0", view("patch", set="0:1=1e39@0"), ["--set"], ["set"]),
    ("inspect mady --view patch --gate f:0:1=2", view("patch", gate="f:0:1=2"), ["--gate"], ["gate"]),
    ("inspect mady --view patch --gate x:0:1=1", view("patch", gate="x:0:1=1"), ["--gate"], ["gate"]),
    ("inspect mady --view patch --without x", view("patch", without="x"), ["--without"], ["without"]),
    ("inspect mady --view gradients --lags 9", view("gradients", lags=9), ["--lags"], ["lags"]),
    ("train corpus.txt --steps 1 --time 1m", training(steps=1, time="1m"), ["--steps", "--time"], ["steps", "time"]),
    ("train corpus.txt --clip -1 --steps 1", training(clip=-1, steps=1), ["--clip"], ["clip"]),
    ("train corpus.txt --hidden 9999999999", training(hidden=9999999999), ["--hidden"], ["hidden"]),
    ("train corpus.txt --label field:x", training(label="field:x"), ["--label", "--field"], ["label", "field"]),
    ("train corpus.txt --label x --lines", training(label="x", lines=True), ["--label"], ["label"]),
    (
        "train corpus.txt --cell gru --activation relu",
        training(cell="gru", activation="relu"),
        ["--activation", "--cell"],
        ["activation", "cell"],
    ),
]


def names_of_parameters() -> set[str]:
    """Return the names of Python parameters that no sentence has as a word: those with an underscore."""
    commands = [main.get_command(None, name) for name in COMMANDS]  # type: ignore[arg-type]
    found = {one.name or "" for command in commands for one in command.params}  # type: ignore[union-attr]
    found |= {option for entry in VIEWS.values() for option in entry.options} | set(GROUP_OF)
    return {name for name in found if "_" in name}


@pytest.mark.parametrize(("words", "call", "options", "names"), WRONG, ids=lambda one: one if type(one) is str else "")
def test_a_wrong_value_is_named_as_its_door_names_it(
    words: str, call: Callable[[LanguageModel], object], options: list[str], names: list[str]
) -> None:
    further = {"sample": ["--seed", "mady"], "train": ["-m", "new.npz"], "inspect": []}[words.split()[0]]
    done = CliRunner().invoke(main, [*words.split(), *further])
    sentence = done.stderr.strip().splitlines()[-1]
    assert done.exit_code == 2 and re.fullmatch(r"Error: .*[.?]", sentence), (done.stderr, done.exc_info)
    assert re.search(".*".join(map(re.escape, options)), sentence), sentence
    assert not set(re.findall(r"\w+", sentence)) & names_of_parameters(), sentence
    assert not re.search(r"[\ufdd0\ufdd1]", done.output)
    with pytest.raises(CharlstmError) as caught:
        call(LanguageModel(checkpoint.load(Path("charlstm.npz"))))
    assert re.search(".*".join(rf"\b{name}\b" for name in names), str(caught.value)), caught.value
    assert not OPTION.search(str(caught.value)) and not re.search(r"[\ufdd0\ufdd1]", str(caught.value))


@pytest.mark.parametrize(
    ("typed", "named_so"),
    [("/stop Ω", "/stop"), ("/only Ω", "/only"), ("/bias Ω=1", "/bias"), ("/temperature nan", "/temperature")],
)
def test_a_session_names_its_settings(typed: str, named_so: str) -> None:
    done = CliRunner().invoke(main, ["sample", "--interactive", "-n", "1"], input=f"{typed}\n")
    assert re.search(rf"^Error: .*{named_so}\b", done.stderr, re.M) and not OPTION.search(done.stderr), done.stderr


def test_a_note_names_options_too() -> None:
    words = "train table.csv --steps 1 --hidden 2 --workers 1 --force -m t.npz"
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code == 0 and "; --field names the field of each row" in done.stderr, done.stderr


def test_only_what_is_marked_is_spelled() -> None:
    error = ConfigError(f"{named('top_k')} is 'top_k'; {named('the suffix of x')} is not", command="a", python="b")
    assert str(error) == "top_k is 'top_k'; the suffix of x is not; b"
    assert error.text("command", lambda name, _: name.upper()) == "TOP_K is 'top_k'; the suffix of x is not; a"
