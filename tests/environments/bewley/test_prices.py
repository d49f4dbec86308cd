"""Prices and the complete-markets economy against closed forms."""

from __future__ import annotations

import pytest

from nthrun.environments.bewley.calibration import Calibration, Preferences, Technology
from nthrun.environments.bewley.prices import (
    capital_per_labour,
    complete_markets,
    interest_rate,
    output,
    wage,
)
from nthrun.environments.bewley.taxes import Taxes, TaxSchedule
from nthrun.errors import SpecError

TECHNOLOGY = Technology(alpha=0.36, delta=0.08, productivity=1.3)


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
