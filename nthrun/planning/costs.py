"""Costs: what the packs of some indices would take, memory of each and files of all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nthrun.errors import PlanError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.machine import compiler, visible_gpu
from nthrun.planning.memory_estimate import LaneMemory, lane_memory
from nthrun.planning.packs import planned_setting, static_groups
from nthrun.planning.width import AUTO, Workers, asked_width, pack_width, workers_here
from nthrun.specs.declaration import Setting

SHARD_BYTES = 32_768
"""Bytes of a file of records beside the records themselves [measured]."""


@dataclass(frozen=True, slots=True)
class PackOptions:
    """What a command asks of the packs.

    Attributes:
        device: "auto", "cpu" or "cuda".
        backend: "auto", "eager" or "compile".
        width: lanes of a pack at most; `AUTO` leaves it to the planner.
        workers: processes that train.
    """

    device: str = "auto"
    backend: str = "auto"
    width: int = AUTO
    workers: int = 1


@dataclass(frozen=True, slots=True)
class GroupCost:
    """The packs of one group of runs, those of equal static hyperparameters.

    Attributes:
        setting: of one of the runs.
        num_runs: of the group.
        lane: what each costs.
        width: lanes of a pack at most; 0 where not even one fits.
        problem: why none fits.
    """

    setting: Setting
    num_runs: int
    lane: LaneMemory
    width: int
    problem: str = ""

    @property
    def num_packs(self) -> int:
        """Packs of the group; the last may be narrower."""
        return -(-self.num_runs // self.width) if self.width else 0

    @property
    def record_bytes(self) -> int:
        """Files of records of all packs, before compression."""
        return self.num_runs * self.lane.record + self.num_packs * SHARD_BYTES

    def checkpoint_bytes(self, num_workers: int) -> int:
        """Checkpoint files at worst, of as many packs as train at a time."""
        return min(self.num_runs, num_workers * self.width) * self.lane.checkpoint


def assumed_workers(root: Path, options: PackOptions) -> Workers:
    """The workers that training on this machine would have, as far as is known without torch.

    Args:
        root: the experiment's directory; where it exists its manifest decides.
        options: what the manifest does not say. "auto" is cuda where a GPU is visible, and steps
            are compiled there, and on a CPU where there is a C++ compiler.
    """
    device, backend = _manifest_says(root) or (options.device, options.backend)
    if device == "auto":
        device = "cuda" if visible_gpu() else "cpu"
    if backend == "auto":
        backend = "compile" if device == "cuda" or compiler() else "eager"
    return workers_here(device, backend, options.workers)


def group_costs(
    spec: ExperimentSpec, indices: Sequence[int], workers: Workers, width: int = AUTO
) -> list[GroupCost]:
    """The packs of some indices, group by group.

    Args:
        spec: of the experiment.
        indices: to be trained, ascending.
        workers: that train them.
        width: lanes of a pack at most, as asked.
    """
    costs = []
    for group in static_groups(spec, indices):
        setting = planned_setting(spec, group[0])
        lane = lane_memory(spec, setting)
        try:
            lanes, problem = pack_width(lane, workers, len(indices), asked_width(spec, width)), ""
        except PlanError as error:
            lanes, problem = 0, error.message
        costs.append(GroupCost(setting, len(group), lane, min(lanes, len(group)), problem))
    return costs


@dataclass(frozen=True, slots=True)
class DiskCost:
    """Bytes of the files of all packs: records, snapshots, and at worst checkpoints."""

    records: int
    snapshots: int
    checkpoints: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.records + self.snapshots + self.checkpoints


def disk_cost(costs: Iterable[GroupCost], num_workers: int) -> DiskCost:
    """What the packs of some groups write; groups train one after another."""
    known = list(costs)
    return DiskCost(
        sum(cost.record_bytes for cost in known),
        sum(cost.num_runs * cost.lane.snapshots for cost in known),
        max((cost.checkpoint_bytes(num_workers) for cost in known), default=0),
    )


def free_disk_bytes(directory: Path) -> int | None:
    """Free space where a directory is or would be; None where it is not known."""
    existing = directory.absolute()
    while not os.path.isdir(existing) and existing != existing.parent:
        existing = existing.parent
    try:
        return shutil.disk_usage(existing).free
    except OSError:
        return None


def _manifest_says(root: Path) -> tuple[str, str] | None:
    """Device and backend of the experiment in a directory, if there is one."""
    if not os.path.isdir(root):
        return None
    # Importing h5py with it takes as long as all else, and there is mostly no experiment yet.
    from nthrun.records.experiment import is_experiment, open_experiment  # noqa: PLC0415

    if not is_experiment(root):
        return None
    manifest = open_experiment(root).manifest
    return manifest.device, manifest.backend
