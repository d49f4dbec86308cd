"""Laws of the scales that values of hyperparameters stand on."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from nthrun.analysis.figures.value_scale import value_scale, value_text


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0], "log"),
        ([0.003, 0.01, 0.03, 0.1], "log"),
        ([32, 512], "log"),
        ([2, 4, 8], "linear"),
        ([0.0, 0.5, 0.9], "linear"),
        ([0.01 * n for n in range(1, 41)], "linear"),
        ([0.0, 0.001, 0.01], "each"),
        ([True, False], "each"),
        ([[64, 64], [256, 256]], "each"),
        (["relu", "tanh"], "each"),
        ([None, 0.1], "each"),
        ([7], "each"),
    ],
)
def test_kind(values: list[Any], kind: str) -> None:
    """Log-spaced numbers stand on a log axis, even ones on a linear one, all else one by one."""
    assert value_scale("x", values).kind == kind


def test_order() -> None:
    """Numbers rise, whatever their order and type; other values stay as they come; each once."""
    assert value_scale("x", [10, 0.1, 1.0, 1]).values == (0.1, 1.0, 10)
    assert value_scale("x", ["b", "a", "b"]).values == ("b", "a")
    assert value_scale("x", [1, True]).values == (1, True)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-6, "1e−6"), (-0.5, "−0.5"), (100000, "100000"), (1e7, "1e7"), ([64, 64], "[64, 64]")],
)
def test_text(value: Any, text: str) -> None:
    """A tick is short and has a true minus."""
    assert value_text(value) == text
    assert len(value_text("x" * 99)) == 24


def test_places() -> None:
    """Values have their own places on a number's axis, and their number on the other."""
    np.testing.assert_array_equal(value_scale("x", [1.0, 0.01, 0.1]).places, [0.01, 0.1, 1.0])
    np.testing.assert_array_equal(value_scale("x", ["a", "b"]).places, [0, 1])
    assert value_scale("x", [10, 0.1]).numbers([0.1, 10.0, 10]).tolist() == [0, 1, 1]


def test_many_values() -> None:
    """The numbers of 20,000 values come in the time of as many look-ups."""
    values = np.random.default_rng(0).random(20_000).tolist()
    scale = value_scale("x", values)
    start = time.process_time()
    assert scale.numbers(sorted(values)).tolist() == list(range(20_000))
    assert time.process_time() - start < 2
