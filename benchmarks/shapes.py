"""The rows of the tables: shapes of networks and batches, and the targets of each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import problem
from processors import WITH, WITHOUT


@dataclass(frozen=True)
class Row:
    """A training step to measure.

    Attributes
    ----------
    hidden, layers, seq_len, batch
        The shape: units, layers, characters of a window (T), rows of the batch (B).
    text
        The text for which the recipe chooses this shape; empty for a fixed shape.
    characters
        Distinct characters.
    """

    hidden: int
    layers: int
    seq_len: int
    batch: int
    text: str = ""
    characters: int = problem.CHARACTERS

    @property
    def settings(self) -> dict[str, int]:
        """What the contestants take, but for the number of processes."""
        return {name: value for name, value in asdict(self).items() if name != "text"}

    @property
    def label(self) -> str:
        """The row as the tables show it."""
        return f"{self.text:6} {self.hidden:4} × {self.layers} {self.seq_len:4} × {self.batch:3}"

    def workers(self, cores: int) -> int:
        """Return the processes of charlstm: those that the recipe chooses, or all cores for a fixed shape."""
        if not self.text:
            return cores
        from charlstm.network.config import NetworkConfig
        from charlstm.network.network import Network
        from charlstm.training.recipe import choose_workers

        network = Network(NetworkConfig(hidden=self.hidden, layers=self.layers), self.characters)
        return choose_workers(cores, self.batch, network.parameters.flat.size, self.seq_len * self.batch)


ROWS = (
    Row(128, 1, 64, 32),
    Row(128, 2, 50, 50),
    Row(256, 1, 64, 32),
    Row(256, 1, 128, 64),
    Row(256, 2, 64, 64),
    Row(512, 1, 64, 128),
    Row(512, 2, 64, 64),
)
TEXTS = {"5 kB": 5_000, "50 kB": 50_000, "300 kB": 300_000, "1 MB": 1_000_000}
NAMES, SHORTEST_NAME, LONGEST_NAME, CHARACTERS_OF_NAMES = 32_000, 3, 11, 27  # of a file for `--lines`

# Targets: charlstm's speed over that of the best alternative, and the time of a step over that of its products.
LEAST_RATIO, LEAST_RATIO_ON_ONE_CORE = 1.1, 1.05
LEAST_MEAN_RATIO = {WITH: 1.7, WITHOUT: 1.4}
MOST_OVER_PRODUCTS = {128: 1.6, 256: 1.3, 512: 1.3}
SAMPLED = (128, 256, 512)
STREAMS = (1, 8, 64)
LEAST_SAMPLING_RATIO = {(128, 1): 3.0, (256, 1): 2.5, (512, 1): 2.5} | {(hidden, 64): 1.0 for hidden in SAMPLED}
LEAST_RATIO_TO_C = 0.5


def most_over_products(hidden: int) -> float | None:
    """Return the target of step/products; None where there is none."""
    return MOST_OVER_PRODUCTS.get(hidden) or (MOST_OVER_PRODUCTS[256] if hidden > 256 else None)


def recipe_rows() -> tuple[Row, ...]:
    """Return the shapes that `charlstm train` chooses for texts of several sizes, and for a file of names."""
    import numpy as np

    rows = [_choose(text, characters, np.zeros(0), "") for text, characters in TEXTS.items()]
    lengths = np.random.default_rng(0).integers(SHORTEST_NAME, LONGEST_NAME, NAMES, endpoint=True) + 1
    return (*rows, _choose("names", int(lengths.sum()), lengths, "line"))


def _choose(text: str, characters: int, lengths: Any, documents: str) -> Row:
    """Return the row for a text; a row of names is as long as the mean name."""
    from charlstm.training import recipe

    work = recipe.choose_work(characters)
    settings = recipe.choose_settings(characters, lengths, work, None, None, {"documents": documents})
    seq_len = settings.get("seq_len") or round(float(lengths.mean()))
    distinct = CHARACTERS_OF_NAMES if documents else problem.CHARACTERS
    return Row(settings["hidden"], settings["layers"], seq_len, settings["batch_size"], text, distinct)
