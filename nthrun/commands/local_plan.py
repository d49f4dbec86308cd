"""A plan run on this machine: the same tasks, one after the other, without Slurm."""

from __future__ import annotations

import math
import signal

from nthrun.commands.task_runner import TaskAttempt
from nthrun.errors import InterruptedRunError, RunFailedError
from nthrun.scheduling.lease import Clock
from nthrun.scheduling.plan import Plan
from nthrun.terminal import note
from nthrun.training.progress import TrainingProgress
from nthrun.training.stopping import StopRequest


def run_plan(plan: Plan) -> None:
    """Do the tasks of a plan.

    Raises:
        RunFailedError: a task ended with work left.
        InterruptedRunError: a signal came; the same command continues.
    """
    stop = StopRequest()
    stop.install([signal.SIGINT, signal.SIGTERM])
    clock = Clock(lambda: math.inf, None, 0.0)
    failed = []
    for number in range(len(plan.tasks)):
        attempt = TaskAttempt(plan, number, stop, clock)
        with TrainingProgress(attempt.total_run_steps) as progress:
            ending = attempt.run(progress)
        if stop.signal_number:
            raise InterruptedRunError(
                f"stopped by signal {stop.signal_number}; the same command continues",
                stop.signal_number,
            )
        if ending.state:
            failed.append(number)
            note(f"task {number}: {ending.reason}")
    if failed:
        raise RunFailedError(
            f"{len(failed)} of {len(plan.tasks)} tasks ended with work left or failed runs",
            "the notes above say why; the same command tries what is left again",
        )
