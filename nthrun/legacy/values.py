"""Checks of what a result pickle holds, value by value.

Each gives the value as a record has it, or raises `WrongError`, which names the key it lies at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nthrun.legacy.result_pickle import Unread

MAX_INTEGER = 2**53
"""Beyond it a number that was a float need not be the integer that was meant."""


class WrongError(Exception):
    """A value is not what the earlier tool wrote there."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}" if key else problem)


def need(value: Mapping[str, Any], key: str, where: str = "") -> Any:
    """What a dict has under a key."""
    if key not in value:
        raise WrongError(f"{where}.{key}".lstrip("."), "missing")
    return value[key]


def mapping(value: Any, where: str) -> dict[Any, Any]:
    """A dict."""
    if not isinstance(value, dict):
        raise WrongError(where, f"no dict but {type(value).__name__}")
    return value


def is_integer(value: Any) -> bool:
    """Whether a value is an integer and no boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def count(value: Any, where: str) -> int:
    """An integer in `[0, 2**53)`, which may have been a float."""
    if not is_integer(value) and not (isinstance(value, float) and value.is_integer()):
        raise WrongError(where, f"no integer but {_short(value)}")
    if not 0 <= value < MAX_INTEGER:
        raise WrongError(where, f"{_short(value)} is out of range")
    return int(value)


def seconds(value: Any, where: str) -> float:
    """A finite number."""
    array = numbers(value)
    if array is None or array.ndim or not np.isfinite(array):
        raise WrongError(where, f"no number of seconds but {_short(value)}")
    return float(array)


def series_of(value: Any, dtype: Any, where: str) -> np.ndarray:
    """A list of numbers, `(n,)`."""
    array = numbers(value)
    if array is None or array.ndim != 1:
        raise WrongError(where, "no list of numbers")
    return _cast(array, dtype, where)


def evaluation(value: Any, dtype: Any, shape: tuple[int, int], where: str) -> np.ndarray:
    """What every evaluation episode gave, of a shape `(num_evals, episodes_per_eval)`."""
    array = numbers(value)
    if array is None or (array.size and array.shape != shape) or array.size != math.prod(shape):
        got = "no numbers" if array is None else array.shape
        raise WrongError(where, f"shape {got}, not (num_evals, episodes_per_eval) = {shape}")
    return _cast(array.reshape(shape), dtype, where)


def _cast(array: np.ndarray, dtype: Any, where: str) -> np.ndarray:
    # NaN passes no comparison
    if dtype is np.int64 and not ((abs(array) < MAX_INTEGER) & (array == np.floor(array))).all():
        raise WrongError(where, "numbers that are no integers")
    return array.astype(dtype)


def numbers(value: Any) -> np.ndarray | None:
    """An array of numbers, or of what can be one; None for anything else, ragged lists too."""
    if not _is_numeric(value):  # of texts numpy makes an array as wide as the longest
        return None
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return array if array.dtype.kind in "biuf" else None


def _is_numeric(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_numeric, value))
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf"
    return isinstance(value, (int, float))


def plain_value(value: Any, where: str) -> Any:
    """A value as JSON has it; a number that is not finite is its name."""
    if isinstance(value, np.ndarray):
        return plain_value(value.tolist(), where)
    if isinstance(value, dict):
        plain = {str(k): plain_value(v, f"{where}.{str(k)[:40]}") for k, v in value.items()}
        if len(plain) < len(value):
            raise WrongError(where, "two keys that are one as texts")
        return plain
    if isinstance(value, (list, tuple)):
        return [plain_value(item, where) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, (bytes, Unread)):
        raise WrongError(where, f"no value of a spec but {_short(value)}")
    return value


def _short(value: Any) -> str:
    return f"{type(value).__name__} {str(value)[:40]!r}"
