"""Named arrays: weights as views of one flat vector, and working memory that is used again.

All weights of a network are one contiguous array, and so are its gradient and the optimizer's moments. What treats
every weight alike (an optimizer step, clipping, a finite check, a sum over processes) is one line on `flat`; what
needs one block asks for it by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shapes = Mapping[str, tuple[int, ...]]


class Parameters(Mapping[str, Array]):
    """Blocks of numbers by name, stored one after another in one vector.

    Parameters
    ----------
    shapes
        The blocks in the order in which they stand in the vector: name → shape.
    dtype
        Float type of every block.
    flat : (P,) array, optional
        The vector to use, whatever it holds; a new one of zeros without.

    Attributes
    ----------
    flat : (P,) array
        All numbers. The named blocks are views of it: write into them, never rebind them.
    shapes : mapping
        The shapes given.
    """

    def __init__(self, shapes: Shapes, dtype: npt.DTypeLike, flat: Array | None = None) -> None:
        self.shapes = dict(shapes)
        self.flat: Array = np.zeros(count(shapes), dtype) if flat is None else flat  # (P,)
        self._views: dict[str, Array] = {}
        start = 0
        for name, shape in self.shapes.items():
            stop = start + math.prod(shape)
            self._views[name] = self.flat[start:stop].reshape(shape)
            start = stop

    def __getitem__(self, name: str) -> Array:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def like(self) -> Parameters:
        """Zeros with the same names, shapes and float type: a place for a gradient."""
        return Parameters(self.shapes, self.flat.dtype)


class Buffers:
    """Working memory that is asked for by name and shape, and used again."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._arrays: dict[str, Array] = {}
        self._views: dict[tuple[str, tuple[int, ...]], Array] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return an array of that shape whose content is whatever was left there."""
        view = self._views.get((name, shape))
        if view is None:
            size = math.prod(shape)
            if name not in self._arrays or self._arrays[name].size < size:
                self._arrays[name] = np.empty(size, self._dtype)
                self._views = {key: kept for key, kept in self._views.items() if key[0] != name}
            view = self._views[name, shape] = self._arrays[name][:size].reshape(shape)
        return view


def count(shapes: Shapes) -> int:
    """How many numbers blocks of these shapes hold; nothing is allocated."""
    return sum(math.prod(shape) for shape in shapes.values())
