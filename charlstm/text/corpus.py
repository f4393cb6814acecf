"""From files to ids: a text is read twice in blocks, first to collect its characters, then to encode them.

The second reading is checked against the first. Ids have the smallest integer type that holds them; those of a large
text are kept in an unnamed file.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np

from charlstm.base.errors import CorpusError, did_you_mean, shorten
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.text.documents import BLANK_LINE, KINDS, LINE, Documents, find_documents
from charlstm.text.facts import CorpusFacts
from charlstm.text.remarks import describe_names
from charlstm.text.sources import Block, Sources, cut_documents
from charlstm.text.vocabulary import CODE_POINTS, Vocabulary, code_points_of

IN_MEMORY = 1 << 28
ONE_STREAM = Documents("")

Prepare = Callable[[str, int, int], object]


class Corpus(NamedTuple):
    """A text as ids.

    Attributes
    ----------
    ids : (N,) array of ids
        The text; that of documents begins and ends with the end symbol, which also stands between them.
    vocabulary : Vocabulary
        Its characters.
    facts : CorpusFacts
        What a model file records of it.
    remarks : tuple of str
        What reading changed.
    file_starts : (F,) array
        Position in `ids` at which each file begins.
    files_of_last : int
        Number of files of the last given path, which may be a folder.
    labels : (K,) array
        For each document the index of its label in `CorpusFacts.labels`; empty without labels.
    """

    ids: Array
    vocabulary: Vocabulary
    facts: CorpusFacts
    remarks: tuple[str, ...]
    file_starts: Array
    files_of_last: int = 1
    labels: Array = np.zeros(0, np.int64)

    def starts_for(self, split: str) -> Array:
        """Return where the files begin that a kind of split distinguishes; "file" takes the last given path as one."""
        return (
            self.file_starts[: len(self.file_starts) - self.files_of_last + 1] if split == "file" else self.file_starts
        )

    @property
    def document_lengths(self) -> Array:
        """Predictions in each document, (K,): its characters and the end symbol; none for a stream."""
        if self.vocabulary.end is None:
            return np.zeros(0, np.int64)
        spans = find_documents(self.ids, self.vocabulary.end)  # (K, 2)
        return np.asarray(spans[:, 1] - spans[:, 0] + 1)


class Reading:
    """What one reading of a text found; two readings of the same text are equal."""

    def __init__(self) -> None:
        self.characters = 0
        self.newlines = 0
        self.last = ""
        self._digest = sha256()

    def record(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yield the blocks of a text, and record them."""
        for block in blocks:
            self.characters += len(block.text)
            self.newlines += block.text.count("\n")
            self.last = block.text[-1]
            self._digest.update(block.text.encode("utf-8", "surrogatepass"))
            yield block

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the text in UTF-8."""
        return self._digest.hexdigest()


def read(
    paths: Sequence[str | os.PathLike[str]],
    encoding: str = "utf-8",
    documents: Documents = ONE_STREAM,
    known: Vocabulary | None = None,
    field: str | None = None,
    label: str = "",
    prepare: Prepare = lambda phase, done, total: None,
) -> Corpus:
    """Read files as one text; a newline is added between files or rows if the first does not end with one.

    The end of a file or row is also the end of a document.

    Parameters
    ----------
    paths
        One file or folder, or several; - is standard input.
    encoding
        Name of a text encoding.
    documents
        How the text is cut into documents.
    known
        Characters that the vocabulary contains whether or not they occur.
    field
        Name of the field of tables that has the texts; None: the files are texts.
    label
        What gives the label of a document: "folder", "file", or "field:" and the name of a field; "": nothing.
    prepare
        Receives, again and again, what is done, with how many characters and of how many; 0: that is not known.

    Raises
    ------
    CorpusError
        If a file cannot be read or decoded, changes while it is read, or the text is too short.
    """
    sources = Sources(paths, encoding, field, label)
    names = describe_names([file.name for file in sources.inputs])
    is_one = len(sources.inputs) == 1
    seen = np.zeros(CODE_POINTS, bool)
    if known is not None:
        seen[known.code_points] = True
    seen[ord(END)] = bool(documents)
    if documents.kind == LINE:
        seen[ord("\n")] = False  # no line has one
    first = Reading()
    length, documents_found = len(documents.opening), 0
    lengths = np.zeros(len(sources.files), np.int64)  # (F,)
    labelled: list[tuple[str, int]] = []  # labels, each with the number of documents in a row that have it
    for number, text, name in cut_documents(first.record(sources.read_joined()), documents):
        prepare("counting characters", first.characters, 0)
        seen[code_points_of(text)] = True
        lengths[number] += len(text)
        length += len(text)
        ended = text.count(END)
        documents_found += ended
        if label and ended:
            labelled.append((_check_label(name, sources.files[number].name), ended))
    if first.characters < (1 if documents else 2):
        verb, has = ("is", "has") if is_one else ("are", "have")
        holds = f"{has} one character" if first.characters else f"{verb} empty"
        needed = "two characters or more are needed: one to read and one to predict"
        raise CorpusError(f"{names} {holds}; {'give a text' if documents else needed}")

    if documents and length < 2:
        raise CorpusError(f"{names} {'has' if is_one else 'have'} no document; give a text with one or more")
    vocabulary = Vocabulary.of(np.flatnonzero(seen))
    ids = _allocate(length, vocabulary.id_type)  # (N,)
    second = Reading()
    start = len(documents.opening)
    try:
        for _, text, _ in cut_documents(second.record(sources.read_joined()), documents):
            prepare("reading the text", second.characters, first.characters)
            points, stop = code_points_of(text), start + len(text)
            if stop > length or not seen[points].all():
                break
            ids[start:stop] = vocabulary.encode_known(points)
            start = stop
    except CorpusError as error:
        raise CorpusError(f"{names} changed while the text was read: {error}") from error
    if second.sha256 != first.sha256:
        raise CorpusError(f"{names} changed while the text was read; train on a copy that no other program writes")
    ids[: len(documents.opening)] = vocabulary.end or 0
    counts, labels = _number_labels(labelled)
    lines = first.newlines + (first.last != "\n")
    facts = CorpusFacts(sources.names(), first.characters, lines, first.sha256, counts)
    starts = len(documents.opening) + np.append(0, np.cumsum(lengths)[:-1])  # (F,)
    last = sum(file.given == sources.files[-1].given for file in sources.files)
    remarks = sources.remarks.list()
    if documents.separates and field is None and documents_found == np.count_nonzero(lengths):
        remarks += (_describe_no_cut(names, documents),)
    return Corpus(ids, vocabulary, facts, remarks, starts, last, labels)


def _describe_no_cut(names: str, documents: Documents) -> str:
    """Return the remark that a separator separates nothing, which often is a mistyped word."""
    separator = "a blank line" if documents.kind == BLANK_LINE else shorten(repr(documents.separator))
    known = did_you_mean(documents.kind.strip().lower(), [kind for kind in KINDS if kind != documents.kind])
    return f"{names}: no two documents are separated by {separator}, so each file is one document{known}"


def _number_labels(labelled: Sequence[tuple[str, int]]) -> tuple[tuple[tuple[str, int], ...], Array]:
    """Return the labels with their numbers of documents, by name, and for each document the index of its label: (K,).

    Parameters
    ----------
    labelled
        Labels in the order of the documents, each with the number of documents in a row that have it.
    """
    counts: Counter[str] = Counter()
    for name, count in labelled:
        counts[name] += count
    numbers = {name: number for number, name in enumerate(sorted(counts))}
    each = np.array([numbers[name] for name, _ in labelled], np.int64)
    return tuple(sorted(counts.items())), np.repeat(each, [count for _, count in labelled])


def _check_label(label: str, file: str) -> str:
    """Return a label; raise CorpusError if a document has none."""
    if not label:
        raise CorpusError(f"a document in {shorten(file)} has no label; give a text in which every document has one")
    return label


def _allocate(count: int, kind: np.dtype[Any]) -> Array:
    """Return an uninitialised array: in memory, or for a large one in an unnamed file."""
    if count * kind.itemsize <= IN_MEMORY:
        return np.empty(count, kind)
    try:
        import tempfile  # only a large text needs it

        with tempfile.TemporaryFile() as file:
            os.posix_fallocate(
                file.fileno(), 0, count * kind.itemsize
            )  # a full disk is an error here, not while the array is filled
            return np.memmap(file, kind, shape=(count,))
    except (OSError, AttributeError):
        return np.empty(count, kind)
