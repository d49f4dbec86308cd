"""What an economy adds up to: sums, shares, inequality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.bewley.endogenous_grid import DecisionRules
from nthrun.environments.bewley.household import Household
from nthrun.environments.bewley.inequality import gini, quantiles
from nthrun.environments.bewley.prices import output

Array = NDArray[np.float64]

QUANTILE_LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Numbers per household of one period.

    Attributes:
        capital: K, the mean of a.
        labour: L, the mean of v l.
        mean_hours: the mean of l.
        share_at_lowest_labour, share_at_highest_labour: of households at a bound of l.
        consumption: C, the mean of c.
        output: Y = A K^α L^(1-α).
        revenue: of all taxes.
        saving_ratio: Σ a' / Σ ((1 + τ_c) c + a'), the share of what households have that is saved.
        gini_wealth, gini_consumption: of a and of c.
        share_without_wealth: of households with a = 0.
        wealth_quantiles: of a at 10, 25, 50, 75, 90 and 99 %.
        share_at_top: of households at the highest wealth of the grid, which should be next to 0.
    """

    capital: float
    labour: float
    mean_hours: float
    share_at_lowest_labour: float
    share_at_highest_labour: float
    consumption: float
    output: float
    revenue: float
    saving_ratio: float
    gini_wealth: float
    gini_consumption: float
    share_without_wealth: float
    wealth_quantiles: tuple[float, ...]
    share_at_top: float


def aggregates(household: Household, rules: DecisionRules, mass: Array) -> Aggregates:
    """Add up what households do, `mass` being of shape `(num_states, num_assets)`, of sum 1."""
    owned = np.broadcast_to(rules.assets, mass.shape)
    calibration = household.calibration
    price = 1 + calibration.taxes.consumption_rate
    lowest, highest = calibration.labour_bounds
    capital, spent, saved = (
        _mean(owned, mass),
        _mean(rules.consumption, mass),
        _mean(rules.savings, mass),
    )
    labour = _mean(household.chain.values[:, None] * rules.labour, mass)
    levels = quantiles(owned, mass, np.array(QUANTILE_LEVELS))
    return Aggregates(
        capital=capital,
        labour=labour,
        mean_hours=_mean(rules.labour, mass),
        share_at_lowest_labour=_mean(rules.labour <= lowest, mass),
        share_at_highest_labour=_mean(rules.labour >= highest, mass),
        consumption=spent,
        output=output(calibration.technology, capital, labour),
        revenue=revenue(household, rules, mass),
        saving_ratio=saved / (price * spent + saved),
        gini_wealth=gini(owned, mass),
        gini_consumption=gini(rules.consumption, mass),
        share_without_wealth=float(mass[:, 0].sum()),
        wealth_quantiles=tuple(float(level) for level in levels),
        share_at_top=float(mass[:, -1].sum()),
    )


def revenue(household: Household, rules: DecisionRules, mass: Array) -> float:
    """What all taxes bring in a period, per household."""
    taxes = household.calibration.taxes
    on_income = taxes.income.tax(household.income(rules.labour, rules.assets[None, :]))
    on_wealth = taxes.wealth.tax(rules.assets[None, :])
    return _mean(on_income + on_wealth + taxes.consumption_rate * rules.consumption, mass)


def _mean(values: Array | NDArray[np.bool_], mass: Array) -> float:
    return float((values * mass).sum())
