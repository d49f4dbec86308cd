"""Cart-poles against Gymnasium's."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from environments.worlds import (
    NO_DRAWS,
    Steps,
    gymnasium_steps,
    spec_of,
    tensor_steps,
    uniform,
    world,
    world_of,
)
from torch import Tensor

COUNT = 10_000
MAX_ANGLE = 12 * np.pi / 180
HIGH = [2.4, 4.0, MAX_ANGLE, 4.0]
BOTH = ("CartPole-v1", "ContinuousCartpole-v0")


def states() -> np.ndarray:
    """States before the end, at speeds up to where episodes often end."""
    return uniform([-high for high in HIGH], HIGH, COUNT, 0)


def actions() -> np.ndarray:
    """Random numbers of actions."""
    return np.random.default_rng(4).integers(0, 2, COUNT).astype(np.float64)


def assert_agree(ours: Steps, theirs: Steps, atol: float) -> None:
    """Steps agree, but for the end of an episode where rounding alone decides it."""
    np.testing.assert_allclose(ours.states, theirs.states, rtol=0, atol=atol)
    np.testing.assert_allclose(ours.observations, theirs.observations, rtol=0, atol=atol + 1e-6)
    edges = np.abs(np.abs(theirs.states[:, [0, 2]]) - [2.4, MAX_ANGLE]).min(1)
    sure = edges > 1e-6
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(ours.terminated[sure], theirs.terminated[sure])
    np.testing.assert_array_equal(ours.rewards, theirs.rewards)
    assert 0.05 < theirs.terminated.mean() < 0.95


def test_steps_equal_gymnasiums() -> None:
    """From 10,000 states, many of them the last, a float64 step is within 1e-13 of Gymnasium's and
    a float32 step within 2e-6."""
    before, taken = states(), actions()
    theirs = gymnasium_steps("CartPole-v1", before, taken, int)
    environment = world("CartPole-v1")
    assert_agree(tensor_steps(environment, before, taken, torch.float64), theirs, 1e-13)
    assert_agree(tensor_steps(environment, before, taken, torch.float32), theirs, 2e-6)


def test_a_continuous_action_is_a_share_of_the_force() -> None:
    """Actions -1 and 1 step as CartPole-v1's 0 and 1, and accelerations are linear in between."""
    before, taken = states(), actions()
    continuous = world("ContinuousCartpole-v0")
    discrete = tensor_steps(world("CartPole-v1"), before, taken, torch.float64)
    ours = tensor_steps(continuous, before, 2 * taken - 1, torch.float64)
    for part, expected in zip(ours, discrete, strict=True):
        np.testing.assert_array_equal(part, expected)
    low, quarter, high = (
        tensor_steps(continuous, before, np.full(COUNT, share), torch.float64).states
        for share in (-1.0, -0.5, 1.0)
    )
    np.testing.assert_allclose(quarter, 0.75 * low + 0.25 * high, atol=1e-12)


def test_a_whole_episode_equals_gymnasiums() -> None:
    """Pushing towards where the pole falls keeps it up for as many steps as in Gymnasium."""
    start = [0.02, -0.03, 0.04, 0.01]
    environment = world("CartPole-v1", start_state=start)
    theirs = gymnasium.make("CartPole-v1").unwrapped
    theirs.reset(seed=0)
    theirs.state = np.array(start)
    state = environment.reset(torch.empty(1, 1, 4))
    terminated, length = False, 0
    while not terminated and length < 500:
        action = int(float(state[..., 2]) > 0)
        outcome = environment.step(state, torch.full((1, 1, 1), float(action)), NO_DRAWS)
        _, reward, terminated, _, _ = theirs.step(action)
        state, length = outcome.state, length + 1
        assert (bool(outcome.terminated), float(outcome.reward)) == (terminated, reward)
    assert 20 < length < 500


def test_start_states_have_gymnasiums_distribution() -> None:
    """Every number of a start state is uniform on [-0.05, 0.05)."""
    start = world("CartPole-v1").reset(torch.tensor([[[0.0, 0.25, 0.5, 1.0]]]))
    np.testing.assert_allclose(start[0, 0].numpy(), [-0.05, -0.025, 0.0, 0.05], atol=1e-8)


@pytest.mark.parametrize("name", BOTH)
def test_no_cart_is_faster_than_the_declared_bounds(name: str) -> None:
    """Play that drives the cart to the left and then as fast as it can to the right, the pole
    leaning as it must, comes to more than half of the bounds of speeds and never beyond them."""
    spec = spec_of(name)
    environment, draw = world_of(spec), torch.Generator().manual_seed(0)
    lanes = 5_000

    def drawn(largest: float) -> Tensor:
        return largest * torch.rand(1, lanes, 1, generator=draw)

    lean, turn, rush, gain, damping = (drawn(largest) for largest in (0.25, -2.4, 2.4, 60.0, 15.0))
    state = environment.reset(torch.rand(1, lanes, 4, generator=draw))
    alive, back = torch.ones(1, lanes, 1), torch.zeros(1, lanes, 1)
    fastest = torch.zeros(4)
    for _ in range(400):
        position, _, angle, speed = state.split(1, -1)
        back = torch.maximum(back, (position < turn).float())
        wanted = torch.where(back > 0, lean, -lean)
        share = (gain * (angle - wanted) + damping * speed).clamp(-1, 1)
        share = torch.where((back > 0) & (position > rush), torch.ones_like(share), share)
        action = (share > 0).float() if spec.interface.discrete else share
        outcome = environment.step(state, action, NO_DRAWS)
        state = torch.where(alive > 0, outcome.state, state)
        fastest = torch.maximum(fastest, state.abs().amax((0, 1)))
        alive = alive * (1 - outcome.terminated)
    shares = fastest / torch.tensor(spec.interface.observation_high)
    assert (shares <= 1).all()
    assert (shares[[1, 3]] > 0.5).all()
