"""The state of a session, as a value and as a file that is checked when it is read.

The file is an archive of `charlstm.model.archive`, so `numpy.load` alone can read it. Its members:

    metadata    UTF-8 bytes of a JSON object: format, version, the model's digest, text, continuation_start,
                streams_used, sampling, stopping
    state       (L, S, H), the state of the network after the text
    logits      (V,), its prediction of the next character
    sha256      32 bytes: the digest of all members above

The metadata of a session that learns also have learning, its settings; and of one with a text of the user, added, the
spans of the text that the user added. Neither weights nor cache are stored; they follow from these.

A setting that `sampling` or `stopping` lacks has its default value: a later charlstm added it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from charlstm.base.config import AdaptConfig, check_string, check_whole, from_mapping, to_mapping
from charlstm.base.errors import CharlstmError, CheckpointError, shorten
from charlstm.base.files import write_file
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.model import archive, format2
from charlstm.model.model import Model
from charlstm.sampling.filters import SamplingConfig, mixes_counts
from charlstm.sampling.stopping import StoppingRules
from charlstm.text.documents import LINE

FORMAT = "charlstm session"
VERSION = 2
LABEL = "label"  # only of a session with a label
LEARNING, ADDED = "learning", "added"  # only of a session that learns, or to whose text the user added
NO_LEARNING = AdaptConfig()
Span = tuple[int, int]
NAMES = {"model", "text", "continuation_start", "streams_used", "sampling", "stopping"}
VERSION_1_NAMES = {  # name in version 1 → name in version 2
    "model": "model",
    "text": "text",
    "begun": "continuation_start",
    "draws": "streams_used",
    "drawing": "sampling",
    "ending": "stopping",
}


class SessionState(NamedTuple):
    """The text of a session and what the network knows of it.

    Attributes
    ----------
    text
        All that was read.
    continuation_start
        Where the last continuation starts in it, in characters.
    network_state : (L, S, 1, H) array
        State of the network after the text.
    logits : (1, V) array
        Its prediction of the next character.
    added
        The spans of the text that the user added, in order.
    learning
        Whether the network has learnt from them.
    """

    text: str
    continuation_start: int
    network_state: Array
    logits: Array
    added: tuple[Span, ...] = ()
    learning: AdaptConfig = NO_LEARNING


class SavedSession(NamedTuple):
    """All that a session needs to continue, except the model.

    Attributes
    ----------
    state : SessionState
        Its text and what the network knows of it.
    streams_used
        Number of random streams that it has used.
    sampling, stopping
        Its settings.
    """

    state: SessionState
    streams_used: int
    sampling: SamplingConfig
    stopping: StoppingRules


def save(saved: SavedSession, model: Model, path: Path) -> None:
    """Write a session to a file; the same content gives the same bytes.

    Raises
    ------
    CharlstmError
        If the stopping rules never stop a text, or the file cannot be written; an existing file is then unchanged.
    """
    state = saved.state
    if not saved.stopping.can_stop:
        raise CharlstmError("the stopping rules never stop a text; set length or lines before the session is saved")
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "model": model.digest_for(saved.sampling.mixes_counts),
        "text": state.text,
        "continuation_start": state.continuation_start,
        "streams_used": saved.streams_used,
        "sampling": to_mapping(saved.sampling),
        "stopping": to_mapping(saved.stopping),
    }
    if model.label is not None:
        metadata[LABEL] = model.label
    if state.learning.adapt:
        metadata[LEARNING] = to_mapping(state.learning)
    if state.added:
        metadata[ADDED] = [list(span) for span in state.added]
    arrays = {
        "metadata": archive.from_json(metadata),
        "state": state.network_state[:, :, 0],
        "logits": state.logits[0],
    }
    write_file(path, partial(archive.write, arrays))


def load(model: Model, path: str | PathLike[str]) -> SavedSession:
    """Read a session from a file.

    Parameters
    ----------
    model
        The model that the session was saved with.
    path
        A file that `save` wrote; files of version 1 are read too.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, of another kind or a later version, was saved with another model, or its
        content is inconsistent.
    """
    advice = "give the name of a file that /save or Session.save wrote"
    with archive.open_archive(path, "saved session", advice, lambda: {"python": advice}) as file:
        arrays = archive.read(file)
        member = arrays.pop("metadata")
        found = archive.read_json(member)
        if found.get("version") == 1:
            old = archive.to_json(member, FORMAT, {1: VERSION_1_NAMES})
            metadata, digest = _from_version_1(old), format2.digest(model)
        else:
            metadata = archive.to_json(member, FORMAT, {VERSION: NAMES | ({LABEL, LEARNING, ADDED} & set(found))})
            digest = model.digest_for(mixes_counts(metadata["sampling"]))
        if metadata["model"] != digest:
            raise CheckpointError("it was saved with another model; start the session with that model")
        label = metadata.get(LABEL)
        if label != model.label:
            name = "another label" if label is None else f"the label {shorten(repr(label))}"
            raise CheckpointError(f"it was saved with {name}; start the session with that label")
        return _saved(metadata, arrays, model)


def _saved(metadata: Mapping[str, Any], arrays: Mapping[str, Array], model: Model) -> SavedSession:
    """Return the content of a file once it is checked against the model."""
    network, text = model.network, check_string("text", metadata["text"])
    if model.documents.kind == LINE:
        text = text.replace("\n", END)  # earlier versions saved the newline that ended a line
    dtype, state = network.parameters.flat.dtype, network.zero_state(1)[:, :, 0]
    expected = {"state": (dtype, state.shape), "logits": (dtype, (len(model.vocabulary),))}
    if {name: (array.dtype, array.shape) for name, array in arrays.items()} != expected:
        raise CheckpointError("its arrays do not have the shapes of the model's")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise CheckpointError("it contains numbers that are not finite")
    if model.vocabulary.known(text) != text:
        raise CheckpointError("its text has characters that the model does not know")
    start = check_whole("continuation_start", metadata["continuation_start"], 0, len(text))
    sampling = from_mapping(SamplingConfig, to_mapping(SamplingConfig()) | metadata["sampling"])
    allowed = sampling.allowed(model.vocabulary.code_points)
    stopping = from_mapping(StoppingRules, to_mapping(StoppingRules()) | metadata["stopping"])
    if not stopping.can_stop:
        raise CheckpointError("its stopping rules never stop a text")
    stopping.check_allowed(model.vocabulary.code_points, allowed)
    learning = from_mapping(AdaptConfig, metadata[LEARNING]) if LEARNING in metadata else NO_LEARNING
    added = _to_spans(metadata.get(ADDED, []), len(text))
    return SavedSession(
        SessionState(text, start, arrays["state"][:, :, None], arrays["logits"][None], added, learning),
        check_whole("streams_used", metadata["streams_used"], 0),
        sampling,
        stopping,
    )


def _to_spans(pairs: Any, length: int) -> tuple[Span, ...]:
    """Return the spans in a file, once it is checked that each begins where the one before ends, or after it."""
    is_list = isinstance(pairs, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in pairs)
    if not is_list or not all(type(place) is int for pair in pairs for place in pair):
        raise CheckpointError("its spans of added text are not pairs of whole numbers")
    spans = tuple((start, stop) for start, stop in pairs)
    places = [0, *(place for span in spans for place in span), length]
    if places != sorted(places) or any(start == stop for start, stop in spans):
        raise CheckpointError("its spans of added text overlap, or end after the text")
    return spans


def _from_version_1(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a version 1 file under the names of version 2."""
    renamed = {name: metadata[old] for old, name in VERSION_1_NAMES.items()}
    stopping = {("stop" if name == "stops" else name): value for name, value in renamed["stopping"].items()}
    return renamed | {"stopping": stopping}
