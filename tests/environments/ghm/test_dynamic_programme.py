"""The optimum of the simulated firm, against numbers found independently and against play."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from environments.ghm.simulator import mean_and_error, played, thresholds
from packs import train
from scipy.special import ndtr

from nthrun.environments.ghm import free_boundary
from nthrun.environments.ghm.calibration import Calibration, Rules
from nthrun.environments.ghm.declaration import GridShape, calibration_of, rules_of
from nthrun.environments.ghm.dynamic_programme import Optimum, best_return, solve, value_of_step
from nthrun.errors import SpecError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.schema import Run

CASH = (0.1, 0.25, 0.5, 1.0, 2.0)
FIRM = Calibration()
ZERO, CASH_PAID = Rules(dt=0.1, terminal="zero"), Rules(dt=0.1, terminal="cash")
LIQUIDATED = Rules(dt=0.1, terminal="liquidation", liquidation_value=4.95)
AT_ONCE = {"controls": "impulse", "dividend_max": 3.0}
AMOUNTS, AMOUNTS_LIQUIDATED = replace(CASH_PAID, **AT_ONCE), replace(LIQUIDATED, **AT_ONCE)
KNOWN = [
    (ZERO, 2.58064, (1.67872, 1.83203, 2.08197, 2.58172, 3.58021)),
    (CASH_PAID, 2.59493, (1.69300, 1.84632, 2.09626, 2.59601, 3.59451)),
]
KNOWN_FINE = [
    (replace(ZERO, dt=0.01), 2.58976, (1.69348, 1.84537, 2.09532, 2.59484, 3.59235)),
    (replace(CASH_PAID, dt=0.01), 2.59119, (1.69492, 1.84680, 2.09676, 2.59628, 3.59378)),
    (replace(LIQUIDATED, dt=0.01), 6.64880, (5.75052, 5.90184, 6.15179, 6.65129, 7.64877)),
]
SHORT = {
    "env_name": "GHM",
    "horizon": 1.0,
    "dt": 0.1,
    "total_timesteps": 20,
    "steps_per_episode": 10,
    "eval_interval_timesteps": 10,
    "eval_episodes": 4,
}
AGENTS = {"random": {}, "dp": {}}
"""An agent that acts step by step, and a solver."""


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


@pytest.mark.parametrize("most", [0.25, 3.0])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("cash", [0.02, 0.1, 0.6])
def test_no_other_amounts_are_better(most: float, share: float, cash: float) -> None:
    """Of all pairs of amounts on a fine net, none does better than the value, and the best is
    hardly worse, when what follows is integrated numerically."""
    changes = {"horizon": 2.0, "dividend_max": most, "issuance_min_share": share}
    rules = replace(AMOUNTS, issuance_max=0.3, **changes)
    firm = replace(FIRM, fixed_cost=0.01, lambda_=0.5)
    optimum = solve(firm, rules)
    paid = np.linspace(0, min(most, cash), 151)[:, None]
    raised = np.concatenate([[0.0], 0.3 * np.linspace(max(share, 0.001), 1.0, 40)])
    left = cash - paid + raised / 1.06 - 0.01 * (raised > 0)
    shocks = (np.arange(1000) + 0.5) / 62.5 - 8
    weights = np.exp(-(shocks**2) / 2) / 62.5 / math.sqrt(2 * math.pi)
    spread = np.sqrt(firm.variance(left) * 0.1)
    mean = left + (0.18 - 0.48 * left) * 0.1
    following = optimum.value_at(mean[..., None] + spread[..., None] * shocks, 1) @ weights
    totals = paid - raised + math.exp(-0.002) * following
    value = float(optimum.value_at(cash, 0))
    assert totals.max() < value + 2e-4
    assert totals.max() > value - 4e-4


def test_levels_of_amounts_do_not_hang_on_the_grid() -> None:
    """What firms pay down to and fill up to differs by less than 2e-4 between a grid and one four
    times as fine."""
    rules = replace(AMOUNTS, horizon=3.0)
    coarse, fine = (
        solve(FIRM, rules, GridShape(top=1.0, nodes_per_shock=nodes)) for nodes in (16, 64)
    )
    for step in range(26):
        (one, _), (other, _) = coarse.policy_at(0.9, step), fine.policy_at(0.9, step)
        assert one == pytest.approx(other, abs=2e-4)
        (_, one), (_, other) = coarse.policy_at(0.05, step), fine.policy_at(0.05, step)
        assert one == pytest.approx(other, abs=2e-4)


@pytest.mark.slow
def test_amounts_are_worth_the_free_boundary_s_in_the_limit() -> None:
    """With ever shorter steps of 400 years, value, payout boundary and what issues fill up to near
    those of continuous time with refinancing, and issues those without cash, all by √dt."""
    limit, cash = free_boundary.solve(FIRM, refinancing=True), np.array([0.1, 0.25, 0.5])
    found = []
    for dt in (0.2, 0.05):
        optimum = solve(FIRM, replace(AMOUNTS, dt=dt, horizon=400.0, issuance_min_share=0.0))
        paid, raised = optimum.dividend[0], optimum.issuance[0]
        asks = raised > 0
        left = optimum.cash - paid + (raised / FIRM.issuance_cost - FIRM.fixed_cost) * asks
        worth = optimum.value_at(cash, 0) / limit.value(cash)
        found.append([*worth, left[-1], left[asks][0], optimum.cash[asks].max()])
    coarse, fine = np.array(found)
    assert (fine[:3] < 1).all()
    assert (fine[:3] > coarse[:3]).all()
    value, payout, target, asking = np.split(2 * fine - coarse, [3, 4, 5])
    np.testing.assert_allclose(value, 1, atol=2e-3)
    assert payout == pytest.approx(limit.payout_boundary, abs=0.02)
    assert target == pytest.approx(limit.refinancing_target, abs=0.01)
    assert asking == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("rules", [AMOUNTS, AMOUNTS_LIQUIDATED], ids=lambda rules: rules.terminal)
def test_amounts_leave_the_same_cash_whatever_there_was(rules: Rules) -> None:
    """Far above the payout boundary firms pay down to it and unit cash is worth 1; issues fill up
    to one level from wherever the least of them does not exceed it."""
    optimum = optimum_of(rules)
    cash = np.linspace(0.4, 2.9, 100)
    left = cash - optimum.policy_at(cash, 0)[0]
    np.testing.assert_allclose(left, left[0], atol=1e-6)
    np.testing.assert_allclose(np.diff(optimum.value_at(cash, 0)), np.diff(cash), rtol=1e-6)
    low = np.linspace(0.001, 0.06, 50)
    filled = low + optimum.policy_at(low, 0)[1] / 1.06 - 0.002
    np.testing.assert_allclose(filled, filled[0], atol=1e-6)
    assert filled[0] < left[0]


@pytest.mark.parametrize("rules", [CASH_PAID, LIQUIDATED, AMOUNTS, AMOUNTS_LIQUIDATED])
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


def test_without_issues_amounts_are_paid_alone() -> None:
    """Where nothing may be issued at once, nothing is, and firms are worth less."""
    none = solve(FIRM, replace(AMOUNTS, issuance_max=0.0))
    assert (none.issuance == 0).all()
    assert none.value_at(0.05, 0) < optimum_of(AMOUNTS).value_at(0.05, 0)


@pytest.mark.parametrize(
    ("firm", "rules"),
    [(replace(FIRM, r=0.0), ZERO), (FIRM, replace(ZERO, dt=0.3)), (replace(FIRM, sigma_x=0), ZERO)],
)
def test_infeasible_firms_have_no_optimum(firm: Calibration, rules: Rules) -> None:
    """What is infeasible is refused before anything is solved."""
    with pytest.raises(SpecError, match="allowed: "):
        solve(firm, rules)


@pytest.mark.parametrize("rules", [CASH_PAID, AMOUNTS], ids=lambda rules: rules.controls)
@pytest.mark.parametrize("step", [0, 97, 100])
def test_the_value_of_one_step_is_that_of_all(rules: Rules, step: int) -> None:
    """V of one step found alone is, bit by bit, that of the whole optimum."""
    alone = value_of_step(FIRM, rules, step)
    np.testing.assert_array_equal(alone.value, optimum_of(rules).value[step])


def test_the_value_of_one_step_takes_no_memory_for_the_others() -> None:
    """Its memory does not grow with the number of steps."""
    held = []
    for horizon in (0.5, 20.0):
        tracemalloc.start()
        value_of_step(FIRM, replace(CASH_PAID, horizon=horizon))
        held.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert abs(held[1] - held[0]) < 100_000


@pytest.mark.parametrize("rules", [replace(CASH_PAID, dividend_max=100.0), AMOUNTS])
def test_above_the_grid_what_is_more_than_its_top_is_paid_too(rules: Rules) -> None:
    """The dividend rises by all that lies above the top until it is the most there may be."""
    optimum = solve(FIRM, replace(rules, horizon=0.5), GridShape(top=1.0))
    unit, most = rules.control_unit, rules.dividend_max
    (top, more, far), _ = optimum.policy_at([1.0, 1.5, 1000.0], 4)
    assert 0 < top < most
    assert more == pytest.approx(top + 0.5 / unit)
    assert far == most


def test_steps_too_short_for_a_grid_are_refused() -> None:
    """No grid has more than `MAX_NODES` points."""
    rules = Rules(dt=1e-5, horizon=1e-4)
    with pytest.raises(SpecError, match=r"dt: got 1e-05, which takes .* allowed: up to 4096"):
        solve(FIRM, rules)


def spec_of(agent: str = "random", **environment: Any) -> ExperimentSpec:
    """A short experiment."""
    document = {"agent_name": agent, "parameters": AGENTS[agent]}
    return experiment_spec_of(SHORT | environment, document, "test")


def trained(agent: str = "random", **environment: Any) -> dict[int, Run]:
    """Index -> record of two runs of it."""
    return train(spec_of(agent, **environment), [0, 1])


@pytest.mark.parametrize("top", [0.2, 2.0])
def test_the_best_return_is_the_mean_value_of_start_states(top: float) -> None:
    """Over cash uniform up to `cash_max` it is the mean of the optimum's values, to 1e-5."""
    spec = spec_of(cash_max=top).environment
    optimum = solve(calibration_of(spec.values), rules_of(spec.values))
    cash = (np.arange(200_000) + 0.5) / 200_000 * top
    assert best_return(spec) == pytest.approx(float(optimum.value_at(cash, 0).mean()), abs=1e-5)


