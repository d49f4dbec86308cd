"""What a spec may say of Monte Carlo policy gradients."""

from __future__ import annotations

from collections.abc import Iterator

from nthrun.agents.fields import BETAS, normaliser_momentum
from nthrun.agents.mc_pg.footprint import mc_pg_footprint
from nthrun.specs.declaration import AgentDeclaration
from nthrun.specs.field import Field
from nthrun.specs.fitting import Misfit, ValuesOf, fits_continuous
from nthrun.specs.interface import Interface


def fits_episodes(interface: Interface, values_of: ValuesOf) -> Iterator[Misfit]:
    """Continuous actions, and episodes that end by themselves."""
    misfits = list(fits_continuous(interface, values_of))
    yield from misfits
    if not (misfits or interface.horizon_steps):
        problem = "simulates whole episodes, and the environment's need not end"
        yield "", problem, "choose an environment with a horizon, such as GHM"


MC_PG = AgentDeclaration(
    name="mc_pg",
    program="nthrun.agents.mc_pg.algorithm:MonteCarloPolicyGradient",
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
