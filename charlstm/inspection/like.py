"""Other places where the units are on that are on over a span of text: LSTMVis's search.

A unit is on at a character if its memory, between −1 and 1, is at least ½ away from zero; on a side of zero, so a unit
can be on in two ways. A unit that is nearly always on tells little of a place: each counts as much as it is a surprise,
−log₂ of the share of the corpus over which it is on.

Source: Strobelt et al. 2018, "LSTMVis: A tool for visual analysis of hidden state dynamics in recurrent neural
networks".
"""

from __future__ import annotations

import re

import numpy as np

from charlstm.errors import ConfigError
from charlstm.inspection.trace import read
from charlstm.inspection.unit import every_unit
from charlstm.inspection.view import Column, Kind, Table, View
from charlstm.model.model import Model
from charlstm.network.cell import Cell
from charlstm.parameters import Array

ON = 0.5
PLACES = 12
AROUND = 12


def like(model: Model, corpus: str, span: str) -> View:
    """Find the units that are on all over a span, and the places of a corpus where most of them are on as well.

    Parameters
    ----------
    model
        Whose units are looked at.
    corpus
        Where to search.
    span
        «TEXT[a:b]»: characters a to b, the last one not counted in, of a text, counted from 0.

    Raises
    ------
    ConfigError
        If the span is not written so, or is empty.
    """
    text, start, stop = parsed(span)
    sides = sides_over(model, text, start, stop)  # (U,)
    wanted = np.flatnonzero(sides)
    every = every_unit(model.network.config)
    if not wanted.size:
        return View({}, (f"No unit is on all over «{text[start:stop]}».",))
    often, shares = alikeness(model, corpus, sides)  # (W,), (N,)
    order = np.argsort(often, kind="stable")  # (W,)
    columns = [
        Column("unit", [str(every[wanted[k]]) for k in order], Kind.TEXT),
        Column("memory", ["above ½" if sides[wanted[k]] > 0 else "below −½" for k in order], Kind.TEXT),
        Column("on in the corpus", often[order], Kind.PERCENT),
    ]
    found = {f"on over «{text[start:stop]}»": Table(tuple(columns), head=PLACES)}
    places = _apart(shares, stop - start)
    rows = [(n, *_context(corpus, n, n + stop - start), shares[n : n + stop - start].mean()) for n in places]
    names, kinds = ("position", "before", "place", "after", "alike"), (Kind.WHOLE, *[Kind.TEXT] * 3, Kind.PERCENT)
    columns = [
        Column(name, list(values), kind)
        for name, kind, values in zip(names, kinds, zip(*rows, strict=True), strict=True)
    ]
    return View(found | {"where they are on too": Table(tuple(columns))})


def parsed(span: str) -> tuple[str, int, int]:
    """Return the text and the two ends of «TEXT[a:b]».

    Raises
    ------
    ConfigError
        If it is not written so, or holds no character.
    """
    found = re.fullmatch(r"(.+)\[(\d*):(\d*)\]", span, re.DOTALL | re.ASCII)
    if found is None:
        raise ConfigError(f"{span!r} names no span; write a text and two positions, such as 'mady said hi[0:4]'")
    text, start, stop = found[1], int(found[2] or 0), int(found[3] or len(found[1]))
    if not 0 <= start < stop <= len(text):
        raise ConfigError(f"the span {start}:{stop} holds nothing of a text of {len(text)} characters")
    return text, start, stop


def sides_over(model: Model, text: str, start: int, stop: int) -> Array:
    """Return for every unit 1 or −1 where it is on, on that side of zero, at each character of a span; else 0; (U,)."""
    sides = np.concatenate(
        [_sides(model.network.cell, layers) for _, layers in read(model, model.vocabulary.encode(text))]
    )  # (N, U)
    over = sides[start:stop].astype(int).sum(axis=0)  # (U,)
    return np.asarray(np.sign(over) * (np.abs(over) == stop - start))


def alikeness(model: Model, corpus: str, sides: Array) -> tuple[Array, Array]:
    """Return how often each of the W units with a side is on, on that side; and how much of them is, everywhere.

    Returns
    -------
    (W,) array, (N,) array
        Shares of the corpus; shares of the units at every character, each counted by its surprise. While the corpus is
        read, a bit is kept for each of them.
    """
    wanted = np.flatnonzero(sides)  # (W,)
    ids = model.vocabulary.encode(corpus)
    packed, times = [], np.zeros(len(wanted))
    for _, layers in read(model, ids):
        on = _sides(model.network.cell, layers)[:, wanted] == sides[wanted]  # (T, W)
        packed.append(np.packbits(on, axis=1))
        times += on.sum(axis=0)
    often = times / len(ids)  # (W,)
    counts = _surprise(often)  # (W,)
    return often, np.concatenate([np.unpackbits(bits, axis=1, count=len(wanted)) @ counts for bits in packed])


def _surprise(often: Array) -> Array:
    """Return how much each unit's being on counts, 1 in all: (W,)."""
    bits = -np.log2(np.maximum(often, np.finfo(float).tiny)) * (often > 0)  # (W,)
    return np.asarray(bits / (bits.sum() or 1.0))


def _sides(cell: Cell, layers: list[dict[str, Array]]) -> Array:
    values = np.concatenate([cell.squash_memory(layer) for layer in layers], axis=1)  # (T, U)
    return np.where(np.abs(values) >= ON, np.sign(values), 0).astype(np.int8)


def _apart(shares: Array, length: int) -> list[int]:
    """Return where the windows of a length with the largest means begin, best first, none over another."""
    length = min(length, len(shares))
    sums = np.concatenate([[0.0], np.cumsum(shares)])  # (N + 1,)
    means = sums[length:] - sums[:-length]  # (N − length + 1,)
    places: list[int] = []
    for n in np.argsort(-means.round(9), kind="stable"):
        if all(abs(n - other) >= length for other in places):
            places.append(int(n))
        if len(places) == PLACES:
            break
    return places


def _context(text: str, start: int, stop: int) -> tuple[str, str, str]:
    return text[max(0, start - AROUND) : start], text[start:stop], text[stop : stop + AROUND]
