"""What a spec may say of linearAC and of SoftmaxAC, and what a lane costs."""

from __future__ import annotations

from collections.abc import Iterator

from nthrun.agents.linear_footprint import LinearSizes, linear_footprint
from nthrun.agents.sizes import TILE_FIELDS, fits_tiles, tile_sizes
from nthrun.specs.declaration import (
    AgentDeclaration,
    Misfit,
    Setting,
    ValuesOf,
    fits_continuous,
    fits_discrete,
)
from nthrun.specs.field import Field
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

NUM_METRICS = 2  # error and entropy
NUM_COLUMNS = 5  # average reward, discount and three step sizes


def gaussian_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of linearAC."""
    num_draws = environment.action_dim
    return _footprint(setting, environment, 2 * environment.action_dim, num_draws)


def softmax_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane of SoftmaxAC."""
    return _footprint(setting, environment, environment.num_actions, 1)


def _footprint(
    setting: Setting, environment: Interface, num_outputs: int, num_draws: int
) -> AgentFootprint:
    tiles = tile_sizes(setting, environment)
    rows = 1 + num_outputs
    return linear_footprint(
        LinearSizes(
            tiles,
            rows,
            state_numbers=NUM_COLUMNS + rows + 2 * tiles.num_active,
            learned_numbers=rows * tiles.num_features + 1,
            num_agent_draws=num_draws,
            num_metrics=NUM_METRICS,
        )
    )


SOURCE = (
    'Degris, Pilarski and Sutton, 2012, "Model-Free Reinforcement Learning with Continuous Action '
    'in Practice"'
)


def _fits_gaussian(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    yield from fits_continuous(interface, values_of)
    yield from fits_tiles(interface, values_of)


def _fits_softmax(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    yield from fits_discrete(interface, values_of)
    yield from fits_tiles(interface, values_of)


def _step_sizes(decay: float, critic_lr: float, actor_lr: float) -> tuple[Field, ...]:
    """The fields of the algorithm, with these defaults."""
    divided = "divided by the number of active features"
    return (
        Field("decay", "float", decay, "λ of critic's and actor's traces", minimum=0, maximum=1),
        Field("critic_lr", "float", critic_lr, f"critic step size, {divided}", minimum=0),
        Field("actor_lr", "float", actor_lr, f"actor step size, {divided}", minimum=0),
        Field(
            "avg_reward_lr",
            "float",
            0.0,
            "step size of the average reward; above 0 rewards are not discounted, at 0 they are",
            minimum=0,
        ),
    )


LINEAR_AC = AgentDeclaration(
    name="linearAC",
    program="nthrun.agents.linear_actor_critic.program:GaussianActorCritic",
    footprint=gaussian_footprint,
    fits=_fits_gaussian,
    doc="Linear actor-critic with traces and a Gaussian policy, on tile-coded observations; for "
    "discounted or for average reward.",
    source=SOURCE,
    hyperparameters=(
        *_step_sizes(decay=0.5, critic_lr=0.3, actor_lr=0.003),
        Field("scaled", "bool", True, "whether the actor's step is scaled by σ²", static=True),
        Field(
            "clip_stddev",
            "float",
            1000.0,
            "the policy's σ stays within [1/clip_stddev, clip_stddev]",
            above=1,
            static=True,
        ),
        *TILE_FIELDS,
    ),
)

SOFTMAX_AC = AgentDeclaration(
    name="SoftmaxAC",
    program="nthrun.agents.linear_actor_critic.program:SoftmaxActorCritic",
    footprint=softmax_footprint,
    fits=_fits_softmax,
    doc="Linear actor-critic with traces and a softmax policy, on tile-coded observations; for "
    "discounted or for average reward.",
    source=SOURCE,
    hyperparameters=(*_step_sizes(decay=0.9, critic_lr=0.1, actor_lr=0.03), *TILE_FIELDS),
)
