"""What calibrations are refused."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan

import pytest

from nthrun.environments.bewley.calibration import (
    INELASTIC,
    UNBOUNDED,
    AbilityProcess,
    Calibration,
    Preferences,
    Superstar,
    Technology,
)
from nthrun.environments.bewley.taxes import Taxes, TaxSchedule
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
