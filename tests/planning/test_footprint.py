"""What a lane is said to cost against what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders import make_experiment
from packs import pack_of, small_spec, surroundings, train

from nthrun.planning.costs import SHARD_BYTES
from nthrun.planning.footprint import lane_footprint
from nthrun.records.schema import Run, flat_arrays
from nthrun.specs.environment_spec import SERIES
from nthrun.training import checkpoint
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
    lane = lane_footprint(spec, spec.sweep.setting(0))
    (run,) = train(spec, [0]).values()
    assert array_bytes(run) <= min(lane.series, lane.record)
    assert lane.record - array_bytes(run) < 10_000
    assert lane.series - array_bytes(run) < 60_000


@pytest.mark.parametrize(("environment", "parameters"), CASES)
def test_files_take_no_more_than_counted(
    environment: dict[str, Any],
    parameters: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Records, snapshots and checkpoints written as often as can be are within what is counted."""
    monkeypatch.setattr(checkpoint, "MAX_COST", float("inf"))
    spec = small_spec(environment | {"checkpoint_interval_seconds": 1e-9}, parameters)
    around = surroundings(spec)
    around.experiment = experiment = make_experiment(tmp_path, spec.sweep.num_settings)
    sizes: list[int] = []
    around.on_block = lambda *_: sizes.append(bytes_under(experiment.checkpoints))
    runs = Training(pack_of(spec, range(LANES)), around).run()
    shard = experiment.write(0, runs)
    lane = lane_footprint(spec, spec.sweep.setting(0))
    assert 0 < max(sizes) <= LANES * lane.checkpoint
    assert shard.stat().st_size <= LANES * lane.record + SHARD_BYTES
    assert bytes_under(experiment.snapshots) <= LANES * lane.snapshots


def test_a_lane_costs_what_is_allocated() -> None:
    """The replay counts at its full capacity, however few steps a run has; what is saved does
    not."""
    short, long = (
        lane_footprint(spec, spec.sweep.setting(0))
        for spec in (
            small_spec({"total_timesteps": n}, {"replay_capacity": [10**6]}) for n in (100, 10**6)
        )
    )
    assert short.replay == long.replay == 36 * 10**6
    assert short.filled == 36 * 100
    assert long.filled == long.replay
    assert short.host < long.host
    assert short.device < long.device
