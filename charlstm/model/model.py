"""A trained model as a value, and how it reads a text: the one place that knows where a text starts anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from charlstm.config import TrainingConfig, to_mapping
from charlstm.network.network import Network, Pass
from charlstm.parameters import Array, Buffers
from charlstm.text.corpus import CorpusFacts
from charlstm.text.documents import hash_line
from charlstm.text.vocabulary import Vocabulary

BLOCK = 1024


class History(NamedTuple):
    """How the loss went, one entry a report.

    Attributes
    ----------
    step : (N,) int64 array
        Updates done at the report.
    train : (N,) float64 array
        Mean training loss since the report before, in nats per character.
    validation : (N,) float64 array
        Loss on the held-out part, in nats per character; NaN where it was not measured.
    norm : (N,) float64 array
        Mean norm of the gradient since the report before.
    """

    step: Array
    train: Array
    validation: Array
    norm: Array

    def plus(self, step: int, train: float, validation: float, norm: float) -> History:
        """Return the history with one report more."""
        return History(*(np.append(*pair) for pair in zip(self, (step, train, validation, norm), strict=True)))

    @property
    def judged(self) -> History:
        """The reports in which the held-out part was measured."""
        return History(*(column[~np.isnan(self.validation)] for column in self))


NO_HISTORY = History(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class Model:
    """Everything that a model file holds.

    Attributes
    ----------
    network
        Configuration and weights.
    vocabulary
        The characters that it knows.
    training
        How it was trained.
    facts
        What it was trained on.
    history
        How that went.
    lines : (K,) uint64 array
        Digests of the lines that it was trained and judged on, ascending; none for a model of a stream.
    """

    network: Network
    vocabulary: Vocabulary
    training: TrainingConfig
    facts: CorpusFacts
    history: History = NO_HISTORY
    lines: Array = field(default_factory=lambda: np.zeros(0, np.uint64))

    def has_seen(self, line: str) -> bool:
        """Say whether a line stands in the corpus of a model of lines, word for word."""
        digest = np.uint64(hash_line(line))
        place = np.searchsorted(self.lines, digest)
        return bool(place < len(self.lines) and self.lines[place] == digest)

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of all that decides what it reads and predicts: settings, characters, weights."""
        settings = [to_mapping(self.network.config), self.training.lines, self.vocabulary.code_points.tolist()]
        return sha256(json.dumps(settings).encode() + self.network.parameters.flat.tobytes()).hexdigest()

    @property
    def opening(self) -> str:
        """What is read before a text: the newline before a line for a model of lines, nothing for a stream."""
        return "\n" if self.training.lines else ""

    def take_over(self, origin: Model) -> int:
        """Take the weights of a model of the same shape, a character's from the same character; return how many.

        What belongs to characters that only this model has stays as it is.

        Parameters
        ----------
        origin
            Whose characters this model knows too.
        """
        places = self.vocabulary.encode_known(origin.vocabulary.code_points)  # (K,)
        mine, theirs = self.network.parameters, origin.network.parameters
        for name in mine:
            if name == "layer0/U":
                mine[name][places] = theirs[name]
            elif name.startswith("output/"):
                mine[name][..., places] = theirs[name]
            else:
                mine[name][...] = theirs[name]
        return len(places)


class Reader:
    """Texts read side by side; the state goes on from one call to the next.

    A model of lines has only ever seen a newline in a fresh state, before a line. So here too: whenever it reads a
    newline, the state is fresh before it.

    What a text gives does not depend on those beside it, not even in its last bits.

    Parameters
    ----------
    model
        Whose network reads.
    rows
        Texts read side by side (B).

    Attributes
    ----------
    model : Model
        The same.
    state : (L, S, B, H) array
        The state after what was read so far.
    logits : (B, V) array
        The prediction of the next character; before the first one the output layer's bias.
    """

    def __init__(self, model: Model, rows: int = 1) -> None:
        network = model.network
        self.model = model
        self._network = network
        self._buffers = Buffers(network.parameters.flat.dtype)
        self._weights = network.pack(rows, self._buffers, batch_invariant=True)
        self._anew_at = model.vocabulary.id("\n") if model.training.lines else None
        self.state = network.zero_state(rows)
        self.logits: Array = np.tile(network.parameters["output/b"], (rows, 1))  # (B, V)

    def copies(self, rows: int) -> Reader:
        """Return a reader of so many texts that all stand where the one text of this reader stands."""
        several = Reader(self.model, rows)
        several.state = np.repeat(self.state, rows, axis=2)
        several.logits = np.repeat(self.logits, rows, axis=0)
        return several

    def choose(self, rows: Array) -> None:
        """Go on in every row from where another row, or the same, stands: (B,) array of rows."""
        self.state = self.state[:, :, rows]
        self.logits = self.logits[rows]

    def read(self, ids: Array) -> None:
        """Read T characters in each row: (T, B) array of ids."""
        for _ in self.passes(ids):
            pass

    def passes(self, ids: Array) -> Iterator[Pass]:
        """Read T characters in each row and yield what the network did, piece by piece in their order.

        A piece holds at most `BLOCK` steps; its arrays hold until the next one.

        Parameters
        ----------
        ids : (T, B) array of ids
            The characters.
        """
        cuts = {*range(0, len(ids), BLOCK), len(ids)}
        anew = None if self._anew_at is None else ids == self._anew_at  # (T, B)
        if anew is not None:
            cuts.update(np.flatnonzero(anew.any(axis=1)).tolist())
        for start, stop in pairwise(sorted(cuts)):
            if anew is not None:
                self.state[:, :, anew[start]] = 0.0
            done = self._network.forward(ids[start:stop], self.state, None, self._buffers, self._weights)
            self.state = done.state
            self.logits = done.logits[-1].copy()  # (B, V)
            yield done
