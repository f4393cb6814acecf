"""Where a session stands, as a value and as a file that is never trusted when read.

A file is an archive of `charlstm.model.archive`, so `numpy.load` alone can read it, with these members:

    metadata    UTF-8 bytes of a JSON object: format, version, the model's digest, text, begun, draws, drawing, ending
    state       (L, S, H), what the network remembers of the text
    logits      (V,), its prediction of the next character
    sha256      32 bytes: the digest of all members above
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from charlstm.config import from_mapping, to_mapping
from charlstm.errors import CheckpointError
from charlstm.model import archive
from charlstm.model.files import check_target, replace_atomically
from charlstm.model.model import Model
from charlstm.parameters import Array
from charlstm.sampling.filters import SamplingConfig
from charlstm.sampling.stopping import StoppingRules

FORMAT = "charlstm session"
VERSION = 1
NAMES = {"model", "text", "begun", "draws", "drawing", "ending"}


class SessionState(NamedTuple):
    """Where in a text a session stands.

    Attributes
    ----------
    text
        What was read.
    begun
        Where in it the last continuation begins, in characters.
    state : (L, S, 1, H) array
        What the network remembers of it.
    logits : (1, V) array
        Its prediction of the next character.
    """

    text: str
    begun: int
    state: Array
    logits: Array


class SavedSession(NamedTuple):
    """All that going on with a session needs, but for the model.

    Attributes
    ----------
    place : SessionState
        Where it stands.
    draws
        How many random streams are used up.
    drawing, ending
        How it goes on, and how far.
    """

    place: SessionState
    draws: int
    drawing: SamplingConfig
    ending: StoppingRules


def save(saved: SavedSession, model: Model, path: Path) -> None:
    """Write where a session stands; the same content gives the same bytes.

    Raises
    ------
    CharlstmError
        If the file cannot be written; what stood there is then unchanged.
    """
    place, draws, *how = saved
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "model": model.digest,
        "text": place.text,
        "begun": place.begun,
        "draws": draws,
    } | dict(zip(("drawing", "ending"), map(to_mapping, how), strict=True))
    arrays = {"metadata": archive.from_json(metadata), "state": place.state[:, :, 0], "logits": place.logits[0]}
    check_target(path)
    replace_atomically(path, partial(archive.write, arrays))


def load(model: Model, path: Path) -> SavedSession:
    """Read what `save` wrote.

    Parameters
    ----------
    model
        The model that it must have been saved with.
    path
        The file.

    Raises
    ------
    CheckpointError
        If it is missing, damaged, not ours, of a later version, saved with another model, or does not fit together.
    """
    advice = "give the name of a file that /save or Session.save wrote"
    with archive.distrusted(path, "saved session", advice, advice), path.open("rb") as file:
        arrays = archive.read(file)
        return _saved(archive.to_json(arrays.pop("metadata"), FORMAT, VERSION, NAMES), arrays, model)


def _saved(metadata: Mapping[str, Any], arrays: Mapping[str, Array], model: Model) -> SavedSession:
    if metadata["model"] != model.digest:
        raise CheckpointError("it was saved with another model; name that one with -m")
    network, text = model.network, metadata["text"]
    dtype, state = network.parameters.flat.dtype, network.zero_state(1)[:, :, 0]
    wanted = {"state": (dtype, state.shape), "logits": (dtype, (len(model.vocabulary),))}
    if {name: (array.dtype, array.shape) for name, array in arrays.items()} != wanted:
        raise CheckpointError("its arrays do not have the shapes of the model")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise CheckpointError("its numbers are not all finite")
    model.vocabulary.encode(text)
    for name, most in (("begun", len(text)), ("draws", 2**63)):
        if type(metadata[name]) is not int or not 0 <= metadata[name] <= most:
            raise CheckpointError(f"its {name} is {metadata[name]!r}; it must be a whole number from 0 to {most}")
    drawing = from_mapping(SamplingConfig, metadata["drawing"])
    drawing.allowed(model.vocabulary.code_points)
    ending = from_mapping(StoppingRules, metadata["ending"] | {"stops": tuple(metadata["ending"]["stops"])})
    place = SessionState(text, metadata["begun"], arrays["state"][:, :, None], arrays["logits"][None])
    return SavedSession(place, metadata["draws"], drawing, ending)
