"""Puddle world: its puddles, its steps, and where it begins and ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from environments.worlds import uniform, world
from scipy.stats import kstest

QUIET = torch.zeros(1, 1, 4)
"""Draws that add no noise: √(-2 ln(1 - 0)) = 0."""


def depth(x: float, y: float) -> float:
    """How deep a place lies in the deeper puddle, from the definition: each is a rectangle with a
    half disc at either end, whose edge is 0.1 from its middle line."""
    depths = [0.0]
    for along, across, low, high, middle in ((x, y, 0.1, 0.45, 0.75), (y, x, 0.4, 0.8, 0.45)):
        if low <= along <= high:
            depths.append(0.1 - abs(across - middle))
        else:
            end = low if along < low else high
            depths.append(0.1 - math.hypot(along - end, across - middle))
    return max(depths)


def test_rewards_are_the_depths_of_puddles() -> None:
    """At 20,000 places a step that ends there pays -1 - 400 times the depth, to 1e-4."""
    places = uniform([0.0, 0.0], [1.0, 1.0], 20_000, 0)
    state = torch.from_numpy(places).float().unsqueeze(0)
    still = torch.zeros(1, len(places), 2)
    environment = world("PuddleWorld-v1", continuous=True)
    outcome = environment.step(state, still, QUIET.expand(1, len(places), 4))
    expected = [-1.0 - 400.0 * depth(x, y) for x, y in places]
    np.testing.assert_allclose(outcome.reward[0, :, 0], expected, rtol=0, atol=1e-4)
    assert min(expected) < -40.0


def test_actions_are_steps_along_the_axes() -> None:
    """Without noise actions 0 to 3 are 0.05 along -x, +x, -y and +y, a continuous action is its own
    step, and walls stop both."""
    state = torch.tensor([[[0.5, 0.5]] * 4])
    quiet = QUIET.expand(1, 4, 4)
    numbers = torch.arange(4.0).view(1, 4, 1)
    ends = [[0.45, 0.5], [0.55, 0.5], [0.5, 0.45], [0.5, 0.55]]
    walked = world("PuddleWorld-v1").step(state, numbers, quiet).state[0]
    np.testing.assert_allclose(walked, ends, atol=1e-6)
    steps = torch.tensor([[[0.01, -0.03]] * 4])
    environment = world("PuddleWorld-v1", continuous=True)
    moved = environment.step(state, steps, quiet).state[0]
    np.testing.assert_allclose(moved, [[0.51, 0.47]] * 4, atol=1e-6)
    cornered = environment.step(torch.zeros(1, 4, 2), -steps.abs(), quiet).state
    assert cornered.abs().max() == 0.0


def test_noise_is_gaussian_in_both_coordinates() -> None:
    """What a step adds beside the action is normal with standard deviation 0.01, in x and in y,
    independently."""
    count = 20_000
    draw = torch.Generator().manual_seed(0)
    state = torch.full((1, count, 2), 0.5)
    draws = torch.rand(1, count, 4, generator=draw)
    action = torch.zeros(1, count, 2)
    noise = world("PuddleWorld-v1", continuous=True).step(state, action, draws).state[0] - 0.5
    for coordinate in noise.double().numpy().T:
        assert kstest(coordinate, "norm", args=(0.0, 0.01)).pvalue > 1e-3
    assert abs(float(torch.corrcoef(noise.T)[0, 1])) < 5 / math.sqrt(count)


def test_the_goal_is_the_corner() -> None:
    """An episode terminates where (1 - x) + (1 - y) < 0.1, and nowhere else."""
    places = uniform([0.8, 0.8], [1.0, 1.0], 10_000, 0)
    state = torch.from_numpy(places).float().unsqueeze(0)
    still = torch.zeros(1, len(places), 2)
    environment = world("PuddleWorld-v1", continuous=True)
    terminated = environment.step(state, still, QUIET.expand(1, len(places), 4)).terminated
    distance = (2.0 - places).sum(1) - 2.0
    sure = np.abs(distance - 0.1) > 1e-6
    np.testing.assert_array_equal(terminated[0, :, 0].numpy()[sure], distance[sure] < 0.1)
    assert 0.05 < float(terminated.mean()) < 0.95


def test_start_states_are_uniform_outside_the_goal() -> None:
    """Of 200,000 start states none is at the goal, and every part of the square has its share,
    those beside the goal too."""
    count = 200_000
    draw = torch.Generator().manual_seed(0)
    start = world("PuddleWorld-v1").reset(torch.rand(1, count, 2, generator=draw))[0]
    x, y = start.double().numpy().T
    assert ((1 - x) + (1 - y)).min() > 0.1 - 1e-6
    assert min(x.min(), y.min()) >= 0.0
    inside = 0.995
    cells, _, _ = np.histogram2d(x, y, bins=20, range=[[0, 1], [0, 1]])
    areas = np.full((20, 20), 0.05**2)
    areas[-1, -1] = 0.0
    areas[-2, -1] = areas[-1, -2] = 0.05**2 / 2
    expected = count * areas / inside
    np.testing.assert_allclose(cells, expected, rtol=0, atol=6 * np.sqrt(expected.max()))
    assert cells[-1, -1] == 0
    assert cells[-2, -1] == pytest.approx(expected[-2, -1], rel=0.3)
