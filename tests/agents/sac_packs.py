"""Lanes of SAC without an environment: random steps in the replay, and updates from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nthrun.agents.base import Experience, Noise, State
from nthrun.agents.registry import AGENTS
from nthrun.agents.sac.program import SoftActorCritic
from nthrun.specs.interface import Interface

BOUNDS = (9.0,) * 3
CONTINUOUS = Interface(BOUNDS, BOUNDS, (-1.0, -2.0), (1.0, 2.0))
DISCRETE = Interface(BOUNDS, BOUNDS, num_actions=5)
CAPACITY = 64
LIKELIHOOD_RATIO = {"reparam_baseline": (False, 2), "num_samples": 3}
VARIANTS: list[dict[str, Any]] = [
    {"policy_type": "SquashedGaussian", "num_samples": 3},
    {"policy_type": "SquashedGaussian", "double_q": False, "soft_q": False},
    {"policy_type": "SquashedGaussian", "reparam_baseline": (False, 0)},
    {"policy_type": "Gaussian"},
    {"policy_type": "Gaussian"} | LIKELIHOOD_RATIO,
    {"policy_type": "Beta"},
    {"policy_type": "Beta"} | LIKELIHOOD_RATIO,
    {"policy_type": "SquashedGaussianMixture", "num_components": 3},
    {"policy_type": "SquashedGaussianMixture"} | LIKELIHOOD_RATIO,
    {"policy_type": "Softmax"},
    {"policy_type": "Softmax", "double_q": False, "soft_q": False, "uniform_exploration_steps": 9},
]


def setting_of(changes: dict[str, Any]) -> dict[str, Any]:
    """Every hyperparameter."""
    small = {"hidden_dim": 16, "batch_size": 7, "replay_capacity": CAPACITY}
    defaults = {field.name: field.default for field in AGENTS["SAC"].hyperparameters}
    return defaults | small | changes


def interface_of(changes: dict[str, Any]) -> Interface:
    """Discrete actions for Softmax, two continuous ones else."""
    return DISCRETE if changes["policy_type"] == "Softmax" else CONTINUOUS


def agent_of(changes: dict[str, Any]) -> SoftActorCritic:
    """SAC of a variant."""
    return SoftActorCritic(setting_of(changes), interface_of(changes))


def state_of(changes: dict[str, Any], lanes: int) -> State:
    """The first state, its replay full of random steps, each lane's own."""
    agent, setting = agent_of(changes), setting_of(changes)
    generators = [np.random.default_rng(lane) for lane in range(lanes)]
    state = agent.initial_state([setting] * lanes, 0.9, generators)
    state["replay"].copy_(torch.stack([_steps(changes, lane) for lane in range(lanes)]))
    return state


def noise_of(changes: dict[str, Any], lanes: int, step: int) -> Noise:
    """The noise of one step, each lane's own."""
    agent = agent_of(changes)
    draws = [torch.Generator().manual_seed(1000 * step + lane) for lane in range(lanes)]
    normal = torch.stack([torch.randn(agent.num_agent_draws, generator=d) for d in draws])
    size = (agent.num_replay_draws,)
    steps = torch.stack([torch.randint(0, CAPACITY, size, generator=d) for d in draws])
    nothing = torch.zeros(lanes, 1, 0)
    return Noise(nothing, torch.zeros(lanes, 1, 3), nothing, normal, steps)


def experience_of(lanes: int) -> Experience:
    """A step, which replay agents ignore in an update."""
    sizes = (3, 1, 1, 3, 1)
    return Experience(*(torch.zeros(lanes, 1, size) for size in sizes))


def _steps(changes: dict[str, Any], lane: int) -> Tensor:
    """Rows of a replay, `(CAPACITY, width)`, whose reward is best for one action of a state;
    every other step is terminal."""
    draw = torch.Generator().manual_seed(lane)
    state, after = (torch.randn(CAPACITY, 3, generator=draw) for _ in range(2))
    ended = torch.arange(CAPACITY).unsqueeze(1) % 2.0
    if interface_of(changes).discrete:
        action = torch.randint(0, 5, (CAPACITY, 1), generator=draw).float()
        reward = (action == best_action(changes, state)).float()
        return torch.cat((state, action, reward, after, ended), -1)
    action = (2 * torch.rand(CAPACITY, 2, generator=draw) - 1) * torch.tensor([1.0, 2.0])
    error = (action - best_action(changes, state)) / torch.tensor([1.0, 2.0])
    reward = -(error * error).sum(-1, keepdim=True)
    return torch.cat((state, action, reward, after, ended), -1)


def best_action(changes: dict[str, Any], state: Tensor) -> Tensor:
    """What the reward asks for, `(..., action_dim)`."""
    if interface_of(changes).discrete:
        return (state[..., :1] > 0).float() * 3.0
    return torch.tanh(state[..., :2]) * torch.tensor([0.5, 1.0])
