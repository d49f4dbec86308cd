"""Bimodal bandits: their peaks, their noise, and that every step is an episode."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from environments.worlds import spec_of, world_of
from scipy.stats import kstest

ALL = ("Bimodal", "AsymmetricBimodal", "StochasticBimodal")
ACTIONS = torch.linspace(-2.0, 2.0, 4001)


def rewards(name: str, actions: torch.Tensor, **values: object) -> np.ndarray:
    """Of one step each, with draws of a fixed seed."""
    spec = spec_of(name, **values)
    draw = torch.Generator().manual_seed(0)
    draws = torch.rand(1, len(actions), spec.interface.num_step_draws, generator=draw)
    state = torch.ones(1, len(actions), 1)
    outcome = world_of(spec).step(state, actions.view(1, -1, 1), draws)
    assert outcome.terminated.all()
    assert torch.equal(world_of(spec).observe(outcome.state), state)
    return outcome.reward[0, :, 0].double().numpy()


def peaks(lower: float, upper: float, center: float, stddev: float) -> np.ndarray:
    """The expected reward of `ACTIONS`."""
    actions = ACTIONS.double().numpy()
    return sum(
        height * np.exp(-0.5 * ((actions - place) / stddev) ** 2)
        for height, place in ((lower, -center), (upper, center))
    )


@pytest.mark.parametrize(("stddev", "center"), [(0.05, 1.0), (0.5, 0.7)])
def test_rewards_are_two_gaussian_peaks(stddev: float, center: float) -> None:
    """Bimodal's peaks at ±center are both 1.5; AsymmetricBimodal's lower one is the spec's."""
    shape = {"stddev": stddev, "center": center}
    both = peaks(1.5, 1.5, center, stddev)
    np.testing.assert_allclose(rewards("Bimodal", ACTIONS, **shape), both, atol=1e-5)
    uneven = peaks(0.3, 1.5, center, stddev)
    ours = rewards("AsymmetricBimodal", ACTIONS, suboptimal_reward=0.3, **shape)
    np.testing.assert_allclose(ours, uneven, atol=1e-5)


def test_one_of_the_stochastic_peaks_pays() -> None:
    """StochasticBimodal pays one peak, 1 at -1 or 2 at 1, each half the time."""
    for place, height in ((-1.0, 1.0), (1.0, 2.0)):
        paid = rewards("StochasticBimodal", torch.full((4000,), place), reward_variance=False)
        top = np.isclose(paid, height, atol=1e-5)
        assert np.isclose(paid[~top], 0.0, atol=1e-5).all()
        assert top.mean() == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("name", ALL)
def test_reward_variance_adds_gaussian_noise(name: str) -> None:
    """With `reward_variance` the reward has noise of mean 0 and standard deviation 0.5."""
    nowhere = torch.zeros(20_000)
    noise = rewards(name, nowhere, reward_variance=True, stddev=0.05)
    assert kstest(noise, "norm", args=(0.0, 0.5)).pvalue > 1e-3
