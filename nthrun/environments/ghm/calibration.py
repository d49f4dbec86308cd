"""The firm's technology, its costs of finance, and the rules by which it is simulated.

Décamps, Gryglewicz, Morellec & Villeneuve (2017), "Corporate Policies with Permanent and Transitory
Shocks", Review of Financial Studies 30(1). Productivity A and the cash flow of the firm follow

    dA = μ A dt + σ_A A dW^A,    A (α dt + σ_X dW^X),    corr(dW^A, dW^X) = ρ.

Cash earns r - λ. One unit of new cash costs shareholders p, and A φ more each time they are asked.
A firm that is closed down fetches the share ω of what it would be worth without frictions. All is
proportional to A, so cash and values are per unit of productivity here: c = M / A, V = A F(c).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nthrun.errors import Fault, SpecError

Floats = NDArray[np.float64]
Cash = TypeVar("Cash", float, Floats)
WHERE = "GHM calibration"
RULES_WHERE = "GHM rules"
TERMINALS = ("zero", "cash", "liquidation")
CONTROLS = ("rate", "impulse")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Parameters of one firm; rates and volatilities are per year.

    Attributes:
        alpha: α > 0, mean cash flow per unit of productivity.
        mu: μ < r, growth of productivity.
        r: interest rate.
        lambda_: λ ≥ 0, carry cost of cash: what it earns less than r.
        sigma_a: σ_A ≥ 0, volatility of the lasting shock, to productivity.
        sigma_x: σ_X ≥ 0, volatility of the passing shock, to the cash flow.
        rho: ρ in [-1, 1], correlation of the two.
        issuance_cost: p ≥ 1, what shareholders pay for one unit of new cash.
        fixed_cost: φ ≥ 0, cost of asking them at all.
        recovery: ω in [0, 1], share of the first best that liquidation recovers.
    """

    alpha: float = 0.18
    mu: float = 0.01
    r: float = 0.03
    lambda_: float = 0.02
    sigma_a: float = 0.25
    sigma_x: float = 0.12
    rho: float = -0.2
    issuance_cost: float = 1.06
    fixed_cost: float = 0.002
    recovery: float = 0.55

    @property
    def discount_rate(self) -> float:
        """r - μ, the rate at which values per unit of productivity are discounted."""
        return self.r - self.mu

    @property
    def cash_growth(self) -> float:
        """r - λ - μ, the growth of scaled cash beside the cash flow."""
        return self.r - self.lambda_ - self.mu

    @property
    def first_best(self) -> float:
        """α / (r - μ), the value of a firm without frictions."""
        return self.alpha / self.discount_rate

    def drift(self, cash: Cash) -> Cash:
        """α + (r - λ - μ) c, the drift of scaled cash before any control, per year."""
        return self.alpha + self.cash_growth * cash

    def variance(self, cash: Cash) -> Cash:
        """σ(c)² = σ_A² c² - 2 ρ σ_A σ_X c + σ_X², of scaled cash, per year."""
        # a sum of squares, rather than the polynomial, cannot fall below zero by rounding
        related = self.sigma_a * cash - self.rho * self.sigma_x
        return related * related + (1 - self.rho**2) * self.sigma_x**2


def check_calibration(calibration: Calibration) -> None:
    """Raises SpecError with one fault per parameter that is not a number or out of range."""
    faults = list(_not_numbers(WHERE, calibration)) or list(_out_of_range(calibration))
    if faults:
        raise SpecError(faults)


def _not_numbers(where: str, parameters: Calibration | Rules) -> Iterator[Fault]:
    for field in fields(parameters):
        value = getattr(parameters, field.name)
        if not isinstance(value, str) and not math.isfinite(value):
            yield Fault(where, field.name, f"got {value}, allowed: a finite number")


def _out_of_range(calibration: Calibration) -> Iterator[Fault]:
    if calibration.alpha <= 0:
        yield Fault(WHERE, "alpha", f"got {calibration.alpha:g}, allowed: above 0")
    if calibration.r <= calibration.mu:
        problem = f"got {calibration.r:g}, allowed: above mu, which is {calibration.mu:g}"
        yield Fault(WHERE, "r", problem, "with r <= mu the firm is worth infinitely much")
    for name in ("lambda_", "sigma_a", "sigma_x", "fixed_cost"):
        value = getattr(calibration, name)
        if value < 0:
            yield Fault(WHERE, name, f"got {value:g}, allowed: 0 or more")
    if abs(calibration.rho) > 1:
        yield Fault(WHERE, "rho", f"got {calibration.rho:g}, allowed: -1 to 1")
    if calibration.issuance_cost < 1:
        problem = f"got {calibration.issuance_cost:g}, allowed: 1 or more"
        hint = "below 1, issuing and paying out at once is profit without end"
        yield Fault(WHERE, "issuance_cost", problem, hint)
    if not 0 <= calibration.recovery <= 1:
        yield Fault(WHERE, "recovery", f"got {calibration.recovery:g}, allowed: 0 to 1")


