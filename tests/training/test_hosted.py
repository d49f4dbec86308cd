"""Environments on the host: real MuJoCo, control-suite and MinAtar worlds train like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import attempt, experiment_in
from packs import pack_of, surroundings, train
from worlds import Cut

from nthrun.commands.run import run as main
from nthrun.errors import InterruptedRunError, NotReplayedError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.data import open_data
from nthrun.records.schema import first_difference
from nthrun.specs.environment_spec import SERIES
from nthrun.training.loop import Training

SMALL = {"hidden_dim": [16], "batch_size": [8], "replay_capacity": [200], "critic_lr": [1e-3, 3e-4]}
CHEETAH = {"env_name": "HalfCheetah-v5", "steps_per_episode": 90}
SWING = {
    "env_name": "cartpole",
    "task_name": "swingup",
    "platform": "dmcontrol",
    "steps_per_episode": 70,
}
WORLDS = [
    pytest.param(CHEETAH, "eager", id="HalfCheetah, eager"),
    pytest.param(CHEETAH, "compile", id="HalfCheetah, compile"),
    pytest.param(SWING, "eager", id="control suite, eager"),
    pytest.param(SWING, "compile", id="control suite, compile", marks=pytest.mark.slow),
]


def spec_of(environment: dict[str, Any], **changes: Any) -> ExperimentSpec:
    """SAC, small, in an environment on the host."""
    protocol = {"total_timesteps": 260, "eval_interval_timesteps": 130, "eval_episodes": 2}
    agent = {"agent_name": "SAC", "parameters": SMALL}
    return experiment_spec_of(protocol | environment | changes, agent, "test")


@pytest.mark.parametrize(("environment", "backend"), WORLDS)
def test_a_run_has_the_same_bits_alone_and_in_a_pack(
    environment: dict[str, Any], backend: str
) -> None:
    """Whatever shares its pack, every bit of a record is the same."""
    spec = spec_of(environment, record=list(SERIES))
    around = surroundings(spec, backend)
    alone = train(spec, [2], around=around)[2]
    for indices in ([2, 5, 6], [0, 1, 3, 2]):
        assert first_difference(alone, train(spec, indices, around=around)[2]) is None
    assert alone["status"] == "completed"
    assert len(np.unique(alone["train_actions"])) > 20


@pytest.mark.parametrize(("environment", "backend"), WORLDS)
def test_interruption_changes_no_bit(
    environment: dict[str, Any], backend: str, tmp_path: Path
) -> None:
    """Interrupted in the middle of episodes, a run plays them again and ends with the same bits."""
    protocol = {"total_timesteps": 700, "record": list(SERIES), "checkpoint_interval_seconds": 1e-9}
    spec = spec_of(environment, **protocol)
    experiment = experiment_in(tmp_path, spec)
    for indices, steps in (([0, 1], 260), ([1], 100), ([0, 1], 128)):
        with pytest.raises(InterruptedRunError):
            attempt(spec, experiment, indices, steps, backend)
    final = {run["index"]: run for run in attempt(spec, experiment, [0, 1], None, backend)}
    undisturbed = train(spec, [0, 1], around=surroundings(spec, backend))
    for index, run in final.items():
        assert first_difference(run, undisturbed[index]) is None
        assert len(run["provenance"]["attempts"]) > 2


def test_an_environment_that_does_not_replay_starts_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where an episode played again goes another way, its runs start from step 0, which is said;
    the record is whole, and the next interruption continues from the new attempt's checkpoints."""
    environment = {
        "env_name": "worlds:Forgetful",
        "total_timesteps": 600,
        "steps_per_episode": 1000,
        "checkpoint_interval_seconds": 1e-9,
    }
    agent = {"agent_name": "random", "parameters": {}}
    spec = experiment_spec_of(environment, agent, "test")
    experiment = experiment_in(spec.directory(str(tmp_path)), spec)
    with pytest.raises(InterruptedRunError):
        attempt(spec, experiment, [0, 1], 256)
    with pytest.raises(NotReplayedError):
        attempt(spec, experiment, [0, 1], 128)
    arguments = []
    for option, document in (("env", environment), ("agent", agent)):
        (tmp_path / f"{option}.json").write_text(json.dumps(document))
        arguments += [f"--{option}-json", str(tmp_path / f"{option}.json")]
    arguments += ["--index", "0-1", "--workers", "1", "--save-dir", str(tmp_path)]
    assert main.main(arguments, standalone_mode=False) in (None, 0)
    assert "its runs start from step 0" in capsys.readouterr().err
    for entry in open_data(experiment.root).entries:
        run = entry.load(())
        assert (run["status"], run["total_timesteps"]) == ("completed", 600)
        assert [begun["step"] for begun in run["provenance"]["attempts"]] == [0]
    assert not list(experiment.checkpoints.iterdir())


def test_truncated_and_terminated_are_kept_apart() -> None:
    """An episode that the environment itself cuts ends truncated, not terminal."""
    environment = {"env_name": "worlds:Cut", "total_timesteps": 60, "record": ["update_states"]}
    parameters = {**SMALL, "critic_lr": 1e-3}
    spec = experiment_spec_of(environment, {"agent_name": "SAC", "parameters": parameters}, "test")
    training = Training(pack_of(spec, [0]), surroundings(spec))
    (run,) = training.run()
    assert run["train_episode_steps"].tolist() == [Cut.LENGTH] * (60 // Cut.LENGTH)
    terminated = training.state["replay"][0, :60, -1].reshape(-1, 2, Cut.LENGTH)
    assert terminated[:, 0].sum() == 0
    assert terminated[:, 1].sum(1).tolist() == [1.0] * (60 // Cut.LENGTH // 2)
