"""Units in an order in which those that behave alike stand together.

Every two units are as near as their values over a text are correlated. The order is that of the Fiedler vector, the
eigenvector of the second smallest eigenvalue of the graph's Laplacian: no line puts strongly joined units nearer.

Source: Atkins, Boman & Hendrickson 1998, "A spectral algorithm for seriation and the consecutive ones problem".
"""

from __future__ import annotations

import numpy as np

from charlstm.parameters import Array


def alike(values: Array) -> Array:
    """Return the units of an (N, H) array in such an order: (H,) numbers, each of them once.

    A unit that never changes is as near to one as to all others.
    """
    centred = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)  # (N, H)
    norms = np.linalg.norm(centred, axis=0)  # (H,)
    scaled = centred / np.where(norms > 0.0, norms, 1.0)  # (N, H)
    near = 1.0 + scaled.T @ scaled  # (H, H)
    laplacian = np.diag(near.sum(axis=1)) - near  # (H, H)
    if len(near) == 1:
        return np.zeros(1, int)  # (1,)
    vector = np.linalg.eigh(laplacian)[1][:, 1].round(9)  # (H,)
    return np.argsort(vector * np.sign(vector[np.abs(vector).argmax()] or 1.0), kind="stable")
