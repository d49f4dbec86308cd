"""What a spec may say of the policies that know GHM's equations, and what a lane costs."""

from __future__ import annotations

from collections.abc import Iterator

from nthrun.agents.layouts import FLOAT_BYTES, columns
from nthrun.environments.ghm.declaration import FINE, MAX_NODES, SAFE, SOLVABLE
from nthrun.specs.declaration import AgentDeclaration, AtMost, FitsModel, Misfit, Setting, ValuesOf
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout

SOLVING_BYTES = 160_000_000
"""Bytes held while the optimum is computed, beside its tables; once a pack, and counted for each
lane [measured at the default bounds: 65 MB with steps of 0.1 years, 105 MB with 0.01, 160 MB with
0.001, 303 MB with 0.00012]."""
THRESHOLDS = ("issue_below", "pay_above")
TABLES = ("cash", "value", "dividend", "issuance")
THRESHOLD_NUMBERS, TABLE_NUMBERS = 16, 48
"""Numbers held for one action by thresholds, and by tables with their indices and shares."""


def barrier_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout of two thresholds."""
    thresholds = columns(*THRESHOLDS)
    return Layout(thresholds, thresholds, acting_bytes=FLOAT_BYTES * THRESHOLD_NUMBERS)


def dp_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout of the optimum, over as many points of cash as there may be."""
    steps = environment.horizon_steps
    tables = {
        "cash": (MAX_NODES,),
        "value": (steps + 1, MAX_NODES),
        **dict.fromkeys(TABLES[2:], (steps, MAX_NODES)),
    }
    return Layout(
        state=tables,
        learned=tables,
        dtypes=dict.fromkeys(tables, "float64"),
        update_bytes=SOLVING_BYTES,
        acting_bytes=FLOAT_BYTES * TABLE_NUMBERS,
        largest=True,
    )


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
    program="nthrun.agents.ghm_oracles.program:Barrier",
    layout=barrier_layout,
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
    program="nthrun.agents.ghm_oracles.program:DynamicProgramme",
    layout=dp_layout,
    fits=fits_solvable_firm,
    solves=True,
    doc="The optimum of the simulated firm, by exact dynamic programming before the first step.",
    source="Bellman (1957), Dynamic Programming",
    hyperparameters=(),
)
