"""Dynamic evaluation: the steps of the article, what it leaves unchanged, and what undoes it."""

import json
import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import reference
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from small import by_reference, every_kind, labelled_model, model, network

from charlstm.api.language_model import LanguageModel
from charlstm.base.config import AdaptConfig
from charlstm.base.errors import CheckpointError, ConfigError
from charlstm.base.parameters import Parameters
from charlstm.cli.main import main
from charlstm.model import adaptation, archive, checkpoint
from charlstm.model.adaptation import DECAY, SMOOTHING, Learner
from charlstm.network.gradient_squares import GradientSquares, factor_shapes
from charlstm.text.batches import StreamBatches
from charlstm.training.gradients import measure_gradients

CHARACTERS = "\nabcd"
T = 5
both = pytest.mark.parametrize("lines", [False, True], ids=["stream", "lines"])
LEARNING = AdaptConfig(True, 0.05)


def a_model(lines=False, kind="lstm", dtype=np.float32, known=True, **config):
    made = network(kind, dtype, len(CHARACTERS), **config)
    shapes = factor_shapes(made.parameters.shapes)
    squares = np.random.default_rng(4).uniform(1e-3, 2e-2, sum(math.prod(shape) for shape in shapes.values()))
    it = model(made, CHARACTERS, lines)
    return replace(it, gradient_squares=Parameters(shapes, np.float32, squares.astype(np.float32)) if known else None)


def numerical_gradient(net, loss):
    """The gradient of a loss by central differences."""
    slopes, flat = np.zeros(net.parameters.flat.size), net.parameters.flat
    for n in range(len(slopes)):
        ways = []
        for step in (1e-5, -1e-5):
            flat[n] += step
            ways.append(loss())
            flat[n] -= step
        slopes[n] = (ways[0] - ways[1]) / 2e-5
    return slopes


def plain_squares(shapes, blocks):
    """The mean squares of gradients, of a matrix as an outer product of means, by plain loops."""
    flat = []
    for name, shape in shapes.items():
        mean = sum(weight * np.square(block[name]) for block, weight in blocks) / len(blocks)
        if len(shape) == 1:
            flat += mean.tolist()
            continue
        D, N = shape
        rows = [sum(mean[i]) / N for i in range(D)]
        columns = [sum(mean[:, j]) / D for j in range(N)]
        middle = sum(rows) / D
        flat += [rows[i] * columns[j] / middle if middle else 0.0 for i in range(D) for j in range(N)]
    return np.array(flat)


@pytest.mark.parametrize("known", [True, False], ids=["measured", "estimated"])
@every_kind
@both
def test_the_steps_are_those_of_the_article(kind, lines, known, monkeypatch):
    monkeypatch.setattr(adaptation, "SEGMENT", T)
    rate, text = 0.03, "abca\nbd\n\ncadcabba\nab"
    it = a_model(lines, kind, np.float64, known)
    before = it.network.parameters.flat.copy()
    found = LanguageModel(it).score(text, adapt=True, adapt_rate=rate).surprise
    assert (it.network.parameters.flat == before).all()

    shapes, learnt, blocks = it.network.parameters.shapes, it.network.with_weights(before), []
    squares = GradientSquares(shapes, it.gradient_squares).expand().flat if known else None
    pieces = text.splitlines(keepends=True) if lines else [text]
    state, last, wanted = None, it.opening, []
    for piece in pieces:
        if lines:
            state, last = learnt.zero_state(1), "\n"
        stretches = [piece[n : n + T] for n in range(0, len(piece), T)]
        if not lines:  # the first character has no prediction, so the first segment reaches one further
            stretches = [piece[: T + 1], *(piece[n : n + T] for n in range(T + 1, len(piece), T))]
            state = learnt.zero_state(1)
        for stretch in stretches:
            ids = [[k] for k in it.vocabulary.encode(last + stretch).tolist()]
            targets, last = ids[1:], stretch[-1]

            def loss(ids=ids, targets=targets, state=state):
                logits = by_reference(kind, learnt, ids[:-1], state).logits
                return reference.loss(logits, targets, [[1.0 / T]] * len(targets))

            done = by_reference(kind, learnt, ids[:-1], state)
            wanted += [
                -math.log2(reference.probabilities(row[0])[k]) for row, (k,) in zip(done.logits, targets, strict=True)
            ]
            state = np.array(done.state)
            if len(stretch) < T and not (lines and stretch.endswith("\n")):
                break
            slopes = numerical_gradient(learnt, loss)
            if not known:
                blocks.append((Parameters(shapes, "float64", slopes), T**2 / len(targets)))
                if len(blocks) in (1, 2, 4, 8, 16):
                    squares = plain_squares(shapes, blocks)
            rms = np.sqrt(squares / T)
            limit = adaptation.LARGEST_STEP * math.sqrt((rms**2).sum())
            slopes *= min(1.0, limit / math.sqrt((slopes**2).sum()))
            flat = learnt.parameters.flat
            flat -= rate * slopes / (rms + SMOOTHING * rms.mean())
            pull = np.minimum(DECAY * rms / rms.mean(), 1.0)
            flat += len(targets) / T * pull * (before - flat)
    assert len(wanted) == len(text) - (not lines)
    np.testing.assert_allclose(found[len(found) - len(wanted) :], wanted, rtol=2e-5)


