"""Training from the command line: what is missing, in groups, here or by workers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click
import torch

from nthrun.commands.experiment_opening import open_for
from nthrun.commands.group import surroundings, train_group
from nthrun.commands.scoreboard import Scoreboard
from nthrun.commands.worker import Job
from nthrun.commands.worker_pool import Oversight, WorkerPool
from nthrun.commands.worker_process import Places, visible_gpus
from nthrun.errors import RunFailedError
from nthrun.index import format_indices
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.packs import plan_groups
from nthrun.planning.width import planned_width, workers_here
from nthrun.records.data import open_directory
from nthrun.records.experiment import Experiment
from nthrun.training.monitor import Monitor
from nthrun.training.progress import News, Recorded, Report, TrainingProgress, note
from nthrun.training.stopping import StopRequest

if TYPE_CHECKING:
    from nthrun.commands.request import Request


def train(spec: ExperimentSpec, request: Request) -> int:
    """Train every index asked for that is not recorded yet.

    Returns:
        0.

    Raises:
        RunFailedError: a run failed, now or before, or its worker died twice.
        NthrunError: bad input, a full disk, or an interruption.
    """
    experiment = open_for(spec, request)
    missing, failed = _missing(experiment, request)
    lost: list[int] = []
    if missing:
        groups = plan(spec, experiment, request, missing)
        job = Job(spec, experiment, replace(request, indices=()))  # the groups hold them
        several = len({spec.sweep.locate(index)[0] for index in request.indices}) > 1
        board = Scoreboard(spec.agent.search, len(missing)) if several else None
        total_steps = len(missing) * spec.environment.total_timesteps
        with TrainingProgress(total_steps, board) as progress:

            def report(news: News, worker: int = 0) -> None:
                if board is not None:
                    board.count(news, worker)
                progress.show(news, worker)
                if isinstance(news, Recorded) and news.failed:
                    failed.append(news.index)

            if min(request.workers, len(groups)) > 1:
                stop = StopRequest()
                stop.install()
                workers = WorkerPool(job, Places(gpus(experiment)), Oversight(stop, report))
                lost = workers.train(groups, request.workers)
            else:
                _train_here(groups, job, report)
        if board is not None:
            from nthrun.commands.summary_file import report_summary  # noqa: PLC0415 - imports scipy

            for line in report_summary(open_directory(experiment), experiment.root, request.stage):
                click.echo(line)
    _require_all(failed, lost)
    return 0


def plan(
    spec: ExperimentSpec, experiment: Experiment, request: Request, indices: Sequence[int]
) -> list[list[int]]:
    """Groups of indices that train together on this machine.

    Raises:
        PlanError: not even one run fits in memory.
    """
    manifest = experiment.manifest
    workers = workers_here(manifest.device, manifest.backend, request.workers)
    width = planned_width(spec, workers, len(indices), request.pack)
    return list(plan_groups(spec, indices, width))


def _missing(experiment: Experiment, request: Request) -> tuple[list[int], list[int]]:
    """The indices to train, and those skipped because they failed before."""
    inventory = experiment.inventory()
    for path, problem in inventory.unreadable:
        note(f"{path}: {problem}; not counted as recorded")
    if request.overwrite:
        return list(request.indices), []
    missing = inventory.missing(request.indices, request.stage, request.retry_failed)
    statuses = inventory.statuses(request.stage)
    skipped: dict[str, list[int]] = {}
    for index in sorted(set(request.indices).difference(missing)):
        skipped.setdefault(statuses[index], []).append(index)
    for status, indices in skipped.items():
        option = "--retry-failed" if status == "failed" else "--overwrite"
        names = format_indices(indices)
        note(f"index {names}: recorded as {status}, skipped; {option} runs them again")
    return missing, skipped.get("failed", [])


def _train_here(groups: list[list[int]], job: Job, report: Report) -> None:
    """Train groups in this process, one after the other."""
    around = surroundings(job.spec, job.experiment)
    around.stop.install()
    if job.request.monitor_after is not None:
        around.on_step = Monitor(job.spec.environment, job.request.monitor_after).show
    for group in groups:
        train_group(group, around, job.request, report)


def gpus(experiment: Experiment) -> list[str]:
    """The GPUs to share out among workers; none on the CPU."""
    if experiment.manifest.device != "cuda":
        return []
    return visible_gpus(os.environ, torch.cuda.device_count())


def _require_all(failed: list[int], lost: list[int]) -> None:
    """Check that every run was completed.

    Raises:
        RunFailedError: some failed, or were lost with their workers.
    """
    messages, hints = [], []
    if lost:
        messages.append(f"not finished: index {format_indices(lost)}, whose worker died twice")
        hints.append(
            "the same command continues from their checkpoints; where memory ran out, "
            "fewer --workers or a smaller --pack need less"
        )
    if failed:
        messages.append(f"failed: index {format_indices(failed)}")
        hints.append("their records hold the reason; --retry-failed runs them again")
    if messages:
        raise RunFailedError("; ".join(messages), "; ".join(hints))
