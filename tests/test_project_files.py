"""The files for those who work on charlstm are true: how to add a view, versions, targets, supported Pythons."""

import configparser
import csv
import io
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from small import model, network

import charlstm
from charlstm.api import LanguageModel
from charlstm.inspection.registry import VIEWS, Entry, Reads

ROOT = Path(__file__).parent.parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
KINDS_OF_CHANGES = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def read_settings() -> configparser.ConfigParser:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    return settings


def test_the_view_that_contributing_adds_works_in_every_format(monkeypatch: pytest.MonkeyPatch) -> None:
    code, entry = (
        re.sub("^   ", "", block, flags=re.M) for block in re.findall(r"```python\n(.*?)```", CONTRIBUTING, re.S)
    )
    module = ModuleType("charlstm.inspection.peaks")
    exec(compile(code, "CONTRIBUTING.md", "exec"), vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    [(name, made)] = eval(f"{{{entry}}}", {"Entry": Entry, "Reads": Reads}).items()
    monkeypatch.setitem(VIEWS, name, made)  # type: ignore[arg-type]
    it = LanguageModel(model(network("lstm", np.float32, layers=2, hidden=3), "abcd "))
    shown, trace = it.view("peaks", "ab cd"), it.trace("ab cd")
    rows = list(csv.reader(io.StringIO(shown.dump("csv"))))[1:]
    for row, *layers in zip(rows, *(layer["h"] for layer in trace.layers), strict=True):
        for h, (unit, value) in zip(layers, (row[-4:-2], row[-2:]), strict=True):
            assert abs(h[int(unit)]) == max(map(abs, h)) and float(value) == pytest.approx(h[int(unit)], rel=1e-6)
    assert len(rows) == 5 and shown.to_text(80).splitlines()[0].strip() and "peaks" in it.html("ab cd")


def test_every_file_and_target_that_contributing_names_exists() -> None:
    for name in re.findall(r"`((?:charlstm|tests|docs|data)/[\w/.-]+)`|\]\(([\w.]+)\)", CONTRIBUTING):
        path = ROOT / "".join(name)
        assert path.exists() or path.name == "peaks.py", path
    targets = set(re.findall(r"^([\w-]+):", MAKEFILE, re.M))
    named = set(re.findall(r"`?make ([\w-]+)", CONTRIBUTING + WORKFLOW)) - {"and"}
    assert named <= targets and len(named) >= 6


def test_the_workflow_has_every_supported_python_and_the_steps_of_ci() -> None:
    supported = re.findall(r"Python :: (3\.\d+)", read_settings()["metadata"]["classifiers"])
    [tested] = re.findall(r"python: \[(.*)\]", WORKFLOW)
    assert re.findall(r'"([\d.]+)"', tested) == supported
    steps = re.findall(r"^make ([\w-]+)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.M)
    assert re.findall(r"run: make ([\w-]+)$", WORKFLOW, re.M) == steps
    assert all(system in WORKFLOW for system in ("ubuntu", "macos", "windows")) and "has not run yet" in WORKFLOW


def test_the_citation_is_of_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    values = dict(re.findall(r"^([\w-]+): *(.*)$", citation, re.M))
    assert values["version"] == charlstm.__version__ and values["license"] == read_settings()["metadata"]["license"]
    assert {"cff-version", "message", "title", "type", "authors"} <= set(values)


def test_the_changelog_has_the_usual_form() -> None:
    versions = re.findall(r"^## (.*)$", CHANGELOG, re.M)
    assert versions[0] == "[Unreleased]" and versions[1].startswith(f"[{charlstm.__version__}] - ")
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", version) for version in versions[1:])
    kinds = re.findall(r"^### (.*)$", CHANGELOG, re.M)
    assert set(kinds) <= KINDS_OF_CHANGES and kinds


def test_each_issue_template_asks_for_something() -> None:
    templates = [path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
    assert len(templates) >= 3
    for path in templates:
        text = path.read_text(encoding="utf-8")
        assert re.match(r"name: .+\ndescription: .+\nlabels: \[\w+\]\nbody:\n", text), path
        identifiers = re.findall(r"^    id: (\w+)$", text, re.M)
        assert (
            len(set(identifiers)) == len(identifiers) == text.count("  - type: textarea") and "required: true" in text
        )
