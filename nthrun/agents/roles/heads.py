"""Decisions of several parts: every head of a role is a softmax of its own segment of logits.

Segments of one size that follow each other are gone through as one block.
"""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

MOST = 1.0 - 2.0**-22
"""The largest share of the probabilities' sum that is looked for, so that a choice of probability 0
is never found."""


class Decided(NamedTuple):
    """Of each row, `(..., 1)`.

    Attributes:
        log_probability: log π(a), summed over heads.
        entropy: the sum of the heads' entropies.
    """

    log_probability: Tensor
    entropy: Tensor


class Heads:
    """The heads of a role.

    Args:
        sizes: choices of each.
    """

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self.num_logits = sum(sizes)
        self._blocks = [(len(list(same)), size) for size, same in groupby(sizes)]

    def sample(self, logits: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Choices `(..., heads)` as floats, and the log of their probability `(..., 1)`.

        Args:
            logits: `(..., num_logits)`.
            draws: uniform on [0, 1), `(..., heads)`.
        """
        chosen, logs = [], []
        drawn = draws.split([count for count, _ in self._blocks], -1)
        for block, luck in zip(self._cut(logits), drawn, strict=True):
            shifted = block - block.amax(-1, keepdim=True)
            sums = torch.exp(shifted).cumsum(-1)
            whole = sums[..., -1]
            reached = sums <= (luck.clamp(max=MOST) * whole).unsqueeze(-1)
            number = reached.sum(-1, keepdim=True).clamp(max=block.shape[-1] - 1)
            chosen.append(number[..., 0].to(logits.dtype))
            logs.append(shifted.gather(-1, number)[..., 0] - torch.log(whole))
        return torch.cat(chosen, -1), torch.cat(logs, -1).sum(-1, keepdim=True)

    def decided(self, logits: Tensor, choices: Tensor) -> Decided:
        """The probability of choices `(..., heads)`, and the entropy."""
        logs, entropies = [], []
        made = choices.long().split([count for count, _ in self._blocks], -1)
        for block, number in zip(self._cut(logits), made, strict=True):
            shifted = block - block.amax(-1, keepdim=True).detach()
            weights = torch.exp(shifted)
            whole = weights.sum(-1)
            log_whole = torch.log(whole)
            is_it = number.unsqueeze(-1) == torch.arange(block.shape[-1], device=block.device)
            picked = (shifted * is_it).sum(-1)  # the slope of gather has no order on a GPU
            logs.append((picked - log_whole).sum(-1, keepdim=True))
            spread = log_whole - (weights * shifted).sum(-1) / whole
            entropies.append(spread.sum(-1, keepdim=True))
        return Decided(torch.stack(logs).sum(0), torch.stack(entropies).sum(0))

    def best(self, logits: Tensor) -> Tensor:
        """The most probable choices, the first of equals, `(..., heads)` as floats."""
        return torch.cat([block.argmax(-1).to(logits.dtype) for block in self._cut(logits)], -1)

    def _cut(self, logits: Tensor) -> list[Tensor]:
        """The blocks, `(..., count, size)` each."""
        parts = logits.split([count * size for count, size in self._blocks], -1)
        return [part.unflatten(-1, block) for part, block in zip(parts, self._blocks, strict=True)]
