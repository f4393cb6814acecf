"""The registry of recurrent cells: one file each, behind the contract in `cell`."""

from __future__ import annotations

from collections.abc import Callable

from charlstm.network.cell import Cell
from charlstm.network.gru import GRU
from charlstm.network.lstm import LSTM
from charlstm.network.rnn import RNN

CELLS: dict[str, type[Cell]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}


def build_cell(name: str, activation: str) -> Cell:
    """Return a cell by its name and activation function; `NetworkConfig` checks both."""
    return CELLS[name](activation)


def cells_that(condition: Callable[[type[Cell]], bool]) -> str:
    """Return the names of the cells that meet a condition, for an error message.

    >>> cells_that(lambda cell: cell.forget_gate is not None)
    'lstm or gru'
    """
    return " or ".join(name for name, cell in CELLS.items() if condition(cell))
