"""The free boundary, against a closed form, its equation and numbers found independently."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from nthrun.environments.ghm.calibration import Calibration
from nthrun.environments.ghm.free_boundary import FreeBoundary, solve
from nthrun.errors import SpecError

CASH = (0.1, 0.25, 0.5)
FIRM = Calibration()
OTHER = Calibration(
    alpha=0.3, mu=-0.02, r=0.05, lambda_=0.01, sigma_a=0.4, sigma_x=0.2, rho=0.6, issuance_cost=1.2
)
firms = pytest.mark.parametrize("firm", [FIRM, OTHER, replace(OTHER, fixed_cost=0.05, rho=-1)])


@pytest.mark.parametrize(
    ("liquidation_value", "boundary", "slope", "values"),
    [
        (0.0, 0.626081, 201.72, (7.584637, 8.569868, 8.873476)),
        (4.95, 0.541565, 85.28, (8.191100, 8.688633, 8.958421)),
    ],
)
def test_liquidated_firms_have_the_known_boundaries(
    liquidation_value: float, boundary: float, slope: float, values: tuple[float, ...]
) -> None:
    """C, F'(0) and F at three levels of cash are those of another solver, to its last digit."""
    found = solve(FIRM, liquidation_value)
    assert found.payout_boundary == pytest.approx(boundary, abs=1e-6)
    assert found.refinancing_target is None
    assert found.value_at_zero == pytest.approx(liquidation_value, abs=1e-10)
    assert found.slope(0.0) == pytest.approx(slope, abs=0.006)
    np.testing.assert_allclose(found.value(CASH), values, atol=1e-6)


@pytest.mark.parametrize("liquidation_value", [0.0, 4.95])
def test_refinanced_firms_have_the_known_boundary(liquidation_value: float) -> None:
    """C, c*, F(0), F'(0) and F are those of another solver, and liquidation at 4.95 is no option,
    for refinancing is worth more."""
    found = solve(FIRM, liquidation_value, refinancing=True)
    assert found.payout_boundary == pytest.approx(0.162980, abs=1e-6)
    assert found.refinancing_target == pytest.approx(0.040224, abs=1e-6)
    assert found.value_at_zero == pytest.approx(8.830733, abs=1e-6)
    assert found.slope(0.0) == pytest.approx(1.18771, abs=1e-5)
    np.testing.assert_allclose(found.value(CASH), (8.936879, 9.087020, 9.337020), atol=1e-6)


@pytest.mark.parametrize(
    ("alpha", "r", "sigma"),
    [(0.18, 0.03, 0.12), (0.1, 0.05, 0.3), (0.5, 0.02, 0.12), (0.02, 0.04, 0.05), (0.18, 0.2, 0.5)],
)
def test_without_lasting_shocks_the_boundary_has_a_closed_form(
    alpha: float, r: float, sigma: float
) -> None:
    """With σ_A = μ = 0 and λ = r, C = 2 / (b₁ - b₂) ln(-b₂ / b₁) with b the roots of
    ½ σ² b² + α b - r = 0 (Jeanblanc & Shiryaev 1995), to 1e-8."""
    firm = replace(FIRM, alpha=alpha, r=r, sigma_x=sigma, sigma_a=0.0, mu=0.0, lambda_=r)
    first, second = np.sort(np.roots([sigma**2 / 2, alpha, -r]))[::-1]
    boundary = 2 / (first - second) * math.log(-second / first)
    assert solve(firm).payout_boundary == pytest.approx(boundary, abs=1e-8)


def test_the_closed_form_of_the_default_firm() -> None:
    """With σ_A = μ = 0 and λ = r the default firm pays out above .3966530669."""
    firm = replace(FIRM, sigma_a=0.0, mu=0.0, lambda_=0.03)
    assert solve(firm).payout_boundary == pytest.approx(0.3966530669, abs=1e-10)


def residual(firm: Calibration, found: FreeBoundary, cash: np.ndarray) -> np.ndarray:
    """The two sides' difference in the equation on (0, C), F'' by central differences of F'."""
    step = 1e-5
    curvature = (found.slope(cash + step) - found.slope(cash - step)) / (2 * step)
    carried = firm.drift(cash) * found.slope(cash) + firm.variance(cash) * curvature / 2
    return firm.discount_rate * found.value(cash) - carried


