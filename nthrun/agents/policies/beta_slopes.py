"""How a Beta variate moves with its parameters while it stays the same quantile."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.policies.special import digamma_drop, softplus

NEGLIGIBLE = 18.0
"""An integrand below exp(-18) of its start is left out."""
NODES, WEIGHTS = (part.tolist() for part in np.polynomial.legendre.leggauss(20))
"""Of Gauss-Legendre quadrature on [-1, 1]: relative errors below 4e-5 for α, β up to 10⁴."""


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
