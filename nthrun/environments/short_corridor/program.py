"""The short corridor as a tensor program.

Sutton and Barto (2018), Reinforcement learning: an introduction, example 13.1: cells 0, 1 and 2, a
goal behind them, and a middle cell where directions are switched. Here an action is a number a,
which moves with probability min(1, b(a; -1) + b(a; 1)), b(a; c) = exp(-((a - c)/deviation)² / 2),
to the left where a <= 0 and to the right elsewhere.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.environments.base import Transition
from nthrun.environments.tensors import bump, same_start_states
from nthrun.specs.environment_spec import EnvironmentSpec

SWITCHED = 1.0
GOAL = 3.0


class ContinuousShortCorridor:
    """State (cell), a whole number; observation (1); the reward is -1 a step."""

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spec = spec
        self._deviation = spec.number("deviation")

    def reset(self, draws: Tensor) -> Tensor:
        """Cell 0, or the spec's start state."""
        return same_start_states(self._spec, draws, 0.0)

    def observe(self, state: Tensor) -> Tensor:
        """1 in every cell."""
        return torch.ones_like(state)

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Take an action in [-2, 2]; terminates at the right end."""
        odds = bump(action, -1.0, self._deviation) + bump(action, 1.0, self._deviation)
        moves = (draws < odds).to(state.dtype)
        right = 2.0 * (action > 0.0).to(state.dtype) - 1.0
        direction = torch.where(state == SWITCHED, -right, right)
        cell = (state + moves * direction).clamp(0.0, GOAL)
        terminated = (cell >= GOAL).to(state.dtype)
        return Transition(cell, -torch.ones_like(terminated), terminated)
