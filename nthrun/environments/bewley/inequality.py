"""How unequal a weighted sample is: its Gini coefficient and its quantiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def gini(values: Array, weights: Array) -> float:
    """The Gini coefficient Σ_ij p_i p_j |x_i - x_j| / (2 Σ_i p_i x_i).

    Twice the area between the diagonal and the Lorenz curve, which is a straight line from each
    value to the next larger one.

    Args:
        values: x >= 0, any shape, not all 0.
        weights: >= 0, of the same shape, not all 0; p is their share of the sum.

    Returns:
        From 0, all are equal, up to but not including 1.
    """
    order = np.argsort(values, axis=None)
    shares = weights.ravel()[order] / weights.sum()
    owned = shares * values.ravel()[order]
    lorenz = np.cumsum(owned) / owned.sum()
    below = np.concatenate(([0.0], lorenz[:-1]))
    return float(1 - (shares * (lorenz + below)).sum())


def quantiles(values: Array, weights: Array, levels: Array) -> Array:
    """The smallest values that at least these shares of the weight are at or below.

    Args:
        values: any shape.
        weights: >= 0, of the same shape, not all 0.
        levels: `(n,)` in [0, 1].

    Returns:
        `(n,)`, each one of the values.
    """
    order = np.argsort(values, axis=None)
    held = np.cumsum(weights.ravel()[order])
    positions = np.searchsorted(held, levels * held[-1] * (1 - 1e-14), side="left")
    return np.asarray(values.ravel()[order][positions])
