"""What a spec may say of the exact solution of the Bewley economy, and what a lane costs."""

from __future__ import annotations

from collections.abc import Iterator

from nthrun.environments.bewley.declaration import COMPLETE, INCOMPLETE
from nthrun.specs.declaration import AgentDeclaration, FitsModel, Misfit, Setting, ValuesOf
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout

TABLES = ("consumption", "labour", "savings")
SOLVING_BYTES_PER_POINT = 700
"""Bytes held once a pack while the equilibrium is computed, for each point of wealth and ability
[measured: 450]."""
CODE_BYTES = 50_000_000
"""Memory of the code that computes it."""
ACTING_NUMBERS = 32
"""Numbers held for one household to act, the indices and shares of the tables among them."""


def egm_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout of the decision rules: points of wealth, and tables over them."""
    masses, kinds = setting["num_masses"], environment.num_kinds
    tables = {"assets": (masses,), **dict.fromkeys(TABLES, (kinds, masses))}
    return Layout(
        state=tables,
        learned=tables,
        dtypes=dict.fromkeys(tables, "float64"),
        update_bytes=CODE_BYTES + SOLVING_BYTES_PER_POINT * masses * kinds,
        acting_bytes=8 * ACTING_NUMBERS * environment.state_dim,
    )


FITS = FitsModel(INCOMPLETE)


def fits_economy(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """A Bewley economy, of complete or of incomplete markets."""
    if interface.model != COMPLETE:
        yield from FITS(interface, values_of)


EGM = AgentDeclaration(
    name="egm",
    program="nthrun.agents.bewley_oracle.program:EndogenousGrid",
    layout=egm_layout,
    fits=fits_economy,
    solves=True,
    doc=(
        "The exact stationary equilibrium of the Bewley economy before the first step: decision "
        "rules by endogenous grid points, the distribution of wealth by a histogram, and the "
        "interest rate that clears the market; with complete markets in closed form. Households "
        "act as at its prices."
    ),
    source="Carroll (2006); Young (2010); Aiyagari (1994)",
    hyperparameters=(
        Field(
            "wealth_top",
            "float",
            500.0,
            "highest wealth of the grids",
            above=0,
            maximum=1e9,
            static=True,
        ),
        Field(
            "num_masses",
            "int",
            1000,
            "points of wealth on which households are counted",
            minimum=10,
            maximum=100_000,
            static=True,
        ),
    ),
)
