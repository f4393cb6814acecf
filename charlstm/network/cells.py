"""The recurrent cells: one file each, behind the contract in `cell`."""

from __future__ import annotations

from charlstm.network.cell import Cell, Tape
from charlstm.network.gru import GRU
from charlstm.network.lstm import LSTM
from charlstm.network.rnn import RNN, ReluRNN

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
