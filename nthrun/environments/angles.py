"""Angles."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def wrap(angle: Tensor) -> Tensor:
    """The same angle, in radians, on [-π, π)."""
    return torch.remainder(angle + math.pi, 2.0 * math.pi) - math.pi
