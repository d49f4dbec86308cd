"""The coefficients of the Bewley model, what they may be, and the prices that firms pay.

Households maximise E Σ βᵗ [(c^(1-θ) - 1)/(1-θ) - χ l^(1+γ)/(1+γ)] subject to
(1 + τ_c) c + a' = y - T_y(y) + a - T_a(a) + rebate, y = w v l + r a, a' >= 0.

What is kept of a base x is D(x) = (1 - τ) x^(1-ξ) / (1 - ξ), the tax T(x) = x - D(x); with ξ = 0
it is proportional at the rate τ. Mi et al. (2023), TaxAI, arXiv 2309.16307, after Heathcote,
Storesletten and Violante (2017), Optimal tax progressivity, QJE 132(4).

Capital loses δ of itself a period. Firms produce Y = A K^α L^(1-α), and pay
r = α A (K/L)^(α-1) - δ and w = (1 - α) A (K/L)^α.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nthrun.errors import Fault, SpecError

MODEL = "bewley"
Array = NDArray[np.float64]
INELASTIC = (1.0, 1.0)
UNBOUNDED = (0.0, math.inf)


def fault(key: str, value: object, allowed: str, hint: str = "") -> Fault:
    """The fault of one coefficient: its name, what it is, and what is allowed."""
    return Fault(MODEL, key, f"is {value}, allowed is {allowed}", hint)


def reject(checks: Iterable[tuple[bool, Fault]]) -> None:
    """Raise one `SpecError` with the faults of all checks that do not hold, if there are any."""
    faults = [broken for holds, broken in checks if not holds]
    if faults:
        raise SpecError(faults)


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
        """D(x), and nothing of a negative base where ξ > 0; shaped like the base."""
        if self.elasticity == 0:
            return (1 - self.rate) * base
        exponent = 1 - self.elasticity
        return np.asarray((1 - self.rate) / exponent * np.maximum(base, 0.0) ** exponent)

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


def interest_rate(technology: Technology, capital_per_labour: float) -> float:
    """r = α A (K/L)^(α-1) - δ a period, net of depreciation, for K/L > 0."""
    product = technology.productivity * capital_per_labour ** (technology.alpha - 1)
    return float(technology.alpha * product - technology.delta)


def wage(technology: Technology, capital_per_labour: float) -> float:
    """w = (1 - α) A (K/L)^α, for a unit of v l."""
    share = technology.alpha
    return float((1 - share) * technology.productivity * capital_per_labour**share)


def capital_per_labour(technology: Technology, r: float) -> float:
    """K/L = (α A / (r + δ))^(1/(1-α)), the inverse of `interest_rate`.

    Raises:
        SpecError: where r <= -δ, which no amount of capital pays.
    """
    rental = r + technology.delta
    reject([(rental > 0, fault("interest rate r", r, f"above -δ = {-technology.delta}"))])
    marginal = technology.alpha * technology.productivity
    return float((marginal / rental) ** (1 / (1 - technology.alpha)))


def output(technology: Technology, capital: float, labour: float) -> float:
    """Y = A K^α L^(1-α)."""
    share = technology.alpha
    return float(technology.productivity * capital**share * labour ** (1 - share))


@dataclass(frozen=True, slots=True)
class CompleteMarkets:
    """The stationary economy of one household whose ability is always 1.

    Attributes:
        r: the interest rate a period, 1/β - 1.
        w: the wage.
        capital_per_labour, consumption_per_labour: K/L and C/L.
        labour: l, which is L.
        capital: K.
    """

    r: float
    w: float
    capital_per_labour: float
    consumption_per_labour: float
    labour: float
    capital: float


def complete_markets(calibration: Calibration) -> CompleteMarkets:
    """Solve the economy without risk and without taxes, in closed form.

    r = 1/β - 1, C/L = A (K/L)^α - δ K/L, and with c = (C/L) l the first-order condition
    χ l^γ = w c^(-θ) gives l = (w / (χ (C/L)^θ))^(1/(γ+θ)), or the bound it is beyond.

    Raises:
        SpecError: where there are taxes, for which this closed form does not hold.
    """
    reject([(calibration.taxes.is_zero, fault("taxes", calibration.taxes, "none here"))])
    preferences, technology = calibration.preferences, calibration.technology
    r = 1 / preferences.beta - 1
    capital = capital_per_labour(technology, r)
    pay = wage(technology, capital)
    consumption = output(technology, capital, 1.0) - technology.delta * capital
    wanted = pay / (preferences.chi * consumption**preferences.theta)
    lowest, highest = calibration.labour_bounds
    labour = min(max(wanted ** (1 / (preferences.gamma + preferences.theta)), lowest), highest)
    return CompleteMarkets(r, pay, capital, consumption, labour, capital * labour)
