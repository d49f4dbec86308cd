"""Every agent's declared footprint against its real tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from agents.peak import peak_bytes

from nthrun.agents.base import Experience, Noise, State
from nthrun.agents.networks import MLP
from nthrun.agents.registry import AGENTS
from nthrun.agents.sizes import MLPShape
from nthrun.specs.declaration import load_program
from nthrun.specs.footprint import AgentFootprint
from nthrun.specs.interface import Interface

INTERFACES = {
    "one action": Interface((-1.0,) * 3, (1.0,) * 3, (-2.0,), (2.0,)),
    "many actions": Interface((-1.0,) * 6, (1.0,) * 6, (-1.0,) * 4, (1.0, 2.0) * 2),
    "wide": Interface((-1.0,) * 17, (1.0,) * 17, (-1.0,) * 6, (1.0, 2.0) * 3),
    "discrete": Interface((-1.0,) * 6, (1.0,) * 6, num_actions=3),
    "many discrete": Interface((-1.0,) * 4, (1.0,) * 4, num_actions=18),
}
SHAPES: list[dict[str, Any]] = [
    {},
    {"hidden_dim": 7, "batch_size": 1, "replay_capacity": 1},
    {"hidden_dim": 64, "batch_size": 100, "replay_capacity": 300},
    {"hidden_dim": 256, "batch_size": 32, "activation": "tanh"},
]
TILINGS: list[dict[str, Any]] = [
    {"num_bins": 2},
    {"num_tilings": 1, "num_bins": 1, "bias": False},
    {"num_tilings": 16, "num_bins": 3, "tiling": "pairs"},
    {"num_tilings": 32, "num_bins": 9, "tiling": "separate"},
]
SAC: list[dict[str, Any]] = [
    {"automatic_entropy_tuning": False},
    {"double_q": False, "soft_q": False, "num_samples": 5},
    {"policy_type": "Gaussian", "reparam_baseline": (False, 0), "batch_size": 256},
    {"policy_type": "Beta", "num_samples": 2},
    {"policy_type": "Beta", "reparam_baseline": (False, 4), "hidden_dim": 256},
    {"policy_type": "SquashedGaussianMixture"},
    {"policy_type": "SquashedGaussianMixture", "num_components": 7, "hidden_dim": 8},
]
SAMPLING: list[tuple[str, dict[str, Any]]] = [
    ("GreedyAC", {}),
    ("GreedyAC", {"policy_type": "SquashedGaussian", "n_rho": (5, 1.0)}),
    ("GreedyACNoEntReg", {"n_rho": (100, 0.05)}),
    ("VAC", {}),
    ("VAC", {"policy_type": "SquashedGaussian", "num_samples": 1}),
    ("FKL", {}),
    ("FKL", {"kl": "reverse", "num_samples": 7}),
    ("epsgreedy", {}),
    ("epsgreedy_SGD", {}),
    ("epsgreedy_SGD", {"num_starts": 1, "num_search_steps": 1}),
    ("epsgreedy_optimizer", {}),
    ("epsgreedy_optimizer", {"num_candidates": 64, "num_elites": 64}),
]
NUMBERED: list[tuple[str, dict[str, Any]]] = [
    ("SAC", {"policy_type": "Softmax"}),
    ("SAC", {"policy_type": "Softmax", "double_q": False}),
    ("GreedyAC", {"policy_type": "Softmax"}),
    ("GreedyACNoEntReg", {"policy_type": "Softmax"}),
    ("VAC", {"policy_type": "Softmax"}),
    ("FKL", {"policy_type": "Softmax"}),
    ("FKL", {"policy_type": "Softmax", "kl": "reverse"}),
    ("epsgreedy", {"policy_type": "Argmax"}),
]
Case = tuple[str, str, dict[str, Any]]


def _cases() -> Iterator[Case]:
    """Agent, interface and static hyperparameters."""
    for shape in SHAPES:
        yield from ((name, "one action", changes | shape) for name, changes in SAMPLING)
        yield "SAC", "one action", shape
    yield from ((name, "wide", changes) for name, changes in SAMPLING)
    yield from (("SAC", actions, changes) for changes in SAC for actions in ("one action", "wide"))
    for shape in SHAPES[::2]:
        yield from ((name, "discrete", changes | shape) for name, changes in NUMBERED)
    yield from ((name, "many discrete", changes) for name, changes in NUMBERED)
    for statics in TILINGS:
        yield from (("linearAC", actions, statics) for actions in ("one action", "many actions"))
        for name in ("SoftmaxAC", "Sarsa", "ExpectedSarsa"):
            yield from ((name, actions, statics) for actions in ("discrete", "many discrete"))
    yield from (("random", actions, {}) for actions in INTERFACES)


CASES = list(_cases())
EPISODES, LANES = 3, 2
SMALL_BYTES = 1 << 13
"""What a bound may be above what is held, however little that is."""


def made(case: Case) -> tuple[Any, State, AgentFootprint]:
    """An agent of two lanes, its first state, and what is declared of a lane."""
    name, actions, changes = case
    declaration, interface = AGENTS[name], INTERFACES[actions]
    setting = {field.name: field.default for field in declaration.hyperparameters} | changes
    agent = load_program(declaration.program)(setting, interface)
    generators = [np.random.default_rng(lane) for lane in range(LANES)]
    state = agent.initial_state([setting] * LANES, 0.99, generators)
    return agent, state, declaration.footprint(setting, interface)


def update_with(case: Case, agent: Any, state: State) -> Callable[[], Mapping[str, torch.Tensor]]:
    """An update after a step of zeros; every stored step drawn is the first."""
    interface = INTERFACES[case[1]]
    normal = torch.randn(LANES, agent.num_agent_draws)
    steps = torch.zeros(LANES, agent.num_replay_draws, dtype=torch.int64)
    nothing = torch.zeros(LANES, 1, 0)
    noise = Noise(nothing, nothing, nothing, normal, steps)
    sizes = (interface.observation_dim, interface.action_dim, 1, interface.observation_dim, 1)
    experience = Experience(*(torch.zeros(LANES, 1, size) for size in sizes))
    ended, now = torch.zeros(LANES, 1, 1, dtype=torch.bool), torch.tensor(0)
    agent.act(state, experience.observation, noise, now)
    return lambda: agent.update(state, experience, ended, noise, now)


def test_every_agent_is_tried() -> None:
    """The cases cover the registry, but for solvers, which `test_solver_footprint` measures."""
    acting = {name for name, declared in AGENTS.items() if not declared.solves}
    assert {name for name, _, _ in CASES} == acting


@pytest.mark.parametrize("case", CASES, ids=str)
def test_declared_bytes_are_the_tensors(case: Case) -> None:
    """State, replay, learned parameters and numbers drawn have the declared sizes to the byte."""
    agent, state, footprint = made(case)
    learned = agent.learned_params(state).values()
    assert footprint.learned_bytes * LANES == sum(tensor.nbytes for tensor in learned)
    replay = state.pop("replay", torch.empty(LANES, 0))
    assert footprint.replay_capacity == agent.replay_capacity == replay.shape[1]
    assert footprint.replay_bytes * LANES == replay.nbytes
    assert footprint.state_bytes * LANES == sum(tensor.nbytes for tensor in state.values())
    assert footprint.num_agent_draws == agent.num_agent_draws
    assert footprint.num_replay_draws == agent.num_replay_draws


@pytest.mark.parametrize("case", CASES, ids=str)
@torch.no_grad()
def test_working_memory_is_bounded(case: Case) -> None:
    """An update and an action hold no more than declared, and the bounds are not absurd; a state
    tensor keeps its shape and type."""
    agent, state, footprint = made(case)
    shapes = {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()}
    update = update_with(case, agent, state)
    assert footprint.num_metrics == len(update())
    held = peak_bytes(update)
    assert held <= LANES * footprint.update_bytes <= 4 * held + SMALL_BYTES
    observations = torch.zeros(LANES, EPISODES, INTERFACES[case[1]].observation_dim)
    acting = peak_bytes(lambda: agent.act_greedily(state, observations))
    assert acting <= LANES * EPISODES * footprint.acting_bytes <= 8 * acting
    assert shapes == {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()}


@pytest.mark.parametrize("out_dim", [1, 2, 5])
@pytest.mark.parametrize("hidden", [(2, 2), (7, 7), (100, 100), (5,), (16, 3, 64)], ids=str)
def test_a_network_has_its_shape(hidden: tuple[int, ...], out_dim: int) -> None:
    """The shape that planning counts is that of the network, with and without padding."""
    shape, network = MLPShape(3, hidden, out_dim), MLP(3, hidden, out_dim, "relu")
    assert shape.sizes() == network.sizes()
    assert shape.num_params() == len(network.initial(np.random.default_rng(0), "xavier_uniform"))
    named = network.named(torch.zeros(1, shape.num_params()), "").values()
    assert shape.num_learned() == sum(tensor.numel() for tensor in named)
