"""Special functions of elementary operations: same bits at every place of a tensor.

torch's own softplus, sigmoid, lgamma and digamma round differently at the end of a tensor than
within it, or cannot be compiled.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)
LOG_TWO = math.log(2.0)
LARGEST_BELOW_ONE = 1.0 - 2.0**-24

SHIFT = 4
"""Stirling's series is taken at x + this: the terms left out are below 1e-8 there."""


def log_two_cosh(u: Tensor) -> Tensor:
    """log(2 cosh u) = |u| + log(1 + exp(-2|u|)), finite for every u."""
    size = u.abs()
    return size + torch.log1p(torch.exp(-2.0 * size))


def artanh(action: Tensor) -> Tensor:
    """The u with tanh u = a, for a within (-1, 1)."""
    return 0.5 * (torch.log1p(action) - torch.log1p(-action))


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp x) = (x + |x|)/2 + log(1 + exp(-|x|)), whose autograd is right at 0 too."""
    size = x.abs()
    return 0.5 * (x + size) + torch.log1p(torch.exp(-size))


def uniform_of(normal: Tensor) -> Tensor:
    """Φ(z), uniform for a standard normal z; kept below 1, where the error function saturates."""
    return (0.5 + 0.5 * torch.erf(normal * math.sqrt(0.5))).clamp(max=LARGEST_BELOW_ONE)


def log_gamma(x: Tensor) -> Tensor:
    """log Γ(x) for x >= 1, whose derivative by autograd is the digamma function.

    Stirling's series at y = x + 4 (Abramowitz and Stegun, 6.1.41), and Γ(x + 1) = x Γ(x):

        log Γ(x) = (y - ½) log y - y + log √(2π) + 1/(12 y) - 1/(360 y³) + 1/(1260 y⁵)
                   - log(x (x+1) (x+2) (x+3))
    """
    y = x + SHIFT
    rising = x * (x + 1.0) * ((x + 2.0) * (x + 3.0))
    inverse = 1.0 / y
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260)))
    return (y - 0.5) * torch.log(y) - y + HALF_LOG_TWO_PI + series - torch.log(rising)


def log_beta(a: Tensor, b: Tensor) -> Tensor:
    """log B(a, b) for a, b >= 1."""
    return log_gamma(a) + log_gamma(b) - log_gamma(a + b)


def digamma_drop(a: Tensor, b: Tensor) -> Tensor:
    """ψ(a) - ψ(a + b) for a, b >= 1: the mean of log z under a Beta(a, b).

    Its terms are differences written out, so that it keeps its digits where a is large:

        ψ(x) = log y - 1/(2 y) - 1/(12 y²) + 1/(120 y⁴) - 1/(252 y⁶) - Σ_{k<4} 1/(x + k)
    """
    total = a + b
    y, y_total = a + SHIFT, total + SHIFT
    drop = -torch.log1p(b / y) - 0.5 * b / (y * y_total)
    drop = drop - _tail(y) + _tail(y_total)
    for k in range(SHIFT):
        drop = drop - b / ((a + k) * (total + k))
    return drop


def _tail(y: Tensor) -> Tensor:
    """1/(12 y²) - 1/(120 y⁴) + 1/(252 y⁶)."""
    square = 1.0 / (y * y)
    return square * (1 / 12 - square * (1 / 120 - square * (1 / 252)))


def partial_sums(probability: Tensor) -> Tensor:
    """Sums of the first 1, 2, ..., n - 1 of n probabilities, `(..., n - 1)`.

    On a GPU torch's cumulative sum is not deterministic.
    """
    number = torch.arange(probability.shape[-1], device=probability.device)
    before = number <= number[:-1].unsqueeze(1)
    return (probability.unsqueeze(-2) * before).sum(-1)
