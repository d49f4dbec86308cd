"""ε-greedy agents: their searches against dense grids, and ε."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from agents.deep_runs import (
    Update,
    deep_spec,
    started,
    update_of,
)
from packs import train
from torch import Tensor

from nthrun.agents.epsilon_greedy.program import (
    CrossEntropySearch,
    GradientAscent,
    normal_points,
    uniform_points,
)


@pytest.fixture(scope="module")
def step() -> Update:
    """One update of a run on Pendulum with a deterministic actor."""
    return update_of(deep_spec("epsgreedy"))


def test_both_targets_follow(step: Update) -> None:
    """Targets of critic and actor move by τ of their distance."""
    for name in ("critic.weight2", "actor.weight2"):
        old, new = step.params[f"target_{name}"], step.new_params[f"target_{name}"]
        expected = old + 0.01 * (step.new_params[name] - old)
        torch.testing.assert_close(new, expected, atol=1e-6, rtol=1e-4)


class Peak:
    """Values with one peak for each state: Q(s, a) = -3 Σ_i (a_i - s_i)²."""

    def values_of(self, critic: Tensor, observation: Tensor, action: Tensor) -> Tensor:
        error = action - observation.unsqueeze(1)
        return -3.0 * (error * error).sum(-1)


SEARCHES: list[tuple[Callable[..., Any], dict[str, int], float]] = [
    (GradientAscent, {"num_starts": 3, "num_search_steps": 8}, 0.01),
    (CrossEntropySearch, {"num_candidates": 64, "num_elites": 8, "num_search_steps": 4}, 0.03),
]


@pytest.mark.parametrize(("search", "statics", "room"), SEARCHES)
def test_a_search_finds_a_peak(search: Callable[..., Any], statics: Any, room: float) -> None:
    """A search ends at the peak of the values, or at the bounds' nearest point to it."""
    peaks = torch.tensor([[[0.3, -0.7], [0.0, 0.95], [-1.6, 0.2]], [[0.5, 0.5]] * 3])
    maximiser = search(statics, Peak(), 2)
    state = {"critic": torch.zeros(2, 1), "search_lr": torch.full((2, 1), 0.1)}
    for name, points in maximiser.constants.items():
        state[name] = torch.from_numpy(points).expand(2, -1, -1)
    found = maximiser.best(state, "", peaks)
    assert (found - peaks.clamp(-1, 1)).abs().max() < room


@pytest.mark.parametrize("name", ["epsgreedy_SGD", "epsgreedy_optimizer"])
def test_a_search_finds_what_a_dense_grid_finds(name: str) -> None:
    """On a learned critic the action found is worth almost what the best of 2,001 is."""
    training = started(deep_spec(name, {"critic_lr": [0.01]}), 150)
    agent: Any = training.program.agent
    state, observation = training.state, torch.randn(1, 20, 3).clamp(-1, 1)
    found = agent.maximiser.best(state, "", observation)
    grid = torch.linspace(-1, 1, 2001).view(1, -1, 1, 1).expand(1, -1, 20, 1)
    values = agent.critic.values_of(state["critic"], observation, grid)
    worth = agent.critic.value(state["critic"], observation, found)
    spread = (values.amax(1) - values.amin(1)).mean()
    assert (values.amax(1) - worth).mean() < 0.05 * spread


@pytest.mark.parametrize("size", [1, 3])
def test_points_are_spread(size: int) -> None:
    """Points fill the cube evenly, and their normal quantiles have mean 0 and deviation 1."""
    points, normal = uniform_points(64, size), normal_points(64, size)
    assert np.abs(points).max() < 1
    assert np.histogramdd(points, 2, [(-1, 1)] * size)[0].min() >= 64 / 2**size / 2
    assert np.abs(normal.mean(0)).max() < 0.1
    assert np.abs(normal.std(0) - 1).max() < 0.1
    assert (points[0] == 0).all()
    assert (normal[0] == 0).all()


def test_epsilon_is_the_share_of_uniform_actions() -> None:
    """A share ε (1 - 1/3) of the discrete actions is not the greedy one."""
    changes = {"policy_type": ["Argmax"], "epsilon": [0.3], "steps_before_learning": [5000]}
    environment = {"env_name": "MountainCar-v0", "total_timesteps": 2000, "eval_episodes": 0}
    spec = deep_spec("epsgreedy", changes, environment | {"record": ["train_actions"]})
    (run,) = train(spec, [0]).values()
    shares = np.bincount(run["train_actions"][:, 0].astype(int), minlength=3) / 2000
    assert sorted(shares)[:2] == pytest.approx([0.1, 0.1], abs=0.03)


@pytest.mark.parametrize(
    ("epsilon", "decay", "least", "expected"),
    [(0.4, 1.0, 0.0, 0.4), (0.5, 0.9, 0.01, 0.5 * 0.9**20), (0.5, 0.5, 0.2, 0.2)],
)
def test_epsilon_decays_to_its_minimum(
    epsilon: float, decay: float, least: float, expected: float
) -> None:
    """After t steps ε is max(κᵗ ε, ε_min)."""
    parameters = {"epsilon": [epsilon], "epsilon_decay": [decay], "epsilon_min": [least]}
    state = started(deep_spec("epsgreedy", parameters), 20).state
    assert float(state["epsilon"]) == pytest.approx(expected, rel=1e-5)


def test_epsilon_is_recorded() -> None:
    """The learned parameters hold ε as it has become."""
    parameters = {"epsilon": [0.8], "epsilon_decay": [0.5]}
    training = started(deep_spec("epsgreedy", parameters), 3)
    learned = training.program.agent.learned_params(training.state)
    assert learned["epsilon"].flatten().tolist() == pytest.approx([0.1])
