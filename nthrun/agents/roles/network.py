"""A role's network, whose first layer takes what a world's agents share only once."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from nthrun.agents.networks import MLP
from nthrun.agents.roles.fields import network_shape, num_features
from nthrun.specs.declaration import Setting
from nthrun.specs.interface import Role


class Said(NamedTuple):
    """What a network puts out for each agent.

    Attributes:
        logits: of all heads, `(lanes, rows, num_logits)`.
        value: `(lanes, rows, 1)`.
    """

    logits: Tensor
    value: Tensor


class RoleNetwork:
    """A perceptron of rectified units on (what is shared, what is an agent's own)."""

    def __init__(self, setting: Setting, role: Role) -> None:
        shape = network_shape(setting, role)
        self.mlp = MLP(shape.in_dim, shape.hidden, shape.out_dim, "relu")
        self._num_shared, self._num_own = num_features(role)

    def __call__(self, parameters: Tensor, shared: Tensor, own: Tensor) -> Said:
        """Logits and values of all agents of all worlds, a row each.

        Args:
            parameters: `(lanes, P)`.
            shared: `(lanes, worlds, s)`.
            own: `(lanes, worlds, count, o)`.
        """
        hidden, weight, bias = self._hidden(parameters, shared, own)
        outputs = torch.baddbmm(bias, hidden, weight)
        size = self.mlp.out_dim - 1
        return Said(outputs[..., :size], outputs[..., size : size + 1])

    def values(self, parameters: Tensor, shared: Tensor, own: Tensor) -> Tensor:
        """The values alone, to rounding."""
        hidden, weight, bias = self._hidden(parameters, shared, own)
        column = weight[..., self.mlp.out_dim - 1].unsqueeze(1)
        value = (hidden * column).sum(-1, keepdim=True)
        return value + bias[..., self.mlp.out_dim - 1 : self.mlp.out_dim]

    def _hidden(
        self, parameters: Tensor, shared: Tensor, own: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The last hidden layer `(lanes, rows, width)`, and weight and bias of the heads."""
        *widths, head = self.mlp.widths()
        *layers, weight, bias = parameters.split(self.mlp.sizes(), 1)
        first = layers[0].view(-1, widths[0], widths[1])
        hidden = self._first(first, layers[1], shared, own)
        later = zip(pairwise(widths[1:]), layers[2::2], layers[3::2], strict=True)
        for (rows, columns), w, b in later:
            product = torch.baddbmm(b.unsqueeze(1), hidden, w.view(-1, rows, columns))
            hidden = torch.relu(product)
        return hidden, weight.view(-1, widths[-1], head), bias[:, :head].unsqueeze(1)

    def _first(self, weight: Tensor, bias: Tensor, shared: Tensor, own: Tensor) -> Tensor:
        """The first hidden layer, `(lanes, rows, width)`."""
        lanes, worlds, count = own.shape[:3]
        common = bias.unsqueeze(1)
        if self._num_shared:
            common = torch.baddbmm(common, shared, weight[:, : self._num_shared])
        common = common.unsqueeze(2).expand(lanes, worlds, count, -1)
        if self._num_own:
            rows = own.reshape(lanes, worlds * count, -1)
            alone = torch.bmm(rows, weight[:, self._num_shared :])
            common = common + alone.view(lanes, worlds, count, -1)
        return torch.relu(common).reshape(lanes, worlds * count, -1)
