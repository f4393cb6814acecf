"""The mean square of the gradient, weight by weight, in little memory: means over the rows and columns of each matrix.

A matrix of mean squares is close to an outer product of its means over rows and over columns. So of a matrix (D, N)
only D + N numbers are kept; of a vector all. A model file has room for that: about 1 % of the weights.

Source: Shazeer & Stern 2018, "Adafactor: Adaptive learning rates with sublinear memory cost" (the factors).
"""

from __future__ import annotations

import numpy as np

from charlstm.base.parameters import Array, Parameters, Shapes

ROWS, COLUMNS = "rows", "columns"


def factor_shapes(shapes: Shapes) -> Shapes:
    """Return the names and shapes of the factors of parameters.

    Examples
    --------
    >>> factor_shapes({"W": (2, 3), "b": (3,)})
    {'W/rows': (2,), 'W/columns': (3,), 'b': (3,)}
    """
    factors: dict[str, tuple[int, ...]] = {}
    for name, shape in shapes.items():
        if len(shape) == 1:
            factors[name] = shape
        else:
            factors |= {f"{name}/{axis}": (size,) for axis, size in zip((ROWS, COLUMNS), shape, strict=True)}
    return factors


class GradientSquares:
    """A running mean of squares of gradients.

    Parameters
    ----------
    shapes
        Names and shapes of the weights.
    factors : Parameters, optional
        Means that were collected before, under the names of `factor_shapes`; zeros if None.

    Attributes
    ----------
    factors : Parameters
        The means, float64.
    count : int
        Number of gradients that were added here.

    Examples
    --------
    >>> weights = Parameters({"W": (2, 2), "b": (2,)}, "float32", np.arange(6.0))
    >>> squares = GradientSquares(weights.shapes)
    >>> squares.add(weights, 1.0)
    >>> squares.factors["W/rows"], squares.factors["b"]
    (array([0.5, 6.5]), array([16., 25.]))
    >>> squares.expand().flat.round(3)
    array([ 0.286,  0.714,  3.714,  9.286, 16.   , 25.   ])
    """

    def __init__(self, shapes: Shapes, factors: Parameters | None = None) -> None:
        self.factors = factors or Parameters(factor_shapes(shapes), np.float64)
        self.count = 0
        self._shapes = shapes

    def add(self, gradient: Parameters, weight: float) -> None:
        """Add the squares of a gradient, each times a weight, to the means."""
        self.count += 1
        share = 1.0 / self.count
        for name, block in gradient.items():
            squares = np.square(block, dtype=np.float64)
            means = {name: squares} if block.ndim == 1 else dict(
                zip((f"{name}/{ROWS}", f"{name}/{COLUMNS}"), (squares.mean(axis=1), squares.mean(axis=0)), strict=True)
            )  # fmt: skip
            for factor, mean in means.items():
                self.factors[factor][...] += share * (weight * mean - self.factors[factor])

    def expand(self) -> Parameters:
        """Return the mean square of every weight: of a matrix the outer product of its factors, over their mean."""
        squares = Parameters(self._shapes, np.float64)
        for name, block in squares.items():
            if block.ndim == 1:
                block[...] = self.factors[name]
            else:
                rows, columns = self.factors[f"{name}/{ROWS}"], self.factors[f"{name}/{COLUMNS}"]
                np.outer(rows, columns / max(float(rows.mean()), np.finfo(np.float64).tiny), out=block)
        return squares


def root_mean_squares(squares: Parameters) -> tuple[Array, float]:
    """Return the roots of mean squares, (P,) float64, and the mean of these roots.

    >>> root_mean_squares(Parameters({"b": (2,)}, "float64", np.array([4.0, 16.0])))
    (array([2., 4.]), 3.0)
    """
    roots = np.sqrt(squares.flat)
    return roots, float(roots.mean())