@pytest.mark.parametrize("left", [10, 3, 1])
def test_the_best_return_of_a_start_state_is_its_value(left: int) -> None:
    """From a given start it is the optimum's value of that cash with so many steps left."""
    spec = spec_of(start_state=[0.3, left]).environment
    optimum = solve(calibration_of(spec.values), rules_of(spec.values))
    assert best_return(spec) == optimum.value_at(0.3, 10 - left)


@pytest.mark.parametrize("agent", AGENTS)
def test_the_gap_is_the_best_return_less_the_mean_return(agent: str) -> None:
    """Every evaluation of every agent has one, of its own run in the pack."""
    best = best_return(spec_of().environment)
    for run in trained(agent).values():
        gap = run["eval_metrics"]["oracle_gap"]
        assert gap.shape == run["timesteps_at_eval"].shape == (3,)
        np.testing.assert_array_equal(gap, best - run["eval_episode_rewards"].mean(1))


def test_no_gap_where_the_best_is_not_known() -> None:
    """Where rewards are overwritten, a firm bears no risk of its own, so that its optimum cannot be
    found, or there is no evaluation, a record says nothing of it."""
    other = {"overwrite_rewards": True, "rewards": {"timestep": -1.0}}
    for environment in (other, {"calibration": {"sigma_x": 0.0}}, {"eval_episodes": 0}):
        assert "eval_metrics" not in trained(**environment)[0]


def test_long_episodes_have_no_oracle() -> None:
    """Above 20,000 steps the best return is not looked for."""
    environment = spec_of(horizon=200.1, dt=0.01, steps_per_episode=20_010).environment
    assert best_return(environment) is None
