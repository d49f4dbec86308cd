"""Mountain cars against Gymnasium's, and the dense one."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from environments.worlds import NO_DRAWS, Steps, gymnasium_steps, tensor_steps, uniform, world

COUNT = 6_000
LOW, HIGH = [-1.2, -0.07], [0.6, 0.07]
CASES = {
    "MountainCar-v0": (0.5, int),
    "MountainCarContinuous-v0": (0.45, lambda action: np.array([action])),
}
"""Gymnasium's name -> where the goal is, and an action as it takes it."""


def states() -> np.ndarray:
    """States of all of the valley, and as many where walls, limits and the goal matter."""
    edges = uniform([-1.2, -0.07], [-1.1, -0.03], COUNT, 1)
    fast = uniform([-1.2, 0.068], [0.6, 0.07], COUNT, 2)
    goal = uniform([0.35, -0.02], [0.6, 0.07], COUNT, 3)
    return np.concatenate((uniform(LOW, HIGH, COUNT, 0), edges, fast, goal))


def actions(name: str, count: int) -> np.ndarray:
    """Random actions, the extreme ones often among them."""
    if name == "MountainCar-v0":
        return np.random.default_rng(4).integers(0, 3, count).astype(np.float64)
    return np.clip(uniform([-1.5], [1.5], count, 4)[:, 0], -1.0, 1.0)


def assert_agree(ours: Steps, theirs: Steps, goal: float, atol: float) -> None:
    """Steps agree, but for the end of an episode where rounding alone decides it."""
    np.testing.assert_allclose(ours.states, theirs.states, rtol=0, atol=atol)
    np.testing.assert_allclose(ours.observations, theirs.observations, rtol=0, atol=1e-6)
    sure = (np.abs(theirs.states[:, 0] - goal) > 1e-6) & (np.abs(theirs.states[:, 1]) > 1e-6)
    sure |= theirs.states[:, 0] < goal - 1e-6
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(ours.terminated[sure], theirs.terminated[sure])
    np.testing.assert_allclose(ours.rewards[sure], theirs.rewards[sure], rtol=1e-6, atol=1e-7)
    assert 0.05 < theirs.terminated.mean() < 0.95


@pytest.mark.parametrize("name", CASES)
def test_steps_equal_gymnasiums(name: str) -> None:
    """From 24,000 states, walls and goal among them, a step in float32 is within 2e-7 of
    Gymnasium's, and within 1e-14 in float64 where Gymnasium's own state has that precision."""
    goal, given = CASES[name]
    before = states()
    taken = actions(name, len(before))
    theirs = gymnasium_steps(name, before, taken, given)
    environment = world(name)
    assert_agree(tensor_steps(environment, before, taken, torch.float32), theirs, goal, 2e-7)
    exact = 1e-14 if name == "MountainCar-v0" else 7e-8  # the continuous car's state is float32
    assert_agree(tensor_steps(environment, before, taken, torch.float64), theirs, goal, exact)


def test_a_continuous_force_lies_between_the_discrete_ones() -> None:
    """With continuous actions MountainCar-v0 steps as with the discrete ones at -1, 0 and 1."""
    before = states()
    taken = actions("MountainCar-v0", len(before))
    discrete = tensor_steps(world("MountainCar-v0"), before, taken, torch.float32)
    forces = world("MountainCar-v0", continuous=True)
    for ours, expected in zip(
        tensor_steps(forces, before, taken - 1.0, torch.float32), discrete, strict=True
    ):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("name", CASES)
def test_a_whole_episode_equals_gymnasiums(name: str) -> None:
    """Pushing where the car goes reaches the goal after as many steps, for the same return."""
    environment = world(name)
    theirs = gymnasium.make(name).unwrapped
    theirs.reset(seed=0)
    theirs.state = np.array([-0.5, 0.0])
    state, done = torch.tensor([[[-0.5, 0.0]]]), False
    length, returns = 0, [0.0, 0.0]
    while not done and length < 300:
        force = 1.0 if float(state[..., 1]) >= 0 else -1.0
        action = torch.tensor([[[force + 1.0 if name == "MountainCar-v0" else force]]])
        outcome = environment.step(state, action, NO_DRAWS)
        _, reward, done, _, _ = theirs.step(CASES[name][1](float(action)))
        returns = [returns[0] + float(outcome.reward), returns[1] + float(reward)]
        state, length = outcome.state, length + 1
        assert bool(outcome.terminated) == done
    assert 50 < length < 300
    assert returns[0] == pytest.approx(returns[1], rel=1e-6)


def test_start_states_have_gymnasiums_distribution() -> None:
    """Positions are uniform on [-0.6, -0.4), at rest."""
    start = world("MountainCar-v0").reset(torch.tensor([[[0.0], [0.5], [1.0]]]))[0]
    np.testing.assert_allclose(start.numpy(), [[-0.6, 0], [-0.5, 0], [-0.4, 0]], rtol=1e-6)


def test_the_dense_car_moves_as_the_sparse_one_and_is_paid_by_height() -> None:
    """The dense reward is sin 3x - 1 of the position reached, never above 0; the car moves as
    MountainCarContinuous-v0, and terminates only where the spec makes it episodic."""
    name = "DenseMountainCarContinuous-v1"
    before = states()
    taken = actions("", len(before))
    sparse = tensor_steps(world("MountainCarContinuous-v0"), before, taken, torch.float32)
    for episodic in (False, True):
        dense = tensor_steps(world(name, episodic=episodic), before, taken, torch.float32)
        np.testing.assert_array_equal(dense.states, sparse.states)
        expected = np.sin(3.0 * dense.states[:, 0]) - 1.0
        np.testing.assert_allclose(dense.rewards, expected, atol=1e-6)
        assert dense.rewards.max() <= 0.0
        np.testing.assert_array_equal(dense.terminated, sparse.terminated * episodic)


def test_the_goal_velocity_is_the_least_that_counts() -> None:
    """A car that reaches the goal slower than `goal_velocity` drives on."""
    environment = world("DenseMountainCarContinuous-v1", episodic=True, goal_velocity=0.03)
    before = np.array([[0.44, 0.02], [0.44, 0.04]])
    steps = tensor_steps(environment, before, np.zeros(2), torch.float32)
    assert steps.terminated.tolist() == [0.0, 1.0]
