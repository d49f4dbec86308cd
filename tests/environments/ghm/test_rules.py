"""The rules of the simulated firm."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from nthrun.environments.ghm.calibration import Calibration
from nthrun.environments.ghm.rules import Rules, check_rules
from nthrun.errors import SpecError


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
def test_what_is_infeasible_is_refused_by_name(name: str, value: float, told: str) -> None:
    """One infeasible rule gives one line, with its name, the value and what is allowed."""
    with pytest.raises(SpecError) as refused:
        check_rules(replace(Rules(), **{name: value}))
    (line,) = refused.value.lines()
    assert line == f"GHM rules: {told}"
