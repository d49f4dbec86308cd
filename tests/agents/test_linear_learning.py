"""Linear agents at their defaults learn what they are known to learn."""

from __future__ import annotations

from typing import Any

import pytest
from agents.linear_cases import linear_spec
from packs import train

from nthrun.training.context import make_context

LEARNT: list[tuple[str, dict[str, Any], float]] = [
    ("linearAC", {}, -300.0),
    ("linearAC", {"avg_reward_lr": [0.01]}, -300.0),
    ("SoftmaxAC", {}, -160.0),
    ("Sarsa", {}, -180.0),
    ("ExpectedSarsa", {}, -180.0),
]
"""An agent, hyperparameters, and a mean return: on Pendulum, where random actions give -1,200, or
on MountainCar, where they give the least there is, -1,000."""


@pytest.mark.slow
@pytest.mark.parametrize(("agent_name", "parameters", "least"), LEARNT)
def test_it_learns(agent_name: str, parameters: dict[str, Any], least: float) -> None:
    """In 100,000 steps each of four runs comes to exceed that return, by the mean of its last fifty
    episodes."""
    environment = {
        "total_timesteps": 100_000,
        "steps_per_episode": 200 if agent_name == "linearAC" else 1000,
        "eval_episodes": 0,
    }
    spec = linear_spec(agent_name, parameters, environment)
    runs = train(spec, range(4), context=make_context(spec, "compile"))
    for run in runs.values():
        assert run["train_episode_rewards"][-50:].mean() > least
