"""What the packs of some indices cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import make_experiment
from hypothesis import given
from hypothesis import strategies as st
from packs import small_spec

from nthrun.planning import costs
from nthrun.planning.costs import (
    SHARD_BYTES,
    PackOptions,
    assumed_workers,
    disk_cost,
    free_disk_bytes,
    group_costs,
)
from nthrun.planning.packs import packs_of_indices
from nthrun.planning.width import Workers, planned_width

SPEC = small_spec(parameters={"hidden_dim": [16, 256, 1024], "replay_capacity": [10**6]})


@given(
    st.sets(st.integers(0, 500), min_size=1, max_size=200).map(sorted),
    st.integers(1, 5),
    st.integers(0, 40),
    st.integers(5 * 10**9, 10**11),
)
def test_costs_are_of_the_packs_that_would_train(
    indices: list[int], num_workers: int, width: int, memory: int
) -> None:
    """Runs, packs and width of every group are those of the packs that training forms."""
    workers = Workers("cpu", "eager", num_workers, memory)
    groups = group_costs(SPEC, indices, workers, width)
    packs = list(packs_of_indices(SPEC, indices, planned_width(SPEC, workers, len(indices), width)))
    assert sum(cost.num_runs for cost in groups) == len(indices)
    assert sum(cost.num_packs for cost in groups) == len(packs)
    assert max(cost.width for cost in groups) == max(map(len, packs))


def test_a_group_that_does_not_fit_is_told_beside_the_others() -> None:
    """It has no packs, and says why; the others have theirs."""
    groups = group_costs(SPEC, range(18), Workers("cpu", "eager", 1, 650_000_000))
    assert [cost.num_packs > 0 for cost in groups] == [True, True, False]
    assert groups[2].problem.startswith("one run needs ")
    assert [bool(cost.problem) for cost in groups] == [False, False, True]
    assert groups[2].checkpoint_bytes(1) == 0


def test_disk_counts_records_of_all_and_checkpoints_of_what_trains() -> None:
    """Records and snapshots add up; checkpoints are those of one pack a worker, of one group."""
    spec = small_spec({"snapshots": ["final"]}, {"hidden_dim": [16, 256]})
    small, large = group_costs(spec, range(120), Workers("cpu", "compile", 3))
    assert (small.num_packs, small.width) == (large.num_packs, large.width) == (8, 8)
    disk = disk_cost([small, large], 3)
    records = 60 * (small.lane.record + large.lane.record)
    assert disk.records == records + 16 * SHARD_BYTES
    assert disk.snapshots == 60 * (small.lane.snapshots + large.lane.snapshots) > 0
    assert disk.checkpoints == 3 * 8 * large.lane.checkpoint
    assert disk.total == disk.records + disk.snapshots + disk.checkpoints


def test_free_space_is_that_of_the_nearest_directory(tmp_path: Path) -> None:
    """A directory that does not exist yet has the space of the one it will lie in."""
    free = free_disk_bytes(tmp_path / "not" / "there")
    assert free is not None
    assert free > 0


@pytest.mark.parametrize(
    ("gpu", "path", "options", "expected"),
    [
        (True, None, PackOptions(), ("cuda", "compile")),
        (False, "/usr/bin/g++", PackOptions(), ("cpu", "compile")),
        (False, None, PackOptions(), ("cpu", "eager")),
        (True, "/usr/bin/g++", PackOptions("cpu"), ("cpu", "compile")),
        (True, "/usr/bin/g++", PackOptions("cpu", "eager"), ("cpu", "eager")),
    ],
)
def test_what_is_left_open_depends_on_the_machine(
    gpu: bool,
    path: str | None,
    options: PackOptions,
    expected: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A GPU is taken where one shows, and steps are compiled there, and on a CPU where there is a
    compiler."""
    monkeypatch.setattr(costs, "visible_gpu", lambda: gpu)
    monkeypatch.setattr(costs, "compiler", lambda: path)
    workers = assumed_workers(tmp_path, options)
    assert (workers.device, workers.backend, workers.num) == (*expected, 1)


def test_an_experiment_keeps_its_device_and_backend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once there is a manifest it decides."""
    make_experiment(tmp_path)
    monkeypatch.setattr(costs, "visible_gpu", lambda: True)
    workers = assumed_workers(tmp_path, PackOptions("auto", "compile", workers=3))
    assert (workers.device, workers.backend, workers.num) == ("cpu", "eager", 3)
