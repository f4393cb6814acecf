"""What two run files of the same run have in common: all but the names and paths of their files."""

from pathlib import Path

import numpy as np


def arrays_of(path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Return the members of a run file, without its record of files and time, and without the digest of all."""
    with np.load(path) as members:
        kept = {name: members[name] for name in members.files if name not in ("run/record", "sha256")}
    assert len(kept) > 10
    return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in kept.items()}
