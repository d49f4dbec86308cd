"""The Beta policy: its mean, its slopes and its sampler."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from agents.policies.cases import normals, outputs, policy
from scipy import special, stats

from nthrun.agents.policies.beta import beta_slopes

CONCENTRATIONS = (1.0, 1.3, 4.0, 30.0, 150.0)
QUANTILES = (1e-3, 0.02, 0.3, 0.5, 0.8, 0.98, 1 - 1e-3)


def cases() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """α, β and log z - log(1-z) of every quantile."""
    grid = np.meshgrid(CONCENTRATIONS, CONCENTRATIONS, QUANTILES, indexing="ij")
    alpha, beta, quantile = (part.ravel() for part in grid)
    below = stats.beta.ppf(quantile, alpha, beta)
    return alpha, beta, np.log(below) - np.log(stats.beta.isf(quantile, beta, alpha))


def slope_by_differences(alpha: np.ndarray, beta: np.ndarray, logit: np.ndarray) -> np.ndarray:
    """dy/dα = -(∂F/∂α)/q with F differentiated by finite differences."""
    z, step = special.expit(logit), 1e-5 * alpha
    rise = special.betainc(alpha + step, beta, z) - special.betainc(alpha - step, beta, z)
    logs = alpha * np.log(z) + beta * special.log_expit(-logit) - special.betaln(alpha, beta)
    return -rise / (2 * step) / np.exp(logs)


@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 3e-5), (torch.float32, 1e-4)])
def test_slopes_are_implicit_derivatives(dtype: torch.dtype, error: float) -> None:
    """dy/dα and dy/dβ are what finite differences of the distribution function give, in the tails
    as in the middle."""
    alpha, beta, logit = cases()
    found = beta_slopes(*(torch.from_numpy(part).to(dtype) for part in (alpha, beta, logit)))
    expected = slope_by_differences(alpha, beta, logit)
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=error)
    mirrored = -slope_by_differences(beta, alpha, -logit)
    np.testing.assert_allclose(found[1].numpy(), mirrored, rtol=error)


def test_slopes_are_those_of_torch() -> None:
    """A sample's gradient is that of torch's rsample at the same value, to torch's own error."""
    alpha, beta, logit = (torch.from_numpy(part) for part in cases())
    z = torch.sigmoid(logit)
    both = torch.stack((alpha, beta), -1).requires_grad_()
    known = torch._dirichlet_grad(torch.stack((z, 1 - z), -1), both, both.sum(-1, keepdim=True))
    by_alpha, _ = beta_slopes(alpha, beta, logit)
    # Dirichlet's gradient of z along α alone, as autograd of rsample combines it
    expected = known[..., 0] * (1 - z)
    torch.testing.assert_close(by_alpha * z * (1 - z), expected.detach(), rtol=5e-3, atol=1e-6)


def test_the_gradient_is_attached_to_the_sample() -> None:
    """du/dx is half dy/dα times the slope of softplus, and only that."""
    agent = policy("Beta", 2)
    given = outputs("Beta", 2, 30).requires_grad_()
    sample = agent.sample(given, normals(30, agent.num_draws))
    (found,) = torch.autograd.grad(sample.raw.sum(), given)
    soft = 1 + torch.nn.functional.softplus(given.detach())
    slopes = beta_slopes(*soft.chunk(2, -1), 2 * sample.raw.detach())
    expected = 0.5 * torch.cat(slopes, -1) * torch.sigmoid(given.detach())
    torch.testing.assert_close(found, expected)


def test_without_an_accepted_try_the_gamma_variates_are_their_modes() -> None:
    """Proposals that no uniform number accepts leave z = d_α/(d_α + d_β), d = shape - 1/3."""
    agent = policy("Beta")
    noise = torch.full((1, 1, agent.num_draws), -30.0, dtype=torch.float64)
    given = outputs("Beta", 1)
    alpha, beta = (1 + torch.nn.functional.softplus(given)).flatten() - 1 / 3
    action = agent.sample_action(given, noise)
    assert float(action) == pytest.approx(float(2 * alpha / (alpha + beta) - 1))


def test_the_mode_is_the_mean() -> None:
    """The deterministic action is 2 α/(α+β) - 1."""
    given = outputs("Beta", 2, 9)
    alpha, beta = (1 + torch.nn.functional.softplus(given)).chunk(2, -1)
    torch.testing.assert_close(policy("Beta", 2).mode(given), 2 * alpha / (alpha + beta) - 1)
