"""A block of steps of worlds on the host, written down step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Experience
from nthrun.specs.interface import Interface
from nthrun.training.stepping import Block


class Rows(NamedTuple):
    """One step of every lane, to be written into: `(lanes, width)`, float32, and `ended` bool.

    Or all steps of a block, `(num_steps, lanes, width)`.
    """

    observation: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    next_observation: np.ndarray
    terminated: np.ndarray
    ended: np.ndarray


class HostStep:
    """One step: what worlds write, and what the agent sees of it.

    Attributes:
        rows: to be written into.
    """

    def __init__(self, rows: Rows, tensors: tuple[Tensor, ...], device: torch.device) -> None:
        self.rows = rows
        self._tensors = tensors
        self._device = device if device.type != "cpu" else None

    def observation(self) -> Tensor:
        """What the agent acts upon, `(lanes, 1, observation_dim)`."""
        return self._seen(self._tensors[0])

    def take(self, action: Tensor) -> None:
        """Write down what the agent does, `(lanes, 1, action_dim)`."""
        self._tensors[1].copy_(action)

    def taken(self, observation: Tensor, action: Tensor) -> tuple[Experience, Tensor]:
        """The step as the agent sees it, and whether the episode ended, `(lanes, 1, width)` each.

        Args:
            observation, action: of it, which the agent has already.
        """
        *parts, ended = map(self._seen, self._tensors[2:])
        return Experience(observation, action, *parts), ended

    def _seen(self, tensor: Tensor) -> Tensor:
        return tensor if self._device is None else tensor.to(self._device)


class HostBlock:
    """What a block of steps shows: tensors, and arrays that share their memory.

    Args:
        interface: of the environment.
        num_steps, lanes: how many.
        device: where the agent is.

    Attributes:
        rows: arrays of all steps, `(num_steps, lanes, width)`, so that a step lies in one piece.
    """

    def __init__(
        self, interface: Interface, num_steps: int, lanes: int, device: torch.device
    ) -> None:
        observation_dim, action_dim = interface.observation_dim, interface.action_dim
        sizes = (observation_dim, action_dim, 1, observation_dim, 1)
        named = zip(Rows._fields[:-1], sizes, strict=True)
        self._tensors = {name: torch.zeros(num_steps, lanes, size) for name, size in named}
        self._tensors["ended"] = torch.zeros(num_steps, lanes, 1, dtype=torch.bool)
        self._device = device
        self.rows = Rows(*(tensor.numpy() for tensor in self._tensors.values()))

    def __iter__(self) -> Iterator[HostStep]:
        arrays = map(Rows._make, zip(*self.rows, strict=True))
        views = zip(
            *(tensor.unsqueeze(2).unbind() for tensor in self._tensors.values()), strict=True
        )
        for rows, tensors in zip(arrays, views, strict=True):
            yield HostStep(rows, tensors, self._device)

    def shown(self) -> Block:
        """The block as a stepper shows it, `(lanes, num_steps, width)` each."""
        return {name: tensor.transpose(0, 1) for name, tensor in self._tensors.items()}
