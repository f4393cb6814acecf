"""Files of format version 3, which knew lines and streams only: mapped to those of today on reading.

A model of lines read a newline where it reads the end symbol today. Both have the same place in the vocabulary, so the
weights stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from charlstm.base.errors import CheckpointError
from charlstm.base.parameters import Array
from charlstm.base.symbols import END
from charlstm.text.documents import LINE, STREAM


def upgrade(metadata: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the metadata and the members of a version 3 file under the names of today."""
    described, members, training = dict(metadata), dict(arrays), dict(metadata["training"])
    lines = training.pop("lines")
    described["training"] = training | {"documents": LINE if lines is True else STREAM, "label": ""}
    described["network"] = dict(metadata["network"]) | {"labels": 0}
    described["corpus"] = dict(metadata["corpus"]) | {"labels": []}
    if lines is True:
        described["vocabulary"] = replace_newline(metadata["vocabulary"])
    if "corpus/lines" in members:
        members["corpus/documents"] = members.pop("corpus/lines")
    return described, members


def replace_newline(code_points: Any) -> Any:
    """Return a vocabulary with the end symbol in the place of the newline.

    Raises
    ------
    CheckpointError
        If it has no newline.
    """
    if not isinstance(code_points, list) or ord("\n") not in code_points:
        raise CheckpointError("its documents are lines, but its vocabulary has no newline")
    return [ord(END) if point == ord("\n") else point for point in code_points]
