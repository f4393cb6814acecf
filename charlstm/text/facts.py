"""What a model file stores of its corpus: facts, and examples of its text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from charlstm.base.config import check_text, check_whole, set_fields
from charlstm.base.errors import ConfigError, show_value


@dataclass(frozen=True)
class CorpusFacts:
    """What a model file records of its corpus.

    Attributes
    ----------
    files
        Names of files and folders without the folders above them; that of a folder ends with its number of files.
    characters
        Length of the text.
    lines
        Newlines, plus one for a last line without a newline.
    sha256
        Hexadecimal digest of the text in UTF-8, line ends as newlines.
    labels
        The labels of its documents, each with its number of documents, in the order of their names.

    Raises
    ------
    ConfigError
        If a value is of the wrong type.
    """

    files: tuple[str, ...]
    characters: int
    lines: int
    sha256: str
    labels: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.files, (list, tuple)):
            raise ConfigError(f"files is {show_value(self.files)}; it must be a list of names")
        set_fields(
            self,
            files=tuple(check_text("files", file) for file in self.files),
            characters=check_whole("characters", self.characters, 0),
            lines=check_whole("lines", self.lines, 0),
            sha256=check_text("sha256", self.sha256),
            labels=_check_labels(self.labels),
        )


def _check_labels(value: Any) -> tuple[tuple[str, int], ...]:
    """Return labels with their counts; raise ConfigError if they are something else."""
    is_list = isinstance(value, (list, tuple))
    if not is_list or not all(isinstance(one, (list, tuple)) and len(one) == 2 for one in value):
        raise ConfigError(f"labels is {value!r}; it must be a list of pairs of a name and a number of documents")
    labels = tuple((check_text("labels", name, 1), check_whole("labels", count, 1)) for name, count in value)
    if [name for name, _ in labels] != sorted({name for name, _ in labels}):
        raise ConfigError("labels must be different names in ascending order")
    return labels


class Example(NamedTuple):
    """A text that shows what a model has learned.

    Attributes
    ----------
    text
        One character or more, with the end symbol between documents.
    label
        The label of its documents; None for a model without labels.
    """

    text: str
    label: str | None = None
