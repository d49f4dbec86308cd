"""What a spec may say of the exact solution."""

from __future__ import annotations

from collections.abc import Iterator

from nthrun.agents.bewley_oracle.footprint import egm_footprint
from nthrun.environments.bewley.declaration import COMPLETE, INCOMPLETE
from nthrun.specs.declaration import AgentDeclaration
from nthrun.specs.field import Field
from nthrun.specs.fitting import FitsModel, Misfit, ValuesOf
from nthrun.specs.interface import Interface

FITS = FitsModel(INCOMPLETE)


def fits_economy(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """A Bewley economy, of complete or of incomplete markets."""
    if interface.model != COMPLETE:
        yield from FITS(interface, values_of)


EGM = AgentDeclaration(
    name="egm",
    program="nthrun.agents.bewley_oracle.egm:EndogenousGrid",
    footprint=egm_footprint,
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
