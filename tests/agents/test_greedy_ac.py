"""GreedyAC: its proposal, its share of best actions, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest
from agents.deep_runs import deep_spec, started
from packs import train

from nthrun.agents.greedy_ac.declaration import num_best
from nthrun.training.context import make_context


def test_a_large_weight_of_entropy_widens_the_proposal() -> None:
    """With a large α the proposal's standard deviation grows beyond the actor's."""
    training = started(deep_spec("GreedyAC", {"alpha": [10.0], "critic_lr": [0.003]}), 150)
    state, agent = training.state, training.program.agent
    actor = agent.actor  # type: ignore[attr-defined]
    observation = state["environment.observation"]
    log_stds = [actor(state[name], observation)[0, 0, 1] for name in ("proposal", "actor")]
    assert log_stds[0] > log_stds[1] + 0.2


@pytest.mark.parametrize(
    ("count", "rho", "best"),
    [
        (30, 0.1, 3),
        (30, 0.11, 4),
        (10, 0.3, 3),
        (7, 0.1, 1),
        (1, 0.01, 1),
        (3, 1.0, 3),
        (5, 0.6, 3),
    ],
)
def test_the_share_rounds_up(count: int, rho: float, best: int) -> None:
    """⌈ρn⌉ actions count, whatever floating point makes of the product."""
    assert num_best(count, rho) == best


@pytest.mark.slow
@pytest.mark.parametrize("policy_type", ["Gaussian", "SquashedGaussian"])
def test_it_learns_pendulum(policy_type: str) -> None:
    """In 15,000 steps three of three runs swing up and balance: a median return above -450 over
    the last ten episodes, where random actions give about -1,200."""
    parameters = {
        "policy_type": [policy_type],
        "critic_lr": [0.001],
        "alpha": [0.01],
        "hidden_dim": [64],
        "batch_size": [32],
        "replay_capacity": [100_000],
    }
    environment = {"total_timesteps": 15_000, "steps_per_episode": 200, "eval_episodes": 0}
    spec = deep_spec("GreedyAC", parameters, environment)
    for run in train(spec, [0, 1, 2], context=make_context(spec, "compile")).values():
        assert np.median(run["train_episode_rewards"][-10:]) > -450
