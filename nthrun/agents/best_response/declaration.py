"""What a spec may say of approximate best responses, and what a lane costs."""

from __future__ import annotations

from collections.abc import Iterator

from nthrun.agents.fields import BETAS, parent_fields
from nthrun.agents.layouts import FLOAT_BYTES, columns
from nthrun.agents.roles.fields import (
    CLIPPING,
    LEARNED,
    LOSS,
    OF_ROLES,
    QUANTILES,
    acting_numbers,
    lane_numbers,
    network_shape,
    numbers_of_update,
    optimised_shapes,
    simulation_draws,
    uneven_lists,
)
from nthrun.specs.declaration import AgentDeclaration, FitsRoles, Misfit, Setting, ValuesOf
from nthrun.specs.field import Field, did_you_mean
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout

ALL = "all"
"""Every role, each by itself."""
WORLDS_AT_ONCE = 128
"""Worlds of an evaluation that are played side by side, at most."""


def responders(setting: Setting, environment: Interface) -> tuple[str, ...]:
    """The roles that respond."""
    names = tuple(role.name for role in environment.roles)
    return names if setting["role"] == ALL else (setting["role"],)


def response_metrics(setting: Setting, environment: Interface) -> tuple[str, ...]:
    """Names of what a step shows of each role that responds."""
    names = responders(setting, environment)
    return (
        *(f"reward_{name}{end}" for name in names for end in QUANTILES),
        *(f"{metric}_{name}" for name in names for metric in LEARNED),
    )


def response_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout: the network of each role as it was, and of each that responds its own."""
    roles, names = environment.roles, responders(setting, environment)
    shapes = {role.name: network_shape(setting, role) for role in roles}
    state: dict[str, tuple[int, ...]] = {}
    learned: dict[str, tuple[int, ...]] = {}
    for role in roles:
        state[f"policy.{role.name}"] = (shapes[role.name].num_params(),)
        state[f"mask.{role.name}"] = (sum(role.heads),)
        learned |= shapes[role.name].named_shapes(f"policy.{role.name}.")
    for name in names:
        state |= optimised_shapes(f"response.{name}", shapes[name].num_params())
        state |= columns(*(f"last.{metric}_{name}" for metric in LEARNED))
        learned |= shapes[name].named_shapes(f"response.{name}.")
    state |= dict.fromkeys(("adam.betas", "adam.weights"), (2,))
    state |= {**dict.fromkeys(OF_ROLES, (len(roles),)), **columns(*lane_numbers(setting))}
    each = simulation_draws(setting, environment) + setting["num_worlds"]
    return Layout(
        state=state,
        learned=learned,
        metrics=response_metrics(setting, environment),
        num_simulation_draws=len(names) * each,
        num_play_draws=len(environment.action_heads),
        update_bytes=FLOAT_BYTES * numbers_of_update(setting, environment),
        acting_bytes=FLOAT_BYTES * acting_numbers(setting, environment),
    )


def fits_response(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """A game with an end, that has the role."""
    if misfits := list(FitsRoles()(interface, values_of)):
        yield from misfits
        return
    if not interface.horizon_steps:
        yield "", "plays games that end, and this one has no last step", "choose another game"
    yield from uneven_lists(interface, values_of, ("lr",))
    yield from uneven_lists(interface, values_of, ("reward_scale",), least=0)
    names = [role.name for role in interface.roles]
    for role in map(str, values_of("role")):
        if role not in (*names, ALL):
            problem = f"got {role}, allowed: {', '.join(names)}, {ALL}, as in the game"
            yield "role", problem, did_you_mean(role, (*names, ALL))


BEST_RESPONSE = AgentDeclaration(
    name="best_response",
    program="nthrun.agents.best_response.program:BestResponse",
    layout=response_layout,
    fits=fits_response,
    solves=True,
    parent="parent",
    parent_not=("best_response",),
    doc=(
        "Trains one role of a game against what all others had learned in a recorded run, which "
        "stay as they were: how much it gains says how far from an equilibrium the run was. As the "
        "response is approximate, the gain is a lower bound. Without a parent the others play "
        "uniformly. An evaluation says `before_<role>`, `after_<role>` and `gain_<role>`, what an "
        "agent earns in an episode, on the same random numbers; and where all roles respond "
        "`exploitability`, the largest gain divided by its role's reward scale, and `nash_conv`, "
        "their sum."
    ),
    source="after Curry, Trott, Phade, Bai and Zheng (2022), arXiv 2201.01163",
    hyperparameters=(
        Field(
            "role",
            "str",
            ALL,
            "the role that responds, such as consumer; all: each of them, by itself",
            static=True,
        ),
        Field(
            "deviators",
            "str",
            "type",
            "type: all agents of the role respond together, as in the original, which is about a "
            "meta-equilibrium; one: a single agent, drawn anew in each world, which is about a "
            "Nash equilibrium",
            choices=("type", "one"),
            static=True,
        ),
        *parent_fields("parent", "directory of the experiment, beside the own one, that is played"),
        Field(
            "start",
            "str",
            "parent",
            "what the response begins with: what its role had learned, or a fresh network",
            choices=("parent", "fresh"),
            static=True,
        ),
        Field(
            "loss",
            "str",
            "pg",
            "the plain policy gradient, as in the original, or the clipped one",
            choices=("pg", "ppo"),
            static=True,
        ),
        Field(
            "num_worlds",
            "int",
            128,
            "games that are played side by side in a step, an episode each",
            minimum=1,
            maximum=100_000,
            static=True,
        ),
        Field(
            "eval_worlds",
            "int",
            1024,
            "games that an evaluation compares before and after by",
            minimum=1,
            maximum=1_000_000,
            static=True,
        ),
        Field(
            "hidden",
            "ints",
            (128, 128),
            "widths of the hidden layers, those of the parent's",
            minimum=1,
            maximum=16_384,
            static=True,
        ),
        Field("lr", "floats", (1e-3,), "step size of each role or of all", minimum=0),
        Field(
            "reward_scale",
            "floats",
            (),
            "what rewards are divided by, of each role or of all; [] is as the parent's, and 1 "
            "without",
            above=0,
        ),
        *LOSS,
        Field("entropy_weight", "float", 0.05, "weight of the entropy at the start", minimum=0),
        Field(
            "entropy_decay",
            "float",
            0.0,
            "steps over which that falls to its e-th part; 0 is never",
            minimum=0,
        ),
        Field("entropy_floor", "float", 0.0, "the share of it that stays", minimum=0, maximum=1),
        BETAS,
        *CLIPPING,
    ),
)
