"""The telling place of a text is the one that its definition gives, character by character; a page asks there."""

import re

import numpy as np
import pytest
from every_view import by_formula
from small import labelled_model, model, network

from charlstm.base.errors import UnknownCharacterError
from charlstm.base.symbols import END
from charlstm.inspection.registry import Subject, build_all_views, build_view
from charlstm.inspection.telling_place import find_telling_place
from charlstm.inspection.trace import start_reader, trace
from charlstm.network.loss import log_softmax

STREAM = model(network("lstm", vocabulary=5, hidden=4), "\n abc")
LINES = model(network("gru", vocabulary=5, hidden=4), "\n abc", lines=True)
LABELLED = labelled_model("lstm").with_label("merry")
LONG = "ab cab bca ccab acb bb cab "


def predict(it, text):
    """Return the log-probabilities after a text that is read alone, from its start."""
    reader = start_reader(it)
    reader.read(it.vocabulary.encode(text)[:, None])
    return log_softmax(reader.logits[0].astype(np.float64))


def find_slowly(it, text):
    """Find the telling place by its definition; a document shorter than the longest context has no gain."""
    far = trace(it, text).log_probabilities  # (N, V)
    gains, longest = {}, max(16, min(32, len(text) * 2 // 3))
    for n in range(max(0, len(text) - 301), len(text) - 1):
        document = text[: n + 1].rpartition(END)[2]
        if len(document) >= longest and text[n + 1] != END:
            index = it.vocabulary.id(text[n + 1])
            gains[n] = far[n, index] - max(predict(it, document[-k:])[index] for k in (16, longest))
    for words in (True, False):
        some = {n: gain for n, gain in gains.items() if bool(re.match(r"\W\w", text[n : n + 2])) == words}
        if some and max(some.values()) > 1e-12:
            return max(some, key=some.get)
    return len(text) - 1


@pytest.mark.parametrize(
    ("it", "characters"),
    [
        (STREAM, "abc"),
        (STREAM, "abc "),
        (LINES, "abc   "),
        (LINES, 9 * "abc   " + END),
        (LINES, 16 * "abc" + END),
        (LABELLED, "abc\n\n"),
    ],
)
def test_the_place_is_that_of_the_definition(it, characters):
    rng = np.random.default_rng(0)
    for length in (1, 16, 17, 18, 25, *range(30, 110, 9)):
        text = it.documents.parse("".join(rng.choice(list(characters), length)))
        assert find_telling_place(it, text) == find_slowly(it, text), text
        if it is LINES:
            assert find_telling_place(it, text.replace(END, "\n")) == find_slowly(it, text)


def test_only_the_last_300_characters_are_examined():
    text = "".join(np.random.default_rng(2).choice(list("abc     "), 330))
    found = find_telling_place(STREAM, text)
    assert found == find_slowly(STREAM, text) and 29 <= found < 329
    assert find_telling_place(STREAM, "a") == 0 and find_telling_place(STREAM, "ab ca") == 4
    with pytest.raises(UnknownCharacterError):
        find_telling_place(STREAM, "abx")


def test_a_page_asks_why_at_the_telling_place():
    it, text = by_formula("lstm", "\n abc"), 2 * LONG
    place = find_telling_place(it, text)
    assert 24 < place < len(text) - 1
    views = build_all_views(Subject(it, text), "why", {})
    for name in ("why", "patch"):
        there, at_the_end = (build_view(name, Subject(it, some), {}) for some in (text[: place + 1], text))
        assert repr(views[name].parts) == repr(there.parts) != repr(at_the_end.parts)
        (remark,) = set(views[name].remarks) - set(there.remarks)
        assert remark.startswith(f"The page asks about the prediction after character {place}, counted from 0, which")
    changed = build_all_views(Subject(it, text), None, {"target": "a", "set": ["0:1=1"], "without": ["0:1"]})
    for name, options in (("why", {"target": "a"}), ("patch", {"set": ["0:1=1"], "without": ["0:1"]})):
        assert repr(changed[name]) == repr(build_view(name, Subject(it, text), options))
    without = build_all_views(Subject(it, text), None, {"without": ["0:1"]})["patch"]
    assert repr(without.parts) == repr(build_view("patch", Subject(it, text[: place + 1]), {"without": ["0:1"]}).parts)
