"""What holds of every policy over continuous actions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from agents.policies.cases import DENSE, NAMES, log_density, mean_of, normals, outputs, policy
from scipy import stats
from torch import Tensor

EVERY = pytest.mark.parametrize("name", NAMES)
WITH_DENSITY = pytest.mark.parametrize("name", DENSE)
PLAIN = pytest.mark.parametrize("name", [n for n in DENSE if n != "SquashedGaussianMixture"])


def free_energy(action: Tensor, logs: Tensor) -> Tensor:
    """0.3 log π - Q for a bent Q."""
    value = torch.sin(3.0 * action[..., 0]) + action[..., 0] * action[..., 0]
    return 0.3 * logs - value


@EVERY
@pytest.mark.parametrize("seed", range(3))
def test_a_density_integrates_to_one(name: str, seed: int) -> None:
    """The density of one action component has mass one over all actions."""
    raw = torch.linspace(-60, 60, 400_001, dtype=torch.float64).view(1, -1, 1)
    given = outputs(name, 1, seed=seed).expand(1, raw.shape[1], -1)
    density = policy(name).log_density(given, raw).exp()
    slope = 1.0 if name == "Gaussian" else 1 - torch.tanh(raw[..., 0]) ** 2
    assert float(torch.trapezoid(density * slope, raw[..., 0])) == pytest.approx(1, abs=1e-6)


@EVERY
def test_log_density_and_its_gradient_are_those_of_torch(name: str) -> None:
    """For three components and many states, log π(a) and its slopes in outputs and raw values are
    what torch's distributions give."""
    given = outputs(name, 3, 50).requires_grad_()
    raw = (1.5 * normals(50, 3)).requires_grad_()
    found, expected = policy(name, 3).log_density(given, raw), log_density(name, given, raw)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)
    slopes = torch.autograd.grad(found.sum(), (given, raw))
    torch.testing.assert_close(
        slopes, torch.autograd.grad(expected.sum(), (given, raw)), rtol=1e-6, atol=1e-6
    )


@EVERY
def test_a_sample_agrees_with_itself(name: str) -> None:
    """Its log-density is that of its raw value, which its action gives back, and `sample_action`
    takes the same action."""
    agent = policy(name, 2)
    given, noise = outputs(name, 2, 200), normals(200, agent.num_draws)
    sample = agent.sample(given, noise)
    torch.testing.assert_close(sample.log_density, agent.log_density(given, sample.raw))
    torch.testing.assert_close(sample.action, agent.sample_action(given, noise))
    inside = sample.action.abs() < 0.999
    found = agent.raw_of(sample.action)
    torch.testing.assert_close(found[inside], sample.raw[inside], rtol=1e-8, atol=1e-8)
    assert sample.action.abs().max() <= 1


@WITH_DENSITY
@pytest.mark.parametrize("seed", range(3))
def test_samples_follow_the_density(name: str, seed: int) -> None:
    """100,000 raw values pass a Kolmogorov-Smirnov test, at 1 %, against the integrated density."""
    agent, number = policy(name), 100_000
    given = outputs(name, 1, seed=seed)
    noise = normals(number, agent.num_draws, seed + 10)
    raw = agent.sample(given.expand(1, number, -1), noise).raw.flatten().numpy()
    grid = torch.linspace(-60, 60, 400_001, dtype=torch.float64).view(1, -1, 1)
    density = agent.log_density(given.expand(1, grid.shape[1], -1), grid)[0].exp().numpy()
    places = grid.flatten().numpy()
    density *= 1 - np.tanh(places) ** 2
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * 3e-4)])
    assert stats.kstest(raw, lambda u: np.interp(u, places, mass)).pvalue > 0.01


@WITH_DENSITY
@pytest.mark.parametrize("seed", range(2))
def test_strata_have_the_gradient_of_the_expectation(name: str, seed: int) -> None:
    """The weighted mean of 0.3 log π - Q over strata has the value and the gradient that
    quadrature finds: within 0.001 on evenly spaced quantiles of the noise, and for a Beta, which
    rejects some of it, within four standard errors."""
    agent, number = policy(name), 20_000
    given = outputs(name, 1, seed=seed).requires_grad_()
    expected = mean_of(name, free_energy, given)
    (slope,) = torch.autograd.grad(expected, given)
    rows = given.detach().expand(1, number, -1).clone().requires_grad_()
    places = (torch.arange(number, dtype=torch.float64) + 0.5) / number
    noise = torch.special.ndtri(places).view(1, -1, 1).expand(1, -1, agent.num_draws)
    noise = normals(number, agent.num_draws, seed + 20) if name == "Beta" else noise
    sample, weight = agent.strata(rows, noise)
    loss = free_energy(sample.action, sample.log_density)
    loss = (loss if weight is None else weight * loss).unflatten(1, (agent.num_strata, number))
    loss = loss.sum(1)
    (slopes,) = torch.autograd.grad(loss.sum(), rows)
    for found, known in ((loss.T, expected), (slopes[0], slope[0])):
        error = 4 * found.std(0) / number**0.5 if name == "Beta" else torch.tensor(0.001)
        assert ((found.mean(0) - known).abs() < error).all()


@WITH_DENSITY
def test_entropy_is_the_mean_of_samples(name: str) -> None:
    """The entropy from three samples of a state is the mean of their -log π."""
    agent = policy(name, 2)
    given, noise = outputs(name, 2, 5), normals(15, agent.num_draws)
    logs = [agent.sample(given, part).log_density for part in noise.split(5, 1)]
    torch.testing.assert_close(agent.entropy(given, noise), -sum(logs) / 3)


@PLAIN
def test_a_plain_policy_has_one_stratum(name: str) -> None:
    """Without components the strata are the sample, weighted by one."""
    agent = policy(name, 2)
    given, noise = outputs(name, 2, 5), normals(5, agent.num_draws)
    sample, weight = agent.strata(given, noise)
    assert weight is None
    assert agent.num_strata == 1
    assert all(map(torch.equal, sample, agent.sample(given, noise)))


@EVERY
@pytest.mark.parametrize("size", [50.0, 1000.0])
def test_extremes_are_finite(name: str, size: float) -> None:
    """In float32, outputs of ± 50 and ± 1,000 and the largest noise give finite samples,
    densities and gradients, σ being clipped."""
    agent = policy(name, 2)
    draw = torch.Generator().manual_seed(3)
    signs = torch.randint(-1, 2, (1, 3000, agent.num_outputs), generator=draw)
    given = (size * signs).float().requires_grad_()
    noise = 6 * torch.randint(-1, 2, (1, 3000, agent.num_draws), generator=draw).float()
    sample, weight = agent.strata(given, noise)
    other = agent.sample(given, noise)
    loss = sample.log_density.sum() + sample.action.sum() + other.log_density.sum()
    loss = loss if weight is None else loss + weight.sum()
    (slope,) = torch.autograd.grad(loss + agent.log_density(given, other.raw.detach()).sum(), given)
    for found in (*sample, *other, agent.mode(given), slope):
        assert torch.isfinite(found).all()
