"""The modules of the page that use no document, in a real browser: they compute what the package computes in Python."""

import json
import re
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from small import KINDS, labelled_model, model, network

from charlstm.base.randomness import Purpose, generator
from charlstm.base.symbols import END
from charlstm.inspection.patch import Freeze, Interventions, StateEdit, ablate, read_with
from charlstm.inspection.quantities import Unit
from charlstm.inspection.trace import start_reader
from charlstm.inspection.why import measure_occlusion, measure_words
from charlstm.network.loss import NATS_PER_BIT, log_softmax
from charlstm.render import page
from charlstm.render.page_data import describe_model
from charlstm.sampling.decoder import sample_steps
from charlstm.sampling.filters import SamplingConfig, probabilities

ENGINE = page.join_modules(page.ENGINE)
CLOSE = {"rtol": 1e-12, "atol": 1e-300}
SEEDS = (0, 1, 7, 2**32, 2**64 + 1, 2**200 + 5)
BITS = 3e-5

HELPERS = """
    function readNetwork({ description, weights }) {
      const arrays = Object.entries(weights).map(([name, values]) => [name, Float32Array.from(values)]);
      return new Network(description, Object.fromEntries(arrays));
    }
    const found = (results) => [...results].filter((result) => result);
"""


@pytest.fixture(scope="module")
def engine(browser):
    """Return what evaluates a function in a page that has the modules; nothing may go wrong there."""
    tab, heard = browser.new_page(), []
    tab.on("console", lambda message: heard.append(message.text))
    tab.on("pageerror", lambda error: heard.append(str(error)))
    tab.add_script_tag(content=ENGINE + HELPERS)

    def evaluate(function, argument=None):
        result = json.loads(
            tab.evaluate(f"async (it) => JSON.stringify(await ({function})(JSON.parse(it)))", json.dumps(argument))
        )
        assert not heard
        return result

    yield evaluate
    tab.close()


def for_page(it):
    """Return a model as the page has it."""
    weights = {name: block.ravel().tolist() for name, block in it.network.parameters.items()}
    return {"description": describe_model(it), "weights": weights}


def random_logits(rng):
    """Return logits of 1 to 40 characters: some have ties, some are far apart, some are as large as floats can be."""
    scale = rng.choice([0.1, 3.0, 50.0, 1e5, 1e37])
    logits = rng.normal(0.0, 1.0, rng.integers(1, 41)).astype(np.float32)
    return (np.round(logits, 1) if rng.random() < 0.4 else logits) * np.float32(scale)


def random_rules(rng):
    return {
        "temperature": float(rng.choice([0.0, 1e-300, 1e-20, 0.01, 0.5, 0.8, 1.0, 3.0, 1e10])),
        "topK": [None, 1, 2, 5, 1000][rng.integers(5)],
        "topP": float(rng.choice([1.0, 1e-9, 0.5, rng.uniform(0.01, 1.0)])),
        "minP": float(rng.choice([0.0, 0.1, 1.0, rng.uniform(0.0, 1.0)])),
    }


def python_rules(rules):
    return SamplingConfig(rules["temperature"], rules["topK"], rules["topP"], rules["minP"])


# Thresholds that are met exactly, filters that interfere, and logits near which a careless formula gives NaN.
EDGES = [
    ([0, 0, 0, 0], {"topP": 0.5}),
    ([0, 0, 0, 0], {"topP": 0.25}),
    ([0, 0, 0, 0], {"topK": 3, "minP": 1.0}),
    ([1, 3, 3, 3, 2], {"topK": 2}),
    ([2, 2, 1], {"temperature": 0.0}),
    ([2, 1, 0], {"temperature": 9.0, "topP": 0.6}),
    ([2, 1, 0], {"temperature": 0.3, "minP": 0.1}),
    ([5e-16, 0], {"topK": 1, "temperature": 1e17}),
    ([3, 2, 1, 0], {"topP": 0.8, "minP": 0.2}),
    ([3, 2, 1, 0], {"topK": 2, "topP": 0.7}),
    ([1, 1 - 2**-52, 0], {"temperature": 1e300, "topK": 1}),
    ([1e308, -1e308, 0], {"temperature": 1e-300}),
    ([-745, 0, 745], {"temperature": 1e-5, "minP": 1e-300}),
    ([-3], {"topP": 0.1}),
]


