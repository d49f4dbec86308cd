"""Taxes: what is kept of a base x is D(x) = (1 - τ) x^(1-ξ) / (1 - ξ), the tax T(x) = x - D(x).

Mi et al. (2023), TaxAI, arXiv 2309.16307, after Heathcote, Storesletten and Violante (2017),
Optimal tax progressivity, QJE 132(4). With ξ = 0 the tax is proportional at the rate τ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nthrun.environments.bewley.faults import fault, reject

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TaxSchedule:
    """The tax on one base.

    Attributes:
        rate: τ, in [0, 1).
        elasticity: ξ, in [0, 1): how fast the share that is kept falls in the base.
    """

    rate: float = 0.0
    elasticity: float = 0.0

    def __post_init__(self) -> None:
        """Raise `SpecError` outside the ranges, and where τ = 0 goes with ξ > 0."""
        rate, elasticity = self.rate, self.elasticity
        gift = "T(x) = x - x^(1-ξ)/(1-ξ) is not 0 but pays small bases; set ξ = 0 for no tax"
        reject(
            [
                (0 <= rate < 1, fault("tax rate τ", rate, "[0, 1)")),
                (0 <= elasticity < 1, fault("tax elasticity ξ", elasticity, "[0, 1)")),
                (
                    not (rate == 0 and elasticity > 0),
                    fault("tax elasticity ξ", elasticity, "0 where the tax rate τ is 0", gift),
                ),
            ]
        )

    def kept(self, base: Array) -> Array:
        """D(x), for any x where ξ = 0, else for x >= 0; shaped like the base."""
        if self.elasticity == 0:
            return (1 - self.rate) * base
        exponent = 1 - self.elasticity
        return np.asarray((1 - self.rate) / exponent * base**exponent)

    def kept_at_margin(self, base: Array) -> Array:
        """D'(x) = (1 - τ) x^(-ξ); shaped like the base."""
        if self.elasticity == 0:
            return np.full_like(base, 1 - self.rate)
        return np.asarray((1 - self.rate) * base**-self.elasticity)

    def tax(self, base: Array) -> Array:
        """T(x) = x - D(x); negative is a transfer."""
        return base - self.kept(base)


@dataclass(frozen=True, slots=True)
class Taxes:
    """All taxes of the model, none by default.

    Attributes:
        income: on y = w v l + r a.
        wealth: on a.
        consumption_rate: τ_c >= 0, on c.
        rebated: whether revenue goes back to households in equal parts; else it is spent on
            what households do not value.
    """

    income: TaxSchedule = field(default_factory=TaxSchedule)
    wealth: TaxSchedule = field(default_factory=TaxSchedule)
    consumption_rate: float = 0.0
    rebated: bool = False

    def __post_init__(self) -> None:
        """Raise `SpecError` where the consumption tax is negative or not finite."""
        rate = self.consumption_rate
        allowed = fault("consumption tax τ_c", rate, "a number >= 0")
        reject([(rate >= 0 and math.isfinite(rate), allowed)])

    @property
    def is_zero(self) -> bool:
        """Whether nothing is taxed."""
        return self.income.rate == self.wealth.rate == self.consumption_rate == 0
