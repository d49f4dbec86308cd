"""Points of the unit cube by number, for `random`, `sobol` and `halton`.

The point of a number depends on the method, the seed and the number alone: not on how many are
asked for, nor in which order. The sequences are scipy's, whose generators step through them; here
the scrambled direction numbers and digit permutations that scipy draws give any point at once, as
they are defined by Joe and Kuo (2008), Constructing Sobol' sequences with better two-dimensional
projections, SIAM Journal on Scientific Computing 30, and by Owen (2017), A randomized Halton
algorithm in R.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

PointMethod = Literal["random", "sobol", "halton"]
Point = Callable[[int, int], np.ndarray]
"""`point(number, attempt)`, `(num_dimensions,)` in [0, 1)."""

SOBOL_BITS = 30


def point_function(method: PointMethod, num_dimensions: int, seed: int) -> Point:
    """What gives the points.

    Args:
        method: of drawing.
        num_dimensions: of each point, at least 0.
        seed: of the draws, or of the scrambling of a sequence.

    Returns:
        `point(number, attempt)`: attempt 0 is the point of a number; a later one, for where that
        does not serve, is random by any method. `number < 2**30`.
    """
    sequence = None
    if num_dimensions and method != "random":
        make = _sobol if method == "sobol" else _halton
        sequence = make(num_dimensions, np.random.default_rng(seed))

    def point(number: int, attempt: int) -> np.ndarray:
        if sequence is not None and attempt == 0:
            return sequence(number)
        stream = np.random.SeedSequence(seed, spawn_key=(number, attempt))
        return np.random.Generator(np.random.PCG64(stream)).random(num_dimensions)

    return point


def _sobol(num_dimensions: int, generator: np.random.Generator) -> Callable[[int], np.ndarray]:
    """Point n is the exclusive or of the direction numbers at the ones of n's Gray code."""
    from scipy.stats import qmc  # noqa: PLC0415 - takes a second that other searches do not owe

    engine = qmc.Sobol(num_dimensions, scramble=True, bits=SOBOL_BITS, rng=generator)
    directions, shift = engine._sv, engine._shift

    def point(number: int) -> np.ndarray:
        gray = number ^ (number >> 1)
        ones = [bit for bit in range(SOBOL_BITS) if gray >> bit & 1]
        bits = shift ^ np.bitwise_xor.reduce(directions[:, ones], axis=1)
        return np.asarray(bits * 2.0**-SOBOL_BITS)

    return point


def _halton(num_dimensions: int, generator: np.random.Generator) -> Callable[[int], np.ndarray]:
    """Coordinate of base b: n's digits in base b, permuted place by place, behind the point."""
    from scipy.stats import qmc  # noqa: PLC0415 - takes a second that other searches do not owe

    engine = qmc.Halton(num_dimensions, scramble=True, rng=generator)
    tables = [
        (base, [row.tolist() for row in permutations])
        for base, permutations in zip(engine.base, engine._permutations, strict=True)
    ]

    def coordinate(number: int, base: int, permutations: list[list[int]]) -> float:
        total, weight = 0.0, 1.0 / base
        for permuted in permutations:
            number, digit = divmod(number, base)
            total += permuted[digit] * weight
            weight /= base
        return total

    return lambda number: np.array([coordinate(number, *table) for table in tables])
