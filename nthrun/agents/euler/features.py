"""What a rule of the Bewley economy sees of a household, in units of the economy's scale.

A household that could borrow and were insured would consume κ ((1 + r) a + h_s), h_s being what
its ability is worth; that is what a network's rule begins with. Both numbers are those at an
interest rate a little below the one of complete markets.

A household sees its wealth, as two logarithms that tell small and large wealth apart, and r; where
the environment shows the cross-section instead of prices, the wealth and the ability of all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nthrun.environments.bewley.ability import AbilityChain
from nthrun.environments.bewley.calibration import (
    Calibration,
    capital_per_labour,
    interest_rate,
    wage,
)

USUAL_RATE = 0.75
"""The interest rate that is expected, as a share of that of complete markets."""
LEAST_RATE = 0.005
USUAL_LABOUR = 0.9
HIGHEST_RATE = 1.25
"""The highest interest rate that rules are learned for, as a multiple of complete markets'."""
LEAST_RENTAL = 0.01
MOST_KEPT = 0.995
"""The highest share of its wealth that a household is expected to keep, if it could borrow."""


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


SMALL, LARGE = 0.05, 1.0
"""Wealth below which either logarithm is flat, in fifths of a usual household's."""
GAIN = 2.0
"""Factor on all features, so that weights of the usual size bend the rule where it bends."""


class Features:
    """Features of households, `(lanes, households, width)`.

    Args:
        scale: of the economy.
    """

    def __init__(self, scale: Scale) -> None:
        self._unit = scale.wealth / 5.0
        self._r, self._spread = scale.r, scale.spread

    def of(self, wealth: Tensor, r: Tensor, crowd: Tensor | None) -> Tensor:
        """The features of some households, not normalised.

        Args:
            wealth: a, `(lanes, households)`.
            r: `(lanes, households)`.
            crowd: `crowd` of the world of each; None where prices are seen.
        """
        own = [*self._wealth(wealth)]
        if crowd is None:
            return torch.stack([*own, GAIN * (r - self._r) / self._spread], -1)
        return torch.cat([torch.stack(own, -1), crowd], -1)

    def crowd(self, wealth: Tensor, ability: Tensor) -> Tensor:
        """A world as each of its households sees it, `(lanes, worlds × households, 2 households)`.

        Args:
            wealth, ability: a and v, `(lanes, worlds, households)`.
        """
        seen = torch.cat([self._wealth(wealth)[0], torch.log(ability)], -1)
        lanes, worlds, households = wealth.shape
        return (
            seen.unsqueeze(2).expand(-1, -1, households, -1).reshape(lanes, worlds * households, -1)
        )

    def _wealth(self, wealth: Tensor) -> tuple[Tensor, Tensor]:
        owned = wealth / self._unit
        return GAIN * (torch.log(owned + LARGE) - 1.5), GAIN * 0.7 * torch.log(owned + SMALL)
