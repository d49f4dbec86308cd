"""Gridworlds as tensor programs."""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.environments.base import Transition
from nthrun.environments.tensors import same_start_states
from nthrun.specs.environment_spec import EnvironmentSpec


class XYGridworld:
    """State (x in 0..cols-1, y in 0..rows-1), whole numbers; the reward is -1 a step.

    A start state that is not on the grid is taken as the cell nearest to it.
    """

    def __init__(self, spec: EnvironmentSpec) -> None:
        self._spec = spec
        self._right = spec.integer("cols") - 1
        self._top = spec.integer("rows") - 1

    def reset(self, draws: Tensor) -> Tensor:
        """(0, 0), or the spec's start state."""
        x, y = same_start_states(self._spec, draws, 0.0, 0.0).split(1, -1)
        return self._on_grid(x.round(), y.round())

    def observe(self, state: Tensor) -> Tensor:
        """(x, y) as shares of the most they can be."""
        x, y = state.split(1, -1)
        return torch.cat((x / self._right, y / self._top), -1)

    def step(self, state: Tensor, action: Tensor, draws: Tensor) -> Transition:
        """Walk left (0), right (1), down (2) or up (3); terminates at the top right corner."""
        x, y = state.split(1, -1)
        vertical = (action > 1.5).to(state.dtype)
        stride = 2.0 * (action - 2.0 * vertical) - 1.0
        new_state = self._on_grid(x + stride * (1.0 - vertical), y + stride * vertical)
        x, y = new_state.split(1, -1)
        terminated = ((x > self._right - 0.5) & (y > self._top - 0.5)).to(state.dtype)
        return Transition(new_state, -torch.ones_like(terminated), terminated)

    def _on_grid(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat((x.clamp(0.0, self._right), y.clamp(0.0, self._top)), -1)


class CellGridworld(XYGridworld):
    """The same with the cell itself as the observation."""

    def observe(self, state: Tensor) -> Tensor:
        """(x, y)."""
        return state


class NumberGridworld(XYGridworld):
    """The same with the cell's number as the observation."""

    def observe(self, state: Tensor) -> Tensor:
        """y cols + x."""
        x, y = state.split(1, -1)
        number: Tensor = y * (self._right + 1) + x
        return number


class IndexGridworld(XYGridworld):
    """The same with a one-hot observation of the cell."""

    def observe(self, state: Tensor) -> Tensor:
        """1 at place y cols + x of `rows * cols`, 0 elsewhere."""
        x, y = state.split(1, -1)
        cols = self._right + 1
        cells = torch.arange(cols * (self._top + 1), device=state.device)
        here: Tensor = cells == y * cols + x
        return here.to(state.dtype)
