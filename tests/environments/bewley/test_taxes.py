"""Tax schedules against their equation."""

from __future__ import annotations

import numpy as np
import pytest

from nthrun.environments.bewley.taxes import Taxes, TaxSchedule
from nthrun.errors import SpecError

BASES = np.array([0.25, 1.0, 4.0])


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