@dataclass(frozen=True, slots=True)
class Rules:
    """Time, bounds and payments of the simulated firm.

    Controls of "rate" are per year: in a step of dt years the firm pays dividends a_L dt, at most
    its cash, and raises a_E dt:

        c' = c + (α + (r - λ - μ) c - a_L + a_E / p - φ 1[a_E > 0]) dt + σ(c) √dt ε,

    with one standard normal ε and with drift and volatility at the cash before the controls. Its
    reward is (a_L - a_E) dt, discounted by exp(-(r - μ) t). It is bankrupt when c' <= 0.

    Controls of "impulse" are amounts, paid and raised at once when a step begins; the rest of the
    step acts on the cash y that they leave, and the reward is a_L - a_E:

        y = c - a_L + a_E / p - φ 1[a_E > 0],    c' = y + (α + (r - λ - μ) y) dt + σ(y) √dt ε.

    Attributes:
        horizon: years until the end, a whole number of steps.
        dt: years a step.
        dividend_max: a_L lies in [0, dividend_max].
        issuance_max: a_E is 0 or lies in [issuance_min_share × issuance_max, issuance_max].
        issuance_min_share: in [0, 1].
        terminal: paid at the horizon: nothing ("zero"), the cash ("cash") or the liquidation value
            ("liquidation").
        liquidation_value: paid at bankruptcy.
        controls: whether a_L and a_E are rates per year ("rate") or amounts a step ("impulse").
    """

    horizon: float = 10.0
    dt: float = 0.01
    dividend_max: float = 10.0
    issuance_max: float = 0.5
    issuance_min_share: float = 0.05
    terminal: str = "cash"
    liquidation_value: float = 0.0
    controls: str = "rate"

    @property
    def lump_sums(self) -> bool:
        """Whether controls are amounts rather than rates."""
        return self.controls == "impulse"

    @property
    def control_unit(self) -> float:
        """What a control of 1 moves in one step: dt as a rate, 1 as an amount."""
        return 1.0 if self.lump_sums else self.dt

    @property
    def num_steps(self) -> int:
        """Steps from the start to the horizon."""
        return round(self.horizon / self.dt)

    @property
    def issuance_min(self) -> float:
        """The least rate or amount at which equity is issued, if it is."""
        return self.issuance_min_share * self.issuance_max

    def discount(self, calibration: Calibration) -> float:
        """exp(-(r - μ) dt), of one step."""
        return math.exp(-calibration.discount_rate * self.dt)


def check_rules(rules: Rules) -> None:
    """Raises SpecError with one fault per rule that is not a number or out of range."""
    faults = list(_not_numbers(RULES_WHERE, rules)) or list(_rules_out_of_range(rules))
    if faults:
        raise SpecError(faults)


def _rules_out_of_range(rules: Rules) -> Iterator[Fault]:
    for name, choices in (("terminal", TERMINALS), ("controls", CONTROLS)):
        if getattr(rules, name) not in choices:
            problem = f"got {getattr(rules, name)!r}, allowed: {', '.join(choices)}"
            yield Fault(RULES_WHERE, name, problem)
    for name in ("horizon", "dt"):
        if getattr(rules, name) <= 0:
            yield Fault(RULES_WHERE, name, f"got {getattr(rules, name):g}, allowed: above 0")
    for name in ("dividend_max", "issuance_max"):
        if getattr(rules, name) < 0:
            yield Fault(RULES_WHERE, name, f"got {getattr(rules, name):g}, allowed: 0 or more")
    if not 0 <= rules.issuance_min_share <= 1:
        problem = f"got {rules.issuance_min_share:g}, allowed: 0 to 1"
        yield Fault(RULES_WHERE, "issuance_min_share", problem)
    if rules.horizon > 0 and rules.dt > 0 and not _divides(rules.dt, rules.horizon):
        problem = f"got {rules.dt:g}, allowed: the horizon, {rules.horizon:g}, over a whole number"
        yield Fault(RULES_WHERE, "dt", problem)


def _divides(dt: float, horizon: float) -> bool:
    return math.isclose(round(horizon / dt) * dt, horizon, rel_tol=1e-9)
