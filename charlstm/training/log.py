"""The log of a run: a file with one JSON object per line, one for every report."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from charlstm.base.errors import CharlstmError
from charlstm.base.files import descriptor_of, write_file

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
        self._is_failing = False
        self._whole: int | None = None  # where the whole lines end, if a part of a line follows them
        self._device: int | None = None  # descriptor of a pipe or a device, which stays open
        if path is None or is_device(path):
            return
        content = b"".join(_read_entries(path, done)) if done and path.exists() else b""
        write_file(path, lambda file: file.write(content))

    def write(self, entry: dict[str, Any]) -> None:
        """Add an entry, with the seconds since the run was started or resumed.

        An entry that can be written only in part is removed, so that the file consists of whole lines. The first of
        several failures in a row is reported.
        """
        if self._path is None:
            return
        entry["seconds"] = round(time.monotonic() - self._started, 3)
        line = _to_line(entry).encode()
        try:
            if is_device(self._path):
                self._write_to_device(self._path, line)
            else:
                self._append(self._path, line)
        except OSError as error:
            if not self._is_failing:
                self._warn(f"cannot write {self._path}: {error.strerror or error}; training continues")
            self._is_failing = True
        else:
            self._is_failing = False

    def _append(self, path: Path, line: bytes) -> None:
        """Add a line to a file; if that fails, cut the file back to its whole lines, now or before the next line."""
        with path.open("ab", buffering=0) as file:
            whole = file.tell() if self._whole is None else self._whole
            self._whole = whole
            file.truncate(whole)
            try:
                while line:
                    line = line[file.write(line) :]
            except OSError:
                file.truncate(whole)
                raise
            finally:
                self._whole = whole if line else None

    def _write_to_device(self, path: Path, line: bytes) -> None:
        """Write a line into a pipe or a device, without waiting for a reader."""
        if self._device is None:
            stream = descriptor_of(path, writing=True)
            flags = os.O_WRONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)  # Windows has neither
            self._device = os.open(path, flags) if stream is None else os.dup(stream)
        try:
            os.write(self._device, line)
        except BlockingIOError:
            raise
        except OSError:
            os.close(self._device)
            self._device = None
            raise


def is_device(path: Path) -> bool:
    """Return whether a log at a path is written into a stream, such as a pipe, and not into a file of its own."""
    return descriptor_of(path) is not None or (path.exists() and not path.is_file())


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
    """Return an entry as a line; JSON has no infinite numbers, so they become null."""
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in entry.items()
    }
    return json.dumps(finite) + "\n"
