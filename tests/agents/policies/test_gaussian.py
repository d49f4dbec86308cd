"""Clamped and squashed normal variates against quadrature and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from agents.policies.cases import clamped_entropy, normals, outputs, policy
from scipy import integrate, stats

from nthrun.agents.policies.base import clipped
from nthrun.agents.policies.gaussian import SquashedGaussian
from nthrun.agents.sizes import PolicySpec

NAME, SIZE = "Gaussian", 2


def test_a_clamped_action_has_the_normal_density_at_it() -> None:
    """Beyond the bounds the action is the bound, and the density is N(μ, σ) there."""
    agent = policy(NAME)
    given = torch.tensor([[[0.0, 1.0]] * 3], dtype=torch.float64)
    action, logs, raw = agent.sample(given, torch.tensor([[[-1.0], [0.1], [2.0]]]))
    assert action.flatten().tolist() == pytest.approx([-1, 0.1 * math.e, 1])
    assert torch.equal(raw, action)
    expected = stats.norm.logpdf([-1, 0.1 * math.e, 1], 0, math.e)
    assert logs.flatten().tolist() == pytest.approx(list(expected))


def test_samples_are_clamped_normals() -> None:
    """Every action is clamp(tanh m + σ ε)."""
    given, noise = outputs(NAME, SIZE, 50), normals(50, SIZE)
    mean, log_std = given.chunk(2, -1)
    expected = (torch.tanh(mean) + log_std.exp() * noise).clamp(-1, 1)
    torch.testing.assert_close(policy(NAME, SIZE).sample_action(given, noise), expected)


def test_the_entropy_is_that_of_clamped_actions() -> None:
    """Value and slopes are what quadrature over the clamped action's distribution gives."""
    agent = policy(NAME, SIZE)
    given = (1.5 * outputs(NAME, SIZE, 60)).requires_grad_()
    found, expected = agent.entropy(given, normals(60, SIZE)), clamped_entropy(given)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    slopes = (torch.autograd.grad(entropy.sum(), given)[0] for entropy in (found, expected))
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-4)


def test_the_entropy_has_a_largest_value() -> None:
    """As σ grows the entropy rises to at most log 4, near σ = 1.5, and falls from there on to
    log 2, where each bound is taken half of the time."""
    log_std = torch.linspace(-6, 6, 121)
    given = torch.stack((torch.zeros(121), log_std), -1).unsqueeze(0)
    entropy = policy(NAME).entropy(given, torch.zeros(1, 121, 1))[0]
    top = int(entropy.argmax())
    assert log_std[top].exp() == pytest.approx(1.5, rel=0.1)
    assert entropy[top] < math.log(4)
    assert (entropy[: top + 1].diff() > 0).all()
    assert (entropy[top:].diff() < 0).all()
    assert entropy[-1] == pytest.approx(math.log(2), abs=0.02)


def test_strata_hold_the_entropy() -> None:
    """A reparameterised sample is the same action, with the mean of its log-density."""
    agent, given, noise = policy(NAME, SIZE), outputs(NAME, SIZE, 7), normals(7, SIZE)
    sample, weight = agent.strata(given, noise)
    assert weight is None
    assert torch.equal(sample.action, agent.sample(given, noise).action)
    assert torch.equal(sample.log_density, -agent.entropy(given, noise))


@pytest.mark.parametrize("place", [-9.0, -2.0, 0.5, 2.0, 9.0])
@pytest.mark.parametrize("slope", [-3.0, 3.0])
def test_clipping_lets_back_in(place: float, slope: float) -> None:
    """Within the bounds and on them the gradient passes; beyond, only that of a loss which descends
    towards them."""
    log_std = torch.tensor([place], requires_grad=True)
    held = clipped(log_std, 2.0)
    assert held.item() == max(-2.0, min(place, 2.0))
    (found,) = torch.autograd.grad(slope * held, log_std)
    inward = abs(place) <= 2.0 or place * slope > 0
    assert found.item() == (slope if inward else 0.0)


@pytest.mark.parametrize("name", ["Gaussian", "SquashedGaussian", "SquashedGaussianMixture"])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_clipped_deviation_can_be_left(name: str, side: float) -> None:
    """From beyond either bound of σ, descending a loss of log σ reaches the inside."""
    agent = policy(name)
    given = (side * 7.5 * torch.ones(1, 1, agent.num_outputs)).requires_grad_()
    parts = agent._split(given)  # type: ignore[attr-defined]
    (slope,) = torch.autograd.grad(side * parts[-1].sum(), given)
    assert (side * slope[..., agent.num_strata if name.endswith("Mixture") else 1 :]).amax() > 0


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
