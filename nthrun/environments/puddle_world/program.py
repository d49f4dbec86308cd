"""Puddle world as a tensor program.

Sutton (1996), Generalization in reinforcement learning: successful examples using sparse coarse
coding. A puddle is what lies within 0.1 of a segment; with the distances dᵢ' of the place reached
to the two segments,

    place       p' = clip(p + a + 0.01 z, 0, 1), z standard normal
    reward      r  = -1 - 400 max(0, 0.1 - d₁', 0.1 - d₂')
    goal        (1 - x') + (1 - y') < 0.1
"""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.environments.base import Transition
from nthrun.environments.tensors import normal, start_states
from nthrun.specs.environment_spec import EnvironmentSpec

STEP = 0.05
NOISE_STDDEV = 0.01
RADIUS = 0.1
GOAL_DISTANCE = 0.1


class PuddleWorld:
    """State and observation (x, y), within the unit square."""

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spec = spec
        self._discrete = spec.interface.discrete

    def reset(self, draws: Tensor) -> Tensor:
        """Uniform on the square without the goal, or the spec's start state.

        Behind x = 1 - 0.1 the square is only 1 - t high, t = x - 0.9, so that the area to the left
        of x is a = 0.9 + t - t²/2, of which t is the inverse; all of it is 1 - 0.1²/2.
        """
        first, second = draws.split(1, -1)
        full = 1.0 - GOAL_DISTANCE
        area = (1.0 - GOAL_DISTANCE**2 / 2.0) * first
        beyond = 1.0 - torch.sqrt(1.0 - 2.0 * (area - full).clamp(min=0.0))
        position = torch.cat((area.clamp(max=full) + beyond, second * (1.0 - beyond)), -1)
        return start_states(self._spec, position)

    def observe(self, state: Tensor) -> Tensor:
        """The state."""
        return state

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Walk, by number 0 to 3 or by a step in [-0.05, 0.05]²; terminates at the goal."""
        stride = directed(action) if self._discrete else action
        position = (state + stride + NOISE_STDDEV * normal(draws)).clamp(0.0, 1.0)
        x, y = position.split(1, -1)
        terminated = ((1.0 - x) + (1.0 - y) < GOAL_DISTANCE).to(state.dtype)
        return Transition(position, -1.0 - 400.0 * depth(x, y), terminated)


def directed(action: Tensor) -> Tensor:
    """The step of an action 0, 1, 2 or 3: along -x, +x, -y or +y."""
    along_y = (action > 1.5).to(action.dtype)
    sign = 2.0 * (action - 2.0 * along_y) - 1.0
    return STEP * torch.cat((sign * (1.0 - along_y), sign * along_y), -1)


def depth(x: Tensor, y: Tensor) -> Tensor:
    """How far a place is inside the puddles, 0 outside, at most 0.1; `(..., 1)`.

    The segments are (0.1, 0.75) to (0.45, 0.75) and (0.45, 0.4) to (0.45, 0.8).
    """
    flat = distance(x - x.clamp(0.1, 0.45), y - 0.75)
    upright = distance(x - 0.45, y - y.clamp(0.4, 0.8))
    return (RADIUS - torch.minimum(flat, upright)).clamp(min=0.0)


def distance(x: Tensor, y: Tensor) -> Tensor:
    """√(x² + y²)."""
    return torch.sqrt(x * x + y * y)
