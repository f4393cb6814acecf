"""Files of format version 2: their names, mapped to those of today on reading. Nothing else knows the old names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from charlstm.base.config import to_mapping
from charlstm.base.parameters import Array
from charlstm.model.model import Model

NETWORK = {"memory_span": "chrono_init"}
TRAINING = {"batch": "batch_size", "lr": "learning_rate", "short_first": "curriculum", "turns": "schedule_changes"}
NOT_RECORDED = {"workers": 0, "origin": "", "changed_on_resume": False}
MEMBERS = {
    "history/train": "history/training_loss",
    "history/validation": "history/validation_loss",
    "history/norm": "history/gradient_norm",
    "run/carried": "run/state",
    "run/best": "run/best_weights",
}
SPLIT_MEMBERS = {
    "run/sums": ("run/sum_loss", "run/sum_characters", "run/sum_gradient_norm", "run/sum_steps"),
    "run/judged": ("run/best_validation_loss", "run/validations_since_best"),
}


def upgrade(metadata: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the metadata and the members of a version 2 file under the names of today."""
    described = dict(metadata)
    described["network"] = _rename(metadata["network"], NETWORK)
    described["training"] = _rename(metadata["training"], TRAINING) | NOT_RECORDED
    members = _rename(arrays, MEMBERS)
    for old, names in SPLIT_MEMBERS.items():
        if old in members:
            numbers = members.pop(old)
            members |= {name: numbers[k : k + 1] for k, name in enumerate(names)}
    if "run/validations_since_best" in members:
        members["run/validations_since_best"] = members["run/validations_since_best"].astype("int64")
    return described, members


def digest(model: Model) -> str:
    """Return the digest that version 2 computed of a model: sessions saved by then refer to it."""
    old_names = {new: old for old, new in NETWORK.items()}
    return model.digest_with(_rename(to_mapping(model.network.config), old_names))


def _rename(mapping: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a mapping under other names, in the same order."""
    return {names.get(name, name): value for name, value in mapping.items()}
