"""Gini coefficients and quantiles against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from nthrun.environments.bewley.inequality import gini, quantiles


def test_equal_values_have_no_inequality() -> None:
    """The Gini coefficient of equal values is 0, whatever their weights."""
    assert gini(np.full(4, 3.0), np.array([1.0, 2.0, 0.0, 5.0])) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.001])
def test_one_group_owns_all(share: float) -> None:
    """Where a share s owns all in equal parts the Gini coefficient is 1 - s."""
    assert gini(np.array([7.0, 0.0]), np.array([share, 1 - share])) == pytest.approx(1 - share)


def test_gini_is_the_mean_difference() -> None:
    """It is the mean distance of two draws over twice the mean, in any shape and scale."""
    draws = np.random.default_rng(0)
    values, weights = draws.exponential(size=(6, 7)), draws.random((6, 7))
    x, p = values.ravel(), weights.ravel() / weights.sum()
    expected = p @ np.abs(x[:, None] - x) @ p / (2 * p @ x)
    assert gini(values, weights) == pytest.approx(expected, rel=1e-13)
    assert gini(5 * values, 2 * weights) == pytest.approx(expected, rel=1e-13)


def test_gini_of_known_distributions() -> None:
    """Uniform values from 0 have 1/3, exponential ones 1/2."""
    levels = (np.arange(100_000) + 0.5) / 100_000
    weights = np.ones_like(levels)
    assert gini(levels, weights) == pytest.approx(1 / 3, abs=1e-6)
    assert gini(-np.log1p(-levels), weights) == pytest.approx(1 / 2, abs=1e-4)


def test_quantiles_are_the_smallest_that_reach() -> None:
    """Of weights 1, 2 and 1 in any order, a quarter is at the first and half at the second."""
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0])
    found = quantiles(values, weights, np.array([0.0, 0.25, 0.26, 0.75, 0.76, 1.0]))
    assert found.tolist() == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]


def test_equal_weights_are_numpys_inverted_cdf() -> None:
    """With equal weights quantiles are numpy's of the inverted distribution function."""
    values = np.random.default_rng(1).normal(size=(5, 21))
    levels = np.array([0.01, 0.1, 0.33, 0.5, 0.9, 1.0])
    expected = np.quantile(values, levels, method="inverted_cdf")
    assert (quantiles(values, np.ones_like(values), levels) == expected).all()
