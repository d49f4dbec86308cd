"""What a spec may say of a cart-pole."""

from __future__ import annotations

import math

from nthrun.specs.declaration import EnvironmentDeclaration
from nthrun.specs.interface import Interface

HIGH = (4.8, 10.0, 24.0 * math.pi / 180.0, 5.0)
"""Gymnasium's bounds of positions, twice those that end an episode. Gymnasium bounds no speed, but
from a random start none gets beyond these: a cart that gains more than g tan 12° drops its pole."""
LOW = tuple(-bound for bound in HIGH)
STRONG_HIGH = (HIGH[0], 3.0 * HIGH[1], HIGH[2], 3.0 * HIGH[3])
"""The same of a cart that is pushed three times as hard."""
VIEWER = "nthrun.environments.viewer:CartPoleViewer"
SOURCE = (
    "Barto, Sutton and Anderson (1983), Neuronlike adaptive elements that can solve difficult "
    "learning control problems, IEEE Transactions on Systems, Man, and Cybernetics 13"
)

CARTPOLE = EnvironmentDeclaration(
    name="CartPole-v1",
    interface=Interface(LOW, HIGH, num_actions=2, state_dim=4, num_reset_draws=4),
    program="nthrun.environments.cartpole.program:CartPole",
    viewer=VIEWER,
    continuous=(False,),
    doc="Keep a pole upright by pushing its cart left or right, for 1 a step; as in Gymnasium.",
    source=SOURCE,
)
CONTINUOUS_CARTPOLE = EnvironmentDeclaration(
    name="ContinuousCartpole-v0",
    interface=Interface(LOW, HIGH, (-1.0,), (1.0,), state_dim=4, num_reset_draws=4),
    program="nthrun.environments.cartpole.program:CartPole",
    viewer=VIEWER,
    doc="CartPole-v1 with a force of 10 times the action, which is within [-1, 1].",
    source=SOURCE,
)
STRONG_CARTPOLE = EnvironmentDeclaration(
    name="StrongContinuousCartpole-v0",
    interface=Interface(
        tuple(-bound for bound in STRONG_HIGH),
        STRONG_HIGH,
        (-1.0,),
        (1.0,),
        state_dim=4,
        num_reset_draws=4,
    ),
    program="nthrun.environments.cartpole.program:StrongCartPole",
    viewer=VIEWER,
    doc="ContinuousCartpole-v0 with a force of 30 times the action.",
    source=SOURCE,
)
