"""The optimum of the simulated firm, against numbers found independently and against play."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from environments.ghm.simulator import mean_and_error, played, thresholds
from scipy.special import ndtr

from nthrun.environments.ghm.calibration import Calibration
from nthrun.environments.ghm.dynamic_programme import Optimum, solve
from nthrun.environments.ghm.rules import Rules
from nthrun.errors import SpecError

CASH = (0.1, 0.25, 0.5, 1.0, 2.0)
FIRM = Calibration()
ZERO, CASH_PAID = Rules(dt=0.1, terminal="zero"), Rules(dt=0.1, terminal="cash")
LIQUIDATED = Rules(dt=0.1, terminal="liquidation", liquidation_value=4.95)
KNOWN = [
    (ZERO, 2.58064, (1.67872, 1.83203, 2.08197, 2.58172, 3.58021)),
    (CASH_PAID, 2.59493, (1.69300, 1.84632, 2.09626, 2.59601, 3.59451)),
]
KNOWN_FINE = [
    (replace(ZERO, dt=0.01), 2.58976, (1.69348, 1.84537, 2.09532, 2.59484, 3.59235)),
    (replace(CASH_PAID, dt=0.01), 2.59119, (1.69492, 1.84680, 2.09676, 2.59628, 3.59378)),
    (replace(LIQUIDATED, dt=0.01), 6.64880, (5.75052, 5.90184, 6.15179, 6.65129, 7.64877)),
]


@cache
def optimum_of(rules: Rules) -> Optimum:
    """The default firm's optimum."""
    return solve(FIRM, rules)


@pytest.mark.parametrize(
    ("rules", "mean", "values"),
    [*KNOWN, *(pytest.param(*known, marks=pytest.mark.slow) for known in KNOWN_FINE)],
)
def test_values_are_the_known_ones(rules: Rules, mean: float, values: tuple[float, ...]) -> None:
    """The mean over c0 in [0, 2] and the values at five levels are another solver's, to 1e-4."""
    optimum = optimum_of(rules)
    assert optimum.mean_value(0, 2) == pytest.approx(mean, abs=1e-4)
    np.testing.assert_allclose(optimum.value_at(CASH, 0), values, atol=1e-4)


def test_the_last_step_has_a_closed_form() -> None:
    """Who is paid cash in one step's time pays out all that is allowed now, and is worth that and
    the discounted mean of what is left, if positive."""
    rules = Rules(dt=0.1, horizon=0.1, dividend_max=5.0)
    optimum = solve(FIRM, rules)
    cash = np.array([0.01, 0.2, 0.4, 0.9])
    paid = np.minimum(5.0, cash / 0.1)
    mean, deviation = cash + (0.18 - paid) * 0.1, np.sqrt(FIRM.variance(cash) * 0.1)
    ratio = mean / deviation
    left = mean * ndtr(ratio) + deviation * np.exp(-(ratio**2) / 2) / math.sqrt(2 * math.pi)
    expected = paid * 0.1 + math.exp(-0.002) * left
    np.testing.assert_allclose(optimum.value_at(cash, 0), expected, atol=2e-6)
    np.testing.assert_allclose(optimum.policy_at(cash, 0)[0], paid, rtol=1e-9)


@pytest.mark.parametrize("rules", [CASH_PAID, LIQUIDATED])
@pytest.mark.parametrize("share", [0.05, 1.0])
@pytest.mark.parametrize("cash", [0.02, 0.1, 0.3])
def test_no_other_action_is_better(rules: Rules, share: float, cash: float) -> None:
    """Of all pairs of dividends and issues on a fine net, none does better than the value, and the
    best is hardly worse, when what follows is integrated numerically."""
    rules = replace(rules, horizon=2.0, issuance_max=2.0, issuance_min_share=share)
    firm = replace(FIRM, issuance_cost=1.01, fixed_cost=0.01, lambda_=0.01)
    optimum = solve(firm, rules)
    paid = np.linspace(0, min(10, cash / 0.1), 101)[:, None]
    raised = np.concatenate([[0.0], 2 * np.linspace(share, 1.0, 20)])
    mean = cash + (0.18 + 0.01 * cash - paid + raised / 1.01 - 0.01 * (raised > 0)) * 0.1
    shocks = (np.arange(4000) + 0.5) / 250 - 8
    weights = np.exp(-(shocks**2) / 2) / 250 / math.sqrt(2 * math.pi)
    spread = math.sqrt(firm.variance(cash) * 0.1) * shocks
    following = np.array(
        [[weights @ optimum.value_at(one + spread, 1) for one in row] for row in mean]
    )
    totals = (paid - raised) * 0.1 + math.exp(-0.002) * following
    value = float(optimum.value_at(cash, 0))
    assert totals.max() < value + 2e-4
    assert totals.max() > value - 4e-4


