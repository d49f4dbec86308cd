"""What the best policy earns, and how far an evaluation falls short of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from packs import train

from nthrun.environments.ghm.declaration import calibration_of, rules_of
from nthrun.environments.ghm.dynamic_programme import solve
from nthrun.environments.ghm.oracle import best_return
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.schema import Run

SHORT = {
    "env_name": "GHM",
    "horizon": 1.0,
    "dt": 0.1,
    "total_timesteps": 20,
    "steps_per_episode": 10,
    "eval_interval_timesteps": 10,
    "eval_episodes": 4,
}
AGENTS = {"random": {}, "dp": {}}
"""An agent that acts step by step, and a solver."""


def spec_of(agent: str = "random", **environment: Any) -> ExperimentSpec:
    """A short experiment."""
    document = {"agent_name": agent, "parameters": AGENTS[agent]}
    return experiment_spec_of(SHORT | environment, document, "test")


def trained(agent: str = "random", **environment: Any) -> dict[int, Run]:
    """Index -> record of two runs of it."""
    return train(spec_of(agent, **environment), [0, 1])


@pytest.mark.parametrize("top", [0.2, 2.0])
def test_the_best_return_is_the_mean_value_of_start_states(top: float) -> None:
    """Over cash uniform up to `cash_max` it is the mean of the optimum's values, to 1e-5."""
    spec = spec_of(cash_max=top).environment
    optimum = solve(calibration_of(spec.values), rules_of(spec.values))
    cash = (np.arange(200_000) + 0.5) / 200_000 * top
    assert best_return(spec) == pytest.approx(float(optimum.value_at(cash, 0).mean()), abs=1e-5)


@pytest.mark.parametrize("left", [10, 3, 1])
def test_the_best_return_of_a_start_state_is_its_value(left: int) -> None:
    """From a given start it is the optimum's value of that cash with so many steps left."""
    spec = spec_of(start_state=[0.3, left]).environment
    optimum = solve(calibration_of(spec.values), rules_of(spec.values))
    assert best_return(spec) == optimum.value_at(0.3, 10 - left)


@pytest.mark.parametrize("agent", AGENTS)
def test_the_gap_is_the_best_return_less_the_mean_return(agent: str) -> None:
    """Every evaluation of every agent has one, of its own run in the pack."""
    best = best_return(spec_of().environment)
    for run in trained(agent).values():
        gap = run["eval_metrics"]["oracle_gap"]
        assert gap.shape == run["timesteps_at_eval"].shape == (3,)
        np.testing.assert_array_equal(gap, best - run["eval_episode_rewards"].mean(1))


def test_no_gap_where_the_best_is_not_known() -> None:
    """Where rewards are overwritten, a firm bears no risk of its own, so that its optimum cannot be
    found, or there is no evaluation, a record says nothing of it."""
    other = {"overwrite_rewards": True, "rewards": {"timestep": -1.0}}
    for environment in (other, {"calibration": {"sigma_x": 0.0}}, {"eval_episodes": 0}):
        assert "eval_metrics" not in trained(**environment)[0]


def test_long_episodes_have_no_oracle() -> None:
    """Above 20,000 steps the best return is not looked for."""
    environment = spec_of(horizon=200.1, dt=0.01, steps_per_episode=20_010).environment
    assert best_return(environment) is None
