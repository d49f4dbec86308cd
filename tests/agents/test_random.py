"""The random agent: uniform, and nothing learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from agents.deep_runs import DISCRETE, deep_spec, started
from packs import BACKENDS, train

from nthrun.agents.random_agent.program import RandomAgent
from nthrun.specs.interface import Interface, Role
from nthrun.training.context import make_context

GAME = Interface(
    (-1.0,) * 3, (1.0,) * 3, roles=(Role("buyer", 2, 1, (2, 3)), Role("seller", 1, 2, (4,)))
)
BOUNDED = Interface((-1.0,) * 3, (1.0,) * 3, (-2.0, 0.0), (2.0, 1.0))
NUMBERED = Interface((-1.0,) * 3, (1.0,) * 3, num_actions=3)


def made(interface: Interface) -> tuple[Any, dict[str, torch.Tensor]]:
    """The agent and its state on one lane."""
    agent = RandomAgent({}, interface)
    return agent, agent.initial_state([{}], 0.99, [np.random.default_rng(0)])


@pytest.mark.parametrize("backend", BACKENDS)
def test_actions_are_uniform(backend: str) -> None:
    """Actions in training fill the bounds evenly, and the record has no parameters."""
    environment = {"total_timesteps": 1500, "record": ["train_actions"]}
    spec = deep_spec("random", {}, environment)
    (run,) = train(spec, [0], context=make_context(spec, backend)).values()
    counts, _ = np.histogram(run["train_actions"], 5, (-2, 2))
    assert counts.sum() == 1500
    assert np.abs(counts / 300 - 1).max() < 0.25
    assert run["learned_params"] == {}
    assert run["status"] == "completed"


def test_discrete_actions_are_uniform() -> None:
    """Every action is as frequent as every other."""
    environment = {"total_timesteps": 2000, "record": ["train_actions"], "eval_episodes": 0}
    (run,) = train(deep_spec("random", {}, DISCRETE | environment), [0]).values()
    counts = np.bincount(run["train_actions"][:, 0].astype(int))
    assert np.abs(counts / 1000 - 1).max() < 0.1


@pytest.mark.parametrize("size", [0.1, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("interface", [BOUNDED, NUMBERED])
def test_evaluation_is_uniform_over_observations(interface: Interface, size: float) -> None:
    """Over many observations the evaluation's actions are uniform; for one they are the same."""
    agent, state = made(interface)
    observation = size * torch.randn(1, 6000, 3, generator=torch.Generator().manual_seed(0))
    action = agent.act_greedily(state, observation)
    assert torch.equal(action, agent.act_greedily(state, observation))
    if interface.discrete:
        unit = (action + 0.5) / 3
    else:
        low, high = torch.tensor(interface.action_low), torch.tensor(interface.action_high)
        unit = (action - low) / (high - low)
    for component in unit.unbind(-1):
        counts = torch.histc(component, 3, 0, 1)
        assert (counts / 2000 - 1).abs().max() < 0.08


def test_everybody_in_a_game_chooses_uniformly() -> None:
    """In a game play by chance is uniform over each head of every agent, whatever is seen; without
    chance it is one joint action."""
    agent, state = made(GAME)
    draws = torch.rand(1, 6000, agent.num_play_draws, generator=torch.Generator().manual_seed(0))
    observation = torch.randn(1, 6000, 3)
    action = agent.play(state, observation, draws)
    for part, size in zip(action[0].T, GAME.action_heads, strict=True):
        shares = torch.bincount(part.long(), minlength=size) / 6000
        assert (shares - 1 / size).abs().max() < 0.03
    fixed = agent.act_greedily(state, observation)
    assert torch.equal(fixed, fixed[:, :1].expand(1, 6000, 5))


def test_a_number_that_rounds_to_one_is_still_an_action() -> None:
    """The largest uniform number gives the last action and the upper bound, not more."""
    of_game = GAME, [1.0, 2.0, 1.0, 2.0, 3.0]
    for interface, expected in ((NUMBERED, [2.0]), (BOUNDED, [2.0, 1.0]), of_game):
        agent, _ = made(interface)
        size = len(expected)
        action = agent._action(torch.ones(1, 1, size))
        torch.testing.assert_close(action.flatten(), torch.tensor(expected))
    assert started(deep_spec("random"), 5).program.agent.num_updates_after(5) == 0
