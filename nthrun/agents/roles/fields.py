"""What a spec may say of agents that play the roles of a game, and what a lane costs.

What differs between roles is a list with an entry for each, in the game's order, or with one for
all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from nthrun.agents.fields import BETAS
from nthrun.agents.layouts import FLOAT_BYTES, columns
from nthrun.agents.sizes import MLPShape
from nthrun.specs.declaration import FitsRoles, Misfit, Setting, ValuesOf
from nthrun.specs.field import Field, shown
from nthrun.specs.interface import Interface, Role
from nthrun.specs.layout import Layout

NUM_DIGITS = 10
"""Numbers that stand for one that is seen digit by digit."""
ROWS_AT_ONCE = 16_384
"""Agents that a gradient goes through at once, unless a world alone has more."""
OF_ROLES = ("lr", "reward_scale")
"""Hyperparameters that are a number for each role, and a column of the state for each."""
OF_LANE = (
    "gamma",
    "clip",
    "value_weight",
    "entropy_weight",
    "entropy_decay",
    "entropy_floor",
    "max_grad_norm",
    "ease_steps",
)
"""Hyperparameters that are one number of a lane."""
BY_ROLE = ("lr", "reward_scale", "learning_start", "learning_every", "mask_begin", "mask_steps")
LEARNED = ("policy_loss", "value_loss", "entropy", "grad_norm")
"""Metrics of a role's update; one that rests repeats its last."""
QUANTILES = {"": None, "_q25": 0.25, "_q75": 0.75}
"""Ends of metric names: the mean of what is shown, and its quantiles."""
SEEN_NUMBERS = 12
"""Numbers of an agent in a scene beside what it sees and chooses: rewards, returns and so on."""
LAYER_COPIES, LOGIT_COPIES, PARAMETER_COPIES = 1.5, 6, 3
"""Copies that a gradient holds of the outputs of layers, of logits and of parameters
[measured: 1.3, 5.2]."""

Item = TypeVar("Item")


def per_role(values: Sequence[Item], count: int) -> tuple[Item, ...]:
    """One entry for each role."""
    return tuple(values) if len(values) == count else (values[0],) * count


def num_features(role: Role) -> tuple[int, int]:
    """Inputs of a role's network: those that all its agents share, and those of each."""
    shared = role.shared + (NUM_DIGITS - 1) * sum(place < role.shared for place in role.digits)
    every = role.observation_dim + (NUM_DIGITS - 1) * len(role.digits)
    return shared, every - shared


def network_shape(setting: Setting, role: Role) -> MLPShape:
    """A role's network: the logits of every head, and the value."""
    return MLPShape(sum(num_features(role)), setting["hidden"], sum(role.heads) + 1)


def mask_grids(role: Role) -> tuple[tuple[float, ...], ...]:
    """The values of each column whose bounds open: those of a role that takes one decision."""
    if len(role.heads) > 1:
        return ()
    return role.grids or (tuple(map(float, range(role.heads[0]))),)


def learners_at(setting: Setting, num_roles: int, step: int) -> int:
    """Which roles learn at a step: 2^i for each role i that does."""
    starts = per_role(setting["learning_start"], num_roles)
    every = per_role(setting["learning_every"], num_roles)
    learns = (step >= start and step % gap == 0 for start, gap in zip(starts, every, strict=True))
    return sum(1 << place for place, does in enumerate(learns) if does)


def lane_numbers(setting: Setting) -> tuple[str, ...]:
    """The numbers of a lane in its state: γ, and the hyperparameters that the agent has."""
    return tuple(name for name in OF_LANE if name == "gamma" or name in setting)


def metric_names(environment: Interface) -> tuple[str, ...]:
    """Names of all metrics: rewards, aggregates, and of each role's update."""
    roles = [role.name for role in environment.roles]
    seen = [f"reward_{name}" for name in roles] + list(environment.aggregates)
    return (
        *(name + end for name in seen for end in QUANTILES),
        *(f"{name}_{role}" for role in roles for name in LEARNED),
    )


