"""The files of a corpus: what the paths of a user lead to, and the texts in them, in order.

A folder stands for all text files in it and in the folders below it, in the order of their paths. Hidden files, links
to folders, and what is no text are left out. A compressed file is read decompressed. With a field, a file is a table,
and each of its rows is a document.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, NamedTuple

from charlstm.base.errors import ConfigError, CorpusError, named, shorten
from charlstm.base.files import STANDARD_STREAM, descriptor_of
from charlstm.base.inputs import Input, as_inputs
from charlstm.base.symbols import END
from charlstm.text.decoding import BLOCK, decode, is_text, open_input
from charlstm.text.documents import FILE, ROW, Documents
from charlstm.text.remarks import Remarks
from charlstm.text.tables import Fields, find_table_kind, read_rows, remove_suffixes

LABELS = ("folder", "file")
FIELD_LABEL = "field:"
OF_A_RUN = (".lock", ".tmp")  # hidden files that `base.files` writes beside a model
TABLES = ".csv, .tsv or .jsonl"
FILES_IN_FOLDER = re.compile(r"/ \(([\d,]+) files?\)$")


class Source(NamedTuple):
    """A file of a corpus.

    Attributes
    ----------
    input : Input
        The file.
    given : int
        Index of the path that leads to it, among those that the user gave.
    name : str
        Its name, for a file in a given folder after the names of the folders from that one on.
    folder : str
        The folder that it is in, as a path below the given folder; for a file in the given folder the name of that.
    title : str
        Its path below the given folder, without suffixes.
    """

    input: Input
    given: int
    name: str
    folder: str
    title: str


class Block(NamedTuple):
    """A part of a document.

    Attributes
    ----------
    file : int
        Index of its file.
    document : int
        Number of its document within the file: the number of the row of a table; otherwise 0.
    text : str
        One character or more.
    label : str
        The label of its document; empty without one.
    is_added : bool
        Whether it is a newline that is not in the file, but stands between two documents that are read as one text.
    """

    file: int
    document: int
    text: str
    label: str = ""
    is_added: bool = False


class Sources:
    """The files of a corpus. They can be read several times, and give the same blocks each time.

    Parameters
    ----------
    paths
        Files and folders, or - for standard input.
    encoding
        Name of a text encoding.
    field
        Name of the field of a table that has the texts; None: files are texts.
    label
        What gives the label of a document: "folder", "file", or "field:" and the name of a field; "": nothing.

    Attributes
    ----------
    inputs : list of Input
        The paths as they were given.
    files : list of Source
        The files that they lead to.
    remarks : Remarks
        What was left out of folders, and, once the files are read, what reading changed.

    Raises
    ------
    CorpusError
        If a folder cannot be read or has no text file, or a file is no table and a field is given.
    ConfigError
        If there is no such label.
    """

    def __init__(
        self,
        paths: Iterable[str | os.PathLike[str] | Input],
        encoding: str = "utf-8",
        field: str | None = None,
        label: str = "",
    ) -> None:
        self.inputs = as_inputs(paths)
        self.files: list[Source] = []
        self.remarks = Remarks()
        self._encoding = encoding
        self._label = label
        self._fields = _choose_fields(field, label)
        self._folders = [is_folder(source.path) for source in self.inputs]
        for given, source in enumerate(self.inputs):
            if self._folders[given]:
                self.files += self._expand(source.path, given)
            else:
                if self._fields is not None:
                    _check_is_table(source)
                self.files.append(_describe(source, given))

    @property
    def has_folder(self) -> bool:
        """Whether one of the given paths is a folder."""
        return any(self._folders)

    def _expand(self, folder: Path, given: int) -> list[Source]:
        """Return the text files in a folder; all others are added to the remarks."""
        found, others = list_files(folder)
        files, left_out, top = [], list(others), _name_of(folder)
        for parts in found:
            path = folder.joinpath(*parts)
            source = Input(path.absolute() if str(path) == STANDARD_STREAM else path)  # a file with this name
            if (self._fields is not None and not find_table_kind(parts[-1])) or not is_text(source, self._encoding):
                left_out.append(parts)
                continue
            below = "/".join(parts[:-1])
            title = "/".join((*parts[:-1], _remove_suffixes(parts[-1])))
            files.append(Source(source, given, "/".join((top, *parts)), below or top, title))
        for parts in sorted(left_out):
            kind = "hidden, no table or no text" if self._fields is not None else "hidden or no text"
            self.remarks.add(f"left out, because {kind}", str(folder.joinpath(*parts)))
        if not files:
            kind = f"{TABLES} file" if self._fields is not None else "text file"
            all_of = f", only {len(left_out):,} hidden or of another kind" if left_out else ""
            raise CorpusError(
                f"the folder {shorten(folder)} has no {kind}{all_of}; give a folder with at least one, or a file"
            )
        return files

    def read(self) -> Iterator[Block]:
        """Yield the texts of all files in order, in blocks that are not empty.

        Raises
        ------
        CorpusError
            If a file cannot be read or decoded, or has no such field.
        """
        for number, source in enumerate(self.files):
            label = {"folder": source.folder, "file": source.title}.get(self._label, "")
            for document, text, value in self._read_file(source.input):
                yield Block(number, document, text, value or label)

    def _read_file(self, source: Input) -> Iterator[tuple[int, str, str]]:
        with open_input(source) as file:
            yield from read_documents(file, source.name, self._encoding, self.remarks, self._fields)

    def read_joined(self) -> Iterator[Block]:
        """Return the texts of all files as one, in blocks that are not empty.

        A newline is added between two documents if the first does not end with one; it belongs to the first.

        Raises
        ------
        CorpusError
            See `read`.
        """
        return join_documents(self.read())

    def check(self) -> None:
        """Read the start of each given file.

        Raises
        ------
        CorpusError
            If one cannot be read or is no text.
        """
        for source in self.files:
            if not self._folders[source.given]:  # the start of a file in a folder has been read
                next(self._read_file(source.input), None)

    def names(self) -> tuple[str, ...]:
        """Return the names of the given files and folders without the folders above them, for the facts of a corpus.

        That of a folder ends with its number of files, after a slash.
        """
        counts = [0] * len(self.inputs)
        for source in self.files:
            counts[source.given] += 1
        return tuple(
            f"{_name_of(source.path)}/ ({count:,} file{'s' * (count != 1)})" if folder else _describe(source, 0).name
            for source, count, folder in zip(self.inputs, counts, self._folders, strict=True)
        )


def count_files(names: Sequence[str]) -> int:
    """Return the number of files that a corpus has, from what `Sources.names` returned."""
    found = (FILES_IN_FOLDER.search(name) for name in names)
    return sum(int(match[1].replace(",", "")) if match else 1 for match in found)


def is_folder(path: Path) -> bool:
    """Return whether a path leads to a folder."""
    try:
        return descriptor_of(path) is None and path.is_dir()
    except OSError:  # the name is too long: an error for whoever reads it
        return False


def list_files(folder: Path) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Return the regular files in a folder and in the folders below it, and everything else in them.

    Each is the names of the folders below the given one, and its own name. Both lists are sorted, by the code points
    of these names. Folders that a link leads to are not entered.

    Returns
    -------
    files : list of tuple of str
        Regular files and links to them.
    others : list of tuple of str
        Hidden files, hidden folders, links to folders, pipes, devices and sockets; without the locks of runs.

    Raises
    ------
    CorpusError
        If a folder cannot be read.
    """
    files: list[tuple[str, ...]] = []
    others: list[tuple[str, ...]] = []
    folders: list[tuple[str, ...]] = [()]
    while folders:
        parts = folders.pop()
        try:
            with os.scandir(folder.joinpath(*parts)) as entries:
                for entry in entries:
                    name = (*parts, entry.name)
                    if entry.name.startswith("."):
                        if not entry.name.endswith(OF_A_RUN):
                            others.append(name)
                    elif entry.is_dir(follow_symlinks=False):
                        folders.append(name)
                    elif entry.is_file(follow_symlinks=False) or Path(entry.path).is_file():
                        files.append(name)
                    else:
                        others.append(name)
        except OSError as error:
            where = shorten(folder.joinpath(*parts))
            raise CorpusError(f"cannot read the folder {where}: {error.strerror or error}") from error
    return sorted(files), sorted(others)


