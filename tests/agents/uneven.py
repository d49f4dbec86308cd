"""Environments whose actions have bounds of their own in every component."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from nthrun.environments.base import Transition
from nthrun.specs.environment_spec import EnvironmentSpec
from nthrun.specs.field import Value
from nthrun.specs.interface import Interface

LOW, HIGH = (-1.0, -2.0), (1.0, 6.0)


class UnevenBounds:
    """A point that drifts by its actions; specs name it "agents.uneven:UnevenBounds"."""

    def __init__(self, spec: EnvironmentSpec) -> None: ...

    @staticmethod
    def interface(values: Mapping[str, Value]) -> Interface:
        """Two numbers in [-1, 1], shown as they are."""
        return Interface((-1.0,) * 2, (1.0,) * 2, LOW, HIGH, state_dim=2, num_reset_draws=2)

    def reset(self, draws: Tensor) -> Tensor:
        """See `Environment`."""
        return 2.0 * draws - 1.0

    def observe(self, state: Tensor) -> Tensor:
        """See `Environment`."""
        return state

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """See `Environment`."""
        moved = (state + 0.1 * action).clamp(-1.0, 1.0)
        reward = -(moved * moved).sum(-1, keepdim=True)
        return Transition(moved, reward, torch.zeros_like(reward))


class OneValue(UnevenBounds):
    """A tensor environment of which one action is always the same; specs name it
    "agents.uneven:OneValue"."""

    @staticmethod
    def interface(values: Mapping[str, Value]) -> Interface:
        """The same with a second action that is always 0.3."""
        return Interface(
            (-1.0,) * 2, (1.0,) * 2, (-1.0, 0.3), (1.0, 0.3), state_dim=2, num_reset_draws=2
        )
