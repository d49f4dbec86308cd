"""Gaussian noise and bumps from the operations that every backend has."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def normal(uniform: Tensor) -> Tensor:
    """Standard normal numbers from pairs of uniform ones, z = √(-2 ln(1 - u₁)) cos 2πu₂.

    Box and Muller (1958), A note on the generation of random normal deviates.

    Args:
        uniform: on [0, 1), `(..., 2 n)`: the u₁ of all n, then the u₂.

    Returns:
        `(..., n)`, finite.
    """
    first, second = uniform.split(uniform.shape[-1] // 2, -1)
    return torch.sqrt(-2.0 * torch.log1p(-first)) * torch.cos(2.0 * math.pi * second)


def bump(x: Tensor, center: float, stddev: float) -> Tensor:
    """exp(-((x - center) / stddev)² / 2), which is 1 at its center."""
    distance = (x - center) / stddev
    return torch.exp(-0.5 * (distance * distance))
