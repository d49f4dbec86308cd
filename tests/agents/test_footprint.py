"""Every agent's declared footprint against its real tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from nthrun.agents.base import Noise, State
from nthrun.agents.networks import MLP
from nthrun.agents.registry import AGENTS
from nthrun.agents.shapes import MLPShape
from nthrun.environments.pendulum.declaration import PENDULUM
from nthrun.specs.declaration import load_program
from nthrun.specs.footprint import AgentFootprint

STATICS: dict[str, list[dict[str, Any]]] = {
    "SAC": [
        {},
        {"hidden_dim": 7, "batch_size": 1, "replay_capacity": 1},
        {"hidden_dim": 33, "batch_size": 50, "automatic_entropy_tuning": False},
        {"hidden_dim": 64, "batch_size": 256, "replay_capacity": 300},
        {"hidden_dim": 256, "batch_size": 32, "activation": "tanh"},
    ]
}
"""Agent -> static hyperparameters to try."""
CASES = [(name, changes) for name, cases in STATICS.items() for changes in cases]
EPISODES = 3
LANES = 2


def made(name: str, changes: Mapping[str, Any]) -> tuple[Any, State, AgentFootprint]:
    """An agent of two lanes, its first state, and what is declared of a lane."""
    declaration = AGENTS[name]
    setting = {field.name: field.default for field in declaration.hyperparameters} | dict(changes)
    agent = load_program(declaration.program)(setting, PENDULUM)
    generators = [np.random.default_rng(lane) for lane in range(LANES)]
    state = agent.initial_state([setting] * LANES, 0.99, generators)
    return agent, state, declaration.footprint(setting, PENDULUM)


def noise(agent: Any) -> Noise:
    """The noise of one step; every stored step drawn is the first."""
    normal = torch.randn(LANES, agent.num_agent_draws)
    steps = torch.zeros(LANES, agent.num_replay_draws, dtype=torch.int64)
    return Noise(torch.zeros(LANES, 1, 2), torch.zeros(LANES, 1, 3), normal, steps)


def peak_bytes(work: Any) -> int:
    """The most that a piece of work holds at once of the memory it takes."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    held = most = 0
    for event in seen.profiler.kineto_results.events():
        held += event.nbytes() if event.name() == "[memory]" else 0
        most = max(most, held)
    return most


def test_every_agent_is_tried() -> None:
    """The cases cover the registry."""
    assert STATICS.keys() == AGENTS.keys()


@pytest.mark.parametrize(("name", "changes"), CASES)
def test_declared_bytes_are_the_tensors(name: str, changes: Mapping[str, Any]) -> None:
    """State, replay and learned parameters have the declared sizes to the byte."""
    agent, state, footprint = made(name, changes)
    learned = agent.learned_params(state).values()
    assert footprint.learned_bytes * LANES == sum(tensor.nbytes for tensor in learned)
    assert footprint.replay_capacity == agent.replay_capacity
    replay = state.pop("replay", torch.empty(LANES, 0))
    assert footprint.replay_capacity == replay.shape[1]
    assert footprint.replay_bytes * LANES == replay.nbytes
    assert footprint.state_bytes * LANES == sum(tensor.nbytes for tensor in state.values())
    assert footprint.num_agent_draws == agent.num_agent_draws
    assert footprint.num_replay_draws == agent.num_replay_draws


@pytest.mark.parametrize(("name", "changes"), CASES)
@torch.no_grad()
def test_working_memory_is_bounded(name: str, changes: Mapping[str, Any]) -> None:
    """An update and an action hold no more than declared, and the bounds are not absurd."""
    agent, state, footprint = made(name, changes)
    metrics = agent.update(state, noise(agent), torch.tensor(0))
    assert footprint.num_metrics == len(metrics)
    drawn = noise(agent)
    update = peak_bytes(lambda: agent.update(state, drawn, torch.tensor(1)))
    assert update <= LANES * footprint.update_bytes <= 4 * update
    observations = torch.zeros(LANES, EPISODES, PENDULUM.observation_dim)
    acting = peak_bytes(lambda: agent.act_greedily(state, observations))
    assert acting <= LANES * EPISODES * footprint.acting_bytes <= 8 * acting


@pytest.mark.parametrize("out_dim", [1, 2, 5])
@pytest.mark.parametrize("hidden_dim", [2, 7, 16, 100])
def test_a_network_has_its_shape(hidden_dim: int, out_dim: int) -> None:
    """The shape that planning counts is that of the network, with and without padding."""
    shape, network = MLPShape(3, hidden_dim, out_dim), MLP(3, hidden_dim, out_dim, "relu")
    assert shape.sizes() == network.sizes()
    named = network.named(torch.zeros(1, shape.num_params()), "").values()
    assert shape.num_learned() == sum(tensor.numel() for tensor in named)
