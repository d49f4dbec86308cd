"""A task of a plan as a job of Slurm: it heeds signals, keeps time and queues what is left."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from nthrun.commands.task_runner import TIME_IS_UP, Ending, TaskAttempt
from nthrun.errors import SlurmError, SupersededError
from nthrun.scheduling.lease import REQUEUED, STOPPED, Clock
from nthrun.scheduling.plan import read_plan
from nthrun.scheduling.slurm import job_state, requeue, seconds_left
from nthrun.scheduling.submission import own_job, prune_own_files
from nthrun.terminal import note, show
from nthrun.training.progress import TrainingProgress
from nthrun.training.stopping import StopRequest

KILL_SECONDS = 90.0
"""What Slurm may take to end a task that it is to queue again."""
LOOK_SECONDS = 5.0


def run_task_of_slurm(plan_path: str, number: int) -> NoReturn:
    """Do a task of a plan within a job of Slurm, and exit.

    Args:
        plan_path: file of the plan.
        number: of the task.
    """
    plan = read_plan(Path(plan_path))
    limit, lead = plan.cluster.time_seconds, plan.cluster.integer("signalSeconds")
    job = own_job()
    clock = Clock(lambda: seconds_left(job), limit, lead)
    signal.signal(TIME_IS_UP, lambda _number, _frame: clock.warn())
    stop = StopRequest()
    stop.install_for_good([signal.SIGTERM, signal.SIGINT])
    attempt = TaskAttempt(plan, number, stop, clock)
    try:
        with TrainingProgress(attempt.total_run_steps) as progress:
            ending = attempt.run(progress)
    except SupersededError as error:
        note(error.message)
        sys.exit(0)
    show(f"task {number} of plan {plan.name}: {ending.reason}", sys.stderr)
    if ending.state == REQUEUED:
        ending = _queue_again(attempt, job, stop)
    elif ending.state == STOPPED and stop.signal_number:
        _wait_for_the_end(job, clock)
    elif not ending.state:
        prune_own_files()
    sys.exit(ending.exit_code)


def _queue_again(attempt: TaskAttempt, job: str, stop: StopRequest) -> Ending:
    """Ask Slurm to run the rest later; it ends this process for that."""
    assert attempt.lease is not None
    try:
        requeue(job)
    except SlurmError as error:
        reason = f"time is up and work is left, which Slurm does not queue again: {error.message}"
        attempt.lease.end(STOPPED, reason)
        note(f"{reason}; give the same schedule.py command again")
        return Ending(STOPPED, reason, 1)
    stop.wait(KILL_SECONDS)
    return Ending(REQUEUED, "queued again", 0)


def _wait_for_the_end(job: str, clock: Clock) -> None:
    """Stay until Slurm ends a task that it preempts, so that Slurm queues it again.

    A task that ended by itself meanwhile would count as done. A cancelled one is told apart by its
    state, and need not wait.
    """
    until = time.monotonic() + min(KILL_SECONDS, max(clock.seconds_left, 0.0))
    while time.monotonic() < until and job_state(job) == "RUNNING":
        time.sleep(LOOK_SECONDS)
