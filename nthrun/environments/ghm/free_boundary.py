"""The firm's best policy in continuous time without end: a free-boundary problem.

Décamps, Gryglewicz, Morellec & Villeneuve (2017). Per unit of productivity, the value of a firm
with cash c in (0, C) solves

    (r - μ) F = [α + (r - λ - μ) c] F' + ½ σ(c)² F'',    F'(C) = 1,    F''(C) = 0,

so F(C) = [α + (r - λ - μ) C] / (r - μ). Cash above C is paid out at once: F(c) = F(C) + c - C.
Without cash the firm is closed down, F(0) = liquidation value, or goes to its shareholders for c*,

    F(0) = F(c*) - p (c* + φ),    F'(c*) = p.

Given C, the equation is integrated down from C to 0; C is where the condition at 0 holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from nthrun.environments.ghm.calibration import Calibration, Floats, check_calibration
from nthrun.errors import Fault, SpecError

WHERE = "GHM free boundary"
RELATIVE, ABSOLUTE = 1e-12, 1e-13
NUM_HALVINGS, NUM_ENLARGEMENTS = 40, 60


@dataclass(frozen=True, slots=True)
class FreeBoundary:
    """The value of the firm and its best policy, per unit of productivity.

    Attributes:
        payout_boundary: C; cash above it is paid out.
        refinancing_target: c*, up to which equity is issued when cash runs out; None where the firm
            is closed down instead.
        path: c in [0, C] -> F and F', shape (2, …), of the equation on (0, C).
    """

    payout_boundary: float
    refinancing_target: float | None
    path: Callable[[Floats], Floats]

    @property
    def value_at_zero(self) -> float:
        """F(0)."""
        return float(self.value(0.0))

    def value(self, cash: ArrayLike) -> Floats:
        """F at c >= 0, of the shape of `cash`."""
        inside, paid = self._split(cash)
        return np.asarray(self._solution(inside)[0] + paid)

    def slope(self, cash: ArrayLike) -> Floats:
        """F' at c >= 0, of the shape of `cash`; 1 above C."""
        inside, paid = self._split(cash)
        return np.where(paid > 0, 1.0, self._solution(inside)[1])

    def _split(self, cash: ArrayLike) -> tuple[Floats, Floats]:
        """Cash up to C, and what is paid out at once."""
        levels = np.asarray(cash, dtype=np.float64)
        inside = np.clip(levels, 0, self.payout_boundary)
        return inside, np.maximum(levels - self.payout_boundary, 0)

    def _solution(self, inside: Floats) -> Floats:
        return self.path(inside.ravel()).reshape(2, *inside.shape)


def solve(
    calibration: Calibration, liquidation_value: float = 0.0, refinancing: bool = False
) -> FreeBoundary:
    """The optimum of a firm that without cash is closed down or, if it may, refinanced.

    Args:
        calibration: the firm.
        liquidation_value: F(0) of a firm that is closed down, below the first best.
        refinancing: whether equity can be issued; it is where that is worth more than liquidation.

    Raises:
        SpecError: the calibration is infeasible or has no payout boundary above 0.
    """
    check_calibration(calibration)
    _check_regular(calibration)
    if refinancing:
        refinanced = _refinanced(calibration)
        if refinanced.value_at_zero >= liquidation_value:
            return refinanced
    return _liquidated(calibration, liquidation_value)


def _check_regular(calibration: Calibration) -> None:
    """Refuses what has no payout boundary, or an equation that is singular on the way to it."""
    if calibration.sigma_x == 0:
        raise _fault("sigma_x", "got 0, allowed: above 0")
    if calibration.lambda_ == 0:
        hint = "where cash costs nothing to carry, it is never paid out"
        raise _fault("lambda_", "got 0, allowed: above 0", hint)
    if calibration.rho == 1 and calibration.sigma_a > 0:
        riskless = calibration.sigma_x / calibration.sigma_a
        problem = f"got 1, allowed: below 1 where sigma_a is above 0, {calibration.sigma_a:g}"
        raise _fault("rho", problem, f"cash of {riskless:g} would bear no risk at all")


