"""What a spec may say of an acrobot."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.field import Value
from nthrun.specs.interface import Interface

HIGH = (1.0, 1.0, 1.0, 1.0, 4.0 * math.pi, 9.0 * math.pi)
VIEWER = "nthrun.environments.viewer:AcrobotViewer"
SOURCE = "Sutton (1996), Generalization in reinforcement learning, NeurIPS"


def _interface(values: Mapping[str, Value]) -> Interface:
    continuous = bool(values["continuous"])
    return Interface(
        observation_low=tuple(-bound for bound in HIGH),
        observation_high=HIGH,
        action_low=(-1.0,) if continuous else (),
        action_high=(1.0,) if continuous else (),
        num_actions=0 if continuous else 3,
        state_dim=4,
        num_reset_draws=4,
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
