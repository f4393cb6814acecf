"""Samples come from the mixture of the network and the counts, and records and sessions keep to it."""

import json
from collections import Counter, defaultdict
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from dictionary_ngrams import DictionaryModel
from small import labelled_model, model, network, with_counts

from charlstm.api import LanguageModel
from charlstm.base.config import to_mapping
from charlstm.base.errors import CharlstmError, ConfigError
from charlstm.base.symbols import END
from charlstm.cli.main import main
from charlstm.model import checkpoint
from charlstm.sampling.decoder import sample_steps
from charlstm.sampling.filters import SamplingConfig

CHARACTERS = "\nabcd"
TEXT = "abcabd\nabcdabab\ncadab\nbadcab" * 3
BIASES = np.array([0.5, -1.0, 1.0, 0.0, 2.0])


def of_biases(lines=False):
    """A model with counts whose network predicts the same after any text."""
    it = network("rnn", np.float32, vocabulary=5, hidden=1)
    it.parameters.flat[:] = 0.0
    it.parameters["output/b"][:] = BIASES
    made = model(it, CHARACTERS, lines)
    return with_counts(made, (TEXT + "\n").replace("\n", END) if lines else TEXT, 3)


def oracle(lines=False):
    ids = [CHARACTERS.index(one) for one in TEXT]
    if not lines:
        return DictionaryModel([ids], 3, range(5))
    documents = [[CHARACTERS.index(one) for one in f"\n{line}\n"] for line in TEXT.split("\n")]
    return DictionaryModel(documents, 3, range(5))


@pytest.mark.parametrize(("weight", "temperature"), [(0.3, 1.0), (1.0, 1.0), (0.6, 0.7)])
@pytest.mark.parametrize("lines", [False, True])
def test_the_frequencies_of_samples_are_those_of_the_mixture(lines, weight, temperature):
    it, by_hand = of_biases(lines), oracle(lines)
    sampling = SamplingConfig(temperature=temperature, mix={"counts": weight}, random_seed=7)
    drawn = [step.ids.tolist() for step in islice(sample_steps(it, "ab", sampling, 1000), 41)]
    after: dict[tuple[int, int], Counter] = defaultdict(Counter)
    before = [[CHARACTERS.index("b")] * 1000, *drawn]
    for two, now in zip(pairwise(before), drawn[1:], strict=False):
        for first, second, character in zip(*two, now, strict=True):
            after[first, second][character] += 1
    network_p = np.exp(BIASES) / np.exp(BIASES).sum()
    chi_square, freedom = 0.0, 0
    for (first, second), counts in after.items():
        # A line begins with an end symbol, before which no symbol counts.
        context = [second] if lines and second == 0 else [first, second]
        counts_p = np.array([by_hand.probability(context, one) for one in range(5)])
        p = ((1 - weight) * network_p + weight * counts_p) ** (1 / temperature)
        expected = p / p.sum() * counts.total()
        if expected.min() >= 5:
            freedom += 4
            chi_square += sum((counts[one] - expected[one]) ** 2 / expected[one] for one in range(5))
    assert freedom >= 40
    assert abs(chi_square - freedom) < 4 * np.sqrt(2 * freedom)


def test_a_label_is_the_context_of_the_first_character():
    plain = labelled_model()
    ends = {"gloomy": "a", "merry": "b", "wild": "c"}
    for label, character in ends.items():
        other = ends["merry" if label == "wild" else "wild"]  # more frequent, but never the first
        it = with_counts(plain.with_label(label), f"{character}{other}{other}{END}" * 9, 3)
        texts = {LanguageModel(it).sample(mix={"counts": 1.0}, temperature=0.1, length=1).text for _ in range(5)}
        assert texts == {character}
        others = [other for other in ends if other != label]
        begins = it.counts.ngrams.model.read([np.array([plain.label_id(other)]) for other in (label, *others)])
        p = it.counts.ngrams.model.distribution(begins)[:, plain.vocabulary.id(character)]
        assert p[0] > p[1] == p[2]


@pytest.mark.parametrize("lines", [False, True])
def test_without_a_weight_the_network_alone_samples(lines):
    made = LanguageModel(with_counts(model(network("lstm", np.float32), CHARACTERS, lines), "abab", 3))
    plain, none = (made.sample("ab", 40, random_seed=3, mix=mix) for mix in ((), {"counts": 0}))
    assert plain.text == none.text and to_mapping(none.origin.sampling)["mix"] == ()
    assert made.sample("ab", 40, random_seed=3, mix={"counts": 0.9}).text != plain.text


