"""Pendulums against Gymnasium's own, and the two with rewards of their own."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from environments.worlds import (
    NO_DRAWS,
    gymnasium_steps,
    tensor_steps,
    uniform,
    world,
)
from packs import small_spec, train

from nthrun.training.context import make_context

STEPS = 5_000
EPISODES = 8


def gymnasium_rollout(actions: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, ...]:
    """States, observations and rewards of Gymnasium's Pendulum, in float64."""
    environment = gymnasium.make("Pendulum-v1").unwrapped
    environment.reset(seed=0)
    environment.state = start.copy()
    states, observations, rewards = [], [], []
    for action in actions:
        observation, reward, terminated, truncated, _ = environment.step(np.array([action]))
        assert not terminated
        assert not truncated
        states.append(environment.state.copy())
        observations.append(observation)
        rewards.append(reward)
    return np.array(states), np.array(observations), np.array(rewards)


def test_steps_equal_gymnasium_in_float64() -> None:
    """Along 8 random rollouts of 5,000 steps, each float64 step from Gymnasium's state is within
    1e-14 of Gymnasium's: the difference is the last bit of a sine."""
    generator = np.random.default_rng(0)
    environment = world("Pendulum-v1")
    for _ in range(EPISODES):
        actions = generator.uniform(-2, 2, STEPS).astype(np.float32).astype(np.float64)
        start = generator.uniform(-1, 1, 2) * [np.pi, 1.0]
        states, observations, rewards = gymnasium_rollout(actions, start)
        before = np.concatenate([start[None], states[:-1]])[None]
        outcome = environment.step(
            torch.from_numpy(before), torch.from_numpy(actions).view(1, -1, 1), NO_DRAWS
        )
        np.testing.assert_allclose(outcome.state[0], states, rtol=0, atol=1e-14)
        np.testing.assert_allclose(outcome.reward[0, :, 0], rewards, rtol=0, atol=1e-14)
        observed = environment.observe(torch.from_numpy(states)[None])[0]
        np.testing.assert_allclose(observed, observations, rtol=0, atol=1e-6)  # float32 there
        assert not outcome.terminated.any()


def test_an_episode_equals_gymnasiums_without_correction() -> None:
    """A free-running float64 episode of 200 steps stays within 1e-9 of Gymnasium's."""
    generator = np.random.default_rng(2)
    environment = world("Pendulum-v1")
    for _ in range(EPISODES):
        actions = generator.uniform(-2, 2, 200)
        start = generator.uniform(-1, 1, 2) * [np.pi, 1.0]
        states, _, _ = gymnasium_rollout(actions, start)
        state = torch.from_numpy(start).view(1, 1, 2)
        for action, expected in zip(actions, states, strict=True):
            state = environment.step(state, torch.tensor(action).view(1, 1, 1), NO_DRAWS).state
            np.testing.assert_allclose(state[0, 0], expected, rtol=0, atol=1e-9)


def test_single_steps_in_float32_agree_to_rounding() -> None:
    """Each float32 step from Gymnasium's own state is within 4e-6 of Gymnasium's."""
    generator = np.random.default_rng(1)
    actions = generator.uniform(-2, 2, 2_000).astype(np.float32)
    start = np.array([2.0, 0.5])
    states, observations, rewards = gymnasium_rollout(actions, start)
    before = np.concatenate([start[None], states[:-1]])
    environment = world("Pendulum-v1")
    before32 = torch.from_numpy(before.astype(np.float32)).view(1, -1, 2)
    outcome = environment.step(before32, torch.from_numpy(actions).view(1, -1, 1), NO_DRAWS)
    angles = np.abs(states[:, 0]).max()
    np.testing.assert_allclose(outcome.state[0].numpy(), states, rtol=0, atol=4e-6 * max(angles, 1))
    np.testing.assert_allclose(
        environment.observe(outcome.state)[0].numpy(), observations, rtol=0, atol=4e-6 * angles
    )
    np.testing.assert_allclose(outcome.reward[0, :, 0].numpy(), rewards, rtol=2e-5, atol=4e-6)


def test_start_states_have_gymnasiums_distribution() -> None:
    """Angles are uniform on [-π, π) and speeds on [-1, 1), the corners included."""
    draws = torch.tensor([[[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]]])
    start = world("Pendulum-v1").reset(draws)[0]
    expected = [[-np.pi, -1.0], [0.0, 0.0], [np.pi, 1.0]]
    np.testing.assert_allclose(start.numpy(), expected, rtol=1e-6)


def test_a_fixed_start_state() -> None:
    """`start_state` is where every episode begins."""
    spec = small_spec({"start_state": [3.0, -0.5], "record": ["train_states", "eval_states"]})
    run = train(spec, [0])[0]
    first = [np.cos(3.0), np.sin(3.0), -0.5]
    for states in (run["train_states"][::50], run["eval_states"][::50]):
        np.testing.assert_allclose(states, [first] * len(states), rtol=1e-5)


def test_overwritten_rewards() -> None:
    """`overwrite_rewards` replaces every reward by the spec's own."""
    spec = small_spec({"overwrite_rewards": True, "rewards": {"timestep": -1.0, "goal": 0.0}})
    run = train(spec, [0])[0]
    assert run["train_episode_rewards"].tolist() == [-50.0] * 6
    assert run["eval_episode_rewards"].tolist() == [[-50.0] * 2] * 4


