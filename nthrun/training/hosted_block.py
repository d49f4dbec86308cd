"""A block of steps of worlds on the host, written down step by step."""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.agents.base import Experience
from nthrun.specs.interface import Interface
from nthrun.training.stepping import Block


class HostBlock:
    """What a block of steps shows, as tensors and as arrays that share their memory.

    Attributes:
        arrays: `observation`, `action`, `reward`, `next_observation` and `terminated`, float32,
            and `ended`, bool; `(num_steps, lanes, width)` each, so that a step lies in one piece.
    """

    def __init__(self, interface: Interface, num_steps: int, lanes: int) -> None:
        widths = {
            "observation": interface.observation_dim,
            "action": interface.action_dim,
            "reward": 1,
            "next_observation": interface.observation_dim,
            "terminated": 1,
        }
        self._tensors = {n: torch.zeros(num_steps, lanes, w) for n, w in widths.items()}
        self._tensors["ended"] = torch.zeros(num_steps, lanes, 1, dtype=torch.bool)
        self._steps = {n: tensor.unsqueeze(2).unbind() for n, tensor in self._tensors.items()}
        self.arrays = {name: tensor.numpy() for name, tensor in self._tensors.items()}

    def tensor(self, name: str, place: int, device: torch.device) -> Tensor:
        """One part of one step on a device, `(lanes, 1, width)`."""
        return self._steps[name][place].to(device)

    def taken(self, place: int, observation: Tensor, action: Tensor) -> tuple[Experience, Tensor]:
        """A step as the agent sees it, and whether the episode ended, `(lanes, 1, width)` each.

        Args:
            place: of the step.
            observation, action: of it, which the agent has already.
        """
        names = ("reward", "next_observation", "terminated", "ended")
        *parts, ended = (self.tensor(name, place, action.device) for name in names)
        return Experience(observation, action, *parts), ended

    def shown(self) -> Block:
        """The block as a stepper shows it, `(lanes, num_steps, width)` each."""
        return {name: tensor.transpose(0, 1) for name, tensor in self._tensors.items()}
