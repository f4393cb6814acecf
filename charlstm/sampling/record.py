"""Records of samples: a JSON object for each text, with all that repeats it, and reading and repeating them.

    seed, text, bits_per_character, stop     the sample
    number, random_seed                      its random stream; for beam search its rank, from 0, and null
    model, label                             digest of the model, with its counts if they are mixed in; label of the
                                             document, or null
    adapt_rate                               learning rate at which the model has learnt from the seed before; or null
    sampling, stopping                       the rules for its characters and for its end
    set                                      the rules of the set that it belongs to, and the names of their corpora
    beam                                     width of the beam; null for a sample
    surprisals                               −log₂ p of each character, and of the end symbol after a whole document

The text of a sample depends on the model, the seed, the rules for characters and its random stream alone. The rules of
a set decide which texts belong to it, so a single record of a set can be repeated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any

from charlstm.base.config import LARGEST, AdaptConfig, check_text, check_whole, from_mapping, to_mapping
from charlstm.base.errors import CharlstmError, CheckpointError, ConfigError, UnknownCharacterError, shorten
from charlstm.base.inputs import Input
from charlstm.base.symbols import END
from charlstm.model.adaptation import adapt_to
from charlstm.model.model import Model
from charlstm.sampling.decoder import MAX_ROWS
from charlstm.sampling.filters import SamplingConfig, mixes_counts
from charlstm.sampling.sampler import Origin, Sample, SampledCharacter, Sampler
from charlstm.sampling.sets import ROWS, SetRules
from charlstm.sampling.stopping import StoppingRules

LONGEST_LINE = 1 << 28  # bytes
INTERRUPTED = "interrupted"
NAMES = {"seed", "text", "stop", "number", "random_seed", "model", "sampling", "stopping", "set", "beam"}
ADVICE = "give a file that charlstm sample --format jsonl wrote"

Show = Callable[[int, SampledCharacter], object]


def describe(sample: Sample, model: str, surprisals: bool = False) -> dict[str, Any]:
    """Return the record of a sample as a mapping that JSON can hold.

    Parameters
    ----------
    sample
        The text.
    model
        Digest of the model.
    surprisals
        True: with the bits of each character.
    """
    origin, bits = sample.origin, sample.bits_per_character
    sampling = to_mapping(origin.sampling)
    del sampling["random_seed"]
    values = {
        "seed": sample.seed,
        "text": sample.text,
        "bits_per_character": bits if math.isfinite(bits) else None,
        "stop": sample.stop,
        "number": sample.number,
        "random_seed": sample.random_seed,
        "model": model,
        "label": sample.label,
        "adapt_rate": origin.adapt_rate,
        "sampling": sampling,
        "stopping": to_mapping(origin.stopping),
        "set": None if origin.rules is None else to_mapping(origin.rules) | {"against": list(origin.against)},
        "beam": origin.beam,
    }
    each = [value if math.isfinite(value) else None for value in sample.surprisals.tolist()]
    return values | ({"surprisals": each} if surprisals else {})


def read_records(file: Input, model: Model) -> list[Sample]:
    """Read the records of a file and check them; the samples have no surprisals.

    Parameters
    ----------
    file
        JSON objects, one per line, as `describe` makes them.
    model
        The model that wrote the texts.

    Raises
    ------
    CharlstmError
        If the file cannot be read, a line is not a record, or another model wrote its text.
    """
    records, digests = [], (model.digest_for(mixes_counts=False), model.digest_for(mixes_counts=True))
    try:
        with file.open() as lines:
            for number, line in enumerate(iter(lambda: lines.readline(LONGEST_LINE + 1), b""), 1):
                records.append(_read_record(line, model, digests, f"line {number} of {shorten(file.name)}"))
    except OSError as error:
        raise CharlstmError(f"cannot read {shorten(file.name)}: {error.strerror or error}") from error
    if not records:
        raise CharlstmError(f"{shorten(file.name)} has no record; {ADVICE}")
    return records


def _read_record(line: bytes, model: Model, digests: tuple[str, str], place: str) -> Sample:
    """Return the sample that a line describes, once it is checked.

    The digests are those of the model for texts without its counts, and for those with them.
    """
    if len(line) > LONGEST_LINE:
        raise CharlstmError(f"{place} is too long for a record; {ADVICE}")
    try:
        values = json.loads(line.decode("utf-8"))
        missing = sorted(NAMES.difference(values)) if isinstance(values, dict) else sorted(NAMES)
        if missing:
            raise ConfigError(f"it has no {missing[0]}")
        if values["model"] != digests[mixes_counts(values["sampling"])]:
            raise CheckpointError(
                f"{place} was written by another model",
                python="load the model that wrote it",
                command="name the model that wrote it with -m",
            )
        return _check_record(values, model)
    except (ValueError, RecursionError, TypeError) as error:
        raise CharlstmError(f"{place} is not JSON; {ADVICE}") from error
    except (ConfigError, UnknownCharacterError) as error:
        raise CharlstmError(f"{place} is not a record of a text: {error}; {ADVICE}") from error


def _check_record(values: Mapping[str, Any], model: Model) -> Sample:
    """Return the sample that a mapping describes; raise ConfigError if a value is not allowed."""
    for name in ("sampling", "stopping", "set"):
        if not isinstance(values[name], dict) and (name != "set" or values[name] is not None):
            raise ConfigError(f"{name} must be an object")
    beam = None if values["beam"] is None else check_whole("beam", values["beam"], 1, MAX_ROWS)
    number = check_whole("number", values["number"], 0, LARGEST if beam is None else beam - 1)
    random_seed = check_whole("random_seed", values["random_seed"], 0) if beam is None else 0
    chosen = to_mapping(SamplingConfig()) | values["sampling"] | {"random_seed": random_seed}
    sampling = from_mapping(SamplingConfig, chosen)
    stopping = from_mapping(StoppingRules, to_mapping(StoppingRules()) | values["stopping"])
    sampling.check_possible(model)
    stopping.check_possible(model.vocabulary)
    rules, against = values["set"], []
    if rules is not None:
        against = rules.get("against", [])
        if not isinstance(against, list):
            raise ConfigError("against must be a list")
        given = {name: value for name, value in rules.items() if name != "against"}
        rules = from_mapping(SetRules, to_mapping(SetRules()) | given)
    label = values.get("label")
    if label is not None:
        model.with_label(check_text("label", label))
    names = tuple(check_text("against", name) for name in against)
    rate = values.get("adapt_rate")
    adapt_rate = None if rate is None else AdaptConfig(adapt_rate=rate).adapt_rate
    origin = Origin(sampling, stopping, beam, rules, names, label, adapt_rate)
    seed, text, stop = (check_text(name, values[name]) for name in ("seed", "text", "stop"))
    model.vocabulary.encode(model.documents.parse(seed), "the seed")
    return Sample(seed, text, math.nan, stop, number, origin, label=label)


def repeat(
    model: Model,
    samples: Sequence[Sample],
    name: str,
    show: Show | None = None,
    report: Callable[[int], object] = lambda done: None,
) -> list[Sample]:
    """Sample texts again.

    Parameters
    ----------
    model
        The model that wrote them.
    samples
        What `read_records` returned, or samples that were just made.
    name
        Name of their file for an error.
    show
        Called with each character of a sample, and the index of the sample; not for texts of beam search.
    report
        Called now and then with the number of samples that are complete.

    Raises
    ------
    CharlstmError
        If a text differs from that of its record; the sampling then ends at the first other character.
    """
    repeated: list[Sample] = []
    for (origin, learnt), group in groupby(samples, key=_find_origin):
        alike, labelled = list(group), model.with_label(origin.label)
        if origin.adapt_rate is not None:
            labelled = adapt_to(labelled, learnt, origin.adapt_rate)
        for first in range(0, len(alike), ROWS):
            part, done = alike[first : first + ROWS], len(repeated)
            report(done)
            mismatch = Mismatch(name, range(done + 1, done + 1 + len(part)))
            if origin.beam is None:
                shown = None if show is None else partial(_show, show, done)
                repeated += _sample(labelled, part, origin, mismatch, shown)
            else:
                repeated += _search(labelled, part, origin, mismatch)
    return [replace(again, origin=sample.origin) for again, sample in zip(repeated, samples, strict=True)]


def _show(show: Show, first: int, sampled: SampledCharacter) -> None:
    show(first + sampled.row, sampled)


class Mismatch:
    """Raises the error about a text that differs from its record.

    Parameters
    ----------
    name
        Name of the file.
    lines
        The numbers of the lines that are repeated.
    """

    def __init__(self, name: str, lines: Sequence[int]) -> None:
        self._name, self._lines = name, lines

    def check(self, row: int, same: bool) -> None:
        """Raise CharlstmError if a text is not the same."""
        if not same:
            raise CharlstmError(
                f"line {self._lines[row]} of {shorten(self._name)} cannot be repeated: the model writes another text,"
                " because the record was changed, or another processor or version of NumPy rounds differently"
            )


def _find_origin(sample: Sample) -> tuple[Origin, str]:
    """Return how a text is sampled again, and from which text the model learns before that.

    A text that was interrupted is sampled to its length.
    """
    origin, learnt = sample.origin, "" if sample.origin.adapt_rate is None else sample.seed
    if sample.stop == INTERRUPTED:
        origin = replace(origin, stopping=replace(origin.stopping, length=len(sample.text)))
    return origin, learnt


def _sample(
    model: Model,
    samples: Sequence[Sample],
    origin: Origin,
    mismatch: Mismatch,
    show: Callable[[SampledCharacter], object] | None,
) -> list[Sample]:
    numbers = [sample.number or 0 for sample in samples]
    seeds = [sample.seed for sample in samples]
    sampler = Sampler(model, seeds, origin.sampling, origin.stopping, len(samples), streams=numbers)
    counts, texts = [0] * len(samples), [one.text + END * (one.stop == "end") for one in samples]

    def check(sampled: SampledCharacter) -> None:
        row = sampled.row
        mismatch.check(row, texts[row].startswith(sampled.character, counts[row]))
        counts[row] += 1
        if show is not None:
            show(sampled)

    repeated = sampler.collect(check)
    for row, (sample, again) in enumerate(zip(samples, repeated, strict=True)):
        mismatch.check(row, sample.text == again.text)
    return [
        replace(again, stop=INTERRUPTED) if sample.stop == INTERRUPTED else again
        for sample, again in zip(samples, repeated, strict=True)
    ]


def _search(model: Model, samples: Sequence[Sample], origin: Origin, mismatch: Mismatch) -> list[Sample]:
    from charlstm.sampling.beam import search_samples

    found: dict[str, list[Sample]] = {}
    repeated = []
    for row, sample in enumerate(samples):
        rank = sample.number or 0
        if rank >= len(found.get(sample.seed, ())):
            most = max(other.number or 0 for other in samples if other.seed == sample.seed)
            found[sample.seed] = search_samples(
                model, sample.seed, origin.beam or 1, origin.stopping, origin.sampling, most + 1
            )
        texts = found[sample.seed]
        mismatch.check(row, rank < len(texts) and texts[rank].text == sample.text)
        repeated.append(texts[rank])
    return repeated
