"""A Beta variate on the interval of actions."""

from __future__ import annotations

import torch
from torch import Tensor

from nthrun.agents.policies.base import Policy, Sample
from nthrun.agents.policies.beta_slopes import beta_slopes
from nthrun.agents.policies.sizes import BETA_TRIES, PolicySpec
from nthrun.agents.policies.special import LOG_TWO, artanh, log_beta, softplus, uniform_of


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
