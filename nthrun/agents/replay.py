"""Replay: each lane's last steps, one row a step."""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.agents.base import Experience
from nthrun.agents.shapes import row_widths as row_widths


def store(buffer: Tensor, experience: Experience, step: Tensor) -> None:
    """Write one step into its slot, in place.

    Args:
        buffer: `(lanes, capacity, width)`.
        experience: `(lanes, 1, dim)` each.
        step: 0-based step number, a 0-dim integer tensor.
    """
    buffer.index_copy_(1, (step % buffer.shape[1]).view(1), torch.cat(experience, -1))


def recall(buffer: Tensor, widths: list[int], steps: Tensor) -> Experience:
    """Stored steps, `(lanes, batch, dim)` each.

    Args:
        buffer: `(lanes, capacity, width)`.
        widths: of the parts of a row.
        steps: step numbers still in the buffer, `(lanes, batch)`.
    """
    slots = (steps % buffer.shape[1]).unsqueeze(-1).expand(-1, -1, buffer.shape[2])
    return Experience(*buffer.gather(1, slots).split(widths, -1))
