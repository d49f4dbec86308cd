"""The hyperparameters of settings: which vary, when two values are equal, and values as text."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nthrun.terminal import printable

Setting = Mapping[str, Any]
"""Hyperparameter -> value."""
SettingKey = str
"""A setting by its hyperparameters, whatever its number."""


def distinct_values(settings: Iterable[Setting]) -> dict[str, list[Any]]:
    """Hyperparameter -> its distinct values, both in the order in which they are first met."""
    values: dict[str, dict[str, Any]] = {}
    for setting in settings:
        for name, value in setting.items():
            values.setdefault(name, {}).setdefault(value_key(value), value)
    return {name: list(of_name.values()) for name, of_name in values.items()}


def varying_values(settings: Iterable[Setting]) -> dict[str, list[Any]]:
    """The hyperparameters that settings differ in -> their distinct values.

    A setting without a hyperparameter does not make it vary.
    """
    return {name: values for name, values in distinct_values(settings).items() if len(values) > 1}


def setting_key(setting: Setting) -> SettingKey:
    """Hyperparameters as a text that is equal where they are, in whatever order."""
    return json.dumps({name: value_key(value) for name, value in setting.items()}, sort_keys=True)


def value_key(value: Any) -> str:
    """A text that equal values share, and no others, be they lists; 1 and 1.0 are equal, 1 and true
    are not."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_key, value))}]"
    if not is_number(value):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, int | np.integer) and not _float_holds(int(value)):
        return repr(int(value))
    return repr(float(value))


def _float_holds(number: int) -> bool:
    """Whether a float has the very value of an integer."""
    return abs(number) <= sys.float_info.max and float(number) == number


def is_number(value: Any) -> bool:
    """Whether a value is a number, which true and false are not."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def plain_text(value: Any) -> str:
    """A value as JSON has it, a text without its quotes and on one line."""
    return printable(value) if isinstance(value, str) else json.dumps(value)


def values_text(values: Sequence[Any], most: int) -> str:
    """Values as text: all of them, or of more than `most` the two ends and how many there are."""
    if len(values) <= most:
        return ", ".join(map(plain_text, values))
    ordered = sorted(values) if all(map(is_number, values)) else values
    return f"{plain_text(ordered[0])} to {plain_text(ordered[-1])} ({len(values)} values)"


def setting_text(setting: Setting, names: Iterable[str]) -> str:
    """Some hyperparameters of a setting with their values, those that it has."""
    return ", ".join(f"{name} {plain_text(setting[name])}" for name in names if name in setting)
