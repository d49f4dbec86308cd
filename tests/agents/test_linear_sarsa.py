"""Sarsa(λ) and Expected Sarsa(λ) against their equations and against exact values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from agents.linear_cases import DISCRETE, GAMMA, Driven, random_steps, setting_of
from torch import Tensor

from nthrun.agents.base import Experience
from nthrun.agents.linear_sarsa.program import epsilon_greedy_probabilities
from nthrun.agents.policies.softmax import drawn
from nthrun.specs.interface import Interface

AGENTS = ["Sarsa", "ExpectedSarsa"]
STEPS = 300
SWEPT: list[dict[str, Any]] = [
    {"decay": 0.8, "critic_lr": 0.3, "epsilon": 0.3},
    {"decay": 0.0, "critic_lr": 0.1, "epsilon": 1.0, "epsilon_decay": 0.99, "epsilon_min": 0.2},
    {"decay": 0.95, "critic_lr": 0.2, "epsilon": 0.0},
]


def policy(values: np.ndarray, epsilon: float) -> np.ndarray:
    """ε-greedy probabilities, equal values sharing theirs."""
    best = np.isclose(values, values.max(), rtol=0, atol=1e-6)
    probability: np.ndarray = epsilon / len(values) + (1 - epsilon) * best / best.sum()
    return probability


class Plain:
    """One run, line by line."""

    def __init__(self, agent_name: str, setting: Mapping[str, Any], num_features: int) -> None:
        self.expected = agent_name == "ExpectedSarsa"
        self.setting, self.epsilon = setting, setting["epsilon"]
        self.weights, self.traces = np.zeros((2, 3, num_features))
        self.next_action: int | None = None

    def learn(self, tiles: np.ndarray, action: int, next_action: int | None, step: Any) -> float:
        """The update, which is told the action that follows; returns δ."""
        setting, next_values = self.setting, self.weights[:, step.next_tiles].sum(1)
        self.epsilon = max(setting["epsilon_min"], setting["epsilon_decay"] * self.epsilon)
        if self.expected:
            next_value = policy(next_values, self.epsilon) @ next_values
        else:
            next_value = next_values[next_action]
        target = step.reward + (0.0 if step.terminated else GAMMA * next_value)
        error = float(target - self.weights[action, tiles].sum())
        self.traces *= GAMMA * setting["decay"]
        if setting["trace"] == "replacing":
            self.traces[action, tiles] = 1.0
        else:
            self.traces[action, tiles] += 1.0
        self.weights += setting["critic_lr"] / len(tiles) * error * self.traces
        if step.ended:
            self.traces[:] = 0.0
        return error


@pytest.mark.parametrize("trace", ["replacing", "accumulating"])
@pytest.mark.parametrize("agent_name", AGENTS)
def test_it_is_its_equations(agent_name: str, trace: str) -> None:
    """Errors, ε and weights of a pack are those of plain runs, step by step."""
    settings = [setting_of(agent_name, trace=trace, num_tilings=4, num_bins=3, **s) for s in SWEPT]
    driven = Driven(agent_name, settings, DISCRETE)
    plain = [Plain(agent_name, s, driven.agent.sizes.num_features) for s in settings]
    for moment in random_steps(driven, STEPS):
        before = [run.weights.copy() for run in plain]
        metrics = moment.update()
        for lane, run in enumerate(plain):
            step, action = moment.steps[lane], int(moment.action[lane, 0])
            follows = None
            if agent_name == "Sarsa":
                assert run.next_action in (None, action)
                follows = sampled(driven, moment.normal[lane, 1], lane, before[lane], step)
                run.next_action = None if step.ended else follows
            error = run.learn(moment.tiles[lane], action, follows, step)
            assert float(metrics["td_error"][lane]) == pytest.approx(error, rel=1e-4, abs=1e-5)
    for lane, run in enumerate(plain):
        params = driven.learned(lane)
        np.testing.assert_allclose(params["critic.weight"], run.weights, rtol=1e-4, atol=1e-5)
        assert params["epsilon"] == pytest.approx(run.epsilon)


def sampled(driven: Driven, normal: float, lane: int, weights: np.ndarray, step: Any) -> int:
    """The action that Sarsa's second number stands for, by the weights before an update."""
    values = weights[:, step.next_tiles].sum(1)
    epsilon = float(driven.state["epsilon"][lane])  # the new one
    uniform = float(torch.special.ndtr(torch.tensor(normal)))
    return int((uniform >= policy(values, epsilon).cumsum()[:-1]).sum())


NUM_STATES = 5
WALK = Interface((0.0,), (1.0,), num_actions=2)
TABLE: dict[str, Any] = {"num_tilings": 1, "num_bins": NUM_STATES - 1, "bias": False}


def exact_values(slip: float) -> np.ndarray:
    """q of the random policy, `(actions, states)`: from a state the walk goes left (0) or right (1)
    as told, but for a share `slip` of steps the other way; it earns 1 beyond the right end."""
    moves = np.zeros((2, NUM_STATES, NUM_STATES))
    rewards = np.zeros((2, NUM_STATES))
    for action, state, way in np.ndindex(2, NUM_STATES, 2):
        share = slip if way != action else 1 - slip
        after = state + (1 if way else -1)
        if 0 <= after < NUM_STATES:
            moves[action, state, after] += share
        elif after == NUM_STATES:
            rewards[action, state] += share
    value = np.linalg.solve(np.eye(NUM_STATES) - GAMMA * moves.mean(0), rewards.mean(0))
    values: np.ndarray = rewards + GAMMA * moves @ value
    return values


