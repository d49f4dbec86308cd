"""ε-greedy choice among a few actions."""

from __future__ import annotations

from torch import Tensor


def epsilon_greedy(values: Tensor, epsilon: Tensor) -> Tensor:
    """ε/|A| for every action, and 1 - ε shared by those of the highest value.

    Args:
        values: `(lanes, num_actions)`.
        epsilon: `(lanes, 1)`.
    """
    best = (values == values.amax(-1, keepdim=True)).to(values.dtype)
    exploring = epsilon / values.shape[-1]
    return exploring + (1.0 - epsilon) * best / best.sum(-1, keepdim=True)
