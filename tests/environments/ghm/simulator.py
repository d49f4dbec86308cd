"""The firm of the rules, played by numpy in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from nthrun.environments.ghm.calibration import Calibration, Rules

Policy = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def played(
    firm: Calibration, rules: Rules, policy: Policy, start: np.ndarray, draws: np.random.Generator
) -> np.ndarray:
    """What each firm is worth, of shape (firms,), when it starts with given cash.

    Args:
        policy: cash of the firms that are alive and the step -> their a_L and a_E.
    """
    unit = 1.0 if rules.controls == "impulse" else rules.dt
    worth, cash = np.zeros(len(start)), start.copy()
    alive = np.flatnonzero(cash > 0)
    worth[cash <= 0] = rules.liquidation_value
    for step in range(rules.num_steps):
        before = cash[alive]
        paid, raised = policy(before, step)
        assert (paid * unit <= before * (1 + 1e-12)).all()
        assert ((raised == 0) | (raised >= rules.issuance_min * (1 - 1e-12))).all()
        gained = np.where(raised > 0, raised / firm.issuance_cost - firm.fixed_cost, 0.0)
        moved = (gained - paid) * unit
        base = before + moved if rules.controls == "impulse" else before
        earned = firm.alpha + (firm.r - firm.lambda_ - firm.mu) * base
        sigma = np.sqrt(
            firm.sigma_a**2 * base**2
            - 2 * firm.rho * firm.sigma_a * firm.sigma_x * base
            + firm.sigma_x**2
        )
        shock = sigma * math.sqrt(rules.dt) * draws.standard_normal(len(before))
        after = before + moved + earned * rules.dt + shock
        present = math.exp(-(firm.r - firm.mu) * rules.dt * step)
        following = math.exp(-(firm.r - firm.mu) * rules.dt * (step + 1))
        worth[alive] += present * (paid - raised) * unit
        worth[alive[after <= 0]] += following * rules.liquidation_value
        cash[alive] = after
        alive = alive[after > 0]
    ends = {"zero": 0.0, "cash": cash[alive], "liquidation": rules.liquidation_value}
    worth[alive] += math.exp(-(firm.r - firm.mu) * rules.horizon) * ends[rules.terminal]
    return worth


def thresholds(rules: Rules, issue_below: float, pay_above: float) -> Policy:
    """Issue all that is allowed below one level of cash, pay out what is above another."""

    def policy(cash: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        paid = np.clip((cash - pay_above) / rules.dt, 0, rules.dividend_max)
        return paid, np.where(cash < issue_below, rules.issuance_max, 0.0)

    return policy


def mean_and_error(worth: np.ndarray) -> tuple[float, float]:
    """The mean and its standard error."""
    return float(worth.mean()), float(worth.std() / math.sqrt(len(worth)))