def test_probabilities_are_those_of_the_filters(engine):
    rng = np.random.default_rng(0)
    cases = [
        (np.array(logits, np.float64), {"temperature": 1.0, "topK": None, "topP": 1.0, "minP": 0.0} | rules)
        for logits, rules in EDGES
    ]
    cases += [(random_logits(rng), random_rules(rng)) for _ in range(1000)]
    found = engine(
        "(cases) => cases.map(([logits, rules]) => Array.from(probabilities(Float64Array.from(logits), rules)))",
        [(logits.tolist(), rules) for logits, rules in cases],
    )
    for p, (logits, rules) in zip(found, cases, strict=True):
        with np.errstate(over="ignore"):
            expected = probabilities(logits, python_rules(rules))
        np.testing.assert_allclose(np.array(p, float), expected, **CLOSE, err_msg=f"{logits} {rules}")


def test_the_character_is_the_one_that_the_decoder_chooses(engine):
    rng = np.random.default_rng(1)
    cases = [([0.25, 0.25, 0, 0.5], u) for u in (0.0, 0.25, 0.5, np.nextafter(0.5, 0), np.nextafter(1, 0))]
    for _ in range(500):
        p = rng.dirichlet(np.full(rng.integers(1, 30), 0.3)) * (rng.random() + 0.5)
        cases.append((p.tolist(), rng.random()))
    found = engine("(cases) => cases.map(([p, uniform]) => choose(Float64Array.from(p), uniform))", cases)
    assert found[:5] == [0, 1, 3, 1, 3]
    for id_, (p, uniform) in zip(found, cases, strict=True):
        cumulative = np.cumsum(p)
        assert id_ == np.add.reduce(cumulative <= uniform * cumulative[-1])


def test_a_prediction_that_is_not_finite_is_an_error(engine):
    message = """() => {
      const p = probabilities(Float32Array.of(0, NaN, 1), { temperature: 1, topK: null, topP: 0.9, minP: 0.1 });
      try { return choose(p, 0.5); } catch (error) { return error.message; }
    }"""
    assert engine(message) == "the model predicts no probabilities (NaN)"


def test_the_most_probable_characters_come_first(engine):
    rng = np.random.default_rng(2)
    cases = [(random_logits(rng), int(rng.integers(0, 12))) for _ in range(200)]
    found = engine(
        """(cases) => cases.map(([given, count]) => {
             const logits = Float32Array.from(given);
             const p = softmax(logits);
             const best = Array.from(rankIds(logits).subarray(0, count), (id) => ({ id, probability: p[id] }));
             return [best, Array.from(logSoftmax(logits))];
           })""",
        [(logits.tolist(), count) for logits, count in cases],
    )
    for (best, log_p), (logits, count) in zip(found, cases, strict=True):
        expected = log_softmax(logits.astype(np.float64))
        np.testing.assert_allclose(log_p, expected, rtol=1e-12, atol=1e-14)
        assert [one["id"] for one in best] == np.argsort(-logits, kind="stable")[:count].tolist()
        np.testing.assert_allclose([one["probability"] for one in best], np.exp(expected)[[one["id"] for one in best]])


def test_uniform_numbers_are_those_of_the_sampler(engine):
    found = engine(
        """(seeds) => seeds.map((seed) => {
          const next = sampleStream(BigInt(seed));
          return Array.from({ length: 1000 }, next);
        })""",
        [str(seed) for seed in SEEDS],
    )
    for numbers, seed in zip(found, SEEDS, strict=True):
        assert numbers == generator(seed, Purpose.SAMPLE, 0).random(1000).tolist()
    assert engine("() => [sampleStream(7)(), sampleStream(7n)()]") == [found[2][0]] * 2
    refused = (
        "() => [-1, 0.5].map((seed) => { try { return sampleStream(seed)(); } catch (error) { return error.name; } })"
    )
    assert engine(refused) == ["RangeError"] * 2


def trained(kind, characters, hidden=6, layers=2, lines=False, seed=1):
    """Return a model in float32, whose predictions are far from equal."""
    return model(network(kind, np.float32, len(characters), seed, hidden=hidden, layers=layers), characters, lines)


