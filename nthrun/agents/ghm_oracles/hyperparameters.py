"""What a spec may say of the policies that know GHM's equations."""

from __future__ import annotations

from collections.abc import Iterator

from nthrun.agents.ghm_oracles.footprint import barrier_footprint, dp_footprint
from nthrun.environments.ghm.declaration import FINE, SAFE, SOLVABLE
from nthrun.specs.declaration import AgentDeclaration, AtMost
from nthrun.specs.field import Field
from nthrun.specs.fitting import FitsModel, Misfit, ValuesOf
from nthrun.specs.interface import Interface

FITS = FitsModel(SOLVABLE)
UNSOLVED = {
    SAFE: (
        "solves firms with calibration.sigma_x above 0 only, and this one's is 0",
        "give calibration.sigma_x, or choose another agent",
    ),
    FINE: (
        "takes too many points of cash for steps as short as this dt",
        "give a larger dt, or choose another agent",
    ),
}
"""Firms that can be simulated, and not solved: the problem, and what to do."""


def fits_firm(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """Any firm of GHM."""
    if interface.model not in UNSOLVED:
        yield from FITS(interface, values_of)


def fits_solvable_firm(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """A firm of GHM whose optimum can be computed."""
    if interface.model in UNSOLVED:
        problem, hint = UNSOLVED[interface.model]
        yield "", problem, hint
    else:
        yield from FITS(interface, values_of)


BARRIER = AgentDeclaration(
    name="barrier",
    program="nthrun.agents.ghm_oracles.barrier:Barrier",
    footprint=barrier_footprint,
    fits=fits_firm,
    rules=(AtMost("issue_below", "pay_above"),),
    solves=True,
    doc=(
        "Two thresholds of cash: below one the firm issues at the highest rate, or, where "
        "controls are amounts, up to it; above the other it pays out all that lies above. Learns "
        "nothing."
    ),
    source="Jeanblanc and Shiryaev (1995), Optimization of the flow of dividends",
    hyperparameters=(
        Field("issue_below", "float", 0.09, "cash below which equity is issued", minimum=0),
        Field("pay_above", "float", 0.22, "cash above which dividends are paid", minimum=0),
    ),
)
DP = AgentDeclaration(
    name="dp",
    program="nthrun.agents.ghm_oracles.dp:DynamicProgramme",
    footprint=dp_footprint,
    fits=fits_solvable_firm,
    solves=True,
    doc="The optimum of the simulated firm, by exact dynamic programming before the first step.",
    source="Bellman (1957), Dynamic Programming",
    hyperparameters=(),
)
