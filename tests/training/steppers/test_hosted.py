"""Environments on the host: real MuJoCo, control-suite and MinAtar worlds train like any other."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import attempt, experiment_in, stopped_at
from packs import pack_of, run_of_same_bits, train
from worlds import Cut, Walk, noted_worlds

from nthrun.agents.base import State
from nthrun.commands.run import run as main
from nthrun.environments.host_environment import playable, resting_action
from nthrun.errors import InterruptedRunError, NotReplayedError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.planning.memory_estimate import BLOCK_STEPS
from nthrun.records.data import open_data
from nthrun.records.schema import Run, first_difference
from nthrun.specs.environment_spec import SERIES
from nthrun.specs.interface import Interface
from nthrun.training.checkpoint_index import drop_checkpoints, find_checkpoints
from nthrun.training.context import make_context
from nthrun.training.loop import Training
from nthrun.training.pack_training import train_pack
from nthrun.training.progress import News, Noted, Recorded
from nthrun.training.requests import PackRequest
from nthrun.training.steppers.agent_functions import EagerFunctions

SMALL = {"hidden_dim": [16], "batch_size": [8], "replay_capacity": [200], "critic_lr": [1e-3, 3e-4]}
CHEETAH = {"env_name": "HalfCheetah-v5", "steps_per_episode": 90}
SWING = {
    "env_name": "cartpole",
    "task_name": "swingup",
    "platform": "dmcontrol",
    "steps_per_episode": 70,
}
WORLDS = [
    pytest.param(CHEETAH, "eager", id="HalfCheetah, eager", marks=pytest.mark.slow),
    pytest.param(CHEETAH, "compile", id="HalfCheetah, compile"),
    pytest.param(SWING, "eager", id="control suite, eager", marks=pytest.mark.slow),
    pytest.param(SWING, "compile", id="control suite, compile"),
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
    alone = run_of_same_bits(spec, 2, ([2, 5, 6], [0, 1, 3, 2]), backend)
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
    undisturbed = train(spec, [0, 1], context=make_context(spec, backend))
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
    training = Training(pack_of(spec, [0]), make_context(spec))
    (run,) = training.run()
    assert run["train_episode_steps"].tolist() == [Cut.LENGTH] * (60 // Cut.LENGTH)
    terminated = training.state["replay"][0, :60, -1].reshape(-1, 2, Cut.LENGTH)
    assert terminated[:, 0].sum() == 0
    assert terminated[:, 1].sum(1).tolist() == [1.0] * (60 // Cut.LENGTH // 2)


def test_a_diverged_lane_is_stepped_no_more(tmp_path: Path) -> None:
    """The world of a lane that has diverged is not stepped after the block, and the others go on;
    interrupted or not, the records have the same bits."""
    parameters = SMALL | {"critic_lr": [1e-3, 1e38]}
    environment = {"env_name": "worlds:Walk", "total_timesteps": 500, "steps_per_episode": 60}
    environment |= {"eval_interval_timesteps": 250, "eval_episodes": 2, "record": list(SERIES)}
    environment["checkpoint_interval_seconds"] = 1e-9
    agent = {"agent_name": "SAC", "parameters": parameters}
    spec = experiment_spec_of(environment, agent, "test")
    with noted_worlds() as worlds:
        undisturbed = train(spec, [0, 1, 2])
    assert [run["status"] for run in undisturbed.values()] == ["completed", "diverged", "completed"]
    assert [played.num_steps for played in worlds[:3]] == [500, BLOCK_STEPS, 500]
    assert first_difference(train(spec, [2])[2], undisturbed[2]) is None
    experiment = experiment_in(tmp_path, spec)
    with pytest.raises(InterruptedRunError):
        attempt(spec, experiment, [0, 1, 2], 250)
    with noted_worlds() as worlds:
        runs = attempt(spec, experiment, [0, 1, 2], None)
    assert worlds[1].num_steps < 60
    for run in runs:
        assert first_difference(run, undisturbed[run["index"]]) is None


def test_an_action_that_is_no_number_ends_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose agent acts with what is no number has diverged at that step; its world is given
    zeros instead, and its neighbours have the bits they would have had without it."""
    environment = {"env_name": "worlds:Walk", "total_timesteps": 100, "record": list(SERIES)}
    spec = experiment_spec_of(environment, {"agent_name": "random", "parameters": {}}, "test")
    act = EagerFunctions.act

    def falter(functions: EagerFunctions, state: State, *given: Any) -> torch.Tensor:
        action = act(functions, state, *given)
        if given[2] >= 20:
            action[1] = torch.nan
        return action

    monkeypatch.setattr(EagerFunctions, "act", falter)
    with noted_worlds() as worlds:
        runs = train(spec, [0, 1])
    assert (runs[1]["status"], runs[1]["total_timesteps"]) == ("diverged", 21)
    given = np.concatenate([actions for _, actions in worlds[1].episodes if actions])
    assert given[:20].all()
    assert not given[20:].any()
    assert first_difference(train(spec, [0, 2])[0], runs[0]) is None


