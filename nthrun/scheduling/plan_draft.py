"""A draft of a plan: what is missing as packs, packs as tasks, tasks as arrays within the limits.

A task fills its workers with packs, and comes close to, and stays inside, its time limit.
"""

from __future__ import annotations

import heapq
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from nthrun.errors import DeviceError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import packs_of_indices, planned_setting
from nthrun.planning.width import Workers, planned_width
from nthrun.records.experiment import Experiment
from nthrun.scheduling.limits import Limits
from nthrun.scheduling.pending import PendingRuns, WantedRuns
from nthrun.scheduling.plan import Array, Plan, Task, new_plan_name, task_cores
from nthrun.scheduling.program_needs import cluster_for, with_known_needs
from nthrun.scheduling.run_time import (
    START_SECONDS,
    RunTimes,
    Statics,
    estimate_run_times,
    statics_of,
    usable_seconds,
)
from nthrun.specs.cluster_spec import ClusterSpec
from nthrun.specs.declaration import Setting
from nthrun.specs.fingerprint import fingerprint
from nthrun.specs.solver_limits import require_compilable, tried_backend

GB = 10**9
GPU_BYTES = 16 * GB
"""Memory of a GPU whose kind does not say it [assumed, low]."""
LEAST_SECONDS = 1e-6
"""Least time that a run is assumed to take."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a plan is drafted by beside specs and cluster.

    Attributes:
        backend: "auto", "compile" or "eager"; an experiment that exists keeps to its own.
        pack: lanes of a pack at most; 0 leaves it to the planner.
        limits: of the cluster.
    """

    backend: str
    pack: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan not yet written, and what it is based on.

    Attributes:
        spec: of the experiment.
        pending: what it is about.
        wanted: which runs.
        plan: the plan; without tasks where nothing is missing or may be submitted.
        run_times: what runs are taken to take.
        num_left: missing runs that the cluster's limits leave for later.
    """

    spec: ExperimentSpec
    pending: PendingRuns
    wanted: WantedRuns
    plan: Plan
    run_times: RunTimes
    num_left: int

    @property
    def wall_seconds(self) -> list[float]:
        """Wall time of each task; at most its time limit, after which it is queued again."""
        limit = self.plan.cluster.time_seconds or float("inf")
        return [min(task.seconds, limit) for task in self.plan.tasks]

    @property
    def worker_seconds(self) -> float:
        """Time of all runs on one worker."""
        packs = [pack for task in self.plan.tasks for pack in task.packs]
        return sum(seconds for _, seconds in _timed(packs, self.run_times))

    @property
    def unit_hours(self) -> float:
        """Core-hours of all tasks, or GPU-hours where they have GPUs."""
        gpus = self.plan.cluster.integer("gpus")
        return sum(task.seconds / 3600 * (gpus or self.cores_of(task)) for task in self.plan.tasks)

    def cores_of(self, task: Task) -> int:
        """Cores that a task asks for."""
        return task_cores(self.plan.cluster, task)


def draft_plan(
    spec: ExperimentSpec,
    pending: PendingRuns,
    wanted: WantedRuns,
    cluster: ClusterSpec,
    choices: Choices,
) -> Draft:
    """Plan what is missing.

    Args:
        spec: of the experiment.
        pending: what is missing.
        wanted: which runs.
        cluster: where they run.
        choices: what else the command line and the cluster say.

    Raises:
        PlanError: not even one run fits the memory of a task.
        DeviceError: the experiment's runs are made on another device or backend.
        UnsupportedOperationError: their steps are to be compiled for what cannot run them.
    """
    device, backend = _made_on(pending, cluster, choices)
    require_compilable(spec.agent.declaration, spec.environment, backend, device)
    needed = with_known_needs(spec, pending.experiment, wanted.retry_failed)
    cluster = cluster_for(needed, cluster)
    run_times = estimate_run_times(needed, cluster, pending.experiment, backend)
    shape = Shape(
        cluster.num_workers,
        usable_seconds(cluster),
        cluster.integer("packsPerTask"),
        cluster.flag("wholeNode") or device == "cuda",
    )
    width = _width(cluster, shape, run_times, (device, backend, choices.pack), pending)
    packs = _timed(packs_of_indices(spec, pending.missing, width), run_times)
    tasks = plan_tasks(packs, shape)
    kept = tasks[: choices.limits.free_tasks]
    plan = Plan(
        name=new_plan_name(),
        root=pending.root,
        fingerprint=fingerprint(spec.agent.as_document(), spec.environment.as_document()),
        num_settings=spec.sweep.num_settings,
        agent=spec.agent.as_document(),
        environment=spec.environment.as_document(),
        stage=wanted.stage,
        num_runs=wanted.selection.num_runs,
        settings=wanted.selection.settings,
        named=wanted.selection.named,
        retry_failed=wanted.retry_failed,
        cluster=cluster,
        device=device,
        backend=backend,
        code="",
        tasks=tuple(kept),
        arrays=plan_arrays(kept, choices.limits.array_tasks),
        command=tuple(sys.argv),
    )
    return Draft(
        spec, pending, wanted, plan, run_times, sum(t.num_runs for t in tasks[len(kept) :])
    )


def _timed(
    packs: Iterable[Sequence[int]], run_times: RunTimes
) -> Iterator[tuple[Sequence[int], float]]:
    """Packs with the seconds they take of a worker."""
    seconds: dict[Statics, float] = {}
    for pack in packs:
        setting = planned_setting(run_times.spec, pack[0])
        statics = statics_of(run_times.spec, setting)
        if statics not in seconds:
            seconds[statics] = run_times.seconds(setting)
        yield pack, len(pack) * seconds[statics]


def _width(
    cluster: ClusterSpec,
    shape: Shape,
    run_times: RunTimes,
    made: tuple[str, str, int],
    pending: PendingRuns,
) -> Callable[[Setting], int]:
    """Lanes of a pack: by the memory of a task's cores, its speed, and its time."""
    device, backend, pack = made
    per_core = cluster.memory_per_core_bytes
    memory = None if per_core is None else per_core * cluster.cores_per_task
    tried = tried_backend(run_times.spec.agent.declaration, backend)
    on_gpu = _gpu_bytes(cluster.text("gpuType")) if device == "cuda" else None
    num_gpus = cluster.integer("gpus") or 1
    workers = Workers(device, tried, shape.workers, memory, on_gpu, num_gpus)
    num_runs = max(len(pending.missing), 1)
    by_memory = planned_width(run_times.spec, workers, num_runs, pack)

    def width(setting: Setting) -> int:
        if device == "cuda":  # a narrower pack would not be that much faster
            return by_memory(setting)
        return pack_width(by_memory(setting), run_times.seconds(setting), shape, num_runs)

    return width