def test_a_random_seed_gives_the_text_that_the_command_samples(engine):
    it = trained("lstm", "\n abcdé", hidden=12)
    rules = {"temperature": 0.7, "topK": 5, "topP": 0.95, "minP": 0.01}
    for seed in (7, 2**62 + 1):
        steps = sample_steps(it, "ab", replace(python_rules(rules), random_seed=seed), 1)
        expected = "".join(step.characters for step in islice(steps, 400))
        written = engine(
            """({ model, ids, rules, seed }) => {
              const [network, next] = [readNetwork(model), sampleStream(BigInt(seed))];
              const logits = new Float32Array(model.description.vocabulary.length);
              let record = network.zeroRecord();
              const read = (id) => {
                const after = network.zeroRecord();
                network.step(record, id, after, logits);
                record = after;
                return id;
              };
              ids.forEach(read);
              return Array.from({ length: 400 }, () => read(choose(probabilities(logits, rules), next())));
            }""",
            {"model": for_page(it), "ids": it.vocabulary.encode("ab").tolist(), "rules": rules, "seed": str(seed)},
        )
        assert it.vocabulary.decode(np.array(written)) == expected


TEXT = "ab cad\né badcab dab_c bad ab"


def occlusion_cases():
    """Return models, texts and the options of `occlusion`, with characters for ids."""
    stream = lines = "\n abcdé_"
    cases = [(trained(kind, stream), TEXT, {"target": "a"}) for kind in KINDS]
    cases += [
        (trained("lstm", stream, layers=1, seed=2), TEXT, {"target": " ", "rival": "b"}),
        (trained("lstm", stream, seed=3), "a", {"target": "a"}),
        (trained("lstm", stream, seed=3), " \n ", {"target": "a"}),
        (trained("lstm", "ab", seed=3), "abba", {"target": "a"}),
        (trained("lstm", " a", seed=3), "a aa a", {"target": "a"}),
        (trained("lstm", stream, seed=4), TEXT * 2, {"target": "d", "reach": 20}),
        (trained("lstm", lines, lines=True), TEXT.replace("\n", END), {"target": END}),
        (trained("gru", lines, lines=True, seed=5), f"{END}a{END}ab b{END}{END}", {"target": "b", "rival": END}),
        (trained("lstm", lines, lines=True, seed=6), f"cab ab{END}ab cad{END}", {"target": "b"}),
        (trained("lstm", lines, lines=True, seed=6), f"cab ab{END}a d{END}bad a dab", {"target": "b", "reach": 14}),
        (trained("lstm", lines, lines=True, seed=6), f"{'cab ' * 80}{END}ab a", {"target": "b"}),
        (replace(labelled_model(dtype=np.float32), label="merry"), f"ab\nc{END}ca\nb", {"target": "a"}),
    ]
    return cases


def expected_influences(it, text, target, rival=None, reach=300):
    """Return the influence of each character and word that the view of why shows, in bits."""
    begun = start_reader(it)
    unseen = max(0, len(text) - reach)
    begun.read(it.vocabulary.encode(text)[:unseen, None])
    seen = text[unseen:]
    characters, words = measure_occlusion(begun, seen, target), measure_words(begun, seen, target)
    if rival is not None:
        characters = characters - measure_occlusion(begun, seen, rival)
        others = measure_words(begun, seen, rival)
        words = {word: nats - others[word] for word, nats in words.items()}
    return characters / NATS_PER_BIT, {word: nats / NATS_PER_BIT for word, nats in words.items()}


ASK = """(cases) => cases.map(({ model, ids, options, changes = [] }) => found(
  occlusion(readNetwork(model), Int32Array.from(ids), { ...options, changesAt: (n) => activeAt(changes, n) })
))"""


def page_case(it, text, options):
    named = {name: it.vocabulary.id(value) if isinstance(value, str) else value for name, value in options.items()}
    if it.label is not None:
        named["opening"] = it.label_id(it.label)
    ids = [it.vocabulary.id(character) if character in it.vocabulary else -1 for character in text]
    return {"model": for_page(it), "ids": ids, "options": named}


def check_influences(results, text, characters, words):
    """Check results of a page against the influence of each of the last characters, and of each word."""
    unseen = len(text) - len(characters)
    found_words = [result for result in results if result["kind"] == "word"]
    found_characters = [result for result in results if result["kind"] == "character"]
    assert results == found_words + found_characters
    last = [one["places"][-1][0] for one in found_words]
    assert last == sorted(last, reverse=True)
    assert {one["word"] for one in found_words} == set(words)
    for one in found_words:
        assert abs(one["bits"] - words[one["word"]]) < BITS, (text, one)
        found = re.finditer(rf"\b{one['word']}\b", text[unseen:])
        assert one["places"] == [[unseen + place for place in one.span()] for one in found]
    assert [one["position"] for one in found_characters] == list(range(len(text)))[::-1][: len(characters)]
    np.testing.assert_allclose([one["bits"] for one in found_characters[::-1]], characters, atol=BITS, err_msg=text)


