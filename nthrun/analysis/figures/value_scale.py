"""Values of a hyperparameter as places on an axis: linear, logarithmic, or one after the other."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axis import Axis, XAxis
from matplotlib.ticker import NullLocator

from nthrun.analysis.hyperparameters import is_number, value_key

MAX_TICKS = 12
TILTED = 14
"""Characters that are kept of a tilted value."""
LEAST_RATIO = 9.0
"""Least ratio of the greatest to the least of values that are taken to be log-spaced."""
MOST_UNEVEN = 6.0
"""Widest gap over the narrowest of values that a linear axis can tell apart."""


@dataclass(frozen=True, slots=True, eq=False)
class ValueScale:
    """Where the values of one hyperparameter stand.

    Attributes:
        name: of the hyperparameter.
        kind: of the axis; `each` gives every value a place of its own.
        values: distinct, in order: numbers rising, others as first met.
        places: `(num_values,)` on an axis of that kind.
    """

    name: str
    kind: Literal["linear", "log", "each"]
    values: tuple[Any, ...]
    places: np.ndarray

    def numbers(self, values: Iterable[Any]) -> np.ndarray:
        """Which of the scale's values each of some is, int64."""
        number_of = {value_key(known): number for number, known in enumerate(self.values)}
        return np.array([number_of[value_key(value)] for value in values], np.int64)

    def dress(self, axis: Axis, characters: float, even: bool = False) -> None:
        """Scale, ticks and label of an axis of these values.

        Args:
            axis: of a figure.
            characters: about how many fit along it; a horizontal axis tilts values that do not.
            even: every value stands in the middle of a cell of width 1, whatever the kind.
        """
        places = np.arange(len(self.values)) + 0.5 if even else self.places
        across = isinstance(axis, XAxis)
        if self.kind == "log" and not even:
            (axis.axes.set_xscale if across else axis.axes.set_yscale)("log")
        keep = _few(len(self.values))
        texts = [value_text(self.values[number]) for number in keep]
        axis.set_ticks(places[keep].tolist(), labels=texts)
        axis.set_minor_locator(NullLocator())
        axis.set_label_text(self.name)
        if across and len(texts) * (max(map(len, texts)) + 1) > characters:
            short = [text if len(text) <= TILTED else f"{text[:TILTED]}…" for text in texts]
            tilted: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
            axis.set_ticks(places[keep].tolist(), labels=short, **tilted)


def value_scale(name: str, values: Iterable[Any]) -> ValueScale:
    """The scale that fits the values of a hyperparameter, repeated ones once.

    Logarithmic where all are positive numbers, span a factor of 9 and lie more evenly by their
    logarithms than by themselves; linear where numbers lie evenly enough to be told apart; else
    one place for each.
    """
    distinct = list({value_key(value): value for value in values}.values())
    if not all(is_number(value) for value in distinct):
        return ValueScale(name, "each", tuple(distinct), np.arange(float(len(distinct))))
    distinct.sort()
    numbers = np.array(distinct, np.float64)
    if _log_spaced(numbers):
        return ValueScale(name, "log", tuple(distinct), numbers)
    gaps = np.diff(numbers)
    if len(gaps) and np.isfinite(numbers).all() and gaps.max() <= MOST_UNEVEN * gaps.min():
        return ValueScale(name, "linear", tuple(distinct), numbers)
    return ValueScale(name, "each", tuple(distinct), np.arange(float(len(distinct))))


def value_text(value: Any) -> str:
    """A value as a tick says it: short."""
    if is_number(value):
        text = f"{value:.6g}"
        for long, short in (("e-0", "e-"), ("e+0", "e"), ("e+", "e"), ("-", "−")):
            text = text.replace(long, short)
        return text
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 24 else text[:23] + "…"


def _log_spaced(numbers: np.ndarray) -> bool:
    if len(numbers) < 2 or numbers[0] <= 0 or not np.isfinite(numbers).all():
        return False
    if numbers[-1] < LEAST_RATIO * numbers[0]:
        return False
    return _unevenness(np.log(numbers)) <= _unevenness(numbers)


def _unevenness(numbers: np.ndarray) -> float:
    gaps = np.diff(numbers)
    return float(gaps.std() / gaps.mean())


def _few(number: int) -> np.ndarray:
    """Which of so many values get a tick."""
    return np.unique(np.linspace(0, number - 1, min(number, MAX_TICKS)).round().astype(int))
