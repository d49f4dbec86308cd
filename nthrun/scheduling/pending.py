"""Pending runs: what of an experiment is recorded, under way, and still to be done."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nthrun.errors import DataFileError, FingerprintError, StorageError
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.records.experiment import (
    Experiment,
    is_experiment,
    open_experiment,
    require_fingerprint,
)
from nthrun.records.listing import FOLDERS, is_file, paths_in
from nthrun.scheduling.lease import Attempt, read_lease
from nthrun.scheduling.plan import PLANS, Plan, plan_paths, read_plan, read_plans
from nthrun.scheduling.slurm import Job, Queue
from nthrun.specs.fingerprint import differing_keys, fingerprint, same_runs
from nthrun.specs.selection import Selection

LEASE = re.compile(r"[0-9]{1,9}\.json")
RUNNING_STATES = ("RUNNING", "COMPLETING", "CONFIGURING", "SIGNALING", "STAGE_OUT")


@dataclass(frozen=True, slots=True)
class WantedRuns:
    """Which runs are wanted.

    Attributes:
        selection: of settings and runs.
        stage: of all.
        retry_failed: whether failed ones are to be run again.
    """

    selection: Selection
    stage: int
    retry_failed: bool


@dataclass(frozen=True, slots=True)
class ActiveTask:
    """A task that is queued or running.

    Attributes:
        plan, number: which.
        job: of Slurm; None for an attempt without Slurm.
        attempt: the last sign of life of the present attempt or, while it waits, of an earlier
            one; None before the first.
    """

    plan: Plan
    number: int
    job: Job | None
    attempt: Attempt | None

    @property
    def indices(self) -> list[int]:
        """Every index of the task, ascending."""
        return self.plan.tasks[self.number].indices

    @property
    def is_running(self) -> bool:
        """Whether it runs now."""
        return self.job is None or self.job.state in RUNNING_STATES


@dataclass(frozen=True, slots=True)
class PendingRuns:
    """The runs that are wanted of an experiment, by what is done of them.

    Attributes:
        root: its directory, absolute.
        experiment: opened; None before its first task has begun.
        num_expected: runs that are wanted.
        num_recorded: of them recorded, failed ones not counted.
        failed: of them failed, and not to be run again.
        num_active: of them queued or running.
        missing: the others: to be run, ascending.
    """

    root: Path
    experiment: Experiment | None
    num_expected: int
    num_recorded: int
    failed: tuple[int, ...]
    num_active: int
    missing: tuple[int, ...]


def pending_runs(
    spec: ExperimentSpec, root: Path, wanted: WantedRuns, queue: Queue | None, *, touch: bool = True
) -> PendingRuns:
    """What is missing: one set difference, minus what earlier plans have under way.

    Args:
        spec: of the experiment.
        root: its directory, absolute.
        wanted: which runs.
        queue: of Slurm; None where there is none.
        touch: whether the cache of what is recorded may be written.

    Raises:
        FingerprintError: the directory belongs to other specs.
        DataFileError: a plan whose jobs are queued cannot be read.
    """
    experiment = _own_experiment(spec, root)
    if experiment is not None:
        experiment.keeps_cache = touch
    indices = wanted.selection.indices(spec.sweep.num_settings)
    expected = set(indices)
    statuses = experiment.inventory().statuses(wanted.stage) if experiment else {}
    kept = {i for i, s in statuses.items() if not (wanted.retry_failed and s == "failed")}
    missing = expected - kept
    active = {
        index
        for task in active_tasks(root, queue)
        if task.plan.stage == wanted.stage
        for index in task.indices
    }
    recorded = [(index, statuses[index]) for index in sorted(kept & expected)]
    return PendingRuns(
        root,
        experiment,
        len(indices),
        sum(status != "failed" for _, status in recorded),
        tuple(index for index, status in recorded if status == "failed"),
        len(missing & active),
        tuple(sorted(missing - active)),
    )


def active_tasks(
    root: Path, queue: Queue | None, plans: Sequence[Plan] | None = None
) -> Iterator[ActiveTask]:
    """The tasks of an experiment that are queued or running, in Slurm or without it.

    Args:
        root: its directory.
        queue: of Slurm; None where there is none.
        plans: the readable ones, where those of others may be passed over.

    Raises:
        DataFileError: a plan whose jobs are queued cannot be read, or has no such tasks.
    """
    read = None if plans is None else {plan.name: plan for plan in plans}
    queued: dict[str, dict[tuple[int, int], Job]] = {}
    for (name, array, element), job in (queue.ours if queue else {}).items():
        queued.setdefault(name, {})[array, element] = job
    for path in plan_paths(root):
        leases, _ = read_leases(root / PLANS / path.stem)
        jobs = queued.get(path.stem, {})
        now = time.time()
        alive = {n: a for n, a in leases.items() if _counts(a, queue) and a.is_alive(now)}
        if not jobs and not alive:
            continue
        plan = read_plan(path) if read is None else read.get(path.stem)
        if plan is None:
            continue
        for place, job in jobs.items():
            number = plan.task_number(*place)
            if number is not None:
                yield ActiveTask(plan, number, job, leases.get(number))
            elif read is None:
                raise DataFileError(f"{path}: has no task that job {job.id} of Slurm could be")
        for number, attempt in alive.items():
            if number < len(plan.tasks):
                yield ActiveTask(plan, number, None, attempt)


def _counts(attempt: Attempt, queue: Queue | None) -> bool:
    """Whether an attempt's sign of life tells that it runs; of Slurm's jobs the queue does."""
    return not attempt.job or queue is None


def experiments_under(
    save_dir: Path, closed: list[tuple[Path, StorageError]] | None = None
) -> list[Path]:
    """The experiment directories that are, or lie directly in, a directory.

    Args:
        save_dir: the directory.
        closed: where to put (path, error) of what lies in it and cannot be looked into, for who
            only looks at what there is; None raises the first.

    Raises:
        DataFileError: there is none.
        StorageError: something cannot be listed.
    """
    experiments = [save_dir.absolute()] if _is_experiment(save_dir) else []
    own = FOLDERS if experiments else ()
    within = () if is_file(save_dir) else paths_in(save_dir)
    for directory in (path for path in within if path.name not in own):
        try:
            if _is_experiment(directory):
                experiments.append(directory.absolute())
        except StorageError as error:
            if closed is None:
                raise
            closed.append((directory, error))
    if not experiments and not closed:
        raise DataFileError(
            f"{save_dir}: no experiment here",
            "give a save dir, as main.py and schedule.py take it, or an experiment's directory",
        )
    return experiments


def _is_experiment(directory: Path) -> bool:
    """Whether a directory has a manifest or plans."""
    return is_experiment(directory) or bool(plan_paths(directory))


def read_leases(folder: Path) -> tuple[Mapping[int, Attempt], list[tuple[Path, str]]]:
    """Task number -> what its last attempt said, for the tasks of a plan that are not done; and
    (path, what is wrong) of leases that cannot be read."""
    leases: dict[int, Attempt] = {}
    unreadable: list[tuple[Path, str]] = []
    for path in paths_in(folder, suffix=".json"):
        if not LEASE.fullmatch(path.name):
            continue
        try:
            leases[int(path.stem)] = read_lease(path)
        except DataFileError as error:
            if os.path.lexists(path):  # else the task was done a moment ago
                unreadable.append((path, str(error).removeprefix(f"{path}: ")))
    return leases, unreadable


def _own_experiment(spec: ExperimentSpec, root: Path) -> Experiment | None:
    """The experiment of a directory; until its first task has begun, only its plans know of it."""
    agent, environment = spec.agent.as_document(), spec.environment.as_document()
    defaults = spec.agent.defaults
    if is_experiment(root):
        experiment = open_experiment(root)
        require_fingerprint(experiment, agent, environment, defaults)
        return experiment
    newest = next(read_plans(root), None)
    if newest is None or newest.fingerprint == fingerprint(agent, environment):
        return None
    old, new = (newest.agent, newest.environment), (agent, environment)
    if not same_runs(old, new, defaults):
        keys = ", ".join(differing_keys(old, new, defaults))
        raise FingerprintError(
            f"{root}: planned for another spec, which differs in: {keys}", "give another save dir"
        )
    return None
