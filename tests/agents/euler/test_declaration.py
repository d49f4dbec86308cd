"""Which economies the solvers take, and what they say of the others."""

from __future__ import annotations

from typing import Any

import pytest
from agents.solver_runs import solver_spec

from nthrun.errors import SpecError

EULER = ("euler_quadrature", "euler_all_in_one")
CROWD = {"observation": "cross_section"}
STEEP = {"calibration.wealth_tax": 0.1, "calibration.wealth_elasticity": 0.1}
SHARED = {"complete_markets": True}
TAXED = SHARED | {"calibration.income_tax": 0.1}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    *((agent, SHARED, "solves Bewley only, not Bewley with complete markets") for agent in EULER),
    *((agent, STEEP, "not Bewley with a progressive wealth tax") for agent in (*EULER, "egm")),
    ("egm", TAXED, "solves Bewley only, not Bewley with complete markets and taxes"),
    ("euler_quadrature", CROWD, "decides by prices, which the environment does not show"),
]


@pytest.mark.parametrize(("agent", "environment", "told"), REFUSED, ids=str)
def test_other_economies_are_refused(agent: str, environment: dict[str, Any], told: str) -> None:
    """An economy that a solver does not solve is refused before anything is trained, in one line
    that says why and what to do."""
    with pytest.raises(SpecError) as caught:
        solver_spec(agent, {}, environment)
    (fault,) = caught.value.faults
    assert told in fault.problem
    assert fault.hint


@pytest.mark.parametrize(
    ("agent", "environment"),
    [("egm", SHARED), ("egm", CROWD), ("euler_all_in_one", CROWD)],
    ids=str,
)
def test_what_can_be_solved_is_taken(agent: str, environment: dict[str, Any]) -> None:
    """The exact solution takes complete markets and a cross-section without prices, and
    euler_all_in_one the latter."""
    assert solver_spec(agent, {}, environment).environment.env_name == "Bewley"
