"""`nthrun logs`: what the task of an index has printed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from nthrun.commands.experiment_paths import experiments_at
from nthrun.commands.options import Command, debug_option
from nthrun.commands.program_output import is_of_programs, output_lines
from nthrun.commands.schedule_tables import place_of
from nthrun.errors import DataFileError
from nthrun.index import MAX_STAGE
from nthrun.records.experiment import is_experiment, open_experiment
from nthrun.scheduling.lease import RUNNING, Attempt, read_attempt
from nthrun.scheduling.plan import Plan, read_plans
from nthrun.scheduling.task_log import open_log
from nthrun.terminal import note, show

LOOK_SECONDS = 0.5
LINE_ENDS = re.compile(r"\r\n|\r|\n")
READ_BYTES = 1 << 16


@click.command(cls=Command)
@click.argument("directory", metavar="DIR")
@click.option("--index", type=int, required=True, metavar="I", help="Of which run.")
@click.option(
    "--stage", type=click.IntRange(0, MAX_STAGE), default=0, metavar="S", help="Its stage."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what the task prints, to its end.")
@debug_option
def logs(directory: str, index: int, stage: int, follow: bool, debug: bool) -> int:
    """Print what the last attempt at the task with index I of the experiment in DIR has printed.

    A task trains several runs, so that theirs stand there, too. When all of them are recorded the
    log is gone. Of a program it is what the run itself has printed, the last 64 KB, whether or not
    a task runs it, and its record keeps that.
    """
    [root, *others] = experiments_at(directory)
    if others:
        names = ", ".join(place_of(each) for each in (root, *others)[:5])
        raise DataFileError(f"{directory}: holds several experiments", f"name one of {names}")
    experiment = open_experiment(root) if is_experiment(root) else None
    if experiment is not None and is_of_programs(experiment):
        printed = output_lines(experiment, stage, index, follow)
        for line in printed or ():
            show(line)
        if printed is not None:
            return 0
    plan, task, attempt = _attempt(root, index, stage)
    opened = open_log(attempt, root)
    if isinstance(opened, str):
        raise DataFileError(f"{place_of(root)}: index {index}: {opened or 'it has no log'}")
    with opened as file:
        for line in _lines(file, plan.lease_path(task) if follow else None):
            show(line)
    return 0


def _attempt(root: Path, index: int, stage: int) -> tuple[Plan, int, Attempt]:
    """The last attempt at the newest task that has an index, with its plan and its number.

    Raises:
        DataFileError: there is none whose log is kept.
    """
    place = f"{place_of(root)}: index {index}"
    planned = False
    for plan in read_plans(root):
        numbers = [n for n, task in enumerate(plan.tasks) if index in task.indices]
        if plan.stage != stage or not numbers:
            continue
        planned = True
        attempt = read_attempt(plan.lease_path(numbers[0]))
        if attempt is not None:
            return plan, numbers[0], attempt
    recorded = is_experiment(root) and index in open_experiment(root).inventory().statuses(stage)
    if recorded:
        raise DataFileError(f"{place}: is recorded, and its task's log was removed with its end")
    if planned:
        raise DataFileError(f"{place}: its task has not begun", "`nthrun status` says why")
    raise DataFileError(f"{place}: was not scheduled", "`nthrun schedule` submits what is missing")


def _lines(file: BinaryIO, lease: Path | None) -> Iterator[str]:
    """The lines of a log; a progress bar's come one by one.

    Args:
        lease: of the attempt that writes it, which is waited for; None ends with what is there.
    """
    kept = ""
    while True:
        ended = lease is None or not _runs(lease)  # before reading, so that nothing comes after
        while content := file.read(READ_BYTES):
            *whole, kept = LINE_ENDS.split(kept + content.decode(errors="replace"))
            yield from whole
        if ended:
            break
        time.sleep(LOOK_SECONDS)
    if kept:
        yield kept


def _runs(lease: Path) -> bool:
    attempt = read_attempt(lease)
    if attempt is None or attempt.state != RUNNING:
        return False
    if not attempt.job and not attempt.is_alive(time.time()):
        note("its process is gone")
        return False
    return True
