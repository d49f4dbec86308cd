"""What `schedule.py` does: plan what is missing, show its cost, ask, submit it or run it here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import click

from nthrun.commands.schedule_tables import place_of, show_costs
from nthrun.commands.slurm_entry import run_task
from nthrun.commands.submission_request import SubmissionRequest
from nthrun.errors import DataFileError, RunFailedError, SlurmError, StorageError
from nthrun.planning.parents import require_parents
from nthrun.records.durable_file import ensure_directory, storage_error
from nthrun.records.listing import require_inside
from nthrun.scheduling.code_snapshot import (
    own_checkout,
    require_code_root,
    snapshot_name,
    take_snapshot,
)
from nthrun.scheduling.limits import Limits, read_limits, require_runnable
from nthrun.scheduling.pending import pending_runs
from nthrun.scheduling.plan import Plan, write_plan
from nthrun.scheduling.plan_draft import Choices, Draft, draft_plan
from nthrun.scheduling.project_code import require_importable
from nthrun.scheduling.slurm import Queue, has_slurm, read_queue
from nthrun.scheduling.submission import (
    log_pattern,
    pause,
    require_plain_paths,
    require_plain_scripts,
    scheduling_lock,
    script_of,
    submit_array,
)
from nthrun.specs.cluster_spec import ClusterSpec
from nthrun.specs.search.adaptive_sweep import require_tried
from nthrun.specs.trust import names_code
from nthrun.terminal import note, show, show_text

NO_LIMITS = Limits(10**9, None)


def submit(request: SubmissionRequest) -> int:
    """Submit the runs that are missing, or run them here where the cluster spec is local.

    Returns:
        0.

    Raises:
        RunFailedError: runs failed here; the other experiments were run all the same.
        NthrunError: bad input, no cluster, a refusal, a full disk.
        Abort: the question was answered with no.
    """
    cluster, options = request.cluster, request.options
    if request.checkout is not None:
        require_code_root(request.checkout)
    if not cluster.is_local:
        require_plain_paths(cluster, [experiment.root for experiment in request.experiments])
    drafts = _drafts(request)
    show_costs(drafts)
    chosen = [draft for draft in drafts if draft.plan.tasks]
    if options.dry_run:
        _show_scripts(chosen, request)
    if options.dry_run or not chosen:
        return 0
    if not options.yes:
        _ask(chosen)
    failure: RunFailedError | None = None
    for draft in chosen:
        try:
            _carry_out(draft, request)
        except RunFailedError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return 0


def _drafts(request: SubmissionRequest) -> list[Draft]:
    cluster, options = request.cluster, request.options
    queue, limits = _cluster_says(cluster, options.dry_run)
    drafts = []
    for experiment in request.experiments:
        spec, root, wanted = experiment.spec, experiment.root, experiment.wanted
        indices = wanted.selection.indices(spec.sweep.num_settings)
        require_tried(spec.sweep, indices, wanted.stage)
        pending = pending_runs(spec, root, wanted, queue, touch=not options.dry_run)
        require_parents(spec, pending.missing, root.parent)
        choices = Choices(options.backend, options.pack_lanes, limits)
        drafts.append(draft_plan(spec, pending, wanted, cluster, choices))
        if limits.free_tasks is not None:
            free = limits.free_tasks - len(drafts[-1].plan.tasks)
            limits = replace(limits, free_tasks=free)
        if not cluster.is_local:
            require_plain_scripts(drafts[-1].plan)
    return drafts


def _cluster_says(cluster: ClusterSpec, dry_run: bool) -> tuple[Queue | None, Limits]:
    """What is queued, and what may be.

    Raises:
        SlurmError: Slurm is needed and not here or does not answer, or no node could run a task.
    """
    if cluster.is_local:
        return queue_if_known(), NO_LIMITS
    if dry_run and (queue := queue_if_known()) is None:
        note("no Slurm answers here: what is queued, and the cluster's limits, are not known")
        return queue, Limits(cluster.integer("arrayLimit") or NO_LIMITS.array_tasks, None)
    queue = read_queue()
    require_runnable(cluster)
    return queue, read_limits(cluster, queue)


def queue_if_known() -> Queue | None:
    """What is queued; None where there is no Slurm, or it does not answer, which is said."""
    if not has_slurm():
        return None
    try:
        return read_queue()
    except SlurmError as error:
        note(f"{error.message}; what is queued or running there is not known")
        return None


def _show_scripts(drafts: Sequence[Draft], request: SubmissionRequest) -> None:
    for draft in drafts:
        if draft.plan.cluster.is_local:
            continue
        plan = _with_snapshots(draft.plan, request, lambda source, root: snapshot_name(source))
        for array in range(len(plan.arrays)):
            show_text(f"\n{script_of(plan, array)}".rstrip())


def _with_snapshots(
    plan: Plan, request: SubmissionRequest, take: Callable[[Path, Path], str]
) -> Plan:
    """A plan that says which snapshots its tasks run from.

    Args:
        take: gives the name of a snapshot of a folder in an experiment's directory.
    """
    checkout = request.checkout or own_checkout()
    code = take(checkout, plan.root) if checkout else ""
    within = checkout is not None and request.project.resolve() == checkout.resolve()
    own = names_code(plan.agent, plan.environment) and not within
    return replace(plan, code=code, project=take(request.project, plan.root) if own else "")


def _ask(drafts: Sequence[Draft]) -> None:
    """Ask whether to go on.

    Raises:
        UsageError: there is nobody to ask.
        Abort: the answer is no.
    """
    tasks = sum(len(draft.plan.tasks) for draft in drafts)
    doing = "run" if drafts[0].plan.cluster.is_local else "submit"
    if not sys.stdin.isatty():
        raise click.UsageError("nobody to ask, as stdin is no terminal: add --yes, or --dry-run")
    click.confirm(f"{doing} {tasks} task{'s' * (tasks != 1)}?", abort=True, err=True)


def _carry_out(draft: Draft, request: SubmissionRequest) -> None:
    """Submit a draft, or run it here.

    Raises:
        RunFailedError: runs failed here.
        DataFileError: another submission has come in between.
        StorageError: nothing can be written.
        SlurmError: Slurm refuses.
    """
    root = draft.pending.root
    require_inside(root)
    with scheduling_lock(root):
        queue = queue_if_known() if draft.plan.cluster.is_local else read_queue()
        now = pending_runs(draft.spec, root, draft.wanted, queue)
        if now.missing != draft.pending.missing:
            raise DataFileError(
                f"{place_of(root)}: what is missing has changed since it was shown",
                "give the same command again",
            )
        if not draft.plan.cluster.is_local:
            plan = _with_snapshots(draft.plan, request, take_snapshot)
            require_importable(plan)
            submit_arrays(plan)
            return
        write_plan(draft.plan)
        from nthrun.commands.local_plan import run_plan  # noqa: PLC0415 - imports torch

        # Its later tasks have no sign of life yet, so that only the lock tells others of them.
        run_plan(draft.plan)


def submit_arrays(plan: Plan) -> None:
    """Write a plan, then submit its arrays.

    Raises:
        SlurmError: Slurm refuses one; those before it stay submitted.
    """
    write_plan(plan)
    for number, array in enumerate(plan.arrays):
        if number:
            pause()
        try:
            job = _submit_array(plan, number)
        except (SlurmError, StorageError) as error:
            if number == 0:
                plan.path.unlink(missing_ok=True)
            submitted = sum(earlier.num_tasks for earlier in plan.arrays[:number])
            raise type(error)(
                f"{error.message} ({submitted} of {len(plan.tasks)} tasks were submitted before)",
                error.hint,
            ) from error
        tasks = f"{array.num_tasks} task{'s' * (array.num_tasks != 1)}"
        show(f"{place_of(plan.root)}: submitted job {job}: {tasks}")


def _submit_array(plan: Plan, array: int) -> str:
    """Make room for an array's logs and submit it; returns its job.

    Raises:
        StorageError: something cannot be written.
        SlurmError: Slurm refuses.
    """
    folder = log_pattern(plan, array).parent
    try:
        ensure_directory(folder)
        return submit_array(plan, array, run_task)
    except (SlurmError, StorageError):
        raise
    except OSError as error:
        raise storage_error(folder, error) from error
