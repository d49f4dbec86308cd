"""Training from the command line: what is missing, in packs, here or by workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from nthrun.commands.experiment_opening import open_for
from nthrun.commands.scoreboard import Scoreboard, recorded_news
from nthrun.commands.worker import Job
from nthrun.commands.worker_pool import Oversight, WorkerPool
from nthrun.commands.worker_process import Placements, visible_gpus
from nthrun.errors import RunFailedError
from nthrun.index import format_indices
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.planning.machine import free_gpu_bytes
from nthrun.planning.packs import packs_of_indices
from nthrun.planning.parents import require_parents
from nthrun.planning.width import planned_width, workers_here
from nthrun.programs.context import ProgramContext
from nthrun.records.data import open_directory
from nthrun.records.durable_file import require_writable
from nthrun.records.experiment import Experiment
from nthrun.records.inventory import Inventory
from nthrun.scheduling.slurm import is_login_node
from nthrun.specs.cluster_spec import usable_cores
from nthrun.studies.pruning import pruner_of
from nthrun.studies.study import with_suggested_settings
from nthrun.terminal import note, show, warn
from nthrun.training.progress import News, Recorded, Report, TrainingProgress
from nthrun.training.requests import PackRequest, PruningRule, write_freely
from nthrun.training.stopping import StopRequest

if TYPE_CHECKING:
    from nthrun.commands.request import Request
    from nthrun.training.context import OnStep

LOGIN_NODE = (
    "this looks like the login node of a cluster (Slurm is here, and runs no jobs here), where "
    "others work; nthrun schedule --cluster NAME with the same options submits it"
)
TrainNext = Callable[[Sequence[int], Inventory | None], Inventory]
"""A function of indices and what is known to be recorded, which it gives again afterwards."""


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
        if is_login_node():
            warn(LOGIN_NODE)
        require_parents(spec, missing, experiment.root.parent)
        require_writable(experiment.runs)
        packs = plan(spec, experiment, request, missing)
        job = Job(spec, experiment, replace(request, indices=()))  # the packs hold them
        several = len({spec.sweep.locate(index)[0] for index in request.indices}) > 1
        board = Scoreboard(experiment, request.stage, len(missing)) if several else None
        total_steps = len(missing) * spec.environment.total_timesteps
        with TrainingProgress(total_steps, board) as progress:

            def report(news: News, worker: int = 0) -> None:
                if board is not None:
                    board.count(news, worker)
                    if progress.live and isinstance(news, Recorded):
                        board.look(at_once=board.done + board.failed == len(missing))
                progress.show(news, worker)
                if isinstance(news, Recorded) and news.failed:
                    failed.append(news.index)

            stop = StopRequest()
            stop.install()
            if min(request.workers, len(packs)) > 1:
                workers = WorkerPool(
                    job, Placements(gpus(spec, experiment)), Oversight(stop, report)
                )
                lost = workers.train(packs, request.workers)
            else:
                train_here(job, packs, stop, report, _viewer(job))
        if board is not None:
            from nthrun.commands.summary_file import report_summary  # noqa: PLC0415 - imports scipy

            for line in report_summary(open_directory(experiment), experiment.root, request.stage):
                show(line)
    _require_all(failed, lost, _standing(experiment, request.stage, failed))
    return 0


def plan(
    spec: ExperimentSpec, experiment: Experiment, request: Request, indices: Sequence[int]
) -> list[list[int]]:
    """The packs of indices that train together on this machine.

    Raises:
        PlanError: not even one run fits in memory.
    """
    manifest = experiment.manifest
    workers = workers_here(manifest.device, manifest.backend, request.workers)
    width = planned_width(spec, workers, len(indices), request.pack)
    return list(packs_of_indices(spec, indices, width))


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


def train_here(
    job: Job,
    packs: Iterable[list[int]],
    stop: StopRequest,
    report: Report,
    on_step: OnStep | None = None,
) -> None:
    """Train packs in this process, one after the other, or run programs from it.

    Args:
        job: what the packs belong to.
        packs: each is asked for once the one before is recorded.
        stop: ends training after the block in which it is set.
        report: called with what happens.
        on_step: called with the state after each step.

    Raises:
        NthrunError: a full disk, or an interruption.
    """
    train = _program_trainer if job.spec.agent.program is not None else _agent_trainer
    train_next = train(job, stop, report, on_step)
    inventory = None
    for indices in packs:
        inventory = train_next(indices, inventory)


def _agent_trainer(
    job: Job, stop: StopRequest, report: Report, on_step: OnStep | None
) -> TrainNext:
    """What trains a pack of an agent's."""
    from nthrun.training.context import make_context  # noqa: PLC0415 - imports torch
    from nthrun.training.pack_training import train_pack  # noqa: PLC0415

    experiment, manifest = job.experiment, job.experiment.manifest
    context = replace(
        make_context(job.spec, manifest.backend, manifest.device, manifest.threads),
        experiment=experiment,
        root=experiment.root.parent,
        stop=stop,
        report=report,
        on_step=on_step,
        should_prune=_pruning_rule(job),
        before_writing=write_freely if job.fence is None else job.fence.require,
    )
    request = _pack_request(job)
    return lambda indices, inventory: train_pack(indices, context, request, inventory)


