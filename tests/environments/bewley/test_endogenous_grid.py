"""Decision rules against their first-order conditions, laws and independent numbers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nthrun.environments.bewley import endogenous_grid
from nthrun.environments.bewley.ability import rouwenhorst
from nthrun.environments.bewley.calibration import (
    INELASTIC,
    AbilityProcess,
    Calibration,
    Preferences,
)
from nthrun.environments.bewley.endogenous_grid import Choices, DecisionRules, solve_household
from nthrun.environments.bewley.grids import asset_grid
from nthrun.environments.bewley.household import Household
from nthrun.environments.bewley.prices import capital_per_labour, wage
from nthrun.environments.bewley.taxes import Taxes, TaxSchedule
from nthrun.errors import NoSolutionError

Array = NDArray[np.float64]

GRID = asset_grid(300, 500.0, 1.0)
PROGRESSIVE = Taxes(TaxSchedule(0.2, 0.05), TaxSchedule(0.002), 0.065)


def _choices(calibration: Calibration, r: float, num_states: int = 15) -> Choices:
    w = wage(calibration.technology, capital_per_labour(calibration.technology, r))
    chain = rouwenhorst(calibration.ability, num_states)
    return solve_household(Household(calibration, chain, r, w), GRID)


def _euler_gaps(choices: Choices, assets: Array) -> Array:
    """c over what the Euler equation asks it to be, less 1; (num_states, num_assets)."""
    household = choices.household
    preferences, chain = household.calibration.preferences, household.chain
    rules = choices.rules(assets)
    worth = np.empty((len(chain.values), *rules.savings.shape))
    for state in range(len(chain.values)):
        later = choices.rules(rules.savings[state])
        next_assets = rules.savings[state][None, :]
        worth[:, state] = household.value_of_wealth(later.consumption, later.labour, next_assets)
    expected = preferences.beta * np.einsum("ij,jia->ia", chain.transition, worth)
    return rules.consumption / expected ** (-1 / preferences.theta) - 1


@pytest.fixture(scope="module")
def default_choices() -> Choices:
    """At the interest rate of which the numbers below are."""
    return _choices(Calibration(), 0.028391)


KNOWN = [
    (7, 0.0, (0.9923, 0.99, 0.0425)),
    (7, 1.0, (1.0825, 0.9826, 0.9729)),
    (7, 5.0, (1.3117, 0.8926, 4.7632)),
    (7, 20.0, (1.9759, 0.7273, 19.352)),
    (3, 0.0, (0.2631, 0.99, 0.0)),
    (3, 1.0, (0.4365, 0.7802, 0.7992)),
    (3, 5.0, (0.7356, 0.6010, 4.5660)),
    (11, 0.0, (2.3924, 0.99, 1.6776)),
    (11, 5.0, (2.6192, 0.99, 6.5928)),
    (11, 20.0, (3.238, 0.99, 21.400)),
]


@pytest.mark.parametrize(("state", "assets", "expected"), KNOWN)
def test_known_decision_rules(
    default_choices: Choices, state: int, assets: float, expected: tuple[float, float, float]
) -> None:
    """At r = 2.8391 % c, l and a' are those of an independent solver, to 6 in 10 000."""
    rules = default_choices.rules(np.array([assets]))
    found = (rules.consumption[state, 0], rules.labour[state, 0], rules.savings[state, 0])
    assert found == pytest.approx(expected, rel=5e-5, abs=6e-4)


def test_ability_raises_consumption_and_labour(default_choices: Choices) -> None:
    """At any wealth the more able consume more and work no less."""
    rules = default_choices.rules(asset_grid(1000, 200.0, 1.0))
    assert (np.diff(rules.consumption, axis=0) > 0).all()
    assert (np.diff(rules.labour, axis=0) >= -1e-12).all()
    assert (rules.labour > 0.99 - 1e-12).any()
    assert (rules.labour < 0.5).any()