@pytest.mark.parametrize("rules", [CASH_PAID, LIQUIDATED])
def test_played_the_policy_earns_the_value(rules: Rules) -> None:
    """100,000 firms that follow the policy are worth the value on average, to four standard
    errors."""
    draws = np.random.default_rng(1)
    optimum = optimum_of(rules)
    start = draws.uniform(0, 2, 100_000)
    # what a firm starts with is known to be worth its value, so only the rest is noise
    surplus = played(FIRM, rules, optimum.policy_at, start, draws) - optimum.value_at(start, 0)
    mean, error = mean_and_error(surplus)
    assert error < 0.003
    assert abs(mean) < 4 * error


def test_thresholds_are_worth_less() -> None:
    """On the same shocks, issuing below .09 and paying above .22 is worth less than the policy."""
    start = np.full(20_000, 0.3)
    policies = (optimum_of(CASH_PAID).policy_at, thresholds(CASH_PAID, 0.09, 0.22))
    best, other = (
        played(FIRM, CASH_PAID, policy, start, np.random.default_rng(2)).mean()
        for policy in policies
    )
    assert 0 < best - other < 0.1


@pytest.mark.slow
def test_two_thresholds_earn_nearly_the_optimum() -> None:
    """At dt = .01, issuing all that is allowed below .09 and paying what is above .22 is worth
    2.584 ± .003 on average over c0 in [0, 2]: 99.7 % of the optimum."""
    rules, draws = Rules(dt=0.01), np.random.default_rng(3)
    start = (np.arange(200_000) + 0.5) / 100_000
    worth = played(FIRM, rules, thresholds(rules, 0.09, 0.22), start, draws)
    assert worth.mean() == pytest.approx(2.584, abs=0.003 + 0.003)
    assert worth.mean() < optimum_of(rules).mean_value(0, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("step", "issue", "pay"), [(0, 0.096, 0.225), (900, 0.0675, 0.186)])
def test_the_policy_has_the_known_thresholds(step: int, issue: float, pay: float) -> None:
    """At dt = .01 firms issue all they may up to .096 and pay from .225 ten years from the end, and
    .0675 and .186 one year from it, each to .003."""
    optimum = optimum_of(Rules(dt=0.01))
    cash = np.linspace(0.0005, 0.5, 1000)
    paid, raised = optimum.policy_at(cash, step)
    assert cash[raised > 0].max() == pytest.approx(issue, abs=0.003)
    assert cash[paid > 0].min() == pytest.approx(pay, abs=0.003)
    assert np.isclose(raised, 0.5).sum() > 0.95 * (raised > 0).sum()


def test_between_nodes_firms_issue_or_do_not() -> None:
    """Anywhere, issues are none or at least the least; dividends are at most the cash; at c <= 0
    both are 0 and the value is the liquidation value."""
    optimum = optimum_of(LIQUIDATED)
    cash = np.linspace(-0.1, 4, 20_001)
    for step in range(0, 100, 9):
        paid, raised = optimum.policy_at(cash, step)
        assert ((raised == 0) | (raised >= 0.025 - 1e-12)).all()
        assert (paid * 0.1 <= np.maximum(cash, 0) + 1e-12).all()
        assert (paid[cash <= 0] == 0).all()
        assert (raised[cash <= 0] == 0).all()
        assert (optimum.value_at(cash, step)[cash <= 0] == 4.95).all()


def test_the_mean_is_that_of_the_values() -> None:
    """The mean over an interval is the average of the values at many points of it."""
    optimum = optimum_of(CASH_PAID)
    points = 0.05 + (np.arange(100_000) + 0.5) / 100_000 * 0.3
    mean = optimum.mean_value(0.05, 0.35, step=40)
    assert mean == pytest.approx(optimum.value_at(points, 40).mean(), abs=1e-8)


def test_above_the_grid_values_go_on() -> None:
    """Above the grid V rises on as at its end."""
    optimum = optimum_of(CASH_PAID)
    top = optimum.cash[-1]
    near, far = (optimum.value_at(top + more, 0) - optimum.value_at(top, 0) for more in (0.01, 1))
    assert far == pytest.approx(100 * near, rel=1e-6)
    assert 0.9 < far < 1


def test_dearer_equity_is_worth_less() -> None:
    """V falls with p and with φ, and most where no equity is issued at all."""
    rules = replace(CASH_PAID, horizon=3.0)
    firms = (FIRM, replace(FIRM, issuance_cost=1.3), replace(FIRM, fixed_cost=0.1))
    best, dearer, fixed = (solve(firm, rules).value_at(0.05, 0) for firm in firms)
    none = solve(FIRM, replace(rules, issuance_max=0.0))
    assert best > max(dearer, fixed)
    assert min(dearer, fixed) > none.value_at(0.05, 0)
    assert (none.issuance == 0).all()


@pytest.mark.parametrize(
    ("firm", "rules"),
    [(replace(FIRM, r=0.0), ZERO), (FIRM, replace(ZERO, dt=0.3)), (replace(FIRM, sigma_x=0), ZERO)],
)
def test_infeasible_firms_have_no_optimum(firm: Calibration, rules: Rules) -> None:
    """What is infeasible is refused before anything is solved."""
    with pytest.raises(SpecError, match="allowed: "):
        solve(firm, rules)
