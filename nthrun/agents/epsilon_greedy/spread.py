"""Points spread evenly: what a search without random numbers tries."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np


def uniform_points(count: int, size: int) -> np.ndarray:
    """Points in (-1, 1), `(count, size)`, float32.

    The additive recurrence of the generalised golden ratio (Roberts, 2018, "The Unreasonable
    Effectiveness of Quasirandom Sequences"):

        x_k = frac(½ + k (φ⁻¹, φ⁻², ..., φ⁻ᵈ)),  φ the positive root of φᵈ⁺¹ = φ + 1
    """
    return (2.0 * _recurrence(count, size) - 1.0).astype(np.float32)


def normal_points(count: int, size: int) -> np.ndarray:
    """The same points as quantiles of a standard normal variate, the first of them 0."""
    quantile = np.vectorize(NormalDist().inv_cdf, otypes=[np.float64])
    return np.asarray(quantile(_recurrence(count, size)), np.float32)


def _recurrence(count: int, size: int) -> np.ndarray:
    """The points in (0, 1), `(count, size)`, the first of them in the middle."""
    phi = 2.0
    for _ in range(64):
        phi = (1.0 + phi) ** (1.0 / (size + 1))
    steps = phi ** -np.arange(1.0, size + 1)
    return np.asarray((0.5 + np.arange(count)[:, None] * steps) % 1.0)
