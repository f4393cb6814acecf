"""What of a text that was made is new, and what stands in a corpus word for word."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from charlstm.errors import ConfigError
from charlstm.inspection.view import Column, Kind, Part, Table, View
from charlstm.model.model import Model
from charlstm.parameters import Array
from charlstm.text import corpus
from charlstm.text.documents import find_lines
from charlstm.text.matching import Matches, find_matches
from charlstm.text.split import split_spans
from charlstm.text.vocabulary import Vocabulary, text_of

SHORTEST_SHARE = 4
LEAST, LEAST_OF_MANY = 8, 16
MANY = 100_000
SHOWN = 10


class Run(NamedTuple):
    """A part of a text that stands in the corpus word for word.

    Attributes
    ----------
    text
        The part.
    number
        Of which text, counted from 0.
    start
        Where in it, in characters, counted from 0.
    file
        Name of the file where it stands.
    line, column
        Where it begins there, counted from 1.
    """

    text: str
    number: int
    start: int
    file: str
    line: int
    column: int


class Lines(NamedTuple):
    """How many of the lines made are new.

    Attributes
    ----------
    made
        Lines that were ended, empty ones left out.
    learnt, held_out
        How many of them stand as lines in the part of the corpus that was learnt; only in the other one. Both None if
        the corpus is not the model's.
    new
        How many stand nowhere in it.
    """

    made: int
    learnt: int | None
    held_out: int | None
    new: int


@dataclass(frozen=True)
class Novelty:
    """What of some texts stands in a corpus.

    Attributes
    ----------
    copies : list of Matches
        One a text.
    files : list of (str, int)
        The corpus: name of each file, and how many lines there are before it.
    lines : list of Lines
        One a text, for a model of lines; else empty.
    least
        The shortest runs that were looked for.
    """

    copies: Sequence[Matches]
    files: Sequence[tuple[str, int]]
    lines: Sequence[Lines]
    least: int

    def of(self, number: int) -> Novelty:
        """Return what there is to say of one text alone."""
        return replace(self, copies=self.copies[number : number + 1], lines=self.lines[number : number + 1])

    @property
    def novel(self) -> dict[int, tuple[int, int]]:
        """Length of a part, a power of two → how many parts of that length stand nowhere in the corpus, of how many."""
        counts: dict[int, tuple[int, int]] = {}
        for copy in self.copies:
            for length, stands in copy.occurs.items():
                new, all_ = counts.get(length, (0, 0))
                counts[length] = new + int((~stands).sum()), all_ + len(stands)
        return dict(sorted(counts.items()))

    def runs(self, count: int = SHOWN) -> list[Run]:
        """Return the longest parts that stand in the corpus, longest first, none over another or the same as one."""
        runs: list[Run] = []
        for number, start, length in self._candidates():
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
                runs.append(Run(text, number, start, name, line - before + 1, int(copy.column[start]) + 1))
        return runs

    def _candidates(self) -> Iterator[tuple[int, int, int]]:
        """Yield text, start and length of the runs that no run of the same text holds, longest first."""
        longest = np.concatenate([copy.longest for copy in self.copies])  # (N,)
        numbers = np.repeat(np.arange(len(self.copies)), [len(copy.text) for copy in self.copies])  # (N,)
        starts = np.concatenate([np.arange(len(copy.text)) for copy in self.copies])  # (N,)
        before = np.where(starts > 0, np.append(0, longest[:-1]), 0)  # (N,)
        order = np.argsort(-longest, kind="stable")  # (N,)
        for place in order[(longest >= np.maximum(before, self.least))[order]]:
            yield int(numbers[place]), int(starts[place]), int(longest[place])

    def view(self) -> View:
        """Return it as a view."""
        parts: dict[str, Part] = {"lines": self._line_facts()} if self.lines else {}
        remarks = []
        novel = {length: counts for length, counts in self.novel.items() if length >= SHORTEST_SHARE}
        if novel:
            parts["parts of the text that are new"] = _shares(novel)
        else:
            remarks.append(f"The text has fewer than {SHORTEST_SHARE} characters, too few to tell what is new in it.")
        runs = self.runs()
        if runs:
            parts["the longest that stand in the corpus"] = self._table(runs)
        elif novel:
            remarks.append(f"Nothing of {self.least} characters or more stands in the corpus word for word.")
        if self.lines and self.lines[0].learnt is None:
            remarks.append("The model learnt another corpus, so which lines it learnt and which not is not told.")
        return View(parts, tuple(remarks))

    def _line_facts(self) -> dict[str, int]:
        made, new = (sum(getattr(lines, name) for lines in self.lines) for name in ("made", "new"))
        if self.lines[0].learnt is None:
            return {"made": made, "in the corpus": made - new, "new": new}
        learnt = sum(lines.learnt or 0 for lines in self.lines)
        return {"made": made, "in the part learnt": learnt, "in the held-out part": made - new - learnt, "new": new}

    def _table(self, runs: list[Run]) -> Table:
        several = len(self.copies) > 1
        columns = (
            Column("length", [len(run.text) for run in runs], Kind.WHOLE),
            Column("text", [run.number + 1 for run in runs], Kind.WHOLE),
            Column("from", [run.start + 1 for run in runs], Kind.WHOLE),
            Column("stands at", [f"{run.file}:{run.line}:{run.column}" for run in runs], Kind.TEXT),
            Column("run", [run.text for run in runs], Kind.TEXT),
        )
        return Table(columns if several else columns[:1] + columns[2:])


def _shares(novel: dict[int, tuple[int, int]]) -> Table:
    """Return a row a length, up to the first one of which all is new."""
    whole = [length for length, (new, all_) in novel.items() if new == all_]
    shown = {length: counts for length, counts in novel.items() if not whole or length <= whole[0]}
    return Table(
        (
            Column("length", list(shown), Kind.WHOLE),
            Column("parts", [all_ for _, all_ in shown.values()], Kind.WHOLE),
            Column("new", [new / all_ for new, all_ in shown.values()], Kind.PERCENT),
        )
    )


def novelty(
    model: Model, texts: Sequence[str], corpora: Sequence[Path], encoding: str = "utf-8", begun: Sequence[str] = ()
) -> Novelty:
    """Find what of texts stands in a corpus, word for word.

    The corpus is read in blocks past an index of the texts, so its length costs no memory; see `matching`. For a model
    of lines it is read as for training as well, to tell which part a line stands in.

    Parameters
    ----------
    model
        Which made them.
    texts
        One or more.
    corpora
        The corpus: one file or more, read as training reads them.
    encoding
        Name of a text encoding.
    begun
        The beginning of each text's first line, which was not made; none without.

    Raises
    ------
    CorpusError
        If a file cannot be read or decoded.
    ConfigError
        If there is no text, or no file.
    """
    if not texts or not corpora:
        raise ConfigError("there is nothing to compare; give one text or more, and one file or more")
    first_lines = [0] * len(corpora)
    least = LEAST if sum(map(len, texts)) <= MANY else LEAST_OF_MANY
    copies = find_matches(texts, _counted(corpora, encoding, first_lines), least)
    names = [path.name for path in corpora]
    whole = [first + text for first, text in zip(begun or [""] * len(texts), texts, strict=True)]
    lines = _lines(model, whole, corpora, encoding) if model.training.lines else []
    return Novelty(copies, list(zip(names, first_lines, strict=True)), lines, least)


def _counted(corpora: Sequence[Path], encoding: str, first_lines: list[int]) -> Iterator[str]:
    """Yield the pieces of a corpus, and note how many lines there are before each of its files."""
    lines = 0
    for number, text in corpus.read_files(corpora, encoding, {}):
        lines += text.count("\n")
        first_lines[number + 1 :] = [lines] * (len(first_lines) - number - 1)
        yield text


def _lines(model: Model, texts: Sequence[str], corpora: Sequence[Path], encoding: str) -> list[Lines]:
    made = [[line for line in text.split("\n")[:-1] if line] for text in texts]
    text = corpus.read(corpora, encoding, lines=True)
    spans = find_lines(text.ids, text.vocabulary.id("\n"))
    learnt, held_out = split_spans(spans, model.training, text.last_file)
    wanted = {line for lines in made for line in lines}
    known = _standing(learnt, text.ids, text.vocabulary, wanted)
    kept = _standing(held_out, text.ids, text.vocabulary, wanted - known)
    same = text.facts.sha256 == model.facts.sha256
    return [
        Lines(
            len(lines),
            sum(line in known for line in lines) if same else None,
            sum(line in kept for line in lines) if same else None,
            sum(line not in known | kept for line in lines),
        )
        for lines in made
    ]


def _standing(spans: Array, ids: Array, vocabulary: Vocabulary, wanted: set[str]) -> set[str]:
    """Return which of the wanted lines stand in some spans of a text."""
    alike = np.isin(spans[:, 1] - spans[:, 0], [len(line) for line in wanted])  # (K,)
    points = vocabulary.code_points
    return wanted.intersection(text_of(points[ids[start:stop]]) for start, stop in spans[alike].tolist())
