"""Laws of policies restored from what is kept of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import make_experiment, make_run
from model_runs import GHM, PARAMETERS, recorded_run
from torch import Tensor

from nthrun.agents.base import State
from nthrun.errors import DataFileError, NthrunError, RunFailedError
from nthrun.planning.experiment_spec import experiment_spec_of
from nthrun.records.combine import combine
from nthrun.records.data import open_data
from nthrun.records.experiment import open_experiment
from nthrun.training.saved_policy import last_evaluation, read_learned, restored
from nthrun.training.solver_program import SolverProgram

LONGER = [
    pytest.param(agent, marks=pytest.mark.slow) for agent in ("euler_all_in_one", "egm", "dp")
]


@pytest.mark.parametrize("agent", ["euler_quadrature", "mc_pg", "SAC", *LONGER])
def test_a_restored_policy_plays_its_evaluations_again(tmp_path: Path, agent: str) -> None:
    """From the record and from each snapshot, that of step 0 too, a policy earns the recorded
    returns to the bit."""
    root = recorded_run(tmp_path, agent)
    [entry] = open_data(root).entries
    run = entry.load(())
    assert len(run["timesteps_at_eval"]) >= 3
    for step, returns in zip(run["timesteps_at_eval"], run["eval_episode_rewards"], strict=True):
        policy = restored(read_learned(root, step=int(step)))
        states, event = last_evaluation(policy)
        np.testing.assert_array_equal(event["eval_returns"][0], returns)
        assert states.shape == (3, policy.program.interface.state_dim)
    end = restored(read_learned(root))
    np.testing.assert_array_equal(last_evaluation(end)[1]["eval_returns"][0], returns)


def test_all_that_was_learned_is_given_back(tmp_path: Path) -> None:
    """An agent that learns in the environment, here SAC, has every parameter back, its critics'
    too."""
    root = recorded_run(tmp_path, "SAC")
    policy = restored(read_learned(root))
    [entry] = open_data(root).entries
    shown = policy.program.learned_params(policy.state)
    recorded = entry.load(())["learned_params"]
    assert shown.keys() == recorded.keys()
    for name, array in recorded.items():
        np.testing.assert_array_equal(shown[name][0], array)


def test_parameters_that_cannot_be_given_back_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that shows copies of what it learned is refused, as are another agent's parameters
    and a run without evaluation."""
    root = recorded_run(tmp_path, "mc_pg", {"eval_episodes": 0})
    learned = read_learned(root)
    with pytest.raises(NthrunError, match="index 0: eval_episodes is 0"):
        last_evaluation(restored(learned))
    params = {name: array for name, array in learned.params.items() if "bias" not in name}
    with pytest.raises(DataFileError, match="not of this agent"):
        restored(replace(learned, params=params))

    def copies(program: SolverProgram, state: State) -> dict[str, Tensor]:
        return {n: t.clone() for n, t in program.solver.learned_params(state).items()}

    monkeypatch.setattr(SolverProgram, "learned_params", copies)
    with pytest.raises(NthrunError, match="mc_pg: its policy cannot be restored; hint: "):
        restored(learned)


def test_what_is_not_kept_is_told_with_what_is(tmp_path: Path) -> None:
    """Runs, stages and steps that are not kept are told in one line, with those that are."""
    root = recorded_run(tmp_path, "barrier", {"snapshots": ["final"]})
    assert read_learned(root, step=10).step == 10
    cases = (
        ({"index": 3}, "--index 3: not recorded in .*, which has 0$"),
        ({"stage": 2}, "--stage 2: not recorded in .*, which has 0$"),
        (
            {"step": 7},
            "--step 7: nothing is kept of index 0 at that step, allowed: 0,10,20; hint: ",
        ),
    )
    for asked, said in cases:
        with pytest.raises(NthrunError, match=said):
            read_learned(root, **asked)
    json_file = combine(open_experiment(root), tmp_path / "data.json").output
    with pytest.raises(DataFileError, match="leaves out what was learned"):
        read_learned(json_file)


def test_runs_without_a_policy_are_told(tmp_path: Path) -> None:
    """Failed runs, those with non-finite parameters and empty experiments have no policy."""
    sick = {"learned_params": {"w": np.array([np.nan])}, "status": "diverged"}
    runs = [make_run(0, 0, 0, status="failed", reason="boom"), make_run(1, 0, 1, **sick)]
    root = make_experiment(tmp_path / "exp", runs=runs).root
    with pytest.raises(RunFailedError, match=r"index 0: it failed .*boom"):
        read_learned(root)
    with pytest.raises(NthrunError, match="index 1, step 300: its parameters are not finite"):
        read_learned(root, index=1)
    with pytest.raises(NthrunError, match="no run is recorded here"):
        read_learned(make_experiment(tmp_path / "none").root)


def test_a_policy_needs_no_replay(tmp_path: Path) -> None:
    """The policy of a run that kept more steps than this machine has memory for acts as the one
    that kept few; what is still too large is told in one line."""
    learned = read_learned(recorded_run(tmp_path, "SAC"))
    agent, environment = PARAMETERS["SAC"], GHM
    huge = experiment_spec_of(
        environment, {"agent_name": "SAC", "parameters": agent | {"replay_capacity": [10**9]}}, "e"
    )
    policy = restored(replace(learned, spec=huge))
    seen = np.ones((3, policy.program.interface.observation_dim))
    np.testing.assert_array_equal(policy.act(seen), restored(learned).act(seen))
    wide = {"agent_name": "environments.edges:Enormous", "parameters": {}}
    spec = experiment_spec_of(environment, wide, "e")
    with pytest.raises(
        NthrunError, match=r"Enormous: its policy cannot be restored \(RuntimeError: "
    ):
        restored(replace(learned, spec=spec, params={}))
