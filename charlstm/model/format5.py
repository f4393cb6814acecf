"""Files of format version 5, without averaging, TAR and counts: mapped to those of today on reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from charlstm.base.parameters import Array


def upgrade(metadata: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the metadata and the members of a version 5 file under the names of today."""
    training = {"averaging": 0.0, "tar": 0.0} | metadata["training"]
    return dict(metadata) | {"training": training, "counts": None}, dict(arrays)
