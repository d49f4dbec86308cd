"""The choices within a period against their conditions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nthrun.environments.bewley.ability import rouwenhorst
from nthrun.environments.bewley.calibration import (
    INELASTIC,
    UNBOUNDED,
    Calibration,
    Preferences,
    Technology,
)
from nthrun.environments.bewley.household import Household, newton
from nthrun.environments.bewley.taxes import Taxes, TaxSchedule
from nthrun.errors import NoSolutionError, SpecError

Array = NDArray[np.float64]

PROPORTIONAL = Taxes(TaxSchedule(0.2), TaxSchedule(0.01), 0.065)
PROGRESSIVE = Taxes(TaxSchedule(0.2, 0.15), TaxSchedule(0.01), 0.065)
TAXES = pytest.mark.parametrize("taxes", [Taxes(), PROPORTIONAL, PROGRESSIVE])
BOUNDS = pytest.mark.parametrize("bounds", [UNBOUNDED, (0.6, 0.9), INELASTIC])
ASSETS = np.array([[0.0, 0.3, 1.0, 5.0, 40.0]])


def _household(
    taxes: Taxes, bounds: tuple[float, float] = UNBOUNDED, r: float = 0.03, rebate: float = 0.1
) -> Household:
    preferences = Preferences(theta=2.0, gamma=1.5, chi=1.2)
    calibration = Calibration(preferences, taxes=taxes, labour_bounds=bounds)
    return Household(calibration, rouwenhorst(calibration.ability, 5), r, 1.25, rebate)


def _labour_gap(household: Household, consumption: Array, labour: Array, assets: Array) -> Array:
    """What a little more work brings, over what it costs, less 1."""
    taxes = household.calibration.taxes
    pay = household.w * household.chain.values[:, None]
    kept = taxes.income.kept_at_margin(household.income(labour, assets))
    gain = consumption**-2.0 * kept * pay / (1 + taxes.consumption_rate)
    return gain / (1.2 * labour**1.5) - 1


def _assert_best(household: Household, consumption: Array, labour: Array, assets: Array) -> None:
    """Labour within the bounds, and where off a bound, neither more nor less would be better."""
    lowest, highest = household.calibration.labour_bounds
    gap = _labour_gap(household, consumption, labour, assets)
    assert ((labour >= lowest) & (labour <= highest)).all()
    assert (gap[labour < highest] < 1e-10).all()
    assert (gap[labour > lowest] > -1e-10).all()


@TAXES
@BOUNDS
def test_labour_is_best_for_consumption(taxes: Taxes, bounds: tuple[float, float]) -> None:
    """Labour meets its first-order condition, or is at the bound that the condition is beyond."""
    household = _household(taxes, bounds)
    consumption = np.array([[0.4, 0.7, 1.0, 1.5, 2.5]])
    _assert_best(household, consumption, household.labour(consumption, ASSETS), ASSETS)


@TAXES
@BOUNDS
def test_spending_everything_leaves_nothing(taxes: Taxes, bounds: tuple[float, float]) -> None:
    """A household that saves nothing spends all its resources, and its labour is best."""
    household = _household(taxes, bounds)
    consumption, labour = household.spending_everything(ASSETS)
    np.testing.assert_allclose(household.savings(consumption, labour, ASSETS), 0.0, atol=1e-13)
    _assert_best(household, consumption, labour, ASSETS)


@TAXES
@BOUNDS
@pytest.mark.parametrize("r", [0.0, 0.03])
def test_wealth_before_inverts_the_budget(
    taxes: Taxes, bounds: tuple[float, float], r: float
) -> None:
    """From the wealth found for c and a' the budget and the best labour lead back to a' and l."""
    household = _household(taxes, bounds, r)
    consumption = np.linspace(0.9, 2.0, 5)[:, None] + np.linspace(0.0, 1.0, 4)
    savings = np.broadcast_to([0.5, 1.0, 3.0, 30.0], consumption.shape)
    assets, labour = household.wealth_before(consumption, savings)
    np.testing.assert_allclose(household.labour(consumption, assets), labour, rtol=1e-9)
    after = household.savings(consumption, labour, assets)
    np.testing.assert_allclose(after, savings, rtol=1e-11, atol=1e-11)


def test_budget_by_hand() -> None:
    """Income of 1.25 · 0.8 + 3 % of 5 and wealth of 5 leave what the rates of the taxes say."""
    household = _household(PROPORTIONAL)
    middle = household.chain.values[2]
    labour = np.full((1, 1), 0.8 / middle)
    assets = np.full((1, 1), 5.0)
    assert household.income(labour, assets)[2, 0] == pytest.approx(1.15, rel=1e-14)
    left = household.savings(np.ones((1, 1)), labour, assets)[2, 0]
    assert left == pytest.approx(0.8 * 1.15 + 0.99 * 5.0 + 0.1 - 1.065, rel=1e-14)


@TAXES
def test_worth_of_wealth_is_a_slope(taxes: Taxes) -> None:
    """A unit of wealth is worth the marginal utility of what more can be spent with it."""
    household = _household(taxes)
    consumption, labour, step = np.ones((1, 1)), np.full((1, 1), 0.8), 1e-5
    more = household.resources(labour, ASSETS + 1 + step)
    less = household.resources(labour, ASSETS + 1 - step)
    worth = household.value_of_wealth(2 * consumption, labour, ASSETS + 1)
    np.testing.assert_allclose(worth, (more - less) / (2 * step) * 2.0**-2, rtol=1e-8)


def test_returns_without_a_solution_are_refused() -> None:
    """An interest rate of 1/β - 1 or more, under which wealth never stops growing, is refused."""
    with pytest.raises(SpecError, match=r"is 0\.0417, allowed is below 0\.04166.*without bound"):
        _household(Taxes(), r=0.0417)


def test_negative_returns_with_progressive_taxes_are_refused() -> None:
    """Progressive taxes refuse r < 0, at which income may be negative; proportional ones do not."""
    with pytest.raises(SpecError, match=r"is -0\.01, allowed is >= 0"):
        _household(PROGRESSIVE, r=-0.01)
    assert _household(PROPORTIONAL, r=-0.01).r == -0.01


def test_progressive_wealth_tax_is_refused() -> None:
    """A wealth tax with ξ > 0, whose first unit has an infinite return, is refused."""
    with pytest.raises(SpecError, match="wealth tax"):
        _household(Taxes(wealth=TaxSchedule(0.1, 0.05)))


def test_newton_that_does_not_settle_is_told() -> None:
    """Steps that never get small end in an error with the size of the last one."""
    with pytest.raises(NoSolutionError, match=r"changes by 0\.5 after 60"):
        newton(lambda found: np.where(found > 0.5, -0.5, 0.5), np.zeros(3))


def test_technology_is_none_of_its_business() -> None:
    """What a household does at given prices does not depend on the technology."""
    chain = rouwenhorst(Calibration().ability, 3)
    first = Household(Calibration(), chain, 0.02, 1.2).spending_everything(ASSETS)
    other = Calibration(technology=Technology(0.5, 0.1, 3.0))
    second = Household(other, chain, 0.02, 1.2).spending_everything(ASSETS)
    assert (first[0] == second[0]).all()
