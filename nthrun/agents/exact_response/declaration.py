"""What a spec may say of exact best responses, and what a lane costs."""

from __future__ import annotations

import math
from collections.abc import Iterator

from nthrun.specs.declaration import AgentDeclaration, FitsRoles, Misfit, Setting, ValuesOf, counted
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout

UNIFORM, GAIN = "uniform", "gain"
"""What an evaluation says of each role, before its name."""
MOST_JOINT = 1_000_000
"""Joint actions at most."""
ROWS_AT_ONCE = 16_384
"""Steps of the game that are taken side by side, where there are not more joint actions."""
COPIES = 30
"""Numbers of a step, for each number of a state, at once [measured: 22]."""


def num_joint(interface: Interface) -> int:
    """Joint actions of a game."""
    return math.prod(interface.action_heads)


def exact_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout of what is found: two numbers a role."""
    found = {f"{kind}.{role.name}": (1,) for kind in (UNIFORM, GAIN) for role in environment.roles}
    rows = max(ROWS_AT_ONCE, num_joint(environment))
    width = environment.state_dim + environment.action_dim
    return Layout(
        state=found,
        learned=found,
        dtypes=dict.fromkeys(found, "float64"),
        num_play_draws=environment.action_dim,
        update_bytes=8 * COPIES * rows * width,
        acting_bytes=16 * environment.action_dim,
    )


def fits_small(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """A game of few histories, in which nothing is drawn."""
    if misfits := list(FitsRoles()(interface, values_of)):
        yield from misfits
        return
    if not interface.horizon_steps or interface.num_step_draws or interface.num_reset_draws:
        problem = "solves games of so many steps in which nothing but choices is left to chance"
        yield "", problem, "choose another game"
        return
    every = interface.action_heads * interface.horizon_steps
    each = [int(str(most)) for most in values_of("max_histories")]
    most = min(each)
    joint = counted(interface.action_heads)
    too_long = sum(map(math.log10, every)) > math.log10(most)
    if too_long or sum(map(math.log10, interface.action_heads)) > math.log10(MOST_JOINT):
        problem = (
            f"solves small games, and this one has {joint} joint actions and {counted(every)} "
            f"histories of {interface.horizon_steps} steps, allowed: {MOST_JOINT:,} and {most:,}"
        )
        yield "", problem, "choose fewer agents or steps, or best_response, which approximates"


EXACT_RESPONSE = AgentDeclaration(
    name="exact_response",
    program="nthrun.agents.exact_response.program:ExactResponse",
    layout=exact_layout,
    fits=fits_small,
    solves=True,
    doc=(
        "What every role of a small game gains by its best response while the others play "
        "uniformly, exactly, by going back through all histories. The agents of a role move "
        "together, see everything, and want the mean of their rewards, summed over the steps, to "
        "be high. It plays uniformly itself."
    ),
    source="backward induction (Zermelo, 1913)",
    hyperparameters=(
        Field(
            "max_histories",
            "int",
            10_000_000_000,
            "histories of joint actions at most, before those that lead to one state are merged",
            minimum=1,
            maximum=10**13,
            static=True,
        ),
    ),
)
