"""What households do where all risk is shared: at r = 1/β - 1 they keep what they own.

With a' = a the budget is c = w l + r a, and χ l^γ = w c^(-θ) gives l, or the bound it is beyond.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.bewley.calibration import Calibration
from nthrun.environments.bewley.endogenous_grid import DecisionRules
from nthrun.environments.bewley.household import newton
from nthrun.environments.bewley.prices import complete_markets

Array = NDArray[np.float64]


def steady_rules(calibration: Calibration, assets: Array) -> DecisionRules:
    """The decision rules of the one state of ability, at the prices of complete markets.

    Args:
        assets: `(num_assets,)` a >= 0, rising.

    Raises:
        SpecError: where there are taxes.
    """
    prices = complete_markets(calibration)
    preferences = calibration.preferences
    gamma, theta = preferences.gamma, preferences.theta
    goal = np.log(prices.w / preferences.chi)

    def step(log_labour: Array) -> Array:
        earned = prices.w * np.exp(log_labour)
        income = earned + prices.r * assets
        gap: Array = gamma * log_labour + theta * np.log(income) - goal
        return -gap / (gamma + theta * earned / income)

    free = np.exp(newton(step, np.zeros_like(assets)))
    labour: Array = np.clip(free, *calibration.labour_bounds)
    consumption = prices.w * labour + prices.r * assets
    return DecisionRules(assets, consumption[None], labour[None], assets[None].copy())
