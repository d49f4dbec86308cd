"""The squashed Gaussian against closed forms and quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from nthrun.agents.policies import SquashedGaussian

POLICY = SquashedGaussian(math.log(1000.0))


def density(action: float, mean: float, std: float) -> float:
    """p(a) of tanh of a normal, by change of variables."""
    return float(stats.norm.pdf(np.arctanh(action), mean, std) / (1 - action**2))


def sample(mean: float, std: float, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Actions and log-densities for noise `(n,)`, in float64."""
    outputs = torch.tensor([mean, math.log(std)], dtype=torch.float64).expand(1, len(noise), 2)
    action, log_density = POLICY.sample(outputs, noise.view(1, -1, 1))
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


def test_gradients_agree_with_finite_differences() -> None:
    """Autograd's gradients of action and log-density are those of the functions, in float64."""
    outputs = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    noise = torch.randn(2, 3, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: POLICY.sample(x, noise), outputs)


def test_extreme_outputs_stay_finite() -> None:
    """Far in the tails the log-density is still exact, and σ is clipped."""
    outputs = torch.tensor([[[50.0, -30.0], [-50.0, 30.0]]], requires_grad=True)
    action, log_density = POLICY.sample(outputs, torch.ones(1, 2, 1))
    log_density.sum().backward()
    assert torch.isfinite(action).all()
    assert torch.isfinite(log_density).all()
    assert outputs.grad is not None
    assert torch.isfinite(outputs.grad).all()


def test_mode_and_sample_action() -> None:
    """The mode is tanh μ, and `sample_action` is the action of `sample`."""
    outputs, noise = torch.randn(2, 5, 2), torch.randn(2, 5, 1)
    assert torch.equal(POLICY.mode(outputs), torch.tanh(outputs[..., :1]))
    assert torch.equal(POLICY.sample_action(outputs, noise), POLICY.sample(outputs, noise)[0])
