"""Clipping of a policy's scale that learning can leave again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def clipped(log_std: Tensor, bound: float) -> Tensor:
    """log σ clipped to [-bound, bound].

    The gradient of a loss beyond a bound is kept where descending it leads back inside, and is 0
    where it leads on: the gradient of a plain clamp is 0 for both, so that what is once beyond
    a bound stays there.
    """
    if not log_std.requires_grad:
        return log_std.clamp(-bound, bound)
    held: Tensor = _Clipped.apply(log_std, bound)  # type: ignore[no-untyped-call]
    return held


class _Clipped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, log_std: Tensor, bound: float) -> Tensor:
        held = log_std.clamp(-bound, bound)
        ctx.save_for_backward(log_std, held)
        return held

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        (slope,), (log_std, held) = slopes, ctx.saved_tensors
        outward = (log_std - held) * slope < 0.0
        return slope.masked_fill(outward, 0.0), None