def walk(driven: Driven, num_steps: int, slip: float) -> Tensor:
    """Walk with every lane, from anywhere; weights on average over the last half of the steps."""
    rng, lanes = np.random.default_rng(0), len(driven.settings)

    def somewhere() -> Tensor:
        return torch.from_numpy(rng.integers(NUM_STATES, size=(lanes, 1, 1)))

    state, total = somewhere(), torch.zeros(lanes, 2, NUM_STATES)
    for step in range(num_steps):
        noise = driven.noise(rng)
        now = state / (NUM_STATES - 1)
        action = driven.act(now, noise)
        slipped = torch.from_numpy(rng.random((lanes, 1, 1))) < slip
        after = state + torch.where((action > 0.5) != slipped, 1, -1)
        terminated = (after < 0) | (after == NUM_STATES)
        reward = (after == NUM_STATES).float()
        then = after / (NUM_STATES - 1)
        driven.update(Experience(now, action, reward, then, terminated.float()), terminated, noise)
        state = torch.where(terminated, somewhere(), after)
        if step >= num_steps // 2:
            total += driven.agent.learned_params(driven.state)["critic.weight"]
    return total / (num_steps - num_steps // 2)


@pytest.mark.parametrize("agent_name", AGENTS)
def test_values_of_a_policy_are_exact(agent_name: str) -> None:
    """The values of random walking, learnt by many runs without and with traces, are on average
    those of the linear equations of the chain."""
    settings = [
        setting_of(agent_name, decay=decay, critic_lr=0.3, epsilon=1.0, **TABLE)
        for decay in (0.0, 0.8)
    ]
    learned = walk(Driven(agent_name, settings * 128, WALK), 1500, 0.2)
    for first in (0, 1):
        mean = learned[first::2].mean(0).numpy()
        np.testing.assert_allclose(mean, exact_values(0.2), atol=0.02)


@pytest.mark.parametrize("agent_name", AGENTS)
def test_control_walks_to_the_reward(agent_name: str) -> None:
    """With a little exploration every run comes to walk right from every state."""
    setting = setting_of(agent_name, critic_lr=0.3, epsilon=0.2, decay=0.8, **TABLE)
    driven = Driven(agent_name, [setting] * 16, WALK)
    walk(driven, 500, 0.0)
    states = (torch.arange(NUM_STATES) / (NUM_STATES - 1)).view(1, -1, 1).expand(16, -1, 1)
    with torch.no_grad():
        best = driven.agent.act_greedily(driven.state, states)
    assert best.shape == (16, NUM_STATES, 1)
    assert (best == 1.0).all()


def test_sarsa_takes_the_action_it_counted_on() -> None:
    """The action in the target is the one taken next, whatever the next step's numbers; after an
    episode's end it is chosen anew, from where the next one begins."""
    setting = setting_of("Sarsa", epsilon=1.0, **TABLE)
    driven, rng = Driven("Sarsa", [setting] * 64, WALK), np.random.default_rng(0)
    observation = torch.full((64, 1, 1), 0.5)
    zeros = torch.zeros(64, 1, 1)
    ended = torch.arange(64).view(64, 1, 1) % 2 == 0
    noise = driven.noise(rng)
    action = driven.act(observation, noise)
    driven.update(Experience(observation, action, zeros, observation, zeros), ended, noise)
    counted = driven.state["next_action"].clone()
    assert (counted[::2] == -1).all()
    assert set(counted[1::2].flatten().tolist()) == {0.0, 1.0}
    one, other = (driven.act(observation, driven.noise(rng)) for _ in range(2))
    assert torch.equal(one[1::2, 0], counted[1::2])
    assert torch.equal(one[1::2], other[1::2])
    assert not torch.equal(one[::2], other[::2])


def test_choices_have_their_probabilities() -> None:
    """Actions come as often as their probabilities say, ε-greedy and softmax alike."""
    values = torch.tensor([[1.0, 3.0, 3.0, 0.0]]).expand(40_000, 4)
    greedy = epsilon_greedy_probabilities(values, torch.full((40_000, 1), 0.2))
    assert greedy[0].tolist() == pytest.approx([0.05, 0.45, 0.45, 0.05])
    soft = torch.softmax(values, 1)
    generator = torch.Generator().manual_seed(0)
    for probability in (greedy, soft):
        action = drawn(probability, torch.randn(40_000, 1, generator=generator))
        shares = torch.bincount(action.flatten().long(), minlength=4) / 40_000
        torch.testing.assert_close(shares, probability[0], atol=0.01, rtol=0)


@pytest.mark.parametrize("normal", [-40.0, 40.0])
def test_choices_stay_within_range(normal: float) -> None:
    """At the ends of the normal distribution, and where values are not numbers, the choice is an
    action; one without probability is not chosen."""
    numbers = torch.full((1, 1), normal)
    assert drawn(torch.tensor([[0.0, 0.5, 0.5]]), numbers).item() in (1.0, 2.0)
    assert drawn(torch.tensor([[0.5, 0.5, 0.0]]), numbers).item() in (0.0, 1.0)
    lost = epsilon_greedy_probabilities(torch.full((1, 3), torch.nan), torch.zeros(1, 1))
    assert drawn(lost, numbers).item() == 0.0