def _liquidated(calibration: Calibration, liquidation_value: float) -> FreeBoundary:
    first_best = calibration.first_best
    if not liquidation_value < first_best:
        problem = f"got {liquidation_value:g}, allowed: below the first best, {first_best:g}"
        raise _fault("liquidation_value", problem, "such a firm is closed down at once")

    def shortfall(boundary: float) -> float:
        return liquidation_value - float(_integrate(calibration, boundary)(np.zeros(1))[0, 0])

    boundary = _root(calibration, shortfall, f"F(0) = {liquidation_value:g}")
    return FreeBoundary(boundary, None, _integrate(calibration, boundary))


def _refinanced(calibration: Calibration) -> FreeBoundary:
    cost, fixed = calibration.issuance_cost, calibration.fixed_cost
    if cost == 1 and fixed == 0:
        problem = "got 1 with a fixed_cost of 0, allowed: above 1, or a fixed_cost above 0"
        raise _fault("issuance_cost", problem, "where equity costs nothing, no cash is held")

    def gain(boundary: float) -> float:
        """What shareholders gain by refinancing; by its margin where there is no fixed cost."""
        path = _integrate(calibration, boundary)
        bottom = path(np.zeros(1))[:, 0]
        if fixed == 0:
            return float(bottom[1] - cost)
        target = _target(path, boundary, cost)
        return float(path(np.array([target]))[0, 0] - cost * (target + fixed) - bottom[0])

    boundary = _root(calibration, gain, "F(0) = F(c*) - p (c* + φ)")
    path = _integrate(calibration, boundary)
    return FreeBoundary(boundary, _target(path, boundary, cost), path)


def _target(path: Callable[[Floats], Floats], boundary: float, cost: float) -> float:
    """c* with F'(c*) = p; 0 where F' is nowhere as high, for F' falls with cash."""

    def excess(cash: float) -> float:
        return float(path(np.array([cash]))[1, 0] - cost)

    if excess(0.0) <= 0:
        return 0.0
    if excess(boundary) >= 0:
        return boundary
    return float(brentq(excess, 0.0, boundary, xtol=1e-14, rtol=1e-13))


def _integrate(calibration: Calibration, boundary: float) -> Callable[[Floats], Floats]:
    """F and F' on [0, C] for a given C, as one function of shape (2, cash)."""

    def derivative(cash: float, state: Floats) -> Floats:
        value, slope = state
        carried = calibration.discount_rate * value - calibration.drift(cash) * slope
        return np.array([slope, 2 * carried / calibration.variance(cash)])

    top = float(calibration.drift(boundary)) / calibration.discount_rate
    # where the variance all but vanishes F overflows, which the solver reports as its failure
    with np.errstate(all="ignore"):
        solution = solve_ivp(
            derivative,
            (boundary, 0.0),
            (top, 1.0),
            method="DOP853",
            rtol=RELATIVE,
            atol=ABSOLUTE,
            dense_output=True,
        )
    if not solution.success:
        problem = f"cannot be integrated below c = {solution.t[-1]:g} from C = {boundary:g}"
        raise _fault("F", problem)
    path: Callable[[Floats], Floats] = solution.sol
    return path


def _root(calibration: Calibration, function: Callable[[float], float], condition: str) -> float:
    """The C where a function that is negative near 0 and rises with C is 0."""
    low = high = calibration.sigma_x / 16
    for _ in range(NUM_HALVINGS):
        if function(low) < 0:
            break
        low, high = low / 2, low
    for _ in range(NUM_ENLARGEMENTS):
        if function(high) > 0 > function(low):
            return float(brentq(function, low, high, xtol=1e-14, rtol=1e-13))
        low, high = high, 1.5 * high
    raise _fault("C", f"no payout boundary up to {high:g} at which {condition}")


def _fault(key: str, problem: str, hint: str = "") -> SpecError:
    return SpecError([Fault(WHERE, key, problem, hint)])
