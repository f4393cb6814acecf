"""Durations as users write them: 90s, 10m, 10min, 2h, 1h30m, 1d."""

from __future__ import annotations

import re
from typing import Any

from charlstm.base.config import check_number
from charlstm.base.errors import ConfigError, named

NOTATION = "a number with a unit, such as 90s, 10m, 2h, 1h30m or 1d"
UNITS = {"d": 86400.0, "h": 3600.0, "m(?:in)?": 60.0, "s": 1.0}
PATTERN = re.compile(r"\s*".join(rf"(?:([0-9]+(?:\.[0-9]+)?)\s*{unit})?" for unit in UNITS), re.IGNORECASE)
LONGEST = 1e9


def parse_duration(text: str) -> float:
    """Return the seconds of a duration: numbers with the units d, h, m or min, and s, the largest unit first.

    Zero needs no unit. Any other number does, so that nobody takes minutes for seconds.

    Raises
    ------
    ConfigError
        If the text is not a duration.

    Examples
    --------
    >>> parse_duration("1h30m")
    5400.0
    """
    written = text.strip()
    if re.fullmatch(r"0+(\.0*)?", written):
        return 0.0
    found = PATTERN.fullmatch(written)
    if not written or found is None:
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", written) and len(written) < 12:
            raise ConfigError(f"{text!r} has no unit; write {written}s for seconds, or {written}m for minutes")
        raise ConfigError(f"{text[:60]!r} is not a duration; write {NOTATION}")
    return sum(float(number) * unit for number, unit in zip(found.groups(), UNITS.values(), strict=True) if number)


def check_duration(name: str, value: Any, *, above: bool = False) -> float:
    """Return a duration in seconds: a text as `parse_duration` reads it, or a number of seconds.

    Parameters
    ----------
    name
        Name of the setting, for the error.
    value
        The duration.
    above
        True: it must be above zero.

    Raises
    ------
    ConfigError
        If the value is no duration, or out of range.
    """
    if isinstance(value, str):
        try:
            value = parse_duration(value)
        except ConfigError as error:
            raise ConfigError(f"{named(name)} is {value[:60]!r}; it must be {NOTATION}") from error
    return float(check_number(name, value, 0.0, LONGEST, above=above))


def format_duration(seconds: float, units: int = 4) -> str:
    """Return a duration, rounded to seconds, as `parse_duration` reads it.

    Parameters
    ----------
    seconds
        The duration.
    units
        How many units are shown at most, the largest first; what remains is left off.

    Examples
    --------
    >>> format_duration(5400), format_duration(3655555, 2)
    ('1h30m', '42d7h')
    """
    whole = round(seconds)
    parts: list[tuple[int, str]] = []
    for letter, unit in zip("dhms", UNITS.values(), strict=True):
        number, whole = divmod(whole, round(unit))
        if number or parts:
            parts.append((number, letter))
    return "".join(f"{number}{letter}" for number, letter in parts[:units] if number) or "0s"
