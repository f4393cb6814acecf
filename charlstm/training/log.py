"""The log of a run: a file with one JSON object per line, one for every report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from charlstm.base.errors import CharlstmError
from charlstm.base.files import write_file

# Keys of logs that were written beside files of format 2.
RENAMED = {
    "train_nats": "training_nats",
    "train_bits": "training_bits",
    "held_out_nats": "validation_nats",
    "held_out_bits": "validation_bits",
    "preview": "sample",
}


class Log:
    """A log file; an entry that cannot be written is reported and left out.

    Parameters
    ----------
    path
        The file; None: write no log.
    done
        Steps done before a run is resumed; entries of later steps, which will be done again, are removed.
    warn
        Receives a message if an entry cannot be written.

    Raises
    ------
    CharlstmError
        If the file cannot be written, or a run is resumed and the file is not a log.
    """

    def __init__(self, path: Path | None, done: int, warn: Callable[[str], object]) -> None:
        self._path = path
        self._warn = warn
        self._started = time.monotonic()
        if path is None:
            return
        content = b"".join(_read_entries(path, done)) if done and path.exists() else b""
        write_file(path, lambda file: file.write(content))

    def write(self, entry: dict[str, Any]) -> None:
        """Add an entry, with the seconds since the run was started or resumed."""
        if self._path is None:
            return
        entry["seconds"] = round(time.monotonic() - self._started, 3)
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_to_line(entry))
        except OSError as error:
            self._warn(f"cannot write {self._path}: {error.strerror or error}; training continues")


def _read_entries(path: Path, done: int) -> list[bytes]:
    """Return the lines of a log up to a step, under the keys of today; the last line may be incomplete."""
    lines = []
    try:
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                entry = json.loads(line)
                if entry["step"] <= done:
                    old = RENAMED.keys() & entry.keys()
                    entry = {RENAMED.get(key, key): value for key, value in entry.items()}
                    lines.append(_to_line(entry).encode() if old else line)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CharlstmError(f"{path} is not a log of this run ({error}); give another log file") from error
    return lines


def _to_line(entry: dict[str, Any]) -> str:
    return json.dumps(entry) + "\n"
