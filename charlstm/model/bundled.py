"""Models that are part of the package, found by their names; and what to say where there is no model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import TypeVar

from charlstm.base.errors import did_you_mean, shorten
from charlstm.base.files import charlstm_format

FOLDER = Path(__file__).parent / "data"
SUFFIX = ".npz"
MODEL_FORMAT = "charlstm"
MOST_SHOWN = 5
MOST_READ = 500  # files of a folder

AnyPath = TypeVar("AnyPath")


def names() -> list[str]:
    """Return the names of the bundled models, in alphabetical order.

    >>> names()
    ['rooms']
    """
    try:
        return sorted(name.removesuffix(SUFFIX) for name in os.listdir(FOLDER) if name.endswith(SUFFIX))  # noqa: PTH208
    except OSError:
        return []


def locate(path: AnyPath) -> AnyPath | Path:
    """Return the file of a bundled model in the place of its name; any other path unchanged.

    A file of that name is preferred: "rooms" is a bundled model unless there is a file `rooms`. A path with a folder or
    a suffix, such as "./rooms" or "rooms.npz", is never the name of a bundled model, and neither is a `Path`.

    Examples
    --------
    >>> locate("rooms").name
    'rooms.npz'
    >>> locate("./rooms")
    './rooms'
    """
    is_name = isinstance(path, str) and path in names() and not Path(path).is_file()
    return FOLDER / f"{path}{SUFFIX}" if is_name else path


def name_of(path: str | PathLike[str]) -> str:
    """Return what messages call a model file: its path, or the name of a bundled model.

    >>> name_of(locate("rooms")), name_of("rooms.npz")
    ('rooms', 'rooms.npz')
    """
    where = Path(path)
    return where.stem if where.parent == FOLDER else os.fspath(path)


def find_models(folder: Path) -> list[str]:
    """Return the names of the model files (.npz) in a folder, in alphabetical order."""
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in islice(entries, MOST_READ) if entry.name.lower().endswith(SUFFIX)]
    except OSError:
        return []
    return sorted(name for name in found if charlstm_format(folder / name) == MODEL_FORMAT)


def list_known(here: Sequence[str]) -> str:
    """Return the names of model files and those of the bundled models, for a message.

    >>> list_known(["names.npz", "poems.npz"])
    'names.npz, poems.npz or rooms (part of charlstm)'
    """
    listed = [*map(shorten, here[:MOST_SHOWN])]
    if len(here) > MOST_SHOWN:
        listed[-1:] = [f"{len(here) - MOST_SHOWN + 1:,} others in the folder"]
    listed += [f"{name} (part of charlstm)" for name in names()]
    return " or ".join(filter(None, [", ".join(listed[:-1]), *listed[-1:]]))


def suggest(path: str | PathLike[str]) -> dict[str, str]:
    """Return what to do where there is no model at a path, as the arguments of `CharlstmError`: it names models."""
    where = Path(path)
    here = [os.fspath(where.parent / name) for name in find_models(where.parent)]
    alike = did_you_mean(where.name, [*here, *names()]).removeprefix("; ")
    if alike and where == Path(where.name):
        return {"python": alike}
    listed = list_known(here)
    load, choose = (f"{verb} {listed}, or " if listed else "" for verb in ("load", "choose"))
    return {
        "python": f"{load}train one with charlstm.train",
        "command": f"{choose}train one with charlstm train CORPUS",
    }
