"""The status of an experiment: what is recorded, running, queued, failed or missing, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nthrun.records.experiment import Experiment, is_experiment, open_experiment
from nthrun.records.inventory import Inventory
from nthrun.scheduling.failures import Failure, failed_runs, failed_tasks
from nthrun.scheduling.pending import ActiveTask, active_tasks, read_leases
from nthrun.scheduling.plan import Plan, readable_plans
from nthrun.scheduling.slurm import Queue

SHOWN_FAILURES = 20
NO_REASON = "None"


@dataclass(frozen=True, slots=True)
class StageStatus:
    """One stage of an experiment.

    Attributes:
        root, stage: which.
        num_expected: runs that were ever asked for.
        num_recorded: completed, diverged and pruned ones.
        num_diverged: of them, diverged.
        num_running, num_queued: not recorded yet, in tasks that run or wait.
        num_failed: runs whose record is a failure.
        num_missing: the others.
        running: the tasks that run.
        reasons: Slurm's reason -> how many tasks wait for it.
        failures: what went wrong.
        seconds_left: until everything under way is done, by how fast it goes now; None is unknown.
    """

    root: Path
    stage: int
    num_expected: int
    num_recorded: int
    num_diverged: int
    num_running: int
    num_queued: int
    num_failed: int
    num_missing: int
    running: tuple[ActiveTask, ...]
    reasons: Mapping[str, int]
    failures: tuple[Failure, ...]
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class ExperimentStatus:
    """The status of an experiment.

    Attributes:
        stages: what is known of each.
        unreadable: (path, what is wrong) of files that may say more.
    """

    stages: tuple[StageStatus, ...]
    unreadable: tuple[tuple[Path, str], ...]


def experiment_status(root: Path, queue: Queue | None) -> ExperimentStatus:
    """The status of an experiment, stage by stage.

    Args:
        root: its directory.
        queue: of Slurm; None where there is none or it does not answer.

    Raises:
        DataFileError: its manifest cannot be read.
    """
    plans, unreadable = readable_plans(root)
    experiment = open_experiment(root) if is_experiment(root) else None
    active = list(active_tasks(root, queue, plans))
    inventory = experiment.inventory() if experiment is not None else None
    stages = {plan.stage for plan in plans}
    if inventory is not None:
        stages |= {stage for stage, _ in inventory.entries}
    unreadable += inventory.unreadable if inventory is not None else ()
    unreadable += (file for plan in plans for file in read_leases(plan.lease_folder)[1])
    known = (
        _stage_status(
            _Stage(
                root,
                stage,
                [p for p in plans if p.stage == stage],
                experiment,
                inventory,
                queue is not None,
            ),
            [task for task in active if task.plan.stage == stage],
        )
        for stage in sorted(stages)
    )
    return ExperimentStatus(tuple(known), tuple(unreadable))


@dataclass(frozen=True, slots=True)
class _Stage:
    """What is known of a stage; its plans newest first."""

    root: Path
    number: int
    plans: list[Plan]
    experiment: Experiment | None
    inventory: Inventory | None
    slurm_answers: bool

    def statuses(self) -> dict[int, str]:
        """Index -> how its run ended."""
        return self.inventory.statuses(self.number) if self.inventory is not None else {}

    def expected(self, statuses: Mapping[int, str]) -> set[int]:
        """Indices that were asked for, by a plan or by having been run."""
        return set(statuses).union(*(plan.wanted for plan in self.plans))


def _stage_status(stage: _Stage, active: list[ActiveTask]) -> StageStatus:
    statuses = stage.statuses()
    expected = stage.expected(statuses)
    running = tuple(task for task in active if task.is_running)
    failed = {index for index, status in statuses.items() if status == "failed"}
    retried = failed & {i for t in active if t.plan.retry_failed for i in t.indices}
    remaining = (expected - set(statuses)) | retried
    failed -= retried
    now = remaining & {i for t in running for i in t.indices}
    waiting = remaining & {i for t in active for i in t.indices} - now
    missing = remaining - now - waiting
    failures = (
        *failed_runs(stage.experiment, stage.number, failed),
        *failed_tasks(stage.plans, missing, stage.slurm_answers),
    )
    return StageStatus(
        stage.root,
        stage.number,
        len(expected),
        len(statuses) - len(failed) - len(retried),
        sum(status == "diverged" for status in statuses.values()),
        len(now),
        len(waiting),
        len(failed),
        len(missing),
        running,
        _reasons(active),
        failures[:SHOWN_FAILURES],
        _seconds_left(running, active),
    )


def _reasons(active: list[ActiveTask]) -> Counter[str]:
    """What tasks wait for; a job just submitted waits for none yet."""
    waiting = (task.job for task in active if task.job and not task.is_running)
    return Counter(job.reason for job in waiting if job.reason != NO_REASON)


def _seconds_left(running: tuple[ActiveTask, ...], active: list[ActiveTask]) -> float | None:
    """Run-steps left of all tasks, over what the running ones do a second."""
    speed = 0.0
    remaining = 0
    per_run = 0
    for task in running:
        attempt = task.attempt
        if attempt is None or attempt.seen <= attempt.started:
            continue
        speed += attempt.new_run_steps / (attempt.seen - attempt.started)
        remaining += attempt.total_run_steps - attempt.done_run_steps
        per_run = attempt.total_run_steps // task.plan.tasks[task.number].num_runs
    remaining += per_run * sum(
        task.plan.tasks[task.number].num_runs for task in active if not task.is_running
    )
    return remaining / speed if speed else None
