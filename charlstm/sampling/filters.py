"""The filters that turn logits into sampling probabilities: small functions, applied in the order below.

    mix                 mix the network with counts                               (`mixture`)
    add_bias            add a number to the logits of some characters
    allow               keep only the allowed characters, and those that complete no forbidden word (`words`)
    penalize_repeats    p ← p^penalty for recent characters                       Keskar et al. 2019
    top_k               keep the k most likely characters                         Fan et al. 2018
    apply_temperature   p ← p^(1/temperature)
    top_p               keep the smallest set of probability at least p           Holtzman et al. 2020
    min_p               drop characters far less likely than the most likely      Nguyen et al. 2024

Logits are (…, V) arrays of unnormalised log-probabilities in nats; −∞ marks a character that is never sampled. Among
equal logits, lower ids rank first. Each filter works on the renormalised result of the filter before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from charlstm.base.config import check_choice, check_number, check_text, check_whole, set_fields
from charlstm.base.errors import ConfigError, did_you_mean, named, show_value
from charlstm.base.parameters import Array
from charlstm.base.symbols import END

if TYPE_CHECKING:
    from charlstm.model.model import Model

MIN_TEMPERATURE = 1e-200  # keeps only the most likely character, and no division by it overflows
MAX_BIAS = 10_000
COUNTS, CACHE = "counts", "cache"  # what the network can be mixed with
MAX_WORDS = 5_000  # characters of all forbidden words
MAX_PENALTY = 1e100  # forbids recent characters, and no product with it overflows


@dataclass(frozen=True)
class SamplingConfig:
    """How the next character is sampled.

    Attributes
    ----------
    temperature
        Divides the logits, 0 or more: values below 1 favour likely characters, values above 1 unlikely ones; 0 always
        takes the most likely character.
    top_k
        Sample from the k most likely characters, 1 or more; None: from all.
    top_p
        Nucleus sampling: sample from the smallest set of characters whose probabilities sum to at least this value, in
        (0, 1]; 1: from all.
    min_p
        Sample only characters whose probability is at least this fraction of the highest one, in [0, 1]; 0: all.
    repeat_penalty
        Raise the probability of each character among the last `repeat_window` ones to this power, 1 or more; 1: off.
        Unlikely characters lose more than likely ones.
    repeat_window
        Number of previous characters that the penalty considers, 1 or more; the seed counts.
    forbid, only
        Characters that are never sampled; the only characters that are, None: all.
    forbid_word
        A text that no sample contains, or several, each of one character or more; at most 5,000 characters together.
        The character that would complete one is never sampled; see `charlstm.sampling.words`. The attribute is a tuple.
    bias
        Character → number, −10,000 to 10,000, that is added to its logit, or pairs of both: b multiplies the odds of a
        character by exp(b) at a temperature of 1. The attribute is a tuple of pairs.
    mix
        "counts" → weight in [0, 1] of the counts that the model holds, and "cache" → that of the n-grams of the text to
        continue, or pairs of both: characters are sampled from the mixture, to which all other rules apply; empty, or
        0: from the network alone. See `charlstm.sampling.mixture`. The attribute is a tuple of pairs.
    random_seed
        Seed of the random numbers, 0 or more.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range.
    """

    temperature: float = 0.8
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    repeat_window: int = 32
    forbid: str = ""
    only: str | None = None
    forbid_word: Sequence[str] = ()
    bias: Sequence[tuple[str, float]] = ()
    mix: Sequence[tuple[str, float]] = ()
    random_seed: int = 0

    def __post_init__(self) -> None:
        set_fields(
            self,
            temperature=check_number("temperature", self.temperature, 0),
            top_k=None if self.top_k is None else check_whole("top_k", self.top_k, 1),
            top_p=check_number("top_p", self.top_p, 0, 1, above=True),
            min_p=check_number("min_p", self.min_p, 0, 1),
            repeat_penalty=check_number("repeat_penalty", self.repeat_penalty, 1),
            repeat_window=check_whole("repeat_window", self.repeat_window, 1),
            forbid=check_text("forbid", self.forbid),
            only=None if self.only is None else check_text("only", self.only),
            forbid_word=_check_words(self.forbid_word),
            bias=_check_bias(self.bias),
            mix=check_mix(self.mix),
            random_seed=check_whole("random_seed", self.random_seed, 0),
        )

    @classmethod
    def from_rules(cls, **rules: Any) -> SamplingConfig:
        """Return the configuration with the given rules, by name.

        Raises
        ------
        ConfigError
            If no rule has that name, or a value is out of range.
        """
        names = [field.name for field in fields(cls)]
        for name in rules:
            if name not in names:
                end = did_you_mean(name, names) or f"; the rules are {', '.join(names)}"
                raise ConfigError(f"there is no sampling rule {show_value(name)}{end}")
        return cls(**rules)

    def check_possible(self, model: Model) -> None:
        """Refuse rules that a model can never follow.

        Raises
        ------
        ConfigError
            If `only` or `bias` has a character that the model does not know, `forbid` and `only` allow none, or `mix`
            needs counts and the model holds none.
        """
        vocabulary = model.vocabulary
        self.check_counts(model)
        self.allowed(vocabulary.code_points)
        vocabulary.check_possible("only", self.only or "")
        vocabulary.check_possible("bias", "".join(character for character, _ in self.bias))

    def check_counts(self, model: Model, name: str = "the model") -> None:
        """Raise ConfigError if `mix` needs counts and a model, which the error names, holds none."""
        if self.mixes_counts and model.counts is None:
            raise ConfigError(
                f"{name} holds no counts to mix with its network",
                python="add them with model.with_counts(corpus), or train a model with counts=6",
                command="train a model with --counts; with --resume, --counts adds them to a model that exists",
            )

    @property
    def mixes_counts(self) -> bool:
        """Whether the counts that a model holds have a weight."""
        return COUNTS in dict(self.mix)

    @property
    def mixes_cache(self) -> bool:
        """Whether the n-grams of the text to continue have a weight."""
        return CACHE in dict(self.mix)

    def biases(self, code_points: Array) -> Array | None:
        """Return what is added to the logits of a vocabulary: (V,) float64, or None if nothing is."""
        if not self.bias:
            return None
        added = np.zeros(len(code_points))  # (V,)
        for character, bias in self.bias:
            added[code_points == ord(character)] = bias
        return added

    def allowed(self, code_points: Array) -> Array | None:
        """Return which characters of a vocabulary may be sampled: (V,) array of bool, or None if all may.

        Parameters
        ----------
        code_points : (V,) array
            The characters of the vocabulary.

        Raises
        ------
        ConfigError
            If `forbid` and `only` allow none of them.
        """
        if not self.forbid and self.only is None:
            return None
        allowed = ~np.isin(code_points, [ord(character) for character in self.forbid])  # (V,)
        if self.only is not None:
            allowed &= np.isin(code_points, [ord(character) for character in self.only])
        ends = code_points == ord(END)  # (V,)  a document may always end
        if not (allowed & ~ends).any():
            raise ConfigError(
                f"{named('forbid')} {show_value(self.forbid)} and {named('only')} {show_value(self.only)} allow none of"
                f" the model's {np.count_nonzero(~ends)} characters; allow at least one of them"
            )
        return np.asarray(allowed | ends)


def _check_words(words: Any) -> tuple[str, ...]:
    """Return the forbidden words as a tuple without repetitions; raise ConfigError if they are something else."""
    several = (words,) if isinstance(words, str) else words
    if not isinstance(several, (tuple, list)):
        raise ConfigError(f"{named('forbid_word')} is {words!r}; it must be a string, or several in a tuple")
    checked = tuple(dict.fromkeys(check_text("forbid_word", word, 1) for word in several))
    if sum(map(len, checked)) > MAX_WORDS:
        raise ConfigError(
            f"{named('forbid_word')} has {sum(map(len, checked)):,} characters in all; it may have {MAX_WORDS:,}:"
            " forbid fewer words"
        )
    return checked


def _check_bias(bias: Any) -> tuple[tuple[str, float], ...]:
    """Return a bias as pairs, the last one for each character; raise ConfigError if it is something else."""
    pairs = list(bias.items()) if isinstance(bias, Mapping) else bias
    if not isinstance(pairs, (tuple, list)) or not all(
        isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[0], str) and len(pair[0]) == 1
        for pair in pairs
    ):
        raise ConfigError(f"{named('bias')} is {bias!r}; it must map single characters to numbers")
    checked = {check_text("bias", one): check_number("bias", value, -MAX_BIAS, MAX_BIAS) for one, value in pairs}
    return tuple(checked.items())


def mixes_counts(rules: Any) -> bool:
    """Return whether sampling rules as a file has them, name → value, give the counts of the model a weight."""
    mix = rules.get("mix") if isinstance(rules, Mapping) else None
    pairs = mix.items() if isinstance(mix, dict) else mix if isinstance(mix, list) else ()
    return any(isinstance(pair, (list, tuple)) and pair and pair[0] == COUNTS for pair in pairs)


def check_mix(mix: Any) -> tuple[tuple[str, float], ...]:
    """Return the weights of a mixture as pairs, without those of 0; raise ConfigError if they are something else."""
    pairs = list(mix.items()) if isinstance(mix, Mapping) else mix
    if not isinstance(pairs, (tuple, list)) or not all(
        isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs
    ):
        raise ConfigError(f"mix is {show_value(mix)}; it must map {COUNTS!r} or {CACHE!r} to a weight")
    checked = {
        check_choice("mix", name, (COUNTS, CACHE)): check_number("mix", weight, 0.0, 1.0) for name, weight in pairs
    }
    return tuple((name, weight) for name, weight in checked.items() if weight)


def probabilities(
    logits: Array, sampling: SamplingConfig, allowed: Array | None = None, recent: Array | None = None
) -> Array:
    """Return the probability of sampling each character: (…, V) float64; each last axis sums to 1.

    Parameters
    ----------
    logits : (…, V) array
        Predictions of the network.
    sampling
        The rules.
    allowed : (V,) or (…, V) array of bool, optional
        Result of `SamplingConfig.allowed`.
    recent : (…, V) array of bool, optional
        The characters that `penalize_repeats` applies to.

    Examples
    --------
    >>> import numpy as np
    >>> p = probabilities(np.log([0.5, 0.3, 0.2]), SamplingConfig(temperature=1, top_p=0.7))
    >>> p.round(3).tolist()
    [0.625, 0.375, 0.0]
    """
    logits = logits.astype(np.float64)  # (…, V)
    if allowed is not None:
        logits = allow(logits, allowed)
    if recent is not None and sampling.repeat_penalty != 1:
        logits = penalize_repeats(logits, sampling.repeat_penalty, recent)
    if sampling.temperature == 0 or sampling.top_k is not None:  # the temperature can make different logits equal
        logits = top_k(logits, 1 if sampling.temperature == 0 else sampling.top_k or 1)
    logits = apply_temperature(logits, sampling.temperature or 1.0)
    if sampling.top_p < 1:
        logits = top_p(logits, sampling.top_p)
    if sampling.min_p > 0:
        logits = min_p(logits, sampling.min_p)
    powers = np.exp(logits)  # (…, V)  the largest is 1: `apply_temperature` shifts the logits
    return np.asarray(powers / np.add.reduce(powers, axis=-1, keepdims=True))


def add_bias(logits: Array, biases: Array | None) -> Array:
    """Add a number to the logit of every character: (V,) array, or None to add nothing."""
    return logits if biases is None else logits + biases


def softmax(logits: Array) -> Array:
    """Return exp(logits) / Σ exp(logits): the same shape; each last axis sums to 1."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))  # (…, V)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def allow(logits: Array, allowed: Array) -> Array:
    """Keep only the allowed characters: (V,) or (…, V) array of bool, at least one of each last axis True."""
    return np.where(allowed, logits, -np.inf)


