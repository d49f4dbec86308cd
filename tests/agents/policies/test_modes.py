"""Deterministic actions and the choice of a component."""

from __future__ import annotations

import pytest
import torch
from agents.policies.cases import NUM_COMPONENTS, normals, outputs, policy

SIZE = 2


@pytest.mark.parametrize("name", ["SquashedGaussian", "Gaussian"])
def test_the_mode_of_a_gaussian_is_its_squashed_mean(name: str) -> None:
    """Both put out a mean that tanh takes into the bounds."""
    given = outputs(name, SIZE, 5)
    assert torch.equal(policy(name, SIZE).mode(given), torch.tanh(given[..., :SIZE]))


def test_the_mode_of_a_mixture_is_the_mean_of_its_heaviest_component() -> None:
    """tanh μ_k of the largest logit, state by state."""
    name = "SquashedGaussianMixture"
    given = outputs(name, SIZE, 20)
    mode = policy(name, SIZE).mode(given)
    heaviest = given[0, :, :NUM_COMPONENTS].argmax(-1)
    assert set(heaviest.tolist()) == {0, 1, 2}
    for state, k in enumerate(heaviest.tolist()):
        start = NUM_COMPONENTS + k * SIZE
        assert torch.equal(mode[0, state], torch.tanh(given[0, state, start : start + SIZE]))


def test_strata_hold_a_sample_of_every_component() -> None:
    """Stratum k of the batch is μ_k + σ_k ε with weight w_k."""
    name, batch = "SquashedGaussianMixture", 4
    agent = policy(name, SIZE)
    given, noise = outputs(name, SIZE, batch), normals(batch, agent.num_draws)
    sample, weight = agent.strata(given, noise)
    logits, means, logs = given.split((NUM_COMPONENTS, *[NUM_COMPONENTS * SIZE] * 2), -1)
    assert weight is not None
    for k in range(NUM_COMPONENTS):
        rows, part = slice(k * batch, (k + 1) * batch), slice(k * SIZE, (k + 1) * SIZE)
        raw = means[..., part] + logs[..., part].exp() * noise[..., :SIZE]
        torch.testing.assert_close(sample.raw[:, rows], raw)
        torch.testing.assert_close(weight[:, rows], torch.softmax(logits, -1)[..., k])


@pytest.mark.parametrize("place", [-8.0, -0.5, 0.5, 8.0])
def test_a_sampled_component_is_the_last_draws_quantile(place: float) -> None:
    """With weights ¼, ½, ¼ the components are taken in order of the last normal number."""
    agent = policy("SquashedGaussianMixture")
    third = torch.tensor([0.25, 0.5, 0.25]).log().tolist()
    given = torch.tensor([[[*third, -1.0, 0.0, 1.0, -9.0, -9.0, -9.0]]])
    action = agent.sample_action(given, torch.tensor([[[0.0, place]]]))
    expected = {-8.0: -1.0, -0.5: 0.0, 0.5: 0.0, 8.0: 1.0}[place]
    assert float(torch.atanh(action)) == pytest.approx(expected, abs=1e-3)