def read_documents(
    file: BinaryIO, name: str, encoding: str, remarks: Remarks, fields: Fields | None = None
) -> Iterator[tuple[int, str, str]]:
    """Yield the documents of an open binary file in blocks: number of the document, text, and label of the row.

    Parameters
    ----------
    file
        Read to its end.
    name
        What the file is called; in a table, the kind of table follows from it.
    encoding
        Name of a text encoding.
    remarks
        Receives what reading changed.
    fields
        The fields of a table to read; None: the file is one document.

    Raises
    ------
    CorpusError
        If it cannot be read or decoded.
    """
    if fields is None:
        for text in decode(file, name, encoding, remarks):
            _check_has_no_end(text, name)
            yield 0, text, ""
        return
    blocks = decode(file, name, encoding, Remarks(), translate=False)
    for row in read_rows(blocks, find_table_kind(name), name, fields, remarks):
        _check_has_no_end(row.text, name)
        for start in range(0, len(row.text), BLOCK):
            yield row.number, row.text[start : start + BLOCK], row.label


def cut_documents(blocks: Iterable[Block], documents: Documents) -> Iterator[tuple[int, str, str]]:
    """Yield texts with the end symbol after each document, in pieces: index of the file, text, and label.

    Documents end with their file or row. Where files and rows are documents, no newline is added to them.

    Parameters
    ----------
    blocks
        What `Sources.read_joined` returned.
    documents
        How the texts are cut into documents.
    """
    is_whole = documents.kind in (FILE, ROW)
    for (number, _, label), several in groupby(blocks, lambda block: (block.file, block.document, block.label)):
        for text in documents.parse_whole(block.text for block in several if not (is_whole and block.is_added)):
            yield number, text, label


