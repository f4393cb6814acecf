"""The examples in docstrings give what they show; `model` in them is a small LanguageModel, `corpus.txt` a text."""

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest
from small import model, network

import charlstm
from charlstm.api import LanguageModel

PACKAGE = Path(charlstm.__file__).parent
MODULES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.txt").write_text("the cat sat on a mat.\n" * 100)
    small = LanguageModel(model(network("lstm", np.float32), "\nabcd"))
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"model": small}, optionflags=doctest.ELLIPSIS)
    assert result.attempted and not result.failed