def test_ability_raises_savings_but_of_the_least_able(default_choices: Choices) -> None:
    """From v = 0.41 on the more able save no less; below they may save a little less, for their
    later earnings, which E v'' ∝ v^(ρ²) and so on, are higher by more than those of today."""
    savings = default_choices.rules(asset_grid(1000, 200.0, 1.0)).savings
    changes = np.diff(savings, axis=0)
    assert default_choices.household.chain.values[5] == pytest.approx(0.411, abs=5e-4)
    assert (changes[5:] >= -1e-12).all()
    assert -0.03 < changes[:5].min() < -0.02


def test_wealth_raises_consumption_and_savings_and_lowers_labour(default_choices: Choices) -> None:
    """At any ability the richer consume more, save no less and work no more."""
    rules = default_choices.rules(asset_grid(1000, 200.0, 1.0))
    assert (np.diff(rules.consumption, axis=1) > 0).all()
    assert (np.diff(rules.savings, axis=1) >= -1e-12).all()
    assert (np.diff(rules.labour, axis=1) <= 1e-12).all()


CASES = {
    "default": (Calibration(), 0.028391),
    "risk averse, inelastic": (
        Calibration(
            Preferences(theta=3.0), ability=AbilityProcess(0.6, 0.3), labour_bounds=INELASTIC
        ),
        0.03,
    ),
    "progressive": (Calibration(taxes=PROGRESSIVE), 0.035),
    "negative interest": (Calibration(), -0.02),
}


@pytest.mark.parametrize("case", CASES)
def test_euler_equation_holds_off_the_grid(case: str) -> None:
    """Between the grid's points those who save miss the Euler equation by less than 1 % of c, 99
    in 100 by less than 5e-4 and the mean by 2e-5; those who do not save want to consume more."""
    choices = _choices(*CASES[case], num_states=5)
    assets = (GRID[:-1] + GRID[1:])[GRID[1:] < 100] / 2
    gaps, saving = _euler_gaps(choices, assets), choices.rules(assets).savings > 0
    assert saving.any()
    assert not saving.all()
    missed = np.abs(gaps[saving])
    assert missed.max() < 1e-2
    assert np.quantile(missed, 0.99) < 5e-4
    assert missed.mean() < 2e-5
    assert (gaps[~saving] < 0).all()


def test_a_finer_grid_misses_less() -> None:
    """Four times as many points bring the mean miss of the Euler equation down eight times."""
    household = _choices(Calibration(), 0.028391, num_states=5).household
    assets = np.linspace(0.1, 60.0, 500)
    coarse, fine = (
        np.abs(_euler_gaps(solve_household(household, asset_grid(n, 500.0, 1.0)), assets)).mean()
        for n in (60, 240)
    )
    assert fine < coarse / 8


def test_a_guess_changes_nothing(default_choices: Choices) -> None:
    """From another interest rate's consumption the same rules come out, to 1e-8."""
    near = _choices(Calibration(), 0.03).rules(GRID).consumption
    again = solve_household(default_choices.household, GRID, near)
    expected = default_choices.rules(GRID).consumption
    np.testing.assert_allclose(again.rules(GRID).consumption, expected, rtol=1e-8)


def test_rules_are_read_linearly() -> None:
    """Tables are read on the line between points, beyond the last too, for any ability."""
    table = np.array([[0.0, 1.0, 4.0], [10.0, 11.0, 11.0]])
    rules = DecisionRules(np.array([0.0, 1.0, 2.0]), table, table, table)
    found = rules.at(table, np.array([0.0, 0.5, 1.5, 2.0, 3.0]), np.array([0, 0, 0, 0, 0]))
    assert found.tolist() == [0.0, 0.5, 2.5, 4.0, 7.0]
    assert rules.at(table, np.array([[0.25]]), np.array([0, 1])).tolist() == [[0.25, 10.25]]


def test_no_convergence_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too few sweeps end in an error with the interest rate and the change that is left."""
    monkeypatch.setattr(endogenous_grid, "MAX_SWEEPS", 3)
    with pytest.raises(
        NoSolutionError, match=r"r = 0\.02: consumption still changes by .* 3 sweeps"
    ):
        _choices(Calibration(), 0.02)