@firms
@pytest.mark.parametrize("refinancing", [False, True])
def test_solutions_solve_the_equation(firm: Calibration, refinancing: bool) -> None:
    """Inside, the equation holds; F' is the slope of F; at C, F' = 1 and F'' = 0."""
    found = solve(firm, 0.5, refinancing)
    top = found.payout_boundary
    cash = np.linspace(0.01, 0.99, 50) * top
    np.testing.assert_allclose(residual(firm, found, cash), 0, atol=1e-5)
    rises = (found.value(cash + 1e-6) - found.value(cash - 1e-6)) / 2e-6
    np.testing.assert_allclose(rises, found.slope(cash), rtol=1e-6)
    assert (np.diff(found.slope(cash)) < 0).all()
    assert found.slope(top) == pytest.approx(1, abs=1e-10)
    assert found.value(top) == pytest.approx(float(firm.drift(top)) / firm.discount_rate)
    assert found.value(top + 2) == pytest.approx(float(found.value(top)) + 2)
    assert found.slope(top + 2) == 1


@firms
def test_refinancing_goes_to_the_best_target(firm: Calibration) -> None:
    """F(0) is the most that F(c) - p (c + φ) can be, and c* is where it is."""
    found = solve(firm, refinancing=True)
    cash = np.linspace(0, found.payout_boundary, 100_001)
    net = found.value(cash) - firm.issuance_cost * (cash + firm.fixed_cost)
    assert found.value_at_zero == pytest.approx(net.max(), abs=1e-9)
    assert found.refinancing_target == pytest.approx(cash[net.argmax()], abs=1e-4)


def test_costless_issues_leave_one_number() -> None:
    """Without a fixed cost F'(0) = p and c* = 0, as the limit of small costs; with p = 1 firms are
    refilled to C."""
    reflected = solve(replace(FIRM, fixed_cost=0.0), refinancing=True)
    assert reflected.slope(0.0) == pytest.approx(1.06, abs=1e-9)
    assert reflected.refinancing_target == pytest.approx(0, abs=1e-9)
    nearly = solve(replace(FIRM, fixed_cost=1e-10), refinancing=True)
    assert nearly.payout_boundary == pytest.approx(reflected.payout_boundary, abs=1e-4)
    refilled = solve(replace(FIRM, issuance_cost=1.0), refinancing=True)
    assert refilled.refinancing_target == refilled.payout_boundary


def test_dear_equity_is_not_issued() -> None:
    """A firm whose refinancing is worth less than liquidation is liquidated."""
    firm = replace(FIRM, issuance_cost=3.0, fixed_cost=3.0)
    assert solve(firm, refinancing=True).payout_boundary == solve(firm).payout_boundary
    assert solve(FIRM, 8.9, refinancing=True).refinancing_target is None


@pytest.mark.parametrize(
    ("changes", "liquidation_value", "told"),
    [
        ({}, 9.5, "liquidation_value: got 9.5, allowed: below the first best, 9"),
        ({"lambda_": 0.0}, 0.0, "lambda_: got 0, allowed: above 0"),
        ({"sigma_x": 0.0}, 0.0, "sigma_x: got 0, allowed: above 0"),
        ({"rho": 1.0}, 0.0, "rho: got 1, allowed: below 1 where sigma_a is above 0, 0.25"),
        ({"fixed_cost": 0.0, "issuance_cost": 1.0}, 0.0, "issuance_cost: got 1 with a fixed_cost"),
        ({"rho": 2.0}, 0.0, "rho: got 2, allowed: -1 to 1"),
    ],
)
def test_what_has_no_boundary_is_refused(
    changes: dict[str, float], liquidation_value: float, told: str
) -> None:
    """A firm without a payout boundary gives one line with the number and what is allowed."""
    with pytest.raises(SpecError, match=told) as refused:
        solve(replace(FIRM, **changes), liquidation_value, refinancing=True)
    assert len(refused.value.lines()) == 1
