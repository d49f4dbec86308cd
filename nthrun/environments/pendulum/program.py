"""Pendulums as tensor programs.

The equations and constants of `Pendulum` are those of Gymnasium's `Pendulum-v1`, so a step agrees
with Gymnasium's to rounding (tests/environments/test_pendulum.py states the tolerances).

    velocity    θ̇' = clip(θ̇ + (3g/(2l) sin θ + 3/(ml²) u) dt, ±8)
    angle       θ' = θ + θ̇' dt
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nthrun.environments.base import Transition
from nthrun.environments.tensors import same_start_states, start_states, wrap
from nthrun.specs.environment_spec import EnvironmentSpec

GRAVITY = 10.0
MASS = 1.0
LENGTH = 1.0
TIME_STEP_SECONDS = 0.05
MAX_SPEED = 8.0
MAX_TORQUE = 2.0


class Pendulum:
    """State (θ in radians from upright, θ̇ in radians per second); observation (cos θ, sin θ, θ̇).

    reward      r  = -(wrap(θ)² + 0.1 θ̇² + 0.001 u²)
    """

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spec = spec

    def reset(self, draws: Tensor) -> Tensor:
        """θ uniform on [-π, π) and θ̇ on [-1, 1), or the spec's start state."""
        half_width = torch.tensor([math.pi, 1.0], dtype=draws.dtype, device=draws.device)
        return start_states(self._spec, (2.0 * draws - 1.0) * half_width)

    def observe(self, state: Tensor) -> Tensor:
        """(cos θ, sin θ, θ̇)."""
        angle, speed = state.split(1, -1)
        return torch.cat((angle.cos(), angle.sin(), speed), -1)

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Apply the torque u in [-2, 2] for one time step; never terminates."""
        angle, speed = state.split(1, -1)
        wrapped = wrap(angle)
        cost = wrapped * wrapped + 0.1 * (speed * speed) + 0.001 * (action * action)
        return Transition(swung(state, action, GRAVITY), -cost, torch.zeros_like(cost))


class SparsePendulum(Pendulum):
    """`Pendulum` with the spec's gravity and a reward of 1 near upright.

    reward      r  = 1 if |wrap(θ')| <= tolerance / sparsity_factor else 0
    """

    def __init__(self, spec: EnvironmentSpec) -> None:
        super().__init__(spec)
        self._gravity = spec.number("g")
        self._near = math.radians(spec.number("tolerance") / spec.number("sparsity_factor"))

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Apply the torque u in [-2, 2] for one time step; never terminates."""
        new_state = swung(state, action, self._gravity)
        reward = (wrap(new_state[..., :1]).abs() <= self._near).to(state.dtype)
        return Transition(new_state, reward, torch.zeros_like(reward))


class EarlySparsePendulum(SparsePendulum):
    """The same with a reward of 1 where the angle was near upright before the step.

    reward      r  = 1 if |wrap(θ)| < tolerance / sparsity_factor else 0
    """

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Apply the torque u in [-2, 2] for one time step; never terminates."""
        reward = (wrap(state[..., :1]).abs() < self._near).to(state.dtype)
        return Transition(swung(state, action, self._gravity), reward, torch.zeros_like(reward))


class CosinePendulum:
    """State and observation (θ in radians from upright on [-π, π), θ̇ in radians per second).

    reward      r  = cos θ'

    As in Gym's `Pendulum-v0`, a speed above the limit still moves the angle once.
    """

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spec = spec
        self._discrete = spec.interface.discrete

    def reset(self, draws: Tensor) -> Tensor:
        """Hanging down at rest, or the spec's start state."""
        return same_start_states(self._spec, draws, -math.pi, 0.0)

    def observe(self, state: Tensor) -> Tensor:
        """The state."""
        return state

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Apply a torque, of number 0, 1, 2 or in [-2, 2], for one time step; never terminates."""
        torque = MAX_TORQUE * (action - 1.0) if self._discrete else action
        angle, speed = state.split(1, -1)
        new_speed = accelerated(angle, speed, torque, GRAVITY)
        new_angle = wrap(angle + new_speed * TIME_STEP_SECONDS)
        new_state = torch.cat((new_angle, new_speed.clamp(-MAX_SPEED, MAX_SPEED)), -1)
        reward = new_angle.cos()
        return Transition(new_state, reward, torch.zeros_like(reward))


def accelerated(angle: Tensor, speed: Tensor, torque: Tensor, gravity: float) -> Tensor:
    """The speed after one time step, without a limit."""
    pull = 3.0 * gravity / (2.0 * LENGTH) * angle.sin()
    push = 3.0 / (MASS * LENGTH**2) * torque
    return speed + (pull + push) * TIME_STEP_SECONDS


def swung(state: Tensor, torque: Tensor, gravity: float) -> Tensor:
    """(θ', θ̇') of Gymnasium's `Pendulum-v1`, θ' beyond ±π where the pendulum went round."""
    angle, speed = state.split(1, -1)
    new_speed = accelerated(angle, speed, torque, gravity).clamp(-MAX_SPEED, MAX_SPEED)
    return torch.cat((angle + new_speed * TIME_STEP_SECONDS, new_speed), -1)
