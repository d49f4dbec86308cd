"""What a spec may say of the actor and critic of the Bellman equation, and what a lane costs."""

from __future__ import annotations

import math
from collections.abc import Iterator

from nthrun.agents.fields import BETAS
from nthrun.agents.krusell_smith.fields import (
    FITS,
    LIVED,
    LR_SCHEDULE,
    MAX_GRAD_NORM,
    MAX_RESETS,
    PRETRAINED,
    acting_numbers,
    crowd_numbers,
    hidden,
    num_cells,
    num_households,
    num_inputs,
    num_worlds,
    panel_draws,
    panel_shapes,
    pretrained,
    restarted,
)
from nthrun.agents.layouts import FLOAT_BYTES, StepSize, adam_shapes, columns, schedule_shapes
from nthrun.agents.sizes import MLPShape
from nthrun.specs.declaration import AgentDeclaration, Misfit, Setting, ValuesOf
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout

BOTH, POLICY_TURN, VALUE_TURN = range(3)
"""What a step updates: both networks, or one of them."""
POLICY_SIZE = StepSize("policy_lr", "schedule.policy.")
VALUE_SIZE = StepSize("value_lr", "schedule.value.")
SIZES = (POLICY_SIZE, VALUE_SIZE)
VALUE_POWERS = "value.powers"
POLICY_LOSS, VALUE_LOSS = "last.policy_loss", "last.value_loss"
LAST = (POLICY_LOSS, VALUE_LOSS)
"""Losses as they were last, which a step shows of a network that rests."""
COLUMNS = ("max_grad_norm", "weight_decay", "restart_share", "dist_a_band", "band_growth")
"""Hyperparameters that are numbers of a lane, in its state by name."""
NETS = ("policy", "value")
KEPT = (
    *(f"{net}{kept}" for net in NETS for kept in ("", ".mean", ".square")),
    *("adam.powers", VALUE_POWERS),
    *LIVED,
)
"""What a lane goes back to."""
METRICS = (
    *("policy_loss", "value_loss", "resets", "policy_lr", "value_lr"),
    *("r", "w", "capital", "consumption"),
)
LEAST_WEIGHT = 0.0013
"""The weight of V, at most, where the horizon is left to the economy."""
NUMBERS_OF_A_PERIOD = 48
"""Numbers of a household and period beside what a layer puts out, with gradients [measured]."""
COPIES = 2
"""Copies of a layer's outputs that a gradient holds [measured]."""


def horizon_of(setting: Setting, discount: float) -> int:
    """Periods of a simulation: as given, or the fewest n with βⁿ <= .0013."""
    given: int = setting["horizon"]
    return given or max(2, math.ceil(math.log(LEAST_WEIGHT) / math.log(discount)))


def turns_of(setting: Setting) -> tuple[int, ...]:
    """What the steps of a cycle update."""
    if setting["order"] == "together":
        return (BOTH,)
    policy_updates: int = setting["policy_updates"]
    value_updates: int = setting["value_updates"]
    return (POLICY_TURN,) * policy_updates + (VALUE_TURN,) * value_updates


def networks(setting: Setting, environment: Interface) -> tuple[MLPShape, MLPShape]:
    """The rule's and the value's."""
    seen, kinds = num_inputs(environment), environment.num_kinds
    return (
        MLPShape(seen, setting["policy_hidden"], kinds),
        MLPShape(seen, setting["value_hidden"], kinds),
    )


