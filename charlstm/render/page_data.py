"""The trace as the script of the page reads it: numbers in one compressed block, units in an order for a heat map.

Activations are stored as whole multiples of 2⁻²⁰, so that they differ by less than 10⁻⁶; probabilities and surprisals
are stored in 64 bits. What the script can compute is not stored: means, and h where it is a gate times the tanh of the
memory.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from charlstm.base.errors import CharlstmError
from charlstm.base.parameters import Array
from charlstm.inspection.quantities import find_steadiest, kind_of
from charlstm.inspection.span_search import ON, PLACES
from charlstm.inspection.trace import Trace
from charlstm.inspection.view import Kind
from charlstm.model.model import BLOCK
from charlstm.render.characters import escape_character
from charlstm.text.vocabulary import code_points_of

GUESSES = 5
BITS = 20  # binary digits after the point
LETTERS = "".join(sign for sign in map(chr, range(33, 127)) if sign not in "\"&'<>\\")[:85]


def encode_trace(trace: Trace) -> dict[str, Any]:
    """Return a trace as JSON: its description, the place of each array in the block, and the block.

    Raises
    ------
    CharlstmError
        If an activation is infinite or NaN.
    """
    if not all(np.isfinite(values).all() for layer in trace.layers for values in layer.values()):
        raise CharlstmError(
            "a page cannot show numbers that are infinite or NaN: the weights of the model are too large; choose"
            " another format"
        )
    most_probable = np.concatenate(
        [
            np.argsort(-trace.log_probabilities[start : start + BLOCK], axis=1, kind="stable")[:, :GUESSES]
            for start in range(0, len(trace.text), BLOCK)  # sorting all at once would need several times the memory
        ]
    )  # (N, 5)
    guessed = np.take_along_axis(trace.log_probabilities, most_probable, axis=1)  # (N, 5)
    arrays: dict[str, Array] = {
        "surprise": trace.surprise,
        "guess": most_probable.astype(np.uint32),
        "chance": np.exp(guessed.astype(np.float64)),
        "text": code_points_of(trace.text).astype(np.uint32),
        "vocabulary": code_points_of(trace.vocabulary).astype(np.uint32),
    }
    quantities = []
    for number, layer in enumerate(trace.layers):
        for name, values in layer.items():
            bits = _count_bits(values)
            if name != "h" or trace.cell.hidden_factors is None:
                whole = np.rint(values.T.astype(np.float64) * 2.0**bits).astype(np.int32)  # (H, N)
                arrays[f"{number}/{name}"] = whole
            arrays[f"{number}/{name}/order"] = seriate(values).astype(np.uint32)  # (H,)
            share = kind_of(trace.cell, name) is Kind.SHARE
            quantities.append({"layer": number, "name": name, "bits": bits, "share": share})
    places, block = _pack(arrays)
    compressed = zlib.compress(block, 6)
    escapes = {sign: escape_character(sign) for sign in {*trace.text, *trace.vocabulary}}
    return {
        "quantities": quantities,
        "hidden": trace.layers[0]["h"].shape[1],
        "factors": trace.cell.hidden_factors,
        "layers": len(trace.layers),
        "signs": dict(sorted((ord(sign), escape) for sign, escape in escapes.items() if escape != sign)),
        "steadiest": find_steadiest(trace),
        "like": {"on": ON, "places": PLACES},
        "arrays": places,
        "letters": LETTERS,
        "size": len(compressed),
        "block": _encode_base85(compressed),
    }


def seriate(values: Array) -> Array:
    """Order units so that those with similar values over a text are neighbours.

    The similarity of two units is the correlation of their values. The order is that of the Fiedler vector, the
    eigenvector of the second smallest eigenvalue of the Laplacian of the similarity graph (Atkins, Boman & Hendrickson
    1998, "A spectral algorithm for seriation and the consecutive ones problem"). A unit with constant values is equally
    similar to all others.

    Parameters
    ----------
    values : (N, H) array
        The values of H units.

    Returns
    -------
    (H,) array
        The numbers of the units.
    """
    centred = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)  # (N, H)
    norms = np.linalg.norm(centred, axis=0)  # (H,)
    scaled = centred / np.where(norms > 0.0, norms, 1.0)  # (N, H)
    similarity = 1.0 + scaled.T @ scaled  # (H, H)
    laplacian = np.diag(similarity.sum(axis=1)) - similarity  # (H, H)
    if len(similarity) == 1:
        return np.zeros(1, int)  # (1,)
    vector = np.linalg.eigh(laplacian)[1][:, 1].round(9)  # (H,)
    return np.argsort(vector * np.sign(vector[np.abs(vector).argmax()] or 1.0), kind="stable")


def _count_bits(values: Array) -> int:
    """Return the number of binary digits after the point that leave room for those before it in 32 bits; at most 20."""
    return min(BITS, 30 - math.frexp(float(np.abs(values).max()))[1])


def _pack(arrays: Mapping[str, Array]) -> tuple[dict[str, tuple[str, int, int]], bytes]:
    """Return name → (type, offset, size) of arrays, and the block that contains them.

    The lowest bytes of all numbers of an array come first and the highest last, which compresses better.
    """
    places, block = {}, bytearray()
    for name, array in arrays.items():
        places[name] = (array.dtype.name, len(block), array.size)
        low_first = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).view(np.uint8)
        block += low_first.reshape(array.size, -1).T.tobytes()
    return places, bytes(block)


def _encode_base85(block: bytes) -> str:
    """Return bytes as five digits of base 85 for four bytes, in characters that need no escape in JSON and HTML."""
    words = np.frombuffer(block + bytes(-len(block) % 4), ">u4").astype(np.uint32)  # (K,)
    digits = words[:, None] // 85 ** np.arange(4, -1, -1, dtype=np.uint32) % 85  # (K, 5)
    return bytes(np.frombuffer(LETTERS.encode(), np.uint8)[digits]).decode()
