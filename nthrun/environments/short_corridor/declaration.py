"""What a spec may say of the short corridor."""

from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.field import Field
from nthrun.specs.interface import Interface

CONTINUOUS_SHORT_CORRIDOR = EnvironmentDeclaration(
    name="ContinuousShortCorridor",
    interface=Interface((0.0,), (1.0,), (-2.0,), (2.0,), state_dim=1, num_step_draws=1),
    program="nthrun.environments.short_corridor.program:ContinuousShortCorridor",
    fields=(
        Field(
            "deviation",
            "float",
            0.05,
            "how far an action may be from ±1 and still tend to move",
            minimum=1e-3,
            maximum=10,
        ),
    ),
    doc=(
        "Leave a corridor of three cells at its right end, at -1 a step; the observation is "
        "always 1. An action within [-2, 2] goes left below 0, else right, the other way round in "
        "the middle cell; it moves with probability exp(-((a + 1)/deviation)²/2) + "
        "exp(-((a - 1)/deviation)²/2), at most 1."
    ),
    source=(
        "Sutton and Barto (2018), Reinforcement learning: an introduction, example 13.1, with "
        "continuous actions"
    ),
)
