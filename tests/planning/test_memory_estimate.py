"""What a lane is said to cost against what it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import make_experiment
from packs import pack_of, small_spec, train

from nthrun.environments.host_environment import HOST_BYTES
from nthrun.planning.costs import SHARD_BYTES
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.planning.memory_estimate import EVALUATION_STEPS, lane_memory
from nthrun.records.schema import Run, flat_arrays
from nthrun.specs.environment_spec import SERIES
from nthrun.training import checkpoints, code_state
from nthrun.training.context import make_context
from nthrun.training.hosted_program import HOST, HostedProgram
from nthrun.training.loop import Training

CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"record": list(SERIES)}, {"hidden_dim": [7]}),
    ({"record": ["train_rewards", "metrics"], "eval_episodes": 0}, {"batch_size": [32]}),
    ({"record": ["eval_states"], "eval_interval_timesteps": 10}, {"replay_capacity": [50]}),
    ({"snapshots": ["best", "final"], "snapshot_interval_timesteps": 70}, {"hidden_dim": [64]}),
]
LANES = 3


def bytes_under(directory: Path) -> int:
    """The size of all files of a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def array_bytes(run: Run) -> int:
    """The size of all arrays of a record."""
    return sum(array.nbytes for _, array in flat_arrays(run))


@pytest.mark.parametrize(("environment", "parameters"), CASES)
def test_a_record_takes_no_more_than_counted(
    environment: dict[str, Any], parameters: dict[str, Any]
) -> None:
    """The arrays of a record are within what is counted for memory and disk, and not far below."""
    spec = small_spec(environment, parameters)
    lane = lane_memory(spec, spec.sweep.setting(0))
    (run,) = train(spec, [0]).values()
    assert array_bytes(run) <= min(lane.series, lane.record)
    assert lane.record - array_bytes(run) < 10_000
    assert lane.series - array_bytes(run) < 60_000


@pytest.mark.slow
@pytest.mark.parametrize(("environment", "parameters"), CASES)
def test_files_take_no_more_than_counted(
    environment: dict[str, Any],
    parameters: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Records, snapshots and checkpoints written as often as can be are within what is counted."""
    monkeypatch.setattr(checkpoints, "MAX_COST", float("inf"))
    monkeypatch.setattr(code_state, "git_state", dict)  # whatever the checkout differs in
    spec = small_spec(environment | {"checkpoint_interval_seconds": 1e-9}, parameters)
    experiment = make_experiment(tmp_path, spec.sweep.num_settings)
    sizes: list[int] = []
    context = replace(
        make_context(spec),
        experiment=experiment,
        report=lambda _: sizes.append(bytes_under(experiment.checkpoints)),
    )
    runs = Training(pack_of(spec, range(LANES)), context).run()
    shard = experiment.write(0, runs)
    lane = lane_memory(spec, spec.sweep.setting(0))
    assert 0 < max(sizes) <= LANES * lane.checkpoint
    assert shard.stat().st_size <= LANES * lane.record + SHARD_BYTES
    assert bytes_under(experiment.snapshots) <= LANES * lane.snapshots


def test_a_lane_costs_what_is_allocated() -> None:
    """The replay counts at its full capacity, however few steps a run has; what is saved does
    not."""
    short, long = (
        lane_memory(spec, spec.sweep.setting(0))
        for spec in (
            small_spec({"total_timesteps": n}, {"replay_capacity": [10**6]}) for n in (100, 10**6)
        )
    )
    assert short.replay == long.replay == 36 * 10**6
    assert short.filled == 36 * 100
    assert long.filled == long.replay
    assert short.host < long.host
    assert short.device < long.device


def hosted_spec(environment: dict[str, Any]) -> ExperimentSpec:
    """Random actions, for 500 steps."""
    protocol = {"total_timesteps": 500}
    agent = {"agent_name": "random", "parameters": {}}
    return experiment_spec_of(protocol | environment, agent, "test")


HOSTED = [
    {"env_name": "HalfCheetah-v5", "steps_per_episode": 70},
    {"env_name": "HalfCheetah-v5", "steps_per_episode": 10**6},
    {"env_name": "CartPole-v1", "platform": "gymnasium"},
]


@pytest.mark.parametrize("environment", HOSTED)
def test_an_episode_on_the_host_is_counted_to_the_byte(environment: dict[str, Any]) -> None:
    """What is counted of an episode on the host is the size of its tensors, whichever limit it has;
    it is part of the state, and no part of a device."""
    spec = hosted_spec(environment)
    lane = lane_memory(spec, spec.sweep.setting(0))
    program = HostedProgram(pack_of(spec, [0]), spec.environment, spec.agent.declaration.program)
    state = program.initial_state(pack_of(spec, [0, 1]))
    held = [tensor.nbytes for name, tensor in state.items() if name.startswith(HOST)]
    assert 2 * lane.episode == sum(held)
    assert lane.state == lane.agent.state_bytes + lane.episode
    unhosted = replace(lane, state=lane.state - lane.episode, episode=0)
    assert unhosted.device == lane.device
    assert unhosted.host == lane.host - lane.episode


def test_worlds_take_memory_of_the_host_alone() -> None:
    """The bytes an interface declares for its worlds count once a lane on the host, and neither on
    a device nor in files."""
    spec = hosted_spec(HOSTED[0])
    lane = lane_memory(spec, spec.sweep.setting(0))
    interface = replace(spec.environment.interface, host_bytes=0)
    bare = replace(spec, environment=replace(spec.environment, interface=interface))
    without = lane_memory(bare, spec.sweep.setting(0))
    assert lane.worlds == HOST_BYTES
    assert lane.host - without.host == HOST_BYTES
    assert replace(lane, worlds=0) == without


def test_draws_of_an_evaluation_are_counted() -> None:
    """Each episode of an evaluation adds the numbers its environment draws."""
    environment = {"env_name": "AccessControl-v0", "total_timesteps": 10, "steps_per_episode": 50}
    environment |= {"continuous": False}
    sizes = []
    for draws in (0, 100):
        spec = hosted_spec(environment | {"eval_episodes": 10})
        interface = replace(spec.environment.interface, num_step_draws=draws)
        spec = replace(spec, environment=replace(spec.environment, interface=interface))
        sizes.append(lane_memory(spec, spec.sweep.setting(0)).steps)
    assert sizes[1] - sizes[0] >= 10 * 4 * 100 * EVALUATION_STEPS


def test_one_update_of_a_rollout_costs_no_more_than_two() -> None:
    """Where one update follows a rollout, it alone draws steps of it, not every step before."""
    parameters = {"n_steps": 512, "batch_size": 512, "n_epochs": [1, 2]}
    world = {"env_name": "Pendulum-v1", "total_timesteps": 10_240, "record": ["metrics"]}
    spec = experiment_spec_of(world, {"agent_name": "PPO", "parameters": parameters}, "test")
    one, two = (lane_memory(spec, spec.sweep.setting(number)) for number in (0, 1))
    assert one.steps < two.steps
    assert one.series < two.series
