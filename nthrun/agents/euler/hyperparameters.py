"""What a spec may say of the Euler solvers."""

from __future__ import annotations

from collections.abc import Iterator

from nthrun.agents.euler.declaration import all_in_one_footprint, quadrature_footprint, sees_crowd
from nthrun.agents.fields import BETAS, normaliser_momentum
from nthrun.environments.bewley.declaration import INCOMPLETE
from nthrun.specs.declaration import AgentDeclaration, FitsModel, Misfit, ValuesOf
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface

FITS_MODEL = FitsModel(INCOMPLETE)
HIDDEN = Field(
    "hidden", "ints", (64, 64), "widths of the hidden layers", minimum=2, maximum=4096, static=True
)
NUM_WORLDS = Field(
    "num_worlds", "int", 4, "worlds simulated side by side", minimum=1, maximum=10_000, static=True
)
LEARNING = (
    Field("lr_factor", "float", 0.7, "what it falls to on a plateau", above=0, maximum=1),
    Field("max_grad_norm", "float", 1.0, "a longer gradient is cut to this length", above=0),
    Field(
        "max_resets",
        "int",
        10,
        "how often a run that lost its numbers goes back before it is recorded as diverged",
        minimum=0,
    ),
    BETAS,
)
SOURCE = (
    "Maliar, Maliar and Winant (2021), Deep learning for solving dynamic economic models, Journal "
    "of Monetary Economics 122"
)


def _lr(default: float) -> Field:
    return Field("lr", "float", default, "step size at the start", above=0)


def _patience(default: int) -> Field:
    return Field(
        "lr_patience", "int", default, "steps without progress that are a plateau", minimum=1
    )


def fits_priced(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """A Bewley economy that shows its prices."""
    yield from FITS_MODEL(interface, values_of)
    if interface.model == INCOMPLETE and sees_crowd(interface):
        yield "", "decides by prices, which the environment does not show", "set observation to own"


EULER_QUADRATURE = AgentDeclaration(
    name="euler_quadrature",
    program="nthrun.agents.euler.program:EulerQuadrature",
    footprint=quadrature_footprint,
    fits=fits_priced,
    solves=True,
    doc=(
        "Solves the Bewley economy by its Euler equation, with exact expectations over the next "
        "ability: every step moves a network's consumption rule towards what the equation says, "
        "on a simulated panel of households and on others off its path."
    ),
    source=SOURCE,
    hyperparameters=(
        NUM_WORLDS,
        Field(
            "off_path_households",
            "int",
            1024,
            "households of a step off the panel's path",
            minimum=0,
            maximum=10**6,
            static=True,
        ),
        HIDDEN,
        _lr(2e-3),
        _patience(100),
        *LEARNING,
        normaliser_momentum(1.0),
    ),
)
EULER_ALL_IN_ONE = AgentDeclaration(
    name="euler_all_in_one",
    program="nthrun.agents.euler.program:EulerAllInOne",
    footprint=all_in_one_footprint,
    fits=FITS_MODEL,
    solves=True,
    doc=(
        "Solves the Bewley economy by its Euler equation, whose squared expectation is the product "
        "of two draws of the next ability: a network learns the share saved, a multiplier and "
        "labour, on a simulated panel alone."
    ),
    source=SOURCE,
    hyperparameters=(
        NUM_WORLDS,
        HIDDEN,
        _lr(3e-4),
        _patience(1000),
        *LEARNING,
        normaliser_momentum(0.99),
        Field("weight_fb", "float", 1.0, "weight of complementarity", minimum=0),
        Field("weight_euler", "float", 1.0, "weight of the Euler equation", minimum=0),
        Field("weight_labour", "float", 1.0, "weight of the condition of labour", minimum=0),
    ),
)
