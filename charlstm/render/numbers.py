"""Format values as people read them, each by its kind."""

from __future__ import annotations

import math
from typing import Any

from charlstm.inspection.view import Kind
from charlstm.render.characters import escape_character, escape_line

FORMATS = {
    Kind.SHARE: "{:.2f}",
    Kind.SIGNED: "{:+.2f}",
    Kind.BITS: "{:.2f}",
    Kind.PERCENT: "{:.1%}",
    Kind.WHOLE: "{:,.0f}",
    Kind.NUMBER: "{:.4g}",
}


def format_value(value: Any, kind: Kind) -> str:
    """Return a value as a table shows it; a dash for NaN, ∞ for an infinite number.

    Examples
    --------
    >>> format_value(0.5, Kind.SIGNED), format_value(0.123, Kind.PERCENT), format_value(float("nan"), Kind.BITS)
    ('+0.50', '12.3%', '-')
    """
    if kind is Kind.CHARACTER:
        return escape_character(value)
    if kind is Kind.GUESS:
        return f"{escape_character(value[0])} {value[1]:.0%}"
    if kind is Kind.TEXT:
        return escape_line(format_fact(value))
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return "-" if math.isnan(value) else FORMATS[kind].format(value)


def format_fact(value: Any) -> str:
    """Return a value without a kind: a setting or a count.

    Examples
    --------
    >>> format_fact(True), format_fact(12345), format_fact(()), format_fact(0.01)
    ('yes', '12,345', 'none', '0.01')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, tuple):
        return ", ".join(map(format_fact, value)) or "none"
    return format_value(value, Kind.NUMBER) if isinstance(value, float) else str(value)
