"""What the documentation says is true: references, links, file names, the short LSTM; and its checks find faults."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import DOCS, ROOT, check_pages, list_words, script
from small import Example, gradient, network

import charlstm
from charlstm.cli.main import main

PAGES = check_pages.list_pages()
every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r…"), max_size=12), max_size=8)


def test_the_table_of_modules_is_fresh() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert script("make_modules").renew(text) == text, "run `make docs`"


def test_the_option_reference_is_fresh() -> None:
    page = (DOCS / "reference" / "options.md").read_text(encoding="utf-8")
    assert script("make_options").reference() == page, "run `make docs`"


@every_page
def test_every_command_in_the_documents_parses(path: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for words in list_words(path, "make"):
        assert {word for word in words if "=" not in word} <= targets, words
    for words in list_words(path):
        if not words[0].startswith("-"):
            group = click.Context(main, **main.context_settings)  # click keeps the names of --help that it sees first
            command = main.get_command(group, words[0])
            assert command is not None, words
            command.make_context(words[0], words[1:], parent=group)


def test_no_two_pages_use_a_file_name_for_two_things() -> None:
    assert list(check_pages.check_names([check_pages.read_page(path) for path in PAGES])) == []


def slug(heading: str) -> str:
    """Return the anchor that a Markdown heading gets."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.M)
            assert anchor in map(slug, headings), target


def test_every_path_that_a_text_of_the_project_names_exists() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False).stdout
    texts = [
        name for name in tracked.split() if name.endswith((".py", ".md", ".js", "Makefile")) and "data/" not in name
    ]
    for name in texts:
        for found in re.findall(r"\bdocs/[\w/-]+\.(?:md|py|ipynb|png)\b", (ROOT / name).read_text(encoding="utf-8")):
            assert (ROOT / found).exists(), f"{name}: {found}"


