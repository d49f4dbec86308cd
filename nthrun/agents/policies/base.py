"""The contract of a policy over continuous actions, and the functions that densities are made of.

Actions are in [-1, 1] here; the agent scales them to the environment's bounds. Every tensor is
`(lanes, batch, ...)`, and what a lane gets does not depend on the others.

The special functions are made of elementary operations, which give the same bits at every place of
a tensor: torch's own softplus, sigmoid, lgamma and digamma round differently at the end of a tensor
than within it, or cannot be compiled.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from nthrun.agents.sizes import PolicySpec


class Sample(NamedTuple):
    """Sampled actions.

    Attributes:
        action: as the environment gets it, in [-1, 1], `(lanes, batch, action_dim)`.
        log_density: log π(a|s), `(lanes, batch)`.
        raw: what the density is a function of, `(lanes, batch, action_dim)`: it keeps the digits
            that an action near the bounds has lost.
    """

    action: Tensor
    log_density: Tensor
    raw: Tensor


class Policy(Protocol):
    """A distribution over actions, given a network's outputs `(lanes, batch, num_outputs)`.

    Attributes:
        num_outputs: of the network, for a state.
        num_draws: standard normal numbers that a sampled action takes.
        num_strata: samples that `strata` takes of a state.
    """

    num_outputs: int
    num_draws: int
    num_strata: int = 1

    def __init__(self, spec: PolicySpec) -> None: ...

    def sample(self, outputs: Tensor, noise: Tensor) -> Sample:
        """A reparameterised sample, differentiable in the outputs.

        Args:
            outputs: `(lanes, batch, num_outputs)`.
            noise: standard normal, `(lanes, batch, num_draws)`.
        """

    def sample_action(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """The action of `sample` alone, `(lanes, batch, action_dim)`."""

    def log_density(self, outputs: Tensor, raw: Tensor) -> Tensor:
        """The action's log-density at raw values `(lanes, batch, action_dim)`, `(lanes, batch)`."""

    def raw_of(self, action: Tensor) -> Tensor:
        """The raw values of actions strictly within (-1, 1)."""

    def mode(self, outputs: Tensor) -> Tensor:
        """The deterministic action, `(lanes, batch, action_dim)`."""

    def strata(self, outputs: Tensor, noise: Tensor) -> tuple[Sample, Tensor | None]:
        """Samples whose weighted mean has the exact gradient of an expectation.

        Args:
            outputs: `(lanes, batch, num_outputs)`.
            noise: standard normal, `(lanes, batch, num_draws)`.

        Returns:
            samples `(lanes, num_strata * batch, ...)`, a stratum of the whole batch behind
            another, and their weights `(lanes, num_strata * batch)`, or None where all are 1:

                E[f(a)] = Σ_k w_k E[f(a_k)]

            f may be linear in the log-density, which is that of the sample or its mean.
        """
        return self.sample(outputs, noise), None

    def entropy(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """The policy's entropy, differentiable, `(lanes, batch)`: the mean of -log π.

        Args:
            outputs: `(lanes, batch, num_outputs)`.
            noise: of the same number of samples of every state, one copy of the batch behind
                another, `(lanes, count * batch, num_draws)`.
        """
        count = noise.shape[1] // outputs.shape[1]
        log_density = self.sample(repeated(outputs, count), noise).log_density
        surprise: Tensor = -log_density.unflatten(1, (count, -1))
        return surprise.mean(1)


def repeated(rows: Tensor, times: int) -> Tensor:
    """A batch `(lanes, batch, dim)` several times, one copy behind another."""
    if times == 1:
        return rows
    return rows.unsqueeze(1).expand(-1, times, -1, -1).flatten(1, 2)


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
