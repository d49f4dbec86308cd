"""Sums over a distribution that is written by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nthrun.environments.bewley.ability import AbilityChain
from nthrun.environments.bewley.aggregates import aggregates
from nthrun.environments.bewley.calibration import Calibration
from nthrun.environments.bewley.endogenous_grid import DecisionRules
from nthrun.environments.bewley.household import Household
from nthrun.environments.bewley.taxes import Taxes, TaxSchedule

CHAIN = AbilityChain(np.array([0.5, 1.5]), np.full((2, 2), 0.5), np.full(2, 0.5))
RULES = DecisionRules(
    assets=np.array([0.0, 4.0, 8.0]),
    consumption=np.array([[1.0, 1.0, 2.0], [2.0, 2.0, 3.0]]),
    labour=np.array([[0.99, 0.5, 0.01], [0.99, 0.99, 0.5]]),
    savings=np.array([[0.0, 4.0, 6.0], [4.0, 4.0, 9.0]]),
)
MASS = np.array([[0.25, 0.25, 0.0], [0.125, 0.25, 0.125]])
TAXES = Taxes(TaxSchedule(0.2), TaxSchedule(0.01), 0.1)


def test_sums_by_hand() -> None:
    """Means, shares and ratios of two abilities and three wealths are those worked out by hand."""
    sums = aggregates(Household(Calibration(taxes=TAXES), CHAIN, 0.03, 2.0), RULES, MASS)
    labour = 0.5 * 0.25 * (0.99 + 0.5) + 1.5 * (0.375 * 0.99 + 0.125 * 0.5)
    hours = 0.25 * (0.99 + 0.5) + 0.375 * 0.99 + 0.125 * 0.5
    assert sums.capital == pytest.approx(3.0)
    assert sums.labour == pytest.approx(labour)
    assert sums.mean_hours == pytest.approx(hours)
    assert sums.consumption == pytest.approx(1.625)
    assert sums.output == pytest.approx(3.0**0.33 * labour**0.67)
    assert sums.saving_ratio == pytest.approx(3.625 / (1.1 * 1.625 + 3.625))
    assert sums.revenue == pytest.approx(0.2 * (2 * labour + 0.03 * 3) + 0.01 * 3 + 0.1 * 1.625)
    assert sums.share_at_highest_labour == pytest.approx(0.625)
    assert sums.share_at_lowest_labour == 0
    assert sums.share_without_wealth == pytest.approx(0.375)
    assert sums.share_at_top == pytest.approx(0.125)
    assert sums.wealth_quantiles == (0.0, 0.0, 4.0, 4.0, 8.0, 8.0)
    assert sums.gini_wealth == pytest.approx(1 - (0.5 * 2 / 3 + 0.125 * 5 / 3))
