"""What a spec may say of an acrobot."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.field import Value
from nthrun.specs.interface import Interface

SPEEDS = (4.0 * math.pi, 9.0 * math.pi)
HIGH = (1.0, 1.0, 1.0, 1.0, *SPEEDS)
VIEWER = "nthrun.environments.viewer:AcrobotViewer"
SOURCE = "Sutton (1996), Generalization in reinforcement learning, NeurIPS"


def _interface(values: Mapping[str, Value]) -> Interface:
    return _seen(values, HIGH, num_reset_draws=4)


def _interface_of_angles(values: Mapping[str, Value]) -> Interface:
    return _seen(values, (math.pi, math.pi, *SPEEDS))


def _seen(
    values: Mapping[str, Value], high: tuple[float, ...], num_reset_draws: int = 0
) -> Interface:
    continuous = bool(values["continuous"])
    return Interface(
        observation_low=tuple(-bound for bound in high),
        observation_high=high,
        action_low=(-1.0,) if continuous else (),
        action_high=(1.0,) if continuous else (),
        num_actions=0 if continuous else 3,
        state_dim=4,
        num_reset_draws=num_reset_draws,
    )


ACROBOT = EnvironmentDeclaration(
    name="Acrobot-v1",
    interface=_interface,
    program="nthrun.environments.acrobot.program:Acrobot",
    viewer=VIEWER,
    continuous=(False, True),
    doc=(
        "Swing the tip of two links above a line, at -1 a step before the last; as in Gymnasium. "
        "A continuous action is the torque, within [-1, 1]."
    ),
    source=SOURCE,
)
DENSE_ACROBOT = EnvironmentDeclaration(
    name="DenseAcrobot-v1",
    interface=_interface,
    program="nthrun.environments.acrobot.program:DenseAcrobot",
    viewer=VIEWER,
    continuous=(False, True),
    doc=(
        "The acrobot with a reward at every step: the tip's height, -cos θ₁ - cos(θ₁ + θ₂), less "
        "the 2 of its highest point, so within [-4, 0]. It ends where Acrobot-v1 does."
    ),
    source=SOURCE,
)
ANGLE_ACROBOT = EnvironmentDeclaration(
    name="AngleAcrobot-v1",
    interface=_interface_of_angles,
    program="nthrun.environments.acrobot.program:AngleAcrobot",
    viewer=VIEWER,
    continuous=(False, True),
    doc=(
        "The acrobot with observation (θ₁, θ₂, θ̇₁, θ̇₂), angles within [-π, π), which starts "
        "hanging down, at rest. Rewards and ends are those of Acrobot-v1."
    ),
    source="Neumann et al. (2023), Greedy Actor-Critic, ICLR",
)
DENSE_ANGLE_ACROBOT = EnvironmentDeclaration(
    name="DenseAngleAcrobot-v1",
    interface=_interface_of_angles,
    program="nthrun.environments.acrobot.program:DenseAngleAcrobot",
    viewer=VIEWER,
    continuous=(False, True),
    doc=(
        "AngleAcrobot-v1 with the tip's height, -cos θ₁ - cos(θ₁ + θ₂), less the 1 of the line as "
        "its reward at every step, so within [-3, 1]."
    ),
    source="Neumann et al. (2023), Greedy Actor-Critic, ICLR",
)
