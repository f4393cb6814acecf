"""Sets of samples: texts that a model writes for one seed or many, without those that break a rule.

Attempt number k is the sample of random stream number k. With S seeds it continues seed number k mod S. The attempts
are accepted or rejected in the order of their numbers, until every seed has its texts:

    distinct      reject a text that equals an accepted one, apart from case and white space
    new_only      reject a whole document that the model's corpus contains
    max_copied    reject a text with a longer run of characters that stands in one of the corpora
    best, of      of the accepted texts keep the best: by likelihood, those with the fewest bits per character; by
                  surprisal, those with the most; by novelty, those whose longest run that stands in the corpora is the
                  smallest fraction of the text

This is rejection sampling: an accepted text has the distribution of plain samples under the condition that the rules
accept it. Several attempts are sampled side by side, and more of them than are needed in the end, but the set does not
depend on how many.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from charlstm.base.config import LARGEST, check_choice, check_flag, check_whole, set_fields
from charlstm.base.errors import ConfigError, named
from charlstm.base.symbols import END
from charlstm.model.model import Model
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.sampler import Origin, Sample, Sampler
from charlstm.sampling.stopping import StoppingRules

if TYPE_CHECKING:
    from charlstm.text.sources import Sources

SCORES = ("likelihood", "surprisal", "novelty")
FEWEST_ATTEMPTS, ATTEMPTS_EACH = 1_000, 100  # the default limit: so many at least, so many for each text
ROWS = 256  # attempts that are sampled side by side
CHARACTERS = 1 << 21  # of the attempts that are sampled side by side, and of those that are compared at once
ALIKE, KNOWN, COPIED = "like another one", "in the corpus", "copied from the corpus"  # why attempts are rejected


@dataclass(frozen=True)
class SetRules:
    """Which samples make a set.

    Attributes
    ----------
    samples
        Number of texts for each seed, 1 or more; `best` takes its place.
    distinct
        True: no two texts are equal, also apart from case and white space. The seed counts.
    new_only
        True: no text completes a document that the model's corpus contains. The seed counts.
    max_copied
        No text has a run of more than this number of characters, 1 or more, that stands in one of the corpora; None:
        any. The seed does not count.
    best, of
        Of this many accepted texts for each seed (`of`) keep the best ones (`best`); None: keep all.
    by
        Which are the best: "likelihood", the fewest bits per character under the network; "surprisal", the most;
        "novelty", the smallest longest run that stands in the corpora, as a fraction of the text. Of equal ones the one
        that was sampled first. Empty texts come last.
    attempts
        Largest number of attempts for each seed; None: 1,000, or 100 for each text if that is more.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range, or contradicts another one.
    """

    samples: int = 1
    distinct: bool = False
    new_only: bool = False
    max_copied: int | None = None
    best: int | None = None
    of: int | None = None
    by: str = SCORES[0]
    attempts: int | None = None

    def __post_init__(self) -> None:
        best = None if self.best is None else check_whole("best", self.best, 1)
        of = None if self.of is None else check_whole("of", self.of, 1)
        if (best is None) != (of is None):
            raise ConfigError(
                f"{named('of' if best is None else 'best')} is given alone",
                python="give best and of together, such as best=5, of=50",
                command="give --best and --of together, such as --best 5 --of 50",
            )
        if best is not None and of is not None and best > of:
            raise ConfigError(
                f"{named('best')} is {best} and {named('of')} is {of}; the first must not be the larger one"
            )
        set_fields(
            self,
            samples=check_whole("samples", self.samples, 1),
            distinct=check_flag("distinct", self.distinct),
            new_only=check_flag("new_only", self.new_only),
            max_copied=None if self.max_copied is None else check_whole("max_copied", self.max_copied, 1),
            best=best,
            of=of,
            by=check_choice("by", self.by, SCORES),
            attempts=None if self.attempts is None else check_whole("attempts", self.attempts, 1),
        )

    @property
    def wanted(self) -> int:
        """Number of accepted texts for each seed, before the best are chosen."""
        return self.of or self.samples

    @property
    def kept(self) -> int:
        """Number of texts of the set for each seed."""
        return self.best or self.samples

    @property
    def limit(self) -> int:
        """Largest number of attempts for each seed."""
        return self.attempts or min(LARGEST, max(FEWEST_ATTEMPTS, ATTEMPTS_EACH * self.wanted))

    @property
    def rejects(self) -> bool:
        """Whether samples can be rejected."""
        return self.distinct or self.new_only or self.max_copied is not None

    @property
    def selects(self) -> bool:
        """Whether samples can be left out."""
        return self.rejects or self.best is not None

    @property
    def needs_corpora(self) -> bool:
        """Whether the rules compare texts with corpora."""
        return self.max_copied is not None or (self.best is not None and self.by == "novelty")


class Samples(list[Sample]):
    """A set of samples, and how it was found: a list with attributes.

    Attributes
    ----------
    wanted
        Number of texts that were asked for.
    attempts
        Number of samples that were tried for them.
    rejected : dict
        Why attempts were rejected → how many.
    """

    def __init__(self, samples: Sequence[Sample], wanted: int, attempts: int, rejected: Mapping[str, int]) -> None:
        super().__init__(samples)
        self.wanted = wanted
        self.attempts = attempts
        self.rejected = dict(rejected)

    @property
    def report(self) -> str:
        """A sentence about what was asked for and found."""
        reasons = [f"{count:,} were {reason}" for reason, count in self.rejected.items()]
        why = f", of which {' and '.join(reasons)}" if reasons else ""
        return f"found {len(self):,} of {self.wanted:,} texts in {self.attempts:,} attempts{why}"


class SetSampler:
    """Samples a set of texts.

    Parameters
    ----------
    model, sampling, stopping
        See `Sampler`.
    seeds
        The texts to continue (S), one or more.
    rules
        Which samples make the set.
    corpus
        The files that the rules compare with.

    Raises
    ------
    UnknownCharacterError
        If a seed contains characters that the model does not know.
    ConfigError
        If the rules need a corpus and there is none.
    """

    def __init__(
        self,
        model: Model,
        seeds: Sequence[str],
        sampling: SamplingConfig,
        stopping: StoppingRules,
        rules: SetRules,
        corpus: Sources | None = None,
    ) -> None:
        if rules.new_only and not model.documents:
            raise ConfigError(
                "the model stores no documents to compare with",
                python="new_only needs a model that was trained with documents",
                command="--new-only needs a model that was trained with --documents",
            )
        if rules.needs_corpora and (corpus is None or not corpus.files):
            raise ConfigError(
                "there is no corpus to compare the texts with",
                python='name one or more, as in against="corpus.txt"',
                command="name one or more with --against",
            )
        if not seeds:
            raise ConfigError("there is no seed; give one or more, of which each may be empty")
        self._seeds = list(seeds)
        self._corpus = corpus
        names = tuple(Path(file.name).name for file in corpus.inputs) if corpus is not None else ()
        self._origin = Origin(sampling, stopping, None, rules, names, model.label, model.adapt_rate)
        for number, seed in enumerate(seeds, 1):
            model.vocabulary.encode(model.documents.parse(seed), "the seed" if len(seeds) == 1 else f"seed {number:,}")
        self._sampling, self._stopping, self._rules = sampling, stopping, rules
        self._model = model
        self._accepted: list[list[Sample]] = [[] for _ in seeds]
        self._next = 0  # the smallest number that was not tried
        self._keys: set[str] = set()
        self._attempts = 0
        self._rejected: Counter[str] = Counter()

    def collect(self, report: Callable[[int], object] = lambda found: None) -> Samples:
        """Sample until every seed has its texts, or the limit of attempts is reached; return the same as `samples`.

        Parameters
        ----------
        report
            Called now and then with the number of texts that are found.
        """
        while True:
            report(sum(map(len, self._accepted)))
            round_ = self._sample_round()
            if not round_:
                return self.samples
            for sample, copied in zip(round_, self._are_copied(round_), strict=True):
                self._judge(sample, copied)

    @property
    def samples(self) -> Samples:
        """The set so far, also after an interrupt: the texts of the first seed, then those of the second, and so on."""
        kept = [self._choose(samples) for samples in self._accepted]
        wanted = self._rules.kept * len(self._seeds)
        return Samples([sample for samples in kept for sample in samples], wanted, self._attempts, self._rejected)

    def _sample_round(self) -> list[Sample]:
        """Return the next attempts, about as many as the set still needs; none if it is complete or at its limit."""
        round_: list[Sample] = []
        numbers = self._next_numbers()
        length = self._stopping.length
        rows = ROWS if length is None else max(1, min(ROWS, CHARACTERS // max(1, length)))
        while sum(len(sample.text) for sample in round_) < CHARACTERS and (batch := list(islice(numbers, rows))):
            seeds = [self._seeds[number % len(self._seeds)] for number in batch]
            sampler = Sampler(self._model, seeds, self._sampling, self._stopping, len(batch), streams=batch)
            round_ += sampler.collect()
            self._next = batch[-1] + 1
        return round_

    def _next_numbers(self) -> Iterator[int]:
        """Yield the numbers of the next attempts."""
        S, limit = len(self._seeds), self._rules.limit
        missing = {place: self._rules.wanted - len(samples) for place, samples in enumerate(self._accepted)}
        waiting = [place for place, count in missing.items() if count]
        accepted = sum(map(len, self._accepted))
        expected = max(missing.values()) * (self._attempts + 1) // (accepted + 1)
        first, last = self._next // S, -(-self._next // S) + expected
        for attempt in range(first, min(last, limit)):
            yield from (number for place in waiting if (number := attempt * S + place) >= self._next)

    def _judge(self, sample: Sample, copied: bool) -> None:
        """Accept an attempt or reject it; one that its seed does not need any more is neither."""
        assert sample.number is not None
        samples = self._accepted[sample.number % len(self._seeds)]
        if len(samples) == self._rules.wanted:
            return
        self._attempts += 1
        key = "".join(str(sample).casefold().split())
        if self._rules.distinct and key in self._keys:
            self._rejected[ALIKE] += 1
        elif self._rules.new_only and self._is_known(sample):
            self._rejected[KNOWN] += 1
        elif copied:
            self._rejected[COPIED] += 1
        else:
            if self._rules.distinct:
                self._keys.add(key)
            samples.append(replace(sample, origin=self._origin))

    def _is_known(self, sample: Sample) -> bool:
        """Return whether a text ends with a whole document that the model's corpus contains."""
        whole = self._model.documents.parse(sample.seed) + sample.text
        return sample.stop == "end" and self._model.has_seen(whole.rpartition(END)[2])

    def _are_copied(self, samples: Sequence[Sample]) -> list[bool]:
        """Return which texts have a run that is too long and stands in a corpus."""
        longest = self._rules.max_copied
        if longest is None:
            return [False] * len(samples)
        least = 1 << (longest + 1).bit_length() - 1
        return [run > longest for run in self._find_longest_runs(samples, least)]

    def _find_longest_runs(self, samples: Sequence[Sample], least: int) -> list[int]:
        """Return the length of the longest run of each text that stands in a corpus; 0 if it is below `least`."""
        if self._corpus is None or not samples:
            return [0] * len(samples)
        from charlstm.text.matching import find_matches  # most sets need none

        blocks = (block.text for block in self._corpus.read_joined())
        texts = [sample.text for sample in samples]
        return [int(found.longest.max(initial=0)) for found in find_matches(texts, blocks, least)]

    def _choose(self, samples: list[Sample]) -> list[Sample]:
        """Return the best of the accepted texts of a seed, the best first; all of them if none are to be chosen."""
        rules = self._rules
        if rules.best is None:
            return samples
        if rules.by == "novelty":
            runs = self._find_longest_runs(samples, 1)
            scores = [run / len(one.text) if one.text else math.nan for run, one in zip(runs, samples, strict=True)]
        else:
            sign = 1.0 if rules.by == "likelihood" else -1.0
            scores = [sign * sample.bits_per_character for sample in samples]
        order = sorted(range(len(samples)), key=lambda place: math.inf if math.isnan(scores[place]) else scores[place])
        return [samples[place] for place in order[: rules.best]]
