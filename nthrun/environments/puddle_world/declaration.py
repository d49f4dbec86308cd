"""What a spec may say of puddle world."""

from __future__ import annotations

from collections.abc import Mapping

from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.field import Value
from nthrun.specs.interface import Interface


def _interface(values: Mapping[str, Value]) -> Interface:
    continuous = bool(values["continuous"])
    return Interface(
        observation_low=(0.0, 0.0),
        observation_high=(1.0, 1.0),
        action_low=(-0.05, -0.05) if continuous else (),
        action_high=(0.05, 0.05) if continuous else (),
        num_actions=0 if continuous else 4,
        state_dim=2,
        num_reset_draws=2,
        num_step_draws=4,
    )


PUDDLE_WORLD = EnvironmentDeclaration(
    name="PuddleWorld-v1",
    interface=_interface,
    program="nthrun.environments.puddle_world.program:PuddleWorld",
    continuous=(False, True),
    doc=(
        "Walk across the unit square to its corner (1, 1), at -1 a step and -400 times the depth "
        "within one of two puddles. Discrete actions 0 to 3 are steps of 0.05 along -x, +x, -y and "
        "+y; a continuous one is the step, each component within 0.05 of 0. Gaussian noise of "
        "standard deviation 0.01 is added to both coordinates."
    ),
    source="Sutton (1996), Generalization in reinforcement learning, NeurIPS",
)
