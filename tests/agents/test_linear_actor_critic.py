"""linearAC and SoftmaxAC against their equations, written out plainly for one run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from agents.linear_cases import (
    CONTINUOUS,
    DISCRETE,
    GAMMA,
    Driven,
    PlainActorCritic,
    random_steps,
    setting_of,
)

from nthrun.agents.base import Experience
from nthrun.specs.interface import Interface

STEPS = 300
SWEPT: list[dict[str, Any]] = [
    {"decay": 0.8, "critic_lr": 0.3, "actor_lr": 0.05},
    {"decay": 0.0, "critic_lr": 0.1, "actor_lr": 0.1},
    {"decay": 0.95, "critic_lr": 0.2, "actor_lr": 0.02, "avg_reward_lr": 0.05},
]
"""A lane each: discounted and average reward share a pack."""
TILES = {"num_tilings": 4, "num_bins": 3}
WAYS: list[dict[str, Any]] = [
    {},
    {"trace": "replacing", "actor_lr_scale": 0.4},
    {"trace": "replacing", "use_critic_trace": False},
    {"use_actor_trace": False},
]
"""Traces of every kind, and of none."""


def assert_learned(driven: Driven, plain: list[PlainActorCritic]) -> None:
    """Every lane has learnt what its plain run has."""
    for lane, run in enumerate(plain):
        params = driven.learned(lane)
        actor = [array for name, array in params.items() if name.startswith("actor")]
        np.testing.assert_allclose(params["critic.weight"], run.critic, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(np.concatenate(actor), run.actor, rtol=1e-4, atol=1e-5)
        assert params["average_reward"] == pytest.approx(run.average_reward, abs=1e-5)


@pytest.mark.parametrize(("scaled", "way"), [(False, WAYS[0]), *((True, way) for way in WAYS)])
def test_linear_ac_is_its_equations(scaled: bool, way: dict[str, Any]) -> None:
    """Actions, errors, entropies and weights of a pack are those of plain runs, step by step."""
    chosen = {"scaled": scaled, "clip_stddev": 1.3, **TILES, **way}
    settings = [setting_of("linearAC", **chosen, **swept) for swept in SWEPT]
    driven = Driven("linearAC", settings, CONTINUOUS)
    num_features = driven.agent.sizes.num_features
    plain = [PlainActorCritic(setting, GAMMA, num_features, 5) for setting in settings]
    center, half, clipped = np.array([0.0, 1.0]), np.array([2.0, 2.0]), 0
    for moment in random_steps(driven, STEPS):
        errors, entropies = [], []
        for lane, run in enumerate(plain):
            mean, log_std = run.outputs(moment.tiles[lane]).reshape(2, 2)
            std = np.clip(np.exp(log_std), 1 / 1.3, 1.3)
            clipped += (std != np.exp(log_std)).sum()
            action = mean + std * moment.normal[lane]
            taken = center + half * np.clip(action, -1, 1)
            np.testing.assert_allclose(moment.action[lane], taken, rtol=1e-4, atol=1e-5)
            score = np.concatenate([(action - mean) / std**2, ((action - mean) / std) ** 2 - 1])
            scale = np.tile(std**2, 2) if scaled else np.ones(4)
            errors.append(run.learn(moment.tiles[lane], score, scale, moment.steps[lane]))
            entropies.append(0.5 * np.log(2 * np.pi * np.e * std**2).sum())
        metrics = moment.update()
        np.testing.assert_allclose(metrics["td_error"], errors, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(metrics["entropy"], entropies, rtol=1e-4, atol=1e-5)
    assert 0 < clipped < 2 * len(plain) * STEPS
    assert_learned(driven, plain)


@pytest.mark.parametrize("temperature", [1.0, 0.4])
@pytest.mark.parametrize("way", WAYS[:3])
def test_softmax_ac_is_its_equations(temperature: float, way: dict[str, Any]) -> None:
    """Probabilities, errors, entropies and weights of a pack are those of plain runs; an action is
    the first whose running sum of probabilities exceeds the uniform number."""
    chosen = {"temperature": temperature, **TILES, **way}
    settings = [setting_of("SoftmaxAC", **chosen, **swept) for swept in SWEPT]
    driven = Driven("SoftmaxAC", settings, DISCRETE)
    num_features = driven.agent.sizes.num_features
    plain = [PlainActorCritic(setting, GAMMA, num_features, 4) for setting in settings]
    for moment in random_steps(driven, STEPS):
        errors, entropies = [], []
        for lane, run in enumerate(plain):
            preferences = np.exp(run.outputs(moment.tiles[lane]) / temperature)
            probability = preferences / preferences.sum()
            action = int(moment.action[lane, 0])
            uniform = float(torch.special.ndtr(torch.tensor(moment.normal[lane, 0])))
            before = probability[:action].sum()
            assert before - 1e-5 <= uniform <= before + probability[action] + 1e-5
            score = (np.eye(3)[action] - probability) / temperature
            errors.append(run.learn(moment.tiles[lane], score, np.ones(3), moment.steps[lane]))
            entropies.append(-(probability * np.log(probability)).sum())
        metrics = moment.update()
        np.testing.assert_allclose(metrics["td_error"], errors, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(metrics["entropy"], entropies, rtol=1e-4, atol=1e-5)
    assert_learned(driven, plain)


ONE_STATE: dict[str, Any] = {"num_tilings": 1, "num_bins": 1, "bias": False}
BOUNDS: dict[str, Any] = {"observation_low": (0.0,), "observation_high": (1.0,)}


def bandit(driven: Driven, reward_of: Any, num_steps: int) -> None:
    """Episodes of one step, always of the same observation."""
    rng = np.random.default_rng(0)
    lanes = len(driven.settings)
    observation, ones = torch.zeros(lanes, 1, 1), torch.ones(lanes, 1, 1)
    for _ in range(num_steps):
        noise = driven.noise(rng)
        action = driven.act(observation, noise)
        reward = reward_of(action)
        experience = Experience(observation, action, reward, observation, ones)
        driven.update(experience, ones > 0, noise)


@pytest.mark.parametrize("scaled", [True, False])
def test_linear_ac_finds_the_best_action(scaled: bool) -> None:
    """With reward -(a - 0.6)² every lane's greedy action comes to lie at 0.6, and its policy
    becomes narrower."""
    interface = Interface(**BOUNDS, action_low=(-2.0,), action_high=(2.0,))
    setting = setting_of("linearAC", critic_lr=0.1, actor_lr=0.02, scaled=scaled, **ONE_STATE)
    driven = Driven("linearAC", [setting] * 32, interface)
    bandit(driven, lambda action: -((action - 0.6) ** 2), 2000)
    with torch.no_grad():
        best = driven.agent.act_greedily(driven.state, torch.zeros(32, 2, 1))
    assert best.shape == (32, 2, 1)
    assert (best - 0.6).abs().max() < 0.25
    assert (best - 0.6).abs().mean() < 0.1
    log_std = driven.agent.learned_params(driven.state)["actor.log_std_weight"][:, 0, 0]
    assert log_std.max() < -0.5


def test_softmax_ac_finds_the_best_action() -> None:
    """Of three rewards, every lane comes to prefer the highest."""
    interface = Interface(**BOUNDS, num_actions=3)
    setting = setting_of("SoftmaxAC", critic_lr=0.1, actor_lr=0.2, **ONE_STATE)
    driven = Driven("SoftmaxAC", [setting] * 32, interface)
    rewards = torch.tensor([0.0, 1.0, 0.5])
    bandit(driven, lambda action: rewards[action.long()], 500)
    with torch.no_grad():
        best = driven.agent.act_greedily(driven.state, torch.zeros(32, 1, 1))
    assert (best == 1.0).all()


@pytest.mark.parametrize("agent_name", ["linearAC", "SoftmaxAC"])
def test_the_average_reward_is_learnt(agent_name: str) -> None:
    """Around a cycle of rewards 1, 2, 6 the average reward becomes 3 and values differ by what is
    gained before the average: h(s) = r(s) - r̄ + h(s'). Discounted, r̄ stays 0."""
    interface = Interface(
        **BOUNDS,
        **({"num_actions": 2} if agent_name == "SoftmaxAC" else {"action_low": (-1.0,)}),
        action_high=() if agent_name == "SoftmaxAC" else (1.0,),
    )
    cycle = {"num_tilings": 1, "num_bins": 2, "bias": False, "critic_lr": 0.2, "decay": 0.3}
    settings = [
        setting_of(agent_name, actor_lr=0.01, avg_reward_lr=rate, **cycle) for rate in (0.02, 0.0)
    ]
    driven, rng = Driven(agent_name, settings, interface), np.random.default_rng(0)
    for step in range(2000):
        now, then = (torch.full((2, 1, 1), s % 3 / 2) for s in (step, step + 1))
        noise = driven.noise(rng)
        action = driven.act(now, noise)
        reward = torch.full((2, 1, 1), [1.0, 2.0, 6.0][step % 3])
        no = torch.zeros(2, 1, 1)
        driven.update(Experience(now, action, reward, then, no), no > 0, noise)
    average, discounted = driven.learned(0), driven.learned(1)
    assert average["average_reward"] == pytest.approx(3.0, abs=0.01)
    value = average["critic.weight"]
    assert value[0] - value[1] == pytest.approx(1 - 3, abs=0.05)
    assert value[1] - value[2] == pytest.approx(2 - 3, abs=0.05)
    assert discounted["average_reward"] == 0.0
    exact = np.linalg.solve(np.eye(3) - GAMMA * np.eye(3)[[1, 2, 0]], [1.0, 2.0, 6.0])
    np.testing.assert_allclose(discounted["critic.weight"], exact, rtol=1e-3)
