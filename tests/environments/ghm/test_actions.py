"""The best action of one step, by rates and by amounts, against all actions on a fine net."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from nthrun.environments.ghm.actions import action_paths, best_between, best_lump_sums, lump_sums
from nthrun.environments.ghm.calibration import Calibration, Rules
from nthrun.environments.ghm.cash_grid import cash_grid, gaussian_expectation
from nthrun.environments.ghm.declaration import GridShape

CASH = np.linspace(0, 2, 41)
RULES = (Rules(), Rules(dt=0.1), Rules(issuance_max=0.0), Rules(issuance_min_share=0.0))
FIRM = Calibration(issuance_cost=1.1, fixed_cost=0.01, lambda_=0.5)
IMPULSE = Rules(dt=0.1, controls="impulse", dividend_max=0.5, issuance_max=0.4, liquidation_value=2)
GRID = cash_grid(FIRM, 0.1, GridShape(top=1.0))


@pytest.mark.parametrize("rules", RULES)
def test_every_node_is_feasible_and_both_ends_are_nodes(rules: Rules) -> None:
    """Dividends leave no debt and stay below their highest rate; who asks shareholders raises
    between the least and the most; nothing, all dividends and the highest issue are nodes."""
    paths = action_paths(Calibration(), rules, CASH, np.full_like(CASH, 0.02))
    cap = np.minimum(CASH / rules.dt, rules.dividend_max)
    assert (paths.dividend >= 0).all()
    assert (paths.dividend <= cap[:, None]).all()
    assert (paths.dividend.max(axis=1) == cap).all()
    raised = paths.issuance[:, paths.issues]
    assert (raised >= rules.issuance_min - 1e-15).all()
    assert (paths.issuance.max(axis=1) == rules.issuance_max).all()
    assert (paths.issuance[:, ~paths.issues] == 0).all()
    assert ((paths.dividend == 0) & (paths.issuance == 0))[:, ~paths.issues].any(axis=1).all()


def test_the_peak_of_a_cubic_is_found() -> None:
    """Of random cubics that rise at 0 and fall at 1, height and place of the peak are those of a
    fine grid; of those that do not, there is none."""
    draws = np.random.default_rng(0)
    base, first, second, third = draws.normal(size=(4, 2000, 1))
    third[:100] = 0
    ends = np.stack([first, first + 2 * second + 3 * third])
    values = np.concatenate([base, base + first + second + third], axis=1)
    height, share = best_between(values, ends)
    places = np.linspace(0, 1, 10_001)
    heights = base + places * (first + places * (second + places * third))
    inside = ((ends[0] > 0) & (ends[1] < 0))[:, 0]
    assert 300 < inside.sum() < 1000
    np.testing.assert_allclose(height[inside, 0], heights.max(axis=1)[inside], atol=1e-7)
    np.testing.assert_allclose(share[inside, 0], places[heights.argmax(axis=1)][inside], atol=2e-4)
    assert (height[~inside] == -np.inf).all()


def bumpy(seed: int) -> np.ndarray:
    """A value with many peaks, which jumps at 0."""
    places, draws = np.linspace(0, 1, 9), np.random.default_rng(seed)
    return 3 + GRID + np.interp(GRID, places, draws.normal(0, 0.2, 9))


def onward(rules: Rules, value: np.ndarray, left: np.ndarray) -> np.ndarray:
    """What it is worth to go on with so much cash, of its shape."""
    mean = left + (FIRM.alpha + (FIRM.r - FIRM.lambda_ - FIRM.mu) * left) * rules.dt
    variance = 0.25**2 * left**2 + 2 * 0.2 * 0.25 * 0.12 * left + 0.12**2
    law = gaussian_expectation(GRID, mean.ravel(), np.sqrt(variance * rules.dt).ravel())
    expected = law.of(rules.liquidation_value, value)[0]
    return math.exp(-0.02 * rules.dt) * expected.reshape(left.shape)


def searched(rules: Rules, value: np.ndarray, cash: float) -> float:
    """The best of many pairs of amounts, both ends of what is allowed among them."""
    paid = np.linspace(0, min(cash, rules.dividend_max), 301)[:, None]
    asked = np.linspace(max(rules.issuance_min, 1e-9), rules.issuance_max, 41)
    silent = (paid + onward(rules, value, cash - paid)).max()
    left = cash - paid[::5] + asked / FIRM.issuance_cost - FIRM.fixed_cost
    return float(max(silent, (paid[::5] - asked + onward(rules, value, left)).max()))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(2))
def test_no_pair_of_amounts_is_better(share: float, seed: int) -> None:
    """Whatever value follows, the best amounts are feasible, worth what is said, and worth what
    the best of a fine net are, to 5e-4."""
    rules, value = replace(IMPULSE, issuance_min_share=share), bumpy(seed)
    best, (paid, raised) = best_lump_sums(lump_sums(FIRM, rules, GRID), value)
    assert (paid >= 0).all() and (paid <= np.minimum(GRID, 0.5)).all()
    asks = raised > 0
    assert (raised[asks] >= rules.issuance_min).all() and (raised <= 0.4).all()
    left = GRID - paid + asks * (raised / 1.1 - 0.01)
    np.testing.assert_allclose(best, paid - raised + onward(rules, value, left), atol=2e-4)
    chosen = slice(1, None, 12)
    expected = [searched(rules, value, cash) for cash in GRID[chosen]]
    np.testing.assert_allclose(best[chosen], expected, atol=5e-4)
    assert 0 < asks.mean() < 1 and (paid > 0).any()


def test_who_must_issue_much_pays_some_of_it_out() -> None:
    """Where cash is dear to carry, a firm whose least issue is more than it needs pays out some of
    the cash it had."""
    rules = replace(IMPULSE, issuance_min_share=1.0)
    _, (paid, raised) = best_lump_sums(lump_sums(FIRM, rules, GRID), 4 + 0.9 * np.tanh(9 * GRID))
    both = (paid > 0) & (raised > 0)
    assert both.sum() > 5
    np.testing.assert_allclose(raised[both], 0.4)