def penalize_repeats(logits: Array, penalty: float, recent: Array) -> Array:
    """Raise the probability of each character in `recent`, a (…, V) array of bool, to a power of 1 or more.

    A probability near 1 changes little, so the penalty seldom breaks a word.
    """
    with np.errstate(divide="ignore"):
        log_p = np.log(softmax(logits))  # (…, V)
    return np.where(recent, log_p * min(penalty, MAX_PENALTY), log_p)


def top_k(logits: Array, k: int) -> Array:
    """Keep the k most likely characters."""
    kept: Array = logits.copy()
    np.put_along_axis(kept, _rank(logits)[..., k:], -np.inf, axis=-1)
    return kept


def apply_temperature(logits: Array, temperature: float) -> Array:
    """Divide the logits by a temperature above 0, and shift them so that the largest is 0."""
    shifted = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)  # (…, V)
    return np.asarray(shifted / max(temperature, MIN_TEMPERATURE))


def top_p(logits: Array, p: float) -> Array:
    """Keep the nucleus: the smallest set of the most likely characters whose probabilities sum to at least p."""
    order = _rank(logits)  # (…, V)
    ranked = np.take_along_axis(softmax(logits), order, axis=-1)  # (…, V)
    before = np.cumsum(ranked, axis=-1)[..., :-1]  # (…, V−1)  total of all more likely characters
    kept = np.take_along_axis(logits, order, axis=-1)  # (…, V)
    kept[..., 1:][before >= p] = -np.inf
    result = np.empty_like(logits)
    np.put_along_axis(result, order, kept, axis=-1)
    return result


def min_p(logits: Array, p: float) -> Array:
    """Keep the characters whose probability is at least p times the highest one."""
    return np.where(logits - logits.max(axis=-1, keepdims=True) >= math.log(p), logits, -np.inf)


def _rank(logits: Array) -> Array:
    """Return the ids from the most to the least likely: (…, V)."""
    return np.asarray(np.argsort(-logits, axis=-1, kind="stable"))
