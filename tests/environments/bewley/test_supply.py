"""What households supply at a given interest rate."""

from __future__ import annotations

from math import exp

import pytest

from nthrun.environments.bewley import supply
from nthrun.environments.bewley.ability import rouwenhorst
from nthrun.environments.bewley.aggregates import aggregates, revenue
from nthrun.environments.bewley.calibration import INELASTIC, AbilityProcess, Calibration
from nthrun.environments.bewley.grids import Grids
from nthrun.environments.bewley.prices import capital_per_labour, wage
from nthrun.environments.bewley.supply import Economy
from nthrun.environments.bewley.taxes import Taxes, TaxSchedule
from nthrun.errors import NoSolutionError

GRIDS = Grids(num_choices=100, num_masses=200, top=60.0)
PROCESS = AbilityProcess(0.6, 0.2)
REBATED = Taxes(TaxSchedule(0.2), TaxSchedule(0.002), 0.065, rebated=True)


def _economy(calibration: Calibration) -> Economy:
    return Economy(calibration, rouwenhorst(calibration.ability, 3), GRIDS)


def test_supply_is_at_the_prices_of_firms() -> None:
    """The wage goes with the interest rate, and the excess is the log of supply over demand."""
    calibration = Calibration(ability=PROCESS)
    found = _economy(calibration).supply(0.03)
    wanted = capital_per_labour(calibration.technology, 0.03)
    assert found.household.w == wage(calibration.technology, wanted)
    sums = aggregates(found.household, found.rules, found.mass)
    assert exp(found.excess) * wanted == pytest.approx(sums.capital / sums.labour, rel=1e-12)


def test_supply_rises_with_the_interest_rate() -> None:
    """The excess of capital supplied rises with the interest rate."""
    economy = _economy(Calibration(ability=PROCESS, labour_bounds=INELASTIC))
    excesses = [economy.supply(r).excess for r in (-0.02, 0.01, 0.03, 0.041)]
    assert excesses == sorted(excesses)
    assert excesses[0] < 0 < excesses[-1]


def test_a_near_supply_changes_nothing() -> None:
    """Begun from what households do at another interest rate, the excess is the same to 1e-7."""
    economy = _economy(Calibration(ability=PROCESS))
    expected = economy.supply(0.03).excess
    assert economy.supply(0.03, economy.supply(0.02)).excess == pytest.approx(expected, abs=1e-7)


def test_the_rebate_is_what_taxes_bring() -> None:
    """Taxes that are rebated bring the rebate, to 1e-9, and it is not 0."""
    found = _economy(Calibration(ability=PROCESS, taxes=REBATED)).supply(0.03)
    taxed = revenue(found.household, found.rules, found.mass)
    assert found.household.rebate == pytest.approx(taxed, abs=1e-9)
    assert taxed > 0.1


def test_a_rebate_that_is_not_found_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too few rounds end in an error with the interest rate and the gap that is left."""
    monkeypatch.setattr(supply, "MAX_REBATES", 1)
    with pytest.raises(
        NoSolutionError, match=r"r = 0\.03: taxes still differ from the rebate by 0"
    ):
        _economy(Calibration(ability=PROCESS, taxes=REBATED)).supply(0.03)