def test_an_action_that_is_partly_no_number_is_not_taken() -> None:
    """A world is given what is nearest to 0 in its bounds where any component is no number, else a
    copy of the action; of a discrete action number 0."""
    resting = resting_action(Interface((0.0,), (1.0,), (0.25, -1.0), (0.5, -0.5)))
    assert resting.tolist() == [0.25, -0.5]
    for broken in (np.nan, np.inf, -np.inf):
        assert playable(np.array([0.5, broken], np.float32), resting).tolist() == [0.25, -0.5]
    action = np.array([0.5, -1.0], np.float32)
    given = playable(action, resting)
    assert given.tolist() == action.tolist()
    assert not np.shares_memory(given, action)
    assert resting_action(Interface((0.0,), (1.0,), num_actions=3)).tolist() == [0.0]


def test_a_world_cannot_rewrite_the_record() -> None:
    """A world that overwrites the actions it is given leaves the same record as one that does
    not."""
    protocol = {"total_timesteps": 100, "steps_per_episode": 30, "record": list(SERIES)}
    agent = {"agent_name": "SAC", "parameters": SMALL}
    runs = [
        train(experiment_spec_of({"env_name": name} | protocol, agent, "test"), [0])[0]
        for name in ("worlds:Scribbling", "worlds:Walk")
    ]
    assert first_difference(*runs) is None


def test_what_was_not_replayed_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once an episode was not replayed, checkpoints of before, shared with an index that is left
    out, never count again for its runs, which progress from one interruption to the next."""
    environment = {"env_name": "worlds:Walk", "total_timesteps": 600, "steps_per_episode": 1000}
    environment |= {"overwrite_rewards": True, "rewards": {"timestep": 1.0}}
    environment["checkpoint_interval_seconds"] = 1e-9
    spec = experiment_spec_of(environment, {"agent_name": "random", "parameters": {}}, "test")
    experiment = experiment_in(tmp_path, spec)
    with pytest.raises(InterruptedRunError):
        attempt(spec, experiment, [0, 1], 512)
    monkeypatch.setattr(Walk, "shift", 1e-3)
    starts = []
    records: list[Run] = []

    def announce(run: Run) -> Recorded:
        records.append(run)
        return Recorded(run["index"], False, "")

    request = PackRequest(0, False, False, know=lambda _: spec, announce=announce)
    for stop in (128, 256, None):
        news: list[News] = []
        context = replace(make_context(spec), experiment=experiment, report=news.append)
        if stop:
            context = stopped_at(context, 128)
        found, _ = find_checkpoints(experiment.checkpoints, 0, [1], context.facts())
        starts.append(found[1].step)
        with pytest.raises(InterruptedRunError) if stop else nullcontext():
            train_pack([1], context, request)
        assert sum(isinstance(told, Noted) for told in news) == (stop == 128)
    (record,) = records
    assert starts == [512, 128, 256]
    assert [begun["step"] for begun in record["provenance"]["attempts"]] == [0, 128, 256]
    found, _ = find_checkpoints(experiment.checkpoints, 0, [0], context.facts())
    assert found[0].step == 512
    drop_checkpoints(experiment.checkpoints, 0, lambda index: float("inf"))
    assert not list(experiment.checkpoints.iterdir())
