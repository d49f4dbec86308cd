"""Runs of every agent, interrupted and continued in other packs."""

from __future__ import annotations

from pathlib import Path

import pytest
from agents.deep_runs import deep_spec
from agents.solver_runs import SOLVERS, solver_spec
from checkpoints import attempt, experiment_in
from packs import train

from nthrun.agents.registry import AGENTS
from nthrun.errors import InterruptedRunError
from nthrun.records.schema import first_difference
from nthrun.specs.environment_spec import SERIES
from nthrun.specs.solver_limits import SOLVER_SERIES

NUMBERED = {"env_name": "MountainCar-v0"}
PROTOCOL = {
    "total_timesteps": 150,
    "steps_per_episode": 40,
    "eval_interval_timesteps": 50,
    "eval_episodes": 1,
    "record": list(SERIES),
    "checkpoint_interval_seconds": 1e-9,
}
IN_WORLDS = {"num_worlds": [2], "replay_capacity": [99]}
OF_NUMBERS = {"SoftmaxAC", "Sarsa", "ExpectedSarsa"}


@pytest.mark.parametrize("agent", [name for name in AGENTS if name not in SOLVERS])
def test_an_interrupted_run_is_the_undisturbed_one(tmp_path: Path, agent: str) -> None:
    """Interrupted twice, each time packed otherwise and built anew from a checkpoint, a run of any
    agent has every bit of an undisturbed one, in two worlds where it may have several."""
    own = {field.name for field in AGENTS[agent].hyperparameters}
    sizes = {name: values for name, values in IN_WORLDS.items() if name in own}
    spec = deep_spec(agent, sizes, PROTOCOL | (NUMBERED if agent in OF_NUMBERS else {}))
    experiment = experiment_in(tmp_path, spec)
    for indices in ([0, 1], [1]):
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, indices, 50)
    runs = {run["index"]: run for run in attempt(spec, experiment, [0, 1], None)}
    began = [part["step"] for part in runs[1]["provenance"]["attempts"]]
    assert began == [0, 50, 100]
    for index, undisturbed in train(spec, [0, 1]).items():
        assert first_difference(runs[index], undisturbed) is None, index


SLOW_SOLVERS = {"euler_quadrature", "euler_all_in_one", "euler_ks", "bellman_ac"}


@pytest.mark.parametrize(
    "agent",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in SLOW_SOLVERS else name
        for name in SOLVERS
    ],
)
def test_a_solver_continues_after_any_iteration(tmp_path: Path, agent: str) -> None:
    """Interrupted after every iteration but the last, alone or in a pack, a run of a solver has
    every bit of an undisturbed one."""
    every = {"total_timesteps": 4, "eval_interval_timesteps": 1, "record": list(SOLVER_SERIES)}
    spec = solver_spec(agent, {}, every | {"checkpoint_interval_seconds": 1e-9})
    experiment = experiment_in(tmp_path, spec)
    for indices in ([0, 1], [1], [1]):
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, indices, 1)
    runs = {run["index"]: run for run in attempt(spec, experiment, [0, 1], None)}
    assert [part["step"] for part in runs[1]["provenance"]["attempts"]] == [0, 1, 2, 3]
    for index, undisturbed in train(spec, [0, 1]).items():
        assert first_difference(runs[index], undisturbed) is None, index
