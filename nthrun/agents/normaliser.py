"""Running statistics that bring inputs to mean 0 and deviation 1.

Of each input x the means of x and x² are kept, moving by a share 1 - m of the way to those of every
new batch, and

    z = (x - mean) / max(0.01, √(mean of x² - mean²)), kept within ±10.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.agents.base import State

NORMALISER = ("normaliser.mean", "normaliser.square")
MOMENTUM = "normaliser_momentum"
"""The hyperparameter m, and its column in the state; at 1 inputs stay as they are."""
LEAST_DEVIATION = 0.01
FARTHEST = 10.0


def normaliser_state(num_lanes: int, width: int) -> State:
    """Mean 0 and deviation 1, `(lanes, width)` each."""
    mean, square = NORMALISER
    return {mean: torch.zeros(num_lanes, width), square: torch.ones(num_lanes, width)}


def update_normaliser(state: State, inputs: Tensor, weights: Tensor) -> None:
    """Move the running means towards a batch's.

    Args:
        inputs: `(lanes, batch, width)`.
        weights: >= 0, of each of the batch, `(lanes, batch, 1)`, not all 0.
    """
    momentum = state[MOMENTUM]
    shares = weights / weights.sum(1, keepdim=True)
    for name, values in zip(NORMALISER, (inputs, inputs * inputs), strict=True):
        state[name].copy_(momentum * state[name] + (1.0 - momentum) * (shares * values).sum(1))


def normalised(state: State, inputs: Tensor) -> Tensor:
    """z, shaped like the inputs."""
    mean, square = (state[name].unsqueeze(1) for name in NORMALISER)
    spread = (square - mean * mean).clamp(min=0.0).sqrt().clamp(min=LEAST_DEVIATION)
    return ((inputs - mean) / spread).clamp(-FARTHEST, FARTHEST)
