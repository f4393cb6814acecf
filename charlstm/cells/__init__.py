"""The recurrent cells: one file each, behind the contract in `cell`."""

from __future__ import annotations

from charlstm.cells.cell import Cell, Tape
from charlstm.cells.gru import GRU
from charlstm.cells.lstm import LSTM
from charlstm.cells.rnn import RNN, ReluRNN

__all__ = ["Cell", "Tape", "make"]

_CELLS: dict[tuple[str, str], type[Cell]] = {
    ("lstm", "tanh"): LSTM,
    ("gru", "tanh"): GRU,
    ("rnn", "tanh"): RNN,
    ("rnn", "relu"): ReluRNN,
}


def make(cell: str, activation: str) -> Cell:
    """Return the cell of that name; the names are those that `NetworkConfig` allows."""
    return _CELLS[cell, activation]()