def _check_has_no_end(text: str, name: str) -> None:
    if END in text:
        raise CorpusError(
            f"{shorten(name)} has the character U+{ord(END):04X}, which charlstm uses for the end of a document;"
            " remove it"
        )


def join_documents(blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield documents as one text; see `Sources.read_joined`."""
    last = Block(0, 0, "\n")
    for block in blocks:
        if last.text[-1] != "\n" and block[:2] != last[:2]:
            yield last._replace(text="\n", is_added=True)
        yield block
        last = block


def _choose_fields(field: str | None, label: str) -> Fields | None:
    """Return the fields to read; None without a field.

    Raises
    ------
    ConfigError
        If there is no such label, or it is a field where no field has the texts.
    """
    if label and label not in LABELS and not (label.startswith(FIELD_LABEL) and label != FIELD_LABEL):
        raise ConfigError(
            f"{named('label')} is {label!r}; it must be {', '.join(LABELS)} or {FIELD_LABEL} and the name of a field"
        )
    of_a_row = label.removeprefix(FIELD_LABEL) if label not in LABELS else ""
    if field is None and of_a_row:
        raise ConfigError(
            f"{named('label')} is {label!r}, a field of a table, and no field has the texts",
            python="give field as well",
            command="name the field with the texts with --field",
        )
    return None if field is None else Fields(field, of_a_row)


def _check_is_table(source: Input) -> None:
    """Raise CorpusError if a file has the name of something else than a table; a pipe needs no name."""
    if descriptor_of(source.path) is None and not source.path.is_fifo() and not find_table_kind(source.path.name):
        raise CorpusError(
            f"the name of {shorten(source.name)} is not that of a table; to read a field of it, give a file whose name"
            f" ends with {TABLES}"
        )


def _describe(source: Input, given: int) -> Source:
    """Return a file that was given by its own path."""
    if descriptor_of(source.path) is not None:
        name = source.name if str(source.path) == STANDARD_STREAM else source.path.name
        return Source(source, given, name, "", name)
    path = source.path
    return Source(source, given, path.name, _name_of(path.parent), _remove_suffixes(path.name))


def _name_of(folder: Path) -> str:
    """Return the name of a folder, also of one that is given as . or .."""
    return Path(os.path.abspath(folder)).name  # noqa: PTH100  # it keeps the names of links


def _remove_suffixes(name: str) -> str:
    """Return the name of a file without its suffix, and without that of a compressed file."""
    return Path(remove_suffixes(name)).stem
