"""Mountain cars as tensor programs.

The equations and constants are those of Gymnasium's `MountainCar-v0` and
`MountainCarContinuous-v0`, so a step agrees with Gymnasium's to rounding
(tests/environments/test_mountain_car.py states the tolerances).

    velocity    v' = clip(v + power u - 0.0025 cos 3x, ±0.07)
    position    x' = clip(x + v', -1.2, 0.6), and v' = 0 where the left wall stops the car
"""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.environments.base import Transition
from nthrun.environments.tensors import start_states
from nthrun.specs.environment_spec import EnvironmentSpec

GRAVITY = 0.0025
MIN_POSITION, MAX_POSITION = -1.2, 0.6
MAX_SPEED = 0.07
FORCE, GOAL = 0.001, 0.5
CONTINUOUS_FORCE, CONTINUOUS_GOAL = 0.0015, 0.45


class MountainCar:
    """State and observation (position x, velocity v); the reward is -1 a step."""

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spec = spec
        self._discrete = spec.interface.discrete

    def reset(self, draws: Tensor) -> Tensor:
        """x uniform on [-0.6, -0.4) at rest, or the spec's start state."""
        position = -0.6 + 0.2 * draws
        return start_states(self._spec, torch.cat((position, torch.zeros_like(position)), -1))

    def observe(self, state: Tensor) -> Tensor:
        """The state."""
        return state

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Push with a force, of number 0, 1, 2 or in [-1, 1]; terminates at the goal."""
        force = action - 1.0 if self._discrete else action
        new_state = driven(state, force, FORCE)
        terminated = arrived(new_state, GOAL, 0.0)
        return Transition(new_state, -torch.ones_like(terminated), terminated)


class MountainCarContinuous(MountainCar):
    """The same with more power, a nearer goal, and r = 100 (at the goal) - 0.1 u²."""

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Push with a force in [-1, 1]; terminates at the goal."""
        new_state = driven(state, action, CONTINUOUS_FORCE)
        terminated = arrived(new_state, CONTINUOUS_GOAL, 0.0)
        return Transition(new_state, 100.0 * terminated - 0.1 * (action * action), terminated)


class DenseMountainCarContinuous(MountainCar):
    """The continuous car with r = sin 3x' - 1, at the spec's goal velocity."""

    def __init__(self, spec: EnvironmentSpec) -> None:
        super().__init__(spec)
        self._goal_velocity = spec.number("goal_velocity")
        self._terminates = spec.interface.terminates

    def reward(self, position: Tensor) -> Tensor:
        """Of a position, `(..., 1)`."""
        return torch.sin(3.0 * position) - 1.0

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Push with a force in [-1, 1]; terminates at the goal if the spec says so."""
        new_state = driven(state, action, CONTINUOUS_FORCE)
        reward = self.reward(new_state[..., :1])
        if not self._terminates:
            return Transition(new_state, reward, torch.zeros_like(reward))
        return Transition(
            new_state, reward, arrived(new_state, CONTINUOUS_GOAL, self._goal_velocity)
        )


class PositionMountainCarContinuous(DenseMountainCarContinuous):
    """The same with r = x', less that of the right wall where the goal ends an episode."""

    def reward(self, position: Tensor) -> Tensor:
        """Of a position, `(..., 1)`."""
        return position - MAX_POSITION if self._terminates else position


def driven(state: Tensor, force: Tensor, power: float) -> Tensor:
    """(x', v') after a step with a force u in [-1, 1]."""
    position, velocity = state.split(1, -1)
    velocity = velocity + force * power - GRAVITY * torch.cos(3.0 * position)
    velocity = velocity.clamp(-MAX_SPEED, MAX_SPEED)
    moved = position + velocity
    stopped = (moved <= MIN_POSITION) & (velocity < 0.0)
    velocity = torch.where(stopped, torch.zeros_like(velocity), velocity)
    return torch.cat((moved.clamp(MIN_POSITION, MAX_POSITION), velocity), -1)


def arrived(state: Tensor, goal: float, goal_velocity: float) -> Tensor:
    """1.0 where the car is at the goal and fast enough, else 0.0."""
    position, velocity = state.split(1, -1)
    there: Tensor = (position >= goal) & (velocity >= goal_velocity)
    return there.to(state.dtype)