def test_a_mix_that_is_none_is_refused():
    plain = LanguageModel(model(network("lstm", np.float32), CHARACTERS))
    for mix, said in [
        ({"counts": 1.5}, "mix is 1.5; it must be a number from 0 to 1"),
        ({"count": 0.5}, "mix is 'count'; it must be one of counts, cache; did you mean counts"),
        ("counts", "mix is 'counts'; it must map 'counts' or 'cache' to a weight"),
        ({"counts": 0.5}, r"the model holds no counts.*with_counts"),
    ]:
        for call in (plain.sample, plain.samples, plain.session, plain.stream):
            with pytest.raises(ConfigError, match=said):
                call(mix=mix)


def test_a_record_of_a_mixture_is_repeated_with_the_same_counts_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name, text in (("m.npz", TEXT), ("other.npz", TEXT[4:])):
        it = model(network("lstm", np.float32, hidden=9), CHARACTERS)
        checkpoint.save(with_counts(it, text, 3), Path(name))
    checkpoint.save(it, Path("without.npz"))

    def call(*words):
        return CliRunner().invoke(main, ["sample", *map(str, words)])

    made = call(
        "-m", "m.npz", "--mix", "counts=0.4", "--samples", 3, "-n", 40, "-o", "mixed.jsonl", "--best", 2, "--of", 3
    )
    assert made.exit_code == 2 and "--best" in made.output
    for weight, name in (("counts=0.4", "mixed"), ("counts=0", "plain")):
        made = call("-m", "m.npz", "--mix", weight, "--samples", 3, "-n", 40, "-o", f"{name}.jsonl")
        assert made.exit_code == 0, made.output
        again = call("-m", "m.npz", "--again", f"{name}.jsonl", "--format", "jsonl")
        assert again.stdout == Path(f"{name}.jsonl").read_text() and again.exit_code == 0
    mixed, plain = (json.loads(Path(f"{name}.jsonl").read_text().splitlines()[0]) for name in ("mixed", "plain"))
    assert (mixed["sampling"]["mix"], plain["sampling"]["mix"]) == ([["counts", 0.4]], [])
    assert mixed["text"] != plain["text"]
    for name in ("other.npz", "without.npz"):
        refused = call("-m", name, "--again", "mixed.jsonl")
        assert refused.exit_code == 1 and "another model" in refused.output
        assert call("-m", name, "--again", "plain.jsonl").exit_code == 0  # the network is the same
    wrong = call("-m", "m.npz", "--mix", "counts=2")
    assert wrong.exit_code == 2 and "cache=0.2" in wrong.output
    missing = call("-m", "without.npz", "--mix", "counts=0.2")
    assert missing.exit_code == 2 and "--counts" in missing.output


@pytest.mark.parametrize("lines", [False, True])
def test_a_session_mixes_and_keeps_to_it(lines, tmp_path):
    made = with_counts(model(network("lstm", np.float32), CHARACTERS, lines), "abab" + (END if lines else "\n"), 3)
    mixed = LanguageModel(made)
    rules = {"length": 30, "mix": {"counts": 0.7}, "random_seed": 3}
    session = mixed.session(**rules)
    texts = ["".join(sampled.character for sampled in session.generate(seed)) for seed in ("ab", "ca", "")]
    assert texts[0] == mixed.sample("ab", **rules).text
    session.save(tmp_path / "s.npz")
    other = mixed.session(length=5)
    other.load(tmp_path / "s.npz")
    assert other.sampling.mix == (("counts", 0.7),)
    following = ["".join(sampled.character for sampled in each.generate()) for each in (session, other)]
    assert following[0] == following[1]
    changed = with_counts(made, "cdcd" + (END if lines else "\n"), 3)
    with pytest.raises(CharlstmError, match="another model"):
        LanguageModel(changed).session().load(tmp_path / "s.npz")


def test_a_session_changes_its_mix(tmp_path):
    checkpoint.save(with_counts(model(network("lstm", np.float32), CHARACTERS), TEXT, 3), tmp_path / "m.npz")
    words = ["sample", "--interactive", "-m", str(tmp_path / "m.npz"), "-n", "5", "--random-seed", "1"]
    lines = "/mix\n/mix counts=0.25\n/mix\n/mix counts=7\n/mix off\n/mix\n"
    done = CliRunner().invoke(main, words, input=lines)
    assert done.exit_code == 0
    assert done.output.count("/mix off") == 3 and done.output.count("/mix counts=0.25") == 2
    assert "counts=7" in done.output
