"""The firm's parameters, its rules, and what follows from them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nthrun.environments.ghm.calibration import Calibration, Rules, check_calibration, check_rules
from nthrun.errors import SpecError


def test_the_default_firm_is_worth_nine_without_frictions_and_fetches_4_95() -> None:
    """The first best of the default firm is 9, liquidation fetches 4.95, and its cash drifts by α
    however much there is."""
    firm = Calibration()
    assert firm.first_best == pytest.approx(9)
    assert firm.recovery * firm.first_best == pytest.approx(4.95)
    np.testing.assert_allclose(firm.drift(np.array([0.0, 1.0, 2.0])), 0.18)
    assert replace(firm, lambda_=0.005).drift(2.0) == pytest.approx(0.18 + 0.015 * 2)


@given(
    sigma_a=st.floats(0, 2),
    sigma_x=st.floats(0, 2),
    rho=st.floats(-1, 1),
    cash=st.floats(0, 10),
)
def test_the_variance_is_the_polynomial(
    sigma_a: float, sigma_x: float, rho: float, cash: float
) -> None:
    """σ(c)² is σ_A² c² - 2 ρ σ_A σ_X c + σ_X², and is never below 0."""
    firm = Calibration(sigma_a=sigma_a, sigma_x=sigma_x, rho=rho)
    polynomial = sigma_a**2 * cash**2 - 2 * rho * sigma_a * sigma_x * cash + sigma_x**2
    assert firm.variance(cash) == pytest.approx(polynomial, rel=1e-9, abs=1e-11)
    assert firm.variance(cash) >= 0


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("alpha", 0.0, "alpha: got 0, allowed: above 0"),
        ("r", 0.01, "r: got 0.01, allowed: above mu, which is 0.01"),
        ("mu", 0.04, "r: got 0.03, allowed: above mu, which is 0.04"),
        ("lambda_", -0.1, "lambda_: got -0.1, allowed: 0 or more"),
        ("sigma_a", -0.25, "sigma_a: got -0.25, allowed: 0 or more"),
        ("sigma_x", -0.12, "sigma_x: got -0.12, allowed: 0 or more"),
        ("rho", 1.5, "rho: got 1.5, allowed: -1 to 1"),
        ("rho", -1.5, "rho: got -1.5, allowed: -1 to 1"),
        ("issuance_cost", 0.99, "issuance_cost: got 0.99, allowed: 1 or more"),
        ("fixed_cost", -0.002, "fixed_cost: got -0.002, allowed: 0 or more"),
        ("recovery", 1.1, "recovery: got 1.1, allowed: 0 to 1"),
        ("alpha", math.nan, "alpha: got nan, allowed: a finite number"),
        ("sigma_a", math.inf, "sigma_a: got inf, allowed: a finite number"),
    ],
)
def test_what_is_infeasible_is_refused_by_name(name: str, value: float, told: str) -> None:
    """One infeasible parameter gives one line, with its name, the number and what is allowed."""
    with pytest.raises(SpecError) as refused:
        check_calibration(replace(Calibration(), **{name: value}))
    (line,) = refused.value.lines()
    assert line.startswith(f"GHM calibration: {told}")


def test_all_faults_are_told_at_once() -> None:
    """Two infeasible parameters give two lines."""
    with pytest.raises(SpecError) as refused:
        check_calibration(Calibration(rho=2, issuance_cost=0.5))
    assert len(refused.value.lines()) == 2


@pytest.mark.parametrize(
    "firm",
    [
        Calibration(),
        Calibration(sigma_a=0, sigma_x=0, lambda_=0, fixed_cost=0, issuance_cost=1),
        Calibration(rho=1, recovery=1),
        Calibration(rho=-1, mu=-0.05, recovery=0),
    ],
)
def test_limits_are_allowed(firm: Calibration) -> None:
    """Every bound that is said to be allowed is."""
    check_calibration(firm)


def test_steps_issues_and_discounts_follow() -> None:
    """The default rules have 1,000 steps, a least issue of .025, and discount by r - μ."""
    rules = Rules()
    assert rules.num_steps == 1000
    assert rules.issuance_min == pytest.approx(0.025)
    assert rules.discount(Calibration()) == pytest.approx(math.exp(-0.02 * 0.01), rel=1e-15)


def test_a_rate_lasts_a_step_and_an_amount_is_moved_whole() -> None:
    """In one step a control of 1 moves dt as a rate and 1 as an amount."""
    assert Rules(dt=0.1).control_unit == 0.1
    assert Rules(dt=0.1, controls="impulse").control_unit == 1


@pytest.mark.parametrize("steps", [1, 3, 7, 49, 1000])
def test_any_whole_number_of_steps_is_allowed(steps: int) -> None:
    """The horizon over a whole number is an allowed dt, though it is rounded, and gives it back."""
    rules = Rules(dt=10 / steps)
    check_rules(rules)
    assert rules.num_steps == steps


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("horizon", 0.0, "horizon: got 0, allowed: above 0"),
        ("dt", -0.1, "dt: got -0.1, allowed: above 0"),
        ("dt", 0.3, "dt: got 0.3, allowed: the horizon, 10, over a whole number"),
        ("dt", 30.0, "dt: got 30, allowed: the horizon, 10, over a whole number"),
        ("dividend_max", -1.0, "dividend_max: got -1, allowed: 0 or more"),
        ("issuance_max", -1.0, "issuance_max: got -1, allowed: 0 or more"),
        ("issuance_min_share", 1.5, "issuance_min_share: got 1.5, allowed: 0 to 1"),
        ("terminal", "wealth", "terminal: got 'wealth', allowed: zero, cash, liquidation"),
        ("controls", "lump", "controls: got 'lump', allowed: rate, impulse"),
        ("liquidation_value", math.nan, "liquidation_value: got nan, allowed: a finite number"),
    ],
)
def test_infeasible_rules_are_refused_by_name(name: str, value: float, told: str) -> None:
    """One infeasible rule gives one line, with its name, the value and what is allowed."""
    with pytest.raises(SpecError) as refused:
        check_rules(replace(Rules(), **{name: value}))
    (line,) = refused.value.lines()
    assert line == f"GHM rules: {told}"
