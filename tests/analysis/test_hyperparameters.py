"""Laws of the hyperparameters of settings: which vary, and how values are written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nthrun.analysis.hyperparameters import (
    distinct_values,
    setting_key,
    setting_text,
    value_key,
    values_text,
    varying_values,
)


def test_varying() -> None:
    """Hyperparameters vary if settings differ in them, lists included; 1 and 1.0 are the same, and
    a missing one is no value."""
    settings = [{"a": 1, "b": [1, 2], "c": "x"}, {"a": 1.0, "b": [1, 3], "c": "x", "d": 4}]
    assert varying_values(settings) == {"b": [[1, 2], [1, 3]]}
    assert distinct_values(settings)["a"] == [1]


def test_true_is_no_number() -> None:
    """True and 1 are different values."""
    assert varying_values([{"a": True}, {"a": 1}]) == {"a": [True, 1]}


def test_setting_key() -> None:
    """Settings are equal in whatever order their hyperparameters stand."""
    assert setting_key({"a": 1, "b": "x"}) == setting_key({"b": "x", "a": 1})


@pytest.mark.parametrize(
    ("value", "other", "equal"),
    [
        (1, 1.0, True),
        (1, np.int64(1), True),
        ([1, "x"], [1.0, "x"], True),
        (2**60, 2.0**60, True),
        (2**53, 2**53 + 1, False),
        (2.0**53, 2**53 + 1, False),
        (10**400, 10**400 + 1, False),
        (1, True, False),
        (1.0, "1.0", False),
        ([1, [2]], [[1], 2], False),
    ],
)
def test_equal_values(value: Any, other: Any, equal: bool) -> None:
    """Values have one key, alone and in a setting, where they are equal, and only there."""
    assert (value_key(value) == value_key(other)) == equal
    assert (setting_key({"a": value}) == setting_key({"a": other})) == equal


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.1, 0.2], "0.1, 0.2"),
        (["rbf", [1, 2]], "rbf, [1, 2]"),
        ([3, 1, 2], "1 to 3 (3 values)"),
        (["b", "a", "c"], "b to c (3 values)"),
    ],
)
def test_values_text(values: list[Any], text: str) -> None:
    """Few values are listed; of many the ends are named, numbers in their order."""
    assert values_text(values, 2) == text


def test_setting_text() -> None:
    """The hyperparameters asked for stand in that order; one that a setting lacks is left out."""
    assert setting_text({"a": 1, "b": "x"}, ["b", "missing", "a"]) == "b x, a 1"
