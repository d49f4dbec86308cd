"""Failures: why runs are not recorded that nothing under way will do."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from nthrun.errors import DamagedFileError
from nthrun.records.experiment import Experiment
from nthrun.records.hdf5_file import naming_damage
from nthrun.records.schema import OMITTED_FROM_JSON
from nthrun.records.shard import OpenShards
from nthrun.scheduling.lease import Attempt, read_attempt
from nthrun.scheduling.plan import Plan
from nthrun.scheduling.slurm import Job, Place, read_accounting
from nthrun.scheduling.task_log import open_log
from nthrun.terminal import printable

TAIL_LINES = 5
TAIL_BYTES = 65_536
NEVER_SEEN = "it left the queue before it began, and Slurm keeps no account of why"
NOT_BEGUN = "planned, but not under way"
NOT_KNOWN = "submitted, and what became of it is not known, as Slurm does not answer"


@dataclass(frozen=True, slots=True)
class Failure:
    """Runs that are not done, and nothing under way will do them.

    Attributes:
        indices: which; every one was planned.
        reason: why.
        log: the end of what the task printed.
    """

    indices: tuple[int, ...]
    reason: str
    log: str = ""


def failed_runs(experiment: Experiment | None, stage: int, failed: set[int]) -> Iterator[Failure]:
    """Runs whose record is a failure, those of one reason together."""
    if experiment is None or not failed:
        return
    shards, reasons = OpenShards(experiment.manifest.num_settings), dict[str, list[int]]()
    inventory = experiment.inventory()
    for index in sorted(failed):
        [entry, *_] = inventory.entries[stage, index]
        try:
            with naming_damage(entry.path):
                reason = str(shards.run(entry.path, index, OMITTED_FROM_JSON)["reason"])
        except DamagedFileError as error:
            reason = f"unknown, its record cannot be read ({error.message})"
        reasons.setdefault(reason, []).append(index)
    for reason, indices in reasons.items():
        yield Failure(tuple(indices), f"the run failed: {reason}")


def failed_tasks(
    plans: Sequence[Plan], missing: set[int], slurm_answers: bool
) -> Iterator[Failure]:
    """What became of the tasks that were to do what is missing.

    Args:
        plans: newest first; the newest that has an index decides.
        missing: indices.
        slurm_answers: whether it is known what is queued.
    """
    unexplained = set(missing)
    for plan in plans:
        touched = {
            number: unexplained.intersection(task.indices)
            for number, task in enumerate(plan.tasks)
            if unexplained.intersection(task.indices)
        }
        if not touched:
            continue
        if not slurm_answers and not plan.cluster.is_local:
            indices = set().union(*touched.values())
            unexplained -= indices
            yield Failure(tuple(sorted(indices)), NOT_KNOWN)
            continue
        names = [plan.job_name(array) for array in range(len(plan.arrays))]
        accounts = {} if plan.cluster.is_local else read_accounting(names, _day_before(plan))
        for number, indices in touched.items():
            unexplained -= indices
            yield _failure(plan, number, indices, accounts)


def _failure(plan: Plan, number: int, indices: set[int], accounts: Mapping[Place, Job]) -> Failure:
    attempt = read_attempt(plan.lease_path(number))
    job = accounts.get((plan.name, *plan.place(number)))
    if attempt is None and plan.cluster.is_local:
        return Failure(tuple(sorted(indices)), NOT_BEGUN)
    return Failure(tuple(sorted(indices)), _reason(attempt, job), _tail(attempt, plan.root))


def _day_before(plan: Plan) -> str:
    """The day before a plan was made, which is named in UTC: accounting asks for local time. Of a
    plan whose name says no day it is one before all of them."""
    try:
        made = datetime.strptime(plan.name[:8], "%Y%m%d")
        return f"{made - timedelta(days=1):%Y-%m-%d}"
    except (ValueError, OverflowError):
        return "2000-01-01"


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


def _tail(attempt: Attempt | None, root: Path) -> str:
    """The last lines of what a task printed, or where it lies."""
    opened = open_log(attempt, root) if attempt is not None else ""
    if isinstance(opened, str):
        return opened
    try:
        with opened as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - TAIL_BYTES, 0))
            text = file.read(TAIL_BYTES).decode(errors="replace")
    except OSError:
        return ""
    lines = re.split(r"\r\n|\r|\n", text.rstrip())
    return "\n".join(printable(line) for line in lines[-TAIL_LINES:])
