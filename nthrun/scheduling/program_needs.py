"""What a run of a program needs of a task: memory and time, as its spec says or records show."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from nthrun.errors import DataFileError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.width import GPU_PROCESS_BYTES, PROCESS_BYTES
from nthrun.records.durable_file import modified
from nthrun.records.experiment import Experiment
from nthrun.records.hdf5_file import naming_damage
from nthrun.records.listing import paths_in
from nthrun.records.schema import OMITTED_FROM_JSON, Run
from nthrun.records.shard import SHARD_SUFFIX, Shard
from nthrun.scheduling.run_time import MARGIN, SAMPLED_SHARDS
from nthrun.specs.cluster_spec import ClusterSpec

OUT_OF_MEMORY = "memory runs out"
"""What the reason of a run says whose process was killed as where memory runs out."""
RAISED = 2.0
"""Factor on the memory of runs that are tried again after that."""
MIB = 2**20


def with_known_needs(
    spec: ExperimentSpec, experiment: Experiment | None, retry_failed: bool
) -> ExperimentSpec:
    """The specs with the memory that runs of a program need, as far as that is known.

    Args:
        spec: of the experiment; one of an agent stays as it is.
        experiment: with earlier records; None where there is none yet.
        retry_failed: whether failed runs are run again: what was killed for want of memory is
            given more then.
    """
    program = spec.agent.program
    if program is None:
        return spec
    runs = [] if experiment is None else list(_recorded(experiment))
    peak = max((_peak_bytes(run) for run in runs), default=0)
    needed = program.memory_bytes or int(MARGIN * peak)
    lost = [run for run in runs if OUT_OF_MEMORY in run["reason"]]
    if retry_failed and lost:
        needed = int(RAISED * max(needed, *map(_peak_bytes, lost)))
    needs = {**program.needs, "memory_gb": needed / 1e9} if needed else program.needs
    return replace(spec, agent=replace(spec.agent, program=replace(program, needs=needs)))


def cluster_for(spec: ExperimentSpec, cluster: ClusterSpec) -> ClusterSpec:
    """A cluster spec whose cores have the memory that runs of a program need.

    Args:
        spec: of the experiment, with known needs.
        cluster: as the user gave it; one without Slurm, or with enough, stays as it is.
    """
    program = spec.agent.program
    if program is None or not program.memory_bytes or cluster.is_local:
        return cluster
    base = GPU_PROCESS_BYTES if cluster.device == "cuda" else PROCESS_BYTES
    of_workers = cluster.num_workers * (program.memory_bytes + base)
    of_core = math.ceil(of_workers / cluster.cores_per_task / MIB)
    given = cluster.memory_per_core_bytes
    if given is not None and given >= of_core * MIB:
        return cluster
    return replace(cluster, values={**cluster.values, "memPerCpu": f"{of_core}M"})


def _peak_bytes(run: Run) -> int:
    peak = run["provenance"].get("peak_memory_mb", 0)
    return int(peak * MIB) if isinstance(peak, (int, float)) else 0


def _recorded(experiment: Experiment) -> Iterator[Run]:
    """The newest records of an experiment, without their arrays."""
    shards = sorted(paths_in(experiment.runs, suffix=SHARD_SUFFIX), key=modified, reverse=True)
    for path in shards[:SAMPLED_SHARDS]:
        try:
            with naming_damage(path):
                columns = Shard(path).columns
                runs = [columns.run(number, OMITTED_FROM_JSON) for number in range(len(columns))]
        except DataFileError:
            continue
        yield from runs
