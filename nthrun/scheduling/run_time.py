"""How long a run takes: from earlier records, else as the cluster spec implies, else assumed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nthrun.agents.registry import agent_footprint
from nthrun.errors import DataFileError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.memory_estimate import FLOAT
from nthrun.planning.packs import planned_setting
from nthrun.records.durable_file import modified
from nthrun.records.experiment import Experiment
from nthrun.records.hdf5_file import naming_damage
from nthrun.records.listing import paths_in
from nthrun.records.shard import SHARD_SUFFIX, Shard
from nthrun.specs.cluster_spec import ClusterSpec
from nthrun.specs.declaration import Setting
from nthrun.specs.solver_limits import tried_backend

START_SECONDS = 60.0
"""A task's start-up: Python, torch, compiling, the first look at what is recorded [assumed]."""
DAY_SECONDS = 86_400
PROGRAM_SECONDS = 3600.0
"""Of a run of a program of which nothing is known [assumed]."""
MARGIN = 1.2
"""Factor on recorded times: runs of one spec differ by hyperparameters, processor and load."""
SAMPLED_SHARDS = 20
PRODUCTS = 3
"""Multiply-adds of an update for each that a sample has forward: there, and backward twice."""
ASSUMED_SPEEDS = {
    "eager": (1e-3, 5e9),
    "compile": (1e-4, 1e10),
    "cuda": (5e-5, 1e11),
}
"""Seconds of a run-step beside its products, and multiply-adds a second, of one worker: half of
what was measured on the CPU; assumed for the GPU."""
SOLVED_BYTES = 2e8
"""Bytes beside the state that a solver's step fills in a second [assumed: .2 to 4 times as many
were measured]."""

Statics = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class RunTimes:
    """What a run takes of one worker, packed as the planner packs it.

    Attributes:
        spec: of the experiment.
        known: static hyperparameters -> seconds, from records.
        otherwise: seconds of a run that has no records; None counts its work.
        speed: seconds of a run-step beside its products, multiply-adds a second.
        source: where the seconds are from, in words.
    """

    spec: ExperimentSpec
    known: Mapping[Statics, float]
    otherwise: float | None
    speed: tuple[float, float]
    source: str

    def seconds(self, setting: Setting) -> float:
        """Time of one run, a pack's time being shared among its lanes."""
        known = self.known.get(statics_of(self.spec, setting), self.otherwise)
        return known if known is not None else self._counted(setting)

    def _counted(self, setting: Setting) -> float:
        agent = agent_footprint(self.spec.agent.declaration, setting, self.spec.environment)
        beside, products_per_second = self.speed
        if self.spec.agent.declaration.solves:
            step = beside + agent.update_bytes / SOLVED_BYTES
            return self.spec.environment.total_timesteps * step
        samples = agent.num_replay_draws * agent.max_updates / agent.update_interval
        of_sample = agent.learned_bytes / FLOAT + agent.num_repeated_products
        products = PRODUCTS * of_sample * samples
        step = beside + products / products_per_second
        num_worlds = self.spec.agent.declaration.num_worlds(setting)
        return self.spec.environment.total_timesteps / num_worlds * step


def statics_of(spec: ExperimentSpec, setting: Setting) -> Statics:
    """The values of a setting's static hyperparameters."""
    return tuple(setting[name] for name in spec.agent.declaration.static_names())


def usable_seconds(cluster: ClusterSpec) -> float:
    """The part of a task's time limit that is left for training; infinite on this machine.

    Without a limit a task is given a day's work.
    """
    if cluster.is_local:
        return float("inf")
    limit = cluster.time_seconds or DAY_SECONDS
    return max(limit - cluster.integer("signalSeconds") - START_SECONDS, 1.0)


def estimate_run_times(
    spec: ExperimentSpec, cluster: ClusterSpec, experiment: Experiment | None, backend: str
) -> RunTimes:
    """What runs are expected to take.

    Args:
        spec: of the experiment.
        cluster: where it will run; its `sequential` says how many runs fit its time limit.
        experiment: with earlier records; None where there is none yet.
        backend: "auto", "compile" or "eager".
    """
    tried = tried_backend(spec.agent.declaration, backend)
    kind = "cuda" if cluster.device == "cuda" else tried
    speed = ASSUMED_SPEEDS[kind]
    known = _recorded(spec, experiment) if experiment is not None else {}
    if known:
        means = {statics: statistics.mean(seconds) for statics, seconds in known.items()}
        number = sum(map(len, known.values()))
        source = f"{number} record{'s' * (number != 1)}"
        times = {statics: MARGIN * mean for statics, mean in means.items()}
        return RunTimes(spec, times, max(times.values()), speed, source)
    program = spec.agent.program
    if program is not None and program.seconds:
        return RunTimes(
            spec, {}, program.seconds, speed, f"needs: {program.seconds / 60:g} minutes"
        )
    sequential, usable = cluster.integer("sequential"), usable_seconds(cluster)
    if sequential and usable != float("inf"):
        return RunTimes(spec, {}, usable / sequential, speed, f"sequential {sequential}")
    otherwise = None if program is None else PROGRAM_SECONDS
    return RunTimes(spec, {}, otherwise, speed, "assumed, as nothing is recorded yet")


def _recorded(spec: ExperimentSpec, experiment: Experiment) -> dict[Statics, list[float]]:
    """Training and evaluation time of the completed runs of the newest shards."""
    shards = sorted(paths_in(experiment.runs, suffix=SHARD_SUFFIX), key=modified, reverse=True)
    recorded: dict[Statics, list[float]] = {}
    for path in shards[:SAMPLED_SHARDS]:
        for index, seconds in _shard_seconds(path, experiment.manifest.fingerprint):
            setting = planned_setting(spec, index)
            recorded.setdefault(statics_of(spec, setting), []).append(seconds)
    return recorded


def _shard_seconds(path: Path, fingerprint: str) -> Iterator[tuple[int, float]]:
    """(index, seconds) of the completed runs of a shard, if it is whole and of this experiment."""
    try:
        with naming_damage(path):
            shard = Shard(path)
    except DataFileError:
        return
    if shard.header.fingerprint != fingerprint:
        return
    numbers, statuses = shard.columns.numbers, shard.statuses()
    seconds = numbers["train_time"] + numbers["eval_time"]
    for index, status, taken in zip(numbers["index"].tolist(), statuses, seconds, strict=True):
        if status == "completed" and math.isfinite(taken):
            yield index, float(taken)
