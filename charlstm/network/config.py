"""The hyperparameters of a network: a frozen value, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass

from charlstm.base.config import check_choice, check_number, check_whole, set_fields
from charlstm.base.errors import ConfigError, named
from charlstm.network.cells import CELLS, cells_that

MOST_UNITS = 1_000_000
MOST_LABELS = 100_000
MOST_LAYERS = 1_000
MOST_BIAS = 1_000.0  # far beyond what closes or opens a gate for good


@dataclass(frozen=True)
class NetworkConfig:
    """The hyperparameters of a network; with the size of the vocabulary they determine the shapes of all weights.

    Attributes
    ----------
    cell
        Kind of recurrent cell: a name in `charlstm.network.cells.CELLS`.
    activation
        Activation function of the cell: one of its `Cell.activations`.
    hidden
        Units per layer (H), 1 to a million.
    layers
        Number of stacked recurrent layers (L), 1 to a thousand.
    dropout
        Dropout rate on the outputs of every layer, in [0, 1).
    weight_dropout
        Dropout rate on the recurrent weights W, in [0, 1) (weight drop).
    forget_bias
        Initial bias of the forget gate, from -1000 to 1000, where the cell has one and `chrono_init` is 0.
    chrono_init
        T > 0: chrono initialisation for dependencies of up to T characters; 0: off.
    labels
        Number of labels: symbols that are read like characters, but never predicted.

    Raises
    ------
    ConfigError
        If a value has the wrong type or is out of range, or the cell does not have this activation function.
    """

    cell: str = "lstm"
    activation: str = "tanh"
    hidden: int = 256
    layers: int = 1
    dropout: float = 0.0
    weight_dropout: float = 0.0
    forget_bias: float = 1.0
    chrono_init: int = 0
    labels: int = 0

    def __post_init__(self) -> None:
        set_fields(
            self,
            cell=check_choice("cell", self.cell, CELLS),
            activation=check_choice("activation", self.activation, activation_functions()),
            hidden=check_whole("hidden", self.hidden, 1, MOST_UNITS),
            layers=check_whole("layers", self.layers, 1, MOST_LAYERS),
            dropout=check_number("dropout", self.dropout, 0.0, 1.0, below=True),
            weight_dropout=check_number("weight_dropout", self.weight_dropout, 0.0, 1.0, below=True),
            forget_bias=check_number("forget_bias", self.forget_bias, -MOST_BIAS, MOST_BIAS),
            chrono_init=check_whole("chrono_init", self.chrono_init, 0),
            labels=check_whole("labels", self.labels, 0, MOST_LABELS),
        )
        allowed = CELLS[self.cell].activations
        if self.activation not in allowed:
            others = cells_that(lambda cell: self.activation in cell.activations)
            raise ConfigError(
                f"{named('activation')} is {self.activation!r}; it must be {' or '.join(allowed)} with"
                f" {named('cell')} {self.cell}, or choose {named('cell')} {others}"
            )


def activation_functions() -> tuple[str, ...]:
    """Return the names of the activation functions that at least one cell has."""
    return tuple(dict.fromkeys(name for cell in CELLS.values() for name in cell.activations))
