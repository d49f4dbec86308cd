"""How an experiment stands: recorded, running, queued, failed, missing, and why."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from nthrun.records.experiment import Experiment, is_experiment, open_experiment
from nthrun.records.shard import OpenShards
from nthrun.scheduling.claim import Attempt, read_attempt
from nthrun.scheduling.plan import Plan, read_plans
from nthrun.scheduling.slurm import Job, Place, Queue, read_accounting
from nthrun.scheduling.survey import ActiveTask, active_tasks

TAIL_LINES = 5
TAIL_BYTES = 4096
SHOWN_FAILURES = 20
NEVER_SEEN = "it left the queue before it began, and Slurm keeps no account of why"
NOT_BEGUN = "planned, but not under way"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Runs that are not done, and nothing under way will do them.

    Attributes:
        indices: which; every one was planned.
        reason: why.
        log: the end of what the task printed.
    """

    indices: tuple[int, ...]
    reason: str
    log: str = ""


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
        troubles: what went wrong.
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
    troubles: tuple[Trouble, ...]
    seconds_left: float | None


def experiment_status(root: Path, queue: Queue | None) -> list[StageStatus]:
    """How an experiment stands, stage by stage.

    Args:
        root: its directory.
        queue: of Slurm; None where there is none or it does not answer.
    """
    plans = list(read_plans(root))
    experiment = open_experiment(root) if is_experiment(root) else None
    active = list(active_tasks(root, queue))
    stages = {plan.stage for plan in plans}
    if experiment is not None:
        stages |= {stage for stage, _ in experiment.inventory().entries}
    return [
        _stage_status(
            _Stage(root, stage, [p for p in plans if p.stage == stage], experiment),
            [task for task in active if task.plan.stage == stage],
        )
        for stage in sorted(stages)
    ]


@dataclass(frozen=True, slots=True)
class _Stage:
    """What is known of a stage; its plans newest first."""

    root: Path
    number: int
    plans: list[Plan]
    experiment: Experiment | None

    def statuses(self) -> dict[int, str]:
        """Index -> how its run ended."""
        return self.experiment.inventory().statuses(self.number) if self.experiment else {}

    def expected(self, statuses: Mapping[int, str]) -> set[int]:
        """Indices that were asked for, by a plan or by having been run."""
        wanted = max((plan.num_runs * plan.num_settings for plan in self.plans), default=0)
        return set(range(wanted)) | set(statuses)


def _stage_status(stage: _Stage, active: list[ActiveTask]) -> StageStatus:
    statuses = stage.statuses()
    expected = stage.expected(statuses)
    left = expected - set(statuses)
    running = tuple(task for task in active if task.is_running)
    now = left & {i for t in running for i in t.plan.tasks[t.number].indices}
    waiting = left & {i for t in active for i in t.plan.tasks[t.number].indices} - now
    failed = {index for index, status in statuses.items() if status == "failed"}
    missing = left - now - waiting
    troubles = (*_failed_runs(stage, failed), *_failed_tasks(stage, missing))
    return StageStatus(
        stage.root,
        stage.number,
        len(expected),
        len(statuses) - len(failed),
        sum(status == "diverged" for status in statuses.values()),
        len(now),
        len(waiting),
        len(failed),
        len(missing),
        running,
        troubles[:SHOWN_FAILURES],
        _seconds_left(running, active),
    )


def _seconds_left(running: tuple[ActiveTask, ...], active: list[ActiveTask]) -> float | None:
    """Run-steps left of all tasks, over what the running ones do a second."""
    speed = 0.0
    left = 0
    per_run = 0
    for task in running:
        attempt = task.attempt
        if attempt is None or attempt.seen <= attempt.started:
            continue
        speed += attempt.new_run_steps / (attempt.seen - attempt.started)
        left += attempt.total_run_steps - attempt.done_run_steps
        per_run = attempt.total_run_steps // task.plan.tasks[task.number].num_runs
    left += per_run * sum(
        task.plan.tasks[task.number].num_runs for task in active if not task.is_running
    )
    return left / speed if speed else None


def _failed_runs(stage: _Stage, failed: set[int]) -> Iterator[Trouble]:
    """Runs whose record is a failure, those of one reason together."""
    if stage.experiment is None or not failed:
        return
    shards, reasons = OpenShards(), dict[str, list[int]]()
    inventory = stage.experiment.inventory()
    for index in sorted(failed):
        [entry, *_] = inventory.entries[stage.number, index]
        run = shards.run(entry.path, index, ("learned_params",))
        reasons.setdefault(str(run["reason"]), []).append(index)
    for reason, indices in reasons.items():
        yield Trouble(tuple(indices), f"the run failed: {reason}")


def _failed_tasks(stage: _Stage, missing: set[int]) -> Iterator[Trouble]:
    """What became of the tasks that were to do what is missing; the newest plan tells."""
    unexplained = set(missing)
    for plan in stage.plans:
        touched = {
            number: unexplained.intersection(task.indices)
            for number, task in enumerate(plan.tasks)
            if unexplained.intersection(task.indices)
        }
        if not touched:
            continue
        names = [plan.job_name(array) for array in range(len(plan.arrays))]
        accounts = {} if plan.cluster.is_local else read_accounting(names, _day_before(plan))
        for number, indices in touched.items():
            unexplained -= indices
            yield _trouble(plan, number, indices, accounts)


def _trouble(plan: Plan, number: int, indices: set[int], accounts: Mapping[Place, Job]) -> Trouble:
    attempt = read_attempt(plan.claim_path(number))
    job = accounts.get((plan.name, *plan.place(number)))
    if attempt is None and plan.cluster.is_local:
        return Trouble(tuple(sorted(indices)), NOT_BEGUN)
    return Trouble(tuple(sorted(indices)), _reason(attempt, job), _tail(attempt))


def _day_before(plan: Plan) -> str:
    """The day before a plan was made, which is named in UTC: accounting asks for local time."""
    made = datetime.strptime(plan.name[:8], "%Y%m%d")
    return f"{made - timedelta(days=1):%Y-%m-%d}"


def _reason(attempt: Attempt | None, job: Job | None) -> str:
    accounted = f"{job.state}, {job.reason}, on {job.node or 'no node'}" if job else ""
    if attempt is None:
        return f"Slurm says {accounted}" if job else NEVER_SEEN
    if attempt.state == "running":
        silent = f"the process is gone, last seen {age(attempt.seen)} ago on {attempt.host}"
        return f"{silent}; Slurm says {accounted}" if job else silent
    return f"{attempt.reason}; Slurm says {accounted}" if job else attempt.reason


def age(moment: float) -> str:
    """How long ago a moment was, in words."""
    seconds = max(time.time() - moment, 0)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _tail(attempt: Attempt | None) -> str:
    """The last lines of what a task printed."""
    if attempt is None or not attempt.log:
        return ""
    try:
        with open(attempt.log, "rb") as file:
            file.seek(0, 2)
            file.seek(max(file.tell() - TAIL_BYTES, 0))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-TAIL_LINES:])
