"""Looking into a network: one trace of a text, and views of it, one file each."""

from __future__ import annotations

from charlstm.inspect.gates import Column, Gates, gates
from charlstm.inspect.summary import Summary, summary
from charlstm.inspect.trace import Trace, trace

__all__ = ["Column", "Gates", "Summary", "Trace", "gates", "summary", "trace"]
