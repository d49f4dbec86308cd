"""The rules of the simulated firm: time, bounds of its controls, and what is paid at the end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

from nthrun.environments.ghm.calibration import Calibration
from nthrun.errors import Fault, SpecError

WHERE = "GHM rules"
TERMINALS = ("zero", "cash", "liquidation")
CONTROLS = ("rate", "impulse")


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
    faults = list(_not_numbers(rules)) or list(_out_of_range(rules))
    if faults:
        raise SpecError(faults)


def _not_numbers(rules: Rules) -> Iterator[Fault]:
    for field in fields(rules):
        value = getattr(rules, field.name)
        if not isinstance(value, str) and not math.isfinite(value):
            yield Fault(WHERE, field.name, f"got {value}, allowed: a finite number")


def _out_of_range(rules: Rules) -> Iterator[Fault]:
    for name, choices in (("terminal", TERMINALS), ("controls", CONTROLS)):
        if getattr(rules, name) not in choices:
            problem = f"got {getattr(rules, name)!r}, allowed: {', '.join(choices)}"
            yield Fault(WHERE, name, problem)
    for name in ("horizon", "dt"):
        if getattr(rules, name) <= 0:
            yield Fault(WHERE, name, f"got {getattr(rules, name):g}, allowed: above 0")
    for name in ("dividend_max", "issuance_max"):
        if getattr(rules, name) < 0:
            yield Fault(WHERE, name, f"got {getattr(rules, name):g}, allowed: 0 or more")
    if not 0 <= rules.issuance_min_share <= 1:
        problem = f"got {rules.issuance_min_share:g}, allowed: 0 to 1"
        yield Fault(WHERE, "issuance_min_share", problem)
    if rules.horizon > 0 and rules.dt > 0 and not _divides(rules.dt, rules.horizon):
        problem = f"got {rules.dt:g}, allowed: the horizon, {rules.horizon:g}, over a whole number"
        yield Fault(WHERE, "dt", problem)


def _divides(dt: float, horizon: float) -> bool:
    return math.isclose(round(horizon / dt) * dt, horizon, rel_tol=1e-9)
