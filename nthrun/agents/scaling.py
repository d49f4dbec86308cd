"""Scaling between the actions of policies and critics, in [-1, 1], and the environment's."""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.environments.tensors import Constants
from nthrun.specs.interface import Interface


class ActionScale:
    """a = center + half_range u, component by component, for continuous actions."""

    def __init__(self, interface: Interface) -> None:
        pairs = list(zip(interface.action_low, interface.action_high, strict=True))
        self._center = _Factor([(high + low) / 2 for low, high in pairs])
        self._half_range = _Factor([(high - low) / 2 for low, high in pairs])

    def to_environment(self, action: Tensor) -> Tensor:
        """An action in [-1, 1], `(..., action_dim)`, within the environment's bounds."""
        device = action.device
        return action * self._half_range.on(device) + self._center.on(device)

    def to_unit(self, action: Tensor) -> Tensor:
        """The inverse of `to_environment`."""
        device = action.device
        return (action - self._center.on(device)) / self._half_range.on(device)


class _Factor:
    """A number a component: a plain number where all share it, which costs no tensor."""

    def __init__(self, values: list[float]) -> None:
        self._shared = values[0] if len(set(values)) == 1 else None
        self._values = Constants(torch.tensor(values))

    def on(self, device: torch.device) -> Tensor | float:
        """The numbers on a device."""
        return self._values.on(device)[0] if self._shared is None else self._shared
