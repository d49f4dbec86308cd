"""What a spec may say of Monte Carlo policy gradients, and what a lane costs."""

from __future__ import annotations

from collections.abc import Iterator

from nthrun.agents.fields import BETAS, normaliser_momentum
from nthrun.agents.layouts import (
    FLOAT_BYTES,
    MOMENTUM,
    adam_shapes,
    columns,
    normaliser_shapes,
)
from nthrun.agents.sizes import MLPShape
from nthrun.specs.declaration import (
    AgentDeclaration,
    Divides,
    Misfit,
    Setting,
    ValuesOf,
    fits_continuous,
)
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface
from nthrun.specs.layout import Layout

COPIES = 4
"""Copies that an update or an action holds of the numbers it goes through [measured]."""
COLUMNS = (
    *("lr_policy", "lr_baseline", "max_grad_norm", "entropy_weight", "action_reg_weight"),
    MOMENTUM,
)
"""Hyperparameters that are numbers of a lane, in its state by name."""
METRICS = (
    *("return", "episode_length", "policy_loss", "baseline_loss", "entropy", "advantage"),
    "grad_norm",
)


def networks(setting: Setting, environment: Interface) -> tuple[MLPShape, MLPShape]:
    """The policy's and the baseline's."""
    observation = environment.observation_dim
    return (
        MLPShape(observation, setting["policy_hidden"], environment.action_dim),
        MLPShape(observation, setting["value_hidden"], 1),
    )


def mc_pg_layout(setting: Setting, environment: Interface) -> Layout:
    """The layout of a policy, whose last numbers are log σ, and its baseline."""
    policy, baseline = networks(setting, environment)
    size, observation = environment.action_dim, environment.observation_dim
    episodes, steps = setting["n_trajectories"], environment.horizon_steps
    blocks = {"policy": (policy.num_params() + size,), "baseline": (baseline.num_params(),)}
    shown = 2 * observation + 2 * size + 4
    widest = max(sum(policy.widths()), sum(baseline.widths()))
    return Layout(
        state={
            **adam_shapes(blocks),
            **normaliser_shapes(observation),
            **columns("gamma", *COLUMNS),
        },
        learned={
            **policy.named_shapes("policy."),
            "policy.log_std": (size,),
            **baseline.named_shapes("baseline."),
            **normaliser_shapes(observation),
        },
        metrics=METRICS,
        num_agent_draws=episodes * steps * size,
        num_simulation_draws=episodes
        // setting["episodes_per_shock"]
        * (environment.num_reset_draws + steps * environment.num_step_draws),
        update_bytes=FLOAT_BYTES * episodes * steps * (shown + COPIES * widest),
        acting_bytes=FLOAT_BYTES * COPIES * sum(policy.widths()),
    )


def fits_episodes(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """Continuous actions, and episodes that end by themselves."""
    misfits = list(fits_continuous(interface, values_of))
    yield from misfits
    if not (misfits or interface.horizon_steps):
        problem = "simulates whole episodes, and the environment's need not end"
        yield "", problem, "choose an environment with a horizon, such as GHM"


MC_PG = AgentDeclaration(
    name="mc_pg",
    program="nthrun.agents.mc_pg.program:MonteCarloPolicyGradient",
    layout=mc_pg_layout,
    fits=fits_episodes,
    solves=True,
    doc=(
        "Monte Carlo policy gradients: every step simulates episodes of the current policy, side "
        "by side, and ascends their return with a learned baseline."
    ),
    source=(
        "Williams (1992), Simple statistical gradient-following algorithms for connectionist "
        "reinforcement learning"
    ),
    rules=(Divides("episodes_per_shock", ("n_trajectories",)),),
    hyperparameters=(
        Field(
            "n_trajectories",
            "int",
            250,
            "episodes of one step",
            minimum=2,
            maximum=10**6,
            static=True,
        ),
        Field("lr_policy", "float", 2e-3, "step size of the policy", minimum=0),
        Field("lr_baseline", "float", 2e-3, "step size of the baseline", minimum=0),
        Field(
            "lr_schedule",
            "str",
            "linear",
            "whether step sizes fall to 0 in a line over total_timesteps, or stay",
            choices=("linear", "constant"),
            static=True,
        ),
        normaliser_momentum(0.99),
        Field("max_grad_norm", "float", 0.5, "a longer gradient is cut to this length", above=0),
        Field("entropy_weight", "float", 0.0, "weight of the policy's entropy", minimum=0),
        Field("log_std_init", "float", 0.0, "first log σ of u", minimum=-5, maximum=2),
        Field(
            "action_reg_weight",
            "float",
            0.0,
            "weight of what is taken off for large actions, squared as shares of their ranges",
            minimum=0,
        ),
        Field(
            "returns",
            "str",
            "to_go",
            "what an action is credited with: rewards from then on, or of the whole episode",
            choices=("to_go", "trajectory"),
            static=True,
        ),
        Field(
            "episodes_per_shock",
            "int",
            1,
            "simulated episodes that share their first state and shocks; what the others of them "
            "got beyond the baseline is then taken off the advantages of each",
            minimum=1,
            maximum=10**6,
            static=True,
        ),
        Field(
            "start_power",
            "float",
            1.0,
            "power of the uniform numbers that first states are drawn from; above 1 more simulated "
            "episodes begin where they are low, such as a firm's with little cash",
            minimum=0.1,
            maximum=10,
            static=True,
        ),
        Field(
            "normalise_advantages",
            "bool",
            True,
            "whether advantages are brought to mean 0 and deviation 1",
            static=True,
        ),
        Field(
            "policy_hidden",
            "ints",
            (64, 64),
            "widths of the policy's hidden layers, relu",
            minimum=2,
            maximum=16_384,
            static=True,
        ),
        Field(
            "value_hidden",
            "ints",
            (64, 64),
            "widths of the baseline's hidden layers, tanh",
            minimum=2,
            maximum=16_384,
            static=True,
        ),
        BETAS,
    ),
)
