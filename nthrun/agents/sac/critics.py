"""One critic or two, evaluated as one batched product."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.networks import MLP
from nthrun.agents.off_policy.shapes import critic_shape
from nthrun.agents.sac.counts import num_critics
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Interface


class Critics:
    """Q_i(s, a), i up to `count`; their parameters lie side by side in `(lanes, count * P)`.

    For continuous actions a network takes the action with the state, for discrete ones it puts
    out the value of each.
    """

    def __init__(self, statics: Setting, environment: Interface) -> None:
        shape = critic_shape(statics, environment)
        self.count = num_critics(statics)
        self._network = MLP(shape.in_dim, shape.hidden, shape.out_dim, statics["activation"])
        self._weight_init: str = statics["weight_init"]
        self._discrete = environment.discrete

    def initial(self, generator: np.random.Generator) -> np.ndarray:
        """Fresh parameters, `(count * P,)`."""
        rows = [self._network.initial(generator, self._weight_init) for _ in range(self.count)]
        return np.concatenate(rows)

    def named(self, parameters: Tensor, prefix: str) -> dict[str, Tensor]:
        """Weights and biases by name, `(lanes, count, ...)` each."""
        lanes = len(parameters)
        stacked = self._network.named(parameters.view(self.count * lanes, -1), prefix)
        return {name: part.unflatten(0, (lanes, -1)) for name, part in stacked.items()}

    def values(self, parameters: Tensor, observation: Tensor, action: Tensor) -> Tensor:
        """Q_i(s, a), `(lanes, count, batch)`.

        Args:
            parameters: `(lanes, count * P)`.
            observation: `(lanes, batch, observation_dim)`.
            action: in [-1, 1], `(lanes, batch, action_dim)`, or the number of a discrete one.
        """
        if self._discrete:
            values = self._stacked(parameters, observation)
            index = action.long().unsqueeze(1).expand(-1, self.count, -1, -1)
            return values.gather(-1, index).squeeze(-1)
        return self._stacked(parameters, torch.cat((observation, action), -1)).squeeze(-1)

    def smallest(self, parameters: Tensor, observation: Tensor, action: Tensor) -> Tensor:
        """min_i Q_i(s, a), `(lanes, batch)`, of continuous actions."""
        return self.values(parameters, observation, action).min(1).values

    def smallest_of_all(self, parameters: Tensor, observation: Tensor) -> Tensor:
        """min_i Q_i(s, a) of every discrete action, `(lanes, batch, num_actions)`."""
        return self._stacked(parameters, observation).min(1).values

    def _stacked(self, parameters: Tensor, inputs: Tensor) -> Tensor:
        """What every network puts out, `(lanes, count, batch, out_dim)`."""
        lanes, batch, width = inputs.shape
        shared = inputs.unsqueeze(1).expand(lanes, self.count, batch, width)
        rows = parameters.view(self.count * lanes, -1)
        outputs = self._network(rows, shared.reshape(-1, batch, width))
        return outputs.view(lanes, self.count, batch, -1)
