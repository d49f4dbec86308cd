"""Means that are equal where they truly are, whatever the order of their runs and the machine.

Added up in floating point, the same values in another order, or by another kernel of a matrix
product, can differ in the last bit, and settings that are equal would seem to differ. So a value is
split into two parts, multiples of powers of two so large that any sum of them is exact, and only
the mean is rounded, once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIGNIFICAND_BITS = 53
SPLITTER = 2.0**27 + 1
"""Splits a float64 into two halves whose products with integers below 2^26 are exact (Dekker, A
floating-point technique for extending the available precision, 1971)."""


@dataclass(frozen=True, slots=True, eq=False)
class Summands:
    """Values as sums of two parts, whose weighted sums along the second axis are exact.

    Attributes:
        high, low: `(num_rows, num_columns)`, below 1.
        exponents: `(num_rows,)` int; a value is 2^exponent (high + low).
    """

    high: np.ndarray
    low: np.ndarray
    exponents: np.ndarray

    def take(self, rows: np.ndarray) -> Summands:
        """Some of the rows."""
        return Summands(self.high[rows], self.low[rows], self.exponents[rows])


def summands(values: np.ndarray) -> Summands:
    """The parts of finite values `(num_rows, num_columns)`.

    Sums are exact whose weights are integers that add up to the number of columns at most. Of a
    value, what is below some 2^-70 of the largest of its row is left out.
    """
    num_columns = max(values.shape[1], 1)
    bits = SIGNIFICAND_BITS - 1 - num_columns.bit_length()
    exponents = np.frexp(np.abs(values).max(axis=1, initial=0.0))[1]
    scaled = np.ldexp(values, -exponents[:, None])
    high = np.ldexp(np.rint(np.ldexp(scaled, bits)), -bits)
    low = np.ldexp(np.rint(np.ldexp(scaled - high, 2 * bits)), -2 * bits)
    return Summands(high, low, exponents)


def rounded_mean(
    high: np.ndarray, low: np.ndarray, number: np.ndarray | int, exponents: np.ndarray
) -> np.ndarray:
    """The mean of so many values, from the exact sums of their parts, rounded once.

    Args:
        high, low: sums of the parts.
        number: of the values, from 1 to 2^26.
        exponents: of the rows that they are of.
    """
    total = high + low
    shift = total - high
    rest = (high - (total - shift)) + (low - shift)
    mean = total / number
    scaled = mean * SPLITTER
    upper = scaled - (scaled - mean)
    remainder = ((total - upper * number) - (mean - upper) * number) + rest
    return np.asarray(np.ldexp(mean + remainder / number, exponents))
