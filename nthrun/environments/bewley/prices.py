"""Prices: what firms pay for capital and labour, and the economy in which all risk is shared.

Firms with Y = A K^α L^(1-α) pay r = α A (K/L)^(α-1) - δ and w = (1 - α) A (K/L)^α.
"""

from __future__ import annotations

from dataclasses import dataclass

from nthrun.environments.bewley.calibration import Calibration, Technology
from nthrun.environments.bewley.faults import fault, reject


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
