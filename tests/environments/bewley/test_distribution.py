"""Stationary distributions against closed forms, powers and a simulated panel."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nthrun.environments.bewley import distribution
from nthrun.environments.bewley.ability import AbilityChain, rouwenhorst
from nthrun.environments.bewley.calibration import AbilityProcess, Calibration
from nthrun.environments.bewley.distribution import stationary_mass
from nthrun.environments.bewley.endogenous_grid import DecisionRules, solve_household
from nthrun.environments.bewley.grids import asset_grid
from nthrun.environments.bewley.household import Household
from nthrun.errors import NoSolutionError

Array = NDArray[np.float64]

CHAIN = rouwenhorst(AbilityProcess(rho=0.8), 3)


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
