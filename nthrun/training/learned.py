"""What a run had learned at some step, as its record or one of its snapshots holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nthrun.errors import DataFileError, NthrunError, RunFailedError
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of
from nthrun.records.data import Data, open_data
from nthrun.records.entries import Entry
from nthrun.records.schema import OMITTED_FROM_JSON
from nthrun.records.snapshot import read_snapshot
from nthrun.specs.indices import format_indices
from nthrun.specs.search.search_fields import BAYES

SERIES = tuple(name for name in OMITTED_FROM_JSON if name != "learned_params")
"""Arrays of a record that are not read."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What a run had learned.

    Attributes:
        spec: of its experiment.
        index, stage: which run.
        step: training steps taken.
        params: name -> array, as the agent's `learned_params` named them, without lanes.
    """

    spec: ExperimentSpec
    index: int
    stage: int
    step: int
    params: Mapping[str, np.ndarray]


def read_learned(
    source: Path, index: int | None = None, stage: int | None = None, step: int | None = None
) -> Learned:
    """Read what a recorded run had learned.

    Args:
        source: an experiment directory, a shard or data.h5; snapshots lie in the first only.
        index, stage: which run; None is the lowest recorded.
        step: training steps taken; None is the end of the run.

    Raises:
        NthrunError: there is no such run, it failed or diverged, or nothing is kept of that step.
        DataFileError: a file cannot be read, or leaves the parameters out.
        SpecError: this version does not know its specs.
    """
    data = open_data(source)
    documents = data["experiment"]
    spec = experiment_spec_of(documents["environment"], documents["agent"], str(source))
    stage, index, entry = _chosen(data, spec, stage, index)
    run = entry.load(SERIES)
    if spec.agent.search.method == BAYES:
        spec = spec.knowing({run["setting_number"]: run["agent_params"]})
    if run["status"] == "failed":
        raise RunFailedError(f"index {index}: it failed and has no parameters ({run['reason']})")
    end = int(run["total_timesteps"])
    if step is None or step == end:
        if not data.full:
            hint = "give the experiment directory or data.h5"
            raise DataFileError(f"{source}: leaves out what was learned", hint)
        step, params = end, run.get("learned_params", {})
    else:
        params = _snapshot(source, stage, index, step, end)
    if not all(np.isfinite(array).all() for array in params.values()):
        raise NthrunError(f"index {index}, step {step}: its parameters are not finite")
    return Learned(spec, index, stage, step, params)


def _chosen(
    data: Data, spec: ExperimentSpec, stage: int | None, index: int | None
) -> tuple[int, int, Entry]:
    """Stage, index and entry of a run.

    Raises:
        NthrunError: it is not recorded.
    """
    runs: dict[int, dict[int, Entry]] = {}
    for entry in data.entries:
        setting_number, recorded_stage, run_number = entry.identity
        place = spec.sweep.index(setting_number, run_number)
        runs.setdefault(recorded_stage, {}).setdefault(place, entry)
    if not runs:
        raise NthrunError(f"{data.source}: no run is recorded here")
    stage = min(runs) if stage is None else stage
    if stage not in runs:
        known = format_indices(runs)
        raise NthrunError(f"--stage {stage}: not recorded in {data.source}, which has {known}")
    index = min(runs[stage]) if index is None else index
    if index not in runs[stage]:
        known = format_indices(runs[stage])
        raise NthrunError(f"--index {index}: not recorded in {data.source}, which has {known}")
    return stage, index, runs[stage][index]


def _snapshot(
    source: Path, stage: int, index: int, step: int, end: int
) -> Mapping[str, np.ndarray]:
    """The parameters of the snapshot at a step.

    Raises:
        NthrunError: there is none; the message names the steps that are kept.
    """
    kept = {end}
    for path in sorted((source / "snapshots").glob(f"stage{stage}-index{index}-*.h5")):
        header, params = read_snapshot(path)
        if header["step"] == step:
            return params
        kept.add(int(header["step"]))
    raise NthrunError(
        f"--step {step}: nothing is kept of index {index} at that step, allowed: "
        f"{format_indices(kept)}",
        "snapshot_interval_timesteps of the environment's spec keeps more",
    )
