"""Named arrays: the weights as views of one flat vector, and working memory that is reused.

All weights of a network are one contiguous array; so are their gradient and the moments of the optimizer. Code that
treats every weight the same, such as an optimizer step, gradient clipping or a sum over processes, is one line on
`flat`. Code that needs one block asks for it by name.
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
    """Named arrays stored one after another in one vector.

    Parameters
    ----------
    shapes
        Name → shape, in the order of the vector.
    dtype
        Float type of all arrays.
    flat : (P,) array, optional
        The vector to use, with its content; a new one of zeros if None.

    Attributes
    ----------
    flat : (P,) array
        All numbers. The named arrays are views of it: change their content, do not replace them.
    shapes : mapping
        The shapes given.

    Examples
    --------
    >>> parameters = Parameters({"W": (2, 2), "b": (2,)}, "float32")
    >>> parameters["b"][...] = 1.0
    >>> parameters.flat
    array([0., 0., 0., 0., 1., 1.], dtype=float32)
    """

    def __init__(self, shapes: Shapes, dtype: npt.DTypeLike, flat: Array | None = None) -> None:
        self.shapes = dict(shapes)
        self.flat: Array = np.zeros(total_size(shapes), dtype) if flat is None else flat  # (P,)
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
        """Return zeros with the same names, shapes and float type, for example to hold a gradient."""
        return Parameters(self.shapes, self.flat.dtype)


class Buffers:
    """Working memory, asked for by name and shape, that is reused from call to call.

    Parameters
    ----------
    dtype
        Float type of all arrays.
    """

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._arrays: dict[str, Array] = {}
        self._views: dict[tuple[str, tuple[int, ...]], Array] = {}

    def __call__(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return an array of this shape with arbitrary content; the next call with its name returns the same memory."""
        view = self._views.get((name, shape))
        if view is None:
            size = math.prod(shape)
            if name not in self._arrays or self._arrays[name].size < size:
                self._arrays[name] = np.empty(size, self._dtype)
                self._views = {key: kept for key, kept in self._views.items() if key[0] != name}
            view = self._views[name, shape] = self._arrays[name][:size].reshape(shape)
        return view


def total_size(shapes: Shapes) -> int:
    """Return how many numbers arrays of these shapes hold together.

    >>> total_size({"W": (2, 2), "b": (2,)})
    6
    """
    return sum(math.prod(shape) for shape in shapes.values())
