"""Search for places where the same units are on as over a span of text: the search of LSTMVis.

A unit is on at a character if its memory, bounded to −1 … 1, is at least ½ away from zero; each side of zero is a state
of its own. A unit that is almost always on says little about a place. So each unit is weighted by −log₂ of the share of
the corpus over which it is on.

Source: Strobelt et al. 2018, "LSTMVis: A tool for visual analysis of hidden state dynamics in recurrent neural
networks".
"""

from __future__ import annotations

import re

import numpy as np

from charlstm.base.errors import ConfigError, named, show_value
from charlstm.base.parameters import Array
from charlstm.inspection.quantities import list_units
from charlstm.inspection.trace import read_activations
from charlstm.inspection.view import Column, Kind, Table, View
from charlstm.model.model import Model
from charlstm.network.cell import Cell

ON = 0.5
PLACES = 12
CONTEXT = 12


def search_span(model: Model, corpus: str, span: str) -> View:
    """Find the units that are on over a whole span, and the places of a corpus where most of them are on as well.

    Parameters
    ----------
    model
        The model.
    corpus
        The text to search.
    span
        «TEXT[a:b]»: characters a to b − 1 of a text, counted from 0.

    Raises
    ------
    ConfigError
        If the span has another form or is empty.
    """
    text, start, stop = parse_span(span)
    sides = find_sides(model, text, start, stop)  # (U,)
    selected = np.flatnonzero(sides)
    units = list_units(model.network.config)
    if not selected.size:
        return View({}, (f"No unit is on over the whole of «{text[start:stop]}».",))
    often, similarity = measure_similarity(model, corpus, sides)  # (W,), (N,)
    order = np.argsort(often, kind="stable")  # (W,)
    columns = [
        Column("unit", [str(units[selected[k]]) for k in order], Kind.TEXT),
        Column("memory", ["above ½" if sides[selected[k]] > 0 else "below −½" for k in order], Kind.TEXT),
        Column("on in the corpus", often[order], Kind.PERCENT),
    ]
    length = stop - start
    places = _find_best_windows(similarity, length)
    rows = [(n, *_split_context(corpus, n, n + length), similarity[n : n + length].mean()) for n in places]
    names = ("position", "before", "place", "after", "similarity")
    kinds = (Kind.WHOLE, *[Kind.TEXT] * 3, Kind.PERCENT)
    found = zip(names, zip(*rows, strict=True), kinds, strict=True)
    return View(
        {
            f"units on over «{text[start:stop]}»": Table(tuple(columns), head=PLACES),
            "other places where they are on": Table(
                tuple(Column(name, list(values), kind) for name, values, kind in found)
            ),
        }
    )


def parse_span(span: str) -> tuple[str, int, int]:
    """Return the text, the start and the stop of «TEXT[a:b]».

    Raises
    ------
    ConfigError
        If the span has another form or is empty.

    Examples
    --------
    >>> parse_span("mady said hi[0:4]")
    ('mady said hi', 0, 4)
    """
    found = re.fullmatch(r"(.+)\[(\d*):(\d*)\]", span, re.DOTALL | re.ASCII)
    if found is None:
        raise ConfigError(
            f"{named('like')} is {show_value(span)}; it must be a text and two positions, such as 'mady said hi[0:4]'"
        )
    text, start, stop = found[1], int(found[2] or 0), int(found[3] or len(found[1]))
    if not 0 <= start < stop <= len(text):
        raise ConfigError(f"the span {start}:{stop} is empty; its text has {len(text)} characters, counted from 0")
    return text, start, stop


def find_sides(model: Model, text: str, start: int, stop: int) -> Array:
    """Return, for every unit, 1 or −1 if it is on, on that side of zero, over the whole span; otherwise 0: (U,)."""
    cell, ids = model.network.cell, model.vocabulary.encode(text, "the text of like", skippable=False)
    sides = np.concatenate([_threshold(cell, layers) for _, layers in read_activations(model, ids)])  # (N, U)
    over = sides[start:stop].astype(int).sum(axis=0)  # (U,)
    return np.asarray(np.sign(over) * (np.abs(over) == stop - start))


def measure_similarity(model: Model, corpus: str, sides: Array) -> tuple[Array, Array]:
    """Return how often each of the W units with a side is on, and the weighted share of them at every character.

    Parameters
    ----------
    model
        The model.
    corpus
        N characters. One bit per unit and character is kept.
    sides : (U,) array
        As `find_sides` returns.

    Returns
    -------
    (W,) array, (N,) array
        Shares of the corpus; shares of the units, each weighted by how rarely it is on.
    """
    selected = np.flatnonzero(sides)  # (W,)
    ids = model.vocabulary.encode(corpus)
    packed, counts = [], np.zeros(len(selected))
    for _, layers in read_activations(model, ids):
        on = _threshold(model.network.cell, layers)[:, selected] == sides[selected]  # (T, W)
        packed.append(np.packbits(on, axis=1))
        counts += on.sum(axis=0)
    often = counts / len(ids)  # (W,)
    weights = _weight(often)  # (W,)
    return often, np.concatenate([np.unpackbits(bits, axis=1, count=len(selected)) @ weights for bits in packed])


def _weight(often: Array) -> Array:
    """Return the weight of each unit, with the sum 1: (W,)."""
    bits = -np.log2(np.maximum(often, np.finfo(float).tiny)) * (often > 0)  # (W,)
    return np.asarray(bits / (bits.sum() or 1.0))


def _threshold(cell: Cell, layers: list[dict[str, Array]]) -> Array:
    """Return the side of zero on which each unit is on, or 0: (T, U) int8."""
    values = np.concatenate([cell.squash_memory(layer) for layer in layers], axis=1)  # (T, U)
    return np.where(np.abs(values) >= ON, np.sign(values), 0).astype(np.int8)


def _find_best_windows(values: Array, length: int) -> list[int]:
    """Return where the windows with the largest means start, best first; they do not overlap."""
    length = min(length, len(values))
    sums = np.concatenate([[0.0], np.cumsum(values)])  # (N + 1,)
    means = sums[length:] - sums[:-length]  # (N − length + 1,)
    places: list[int] = []
    for n in np.argsort(-means.round(9), kind="stable"):
        if all(abs(n - other) >= length for other in places):
            places.append(int(n))
        if len(places) == PLACES:
            break
    return places


def _split_context(text: str, start: int, stop: int) -> tuple[str, str, str]:
    return text[max(0, start - CONTEXT) : start], text[start:stop], text[stop : stop + CONTEXT]
