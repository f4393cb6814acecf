"""Remarks about what reading changed in files or left out, with the names of a few of them."""

from __future__ import annotations

from collections.abc import Sequence

from charlstm.base.errors import shorten

SHOWN_NAMES = 2


class Remarks:
    """What reading changed in files: for each kind of change the files. A second reading adds nothing."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, int]] = {}

    def add(self, change: str, name: str, count: int = 0) -> None:
        """Record a change of a file, and how often it occurs there; 0: it is not counted."""
        self._files.setdefault(change, {})[name] = count

    def list(self) -> tuple[str, ...]:
        """Return a sentence for each kind of change."""
        sentences = []
        for change, names in self._files.items():
            total = sum(names.values())
            sentences.append(f"{describe_names(list(names))}: {change}" + (f": {total:,}" if total else ""))
        return tuple(sentences)


def describe_names(names: Sequence[str], noun: str = "file") -> str:
    """Return names, by default of files, for a message: two of them, and the number of the others."""
    shown = [shorten(name) for name in names[:SHOWN_NAMES]]
    if len(names) <= SHOWN_NAMES:
        return " and ".join(shown)
    others = len(names) - SHOWN_NAMES
    return f"{', '.join(shown)} and {others:,} other {noun}{'s' * (others != 1)}"