def test_every_page_is_reached_from_the_index() -> None:
    seen, ahead = set(), [DOCS / "index.md"]
    while ahead:
        page = ahead.pop()
        if page not in seen:
            seen.add(page)
            links = re.findall(r"\]\(([^)#\s]+\.(?:md|ipynb))", page.read_text(encoding="utf-8"))
            ahead += [(page.parent / link).resolve() for link in links if not link.startswith("http")]
    assert {*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb")} <= seen


def test_the_readme_is_short_and_its_pictures_are_small() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 200 and len(text.split()) <= 1300
    pictures = re.findall(r"!\[[^]]+\]\((docs/pictures/[^)]+)\)", text)
    assert len(pictures) == 2
    assert all((ROOT / picture).stat().st_size < 150_000 for picture in pictures)


def test_the_table_of_environment_variables_is_complete() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "charlstm").rglob("*.py"))
    read = set(re.findall(r"\benviron(?:\.get\(|\.setdefault\(|\[)\"(\w+)\"", code))
    read |= set(re.findall(r"\"((?:[A-Z]+_)+NUM_THREADS|VECLIB_MAXIMUM_THREADS|NO_COLOR|_?CHARLSTM_[A-Z]+)\"", code))
    read |= set(re.findall(r"\"((?:FORCE|CLICOLOR|XDG)_[A-Z_]+)\"", code)) | {"COLUMNS"}
    page = (DOCS / "reference" / "environment.md").read_text(encoding="utf-8")
    described = {name for row in re.findall(r"^\| (`.*?) \|", page, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert described == read


def test_the_tables_of_the_model_file_name_what_a_file_has(tmp_path: Path) -> None:
    page = (DOCS / "reference" / "file-format.md").read_text(encoding="utf-8").split("\n## ")
    section = next(part for part in page if part.startswith("The model file"))
    rows = [row.split(" | ") for row in re.findall(r"^\| (`.*)$", section, re.M)]
    described = {name for row in rows for name in re.findall(r"`([\w/]+)`", row[0])}
    (tmp_path / "corpus.txt").write_text("abcd\n" * 100)
    options: dict[str, Any] = {"hidden": 3, "layers": 2, "steps": 2, "workers": 1, "counts": 3}
    charlstm.train(tmp_path / "corpus.txt", **options, model=tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as file:
        metadata = json.loads(bytes(file["metadata"]))
        others = {name for name in file.files if name.startswith("gradients/")} - described  # those of "…"
        assert (set(file.files) | set(metadata)) - others == described
    for key in ("network", "training", "corpus"):
        row = next(row for row in rows if row[0] == f"`{key}`")
        names = set(re.findall(r"`([a-z_0-9]+)`", row[1]))
        assert set(metadata[key]) == names, key


def test_every_exit_code_that_a_command_can_have_is_in_the_table() -> None:
    page = (DOCS / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \|", page, re.M) == ["0", "1", "2", "3", "129", "130", "143"]


@given(
    st.integers(1, 5), st.integers(2, 4), st.lists(st.integers(0, 4), min_size=2, max_size=9), st.integers(0, 2**32 - 1)
)
@settings(max_examples=30)
def test_the_lstm_in_60_lines_is_the_lstm_of_the_package(hidden: int, extra: int, ids: list[int], seed: int) -> None:
    short = script("explanation/lstm_in_60_lines")
    it = network("lstm", vocabulary=5, hidden=hidden, seed=seed)
    weights = {name: np.array(block) for name, block in it.parameters.items()}
    column, targets = np.array(ids[:-1])[:, None], np.array(ids[1:])[:, None]
    state = it.zero_state(1)
    of = Example(column, targets, np.ones(column.shape), state, None)

    _, probabilities = short.forward(ids[:-1], weights)
    logits = it.forward(column, state, None).logits[:, 0]
    wanted = np.exp(logits - logits.max(-1, keepdims=True))
    np.testing.assert_allclose(probabilities, wanted / wanted.sum(-1, keepdims=True), rtol=1e-10)

    loss, _, d = gradient(it, of)
    computed = short.gradients(ids[:-1], ids[1:], weights)
    whole = -sum(np.log(p[target]) for p, target in zip(probabilities, ids[1:], strict=True))
    scale = whole / loss  # the package takes the mean over the characters
    np.testing.assert_allclose(np.concatenate([computed[name].ravel() for name in weights]), d * scale, atol=1e-10)


def test_the_lstm_in_60_lines_has_60_lines_of_code() -> None:
    source = (DOCS / "explanation" / "lstm_in_60_lines.py").read_text(encoding="utf-8").partition('"""\n\n')[2]
    assert len([line for line in source.splitlines() if line.strip()]) <= 60


@given(LINES)
def test_lines_match_themselves_and_no_others(lines: list[str]) -> None:
    lines = [line.rstrip() for line in lines]
    assert check_pages.matches(lines, lines)
    assert check_pages.matches(["…"], lines)
    assert not check_pages.matches([*lines, "x"], lines)
    assert not check_pages.matches(lines, [*lines, ""])


@given(LINES, LINES, LINES, st.integers(0, 12))
def test_an_ellipsis_stands_for_lines_or_for_a_part_of_a_line(
    before: list[str], middle: list[str], after: list[str], place: int
) -> None:
    before, middle, after = ([line.rstrip() for line in lines] for lines in (before, middle, after))
    assert check_pages.matches([*before, "…", *after], [*before, *middle, *after])
    line = "".join(middle)
    assert check_pages.matches([f"a{line[:place]}…{line[place + 2 :]}b"], [f"a{line}b"])
    assert not check_pages.matches([f"a{line}…b"], [f"a{line}", "b"])


@pytest.mark.parametrize(
    ("expected", "line", "alike"),
    [
        ("  0:15    7.023  0.8%  'm'", "  0:15    7.1234  10.8%  'm'", True),
        ("gradient ▅▃▄ −4.6e-05", "gradient ▅▂▄ 1.2e-05", True),
        ("  0:15    7.023  0.8%  'm'", "  0:15    7.023  0.8%  'n'", False),
        ("3 rows", "3 rows 1", False),
    ],
)
def test_another_machine_compares_everything_but_numbers(expected: str, line: str, alike: bool) -> None:
    assert check_pages.alike([expected, "x"], [line, "x"]) is alike
    assert not check_pages.matches([expected], [line])


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that writes a page and runs its commands."""
    for name, path in (("ROOT", tmp_path), ("DOCS", tmp_path / "docs"), ("BUILD", tmp_path / "build")):
        monkeypatch.setattr(check_pages, name, path)
    (tmp_path / "docs").mkdir()

    def run(text: str, name: str = "page.md", others: dict[str, Future[Any]] | None = None) -> Any:
        path = tmp_path / "docs" / name
        path.write_text(text, encoding="utf-8")
        page = check_pages.read_page(path)
        outcome = check_pages.check_page(page, others or {}, tmp_path, "", True)
        return page, outcome

    return run


PAGE = """# A page

<!-- creates: a.txt -->

```console
$ echo one > a.txt
$ cat a.txt && echo two
one
two
```

```pycon
>>> x = open("a.txt").read()
>>> x
'one\\n'
>>> for number in range(2):
...     print(number)
0
1
```

```console slow
$ no-such-command
```
"""


def test_a_true_page_has_no_faults(check: Callable[..., Any]) -> None:
    page, outcome = check(PAGE)
    assert (outcome.faults, outcome.compared) == ([], len(page.commands)) and len(page.commands) == 5


@pytest.mark.parametrize(
    ("true", "false", "fault"),
    [
        ("\ntwo\n", "\nthree\n", "+ two"),
        ("\ntwo\n", "\n", "+ two"),
        ("'one\\n'", "'one'", "+ 'one\\n'"),
        ("\n1\n", "\n", "+ 1"),
        ("&& echo two", "&& echo two && false", "exit code 1, not 0"),
        (">>> x\n", ">>> y\n", "NameError"),
        ("<!-- creates: a.txt -->", "", "write a.txt, which it does not declare"),
        ("<!-- creates: a.txt -->", "<!-- creates: a.txt b.txt -->", "declares b.txt"),
        ("```console slow", "```console", "not found"),
    ],
)
def test_a_false_page_has_a_fault(check: Callable[..., Any], true: str, false: str, fault: str) -> None:
    assert true in PAGE
    _, outcome = check(PAGE.replace(true, false, 1))
    assert fault in "\n".join(outcome.faults)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```\n$ ls\n```\n", "without a language"),
        ("```text\n$ ls\n```\n", "belong into a block"),
        ("```text\ncharlstm sample\n```\n", "belong into a block"),
        ("```console whatever\n$ ls\n```\n", "no reason"),
        ("```console\nls\n```\n", "without a command"),
    ],
)
def test_a_block_that_hides_a_command_is_refused(check: Callable[..., Any], text: str, fault: str) -> None:
    with pytest.raises(check_pages.PageError, match=fault):
        check(text)


def test_a_renewed_page_shows_what_its_commands_print(check: Callable[..., Any]) -> None:
    shown = "```console\n$ seq 5\n1\n…\n7\n$ echo a; echo b\n\n$ true\n```\n"
    page, outcome = check(shown)
    assert len(outcome.faults) == 2
    check_pages.renew(page, outcome.fresh)
    renewed = page.path.read_text(encoding="utf-8")
    assert renewed == "```console\n$ seq 5\n1\n…\n5\n$ echo a; echo b\na\nb\n\n$ true\n```\n"
    assert check(renewed)[1].faults == []


def test_a_page_starts_with_the_files_of_the_page_that_it_uses(check: Callable[..., Any]) -> None:
    name, first = "first.md", Future[Any]()
    first.set_result(check(PAGE, name)[1])
    second = "<!-- uses: first.md -->\n```console\n$ cat a.txt\none\n```\n"
    assert check(second, "second.md", {f"docs/{name}": first})[1].faults == []


@pytest.mark.parametrize(
    ("first", "second", "fault"),
    [
        ("<!-- creates: a.npz -->", "<!-- creates: a.npz -->", "both have a file a.npz"),
        (
            "<!-- creates: a.npz -->",
            "```console slow\n$ charlstm sample -m a.npz\n```",
            "names a.npz, which it neither",
        ),
        ("", "```console slow\n$ charlstm train b.txt\n```", "names b.txt, which it neither"),
        ("<!-- creates: a.npz -->", "<!-- uses: 0.md -->\n```console slow\n$ charlstm sample -m a.npz\n```", None),
        ("", "<!-- names: b.txt -->\n```console slow\n$ charlstm train b.txt corpus.txt\n```", None),
    ],
)
def test_a_file_name_has_one_meaning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str, fault: str | None
) -> None:
    monkeypatch.setattr(check_pages, "ROOT", tmp_path)
    monkeypatch.setattr(check_pages, "DOCS", tmp_path)
    pages = []
    for number, text in enumerate((first, second)):
        (tmp_path / f"{number}.md").write_text(text, encoding="utf-8")
        pages.append(check_pages.read_page(tmp_path / f"{number}.md"))
    faults = list(check_pages.check_names(pages))
    assert len(faults) == (fault is not None) and (fault or "") in "".join(faults)


def test_the_site_has_the_version_of_the_package() -> None:
    assert script("conf").release == charlstm.__version__
