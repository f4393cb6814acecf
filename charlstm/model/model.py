"""A trained model as a value, and how it reads a text: the one place that knows where the state is reset."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from charlstm.base.config import TrainingConfig, check_text, to_mapping
from charlstm.base.errors import ConfigError, did_you_mean, named, show_value
from charlstm.base.parameters import Array, Buffers, Parameters
from charlstm.base.randomness import Purpose, generator
from charlstm.base.symbols import END
from charlstm.network.network import Network, Pass
from charlstm.text.documents import LINE, STREAM, Documents, hash_document
from charlstm.text.facts import CorpusFacts, Example
from charlstm.text.remarks import describe_names
from charlstm.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from charlstm.model.counts import Counts
    from charlstm.network.weights import PackedWeights

BLOCK = 1024
ROWS_TOGETHER = 256  # texts whose steps are computed together: those of more do not fit into the cache of a core
FEWEST_FORGOTTEN = 3  # steps before a document in which it pays off to look for one


class History(NamedTuple):
    """The course of training, one entry per report.

    Attributes
    ----------
    step : (N,) int64 array
        Optimizer steps done at the report.
    training_loss : (N,) float64 array
        Mean training loss since the previous report, in nats per character.
    validation_loss : (N,) float64 array
        Validation loss, in nats per character; NaN where it was not measured.
    gradient_norm : (N,) float64 array
        Mean norm of the gradient before clipping, since the previous report.
    """

    step: Array
    training_loss: Array
    validation_loss: Array
    gradient_norm: Array

    def append(self, step: int, training_loss: float, validation_loss: float, gradient_norm: float) -> History:
        """Return the history with one more report."""
        entry = (step, training_loss, validation_loss, gradient_norm)
        return History(*(np.append(*pair) for pair in zip(self, entry, strict=True)))

    @property
    def validations(self) -> History:
        """The reports at which the validation loss was measured."""
        return History(*(column[~np.isnan(self.validation_loss)] for column in self))


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
        Settings of the training run.
    facts
        Facts about the training corpus.
    history
        Losses and gradient norms during training.
    hashes : (K,) uint64 array
        Hashes of the corpus's documents, ascending; empty for a model of a stream.
    examples : tuple of Example
        Short excerpts of its validation set, at most ten; empty if the run stored none.
    counts
        Counts of its training set; None if it holds none.
    gradient_squares
        Mean squares of the gradients of one character, under the names of `gradient_squares.factor_shapes`; None in a
        file of an earlier version and during training.
    label
        The label with which documents are read; None if none is chosen.
    adapt_rate
        Learning rate at which the weights have learnt from the seed of the samples; None: they have not.
    """

    network: Network
    vocabulary: Vocabulary
    training: TrainingConfig
    facts: CorpusFacts
    history: History = NO_HISTORY
    hashes: Array = field(default_factory=lambda: np.zeros(0, np.uint64))
    examples: tuple[Example, ...] = ()
    counts: Counts | None = None
    gradient_squares: Parameters | None = None
    label: str | None = None
    adapt_rate: float | None = None

    def has_seen(self, document: str) -> bool:
        """Return whether the corpus of a model of documents contains a document."""
        digest = np.uint64(hash_document(document))
        place = np.searchsorted(self.hashes, digest)
        return bool(place < len(self.hashes) and self.hashes[place] == digest)

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of all that determines the predictions of the network: settings, characters, weights."""
        return self.digest_with(to_mapping(self.network.config))

    def digest_for(self, mixes_counts: bool) -> str:
        """Return the digest of what writes a text: the network, or if they are mixed, the network and the counts."""
        if not mixes_counts or self.counts is None:
            return self.digest
        return sha256(bytes.fromhex(self.digest) + self.counts.digest).hexdigest()

    def digest_with(self, config: Mapping[str, Any]) -> str:
        """Return the digest with the network's settings under the names of a certain file format."""
        points, documents = self.vocabulary.code_points.tolist(), self.training.documents
        if documents == LINE:  # as in files of version 3, where the newline ended a line
            points[points.index(ord(END))] = ord("\n")
        config = {name: value for name, value in config.items() if (name, value) != ("labels", 0)}  # as version 3 did
        settings = [config, {STREAM: False, LINE: True}.get(documents, documents), points]
        return sha256(json.dumps(settings).encode() + self.network.parameters.flat.tobytes()).hexdigest()

    @property
    def opening(self) -> str:
        """What the model reads before a text: the end symbol for a model of documents, nothing for a stream."""
        return self.documents.opening

    @property
    def start(self) -> str:
        """What is read before a sample without a seed: a document begins it, or in a stream a line."""
        return self.opening or ("\n" if "\n" in self.vocabulary else "")

    @cached_property
    def documents(self) -> Documents:
        """How the model tells one document from the next."""
        return Documents(self.training.documents)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels of its documents, in the order of their ids, which follow those of the characters."""
        return tuple(name for name, _ in self.facts.labels)

    def label_id(self, label: str) -> int:
        """Return the id of a label that the model has."""
        return len(self.vocabulary) + self.labels.index(label)

    def with_label(self, label: str | None) -> Model:
        """Return the model as one that reads documents with a label.

        Raises
        ------
        ConfigError
            If the model has no such label.
        """
        if label is not None and check_text("label", label) not in self.labels:
            known = (
                f"it must be one of {describe_names(self.labels, 'label')}"
                if self.labels
                else "the model has no labels"
            )
            raise ConfigError(f"{named('label')} is {show_value(label)}; {known}{did_you_mean(label, self.labels)}")
        return replace(self, label=label)

    def opening_ids(self, rows: int) -> Array:
        """Return what opens a document in each of B rows: the end symbol, or the chosen label; (B,) ids.

        Raises
        ------
        ConfigError
            If the model has labels, and none is chosen.
        """
        if self.labels and self.label is None:
            raise ConfigError(
                f"the model's documents have labels ({describe_names(self.labels, 'label')}), and none is chosen",
                python="choose one with model.with_label(name)",
                command="choose one with --label",
            )
        opening = self.vocabulary.end if self.label is None else self.label_id(self.label)
        return np.full(rows, opening, np.intp)

    def inputs(self, ids: Array) -> Array:
        """Return (T, B) ids as the network reads them: what opens a document stands in the place of the end symbol."""
        if self.vocabulary.end is None:
            return ids
        return np.where(ids == self.vocabulary.end, self.opening_ids(ids.shape[1]), ids)

    def draw_labels(self, random_seed: int, numbers: Sequence[int]) -> Array:
        """Return the labels of documents, (B,) ids: drawn as often as the corpus has them, unless one is chosen.

        Parameters
        ----------
        random_seed
            Seed of the random numbers.
        numbers
            The numbers of the B documents. The label of each depends on the random seed and its number alone.
        """
        if self.label is not None:
            return np.full(len(numbers), self.label_id(self.label))
        shares = np.cumsum([count for _, count in self.facts.labels])  # (K,)
        draws = np.array([generator(random_seed, Purpose.LABEL, number).random() for number in numbers])  # (B,)
        return np.asarray(len(self.vocabulary) + np.searchsorted(shares, draws * shares[-1], side="right"))

    def copy_weights(self, origin: Model) -> None:
        """Copy the weights of a model of the same shape, matching characters and labels.

        Weights of characters and labels that only this model has stay as they are.
        """
        here, there = self.vocabulary.match(origin.vocabulary)
        target, source = self.network.parameters, origin.network.parameters
        for name in target:
            if name == "layer0/U":
                both = [label for label in self.labels if label in origin.labels]
                ours, theirs = ([one.label_id(label) for label in both] for one in (self, origin))
                target[name][here + ours] = source[name][there + theirs]
            elif name.startswith("output/"):
                target[name][..., here] = source[name][..., there]
            else:
                target[name][...] = source[name]


class Reader:
    """Reads a batch of texts; the state is carried from one call to the next.

    During training, a model of documents reads the end symbol only in the zero state, before a document. The reader
    keeps to that: it resets the state to zero before every end symbol.

    The result for a text does not depend on the other texts of the batch, not even in its last bits.

    Parameters
    ----------
    model
        The model that reads.
    rows
        Number of texts (B).
    openings : (B,) array of ids, optional
        What is read in the place of an end symbol; by default `Model.opening_ids`.

    Attributes
    ----------
    model : Model
        The model that reads.
    state : (L, S, B, H) array
        The state after the characters read so far.
    logits : (B, V) array
        The prediction of the next character; before the first character it is the output layer's bias.
    """

    def __init__(self, model: Model, rows: int = 1, openings: Array | None = None) -> None:
        network = model.network
        self.model = model
        self._network = network
        self._buffers = Buffers(network.parameters.flat.dtype)
        self._parts: dict[int, Reader] = {}
        self._end = model.vocabulary.end
        self._openings = openings
        if openings is None and self._end is not None:
            self._openings = model.opening_ids(rows)
        self.state = network.zero_state(rows)
        self.logits: Array = np.tile(network.parameters["output/b"], (rows, 1))  # (B, V)

    def copies(self, rows: int) -> Reader:
        """Return a reader of several texts, each in the state of this reader's single text."""
        several = Reader(self.model, rows)
        several.state = np.repeat(self.state, rows, axis=2)
        several.logits = np.repeat(self.logits, rows, axis=0)
        return several

    def choose(self, rows: Array) -> None:
        """Replace the state of every row by that of a given row: (B,) array of rows."""
        self.state = self.state[:, :, rows]
        self.logits = self.logits[rows]

    def read(self, ids: Array, report: Callable[[int], object] | None = None) -> None:
        """Read T characters in each row. What a later document makes the network forget is left out.

        Parameters
        ----------
        ids : (T, B) array of ids
            The characters.
        report
            Called with the number of characters of each row that are done, after each block; an exception that it
            raises ends the reading.
        """
        if len(self.logits) > ROWS_TOGETHER:
            self._read_in_parts(ids, report)
            return
        done = self._count_forgotten(ids)
        for block in self.passes(ids[done:], only_last=True):
            done += len(block.outputs[0])
            if report is not None:
                report(done)

    def _read_in_parts(self, ids: Array, report: Callable[[int], object] | None) -> None:
        """Read with readers of fewer rows, so that what they compute stays in the cache; see `read`."""
        rows = len(self.logits)
        state, logits = np.empty_like(self.state), np.empty_like(self.logits)
        for part_rows in np.array_split(np.arange(rows), -(-rows // ROWS_TOGETHER)):
            size, part = len(part_rows), slice(part_rows[0], part_rows[-1] + 1)
            openings = None if self._openings is None else self._openings[part]
            reader = self._parts.get(size) or Reader(self.model, size, openings)
            self._parts[size], reader._openings = reader, openings
            reader.state, reader.logits = self.state[:, :, part], self.logits[part]
            reader.read(ids[:, part])
            state[:, :, part], logits[part] = reader.state, reader.logits
        self.state, self.logits = state, logits
        if report is not None:
            report(len(ids))

    @cached_property
    def _weights(self) -> PackedWeights:
        return self._network.pack(len(self.logits), self._buffers, batch_invariant=True)

    def _count_forgotten(self, ids: Array) -> int:
        """Return the number of steps before the last document of every row begins."""
        if self._end is None or len(ids) < FEWEST_FORGOTTEN:
            return 0
        opens = ids == self._end  # (T, B)
        last = len(ids) - 1 - opens[::-1].argmax(axis=0)  # (B,)
        return int(last.min(initial=len(ids))) if opens.any(axis=0).all() else 0

    def passes(self, ids: Array, only_last: bool = False) -> Iterator[Pass]:
        """Read T characters in each row and yield the network's passes, one per block of steps, in order.

        A block has at most `BLOCK` steps; the arrays of a pass are valid until the next one.

        Parameters
        ----------
        ids : (T, B) array of ids
            The characters.
        only_last
            True: compute the logits of the last step of each pass only.
        """
        cuts = {*range(0, len(ids), BLOCK), len(ids)}
        opens = None if self._end is None else ids == self._end  # (T, B)
        if opens is not None and self._openings is not None:
            ids = np.where(opens, self._openings, ids)
            cuts.update(np.flatnonzero(opens.any(axis=1)).tolist())
        for start, stop in pairwise(sorted(cuts)):
            if opens is not None:
                self.state[:, :, opens[start]] = 0.0
            done = self._network.forward(ids[start:stop], self.state, None, self._buffers, self._weights, only_last)
            self.state = done.state
            self.logits = done.logits[-1].copy()  # (B, V)
            yield done
