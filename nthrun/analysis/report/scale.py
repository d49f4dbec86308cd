"""Axes of drawn charts: where a value stands, and which values are named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NUM_TICKS = 5
STEP_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis.

    Attributes:
        low, high: the values at its ends, different.
        start, end: where these stand.
        log: logarithmic, of positive values.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def places(self, values: np.ndarray) -> np.ndarray:
        """Where values stand; NaN of those that are not finite, or not positive on a log axis."""
        with np.errstate(invalid="ignore", divide="ignore"):
            numbers = np.log10(np.where(values > 0, values, np.nan)) if self.log else values
        low, high = (math.log10(end) if self.log else end for end in (self.low, self.high))
        share = (np.where(np.isfinite(numbers), numbers, np.nan) - low) / (high - low)
        return np.asarray(self.start + share * (self.end - self.start))

    def ticks(self) -> list[float]:
        """A few round values within it."""
        if not self.log:
            return linear_ticks(self.low, self.high)
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        every = max(1, (last - first) // NUM_TICKS)
        parts = (1.0,) if last - first > 2 else (1.0, 2.0, 5.0)
        found = [p * 10.0**e for e in range(first, last + 1, every) for p in parts]
        within = [tick for tick in found if self.low <= tick <= self.high]
        return within or [self.low, self.high]


def fitted(values: Sequence[np.ndarray], start: float, end: float, log: bool = False) -> Scale:
    """The scale that holds all finite values, with a little room at both ends."""
    joined = np.concatenate([np.ravel(one) for one in values] or [np.empty(0)])
    kept = joined[np.isfinite(joined) & ((joined > 0) | (not log))]
    low, high = (float(kept.min()), float(kept.max())) if kept.size else (0.5, 1.0)
    if log:
        low, high = (low / 2, high * 2) if low == high else (low, high)
        room = (high / low) ** 0.03
        return Scale(low / room, high * room, start, end, True)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        spread = abs(low) / 2 or 1.0
        low, high = low - spread, high + spread
    room = 0.03 * (high - low)
    return Scale(low - room, high + room, start, end)


def linear_ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between two values."""
    rough = (high - low) / NUM_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * part for part in (1, 2, 5, 10) if power * part >= 0.999 * rough)
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [float(f"{number * step:.12g}") for number in numbers]


def tick_text(value: float) -> str:
    """A value as a tick says it."""
    return f"{value:.6g}".replace("e-0", "e-").replace("e+0", "e").replace("-", "−")


def step_text(value: float) -> str:
    """A number of steps: 20k instead of 20000."""
    for unit, name in STEP_UNITS:
        if abs(value) >= unit:
            return f"{value / unit:.4g}{name}"
    return f"{value:.6g}"
