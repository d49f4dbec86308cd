"""Replay: each lane's last steps, one row a step, uniformly sampled."""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.agents.base import Experience
from nthrun.specs.declaration import EnvironmentDeclaration


def row_widths(environment: EnvironmentDeclaration) -> list[int]:
    """Widths of the parts of a row, in the order of `Experience`."""
    observation = environment.observation_dim
    return [observation, environment.action_dim, 1, observation, 1]


def store(buffer: Tensor, experience: Experience, step: Tensor) -> None:
    """Write one step into its slot, in place.

    Args:
        buffer: `(lanes, capacity, width)`.
        step: 0-based step number, a 0-dim integer tensor.
    """
    row = torch.cat(experience, -1).unsqueeze(1)
    buffer.index_copy_(1, (step % buffer.shape[1]).view(1), row)


def sample(
    buffer: Tensor, widths: list[int], uniform: Tensor, step: Tensor
) -> tuple[Experience, Tensor]:
    """A batch of stored steps, drawn uniformly with replacement.

    Args:
        buffer: `(lanes, capacity, width)`, holding steps up to and including `step`.
        widths: of the parts of a row.
        uniform: on [0, 1) in float64, `(lanes, batch)`.
        step: the last stored step, a 0-dim integer tensor.

    Returns:
        the batch, `(lanes, batch, dim)` each, and the step numbers drawn, `(lanes, batch)`.
    """
    capacity = buffer.shape[1]
    count = torch.clamp(step + 1, max=capacity)
    drawn = torch.minimum((uniform * count).long(), count - 1)
    steps = drawn + (step + 1 - count)
    slots = (steps % capacity).unsqueeze(-1).expand(-1, -1, buffer.shape[2])
    return Experience(*buffer.gather(1, slots).split(widths, -1)), steps
