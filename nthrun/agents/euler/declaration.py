"""What a spec may say of the Euler solvers, and what a lane costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from nthrun.agents.fields import BETAS, normaliser_momentum
from nthrun.agents.layouts import (
    FLOAT_BYTES,
    MOMENTUM,
    NORMALISER,
    adam_shapes,
    columns,
    normaliser_shapes,
    schedule_shapes,
)
from nthrun.agents.sizes import MLPShape
from nthrun.environments.bewley.declaration import INCOMPLETE
from nthrun.specs.declaration import AgentDeclaration, FitsModel, Misfit, Setting, ValuesOf
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout

LIVED = ("wealth", "ability", "labour", "rebate")
"""The state of a panel: of its households the first two, of its worlds the others."""
LEARNED = ("policy", "policy.mean", "policy.square", *NORMALISER)
COLUMNS = ("max_grad_norm", MOMENTUM)
"""Hyperparameters that are numbers of a lane, in its state by name."""
METRICS = (
    *("loss", "lr", "resets", "euler_residual"),
    *("r", "w", "capital", "consumption", "hours"),
)
OFF_PATH_METRIC = "euler_residual_off_path"
ACTING_COPIES = 4
"""Outputs of a layer, and numbers of a household for a state of ability, held at once to act."""
HOUSEHOLD_NUMBERS = 64
"""Numbers of a household beside what the network puts out for it."""
OFF_PATH_DRAWS = 4
"""Uniform numbers for each household off the path."""


@dataclass(frozen=True, slots=True)
class Method:
    """What one of the solvers needs.

    Attributes:
        num_outputs: of the network, for each state of ability.
        panel_draws: uniform numbers of a step for each household of the panel.
        columns: hyperparameters that its loss uses, numbers of a lane.
        layer_copies: as `ACTING_COPIES`, in a step: in this period and the next, with gradients.
    """

    num_outputs: int
    panel_draws: int
    columns: tuple[str, ...]
    layer_copies: int


QUADRATURE = Method(num_outputs=1, panel_draws=1, columns=(), layer_copies=6)
WEIGHTS = ("weight_fb", "weight_euler", "weight_labour")
ALL_IN_ONE = Method(num_outputs=3, panel_draws=2, columns=WEIGHTS, layer_copies=9)


def households_of(environment: Interface) -> int:
    """Households of one world."""
    return (environment.state_dim - 1) // 2


def sees_crowd(environment: Interface) -> bool:
    """Whether the environment shows no prices."""
    return environment.observation_dim < environment.state_dim + 1


def network_shape(setting: Setting, environment: Interface, method: Method) -> MLPShape:
    """The network's."""
    seen = 2 + (2 * households_of(environment) if sees_crowd(environment) else 1)
    return MLPShape(seen, setting["hidden"], method.num_outputs * environment.num_kinds)


def _off_path(setting: Setting) -> int:
    """Households off the path, of which euler_all_in_one has none."""
    number: int = setting.get("off_path_households", 0)
    return number


def euler_layout(method: Method, setting: Setting, environment: Interface) -> Layout:
    """The layout of one of the solvers: a network, a panel, and what a lane goes back to."""
    shape = network_shape(setting, environment, method)
    panel = setting["num_worlds"] * households_of(environment)
    sizes = (panel, panel, *[setting["num_worlds"]] * 2)
    lived = {name: (size,) for name, size in zip(LIVED, sizes, strict=True)}
    state = {
        **adam_shapes({"policy": (shape.num_params(),)}),
        **normaliser_shapes(shape.in_dim),
        **lived,
    }
    schedule = schedule_shapes({name: state[name] for name in (*LEARNED, *LIVED)})
    off_path = _off_path(setting)
    width = sum(shape.widths()) + environment.num_kinds * method.num_outputs + HOUSEHOLD_NUMBERS
    acting = ACTING_COPIES * households_of(environment) * width
    return Layout(
        state={**state, **schedule, **columns(*COLUMNS, *method.columns)},
        learned={**shape.named_shapes("policy."), **normaliser_shapes(shape.in_dim)},
        metrics=(*METRICS, OFF_PATH_METRIC) if off_path else METRICS,
        num_simulation_draws=method.panel_draws * panel + OFF_PATH_DRAWS * off_path,
        update_bytes=FLOAT_BYTES * method.layer_copies * (panel + off_path) * width,
        acting_bytes=FLOAT_BYTES * acting,
    )


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
    layout=partial(euler_layout, QUADRATURE),
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
    layout=partial(euler_layout, ALL_IN_ONE),
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
