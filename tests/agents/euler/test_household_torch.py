"""The choices of a household as tensors against those in float64, which have laws of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from agents.euler.economies import TAXES
from environments.worlds import spec_of

from nthrun.agents.euler.household_torch import Circumstances, Household
from nthrun.environments.bewley.ability import chain_of
from nthrun.environments.bewley.declaration import calibration_of
from nthrun.environments.bewley.household_numpy import Household as ExactHousehold

BOUNDS: dict[str, dict[str, Any]] = {
    "bounded": {"calibration.labour_min": 0.6, "calibration.labour_max": 0.9},
    "unbounded": {"calibration.labour_min": 0.0, "calibration.labour_max": 0.0},
    "inelastic": {"calibration.labour_min": 1.0, "calibration.labour_max": 1.0},
}
RISK = {"calibration.theta": 2.0, "calibration.gamma": 1.5, "calibration.chi": 1.2}
ASSETS = np.array([[0.0, 0.3, 1.0, 5.0, 40.0, 300.0]])
CONSUMPTION = np.array([[0.02, 0.5, 1.1, 2.0, 3.0, 9.0]])
REBATE = {"untaxed": 0.0, "proportional": 0.0, "progressive": 0.0, "rebated": 0.1}


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("taxes", TAXES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_choices_are_the_exact_ones(taxes: str, bounds: str, dtype: torch.dtype) -> None:
    """Whatever the taxes and the bounds of labour, a household's labour, resources, consumption of
    everything and worth of wealth are those of the equations in float64, to the digits of its own
    type."""
    spec = spec_of("Bewley", ability_states=5, **RISK, **TAXES[taxes], **BOUNDS[bounds])
    calibration, chain = calibration_of(spec.values), chain_of(spec.values)
    r, w, rebate = 0.03, 1.25, REBATE[taxes]
    exact = ExactHousehold(calibration, chain, r, w, rebate)
    worked = exact.labour(CONSUMPTION, ASSETS)
    spent, _ = exact.spending_everything(ASSETS)
    pay = torch.from_numpy(w * chain.values[:, None]).to(dtype)
    numbers = (torch.tensor(number, dtype=dtype) for number in (r, rebate))
    found = Circumstances(torch.from_numpy(ASSETS).to(dtype), pay, *numbers)
    household = Household(calibration)
    consumption = torch.from_numpy(CONSUMPTION).to(dtype)
    labour = household.labour(consumption, found)
    pairs = (
        (labour, worked),
        (household.resources(labour, found), exact.resources(worked, ASSETS)),
        (household.spending_everything(found), spent),
        (
            household.worth(consumption, labour, found),
            exact.value_of_wealth(CONSUMPTION, worked, ASSETS),
        ),
    )
    tolerance = 3e-5 if dtype == torch.float32 else 1e-9
    for got, expected in pairs:
        assert got.dtype == dtype
        np.testing.assert_allclose(*np.broadcast_arrays(got.numpy(), expected), rtol=tolerance)