def test_influences_are_those_of_the_view_of_why(engine):
    cases = occlusion_cases()
    for results, (it, text, options) in zip(engine(ASK, [page_case(*case) for case in cases]), cases, strict=True):
        characters, words = expected_influences(it, text, **options)
        check_influences(results, text, characters, words)
        stretch = text.rfind(END)
        assert all(one["bits"] == 0 for one in results if one["kind"] == "character" and one["position"] < stretch)


def test_unknown_characters_are_not_read_and_have_no_influence(engine):
    it = trained("lstm", " abcdé")
    text, options = "xab cxxad x bad x", {"target": "a"}
    (results,) = engine(ASK, [page_case(it, text, options)])
    characters, words = expected_influences(it, text.replace("x", ""), **options)
    bits = {one["position"]: one["bits"] for one in results if one["kind"] == "character"}
    known = [n for n, character in enumerate(text) if character != "x"]
    np.testing.assert_allclose([bits[n] for n in known], characters, atol=BITS)
    assert list(bits) == list(range(len(text)))[::-1] and all(bits[n] == 0 for n in set(bits) - set(known))
    found = {one["word"]: one for one in results if one["kind"] == "word"}
    assert found["cad"]["places"] == [[4, 9]] and set(found) == set(words)
    assert all(abs(one["bits"] - words[word]) < BITS for word, one in found.items())


def test_a_text_may_begin_where_another_was_read(engine):
    it, first = trained("lstm", "\n abcdé_"), len(TEXT) - 4
    results, again = engine(
        """({ model, ids, options, first }) => {
          const network = readNetwork(model);
          const [record, logits] = [network.zeroRecord(), new Float32Array(model.description.vocabulary.length)];
          for (const id of ids.slice(0, first)) network.step(record.slice(), id, record, logits);
          const start = { record: network.zeroRecord(), logits: null };
          return [
            found(occlusion(network, ids.slice(first), { ...options, first, before: { record, logits } })),
            found(occlusion(network, ids, { ...options, before: start })),
          ];
        }""",
        page_case(it, TEXT, {"target": "a"}) | {"first": first},
    )
    check_influences(results, TEXT, *expected_influences(it, TEXT, "a", reach=len(TEXT) - first))
    check_influences(again, TEXT, *expected_influences(it, TEXT, "a"))


def test_influences_hold_under_ablation(engine):
    it = trained("lstm", "\n abcdé_")
    changes = [{"kind": "ablate", "layer": layer, "unit": unit, "from": -1} for layer, unit in ((0, 2), (1, 4))]
    (results,) = engine(ASK, [page_case(it, TEXT, {"target": "a"}) | {"changes": changes}])
    without = replace(it, network=ablate(it.network, [Unit(0, 2), Unit(1, 4)]))
    check_influences(results, TEXT, *expected_influences(without, TEXT, "a"))


def occlude_under(it, text, target, changes):
    """Return the influence of each character of a text that is read under interventions: the definition."""

    def log_p(text):
        logits = read_with(it, text, changes).logits if text else start_reader(it).logits
        return log_softmax(logits[0].astype(np.float64))

    place, influence = it.vocabulary.id(target), []
    for k, character in enumerate(text):
        chances = np.exp(log_p(text[:k]))
        chances[it.vocabulary.id(character)] = 0
        best = np.argsort(-chances)[:3]
        scores = [log_p(text[:k] + it.vocabulary.character(other) + text[k + 1 :])[place] for other in best]
        influence.append(log_p(text)[place] - np.average(scores, weights=chances[best]))
    return np.array(influence) / NATS_PER_BIT


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_characters_before_the_last_end_matter_to_a_frozen_memory(engine, kind):
    it = trained(kind, "\n abcd", lines=True, seed=7)
    text = f"ab d{END}cab{END}ad b"
    edits = [(1, 1, 0.8, 2), (0, 3, -0.9, 10)]  # layer, unit, value, position
    freezes = [(0, 0, 3), (1, 2, 6)]  # layer, unit, position
    names = ("layer", "unit", "from")
    changes = [{"kind": "freeze"} | dict(zip(names, one, strict=True)) for one in freezes]
    changes += [
        {"kind": "set", "layer": layer, "unit": unit, "value": value, "from": n} for layer, unit, value, n in edits
    ]
    (results,) = engine(ASK, [page_case(it, text, {"target": "a"}) | {"changes": changes}])
    expected = occlude_under(
        it,
        text,
        "a",
        Interventions(
            [StateEdit(Unit(layer, unit), value, n) for layer, unit, value, n in edits],
            [Freeze(Unit(layer, unit), n) for layer, unit, n in freezes],
        ),
    )
    bits = [one["bits"] for one in results if one["kind"] == "character"][::-1]
    np.testing.assert_allclose(bits, expected, atol=BITS)
    assert abs(bits[1]) > 10 * BITS


