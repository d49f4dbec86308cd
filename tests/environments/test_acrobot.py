"""Acrobots against Gymnasium's, and the dense one."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from environments.worlds import (
    NO_DRAWS,
    Steps,
    gymnasium_steps,
    tensor_steps,
    uniform,
    world,
)
from numpy import cos, pi

COUNT = 3_000
MAX_SPEEDS = [4 * pi, 9 * pi]


def states() -> np.ndarray:
    """States near hanging down, states at moderate speeds, and any state at all."""
    any_high = [pi, pi, *MAX_SPEEDS]
    boxes = ([0.1] * 4, [pi, pi, 3.0, 6.0], any_high)
    return np.concatenate(
        [uniform([-h for h in high], high, COUNT, seed) for seed, high in enumerate(boxes)]
    )


def actions(count: int) -> np.ndarray:
    """Random numbers of actions."""
    return np.random.default_rng(4).integers(0, 3, count).astype(np.float64)


def height(angles: np.ndarray) -> np.ndarray:
    """The tip above the base of states."""
    tip: np.ndarray = -cos(angles[:, 0]) - cos(angles[:, 0] + angles[:, 1])
    return tip


def assert_agree(ours: Steps, theirs: Steps, atol: float) -> None:
    """Steps agree, angles up to whole turns, but for ends that rounding alone decides."""
    difference = ours.states - theirs.states
    turns = np.round(difference[:, :2] / (2 * pi))
    difference[:, :2] -= 2 * pi * turns
    np.testing.assert_allclose(difference, 0.0, rtol=0, atol=atol)
    assert (np.abs(ours.states[:, :2]) <= pi + 1e-6).all()
    np.testing.assert_allclose(ours.observations, theirs.observations, rtol=0, atol=atol + 3e-6)
    sure = np.abs(height(theirs.states) - 1.0) > 10 * atol
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(ours.terminated[sure], theirs.terminated[sure])
    np.testing.assert_array_equal(ours.rewards[sure], theirs.rewards[sure])
    assert 0.05 < theirs.terminated.mean() < 0.95


def test_steps_equal_gymnasiums() -> None:
    """From 9,000 states, of any speed, a float64 step is within 1e-10 of Gymnasium's, wrapped
    angles and bounded speeds included."""
    before = states()
    taken = actions(len(before))
    theirs = gymnasium_steps("Acrobot-v1", before, taken, int)
    assert (np.abs(theirs.states[:, 2:]) == MAX_SPEEDS).any(0).all()
    assert_agree(tensor_steps(world("Acrobot-v1"), before, taken, torch.float64), theirs, 1e-10)


def test_float32_steps_agree_to_rounding() -> None:
    """From 6,000 states of moderate speeds a float32 step is within 2e-5 of Gymnasium's; from 99 in
    100 of any state, within 1e-3."""
    before = states()
    taken = actions(len(before))
    theirs = gymnasium_steps("Acrobot-v1", before, taken, int)
    ours = tensor_steps(world("Acrobot-v1"), before, taken, torch.float32)
    usual = slice(None, 2 * COUNT)
    assert_agree(
        Steps(*(part[usual] for part in ours)), Steps(*(part[usual] for part in theirs)), 2e-5
    )
    errors = np.abs(ours.observations - theirs.observations).max(1)
    assert np.quantile(errors, 0.99) < 1e-3


def test_torques_are_the_continuous_actions() -> None:
    """A continuous action steps as the discrete one of the same torque, and one between lies
    between to first order."""
    before = states()[:COUNT]
    taken = actions(COUNT)
    torques = world("Acrobot-v1", continuous=True)
    discrete = tensor_steps(world("Acrobot-v1"), before, taken, torch.float64)
    for ours, expected in zip(
        tensor_steps(torques, before, taken - 1.0, torch.float64), discrete, strict=True
    ):
        np.testing.assert_array_equal(ours, expected)
    zero, half, one = (
        tensor_steps(torques, before, np.full(COUNT, torque), torch.float64).states
        for torque in (0.0, 0.5, 1.0)
    )
    np.testing.assert_allclose(half, (zero + one) / 2, atol=1e-3)
    assert (np.abs(one - zero)[:, 3] > 0.05).all()


def test_a_whole_episode_equals_gymnasiums() -> None:
    """Torque with the second link's motion swings the tip over the line after about as many
    float32 steps as in Gymnasium."""
    lengths = []
    for ours in (True, False):
        environment = world("Acrobot-v1", start_state=[0.05, -0.02, 0.0, 0.01])
        theirs = gymnasium.make("Acrobot-v1").unwrapped
        theirs.reset(seed=0)
        theirs.state = np.array([0.05, -0.02, 0.0, 0.01])
        state, terminated = environment.reset(torch.empty(1, 1, 4)), False
        length = 0
        while not terminated and length < 500:
            speed = float(state[..., 3]) if ours else theirs.state[3]
            action = 2 if speed > 0 else 0
            if ours:
                outcome = environment.step(state, torch.full((1, 1, 1), float(action)), NO_DRAWS)
                state, terminated = outcome.state, bool(outcome.terminated)
                assert float(outcome.reward) == float(terminated) - 1.0
            else:
                _, _, terminated, _, _ = theirs.step(action)
            length += 1
        lengths.append(length)
    assert lengths[0] < 500
    assert lengths[0] == pytest.approx(lengths[1], abs=5)


def test_start_states_have_gymnasiums_distribution() -> None:
    """Every number of a start state is uniform on [-0.1, 0.1)."""
    start = world("Acrobot-v1").reset(torch.tensor([[[0.0, 0.25, 0.5, 1.0]]]))
    np.testing.assert_allclose(start[0, 0].numpy(), [-0.1, -0.05, 0.0, 0.1], atol=1e-8)


def test_the_dense_acrobot_is_paid_by_height() -> None:
    """DenseAcrobot-v1 moves and ends as Acrobot-v1; its reward is the tip's height less 2."""
    before = states()
    taken = actions(len(before))
    sparse = tensor_steps(world("Acrobot-v1"), before, taken, torch.float64)
    dense = tensor_steps(world("DenseAcrobot-v1"), before, taken, torch.float64)
    np.testing.assert_array_equal(dense.states, sparse.states)
    np.testing.assert_array_equal(dense.terminated, sparse.terminated)
    np.testing.assert_allclose(dense.rewards, height(dense.states) - 2.0, atol=1e-12)
    assert -4.0 <= dense.rewards.min() < dense.rewards.max() <= 0.0


def test_the_acrobot_of_angles_moves_as_the_other() -> None:
    """AngleAcrobot-v1 shows its state, starts at rest, and moves, pays and ends as Acrobot-v1; the
    dense one is paid by the tip's height above the line."""
    before = states()
    taken = actions(len(before))
    other = tensor_steps(world("Acrobot-v1"), before, taken, torch.float64)
    for name, rewards in (("AngleAcrobot-v1", other.rewards), ("DenseAngleAcrobot-v1", None)):
        environment = world(name)
        ours = tensor_steps(environment, before, taken, torch.float64)
        np.testing.assert_array_equal(ours.states, other.states)
        np.testing.assert_array_equal(ours.observations, other.states)
        np.testing.assert_array_equal(ours.terminated, other.terminated)
        expected = height(ours.states) - 1.0 if rewards is None else rewards
        np.testing.assert_allclose(ours.rewards, expected, atol=1e-12)
        assert not environment.reset(torch.zeros(2, 3, 0)).any()
