"""Numbers as people read them, each after its kind."""

from __future__ import annotations

import math
from typing import Any

from charlstm.inspection.view import Kind
from charlstm.render.characters import safe, shown

FORMATS = {
    Kind.SHARE: "{:.2f}",
    Kind.SIGNED: "{:+.2f}",
    Kind.BITS: "{:.2f}",
    Kind.PERCENT: "{:.1%}",
    Kind.WHOLE: "{:,.0f}",
    Kind.NUMBER: "{:.4g}",
}


def written(value: Any, kind: Kind) -> str:
    """Return a value as it stands in a table; a dash where there is none."""
    if kind is Kind.CHARACTER:
        return shown(value)
    if kind is Kind.GUESS:
        return f"{shown(value[0])} {value[1]:.0%}"
    if kind is Kind.TEXT:
        return safe(fact(value))
    return "-" if math.isnan(value) else FORMATS[kind].format(value)


def fact(value: Any) -> str:
    """Return a value whose kind is not said."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, tuple):
        return ", ".join(map(fact, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
