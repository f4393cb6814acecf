"""Files of format version 5, in which models without counts are still written: mapped to those of today on reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from charlstm.base.parameters import Array


def upgrade(metadata: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the metadata and the members of a version 5 file under the names of today."""
    return dict(metadata) | {"counts": None}, dict(arrays)
