"""What calibrations are refused; taxes, prices and complete markets against their equations."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan

import numpy as np
import pytest

from nthrun.environments.bewley.calibration import (
    INELASTIC,
    UNBOUNDED,
    AbilityProcess,
    Calibration,
    Preferences,
    Superstar,
    Taxes,
    TaxSchedule,
    Technology,
    capital_per_labour,
    complete_markets,
    interest_rate,
    output,
    wage,
)
from nthrun.errors import SpecError

REFUSED = [
    (Preferences, "beta", 1.0, "β: is 1.0, allowed is (0, 1)"),
    (Preferences, "beta", nan, "β: is nan"),
    (Preferences, "theta", 0.0, "θ: is 0.0, allowed is (0, ∞)"),
    (Preferences, "gamma", -1.0, "γ: is -1.0"),
    (Preferences, "chi", inf, "χ: is inf"),
    (Technology, "alpha", 1.0, "α: is 1.0, allowed is (0, 1)"),
    (Technology, "alpha", 0.0, "α: is 0.0"),
    (Technology, "delta", 1.1, "δ: is 1.1, allowed is [0, 1]"),
    (Technology, "delta", -0.1, "δ: is -0.1"),
    (Technology, "productivity", 0.0, "A: is 0.0"),
    (AbilityProcess, "rho", -1.0, "ρ: is -1.0, allowed is (-1, 1)"),
    (AbilityProcess, "rho", nan, "ρ: is nan"),
    (AbilityProcess, "sigma", 0.0, "σ: is 0.0"),
    (AbilityProcess, "bound", 0.0, "ability bound: is 0.0"),
    (Superstar, "enter", 1.0, "superstar p: is 1.0, allowed is [0, 1)"),
    (Superstar, "stay", 1.0, "superstar q: is 1.0"),
    (Superstar, "factor", 0.0, "superstar factor: is 0.0"),
]
BASES = np.array([0.25, 1.0, 4.0])
TECHNOLOGY = Technology(alpha=0.36, delta=0.08, productivity=1.3)


@pytest.mark.parametrize(("kind", "name", "value", "message"), REFUSED)
def test_coefficients_out_of_range_are_refused(
    kind: Callable[..., object], name: str, value: float, message: str
) -> None:
    """A coefficient out of its range is refused in one line with its symbol, value and range."""
    with pytest.raises(SpecError) as caught:
        kind(**{name: value})
    assert len(caught.value.lines()) == 1
    assert message in str(caught.value)


@pytest.mark.parametrize("bounds", [(0.6, 0.5), (-0.1, 1.0), (0.0, 0.0), (nan, 1.0), (inf, inf)])
def test_empty_labour_bounds_are_refused(bounds: tuple[float, float]) -> None:
    """Bounds between which there is no labour, or none but 0, are refused."""
    with pytest.raises(SpecError, match="labour bounds"):
        Calibration(labour_bounds=bounds)


def test_unbounded_and_fixed_labour_are_accepted() -> None:
    """Labour without bounds, and labour that is always 1, are calibrations."""
    assert Calibration(labour_bounds=UNBOUNDED).labour_bounds[1] == inf
    assert Calibration(labour_bounds=INELASTIC).labour_bounds == (1.0, 1.0)


def test_all_faults_come_at_once() -> None:
    """Two coefficients out of range are two faults of one error."""
    with pytest.raises(SpecError) as caught:
        Technology(alpha=2.0, delta=2.0)
    assert len(caught.value.lines()) == 2


def test_limit_of_the_return_is_after_taxes() -> None:
    """At the limit of the interest rate β times the after-tax return is 1."""
    taxes = Taxes(TaxSchedule(0.2), TaxSchedule(0.01))
    limit = Calibration(taxes=taxes).proportional_return_limit
    assert 0.96 * (1 - 0.01 + (1 - 0.2) * limit) == pytest.approx(1.0, abs=1e-15)
    assert Calibration().proportional_return_limit == pytest.approx(1 / 0.96 - 1, abs=1e-15)


def test_no_tax_is_nothing() -> None:
    """Without rate and elasticity all of any base is kept, 0 and negative ones included."""
    bases = np.array([-1.0, 0.0, 3.0])
    assert (TaxSchedule().kept(bases) == bases).all()
    assert (TaxSchedule().kept_at_margin(bases) == 1).all()
    assert Taxes().is_zero


def test_progressive_tax_by_hand() -> None:
    """τ = 0.2, ξ = 0.5 keeps 1.6 √x of x, and 0.8 / √x of the last unit."""
    schedule = TaxSchedule(0.2, 0.5)
    np.testing.assert_allclose(schedule.kept(BASES), [0.8, 1.6, 3.2], rtol=1e-15)
    np.testing.assert_allclose(schedule.kept_at_margin(BASES), [1.6, 0.8, 0.4], rtol=1e-15)
    np.testing.assert_allclose(schedule.tax(BASES), [-0.55, -0.6, 0.8], rtol=1e-14)


def test_nothing_is_kept_of_a_loss() -> None:
    """Of a negative base a progressive schedule keeps nothing."""
    assert (TaxSchedule(0.2, 0.5).kept(np.array([-1.0, -1e-9, 0.0])) == 0).all()


@pytest.mark.parametrize("schedule", [TaxSchedule(0.2), TaxSchedule(0.1, 0.05)])
def test_margin_is_the_slope(schedule: TaxSchedule) -> None:
    """What is kept at the margin is the slope of what is kept."""
    step = 1e-6
    slope = (schedule.kept(BASES + step) - schedule.kept(BASES - step)) / (2 * step)
    np.testing.assert_allclose(schedule.kept_at_margin(BASES), slope, rtol=1e-8)


def test_a_hidden_transfer_is_refused() -> None:
    """τ = 0 with ξ > 0, which pays poor households, is refused, and the way out is said."""
    with pytest.raises(SpecError, match=r"ξ: is 0\.5, allowed is 0 where .* set ξ = 0"):
        TaxSchedule(0.0, 0.5)


@pytest.mark.parametrize(
    ("rate", "elasticity"),
    [(-0.1, 0.0), (1.0, 0.0), (0.2, 1.0), (0.2, -0.1), (float("nan"), 0.0), (0.2, float("nan"))],
)
def test_rates_out_of_range_are_refused(rate: float, elasticity: float) -> None:
    """Rates and elasticities outside [0, 1) are refused."""
    with pytest.raises(SpecError, match=r"allowed is \[0, 1\)"):
        TaxSchedule(rate, elasticity)


@pytest.mark.parametrize("rate", [-0.01, float("inf"), float("nan")])
def test_consumption_rate_out_of_range_is_refused(rate: float) -> None:
    """A consumption tax below 0 or not finite is refused."""
    with pytest.raises(SpecError, match="τ_c"):
        Taxes(consumption_rate=rate)


def test_prices_by_hand() -> None:
    """With α = 1/2, A = 2 and K/L = 4 capital earns 1/2 less δ, and labour 2."""
    technology = Technology(alpha=0.5, delta=0.1, productivity=2.0)
    assert interest_rate(technology, 4.0) == pytest.approx(0.4, rel=1e-15)
    assert wage(technology, 4.0) == pytest.approx(2.0, rel=1e-15)


@pytest.mark.parametrize("r", [-0.07, 0.0, 0.03, 0.5])
def test_capital_inverts_the_interest_rate(r: float) -> None:
    """The capital that firms want at r pays r."""
    assert interest_rate(TECHNOLOGY, capital_per_labour(TECHNOLOGY, r)) == pytest.approx(r)


def test_prices_share_out_all_output() -> None:
    """Capital and labour earn all of output between them."""
    capital, labour = 5.0, 0.8
    rental = interest_rate(TECHNOLOGY, capital / labour) + TECHNOLOGY.delta
    paid = rental * capital + wage(TECHNOLOGY, capital / labour) * labour
    assert paid == pytest.approx(output(TECHNOLOGY, capital, labour), rel=1e-14)


def test_no_capital_pays_less_than_depreciation() -> None:
    """An interest rate of -δ is refused with both numbers."""
    with pytest.raises(SpecError, match=r"is -0\.08, allowed is above -δ = -0\.08"):
        capital_per_labour(TECHNOLOGY, -0.08)


@pytest.mark.parametrize(
    ("beta", "r", "w", "capital", "labour"),
    [(0.96, 0.041667, 1.19654, 5.79678, 0.94055), (0.975, 0.025641, 1.30202, 7.48818, 0.95518)],
)
def test_complete_markets_of_the_default(
    beta: float, r: float, w: float, capital: float, labour: float
) -> None:
    """Complete markets give every digit of independently computed r, w, K/L and l."""
    found = complete_markets(Calibration(Preferences(beta=beta)))
    assert found.r == pytest.approx(r, abs=5e-7)
    assert found.w == pytest.approx(w, abs=5e-6)
    assert found.capital_per_labour == pytest.approx(capital, abs=5e-6)
    assert found.labour == pytest.approx(labour, abs=5e-6)


def test_complete_markets_consumption_and_capital() -> None:
    """At β = 0.96 C/L is 1.43807 and K is 5.4522."""
    found = complete_markets(Calibration())
    assert found.consumption_per_labour == pytest.approx(1.43807, abs=5e-6)
    assert found.capital == pytest.approx(5.4522, abs=5e-5)


def test_complete_markets_hold_their_conditions() -> None:
    """With any θ, γ and χ labour is best for consumption, which is what is left of output."""
    preferences = Preferences(beta=0.95, theta=2.5, gamma=0.7, chi=3.0)
    found = complete_markets(Calibration(preferences, TECHNOLOGY))
    consumption = output(TECHNOLOGY, found.capital, found.labour) - 0.08 * found.capital
    assert found.consumption_per_labour * found.labour == pytest.approx(consumption, rel=1e-13)
    assert 3.0 * found.labour**0.7 == pytest.approx(found.w * consumption**-2.5, rel=1e-13)
    assert 0.95 * (1 + found.r) == pytest.approx(1.0, rel=1e-14)
    assert found.w == wage(TECHNOLOGY, found.capital_per_labour)


def test_complete_markets_keep_the_bounds_of_labour() -> None:
    """Labour that would be 0.94 is 0.5 where that is the highest."""
    found = complete_markets(Calibration(labour_bounds=(0.1, 0.5)))
    assert found.labour == 0.5
    assert found.capital == found.capital_per_labour * 0.5


def test_complete_markets_refuse_taxes() -> None:
    """The closed form is refused where there are taxes."""
    with pytest.raises(SpecError, match="taxes"):
        complete_markets(Calibration(taxes=Taxes(TaxSchedule(0.1))))
