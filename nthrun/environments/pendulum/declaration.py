"""What a spec may say of a pendulum."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.field import Field, Value
from nthrun.specs.interface import Interface

VIEWER = "nthrun.environments.viewer:PendulumViewer"
SWING_UP = Interface(
    observation_low=(-1.0, -1.0, -8.0),
    observation_high=(1.0, 1.0, 8.0),
    action_low=(-2.0,),
    action_high=(2.0,),
    state_dim=2,
    num_reset_draws=2,
    terminates=False,
)


def _cosine_interface(values: Mapping[str, Value]) -> Interface:
    continuous = bool(values["continuous"])
    return Interface(
        observation_low=(-math.pi, -8.0),
        observation_high=(math.pi, 8.0),
        action_low=(-2.0,) if continuous else (),
        action_high=(2.0,) if continuous else (),
        num_actions=0 if continuous else 3,
        state_dim=2,
        terminates=False,
    )


PENDULUM = EnvironmentDeclaration(
    name="Pendulum-v1",
    interface=SWING_UP,
    program="nthrun.environments.pendulum.program:Pendulum",
    viewer=VIEWER,
    doc="Swing a pendulum up and keep it there, with continuous torque; as in Gymnasium.",
)
COSINE_PENDULUM = EnvironmentDeclaration(
    name="Pendulum-v0",
    interface=_cosine_interface,
    program="nthrun.environments.pendulum.program:CosinePendulum",
    viewer=VIEWER,
    continuous=(True, False),
    doc=(
        "The pendulum with observation (θ, θ̇), θ within [-π, π), and reward cos θ of the angle "
        "reached. It starts hanging down, at rest. Discrete actions 0, 1, 2 are torques -2, 0, 2."
    ),
    source="Neumann et al. (2023), Greedy Actor-Critic, ICLR",
)
SPARSE_FIELDS = (
    Field("g", "float", 10.0, "gravity in m/s²", minimum=0, maximum=1000),
    Field(
        "tolerance",
        "float",
        1.0,
        "degrees from upright within which a pendulum is rewarded",
        above=0,
        maximum=180,
    ),
    Field(
        "sparsity_factor",
        "float",
        1.0,
        "divides `tolerance`: the larger, the rarer the reward",
        above=0,
        maximum=10**6,
    ),
)

SPARSE_PENDULUM = EnvironmentDeclaration(
    name="SparsePendulum-v1",
    interface=SWING_UP,
    program="nthrun.environments.pendulum.program:SparsePendulum",
    viewer=VIEWER,
    fields=SPARSE_FIELDS,
    doc=(
        "Pendulum-v1 with reward 1 where the angle reached is within `tolerance / sparsity_factor` "
        "degrees of upright, else 0."
    ),
)
EARLY_SPARSE_PENDULUM = EnvironmentDeclaration(
    name="EarlySparsePendulum-v1",
    interface=SWING_UP,
    program="nthrun.environments.pendulum.program:EarlySparsePendulum",
    viewer=VIEWER,
    fields=SPARSE_FIELDS,
    doc=(
        "SparsePendulum-v1 with reward 1 where the angle before the step is nearer to upright than "
        "`tolerance / sparsity_factor` degrees, else 0."
    ),
)
