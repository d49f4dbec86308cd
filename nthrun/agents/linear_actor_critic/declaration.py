"""What a spec may say of linearAC and of SoftmaxAC, and what a lane costs."""

from __future__ import annotations

from collections.abc import Iterator

from nthrun.agents.layouts import LinearParts, columns, linear_layout
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
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout


def gaussian_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout of linearAC."""
    size = environment.action_dim
    return _layout(setting, environment, {"mean_weight": size, "log_std_weight": size}, size)


def softmax_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout of SoftmaxAC."""
    return _layout(setting, environment, {"weight": environment.num_actions}, 1)


def _layout(
    setting: Setting, environment: Interface, actor: dict[str, int], num_draws: int
) -> Layout:
    """The layout of an actor whose weights have so many rows by name; the critic's is the first."""
    rows, features = 1 + sum(actor.values()), tile_sizes(setting, environment).num_features
    rates = ("critic_lr", "actor_lr", "avg_reward_lr")
    parts = LinearParts(
        rows,
        state={"outputs": (rows,), **columns("average_reward", "discount", *rates)},
        learned={
            "critic.weight": (features,),
            **{f"actor.{name}": (count, features) for name, count in actor.items()},
            **columns("average_reward"),
        },
        metrics=("td_error", "entropy"),
        num_agent_draws=num_draws,
    )
    return linear_layout(setting, environment, parts)


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
    """The fields of the algorithm, with these defaults of three of them."""
    divided = "divided by the number of active features"
    return (
        Field("decay", "float", decay, "λ of critic's and actor's traces", minimum=0, maximum=1),
        Field("critic_lr", "float", critic_lr, f"critic step size, {divided}", minimum=0),
        Field("actor_lr", "float", actor_lr, f"actor step size, {divided}", minimum=0),
        Field(
            "actor_lr_scale",
            "float",
            0.0,
            "actor step size as a multiple of critic_lr; 0 leaves it to actor_lr",
            minimum=0,
        ),
        Field(
            "avg_reward_lr",
            "float",
            0.0,
            "step size of the average reward; above 0 rewards are not discounted, at 0 they are",
            minimum=0,
        ),
        Field(
            "trace",
            "str",
            "accumulating",
            "whether what a trace has of an active feature is added to or replaced",
            choices=("accumulating", "replacing"),
            static=True,
        ),
        Field("use_critic_trace", "bool", True, "whether the critic has a trace", static=True),
        Field("use_actor_trace", "bool", True, "whether the actor has one", static=True),
    )


LINEAR_AC = AgentDeclaration(
    name="linearAC",
    program="nthrun.agents.linear_actor_critic.program:GaussianActorCritic",
    layout=gaussian_layout,
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
    layout=softmax_layout,
    fits=_fits_softmax,
    doc="Linear actor-critic with traces and a softmax policy, on tile-coded observations; for "
    "discounted or for average reward.",
    source=SOURCE,
    hyperparameters=(
        *_step_sizes(decay=0.9, critic_lr=0.1, actor_lr=0.03),
        Field(
            "temperature",
            "float",
            1.0,
            "what preferences are divided by before the softmax",
            above=0,
            static=True,
        ),
        *TILE_FIELDS,
    ),
)