@given(st.lists(st.tuples(st.integers(1, 4), st.floats(0.1, 3.0)), min_size=1, max_size=4))
def test_the_factors_of_mean_squares_are_those_of_plain_loops(drawn):
    shapes, blocks = {"W": (3, 4), "b": (2,), "output/W": (1, 2)}, []
    squares = GradientSquares(shapes)
    for seed, weight in drawn:
        gradient = Parameters(shapes, np.float64, np.random.default_rng(seed).normal(size=16))
        squares.add(gradient, weight)
        blocks.append((gradient, weight))
    np.testing.assert_allclose(squares.expand().flat, plain_squares(shapes, blocks), rtol=1e-9)


def test_training_gradients_are_measured_on_batches_spread_over_the_text():
    it, ids = network("lstm", np.float64, 5, hidden=2), np.random.default_rng(0).integers(0, 5, 61)
    batches = StreamBatches(ids, 2, 8)
    found = measure_gradients(it, batches, 400)
    blocks = []
    for number in range(2):
        batch = batches.batch(number * batches.per_epoch // 2)
        counted = float(batch.loss_mask.sum())

        def loss(batch=batch, counted=counted):
            logits = by_reference("lstm", it, batch.ids).logits
            return reference.loss(logits, batch.targets.tolist(), (batch.loss_mask / counted).tolist())

        blocks.append((Parameters(it.parameters.shapes, "float64", numerical_gradient(it, loss)), counted))
    expanded = GradientSquares(it.parameters.shapes, found).expand()
    np.testing.assert_allclose(expanded.flat, plain_squares(it.parameters.shapes, blocks), rtol=1e-4, atol=1e-9)
    assert measure_gradients(it, batches, 400).flat.tobytes() == found.flat.tobytes()


def test_a_model_file_holds_them_and_damaged_ones_are_refused(tmp_path):
    it = a_model()
    checkpoint.save(it, tmp_path / "m.npz")
    read = checkpoint.load(tmp_path / "m.npz")
    assert read.gradient_squares.flat.tobytes() == it.gradient_squares.flat.tobytes()
    checkpoint.save(read, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "m.npz").read_bytes()
    members = {name: array for name, array in np.load(tmp_path / "m.npz").items() if name != "sha256"}
    name = "gradients/layer0/b"
    for wrong in (members[name][:-1], -members[name], members[name] * np.nan, members[name].astype(np.float64)):
        with (tmp_path / "wrong.npz").open("wb") as file:
            archive.write(members | {name: wrong}, file)
        with pytest.raises(CheckpointError, match="mean squares of gradients"):
            checkpoint.load(tmp_path / "wrong.npz")
    without = {each: array for each, array in members.items() if not each.startswith("gradients/")}
    with (tmp_path / "without.npz").open("wb") as file:
        archive.write(without, file)
    assert checkpoint.load(tmp_path / "without.npz").gradient_squares is None
    metadata = json.loads(members["metadata"].tobytes()) | {"version": 5}
    del metadata["counts"], metadata["training"]["averaging"], metadata["training"]["tar"]
    with (tmp_path / "five.npz").open("wb") as file:
        archive.write(without | {"metadata": archive.from_json(metadata)}, file)
    old = checkpoint.load(tmp_path / "five.npz")
    assert old.digest == it.digest and (old.training.averaging, old.training.tar) == (0.0, 0.0)
    with (tmp_path / "half.npz").open("wb") as file:
        archive.write(without | {name: members[name]}, file)
    with pytest.raises(CheckpointError, match="mean squares of gradients"):
        checkpoint.load(tmp_path / "half.npz")


@both
@pytest.mark.parametrize("known", [True, False], ids=["measured", "estimated"])
def test_an_adapted_model_knows_the_text_and_the_other_is_unchanged(lines, known):
    it = LanguageModel(a_model(lines, known=known, hidden=8))
    before, text = it.model.network.parameters.flat.tobytes(), "abcd\n" * 120
    learnt = it.adapted(text, 0.05)
    assert it.model.network.parameters.flat.tobytes() == before
    assert learnt.score(text).bits < 0.8 * it.score(text).bits
    assert it.adapted("").model.network.parameters.flat.tobytes() == before


def test_a_text_of_another_kind_does_not_make_the_default_rate_diverge():
    it = LanguageModel(a_model(hidden=8))
    huge = it.model.network.with_weights(20.0 * it.model.network.parameters.flat)
    text = "".join(np.random.default_rng(1).choice(list(CHARACTERS), 1500))
    for each in (it, LanguageModel(replace(it.model, network=huge))):
        assert math.isfinite(each.score(text, adapt=True).bits)


TYPED = st.text(CHARACTERS, min_size=1, max_size=30)


def bytes_of(session):
    state = session.state
    return state.text, state.continuation_start, state.network_state.tobytes(), state.logits.tobytes(), state.added


def write(session, text, most):
    return "".join(shown.character for shown in islice(session.generate(text), most))


@both
@settings(max_examples=10, deadline=None)
@given(typed=st.lists(st.tuples(TYPED, st.integers(0, 8)), max_size=3), then=TYPED)
def test_reset_and_undo_and_switching_it_off_undo_the_learning(lines, typed, then):
    it = LanguageModel(a_model(lines))
    before = it.model.network.parameters.flat.tobytes()
    fresh, session = (it.session(length=9, random_seed=1, adapt=True, adapt_rate=0.05) for _ in range(2))
    for text, most in typed:
        write(session, text, most)
    kept = bytes_of(session)
    session.add(then)
    session.undo()
    assert bytes_of(session) == kept
    session.learning = AdaptConfig(False)
    still = it.session(length=9, random_seed=1)
    still.add(session.text)
    assert bytes_of(session)[2:4] == bytes_of(still)[2:4] or session.text == ""
    session.reset()
    session.learning = LEARNING
    session.add(then)
    fresh.add(then)
    assert bytes_of(session) == bytes_of(fresh)
    assert it.model.network.parameters.flat.tobytes() == before


@both
def test_a_session_learns_what_is_typed_and_not_what_it_writes(lines):
    it = LanguageModel(a_model(lines, hidden=8))
    learning, still = (it.session(length=40, random_seed=1, adapt=adapt, adapt_rate=0.3) for adapt in (True, False))
    for session in (learning, still):
        for _ in range(20):
            session.add("abcddaabcdd\n")
        session.add("abc")
    d = it.model.vocabulary.encode("d")[0]
    chances = [np.exp(one.state.logits[0]) / np.exp(one.state.logits[0]).sum() for one in (learning, still)]
    assert chances[0][d] > 2 * chances[1][d]
    before = learning.state.added
    write(learning, "", 40)
    assert learning.state.added == before
    learner = Learner(it.model, 0.3)
    text, place = it.model.documents.parse(learning.text), 0
    for start, stop in before:
        assert start == place
        learner.read(it.model.vocabulary.encode(text[start:stop]))
        learner.learn()
        place = stop
    learner.read(it.model.vocabulary.encode(text[place:]), learn=False)
    np.testing.assert_allclose(learner.start_reader().logits, learning.state.logits, rtol=1e-4, atol=1e-5)


@both
def test_a_saved_session_continues_exactly_with_what_it_has_learnt(lines, tmp_path):
    it = LanguageModel(a_model(lines))
    session, other = (it.session(length=20, random_seed=1, adapt=True, adapt_rate=0.05) for _ in range(2))
    other.learning = AdaptConfig(False)
    write(session, "abcd\nabcd\nabc", 7)
    write(session, "dd", 20)
    session.save(tmp_path / "s.npz")
    assert (tmp_path / "s.npz").stat().st_size < 10_000  # it holds no weights
    other.load(tmp_path / "s.npz")
    assert bytes_of(other) == bytes_of(session) and other.learning == LEARNING
    assert write(other, "ab", 20) == write(session, "ab", 20)
    assert bytes_of(other) == bytes_of(session)
    members = {name: array for name, array in np.load(tmp_path / "s.npz").items() if name != "sha256"}
    metadata = json.loads(members["metadata"].tobytes())
    for wrong in ([[3, 1]], [[0, 9999]], [[0, 2], [1, 3]], [[0, 0]], [0], "x", [[0, 1.5]]):
        with (tmp_path / "wrong.npz").open("wb") as file:
            archive.write(members | {"metadata": archive.from_json(metadata | {"added": wrong})}, file)
        with pytest.raises(CheckpointError, match="spans of added text"):
            other.load(tmp_path / "wrong.npz")
    assert bytes_of(other) == bytes_of(session)


def test_again_keeps_what_was_typed_before_it():
    it = LanguageModel(a_model())
    session = it.session(length=20, random_seed=1, adapt=True, adapt_rate=0.05)
    first = write(session, "abcdabcd", 20)
    kept = session.state.added
    second = "".join(shown.character for shown in session.again())
    assert first != second and session.state.added == kept == ((0, 8),)
    session.undo()
    assert session.text == "abcdabcd" + first


def test_an_interrupt_while_it_learns_leaves_the_session_unchanged():
    it = LanguageModel(a_model())
    session = it.session(length=20, random_seed=1, adapt=True, adapt_rate=0.05)
    session.add("abcd")
    before = bytes_of(session)

    def stop(read):
        if read > 10:
            session.report = None
            raise KeyboardInterrupt

    session.report = stop
    with pytest.raises(KeyboardInterrupt):
        session.add("abcd" * 900)
    assert bytes_of(session) == before


@pytest.fixture
def folder(tmp_path, monkeypatch):
    checkpoint.save(a_model(hidden=8), tmp_path / "m.npz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def charlstm(*arguments, typed=None):
    return CliRunner().invoke(main, [*map(str, arguments)], input=typed)


def test_a_sample_learns_from_its_seed_and_its_record_repeats_it(folder):
    before = Path("m.npz").read_bytes()
    Path("seed.txt").write_text("abcdd\n" * 150)
    call = ("sample", "-m", "m.npz", "--seed-file", "seed.txt", "--random-seed", 3, "-n", 30, "--hide-seed")
    adapted = charlstm(*call, "--adapt", "--adapt-rate", 0.05).stdout
    seed = ("abcdd\n" * 150).removesuffix("\n")  # as the command reads a file
    learnt = LanguageModel(checkpoint.load(Path("m.npz"))).adapted(seed, 0.05)
    assert adapted == learnt.sample(seed, length=30, random_seed=3).text + "\n" != charlstm(*call).stdout
    assert Path("m.npz").read_bytes() == before
    for more in ((), ("--samples", 2), ("--distinct",)):
        done = charlstm(*call, *more, "--adapt", "--adapt-rate", 0.05, "--format", "jsonl", "-o", "r.jsonl")
        assert done.exit_code == 0, done.output
        record = json.loads(Path("r.jsonl").read_text().splitlines()[0])
        assert record["adapt_rate"] == 0.05 and record["model"] == checkpoint.load(Path("m.npz")).digest
        again = charlstm("sample", "-m", "m.npz", "--again", "r.jsonl", "--format", "jsonl")
        assert again.stdout == Path("r.jsonl").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--adapt",), "--adapt learns from the text to continue, and there is none"),
        (("--adapt", "0.1", "--seed", "ab"), "--adapt takes no value; set the learning rate with --adapt-rate 0.1."),
        (("--adapt-rate", "0.1", "--seed", "ab"), "--adapt-rate needs --adapt"),
        (("--adapt", "--seed-lines", "m.npz"), "--adapt cannot be used with --seed-lines"),
        (("--adapt", "--again", "m.npz"), "--adapt cannot be used with --again"),
        (("--adapt", "--seed", "ab", "--adapt-rate", "1e300"), "diverged at a learning rate of 1e+300; give a lower"),
    ],
)
def test_wrong_usage_is_one_sentence(folder, arguments, said):
    done = charlstm("sample", "-m", "m.npz", *arguments)
    assert done.exit_code in (1, 2) and said in done.output and "Traceback" not in done.output


def test_a_session_at_the_prompt_switches_it(folder):
    before = Path("m.npz").read_bytes()
    commands = ("/adapt", "/adapt off", "/text", "/adapt on", "/adapt-rate 0.05", "/undo", "/reset", "/adapt 2")
    options = ("--interactive", "--adapt", "-n", 5, "--random-seed", 1)
    done = charlstm("sample", "-m", "m.npz", *options, typed="\n".join(["abcdabcd", *commands]))
    assert done.exit_code == 0
    for said in ("/adapt on", "/adapt off", "/adapt-rate 0.05", "the text is empty", "'2' is not one of 'on', 'off'"):
        assert said in done.output
    assert Path("m.npz").read_bytes() == before


def test_a_model_with_labels_adapts_once_a_label_is_chosen():
    it = LanguageModel(labelled_model(dtype=np.float32))
    with pytest.raises(ConfigError, match="have labels"):
        it.adapted("abc")
    assert it.with_label("merry").adapted("abcabc", 0.05).sample("ab", length=5, random_seed=1).label == "merry"
