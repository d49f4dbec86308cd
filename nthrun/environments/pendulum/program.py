"""Pendulum-v1 as a tensor program.

The equations and constants are those of Gymnasium's `Pendulum-v1`, so a step agrees with
Gymnasium's to rounding (tests/environments/test_pendulum.py states the tolerances).

    reward      r  = -(wrap(θ)² + 0.1 θ̇² + 0.001 u²)
    velocity    θ̇' = clip(θ̇ + (3g/(2l) sin θ + 3/(ml²) u) dt, ±8)
    angle       θ' = θ + θ̇' dt
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nthrun.environments.base import Transition
from nthrun.environments.pendulum.declaration import PENDULUM
from nthrun.specs.environment_spec import EnvironmentSpec

GRAVITY = 10.0
MASS = 1.0
LENGTH = 1.0
TIME_STEP_SECONDS = 0.05
MAX_SPEED = 8.0


class Pendulum:
    """State (θ in radians from upright, θ̇ in radians per second); observation (cos θ, sin θ, θ̇)."""

    declaration = PENDULUM
    num_reset_draws = PENDULUM.num_reset_draws

    def __init__(self, spec: EnvironmentSpec) -> None:
        self.start_state = spec.items("start_state")

    def reset(self, draws: Tensor) -> Tensor:
        """θ uniform on [-π, π) and θ̇ on [-1, 1), or the spec's start state."""
        if self.start_state:
            start = torch.tensor(self.start_state, dtype=draws.dtype, device=draws.device)
            return start.expand(*draws.shape[:-1], 2).clone()
        half_width = torch.tensor([math.pi, 1.0], dtype=draws.dtype, device=draws.device)
        return (2.0 * draws - 1.0) * half_width

    def observe(self, state: Tensor) -> Tensor:
        """(cos θ, sin θ, θ̇)."""
        angle, speed = state.split(1, -1)
        return torch.cat((angle.cos(), angle.sin(), speed), -1)

    def step(self, state: Tensor, action: Tensor) -> Transition:
        """Apply the torque u in [-2, 2] for one time step; never terminates."""
        angle, speed = state.split(1, -1)
        wrapped = torch.remainder(angle + math.pi, 2.0 * math.pi) - math.pi
        cost = wrapped * wrapped + 0.1 * (speed * speed) + 0.001 * (action * action)
        pull = 3.0 * GRAVITY / (2.0 * LENGTH) * angle.sin()
        push = 3.0 / (MASS * LENGTH**2) * action
        new_speed = (speed + (pull + push) * TIME_STEP_SECONDS).clamp(-MAX_SPEED, MAX_SPEED)
        new_angle = angle + new_speed * TIME_STEP_SECONDS
        return Transition(torch.cat((new_angle, new_speed), -1), -cost, torch.zeros_like(cost))
