"""From Python: the same texts and numbers as the commands give, and an import that costs nothing."""

import subprocess
import sys
from itertools import islice

import numpy as np
import pytest
from small import model, network

import charlstm
from charlstm import checkpoint
from charlstm.errors import CheckpointError, ConfigError, UnknownCharacterError
from charlstm.inspect.trace import trace

CHARACTERS = "\nabcd"


@pytest.fixture(params=[False, True], ids=["stream", "lines"])
def loaded(request, tmp_path):
    checkpoint.save(model(network("lstm", np.float32), CHARACTERS, request.param), tmp_path / "m.npz")
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
    assert len(sample.text) == 40 and (sample.seed, sample.stop) == ("ab", "length")
    assert sample.text == "".join(islice(loaded.stream("ab", 1.3, top_k=4, random_seed=5), 40))
    assert loaded.sample("ab", 40, 1.3, top_k=4, random_seed=6) != sample


def test_a_sample_ends_by_default_where_the_command_would(loaded):
    sample = loaded.sample("ab", temperature=1.5)
    if loaded.model.training.lines:
        assert sample.text.endswith("\n") and sample.text.count("\n") == 1 and sample.stop == "lines"
    else:
        assert len(sample.text) == 500
    assert loaded.sample(length=900, temperature=2.0, stop="cd").text.endswith("cd")
    assert loaded.sample(lines=3, temperature=2.0).text.count("\n") == 3


def test_a_trace_is_that_of_the_inspector(loaded):
    np.testing.assert_array_equal(loaded.trace("abca").surprise, trace(loaded.model, "abca").surprise)


def test_what_is_wrong_is_said(loaded, tmp_path):
    with pytest.raises(UnknownCharacterError):
        loaded.stream("abx")
    with pytest.raises(ConfigError, match="no rule 'top_q'; the rules are temperature, top_k"):
        loaded.sample("ab", top_q=1)
    with pytest.raises(CheckpointError):
        charlstm.load(tmp_path / "none.npz")
    assert "lstm" in repr(loaded)