def test_a_word_of_any_length_sets_a_memory_once(engine):
    changes = [{"kind": "set", "from": n} for n in (4, 5, 6)] + [{"kind": "ablate", "from": 5}]
    found = engine(
        """(changes) => {
          const changesAt = (n) => changes.filter(({ kind, from }) => kind === "set" ? from === n : from <= n);
          const shown = ({ kind, from }) => `${kind} ${from}`;
          const inWord = (length) => changesInWord(changesAt, [4, 5, 6], length);
          return [1, 2, 3, 5].map((length) => inWord(length).map((some) => some.map(shown)));
        }""",
        changes,
    )
    assert found == [
        [["set 4", "set 5", "set 6", "ablate 5"]],
        [["set 4"], ["set 5", "set 6", "ablate 5"]],
        [["set 4"], ["set 5", "ablate 5"], ["set 6", "ablate 5"]],
        [["set 4"], ["set 5", "ablate 5"], ["set 6", "ablate 5"], ["ablate 5"], ["ablate 5"]],
    ]


def test_a_worker_answers_the_newest_question(engine):
    it = trained("lstm", "\n abcdé_", hidden=40)
    asked = [page_case(it, TEXT * 8, {"target": "a"}), page_case(it, TEXT, {"target": "b", "rival": "a"})]
    ablated = {"kind": "ablate", "layer": 0, "unit": 2, "from": -1}
    messages = engine(
        """async ({ source, model, asked, ablated }) => {
          const worker = new Worker(URL.createObjectURL(new Blob([source + "; serveOcclusion(self);"])));
          const ask = (question, more = {}) => {
            const { ids, options } = asked[question];
            worker.postMessage({ type: "ask", question, ids, ...options, ...more });
          };
          const messages = [];
          await new Promise((resolve, reject) => {
            worker.onerror = (event) => reject(new Error(event.message));
            worker.onmessage = ({ data }) => {
              messages.push(data);
              if (messages.length === 1) ask(1);
              if (data.kind !== "done") return;
              if (messages.filter(({ kind }) => kind === "done").length === 2) resolve();
              else ask(1, { changes: [ablated] });
            };
            const weights = Object.entries(model.weights).map(([name, values]) => [name, Float32Array.from(values)]);
            worker.postMessage({ type: "model", description: model.description, weights: Object.fromEntries(weights) });
            ask(0);
          });
          worker.terminate();
          return messages;
        }""",
        {"source": ENGINE, "model": asked[0]["model"], "asked": asked, "ablated": ablated},
    )
    questions = [message.pop("question") for message in messages]
    first, done = questions.index(1), messages.index({"kind": "done"})
    assert set(questions[:first]) == {0} and set(questions[first:]) == {1} and first < len(TEXT)
    check_influences(messages[first:done], TEXT, *expected_influences(it, TEXT, "b", "a"))
    without = replace(it, network=ablate(it.network, [Unit(0, 2)]))
    check_influences(messages[done + 1 : -1], TEXT, *expected_influences(without, TEXT, "b", "a"))


def test_a_question_can_be_stopped(engine):
    it = trained("lstm", "\n abcdé_")
    before, after = engine(
        """async ({ model: { description, weights }, ids, options }) => {
          const messages = [];
          const scope = { postMessage: (message) => messages.push(message) };
          const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
          serveOcclusion(scope);
          scope.onmessage({ data: { type: "model", ...readNetwork({ description, weights }) } });
          scope.onmessage({ data: { type: "ask", question: "a", ids, ...options } });
          while (!messages.length) await wait(1);
          scope.onmessage({ data: { type: "stop" } });
          const before = messages.length;
          await wait(100);
          return [before, messages.length];
        }""",
        page_case(it, TEXT * 8, {"target": "a"}),
    )
    assert before == after < len(TEXT) * 8
