"""Linear functions of binary features, with eligibility traces.

A function is a row of weights, its value the sum of the active features' weights. Rows of one
agent lie side by side, `(lanes, rows, width)`, and so do their traces; they are as wide as
`padded` says, and no feature has the last weights.

An agent's state has `weights` and `traces` of that shape, and `(lanes, 1)` each:

    decay    γλ
    fading   what the next step multiplies the traces by: γλ, or 0 where an episode begins
"""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.agents.base import State
from nthrun.agents.linear_footprint import padded


def values(weights: Tensor, tiles: Tensor) -> Tensor:
    """Values of every row.

    Args:
        weights: `(lanes, rows, width)`.
        tiles: the active features, `(lanes, batch, num_active)`.

    Returns:
        `(lanes, batch, rows)`.
    """
    lanes, batch, num_active = tiles.shape
    _, rows, width = weights.shape
    index = tiles.unsqueeze(2).expand(lanes, batch, rows, num_active)
    return weights.unsqueeze(1).expand(lanes, batch, rows, width).gather(3, index).sum(3)


def linear_state(lanes: int, rows: int, num_features: int, decay: Tensor) -> State:
    """Weights and traces of zero, before the first episode."""
    shape = (lanes, rows, padded(num_features))
    return {
        "weights": torch.zeros(shape),
        "traces": torch.zeros(shape),
        "decay": decay,
        "fading": decay.clone(),
    }


def fade(state: State, ended: Tensor) -> Tensor:
    """The factor of the traces now, `(lanes, 1, 1)`; an episode that ended is forgotten next.

    Args:
        ended: `(lanes, 1, 1)`.
    """
    fading = state["fading"].unsqueeze(2)
    state["fading"] = state["decay"].masked_fill(ended.squeeze(1), 0.0)
    return fading


def learn(
    weights: Tensor, traces: Tensor, fading: Tensor, index: Tensor, increase: Tensor, rate: Tensor
) -> None:
    """e ← fading e + increase of the features in `index`; w ← w + rate e.

    All features are gone over once, for both, and those in `index` are added to both after that.

    Args:
        weights, traces: `(lanes, rows, width)`, changed in place.
        fading: `(lanes, 1, 1)`.
        index: features that differ within a row, `(lanes, rows, num_active)`.
        increase: as `index`.
        rate: `(lanes, rows, 1)`.
    """
    traces.mul_(fading)
    weights.addcmul_(traces, rate)
    traces.scatter_add_(2, index, increase)
    weights.scatter_add_(2, index, rate * increase)
