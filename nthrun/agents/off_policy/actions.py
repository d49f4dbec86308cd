"""Actions as networks see them: in [-1, 1], or the number of a discrete one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nthrun.agents.policies.special import uniform_of
from nthrun.agents.scaling import ActionScale
from nthrun.specs.interface import Interface


class Actions:
    """The actions of an environment.

    Attributes:
        size: components of a continuous action; 1 for a discrete one.
    """

    def __init__(self, environment: Interface) -> None:
        self.size = environment.action_dim
        self._num_actions = environment.num_actions
        self._scale = None if environment.discrete else ActionScale(environment)

    def uniform(self, normal: Tensor) -> Tensor:
        """Uniform actions `(lanes, batch, size)` from as many standard normal numbers.

        2 Φ(z) - 1 for each component, or ⌊Φ(z) num_actions⌋.
        """
        if self._scale is None:
            return torch.floor(uniform_of(normal) * self._num_actions)
        return torch.erf(normal * math.sqrt(0.5))

    def to_environment(self, action: Tensor) -> Tensor:
        """Actions as the environment takes them."""
        return action if self._scale is None else self._scale.to_environment(action)

    def to_unit(self, action: Tensor) -> Tensor:
        """The inverse of `to_environment`."""
        return action if self._scale is None else self._scale.to_unit(action)
