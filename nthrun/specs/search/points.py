"""Points of the unit cube by number, for `random`, `sobol` and `halton`.

The point of a number depends on the method, the seed and the number alone: not on how many are
asked for, nor in which order. The sequences are scipy's, whose generators step through them; here
the scrambled direction numbers and digit permutations that scipy draws give any point at once, as
they are defined by Joe and Kuo (2008), Constructing Sobol' sequences with better two-dimensional
projections, SIAM Journal on Scientific Computing 30, and by Owen (2017), A randomized Halton
algorithm in R.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

PointMethod = Literal["random", "sobol", "halton"]
SOBOL_BITS = 30


@dataclass(frozen=True, slots=True)
class Points:
    """Random points.

    Attributes:
        num_dimensions: of each point, at least 0.
        seed: of the draws, or of the scrambling of a sequence.
    """

    num_dimensions: int
    seed: int

    def __call__(self, number: int, attempt: int = 0) -> np.ndarray:
        """The point of a number, `(num_dimensions,)` in [0, 1).

        Args:
            number: `0 <= number < 2**30`.
            attempt: 0 is the point of the number; a later one, for where that does not serve, is
                random by any method.
        """
        stream = np.random.SeedSequence(self.seed, spawn_key=(number, attempt))
        return np.random.Generator(np.random.PCG64(stream)).random(self.num_dimensions)


@dataclass(frozen=True, slots=True)
class SobolPoints(Points):
    """Point n is the exclusive or of the direction numbers at the ones of n's Gray code.

    Attributes:
        directions: `(num_dimensions, SOBOL_BITS)`, scrambled.
        shift: `(num_dimensions,)`, of the first point.
    """

    directions: np.ndarray
    shift: np.ndarray

    def __call__(self, number: int, attempt: int = 0) -> np.ndarray:
        if attempt:
            return Points.__call__(self, number, attempt)
        gray = number ^ (number >> 1)
        ones = [bit for bit in range(SOBOL_BITS) if gray >> bit & 1]
        bits = self.shift ^ np.bitwise_xor.reduce(self.directions[:, ones], axis=1)
        return np.asarray(bits * 2.0**-SOBOL_BITS)


@dataclass(frozen=True, slots=True)
class HaltonPoints(Points):
    """Coordinate of base b: n's digits in base b, permuted place by place, behind the point.

    Attributes:
        tables: for each coordinate its base, and for each place how digits are permuted.
    """

    tables: tuple[tuple[int, tuple[tuple[int, ...], ...]], ...]

    def __call__(self, number: int, attempt: int = 0) -> np.ndarray:
        if attempt:
            return Points.__call__(self, number, attempt)
        return np.array([_coordinate(number, *table) for table in self.tables])


def _coordinate(number: int, base: int, permutations: tuple[tuple[int, ...], ...]) -> float:
    total, weight = 0.0, 1.0 / base
    for permuted in permutations:
        number, digit = divmod(number, base)
        total += permuted[digit] * weight
        weight /= base
    return total


def point_function(method: PointMethod, num_dimensions: int, seed: int) -> Points:
    """The points of a method.

    This is the one place that reads private attributes of scipy: a generator's scrambled numbers,
    which its public methods only step through.
    """
    if method == "random" or not num_dimensions:
        return Points(num_dimensions, seed)
    from scipy.stats import qmc  # noqa: PLC0415 - takes a second that other searches do not owe

    generator = np.random.default_rng(seed)
    if method == "sobol":
        sobol = qmc.Sobol(num_dimensions, scramble=True, bits=SOBOL_BITS, rng=generator)
        return SobolPoints(num_dimensions, seed, sobol._sv, sobol._shift)
    halton = qmc.Halton(num_dimensions, scramble=True, rng=generator)
    tables = tuple(
        (base, tuple(map(tuple, permutations.tolist())))
        for base, permutations in zip(halton.base, halton._permutations, strict=True)
    )
    return HaltonPoints(num_dimensions, seed, tables)
