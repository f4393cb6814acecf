"""What of a sampled text is new, and what is copied from a corpus."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import NamedTuple

import numpy as np

from charlstm.base.errors import ConfigError
from charlstm.base.inputs import Input
from charlstm.base.symbols import END
from charlstm.inspection.view import Column, Kind, Part, Table, View
from charlstm.model.model import Model
from charlstm.text import corpus
from charlstm.text.documents import find_documents, hash_document, hash_documents
from charlstm.text.matching import Matches, find_matches
from charlstm.text.sources import Sources
from charlstm.text.split import choose_validation

SHORTEST_PART = 4
LEAST, LEAST_OF_MANY = 8, 16
MANY = 100_000
COUNT = 10


class CopiedRun(NamedTuple):
    """A part of a text that also stands in the corpus.

    Attributes
    ----------
    text
        The part.
    number
        Index of its text, counted from 0.
    start
        Its first character in that text, counted from 0.
    file
        Name of the file of the corpus.
    line, column
        Where the part starts in the file, counted from 1.
    """

    text: str
    number: int
    start: int
    file: str
    line: int
    column: int


class DocumentCounts(NamedTuple):
    """How many documents of a text are new.

    Attributes
    ----------
    total
        Whole documents of the text, without empty ones.
    training, validation
        Number of these that are in the training set; in the validation set only. None if the corpus is not the one that
        the model was trained on.
    new
        Number of these that are not in the corpus.
    """

    total: int
    training: int | None
    validation: int | None
    new: int


@dataclass(frozen=True, repr=False)
class Novelty:
    """What of some texts also stands in a corpus.

    Attributes
    ----------
    copies : list of Matches
        The matches of each text.
    files : list of (str, int)
        The corpus: name of each file that is not empty, and the number of lines before it.
    documents : list of DocumentCounts
        The counts for each text, for a model of documents; otherwise empty.
    least
        Length of the shortest run that is reported.
    """

    copies: Sequence[Matches]
    files: Sequence[tuple[str, int]]
    documents: Sequence[DocumentCounts]
    least: int

    def __repr__(self) -> str:
        characters = sum(len(copy.text) for copy in self.copies)
        longest = max((int(copy.longest.max(initial=0)) for copy in self.copies), default=0)
        return (
            f"<Novelty: {len(self.copies):,} texts of {characters:,} characters, longest copy {longest:,} characters>"
        )

    def of(self, number: int) -> Novelty:
        """Return the result for one of the texts."""
        return replace(self, copies=self.copies[number : number + 1], documents=self.documents[number : number + 1])

    @property
    def novel(self) -> dict[int, tuple[int, int]]:
        """Length of a part, a power of two → (parts of that length that are not in the corpus, all parts)."""
        counts: dict[int, tuple[int, int]] = {}
        for copy in self.copies:
            for length, stands in copy.occurs.items():
                new, total = counts.get(length, (0, 0))
                counts[length] = new + int((~stands).sum()), total + len(stands)
        return dict(sorted(counts.items()))

    def runs(self, count: int = COUNT) -> list[CopiedRun]:
        """Return the longest parts that stand in the corpus, longest first, without overlaps and repetitions."""
        runs: list[CopiedRun] = []
        for number, start, length in self._list_candidates():
            if len(runs) == count:
                break
            copy = self.copies[number]
            text = copy.text[start : start + length]
            apart = all(
                number != run.number or start + length <= run.start or run.start + len(run.text) <= start
                for run in runs
            )
            if apart and all(text != run.text for run in runs):
                line = int(copy.line[start])
                name, before = self.files[bisect_right([lines for _, lines in self.files], line) - 1]
                runs.append(CopiedRun(text, number, start, name, line - before + 1, int(copy.column[start]) + 1))
        return runs

    def _list_candidates(self) -> Iterator[tuple[int, int, int]]:
        """Yield text, start and length of the runs that are not part of a longer run of the text, longest first."""
        found = [np.zeros((3, 0), np.int64)]  # text, start and length of each run, (3, K)
        for number, copy in enumerate(self.copies):
            before = np.append(np.int32(0), copy.longest)[:-1]  # (N,)
            starts = np.flatnonzero(copy.longest >= np.maximum(before, self.least))  # (K,)
            found.append(np.stack([np.full_like(starts, number), starts, copy.longest[starts]]))
        runs = np.concatenate(found, axis=1)  # (3, K)
        for number, start, length in runs[:, np.argsort(-runs[2], kind="stable")].T:
            yield int(number), int(start), int(length)

    def view(self) -> View:
        """Return the result as a view."""
        parts: dict[str, Part] = {"documents": self._sum_documents()} if self.documents else {}
        remarks = []
        novel = {length: counts for length, counts in self.novel.items() if length >= SHORTEST_PART}
        if novel:
            parts["new parts of the text"] = _build_length_table(novel)
        else:
            remarks.append(f"The text has fewer than {SHORTEST_PART} characters, too few to measure its novelty.")
        runs = self.runs()
        if runs:
            parts["longest parts copied from the corpus"] = self._build_run_table(runs)
        elif novel:
            remarks.append(f"No part of {self.least} characters or more is copied from the corpus.")
        if self.documents and self.documents[0].training is None:
            remarks.append(
                "The model was trained on another corpus, so its training set and validation set are not distinguished."
            )
        return View(parts, tuple(remarks))

    def _sum_documents(self) -> dict[str, int]:
        total, new = (sum(getattr(counts, name) for counts in self.documents) for name in ("total", "new"))
        if self.documents[0].training is None:
            return {"documents": total, "in the corpus": total - new, "new": new}
        training = sum(counts.training or 0 for counts in self.documents)
        return {
            "documents": total,
            "in the training set": training,
            "in the validation set": total - new - training,
            "new": new,
        }

    def _build_run_table(self, runs: list[CopiedRun]) -> Table:
        several = len(self.copies) > 1
        columns = (
            Column("length", [len(run.text) for run in runs], Kind.WHOLE),
            *[Column("text", [run.number + 1 for run in runs], Kind.WHOLE)] * several,
            Column("from", [run.start + 1 for run in runs], Kind.WHOLE),
            Column("found at", [f"{run.file}:{run.line}:{run.column}" for run in runs], Kind.TEXT),
            Column("part", [run.text for run in runs], Kind.TEXT),
        )
        return Table(columns)


def _build_length_table(novel: dict[int, tuple[int, int]]) -> Table:
    """Return one row per length, up to the first length with new parts only."""
    all_new = [length for length, (new, total) in novel.items() if new == total]
    rows = {length: counts for length, counts in novel.items() if not all_new or length <= all_new[0]}
    return Table(
        (
            Column("length", list(rows), Kind.WHOLE),
            Column("parts", [total for _, total in rows.values()], Kind.WHOLE),
            Column("new", [new / total for new, total in rows.values()], Kind.PERCENT),
        )
    )


def measure_novelty(
    model: Model,
    texts: Sequence[str],
    corpora: Sequence[str | PathLike[str]],
    encoding: str = "utf-8",
    begun: Sequence[str] = (),
    ended: Sequence[bool] = (),
    field: str | None = None,
) -> Novelty:
    """Find what of some texts also stands in a corpus.

    The corpus is read in blocks and compared with an index of the texts, so a long corpus needs little memory; see
    `matching`. For a model of documents it is also read as in training, to find the set that each document belongs
    to.

    Parameters
    ----------
    model
        The model that wrote the texts.
    texts
        One or more.
    corpora
        The files and folders of the corpus, one or more, read as in training.
    encoding
        Their text encoding.
    begun
        For each text what stands before it, if that was not written by the model.
    ended
        For each text whether its last document is whole.
    field
        Name of the field of tables that has the texts of the corpus; None: the files are texts.

    Raises
    ------
    CorpusError
        If a file cannot be read or decoded.
    ConfigError
        If there is no text or no file.
    """
    if not texts or not corpora:
        raise ConfigError("there is nothing to compare; give one text or more, and one file or more")
    sources = Sources(corpora, encoding, field)
    first_lines: dict[int, int] = {}
    least = LEAST if sum(map(len, texts)) <= MANY else LEAST_OF_MANY
    copies = find_matches(texts, _count_lines(sources, first_lines), least)
    files = [(sources.files[number].name, before) for number, before in first_lines.items()]
    if not model.documents:
        return Novelty(copies, files, [], least)
    ends = [END if is_whole else "" for is_whole in ended or [False] * len(texts)]
    whole = [first + text + end for first, text, end in zip(begun or [""] * len(texts), texts, ends, strict=True)]
    # A pipe is read once, however often the corpus is.
    return Novelty(copies, files, _compare_documents(model, whole, sources.inputs, encoding, field), least)


def _count_lines(sources: Sources, first_lines: dict[int, int]) -> Iterator[str]:
    """Yield the pieces of a corpus, and store for each file that is not empty the number of lines before it."""
    lines = 0
    for block in sources.read_joined():
        first_lines.setdefault(block.file, lines)
        lines += block.text.count("\n")
        yield block.text


def _compare_documents(
    model: Model, texts: Sequence[str], corpora: Sequence[Input], encoding: str, field: str | None
) -> list[DocumentCounts]:
    written = [[one for one in model.documents.parse(text).split(END)[:-1] if one] for text in texts]
    text = corpus.read(corpora, encoding, model.documents, field=field)
    assert text.vocabulary.end is not None
    spans = find_documents(text.ids, text.vocabulary.end)  # (K, 2)
    hashes = hash_documents(text.ids, spans, text.vocabulary)  # (K,)
    in_validation = choose_validation(spans, hashes, model.training, text.starts_for(model.training.split))  # (K,)
    training = set(hashes[~in_validation].tolist())
    validation = set(hashes[in_validation].tolist()) - training
    same = text.facts.sha256 == model.facts.sha256
    return [
        DocumentCounts(
            len(found),
            sum(one in training for one in found) if same else None,
            sum(one in validation for one in found) if same else None,
            sum(one not in training and one not in validation for one in found),
        )
        for found in [[hash_document(one) for one in several] for several in written]
    ]
