"""The scale of an economy: what its networks see wealth in units of, and begin from.

A household that could borrow and were insured would consume κ ((1 + r) a + h_s), h_s being what
its ability is worth; that is what a network's rule begins with. Both numbers are those at an
interest rate a little below the one of complete markets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.bewley.ability import AbilityChain
from nthrun.environments.bewley.calibration import (
    Calibration,
    capital_per_labour,
    interest_rate,
    wage,
)

USUAL_RATE = 0.75
"""Of the interest rate of complete markets, what is expected."""
LEAST_RATE = 0.005
USUAL_LABOUR = 0.9
HIGHEST_RATE = 1.25
"""Of the interest rate of complete markets, the highest that rules are learned for."""
LEAST_RENTAL = 0.01
MOST_KEPT = 0.995
"""Of wealth, by a household that could borrow."""


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Numbers that describe an economy roughly.

    Attributes:
        wealth: K per household in complete markets.
        r: the interest rate expected.
        spread: the deviation of r that is usual.
        bounds: lowest and highest r that a world has and rules are learned for.
        propensity: κ.
        human: `(num_states,)` h_s.
    """

    wealth: float
    r: float
    spread: float
    bounds: tuple[float, float]
    propensity: float
    human: NDArray[np.float64]


def scale_of(calibration: Calibration, chain: AbilityChain) -> Scale:
    """The scale of an economy."""
    preferences, technology = calibration.preferences, calibration.technology
    limit = calibration.proportional_return_limit
    ratio = capital_per_labour(technology, limit)
    r = USUAL_RATE * limit
    kept = 1 - calibration.taxes.income.rate
    factor = 1 + max(r * kept - calibration.taxes.wealth.rate, LEAST_RATE)
    pay = kept * wage(technology, capital_per_labour(technology, r))
    labour = min(USUAL_LABOUR, calibration.labour_bounds[1])
    discounted = np.linalg.solve(
        np.eye(len(chain.values)) - chain.transition / factor, chain.values
    )
    saved = (preferences.beta * factor) ** (1 / preferences.theta) / factor
    slope = interest_rate(technology, ratio) - interest_rate(technology, 1.1 * ratio)
    progressive = calibration.taxes.income.elasticity > 0
    lowest = 0.0 if progressive else LEAST_RENTAL - technology.delta
    propensity = 1 - min(saved, MOST_KEPT)
    bounds = (lowest, HIGHEST_RATE * limit)
    human = np.asarray(pay * labour * discounted)
    return Scale(ratio * labour, r, slope, bounds, propensity, human)
