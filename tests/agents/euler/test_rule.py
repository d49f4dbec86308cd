"""The equilibrium of learned rules, by rules whose equilibrium is known."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from agents.euler.economies import TAXES, solver_of
from torch import Tensor

from nthrun.agents.euler.rule import GRIDS, Array, Exact, measures
from nthrun.environments.bewley.ability import rouwenhorst
from nthrun.environments.bewley.calibration import Calibration
from nthrun.environments.bewley.equilibrium import MEASURES, solve
from nthrun.environments.bewley.household_numpy import Household, solve_household


def exactly(household: Household, assets: Array, top: float = GRIDS.top) -> tuple[Array, Array]:
    """The exact rules."""
    grids = replace(GRIDS, top=top).fitted(household.calibration, household.chain)
    rules = solve_household(household, grids.choices()).rules(assets)
    return rules.consumption, rules.labour


def test_exact_rules_have_the_exact_equilibrium() -> None:
    """Of the exact rules r is the exact one to 1e-4 points, and so is the gap to any other r."""
    calibration, chain = Calibration(), rouwenhorst(Calibration().ability, 3)
    exact = solve(calibration, 3, GRIDS)
    found, missing = measures(calibration, chain, exactly, Exact(exact.r + 0.01))
    assert not missing
    assert abs(found["r"] - exact.r) < 1e-6
    assert abs(found["oracle_gap"] - 0.01) < 1e-6
    assert abs(found["capital"] / exact.aggregates.capital - 1) < 1e-5


RICH = {"calibration.productivity": 10.0}


def test_the_top_of_wealth_is_that_of_the_exact_solution() -> None:
    """Where an economy asks for wealth beyond the usual top, the exact solution and the equilibrium
    of a rule are found on a higher grid."""
    solver, _ = solver_of("euler_quadrature", RICH, lanes=1)
    assert not solver._exact.missing
    top = solver._exact.grids.top
    assert top > 500.0
    rule = partial(exactly, top=top)
    found, missing = measures(solver.calibration, solver.chain, rule, solver._exact)
    assert not missing
    assert found["oracle_gap"] < 1e-5


def test_rules_without_an_equilibrium_have_no_numbers() -> None:
    """Of rules that save nothing every number is NaN, under the same names, and it is told why."""

    def spending(household: Household, assets: Array) -> tuple[Array, Array]:
        return household.spending_everything(assets[None, :])

    chain = rouwenhorst(Calibration().ability, 3)
    found, missing = measures(Calibration(), chain, spending, Exact(0.03))
    assert missing.startswith(
        "the learned rule has no equilibrium: no equilibrium after 15 interest"
    )
    assert set(found) == {*MEASURES, "oracle_gap"}
    assert all(math.isnan(number) for number in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("taxes", ["untaxed", "proportional"])
def test_a_lane_is_measured_by_what_its_network_says(
    taxes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A solver whose network says the exact rules at whatever prices has the exact equilibrium,
    found in float64; its exact r is that of the finer grid."""
    solver, state = solver_of("euler_quadrature", TAXES[taxes], lanes=1)
    asked: list[Household] = []
    rule = solver._rule

    def remembered(state: Any, household: Household, assets: Array) -> tuple[Array, Array]:
        asked.append(household)
        numbers: tuple[Array, Array] = rule(state, household, assets)
        return numbers

    def said(_: Any, parameters: Tensor, wealth: Tensor, r: Tensor) -> Tensor:
        assert parameters.dtype == r.dtype == torch.float64
        rules = solve_household(asked[-1], GRIDS.choices()).rules(wealth.numpy().flatten())
        return torch.from_numpy(rules.consumption.T.copy())[None]

    monkeypatch.setattr(solver, "_rule", remembered)
    monkeypatch.setattr(solver, "_consumption", said)
    found = solver.measures(state)
    exact = solve(solver.calibration, 3)
    assert abs(float(found["r"][0]) - exact.r) < 2e-5
    np.testing.assert_allclose(found["oracle_gap"], abs(found["r"] - exact.r), atol=1e-12)