def _made_on(pending: PendingRuns, cluster: ClusterSpec, choices: Choices) -> tuple[str, str]:
    """Device and backend of the runs; an experiment that exists keeps to its own."""
    if pending.experiment is None:
        return cluster.device, choices.backend
    if pending.missing:
        _require_fixed(pending.experiment, cluster, choices)
    return pending.experiment.manifest.device, pending.experiment.manifest.backend


def _require_fixed(experiment: Experiment, cluster: ClusterSpec, choices: Choices) -> None:
    """Check that tasks on a cluster could go on with an experiment.

    Raises:
        DeviceError: its runs are made on another device, or with another backend.
    """
    manifest = experiment.manifest
    if manifest.device != cluster.device:
        raise DeviceError(
            f"{cluster.name}: tasks with {cluster.integer('gpus')} GPUs train on {cluster.device}, "
            f"and the runs of {experiment.root} are made on {manifest.device}",
            "give another --gpus, or another save dir",
        )
    if choices.backend not in ("auto", manifest.backend):
        raise DeviceError(
            f"--backend {choices.backend}: the runs of {experiment.root} are made with "
            f"{manifest.backend}, and one experiment keeps to one backend",
            "give another save dir, or leave --backend out",
        )


def _gpu_bytes(kind: str) -> int:
    """Memory of a GPU by the name of its kind, as `h100_1g.10gb`; a small one's where that does
    not tell."""
    sizes = re.findall(r"(\d+)gb", kind.lower())
    return int(sizes[-1]) * GB if sizes else GPU_BYTES


@dataclass(frozen=True, slots=True)
class Shape:
    """What every task of a plan has.

    Attributes:
        workers: processes that train, at most.
        seconds: for training; infinite without a time limit.
        max_packs: packs of a task at most; 0 is no bound.
        fixed: whether a task with fewer packs than workers asks for all its cores all the same.
    """

    workers: int
    seconds: float
    max_packs: int = 0
    fixed: bool = False


def pack_width(width: int, run_seconds: float, shape: Shape, num_runs: int) -> int:
    """Lanes of a pack, narrowed so that one fits a task's time and every worker gets its part.

    Args:
        width: lanes of a pack at most, by speed and memory.
        run_seconds: of one run.
        shape: of the tasks.
        num_runs: of the plan.
    """
    seconds = max(run_seconds, LEAST_SECONDS)
    fitting = width if shape.seconds == float("inf") else int(shape.seconds // seconds)
    return max(1, min(width, fitting, -(-num_runs // shape.workers)))


def plan_tasks(packs: Iterable[tuple[Sequence[int], float]], shape: Shape) -> list[Task]:
    """Fill tasks with packs in order; a pack goes to the worker that is free first.

    A pack that takes longer than a task may is a task's only one on its worker: it is interrupted
    by the time limit and continued by the next attempt.

    Args:
        packs: indices, and the seconds that a worker needs for them.
        shape: of the tasks.
    """
    return [_task(chosen, seconds, shape) for chosen, seconds in _fill_tasks(packs, shape)]


def plan_arrays(tasks: Sequence[Task], array_tasks: int) -> tuple[Array, ...]:
    """Consecutive tasks of equal resources, at most so many together."""
    arrays: list[Array] = []
    for number, task in enumerate(tasks):
        last = arrays[-1] if arrays else None
        if last and last.num_tasks < array_tasks and task.workers == tasks[last.first].workers:
            arrays[-1] = Array(last.first, last.num_tasks + 1)
        else:
            arrays.append(Array(number, 1))
    return tuple(arrays)


def _fill_tasks(
    packs: Iterable[tuple[Sequence[int], float]], shape: Shape
) -> Iterator[tuple[list[Sequence[int]], float]]:
    """The packs of each task, and the seconds its busiest worker needs."""
    chosen: list[Sequence[int]] = []
    busy: list[float] = []
    for pack, seconds in packs:
        free = busy[0] if len(busy) == shape.workers else 0.0
        full = shape.max_packs and len(chosen) == shape.max_packs
        if chosen and (full or (free > 0 and free + seconds > shape.seconds)):
            yield chosen, max(busy)
            chosen, busy, free = [], [], 0.0
        if len(busy) == shape.workers:
            heapq.heapreplace(busy, free + seconds)
        else:
            heapq.heappush(busy, seconds)
        chosen.append(pack)
    if chosen:
        yield chosen, max(busy)


def _task(packs: Sequence[Sequence[int]], seconds: float, shape: Shape) -> Task:
    workers = shape.workers if shape.fixed else min(shape.workers, len(packs))
    return Task(tuple(tuple(pack) for pack in packs), workers, START_SECONDS + seconds)
