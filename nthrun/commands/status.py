"""`schedule.py --status` and `--cancel`: what became of what was submitted."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from nthrun.commands.experiment_paths import experiments_at
from nthrun.commands.schedule_tables import duration, place_of, show_table
from nthrun.commands.submit import queue_if_known
from nthrun.errors import DataFileError
from nthrun.index import format_indices
from nthrun.scheduling.failures import age
from nthrun.scheduling.lease import end_process
from nthrun.scheduling.pending import ActiveTask, active_tasks
from nthrun.scheduling.plan import LOCK, PLANS, read_plans
from nthrun.scheduling.slurm import Queue, cancel_jobs, read_queue
from nthrun.scheduling.status import ExperimentStatus, StageStatus, experiment_status
from nthrun.terminal import complain, note, show

SHOWN_TASKS = 20
HEADERS = (
    *("experiment", "stage", "expected", "recorded", "diverged"),
    *("running", "queued", "failed", "missing", "left"),
)


def status(save_dirs: Sequence[str]) -> int:
    """Show the state of experiments; what cannot be read of them is named, and the rest shown.

    Returns:
        0, or 1 where something cannot be read.

    Raises:
        DataFileError: there is no experiment, or no manifest can be read.
    """
    queue = queue_if_known()
    found, failures = _found(list(_experiments(save_dirs)), queue)
    if failures and not found:
        raise failures[0]
    stages = [stage for experiment in found for stage in experiment.stages]
    show_table(HEADERS, [_row(stage) for stage in stages])
    for stage in stages:
        for line in _details(stage):
            show(line)
    unreadable = [file for experiment in found for file in experiment.unreadable]
    for path, problem in unreadable:
        complain(f"could not read {path}: {problem}")
    for failure in failures:
        complain(str(failure))
    return 1 if unreadable or failures else 0


def _found(
    roots: Sequence[Path], queue: Queue | None
) -> tuple[list[ExperimentStatus], list[DataFileError]]:
    """The status of experiments, and why others have none."""
    found: list[ExperimentStatus] = []
    failures: list[DataFileError] = []
    for root in roots:
        try:
            found.append(experiment_status(root, queue))
        except DataFileError as error:
            failures.append(error)
    return found, failures


def cancel(save_dirs: Sequence[str], yes: bool) -> int:
    """End what is queued or running; what it has done is kept.

    Returns:
        0.

    Raises:
        SlurmError: Slurm does not answer or refuses.
        Abort: the question was answered with no.
    """
    roots = list(_experiments(save_dirs))
    needed = any(not plan.cluster.is_local for root in roots for plan in read_plans(root))
    queue = read_queue() if needed else None
    tasks = [task for root in roots for task in active_tasks(root, queue)]
    if not tasks:
        show("nothing is queued or running")
        return 0
    plural = "s" * (len(tasks) != 1)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody to ask, as stdin is no terminal: add --yes")
        click.confirm(f"cancel {len(tasks)} task{plural}?", abort=True, err=True)
    jobs = [task.job.id for task in tasks if task.job is not None and _is_of_plan(task)]
    cancel_jobs(jobs)
    num_ended = len(jobs) + sum(_end_here(task) for task in tasks if task.job is None)
    plural = "s" * (num_ended != 1)
    show(f"cancelled {num_ended} task{plural}; running ones save their state before they end")
    return 0


def _is_of_plan(task: ActiveTask) -> bool:
    """Whether a job is of this plan, and not of one of its name that lies in another directory.

    A copy of an experiment has the same plans; their jobs are the original's.
    """
    assert task.job is not None
    origin = Path(task.job.origin)
    try:
        if not origin.is_absolute() or not (origin / PLANS / task.plan.path.name).is_file():
            return True
        if origin.samefile(task.plan.root):
            return True
    except OSError:
        return True
    note(f"job {task.job.id} is of the same plan in {origin}: cancel it there")
    return False


def _end_here(task: ActiveTask) -> bool:
    """End an attempt that runs without Slurm; whether that was done."""
    attempt = task.attempt
    if attempt is None:
        return False
    if attempt.host != platform.node():
        note(f"a task runs on {attempt.host} without Slurm: end its process {attempt.pid} there")
        return False
    ended = end_process(attempt.pid, attempt.birth, task.plan.root / LOCK)
    if not ended:
        note(f"process {attempt.pid} is not one that works on {task.plan.root}; not ended")
    return ended


def _experiments(save_dirs: Sequence[str]) -> Iterator[Path]:
    for save_dir in save_dirs:
        yield from experiments_at(save_dir)


def _row(stage: StageStatus) -> list[str]:
    left = "" if stage.seconds_left is None else duration(stage.seconds_left)
    numbers = (
        stage.num_expected,
        stage.num_recorded,
        stage.num_diverged,
        stage.num_running,
        stage.num_queued,
        stage.num_failed,
        stage.num_missing,
    )
    return [place_of(stage.root), str(stage.stage), *(f"{n:,}" for n in numbers), left]


def _details(stage: StageStatus) -> Iterator[str]:
    place = place_of(stage.root)
    for task in stage.running[:SHOWN_TASKS]:
        yield f"{place}: {_running(task)}"
    if len(stage.running) > SHOWN_TASKS:
        yield f"{place}: and {len(stage.running) - SHOWN_TASKS} more running tasks"
    for reason, number in sorted(stage.reasons.items()):
        yield f"{place}: {number} task{' waits' if number == 1 else 's wait'}: {reason}"
    for failure in stage.failures:
        yield f"{place}: index {format_indices(failure.indices)}: {failure.reason}"
        yield from (f"    | {line}" for line in failure.log.splitlines())


def _running(task: ActiveTask) -> str:
    attempt = task.attempt
    if attempt is None:
        return f"task {task.number}, {_where(task)}: starting"
    done = attempt.done_run_steps / max(attempt.total_run_steps, 1)
    seen = age(attempt.seen)
    return f"task {task.number}, {_where(task)}: {done:.0%} done, last sign of life {seen} ago"


def _where(task: ActiveTask) -> str:
    """Where a task runs: by Slurm, by its own word, or on this machine."""
    if task.job is not None:
        return f"job {task.job.id} on {task.job.node}"
    if task.attempt is not None and task.attempt.job:
        return f"job {task.attempt.job} on {task.attempt.host}"
    return "here"
