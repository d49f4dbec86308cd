"""A Beta variate on the interval of actions, and how it moves with its parameters."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.policies.base import (
    LOG_TWO,
    Policy,
    Sample,
    artanh,
    digamma_drop,
    log_beta,
    softplus,
    uniform_of,
)
from nthrun.agents.sizes import BETA_TRIES, PolicySpec


class Beta(Policy):
    """a = 2z - 1, z of a Beta distribution (Chou, Maturana and Scherer, 2017).

        p(z) = z^{α-1} (1-z)^{β-1} / B(α, β),    α = 1 + softplus(x), β = 1 + softplus(y)

    The network puts out (x, y), `(lanes, batch, 2 action_dim)`; α, β > 1 have one mode. The raw
    value is u = artanh a = (log z - log(1-z))/2, so that both logarithms are exact near the
    bounds. The deterministic action is the mean: the mode is undefined where the density is
    flat, and moves by its whole range on a small change nearby.
    """

    def __init__(self, spec: PolicySpec) -> None:
        self.num_outputs, self.num_draws = spec.num_outputs, spec.num_draws

    def sample(self, outputs: Tensor, noise: Tensor) -> Sample:
        """See `Policy`; the gradient is that of z at a fixed quantile, by `beta_slopes`."""
        alpha, beta = _concentrations(outputs)
        raw = _sampled(alpha, beta, noise)
        if outputs.requires_grad:
            by_alpha, by_beta = beta_slopes(alpha.detach(), beta.detach(), 2.0 * raw)
            moved = by_alpha * (alpha - alpha.detach()) + by_beta * (beta - beta.detach())
            raw = raw + 0.5 * moved  # the change is 0 and has the slope
        return Sample(torch.tanh(raw), _log_density(alpha, beta, raw), raw)

    def sample_action(self, outputs: Tensor, noise: Tensor) -> Tensor:
        return torch.tanh(_sampled(*_concentrations(outputs), noise))

    def log_density(self, outputs: Tensor, raw: Tensor) -> Tensor:
        return _log_density(*_concentrations(outputs), raw)

    def raw_of(self, action: Tensor) -> Tensor:
        return artanh(action)

    def mode(self, outputs: Tensor) -> Tensor:
        alpha, beta = _concentrations(outputs)
        return (alpha - beta) / (alpha + beta)


def _concentrations(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """α and β, `(lanes, batch, action_dim)` each."""
    alpha, beta = (1.0 + softplus(outputs)).chunk(2, -1)
    return alpha, beta


def _log_density(alpha: Tensor, beta: Tensor, raw: Tensor) -> Tensor:
    """Σ [ (α-1) log z + (β-1) log(1-z) - log B(α, β) - log 2 ], `(lanes, batch)`."""
    log_z, log_rest = -softplus(-2.0 * raw), -softplus(2.0 * raw)
    log_p = (alpha - 1.0) * log_z + (beta - 1.0) * log_rest - log_beta(alpha, beta)
    return (log_p - LOG_TWO).sum(-1)


def _sampled(alpha: Tensor, beta: Tensor, noise: Tensor) -> Tensor:
    """u = (log x - log y)/2 for gamma variates x and y of shapes α and β, without gradient.

    Args:
        alpha, beta: `(lanes, batch, action_dim)`.
        noise: standard normal, `(lanes, batch, num_draws)`.
    """
    shapes = torch.cat((alpha, beta), -1).detach()
    proposal, other = noise.unflatten(-1, (2, BETA_TRIES, -1)).unbind(-3)
    log_x, log_y = _log_gamma_variates(shapes, proposal, uniform_of(other)).chunk(2, -1)
    return 0.5 * (log_x - log_y)


def _log_gamma_variates(shape: Tensor, normal: Tensor, uniform: Tensor) -> Tensor:
    """Logarithms of gamma variates by rejection (Marsaglia and Tsang, 2000).

        x = d v,  v = (1 + n / √(9d))³,  d = shape - 1/3,
        accepted if log U < n²/2 + d (1 - v + log v)

    The first accepted try counts. At least 95 % of tries are; where all five fail, at most once
    in three million times, v is 1.

    Args:
        shape: at least 1, `(lanes, batch, size)`.
        normal, uniform: `(lanes, batch, tries, size)`.
    """
    d = shape - 1.0 / 3.0
    root = 1.0 + normal * (1.0 / (3.0 * d.sqrt())).unsqueeze(-2)
    log_v = 3.0 * torch.log(root)
    bound = 0.5 * normal * normal + d.unsqueeze(-2) * (1.0 - root * root * root + log_v)
    accepted = (root > 0.0) & (torch.log(uniform) < bound)
    chosen = torch.zeros_like(d)
    for k in reversed(range(BETA_TRIES)):
        chosen = torch.where(accepted[..., k, :], log_v[..., k, :], chosen)
    return torch.log(d) + chosen


NEGLIGIBLE = 18.0
"""An integrand below exp(-18) of its start is left out."""
NODES, WEIGHTS = (part.tolist() for part in np.polynomial.legendre.leggauss(20))
"""Gauss-Legendre quadrature on [-1, 1], with relative errors below 4e-5 for α, β up to 10⁴."""


def beta_slopes(alpha: Tensor, beta: Tensor, logit: Tensor) -> tuple[Tensor, Tensor]:
    """dy/dα and dy/dβ for y = log z - log(1-z), z the same quantile of a Beta distribution.

    Implicit differentiation of F(y; α, β) = const (Figurnov, Mohamed and Mnih, 2018), with
    q = dF/dy = z^α (1-z)^β / B(α, β) the density of y:

        dy/dα = -(∂F/∂α)/q(y) = -∫_{-∞}^y (q(s)/q(y)) (log z(s) - E log z) ds

    and the same of log(1-z) for β. In s nothing is singular. Where y is above the mode, the
    other tail is taken, by symmetry, so that q(s)/q(y) only falls.

    Args:
        alpha, beta: at least 1, any shape.
        logit: y, of that shape.
    """
    below = logit <= torch.log(alpha) - torch.log(beta)
    near, far = torch.where(below, alpha, beta), torch.where(below, beta, alpha)
    by_near, by_far = _tail_integrals(near, far, torch.where(below, logit, -logit))
    return torch.where(below, by_near, -by_far), torch.where(below, by_far, -by_near)


def _tail_integrals(a: Tensor, b: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The slopes of y at most the mode, by a and b.

    With s = y - x and D = 1 - z + z exp(-x):

        log z(s) = log z - x - log D,    log(1-z(s)) = log(1-z) - log D,
        q(s)/q(y) = exp(-a x - (a + b) log D)
    """
    log_z, log_rest = -softplus(-y), -softplus(y)
    z, rest = torch.exp(log_z), torch.exp(log_rest)
    end = _end(a, a + b, z, rest)
    excess, excess_rest = log_z - digamma_drop(a, b), log_rest - digamma_drop(b, a)
    by_a, by_b = torch.zeros_like(y), torch.zeros_like(y)
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        x = end * (0.5 + 0.5 * node)
        log_d = torch.log(rest + z * torch.exp(-x))
        density = torch.exp(-a * x - (a + b) * log_d)
        by_a = by_a - (0.5 * weight) * density * (excess - x - log_d)
        by_b = by_b - (0.5 * weight) * density * (excess_rest - log_d)
    return end * by_a, end * by_b


def _end(a: Tensor, total: Tensor, z: Tensor, rest: Tensor) -> Tensor:
    """An x beyond which the integrand is negligible.

    g = -log(q(s)/q(y)) is convex with slope v = a - (a + b) z at 0 and curvature at least
    h exp(-x), h = (a + b) z (1-z). So g ≥ v x + h (exp(-x) - 1 + x) ≥ v x + h x²/(2 + x), and
    g ≥ a x + (a + b) log(1-z). The smaller of the two roots of such a bound = 18.
    """
    h = total * z * rest
    sum_of_slopes = a - total * z + h
    linear = NEGLIGIBLE - 2.0 * (sum_of_slopes - h)
    root = torch.sqrt(linear * linear + (8.0 * NEGLIGIBLE) * sum_of_slopes)
    quadratic = (linear + root) / (2.0 * sum_of_slopes)
    return torch.minimum(quadratic, (NEGLIGIBLE - total * torch.log(rest)) / a)
