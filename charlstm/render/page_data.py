"""The model as the script of the page reads it: its description as JSON, and its weights in one compressed block.

The page runs the network itself. So the page has the size of the network, whatever the length of the text.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from charlstm.base.parameters import Array
from charlstm.inspection.examples import OfferedText
from charlstm.inspection.span_search import ON, PLACES
from charlstm.inspection.trace import Trace, trace
from charlstm.model.model import Model
from charlstm.render.characters import escape_character

ORDERED_BY = 2_000  # characters whose values determine the order of the units in the heat map
LETTERS = "".join(sign for sign in map(chr, range(33, 127)) if sign not in "\"&'<>\\")[:85]


def describe_model(model: Model, read: Trace | None = None) -> dict[str, Any]:
    """Return what the page's script needs to know of a model, as JSON can hold it.

    Parameters
    ----------
    model
        The model.
    read
        The trace of a text, which determines the order of the units in the heat map; None: their numbers do.
    """
    network, documents = model.network, model.documents
    cell, config = network.cell, network.config
    signs = {sign: escape_character(sign) for sign in model.vocabulary.characters}
    return {
        "cell": config.cell,
        "activation": config.activation,
        "layers": config.layers,
        "hidden": config.hidden,
        "vocabulary": model.vocabulary.code_points.tolist(),
        "signs": {ord(sign): escape for sign, escape in signs.items() if escape != sign},
        "end": model.vocabulary.end,
        "labels": [[label, model.label_id(label)] for label in model.labels],
        "separator": documents.separator if documents.pattern else None,
        "pattern": documents.pattern,
        "gates": cell.gates,
        "logistic": cell.logistic,
        "states": cell.states,
        "memory": cell.memory,
        "forget": cell.forget_gate,
        "input": cell.input_gate,
        "quantities": cell.quantities,
        "like": {"on": ON, "places": PLACES},
        "orders": {} if read is None else order_units(read),
    }


def encode_weights(model: Model) -> tuple[dict[str, Any], str]:
    """Return where each array of weights is in a block, as JSON can hold it, and the block in letters.

    The block holds little-endian float32 numbers. The lowest bytes of all numbers of an array come first and the
    highest last, which compresses better.
    """
    places, block = {}, bytearray()
    for name, weights in model.network.parameters.items():
        places[name] = (len(block), weights.size)
        block += np.ascontiguousarray(weights, "<f4").view(np.uint8).reshape(weights.size, 4).T.tobytes()
    compressed = zlib.compress(bytes(block), 6)
    return {"places": places, "size": len(compressed), "letters": LETTERS}, _encode_base85(compressed)


def read_text(model: Model, offered: OfferedText) -> Trace:
    """Return the trace of the beginning of a text that a page offers."""
    return trace(model if offered.label is None else model.with_label(offered.label), offered.text[:ORDERED_BY])


def order_units(read: Trace) -> dict[str, list[int]]:
    """Return for each quantity of each layer the units in an order in which similar ones are neighbours.

    There is no order for a quantity whose values are not finite.
    """
    return {
        f"{number}/{name}": seriate(values).tolist()
        for number, layer in enumerate(read.layers)
        for name, values in layer.items()
        if np.isfinite(values).all()
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


def _encode_base85(block: bytes) -> str:
    """Return bytes as five digits of base 85 for four bytes, in characters that need no escape in JSON and HTML."""
    words = np.frombuffer(block + bytes(-len(block) % 4), ">u4").astype(np.uint32)  # (K,)
    digits = words[:, None] // 85 ** np.arange(4, -1, -1, dtype=np.uint32) % 85  # (K, 5)
    return bytes(np.frombuffer(LETTERS.encode(), np.uint8)[digits]).decode()
