"""What a spec may say of Monte Carlo policy gradients, and what a lane costs."""

from __future__ import annotations

from collections.abc import Iterator

from nthrun.agents.fields import BETAS, normaliser_momentum
from nthrun.agents.sizes import MLPShape
from nthrun.specs.declaration import AgentDeclaration, Misfit, Setting, ValuesOf, fits_continuous
from nthrun.specs.field import Field
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

FLOAT = 4
ADAM_COPIES = 3
NUMBERS = 7 + 3 * 2
"""Of a lane beside its networks: step sizes, weights and γ, and what Adam counts."""
NUM_METRICS = 7
LAYER_COPIES = 4
"""Outputs of a layer that an update holds at once: before and after it, and their gradients."""


def networks(setting: Setting, environment: Interface) -> tuple[MLPShape, MLPShape]:
    """The policy's and the baseline's."""
    observation = environment.observation_dim
    return (
        MLPShape(observation, setting["policy_hidden"], environment.action_dim),
        MLPShape(observation, setting["value_hidden"], 1),
    )


def mc_pg_footprint(setting: Setting, environment: Interface) -> AgentFootprint:
    """The cost of one lane."""
    policy, baseline = networks(setting, environment)
    learned = policy.num_params() + environment.action_dim + baseline.num_params()
    episodes, steps = setting["n_trajectories"], environment.horizon_steps
    normaliser = 2 * environment.observation_dim
    seen = 2 * environment.observation_dim + 2 * environment.action_dim + 4
    widest = max(sum(policy.widths()), sum(baseline.widths()))
    shown = policy.num_learned() + environment.action_dim + baseline.num_learned() + normaliser
    return AgentFootprint(
        state_bytes=FLOAT * (ADAM_COPIES * learned + normaliser + NUMBERS),
        learned_bytes=FLOAT * shown,
        replay_capacity=0,
        replay_row_bytes=0,
        num_agent_draws=episodes * steps * environment.action_dim,
        num_replay_draws=0,
        num_metrics=NUM_METRICS,
        update_bytes=FLOAT * episodes * steps * (seen + LAYER_COPIES * widest),
        acting_bytes=FLOAT * LAYER_COPIES * sum(policy.widths()),
        num_simulation_draws=episodes
        * (environment.num_reset_draws + steps * environment.num_step_draws),
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
    footprint=mc_pg_footprint,
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
