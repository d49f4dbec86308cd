"""Cart-poles as tensor programs.

The equations and constants are those of Gymnasium's `CartPole-v1`, integrated over 0.02 seconds by
one step of Euler's method, so a step agrees with Gymnasium's to rounding
(tests/environments/test_cartpole.py states the tolerances). With the force F, the masses m of the
pole and M of both, and the half length l of the pole,

    p = (F + m l θ̇² sin θ) / M
    θ̈ = (g sin θ - p cos θ) / (l (4/3 - m cos² θ / M))
    ẍ = p - m l θ̈ cos θ / M
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nthrun.environments.base import Transition
from nthrun.environments.tensors import start_states
from nthrun.specs.environment_spec import EnvironmentSpec

GRAVITY = 9.8
POLE_MASS = 0.1
TOTAL_MASS = 1.1
HALF_LENGTH = 0.5
MAX_FORCE, STRONG_FORCE = 10.0, 30.0
TIME_STEP_SECONDS = 0.02
MAX_POSITION = 2.4
MAX_ANGLE = 12.0 * math.pi / 180.0


class CartPole:
    """State and observation (x, ẋ, θ in radians from upright, θ̇); the reward is 1 a step."""

    max_force = MAX_FORCE

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spec = spec
        self._discrete = spec.interface.discrete

    def reset(self, draws: Tensor) -> Tensor:
        """Every number uniform on [-0.05, 0.05), or the spec's start state."""
        return start_states(self._spec, 0.1 * draws - 0.05)

    def observe(self, state: Tensor) -> Tensor:
        """The state."""
        return state

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Push left (0) or right (1), or with a share of the force in [-1, 1]; terminates where
        |x| > 2.4 m or |θ| > 12°."""
        force = self.max_force * (2.0 * action - 1.0 if self._discrete else action)
        new_state = state + TIME_STEP_SECONDS * slope(state, force)
        position, _, angle, _ = new_state.split(1, -1)
        lost = (position.abs() > MAX_POSITION) | (angle.abs() > MAX_ANGLE)
        terminated = lost.to(state.dtype)
        return Transition(new_state, torch.ones_like(terminated), terminated)


class StrongCartPole(CartPole):
    """The same with three times the force."""

    max_force = STRONG_FORCE


def slope(state: Tensor, force: Tensor) -> Tensor:
    """The state's change a second, (ẋ, ẍ, θ̇, θ̈)."""
    _, velocity, angle, speed = state.split(1, -1)
    sine, cosine = angle.sin(), angle.cos()
    lever = POLE_MASS * HALF_LENGTH
    push = (force + lever * (speed * speed) * sine) / TOTAL_MASS
    inertia = HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * (cosine * cosine) / TOTAL_MASS)
    acceleration = (GRAVITY * sine - cosine * push) / inertia
    return torch.cat(
        (velocity, push - lever * acceleration * cosine / TOTAL_MASS, speed, acceleration), -1
    )
