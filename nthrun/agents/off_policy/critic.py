"""Action values, of continuous and of discrete actions."""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.agents.networks import MLP
from nthrun.agents.off_policy.shapes import critic_shape
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface


def largest(values: Tensor, count: int, axis: int) -> Tensor:
    """Places of the `count` largest values along an axis, in order, the first of equals first."""
    order: Tensor = values.sort(stable=True, dim=axis, descending=True).indices
    return order.narrow(axis, 0, count)


class Critic:
    """Q(s, a): one output for a state and a continuous action, or one for each discrete action."""

    def __init__(self, statics: Setting, environment: Interface) -> None:
        shape = critic_shape(statics, environment)
        self.network = MLP(shape.in_dim, shape.hidden, shape.out_dim, statics["activation"])
        self._discrete = environment.discrete

    def value(self, parameters: Tensor, observation: Tensor, action: Tensor) -> Tensor:
        """Q(s, a), `(lanes, batch)`.

        Args:
            parameters: `(lanes, P)`.
            observation: `(lanes, batch, observation_dim)`.
            action: in [-1, 1], `(lanes, batch, action_dim)`, or the number of a discrete one.
        """
        if self._discrete:
            values = self.values(parameters, observation)
            return values.gather(-1, action.long()).squeeze(-1)
        return self.network(parameters, torch.cat((observation, action), -1)).squeeze(-1)

    def values(self, parameters: Tensor, observation: Tensor) -> Tensor:
        """Q(s, a) of every discrete action, `(lanes, batch, num_actions)`."""
        return self.network(parameters, observation)

    def values_of(self, parameters: Tensor, observation: Tensor, action: Tensor) -> Tensor:
        """Q(s, a) of several continuous actions of each state, `(lanes, count, batch)`.

        Args:
            observation: `(lanes, batch, observation_dim)`.
            action: `(lanes, count, batch, action_dim)`.
        """
        states = observation.unsqueeze(1).expand(*action.shape[:-1], -1)
        return self.value(parameters, states.flatten(1, 2), action.flatten(1, 2)).view(
            action.shape[:-1]
        )
