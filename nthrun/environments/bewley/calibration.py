"""The coefficients of the Bewley model, and what they may be.

Households maximise E Σ βᵗ [(c^(1-θ) - 1)/(1-θ) - χ l^(1+γ)/(1+γ)] subject to
(1 + τ_c) c + a' = y - T_y(y) + a - T_a(a) + rebate, y = w v l + r a, a' >= 0; firms produce
A K^α L^(1-α); capital loses δ of itself a period.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from nthrun.environments.bewley.faults import fault, reject
from nthrun.environments.bewley.taxes import Taxes

INELASTIC = (1.0, 1.0)
UNBOUNDED = (0.0, math.inf)


@dataclass(frozen=True, slots=True)
class Preferences:
    """What households like.

    Attributes:
        beta: β in (0, 1), the weight of the next period.
        theta: θ > 0, relative risk aversion; 1 is logarithmic utility.
        gamma: γ > 0, the inverse of the Frisch elasticity of labour.
        chi: χ > 0, the weight of labour.
    """

    beta: float = 0.96
    theta: float = 1.0
    gamma: float = 2.0
    chi: float = 1.0

    def __post_init__(self) -> None:
        """Raise `SpecError` outside the ranges."""
        positive = (("θ", self.theta), ("γ", self.gamma), ("χ", self.chi))
        hint = "at β >= 1 wealth grows without bound at every interest rate >= 0"
        reject(
            [
                (0 < self.beta < 1, fault("β", self.beta, "(0, 1)", hint)),
                *((0 < x < math.inf, fault(key, x, "(0, ∞)")) for key, x in positive),
            ]
        )


@dataclass(frozen=True, slots=True)
class Technology:
    """What firms can do.

    Attributes:
        alpha: α in (0, 1), the share of capital.
        delta: δ in [0, 1], what capital loses a period.
        productivity: A > 0.
    """

    alpha: float = 0.33
    delta: float = 0.06
    productivity: float = 1.0

    def __post_init__(self) -> None:
        """Raise `SpecError` outside the ranges."""
        reject(
            [
                (0 < self.alpha < 1, fault("α", self.alpha, "(0, 1)")),
                (0 <= self.delta <= 1, fault("δ", self.delta, "[0, 1]")),
                (0 < self.productivity < math.inf, fault("A", self.productivity, "(0, ∞)")),
            ]
        )


@dataclass(frozen=True, slots=True)
class Superstar:
    """A rare state of high ability, entered and left whatever the rest of ability is.

    Attributes:
        enter: p in [0, 1), the probability a period of becoming one; 0 is none at all.
        stay: q in [0, 1), the probability a period of staying one.
        factor: > 0, what ability is multiplied by meanwhile.
    """

    enter: float = 0.0
    stay: float = 0.0
    factor: float = 10.0

    def __post_init__(self) -> None:
        """Raise `SpecError` outside the ranges."""
        reject(
            [
                (0 <= self.enter < 1, fault("superstar p", self.enter, "[0, 1)")),
                (0 <= self.stay < 1, fault("superstar q", self.stay, "[0, 1)")),
                (0 < self.factor < math.inf, fault("superstar factor", self.factor, "(0, ∞)")),
            ]
        )


@dataclass(frozen=True, slots=True)
class AbilityProcess:
    """log v' = ρ log v + σ ε up to a constant, ε standard normal; v is scaled to E v = 1.

    Attributes:
        rho: ρ in (-1, 1).
        sigma: σ > 0, the standard deviation of the innovation; that of log v is σ/√(1 - ρ²).
        bound: how many standard deviations of log v it is kept within, > 0; infinite is no bound.
        superstar: what v is multiplied by now and then, after the bound.
    """

    rho: float = 0.95
    sigma: float = 0.2
    bound: float = math.inf
    superstar: Superstar = field(default_factory=Superstar)

    def __post_init__(self) -> None:
        """Raise `SpecError` outside the ranges."""
        reject(
            [
                (-1 < self.rho < 1, fault("ρ", self.rho, "(-1, 1)")),
                (0 < self.sigma < math.inf, fault("σ", self.sigma, "(0, ∞)")),
                (self.bound > 0, fault("ability bound", self.bound, "(0, ∞]")),
            ]
        )

    @property
    def deviation(self) -> float:
        """The standard deviation σ/√(1 - ρ²) of log v."""
        return self.sigma / math.sqrt(1 - self.rho**2)


@dataclass(frozen=True, slots=True)
class Calibration:
    """All coefficients of one economy.

    Attributes:
        preferences, technology, ability, taxes: see there.
        labour_bounds: lowest and highest l, 0 <= lowest <= highest, highest > 0; `UNBOUNDED` is
            any labour, `INELASTIC` is l = 1 always, the model of Aiyagari (1994).
    """

    preferences: Preferences = field(default_factory=Preferences)
    technology: Technology = field(default_factory=Technology)
    ability: AbilityProcess = field(default_factory=AbilityProcess)
    taxes: Taxes = field(default_factory=Taxes)
    labour_bounds: tuple[float, float] = (0.01, 0.99)

    def __post_init__(self) -> None:
        """Raise `SpecError` where no labour is between the bounds, or only none."""
        lowest, highest = self.labour_bounds
        feasible = 0 <= lowest <= highest and highest > 0 and lowest < math.inf
        allowed = "0 <= lowest <= highest, lowest finite, highest > 0"
        reject([(feasible, fault("labour bounds", self.labour_bounds, allowed))])

    @property
    def proportional_return_limit(self) -> float:
        """The interest rate at which β times the after-tax return is 1, were ξ = 0.

        β (1 - τ_a + (1 - τ_y) r) = 1. With ξ = 0 wealth grows without bound from here on.
        """
        kept = 1 - self.taxes.wealth.rate
        return (1 / self.preferences.beta - kept) / (1 - self.taxes.income.rate)
