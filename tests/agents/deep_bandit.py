"""Agents that play a bandit, without a training loop around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Experience, Noise
from nthrun.agents.registry import AGENTS
from nthrun.specs.declaration import load_program
from nthrun.specs.interface import Interface

BOUNDED = Interface((0.0, 0.0), (1.0, 1.0), (-2.0,), (2.0,))
NUMBERED = Interface((0.0, 0.0), (1.0, 1.0), num_actions=4)
LANES = 3
LEARNING = {
    "critic_lr": 0.01,
    "hidden_dim": 16,
    "batch_size": 16,
    "replay_capacity": 500,
    "uniform_exploration_steps": 150,
    "steps_before_learning": 100,
}
ARMS = torch.tensor([0.2, 0.0, 1.0, 0.5])


def hills(action: Tensor) -> Tensor:
    """A high hill at 0.8 and a lower one at -1.2."""
    high, low = (action - 0.8) / 0.5, (action + 1.2) / 0.5
    return torch.exp(-0.5 * high * high) + 0.5 * torch.exp(-0.5 * low * low)


def arms(action: Tensor) -> Tensor:
    """Action 2 is the best of four."""
    return ARMS[action.long()]


def played(
    name: str, changes: Mapping[str, Any], num_steps: int, interface: Interface = BOUNDED
) -> Tensor:
    """The greedy action of each of a few runs after learning a bandit, `(lanes,)`."""
    reward: Callable[[Tensor], Tensor] = arms if interface.discrete else hills
    declaration = AGENTS[name]
    setting = {field.name: field.default for field in declaration.hyperparameters}
    setting |= {key: value for key, value in LEARNING.items() if key in setting} | dict(changes)
    agent: Any = load_program(declaration.program)(setting, interface)
    generators = [np.random.default_rng(lane) for lane in range(LANES)]
    state = agent.initial_state([setting] * LANES, 0.9, generators)
    draw, observation = torch.Generator().manual_seed(0), torch.ones(LANES, 1, 2)
    ones, nothing = torch.ones(LANES, 1, 1), torch.zeros(LANES, 1, 0)
    with torch.no_grad():
        for step in range(num_steps):
            now = torch.tensor(step)
            low = max(0, step + 1 - agent.replay_capacity)
            steps = torch.randint(low, step + 1, (LANES, agent.num_replay_draws), generator=draw)
            normal = torch.randn(LANES, agent.num_agent_draws, generator=draw)
            noise = Noise(nothing, nothing, nothing, normal, steps)
            action = agent.act(state, observation, noise, now)
            experience = Experience(observation, action, reward(action), observation, ones)
            agent.observe(state, experience, now)
            if agent.num_updates_after(step):
                agent.update(state, experience, ones > 0, noise, now)
        best: Tensor = agent.act_greedily(state, observation)
    return best.flatten()
