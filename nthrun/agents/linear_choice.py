"""Choosing among a few actions by their probabilities, with one random number."""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.agents.policies.special import partial_sums, uniform_of


def softmax(preferences: Tensor) -> Tensor:
    """exp h_i / Σ_j exp h_j over the last axis, which are probabilities."""
    share = torch.exp(preferences - preferences.amax(-1, keepdim=True))
    return share / share.sum(-1, keepdim=True)


def epsilon_greedy(values: Tensor, epsilon: Tensor) -> Tensor:
    """ε/|A| for every action, and 1 - ε shared by those of the highest value.

    Args:
        values: `(lanes, num_actions)`.
        epsilon: `(lanes, 1)`.
    """
    best = (values == values.amax(-1, keepdim=True)).to(values.dtype)
    exploring = epsilon / values.shape[-1]
    return exploring + (1.0 - epsilon) * best / best.sum(-1, keepdim=True)


def chosen(probability: Tensor, normal: Tensor) -> Tensor:
    """A random action's number as a float, `(lanes, 1)`.

    The action is the number of partial sums of the probabilities, `(lanes, num_actions)`, that a
    uniform number reaches. Where probabilities are not numbers it is 0.

    Args:
        normal: standard normal, `(lanes, 1)`.
    """
    reached = uniform_of(normal) >= partial_sums(probability)
    return reached.to(probability.dtype).sum(-1, keepdim=True)
