"""Grids, stationary distributions, inequality and sums, against closed forms and a panel."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from numpy.typing import NDArray

from nthrun.environments.bewley import distribution
from nthrun.environments.bewley.ability import AbilityChain, rouwenhorst
from nthrun.environments.bewley.calibration import AbilityProcess, Calibration, Taxes, TaxSchedule
from nthrun.environments.bewley.distribution import (
    Grids,
    aggregates,
    asset_grid,
    gini,
    quantiles,
    stationary_mass,
)
from nthrun.environments.bewley.household_numpy import DecisionRules, Household, solve_household
from nthrun.errors import NoSolutionError, SpecError

Array = NDArray[np.float64]
CHAIN = rouwenhorst(AbilityProcess(rho=0.8), 3)
TWO_STATES = AbilityChain(np.array([0.5, 1.5]), np.full((2, 2), 0.5), np.full(2, 0.5))
RULES = DecisionRules(
    assets=np.array([0.0, 4.0, 8.0]),
    consumption=np.array([[1.0, 1.0, 2.0], [2.0, 2.0, 3.0]]),
    labour=np.array([[0.99, 0.5, 0.01], [0.99, 0.99, 0.5]]),
    savings=np.array([[0.0, 4.0, 6.0], [4.0, 4.0, 9.0]]),
)
MASS = np.array([[0.25, 0.25, 0.0], [0.125, 0.25, 0.125]])
TAXES = Taxes(TaxSchedule(0.2), TaxSchedule(0.01), 0.1)


def test_steps_grow_with_wealth() -> None:
    """A grid goes from 0 to its top, each step in one proportion to wealth plus the scale."""
    grid = asset_grid(50, 200.0, 0.5)
    assert grid[0] == 0
    assert grid[-1] == pytest.approx(200.0, rel=1e-14)
    np.testing.assert_allclose((grid[1:] + 0.5) / (grid[:-1] + 0.5), 401 ** (1 / 49), rtol=1e-12)


def test_grids_have_their_sizes() -> None:
    """Choices and masses have their numbers of points and one top."""
    grids = Grids(num_choices=20, num_masses=30, top=7.0)
    assert (len(grids.choices()), len(grids.masses())) == (20, 30)
    assert grids.choices()[-1] == pytest.approx(7.0) == grids.masses()[-1]


@pytest.mark.parametrize(
    ("name", "value"), [("num_choices", 9), ("num_masses", 9), ("top", 0.0), ("scale", nan)]
)
def test_grids_without_room_are_refused(name: str, value: float) -> None:
    """Too few points, and a top or scale that is not positive, are refused by name."""
    with pytest.raises(SpecError, match=name):
        Grids(**{name: value})  # type: ignore[arg-type]


def _rules(assets: Array, savings: Array) -> DecisionRules:
    return DecisionRules(assets, np.ones_like(savings), np.ones_like(savings), savings)


@pytest.fixture(scope="module")
def household_rules() -> DecisionRules:
    """Of a household with three abilities, well below the top of its grid."""
    household = Household(Calibration(ability=AbilityProcess(0.8, 0.2)), CHAIN, 0.02, 1.3)
    grid = asset_grid(150, 50.0, 1.0)
    return solve_household(household, grid).rules(asset_grid(200, 50.0, 1.0))


def test_ability_keeps_its_shares(household_rules: DecisionRules) -> None:
    """Mass is nowhere negative, sums to 1, and has the chain's shares of abilities."""
    mass = stationary_mass(CHAIN, household_rules)
    assert (mass >= 0).all()
    np.testing.assert_allclose(mass.sum(axis=1), CHAIN.stationary, rtol=1e-9)


def test_mean_savings_are_mean_wealth(household_rules: DecisionRules) -> None:
    """Splitting mass between points keeps the mean: mean savings are mean wealth to 1e-9."""
    mass = stationary_mass(CHAIN, household_rules)
    wealth = (mass * household_rules.assets).sum()
    assert wealth > 1
    assert (mass * household_rules.savings).sum() == pytest.approx(wealth, rel=1e-9)


def test_it_is_where_any_start_leads(household_rules: DecisionRules) -> None:
    """Moving all mass on from wealth 0 for 5 000 periods leads to the same distribution."""
    assets, savings = household_rules.assets, household_rules.savings
    mass = np.zeros_like(savings)
    mass[:, 0] = CHAIN.stationary
    left = np.clip(np.searchsorted(assets, savings, side="right") - 1, 0, len(assets) - 2)
    share = (savings - assets[left]) / (assets[left + 1] - assets[left])
    rows = np.arange(3)[:, None]
    for _ in range(5000):
        moved = np.zeros_like(mass)
        np.add.at(moved, (rows, left), mass * (1 - share))
        np.add.at(moved, (rows, left + 1), mass * share)
        mass = CHAIN.transition.T @ moved
    assert np.abs(mass - stationary_mass(CHAIN, household_rules)).sum() < 1e-9


def test_a_guess_changes_nothing(household_rules: DecisionRules) -> None:
    """From mass that is all at the top the same distribution comes out."""
    guess = np.zeros_like(household_rules.savings)
    guess[:, -1] = CHAIN.stationary
    expected = stationary_mass(CHAIN, household_rules)
    assert np.abs(stationary_mass(CHAIN, household_rules, guess) - expected).sum() < 1e-9


def test_two_wealths_by_hand() -> None:
    """If the poor save half of the top wealth and the rich 3/4 of it, 2/3 of mass is at it."""
    chain = AbilityChain(np.ones(2), np.full((2, 2), 0.5), np.full(2, 0.5))
    savings = np.array([[0.5, 0.75], [0.5, 0.75]])
    mass = stationary_mass(chain, _rules(np.array([0.0, 1.0]), savings))
    np.testing.assert_allclose(mass, [[1 / 6, 1 / 3], [1 / 6, 1 / 3]], rtol=1e-10)


def test_savings_beyond_the_top_stay_at_the_top() -> None:
    """Where everyone saves more than the highest wealth all mass is at it."""
    savings = np.full((3, 4), 9.0)
    mass = stationary_mass(CHAIN, _rules(np.array([0.0, 1.0, 2.0, 3.0]), savings))
    np.testing.assert_allclose(mass[:, -1], CHAIN.stationary, rtol=1e-10)


def test_no_convergence_is_told(
    household_rules: DecisionRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search that is stopped early ends in an error with the restarts it had."""
    monkeypatch.setattr(distribution, "MAX_RESTARTS", 1)
    with pytest.raises(NoSolutionError, match="stopped after 1 restarts"):
        stationary_mass(CHAIN, household_rules)


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


def test_sums_by_hand() -> None:
    """Means, shares and ratios of two abilities and three wealths are those worked out by hand."""
    sums = aggregates(Household(Calibration(taxes=TAXES), TWO_STATES, 0.03, 2.0), RULES, MASS)
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