def test_truncation_is_bootstrapped() -> None:
    """A time limit ends an episode without a terminal state: the value behind it still counts.

    With reward 1 a step and γ = 0.5, Q is 2 everywhere if truncated episodes are bootstrapped,
    even for episodes of one step, and 1 if they are not.
    """
    environment = {
        "total_timesteps": 4_000,
        "steps_per_episode": 1,
        "eval_episodes": 0,
        "gamma": 0.5,
        "overwrite_rewards": True,
        "rewards": {"timestep": 1.0, "goal": 1.0},
        "record": ["metrics"],
    }
    parameters = {
        "critic_lr": [0.003],
        "alpha": [1e-6],
        "automatic_entropy_tuning": [False],
        "tau": [0.05],
        "replay_capacity": [1000],
    }
    spec = small_spec(environment, parameters)
    run = train(spec, [0], context=make_context(spec, "compile"))[0]
    value = -run["metrics"]["actor_loss"][-50:].mean()
    assert value == pytest.approx(2.0, rel=0.1)


def swings(count: int = 5_000) -> tuple[np.ndarray, np.ndarray]:
    """States at any angle and up to the limit of speed, and torques."""
    states = uniform([-4.0, -8.0], [4.0, 8.0], count, 0)
    return states, uniform([-2.0], [2.0], count, 1)[:, 0]


def test_the_sparse_pendulum_is_paid_near_upright() -> None:
    """SparsePendulum-v1 steps as Gymnasium's, to 1e-14 in float64, and pays 1 where the angle
    reached is within tolerance / sparsity_factor degrees of upright, 0 elsewhere."""
    states, torques = swings()
    theirs = gymnasium_steps("Pendulum-v1", states, torques, lambda torque: np.array([torque]))
    for tolerance, factor, degrees in ((1.0, 1.0, 1.0), (90.0, 3.0, 30.0)):
        environment = world("SparsePendulum-v1", tolerance=tolerance, sparsity_factor=factor)
        ours = tensor_steps(environment, states, torques, torch.float64)
        np.testing.assert_allclose(ours.states, theirs.states, rtol=0, atol=1e-14)
        near = np.cos(theirs.states[:, 0]) >= np.cos(np.deg2rad(degrees))
        np.testing.assert_array_equal(ours.rewards, near)
        assert near.mean() == pytest.approx(degrees / 180, rel=0.4)


def test_the_sparse_pendulum_has_the_specs_gravity() -> None:
    """Without gravity and torque a pendulum keeps its speed."""
    states, torques = swings(100)
    ours = tensor_steps(world("SparsePendulum-v1", g=0.0), states, 0 * torques, torch.float64)
    np.testing.assert_array_equal(ours.states[:, 1], states[:, 1])


def test_the_cosine_pendulum_observes_and_is_paid_by_the_angle() -> None:
    """Pendulum-v0 moves as Gymnasium's Pendulum-v1 where no speed is limited, to 1e-6 in float32;
    it observes the angle on [-π, π) and the speed, and is paid the cosine of the angle reached."""
    states, torques = swings()
    theirs = gymnasium_steps("Pendulum-v1", states, torques, lambda torque: np.array([torque]))
    ours = tensor_steps(world("Pendulum-v0"), states, torques, torch.float32)
    np.testing.assert_array_equal(ours.observations, ours.states)
    assert (np.abs(ours.states[:, 0]) <= np.pi + 1e-6).all()
    np.testing.assert_allclose(ours.states[:, 1], theirs.states[:, 1], rtol=0, atol=2e-6)
    free = np.abs(theirs.states[:, 1]) < 8.0
    turned = (ours.states - theirs.states)[free, 0]
    np.testing.assert_allclose(turned, 2 * np.pi * np.round(turned / (2 * np.pi)), atol=2e-6)
    np.testing.assert_allclose(ours.rewards, np.cos(ours.states[:, 0]), atol=1e-6)
    np.testing.assert_allclose(ours.rewards[free], np.cos(theirs.states[free, 0]), atol=2e-6)


def test_a_speed_beyond_the_limit_moves_the_cosine_pendulum_once() -> None:
    """As in Gym's Pendulum-v0, the angle moves by the speed before it is limited."""
    before = np.array([[np.pi / 2, 7.9]])
    ours = tensor_steps(world("Pendulum-v0"), before, np.array([2.0]), torch.float64)
    speed = 7.9 + (15.0 + 6.0) * 0.05
    expected = [np.pi / 2 + speed * 0.05, 8.0]
    np.testing.assert_allclose(ours.states[0], expected, atol=1e-12)


def test_discrete_torques_of_the_cosine_pendulum() -> None:
    """Its discrete actions 0, 1 and 2 are the torques -2, 0 and 2; it starts hanging at rest."""
    states, _ = swings(300)
    numbers = np.arange(300) % 3.0
    discrete = world("Pendulum-v0", continuous=False)
    ours = tensor_steps(discrete, states, numbers, torch.float64)
    expected = tensor_steps(world("Pendulum-v0"), states, 2 * (numbers - 1), torch.float64)
    np.testing.assert_array_equal(ours.states, expected.states)
    start = discrete.reset(torch.empty(2, 3, 0))
    torch.testing.assert_close(start, torch.tensor([-np.pi, 0.0]).expand(2, 3, 2).float())
