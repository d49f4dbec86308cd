"""Kept parameters: what a recorded run had learned at its end, or at a step of which it kept it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nthrun.errors import DataFileError, NthrunError, RunFailedError
from nthrun.index import format_indices, join_index
from nthrun.records.data import Data
from nthrun.records.listing import paths_in
from nthrun.records.schema import OMITTED_FROM_JSON, Run
from nthrun.records.snapshots import read_snapshot
from nthrun.records.sources import Entry

SERIES = tuple(name for name in OMITTED_FROM_JSON if name != "learned_params")
"""Arrays of a record that are not read."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which run, and when; None is the lowest that is recorded, and its end.

    Attributes:
        stage, index, step: which.
        whole: whether it has to have been trained to its end, neither diverged nor pruned.
        names: what an error calls the three.
    """

    stage: int | None = None
    index: int | None = None
    step: int | None = None
    whole: bool = False
    names: tuple[str, str, str] = ("--stage", "--index", "--step")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a run.

    Attributes:
        run: its record without the large arrays.
        stage, index: which run.
        step: training steps taken.
        params: name -> array, as the agent's `learned_params` named them, without lanes.
    """

    run: Run
    stage: int
    index: int
    step: int
    params: Mapping[str, np.ndarray]


def kept_params(data: Data, num_settings: int, asked: Asked) -> Kept:
    """Read what a recorded run had learned.

    Args:
        data: of a shard, data.h5 or an experiment directory, which alone has snapshots.
        num_settings: of the experiment's sweep.
        asked: which run, and when.

    Raises:
        NthrunError: there is no such run, it failed or is not whole, or nothing finite is kept of
            that step.
        DataFileError: a file cannot be read, or leaves the parameters out.
    """
    stage, index, entry = _chosen(data, num_settings, asked)
    run = entry.load(SERIES)
    if run["status"] == "failed":
        raise RunFailedError(f"index {index}: it failed and has no parameters ({run['reason']})")
    if asked.whole and run["status"] != "completed":
        raise NthrunError(f"index {index}: {run['status']}, and not completed ({run['reason']})")
    end = int(run["total_timesteps"])
    step = end if asked.step is None else asked.step
    if step == end:
        if not data.full:
            hint = "give the experiment directory or data.h5"
            raise DataFileError(f"{data.source}: leaves out what was learned", hint)
        params = run.get("learned_params", {})
    else:
        params = _snapshot(data.source, stage, index, end, asked)
    if not all(np.isfinite(array).all() for array in params.values()):
        raise NthrunError(f"index {index}, step {step}: its parameters are not finite")
    return Kept(run, stage, index, step, params)


def _chosen(data: Data, num_settings: int, asked: Asked) -> tuple[int, int, Entry]:
    """Stage, index and entry of a run.

    Raises:
        NthrunError: it is not recorded.
    """
    runs: dict[int, dict[int, Entry]] = {}
    for entry in data.entries:
        setting_number, recorded_stage, run_number = entry.identity
        recorded = join_index(setting_number, run_number, num_settings)
        runs.setdefault(recorded_stage, {}).setdefault(recorded, entry)
    if not runs:
        raise NthrunError(f"{data.source}: no run is recorded here")
    for_stage, for_index, _ = asked.names
    stage = min(runs) if asked.stage is None else asked.stage
    if stage not in runs:
        known = format_indices(runs)
        raise NthrunError(f"{for_stage} {stage}: not recorded in {data.source}, which has {known}")
    index = min(runs[stage]) if asked.index is None else asked.index
    if index not in runs[stage]:
        known = format_indices(runs[stage])
        raise NthrunError(f"{for_index} {index}: not recorded in {data.source}, which has {known}")
    return stage, index, runs[stage][index]


def kept_steps(source: Path, stage: int, index: int) -> dict[int, Path]:
    """The training steps of which a run of an experiment directory has a snapshot, and that.

    Raises:
        DataFileError: one is damaged.
    """
    paths = paths_in(source / "snapshots", f"stage{stage}-index{index}-", ".h5")
    return {int(read_snapshot(path)[0]["step"]): path for path in paths}


def _snapshot(
    source: Path, stage: int, index: int, end: int, asked: Asked
) -> Mapping[str, np.ndarray]:
    """The parameters of the snapshot at a step.

    Raises:
        NthrunError: there is none; the message names the steps that are kept.
    """
    snapshots = kept_steps(source, stage, index)
    if asked.step in snapshots:
        return read_snapshot(snapshots[asked.step])[1]
    raise NthrunError(
        f"{asked.names[2]} {asked.step}: nothing is kept of index {index} at that step, allowed: "
        f"{format_indices({*snapshots, end})}",
        "snapshot_interval_timesteps of the environment's spec keeps more",
    )
