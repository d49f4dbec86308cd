"""Choices within a period and decision rules, against their conditions and independent numbers."""

from __future__ import annotations

import numpy as np
import pytest

from nthrun.environments.bewley import household_numpy
from nthrun.environments.bewley.ability import rouwenhorst
from nthrun.environments.bewley.calibration import (
    INELASTIC,
    UNBOUNDED,
    AbilityProcess,
    Array,
    Calibration,
    Preferences,
    Taxes,
    TaxSchedule,
    Technology,
    capital_per_labour,
    wage,
)
from nthrun.environments.bewley.distribution import asset_grid
from nthrun.environments.bewley.household_numpy import (
    Choices,
    DecisionRules,
    Household,
    newton,
    solve_household,
)
from nthrun.errors import NoSolutionError, SpecError

PROPORTIONAL = Taxes(TaxSchedule(0.2), TaxSchedule(0.01), 0.065)
PROGRESSIVE = Taxes(TaxSchedule(0.2, 0.15), TaxSchedule(0.01), 0.065)
TAXES = pytest.mark.parametrize("taxes", [Taxes(), PROPORTIONAL, PROGRESSIVE])
BOUNDS = pytest.mark.parametrize("bounds", [UNBOUNDED, (0.6, 0.9), INELASTIC])
ASSETS = np.array([[0.0, 0.3, 1.0, 5.0, 40.0]])
GRID = asset_grid(300, 500.0, 1.0)
PROGRESSIVE_TAXES = Taxes(TaxSchedule(0.2, 0.05), TaxSchedule(0.002), 0.065)
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
CASES = {
    "default": (Calibration(), 0.028391),
    "risk averse, inelastic": (
        Calibration(
            Preferences(theta=3.0), ability=AbilityProcess(0.6, 0.3), labour_bounds=INELASTIC
        ),
        0.03,
    ),
    "progressive": (Calibration(taxes=PROGRESSIVE_TAXES), 0.035),
    "negative interest": (Calibration(), -0.02),
}


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
    monkeypatch.setattr(household_numpy, "MAX_SWEEPS", 3)
    with pytest.raises(
        NoSolutionError, match=r"r = 0\.02: consumption still changes by .* 3 sweeps"
    ):
        _choices(Calibration(), 0.02)