def _program_trainer(
    job: Job, stop: StopRequest, report: Report, on_step: OnStep | None
) -> TrainNext:
    """What runs a program; nothing draws its steps."""
    from nthrun.programs.program_runs import run_programs  # noqa: PLC0415 - not for agents

    context = ProgramContext(
        job.spec,
        job.experiment.manifest.device,
        job.experiment,
        stop,
        report,
        _pruning_rule(job),
        write_freely if job.fence is None else job.fence.require,
        job.grace_seconds,
        usable_cores() // job.request.workers if job.request.workers > 1 else 0,
    )
    request = _pack_request(job)
    return lambda indices, inventory: run_programs(indices, context, request, inventory)


def _pruning_rule(job: Job) -> PruningRule | None:
    pruner = pruner_of(job.spec, job.experiment, job.request.stage)
    return None if pruner is None else pruner.should_prune


def _pack_request(job: Job) -> PackRequest:
    """What a command asks of each pack."""
    spec, request = job.spec, job.request
    return PackRequest(
        request.stage,
        request.overwrite,
        request.retry_failed,
        know=partial(with_suggested_settings, spec, job.experiment, stage=request.stage),
        announce=partial(recorded_news, spec),
    )


def _viewer(job: Job) -> OnStep | None:
    """What draws each step, where that is asked for."""
    after = job.request.monitor_after
    if after is None:
        return None
    from nthrun.training.monitor import Monitor  # noqa: PLC0415 - imports torch

    return Monitor(job.spec.environment, after).show


def gpus(spec: ExperimentSpec, experiment: Experiment) -> list[str]:
    """The GPUs to share out among workers; none on the CPU."""
    if experiment.manifest.device != "cuda":
        return []
    if spec.agent.program is not None:
        return visible_gpus(os.environ, len(free_gpu_bytes()) or 1)
    import torch  # noqa: PLC0415 - programs need none

    return visible_gpus(os.environ, torch.cuda.device_count())


def _standing(experiment: Experiment, stage: int, failed: Sequence[int]) -> list[int]:
    """Of runs that failed, those with an earlier record, which a failed run does not replace."""
    statuses = experiment.inventory().statuses(stage) if failed else {}
    return [index for index in failed if statuses.get(index, "failed") != "failed"]


def _require_all(failed: list[int], lost: list[int], standing: Collection[int]) -> None:
    """Check that every run was completed.

    Args:
        failed: indices of runs that failed, now or before.
        lost: of runs whose worker died twice.
        standing: those of the failed ones that have an earlier record.

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
    if standing:
        hints.append(
            f"the earlier records of index {format_indices(standing)} stand, as a failed run "
            "replaces none; mend the cause, then --overwrite runs them again"
        )
    if len(standing) < len(failed):
        hints.append("their records hold the reason; --retry-failed runs them again")
    if messages:
        raise RunFailedError("; ".join(messages), "; ".join(hints))