def roles_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout: a network for each role, its optimiser, its mask, and its last metrics."""
    state: dict[str, tuple[int, ...]] = {}
    learned: dict[str, tuple[int, ...]] = {}
    roles = environment.roles
    for role in roles:
        shape, name = network_shape(setting, role), f"policy.{role.name}"
        state |= optimised_shapes(name, shape.num_params())
        state[f"mask.{role.name}"] = (sum(role.heads),)
        state |= columns(*(f"last.{metric}_{role.name}" for metric in LEARNED))
        learned |= shape.named_shapes(f"{name}.")
        learned[f"mask.{role.name}"] = (sum(role.heads),)
    state |= dict.fromkeys(("adam.betas", "adam.weights"), (2,))
    state |= {**dict.fromkeys(OF_ROLES, (len(roles),)), **columns(*lane_numbers(setting))}
    return Layout(
        state=state,
        learned=learned,
        metrics=metric_names(environment),
        num_simulation_draws=simulation_draws(setting, environment),
        num_play_draws=len(environment.action_heads),
        update_bytes=FLOAT_BYTES * numbers_of_update(setting, environment),
        acting_bytes=FLOAT_BYTES * acting_numbers(setting, environment),
    )


def optimised_shapes(name: str, size: int) -> dict[str, tuple[int, ...]]:
    """Parameters that Adam learns, and what it keeps of them, with powers of their own."""
    return {
        **dict.fromkeys((name, f"{name}.mean", f"{name}.square"), (size,)),
        f"{name}.powers": (2,),
    }


def simulation_draws(setting: Setting, environment: Interface) -> int:
    """Uniform numbers of an episode in each world."""
    step = len(environment.action_heads) + environment.num_step_draws
    worlds: int = setting["num_worlds"]
    return worlds * (environment.num_reset_draws + environment.horizon_steps * step)


def acting_numbers(setting: Setting, environment: Interface) -> int:
    """Numbers that choosing a joint action holds."""
    widths = (role.count * sum(network_shape(setting, role).widths()) for role in environment.roles)
    return 3 * sum(widths)


def scenes_at_once(setting: Setting, environment: Interface, role: Role) -> int:
    """Steps of worlds that a gradient goes through at once."""
    scenes: int = setting["num_worlds"] * environment.horizon_steps
    return max(1, min(scenes, ROWS_AT_ONCE // role.count))


def numbers_of_update(setting: Setting, environment: Interface) -> int:
    """Numbers that an update holds: what was played, while it is put together twice, and the
    gradient of the largest role."""
    scenes, played, largest = setting["num_worlds"] * environment.horizon_steps, 0, 0
    for role in environment.roles:
        shared, own = num_features(role)
        played += scenes * (shared + role.count * (own + len(role.heads) + SEEN_NUMBERS))
        shape = network_shape(setting, role)
        rows = role.count * scenes_at_once(setting, environment, role)
        outputs = LAYER_COPIES * sum(shape.widths()[1:]) + LOGIT_COPIES * sum(role.heads)
        largest = max(largest, int(rows * outputs) + PARAMETER_COPIES * shape.num_params())
    return 2 * played + largest


def fits_roles(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """A game with an end, and lists that go with its roles."""
    if misfits := list(FitsRoles()(interface, values_of)):
        yield from misfits
        return
    if not interface.horizon_steps:
        yield "", "plays games that end, and this one has no last step", "choose another game"
    yield from uneven_lists(interface, values_of, BY_ROLE)
    for listed in cast("tuple[tuple[float, ...], ...]", values_of("mask_start")):
        yield from _misfits_of_start(interface.roles, listed)


def _misfits_of_start(roles: Sequence[Role], listed: Sequence[float]) -> Iterator[Misfit]:
    """Starts of masks that are not one for each column, or that no choice has: all choices would
    then be masked alike."""
    counts = {role.name: len(mask_grids(role)) for role in roles}
    columns = [(role.name, grid) for role in roles for grid in mask_grids(role)]
    if len(listed) not in (0, len(columns)):
        parts = ", ".join(f"{count} of {name}" for name, count in counts.items())
        problem = f"got {len(listed)} numbers, allowed in this game: 0, or {len(columns)}: {parts}"
        nothing = "--set 'agent.mask_start=[[]]' masks nothing"
        yield "mask_start", problem, f"give each column its start; {nothing}"
        return
    for place, (number, (name, grid)) in enumerate(zip(listed, columns, strict=False)):
        if np.float32(number) not in np.array(grid, np.float32):
            problem = f"got {number:g} at place {place}, of {name}, allowed: {shown(grid)}"
            yield "mask_start", problem, "write a number that a choice has"


def uneven_lists(
    interface: Interface, values_of: ValuesOf, names: Sequence[str], least: int = 1
) -> Iterator[Misfit]:
    """Lists that are neither of one number for all roles nor of one for each.

    Args:
        names: of the hyperparameters.
        least: numbers that a list may have at least.
    """
    roles = [role.name for role in interface.roles]
    for name in names:
        for listed in cast("tuple[tuple[Any, ...], ...]", values_of(name)):
            if len(listed) not in (least, 1, len(roles)):
                problem = f"got {shown(listed)}, allowed: 1 number for all, or {len(roles)}"
                problem += f" for the game's {', '.join(roles)}"
                one = f"--set 'agent.{name}=[[{listed[0]:g}]]'" if listed else "a list of lists"
                yield name, problem, f"write one for each, or {one}"


def _by_role(name: str, doc: str, default: int, least: int) -> Field:
    doc = f"{doc}, of each role or of all"
    return Field(name, "ints", (default,), doc, minimum=least, maximum=10**9, static=True)


def fields(clipped: bool) -> tuple[Field, ...]:
    """The hyperparameters.

    Args:
        clipped: whether changes of policy and value are clipped; there may be several updates then.
    """
    return (*_SHARED, *(CLIPPING if clipped else ()), *_CURRICULUM)


LOSS = (
    Field(
        "returns",
        "str",
        "discounted",
        "Σ γˢ r_{t+s}; or as in the original's code, r_t + γ Σ_{s>0} r_{t+s}",
        choices=("discounted", "source"),
        static=True,
    ),
    Field("value_weight", "float", 1.0, "weight of the value's loss", minimum=0),
    Field("max_grad_norm", "float", 2.0, "a longer gradient is cut to this length", above=0),
)
CLIPPING = (
    Field("clip", "float", 0.1, "ratios and values stay so near the old ones", above=0),
    Field(
        "value_clipping",
        "str",
        "elementwise",
        "of the value's loss and that of the clipped value the larger counts: of each number, "
        "or the larger of both means, as in the original",
        choices=("elementwise", "mean_of_means"),
        static=True,
    ),
    Field(
        "updates",
        "int",
        2,
        "updates of a step, all on the same episodes",
        minimum=1,
        maximum=100,
        static=True,
    ),
)
_SHARED = (
    Field(
        "num_worlds",
        "int",
        16,
        "games that are played side by side in a step, an episode each",
        minimum=1,
        maximum=100_000,
        static=True,
    ),
    Field(
        "hidden",
        "ints",
        (128, 128),
        "widths of the hidden layers of every role's network",
        minimum=1,
        maximum=16_384,
        static=True,
    ),
    Field("lr", "floats", (1e-3,), "step size of each role or of all", minimum=0),
    Field("reward_scale", "floats", (1.0,), "what rewards are divided by, likewise", above=0),
    *LOSS,
    Field("entropy_weight", "float", 0.5, "weight of the entropy at the start", minimum=0),
    Field(
        "entropy_decay",
        "float",
        10_000.0,
        "steps of learning over which that falls to its e-th part; 0 is never",
        minimum=0,
    ),
    Field("entropy_floor", "float", 0.1, "the share of it that stays", minimum=0, maximum=1),
    BETAS,
)
_CURRICULUM = (
    _by_role("learning_start", "step from which on a role learns", 0, 0),
    _by_role("learning_every", "it learns at every so many steps", 1, 1),
    Field(
        "mask_start",
        "floats",
        (),
        "what may be chosen at first, such as one price and one wage: a number for each column "
        "of what the choices mean, of each role that takes one decision; [] is everything",
        static=True,
    ),
    _by_role("mask_begin", "step at which bounds begin to open", 0, 0),
    _by_role("mask_steps", "steps over which they open; 0 is at once", 0, 0),
    Field(
        "ease_steps",
        "float",
        0.0,
        "the game is eased by the factor 1 - exp(-step / ease_steps); 0 is the game itself",
        minimum=0,
    ),
)
