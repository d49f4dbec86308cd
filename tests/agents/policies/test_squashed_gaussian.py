"""The squashed Gaussian against closed forms and quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from nthrun.agents.policies.sizes import PolicySpec
from nthrun.agents.policies.squashed_gaussian import SquashedGaussian

POLICY = SquashedGaussian(PolicySpec("SquashedGaussian", 1))


def density(action: float, mean: float, std: float) -> float:
    """p(a) of tanh of a normal, by change of variables."""
    return float(stats.norm.pdf(np.arctanh(action), mean, std) / (1 - action**2))


def sample(mean: float, std: float, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Actions and log-densities for noise `(n,)`, in float64."""
    outputs = torch.tensor([mean, math.log(std)], dtype=torch.float64).expand(1, len(noise), 2)
    action, log_density, _ = POLICY.sample(outputs, noise.view(1, -1, 1))
    return action[0, :, 0], log_density[0]


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.7, 0.3), (-1.5, 2.0)])
def test_log_density_is_the_change_of_variables(mean: float, std: float) -> None:
    """log π(a) is log N(u) - log(1 - tanh² u) at u = artanh a."""
    actions, logs = sample(mean, std, torch.linspace(-1.5, 1.5, 31, dtype=torch.float64))
    expected = [math.log(density(float(action), mean, std)) for action in actions]
    np.testing.assert_allclose(logs.numpy(), expected, rtol=1e-9)


def test_density_integrates_to_one() -> None:
    """The density over (-1, 1) has mass one."""
    total, _ = integrate.quad(lambda a: density(a, 0.3, 0.8), -1, 1)
    assert total == pytest.approx(1.0, abs=1e-8)


def test_entropy_estimate_agrees_with_quadrature() -> None:
    """The mean of -log π over samples is the distribution's entropy."""
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal(200_000))
    _, logs = sample(0.3, 0.8, noise)
    expected, _ = integrate.quad(
        lambda a: -density(a, 0.3, 0.8) * math.log(density(a, 0.3, 0.8)), -1 + 1e-12, 1 - 1e-12
    )
    assert float(-logs.mean()) == pytest.approx(expected, abs=0.01)
