"""The rules by which the next character is drawn: each a small function over logits, applied in the order below.

    allow             what may be drawn at all
    discourage        p ← p^penalty for characters that were read a short while ago      Keskar et al. 2019
    heat              p ← p^(1/temperature)
    keep_likeliest    the k likeliest                                                    Fan et al. 2018
    keep_nucleus      the likeliest that together reach a share                          Holtzman et al. 2020
    keep_near_best    those not far less likely than the likeliest                       Nguyen et al. 2024

Logits are (…, V) arrays, unnormalised log-probabilities in nats; −∞ stands for what is never drawn. Where several are
equal, the lower ids count as likelier. Every rule sees what the one before it left, as if normalised anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from charlstm.errors import ConfigError
from charlstm.parameters import Array

COLDEST = 1e-200  # leaves nothing but the likeliest, and no logit so large that dividing by it would overflow


@dataclass(frozen=True)
class SamplingConfig:
    """How the next character is drawn.

    Attributes
    ----------
    temperature
        Logits are divided by it: below 1 likelier characters gain, 0 takes the likeliest always.
    top_k
        Only the k likeliest characters can be drawn; None: all.
    top_p
        Only the likeliest characters that together have this probability can be drawn, in (0, 1]; 1: all.
    min_p
        Only characters with at least this share of the likeliest one's probability can be drawn, in [0, 1]; 0: all.
    repeat_penalty
        The probability of every character among the last `repeat_window` ones is raised to this power, 1 or more: the
        less sure the network is of one, the more it loses; 1: none does.
    repeat_window
        How many characters back the penalty looks, 1 or more; the seed counts.
    forbid, only
        Characters that are never drawn; the only ones that can be, None: any.
    random_seed
        Seed of the draws, 0 or more.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    temperature: float = 0.8
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    repeat_window: int = 32
    forbid: str = ""
    only: str | None = None
    random_seed: int = 0

    def __post_init__(self) -> None:
        for name, value, right, allowed in (
            ("temperature", self.temperature, 0 <= self.temperature < math.inf, "a number, 0 or more"),
            ("top_k", self.top_k, self.top_k is None or _whole(self.top_k, 1), "a whole number, 1 or more"),
            ("top_p", self.top_p, 0 < self.top_p <= 1, "a number above 0 and at most 1"),
            ("min_p", self.min_p, 0 <= self.min_p <= 1, "a number from 0 to 1"),
            ("repeat_penalty", self.repeat_penalty, 1 <= self.repeat_penalty < math.inf, "a number, 1 or more"),
            ("repeat_window", self.repeat_window, _whole(self.repeat_window, 1), "a whole number, 1 or more"),
            ("random_seed", self.random_seed, _whole(self.random_seed, 0), "a whole number, 0 or more"),
        ):
            if not right:
                raise ConfigError(f"{name} is {value}; it must be {allowed}")

    @classmethod
    def of(cls, **rules: Any) -> SamplingConfig:
        """Return the rules given by name.

        Raises
        ------
        ConfigError
            If there is no such rule, or a value is out of range.
        """
        names = [field.name for field in fields(cls)]
        for name in rules:
            if name not in names:
                raise ConfigError(f"there is no rule {name!r}; the rules are {', '.join(names)}")
        return cls(**rules)

    def allowed(self, code_points: Array) -> Array | None:
        """Return which characters of a vocabulary may be drawn: (V,) array of bool, or None if all may.

        Parameters
        ----------
        code_points : (V,) array
            The vocabulary's characters.

        Raises
        ------
        ConfigError
            If none may.
        """
        if not self.forbid and self.only is None:
            return None
        may = ~np.isin(code_points, [ord(character) for character in self.forbid])  # (V,)
        if self.only is not None:
            may &= np.isin(code_points, [ord(character) for character in self.only])
        if not may.any():
            raise ConfigError(
                f"forbid {self.forbid!r} and only {self.only!r} leave none of the model's {may.size} characters;"
                " allow at least one that it knows"
            )
        return np.asarray(may)


def _whole(value: object, least: int) -> bool:
    return type(value) is int and value >= least


def probabilities(
    logits: Array, drawing: SamplingConfig, allowed: Array | None = None, recent: Array | None = None
) -> Array:
    """Return the probability with which each character is drawn: (…, V) float64, each last axis summing to 1.

    Parameters
    ----------
    logits : (…, V) array
        The network's predictions.
    drawing
        The rules.
    allowed : (V,) array of bool, optional
        What `SamplingConfig.allowed` returned.
    recent : (…, V) array of bool, optional
        Which characters were read a short while ago.
    """
    logits = logits.astype(np.float64)  # (…, V)
    if allowed is not None:
        logits = allow(logits, allowed)
    if recent is not None and drawing.repeat_penalty != 1:
        logits = discourage(logits, drawing.repeat_penalty, recent)
    if drawing.temperature == 0 or drawing.top_k is not None:  # before the heat, which can make unequal logits equal
        logits = keep_likeliest(logits, 1 if drawing.temperature == 0 else drawing.top_k or 1)
    logits = heat(logits, drawing.temperature or 1.0)
    if drawing.top_p < 1:
        logits = keep_nucleus(logits, drawing.top_p)
    if drawing.min_p > 0:
        logits = keep_near_best(logits, drawing.min_p)
    powers = np.exp(logits)  # (…, V)  the likeliest of them is 1, since the heat
    return np.asarray(powers / np.add.reduce(powers, axis=-1, keepdims=True))


def normalised(logits: Array) -> Array:
    """Return the probabilities that logits stand for: the same shape, each last axis summing to 1."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))  # (…, V)
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def allow(logits: Array, allowed: Array) -> Array:
    """Leave only the characters that may be drawn: (V,) array of bool, True for one or more."""
    return np.where(allowed, logits, -np.inf)


def discourage(logits: Array, penalty: float, recent: Array) -> Array:
    """Raise the probability of each character in `recent`, (…, V) array of bool, to a power of 1 or more.

    Characters of which the network is sure lose little, so words stay whole.
    """
    with np.errstate(divide="ignore"):
        log_p = np.log(normalised(logits))  # (…, V)
    return np.where(recent, log_p * penalty, log_p)


def heat(logits: Array, temperature: float) -> Array:
    """Divide by a temperature above 0, however small; the likeliest are 0 afterwards."""
    shifted = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)  # (…, V)
    return np.asarray(shifted / max(temperature, COLDEST))


def keep_likeliest(logits: Array, k: int) -> Array:
    """Leave only the k likeliest."""
    kept: Array = logits.copy()
    np.put_along_axis(kept, _order(logits)[..., k:], -np.inf, axis=-1)
    return kept


def keep_nucleus(logits: Array, share: float) -> Array:
    """Leave only the fewest of the likeliest whose probabilities together reach a share, one at least."""
    order = _order(logits)  # (…, V)
    ranked = np.take_along_axis(normalised(logits), order, axis=-1)  # (…, V)
    before = np.cumsum(ranked, axis=-1)[..., :-1]  # (…, V−1), what all likelier ones have
    kept = np.take_along_axis(logits, order, axis=-1)
    kept[..., 1:][before >= share] = -np.inf
    result = np.empty_like(logits)
    np.put_along_axis(result, order, kept, axis=-1)
    return result


def keep_near_best(logits: Array, share: float) -> Array:
    """Leave only those with at least a share of the likeliest one's probability."""
    return np.where(logits - logits.max(axis=-1, keepdims=True) >= math.log(share), logits, -np.inf)


def _order(logits: Array) -> Array:
    return np.asarray(np.argsort(-logits, axis=-1, kind="stable"))