def bellman_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout: two networks, a panel, and what a lane goes back to."""
    nets = dict(zip(NETS, networks(setting, environment), strict=True))
    periods = horizon_of(setting, environment.discount)
    state = {
        **adam_shapes({name: (net.num_params(),) for name, net in nets.items()}),
        **panel_shapes(setting, environment),
        VALUE_POWERS: (2,),
    }
    schedule = schedule_shapes({name: state[name] for name in KEPT}, SIZES)
    households = setting["num_worlds"] * setting["num_households"]
    widths = [COPIES * sum(net.widths()) + NUMBERS_OF_A_PERIOD for net in nets.values()]
    rows = periods * widths[0] + environment.num_states * widths[1]
    moves = environment.num_states + (periods if setting["gradient"] == "planner" else 0)
    crowd = moves * crowd_numbers(setting, environment)
    first, period = panel_draws(setting, environment)
    return Layout(
        state={**state, **schedule, **columns(*COLUMNS, *LAST)},
        learned={
            name: shape
            for net, made in nets.items()
            for name, shape in made.named_shapes(f"{net}.").items()
        },
        metrics=METRICS,
        num_simulation_draws=(periods - 1) * period + first + setting["num_worlds"],
        update_bytes=FLOAT_BYTES * (households * rows + crowd),
        acting_bytes=FLOAT_BYTES * acting_numbers(environment, nets["policy"].widths()),
    )


def fits_bellman(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """An economy of Krusell and Smith, and a histogram where a band is drawn about one."""
    misfits = list(FITS(interface, values_of))
    yield from misfits
    if 1 in values_of("horizon"):
        yield "horizon", "got 1, allowed: 0, or 2 and more", "0 is as many as it takes"
    if not misfits and "band" in values_of("sampling") and not num_cells(interface):
        hint = "set the environment's distribution to histogram"
        yield "sampling", "got band, which is about a histogram, and there is none", hint
    if not misfits and any(penalty != 0 for penalty in values_of("a_pdf_penalty")):
        yield from _penalty_misfits(interface, values_of)


def _penalty_misfits(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """Who does not move the bins of a histogram cannot be kept within a band by a penalty."""
    if "price_taker" in values_of("gradient"):
        problem = "got a penalty for leaving a band, which a price taker does not move, allowed: 0"
        yield "a_pdf_penalty", problem, "set gradient to planner"
    if not num_cells(interface):
        problem = "got a penalty for leaving a band about a histogram, and there is none"
        yield "a_pdf_penalty", problem, "set the environment's distribution to histogram"


BELLMAN_AC = AgentDeclaration(
    name="bellman_ac",
    program="nthrun.agents.bellman_ac.program:BellmanActorCritic",
    layout=bellman_layout,
    fits=fits_bellman,
    solves=True,
    parent=PRETRAINED,
    parent_shares=("policy_hidden", "value_hidden", "activation"),
    doc=(
        "Solves the economy of Krusell and Smith by its Bellman equation: an actor ascends the "
        "utility of simulated households, whose last period a critic values that learns from the "
        "same simulations."
    ),
    source=(
        "after Maliar, Maliar and Winant (2021), Deep learning for solving dynamic economic "
        "models, Journal of Monetary Economics 122"
    ),
    hyperparameters=(
        num_worlds(128),
        num_households(16),
        Field(
            "horizon",
            "int",
            0,
            "periods of a simulation, after which V stands for the rest; 0 is as many as it takes "
            "for β to that power to be at most 0.0013",
            minimum=0,
            maximum=10_000,
            static=True,
        ),
        Field(
            "periods_per_step",
            "int",
            10,
            "periods that the panel moves on in a step",
            minimum=1,
            maximum=10_000,
            static=True,
        ),
        restarted(0.05),
        Field(
            "sampling",
            "str",
            "panel",
            "the worlds that a step begins with: panel, as they have become; band, drawn anew, "
            "their shares about the first ones of the environment's histogram",
            choices=("panel", "band"),
            static=True,
        ),
        Field(
            "dist_a_band",
            "float",
            0.15,
            "by what share of itself each bin's is drawn off, of a band",
            minimum=0,
            maximum=1,
        ),
        Field(
            "band_growth", "float", 0.0, "by what that grows until the end", minimum=0, maximum=1
        ),
        Field(
            "a_pdf_penalty",
            "float",
            0.0,
            "utility that a planner loses, in the eyes of its gradient, for each unit by which the "
            "bins' shares leave that band in a period, all bins added up",
            minimum=0,
            static=True,
        ),
        Field(
            "gradient",
            "str",
            "price_taker",
            "what the gradient goes through: what a household owns itself, or K and prices too, "
            "which a planner moves",
            choices=("price_taker", "planner"),
            static=True,
        ),
        Field(
            "order",
            "str",
            "together",
            "together: a step is policy_updates and value_updates; in_turn: it is one update of "
            "one network",
            choices=("together", "in_turn"),
            static=True,
        ),
        Field(
            "policy_updates",
            "int",
            1,
            "updates of the policy",
            minimum=1,
            maximum=1000,
            static=True,
        ),
        Field(
            "value_updates", "int", 4, "updates of the value", minimum=1, maximum=1000, static=True
        ),
        hidden("policy_hidden", (32, 32), "policy"),
        hidden("value_hidden", (32, 32), "value"),
        Field(
            "activation",
            "str",
            "relu",
            "activation of the hidden layers",
            choices=("relu", "tanh", "silu"),
            static=True,
        ),
        Field("policy_lr", "float", 1e-3, "step size of the policy at the start", above=0),
        Field("value_lr", "float", 2.5e-3, "step size of the value at the start", above=0),
        LR_SCHEDULE,
        Field("lr_factor", "float", 0.7, "what they fall to on a plateau", above=0, maximum=1),
        Field("lr_patience", "int", 200, "turns without progress that are one", minimum=1),
        Field("weight_decay", "float", 0.0, "weight of half the policy's squared size", minimum=0),
        MAX_GRAD_NORM,
        MAX_RESETS,
        BETAS,
        *pretrained("both networks start"),
    ),
)
