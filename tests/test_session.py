"""A session: its state is that of its text, undo restores the state before, and a saved session continues exactly."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small import model, network

from charlstm.api.language_model import LanguageModel
from charlstm.base.config import to_mapping
from charlstm.base.errors import CheckpointError, ConfigError, SessionError, UnknownCharacterError
from charlstm.model import archive, checkpoint
from charlstm.model import model as model_module
from charlstm.model.model import Reader
from charlstm.sampling import session_state
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.sampler import Sampler
from charlstm.sampling.session import MAX_UNDO, Session
from charlstm.sampling.stopping import StoppingRules

CHARACTERS = "\n abc"
SAMPLING = SamplingConfig(2.0, random_seed=3)
STOPPING = StoppingRules(12, ("cb", "\na"), hide_stop=True)
TYPED = st.text(CHARACTERS, max_size=6)
ACTIONS = st.one_of(
    st.tuples(st.just("generate"), TYPED, st.integers(0, 20)),
    st.tuples(st.just("again"), st.integers(0, 20)),
    st.tuples(st.just("add"), TYPED),
    st.tuples(st.just("pick"), st.integers(1, 3)),
    st.tuples(st.just("reset")),
)
both = pytest.mark.parametrize("lines", [False, True], ids=["stream", "lines"])


def a_model(lines=False, kind="lstm", seed=1):
    return model(network(kind, np.float32, hidden=9, layers=2, seed=seed), CHARACTERS, lines)


def do(session, action):
    """Run an action that changes the text, and return what it showed."""
    name, *arguments = action
    if name in ("generate", "again"):
        *arguments, most = arguments  # fewer than it would write: the user stops it
        return "".join(shown.character for shown in islice(getattr(session, name)(*arguments), most))
    if name == "pick":
        return session.pick(min(arguments[0], len(session.suggest(3)))) if session.suggest(3) else None
    return getattr(session, name)(*arguments)


def bytes_of(state):
    return state.text, state.continuation_start, state.network_state.tobytes(), state.logits.tobytes()


def text_of(shown):
    return "".join(it.character for it in shown)


@both
@pytest.mark.parametrize("kind", ["lstm", "gru"])
@given(actions=st.lists(ACTIONS, max_size=8))
def test_the_state_is_that_of_the_text_and_undo_restores_it_bit_for_bit(lines, kind, actions):
    it = a_model(lines, kind)
    session = Session(it, SAMPLING, STOPPING)
    states = []
    for action in actions:
        states.append(bytes_of(session.state))
        if do(session, action) is None and action[0] == "pick":
            states.pop()
        whole = Reader(it)
        whole.read(it.vocabulary.encode(it.opening + session.text)[:, None])
        assert session.state.network_state.tobytes() == whole.state.tobytes()
        assert session.state.logits.tobytes() == whole.logits.tobytes()
    while states:
        session.undo()
        assert bytes_of(session.state) == states.pop()
    with pytest.raises(SessionError, match="no change to undo"):
        session.undo()


@both
@settings(max_examples=12)
@given(before=st.lists(ACTIONS, max_size=5), after=st.lists(ACTIONS, min_size=1, max_size=4))
def test_a_saved_session_continues_exactly(tmp_path_factory, lines, before, after):
    it, path = a_model(lines), tmp_path_factory.mktemp("session") / "s.npz"
    stayed = Session(it, SAMPLING, STOPPING)
    for action in before:
        do(stayed, action)
    stayed.save(path)
    returned = Session(it, SamplingConfig(0.5), StoppingRules(3))
    returned.add("ab")
    returned.load(path)
    for action in after:
        assert do(returned, action) == do(stayed, action)
    stayed.save(path, replace=True)
    returned.save(path.with_name("t.npz"))
    assert path.read_bytes() == path.with_name("t.npz").read_bytes()


def test_a_load_can_be_undone_and_brings_its_settings(tmp_path):
    one, other = Session(a_model(), SAMPLING, STOPPING), Session(a_model(), SamplingConfig(), StoppingRules(5))
    one.add("abc")
    one.save(tmp_path / "s.npz")
    other.add("b")
    before = bytes_of(other.state)
    other.load(str(tmp_path / "s.npz"))
    assert (other.text, other.sampling, other.stopping) == ("abc", SAMPLING, STOPPING)
    other.undo()
    assert bytes_of(other.state) == before


@both
def test_continuation_number_k_uses_random_stream_number_k(lines):
    it, stopping = a_model(lines), StoppingRules(30)
    session = Session(it, SAMPLING, stopping)

    def by_stream(text, number, stopping=stopping):
        return Sampler(it, text, SAMPLING, stopping, number + 1).collect()[number].text

    assert text_of(session.generate("ab")) == by_stream("ab", 0)
    text = session.text
    assert text_of(session.generate()) == by_stream(text, 1)
    assert text_of(session.again()) == by_stream(text, 2)
    text = session.text
    made = [by_stream(text, number) for number in range(3, 12)]
    suggested = session.suggest(9)
    assert len(set(suggested)) == len(suggested) > 1
    assert [it for it in suggested if any(one.startswith(it) for one in made)] == list(suggested)
    assert session.pick(2) == suggested[1] and session.text == text + suggested[1] and not session.suggestions
    assert text_of(session.again()) == by_stream(text, 12)
    session.reseed(3)
    assert text_of(session.again()) == by_stream(text, 0)


def test_suggestions_are_whole_words_and_differ():
    session = Session(a_model(), SamplingConfig(0.0), StoppingRules(500))
    (only,) = session.suggest(4)
    assert len(only) <= 60 and session.text == ""
    for wrong in (0, 2):
        with pytest.raises(SessionError, match=f"no suggestion {wrong}; its number is 1"):
            session.pick(wrong)
    session.add("a")
    with pytest.raises(SessionError, match="ask for suggestions first"):
        session.pick(1)
    session.sampling = SamplingConfig(1.5)
    session.reseed(0)
    texts = {it.text for it in Sampler(a_model(), "a", SamplingConfig(1.5), StoppingRules(60), 30).collect()}
    for made in session.suggest(30):
        assert any(text == made or text[len(made)] == " " or " " not in made for text in texts if text.startswith(made))


@pytest.mark.parametrize("lines", [False, True])
def test_an_interrupt_while_a_text_is_read_changes_nothing(lines, monkeypatch):
    monkeypatch.setattr(model_module, "BLOCK", 4)
    session = LanguageModel(a_model(lines)).session(length=5)
    "".join(sampled.character for sampled in session.generate("ab"))
    before, continuation = bytes_of(session.state), session.text

    def interrupt(read):
        raise KeyboardInterrupt

    session.report = interrupt
    for change in (lambda: session.add("abcab" * 3), lambda: session.generate("ab"), session.again):
        with pytest.raises(KeyboardInterrupt):
            change()
        assert bytes_of(session.state) == before
    session.report = None
    session.undo()
    assert continuation.startswith("ab") and session.text == ""


@pytest.mark.parametrize("rows", [1, 3])
def test_only_the_last_document_of_a_text_is_read_and_its_bits_stay(rows):
    it = a_model(lines=True)
    end, rng = it.vocabulary.end, np.random.default_rng(0)
    ids = rng.integers(len(it.vocabulary), size=(3000, rows)).astype(it.vocabulary.id_type)
    ids[-1200:][ids[-1200:] == end] = (end + 1) % len(it.vocabulary)
    whole, reader, reads = Reader(it, rows), Reader(it, rows), []
    for _ in whole.passes(ids):
        pass
    reader.read(ids, reads.append)
    assert np.array_equal(reader.state, whole.state) and np.array_equal(reader.logits, whole.logits)
    assert reads[-1] == 3000 and reads[0] > 1700 and reads == sorted(reads)
    for _ in whole.passes(ids[-500:]):  # without a document, the state before it counts
        pass
    reader.read(ids[-500:])
    assert np.array_equal(reader.state, whole.state) and np.array_equal(reader.logits, whole.logits)


def test_an_iterator_ends_when_the_session_does_something_else():
    session = Session(a_model(), SAMPLING, StoppingRules(500))
    made = session.generate("ab")
    taken = text_of(islice(made, 5))
    assert session.text == "ab" + taken
    taken += text_of(islice(made, 5))  # looking at the text changes nothing
    assert session.text == "ab" + taken
    session.undo()
    assert next(made, None) is None and session.text == ""


def test_a_hundred_changes_can_be_undone():
    session = Session(a_model(), SAMPLING, STOPPING)
    for _ in range(MAX_UNDO + 3):
        session.add("a")
    for _ in range(MAX_UNDO):
        session.undo()
    assert session.text == "aaa"
    with pytest.raises(SessionError, match="the last 100 changes"):
        session.undo()


def test_an_error_changes_nothing(tmp_path):
    session = Session(a_model(), SAMPLING, STOPPING)
    session.add("ab")
    before = bytes_of(session.state)
    session.save(tmp_path / "s.npz")
    saved = (tmp_path / "s.npz").read_bytes()
    for error, act in (
        (UnknownCharacterError, lambda: session.generate("abx")),
        (UnknownCharacterError, lambda: session.add("é")),
        (ConfigError, lambda: setattr(session, "sampling", SamplingConfig(only="x"))),
        (CheckpointError, lambda: session.load(tmp_path / "none.npz")),
        (CheckpointError, lambda: session.load(tmp_path)),
        (ConfigError, lambda: session.suggest(0)),
        (ConfigError, lambda: session.suggest(1.5)),
        (SessionError, lambda: session.save(str(tmp_path / "s.npz"))),
        (SessionError, lambda: session.save(Path("/dev/null"), replace=True)),
    ):
        with pytest.raises(error) as raised:
            act()
        assert "\n" not in str(raised.value)
        assert bytes_of(session.state) == before and session.sampling == SAMPLING
    assert (tmp_path / "s.npz").read_bytes() == saved and len(list(tmp_path.iterdir())) == 1


@pytest.fixture
def saved(tmp_path):
    """A saved session of a few turns."""
    session = Session(a_model(), SamplingConfig(0.7, top_k=3, only="abc"), StoppingRules(9, ("cc",)))
    text_of(session.generate("ab"))
    session.save(tmp_path / "s.npz")
    return session, tmp_path / "s.npz"


def test_numpy_alone_reads_a_saved_session(saved):
    session, path = saved
    with np.load(path, allow_pickle=False) as file:
        members = dict(file)
    np.testing.assert_array_equal(members["state"], session.state.network_state[:, :, 0])
    np.testing.assert_array_equal(members["logits"], session.state.logits[0])
    assert session.text in members["metadata"].tobytes().decode()


def test_a_truncated_or_changed_file_is_an_error(saved):
    session, path = saved
    content, before = path.read_bytes(), bytes_of(session.state)
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"s\.npz"):
            session.load(path)
    for where in np.random.default_rng(0).integers(len(content), size=150):
        damaged = bytearray(content)
        damaged[where] ^= 1 << where % 8
        path.write_bytes(damaged)
        try:
            session.load(path)
        except CheckpointError as error:
            assert "\n" not in str(error)
        assert bytes_of(session.state) == before


def forged(path, change):
    """Write a file with changed content and a valid digest, as only an attacker would."""
    with path.open("rb") as file:
        arrays = archive.read(file)
    value = archive.to_json(
        arrays.pop("metadata"), "charlstm session", {session_state.VERSION: session_state.NAMES | {session_state.ADDED}}
    )
    change(value, arrays)
    with path.open("wb") as file:
        archive.write({"metadata": archive.from_json(value), **arrays}, file)


@pytest.mark.parametrize(
    "change",
    [
        lambda value, _: value.update(format="charlstm"),
        lambda value, _: value.update(version=3),
        lambda value, _: value.update(more=1),
        lambda value, _: value.update(model="0" * 64),
        lambda value, _: value.update(text="x"),
        lambda value, _: value.update(text=5),
        lambda value, _: value.update(continuation_start=-1),
        lambda value, _: value.update(continuation_start=10**6),
        lambda value, _: value.update(streams_used=1.5),
        lambda value, _: value.update(streams_used=True),
        lambda value, _: value["sampling"].update(temperature=-1),
        lambda value, _: value["sampling"].update(temperature="hot"),
        lambda value, _: value["sampling"].update(only="x"),
        lambda value, _: value["sampling"].update(forbid=7),
        lambda value, _: value["sampling"].update(typical_p=0.5),
        lambda value, _: value["stopping"].update(length="long"),
        lambda value, _: value["stopping"].update(stop=[""]),
        lambda value, _: value["stopping"].update(stop=[7]),
        lambda value, _: value["stopping"].update(hide_stop="no"),
        lambda value, _: value["stopping"].update(sentence=1),
        lambda value, _: value.update(stopping=[]),
        lambda _, arrays: arrays.pop("state"),
        lambda _, arrays: arrays.update(more=np.zeros(1)),
        lambda _, arrays: arrays.update(state=arrays["state"][:1]),
        lambda _, arrays: arrays.update(logits=arrays["logits"].astype(np.float64)),
        lambda _, arrays: arrays["logits"].__setitem__(0, np.nan),
    ],
)
def test_inconsistent_content_is_an_error(saved, change):
    session, path = saved
    before = bytes_of(session.state)
    forged(path, change)
    with pytest.raises(CheckpointError, match=r"s\.npz") as raised:
        session.load(path)
    assert "\n" not in str(raised.value) and bytes_of(session.state) == before


def test_another_model_and_another_kind_of_file_are_errors(saved, tmp_path):
    _, path = saved
    for other in (a_model(lines=True), a_model(seed=2), model(network("lstm", np.float32), "\n abd")):
        with pytest.raises(CheckpointError, match="saved with another model"):
            Session(other, SAMPLING, STOPPING).load(path)
    checkpoint.save(a_model(), tmp_path / "model.npz")
    with pytest.raises(CheckpointError, match="another kind of file"):
        Session(a_model(), SAMPLING, STOPPING).load(tmp_path / "model.npz")
    with pytest.raises(CheckpointError, match="another kind of file"):
        checkpoint.load(path)


def test_the_first_continuation_from_python_equals_a_sample():
    loaded = LanguageModel(a_model())
    session = loaded.session(25, 1.3, stop="cc", top_k=4, random_seed=8)
    sample = loaded.sample("ab", 25, 1.3, stop="cc", top_k=4, random_seed=8)
    assert text_of(session.generate("ab")) == sample.text
    assert to_mapping(session.sampling)["random_seed"] == 8


def test_a_setting_that_a_file_lacks_has_its_default(saved):
    session, path = saved
    forged(path, lambda value, _: [value["sampling"].pop("min_p"), value["stopping"].pop("sentence")])
    session.load(path)
    assert (session.sampling, session.stopping) == (SamplingConfig(0.7, top_k=3, only="abc"), StoppingRules(9, ("cc",)))


def test_a_file_of_version_1_is_read():
    """The file and its model were written by the last charlstm of version 1; it continued with the same text."""
    folder = Path(__file__).parent / "data"
    session = Session(checkpoint.load(folder / "session-version-1-model.npz"), SAMPLING, STOPPING)
    session.load(folder / "session-version-1.npz")
    assert session.text == "annann t dob odhn dn a aoandand"
    assert (session.sampling, session.stopping) == (SamplingConfig(0.5, top_k=5), StoppingRules(12, ("tt",)))
    assert text_of(session.generate()) == "d noanna an "
    assert session.state.continuation_start == len("annann t dob odhn dn a aoandand")


def test_a_file_of_version_1_of_another_model_is_an_error():
    session = Session(a_model(), SAMPLING, STOPPING)
    with pytest.raises(CheckpointError, match="saved with another model"):
        session.load(Path(__file__).parent / "data" / "session-version-1.npz")
