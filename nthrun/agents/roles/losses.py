"""Losses of a role that learns from episodes: a clipped ratio (PPO), or a plain policy gradient.

With rewards r̂ divided by the role's scale, returns G_t = Σ_{s≥0} γˢ r̂_{t+s}, the value V, and means
over all agents, worlds and steps,

    A = (G - V - mean) / (deviation + 1e-6)
    PPO   L = -mean min(ρ A, clip(ρ, 1 ± ε) A) - c H + mean max(l(V - G), l(V_old + clip(V - V_old,
              ±ε) - G)),   ρ = π(a) / π_old(a)
    PG    L = -mean (A log π(a)) - c H + mean l(V - G)

where l is Huber's loss, x²/2 up to 1 and |x| - 1/2 beyond, log π and the entropy H are summed over
heads, and A is a constant. Schulman et al. (2017); Curry et al. (2022). The original's code takes
the larger of the two means of l, and r_t + γ Σ_{s>0} r_{t+s} for G_t; both are options.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nthrun.agents.roles.heads import Decided

LEAST_DEVIATION = 1e-6


class Targets(NamedTuple):
    """What a loss is computed from, beside the network's outputs; `(..., 1)` of each row.

    Attributes:
        advantage: A.
        returns: G.
        log_probability, value: of the policy that played.
        clipped: of each lane, 1 where the clipped value's loss counts and 0 where the other does;
            only where means are compared.
    """

    advantage: Tensor
    returns: Tensor
    log_probability: Tensor
    value: Tensor
    clipped: Tensor


def returns_of(rewards: Tensor, gamma: Tensor, discounted: bool) -> Tensor:
    """G of every step, shaped like the rewards.

    Args:
        rewards: scaled, `(lanes, steps, ...)`.
        gamma: shaped to broadcast with one step's.
        discounted: or else as in the original's code.
    """
    later = torch.zeros_like(rewards[:, 0])
    found = []
    for reward in reversed(rewards.unbind(1)):
        now = reward + gamma * later
        found.append(now)
        later = now if discounted else later + reward
    return torch.stack(found[::-1], 1)


def standardised(gaps: Tensor) -> Tensor:
    """G - V, of mean 0 and deviation 1 in each lane.

    Args:
        gaps: `(lanes, steps, worlds, count, 1)`.
    """
    rows = gaps.flatten(1)
    off = rows - rows.mean(1, keepdim=True)
    spread = (off.square().sum(1, keepdim=True) / max(1, rows.shape[1] - 1)).sqrt()
    return (off / (spread + LEAST_DEVIATION)).view_as(gaps)


def huber(gap: Tensor) -> Tensor:
    """l."""
    size = gap.abs()
    return torch.where(size < 1.0, 0.5 * gap * gap, size - 0.5)


def policy_loss(decided: Decided, targets: Targets, clip: Tensor | None) -> Tensor:
    """Of each row, shaped like the advantage.

    Args:
        clip: ε, to broadcast with it; None is the plain policy gradient.
    """
    if clip is None:
        return -decided.log_probability * targets.advantage
    ratio = torch.exp(decided.log_probability - targets.log_probability)
    near = torch.minimum(torch.maximum(ratio, 1.0 - clip), 1.0 + clip)
    return -torch.minimum(ratio * targets.advantage, near * targets.advantage)


def value_losses(value: Tensor, targets: Targets, clip: Tensor) -> tuple[Tensor, Tensor]:
    """l of the value, and of the clipped value, of each row."""
    moved = torch.minimum(torch.maximum(value - targets.value, -clip), clip)
    return huber(value - targets.returns), huber(targets.value + moved - targets.returns)


def value_loss(value: Tensor, targets: Targets, clip: Tensor | None, elementwise: bool) -> Tensor:
    """Of each row, shaped like the value."""
    if clip is None:
        return huber(value - targets.returns)
    plain, clipped = value_losses(value, targets, clip)
    if elementwise:
        return torch.maximum(plain, clipped)
    return torch.lerp(plain, clipped, targets.clipped)
