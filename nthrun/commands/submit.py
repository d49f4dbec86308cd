"""What `schedule.py` does: plan what is missing, show its cost, ask, submit it or run it here."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nthrun.commands.experiment_opening import with_suggestions
from nthrun.commands.schedule_tables import place_of, show_costs
from nthrun.commands.slurm_entry import run_task
from nthrun.errors import DataFileError, Fault, RunFailedError, SlurmError, SpecError, StorageError
from nthrun.planning.experiment_spec import ExperimentSpec, read_experiment_spec
from nthrun.planning.parents import require_parents
from nthrun.records.durable_file import ensure_directory, storage_error
from nthrun.records.listing import require_inside
from nthrun.scheduling.code_snapshot import ENTRY, require_code_root, snapshot_name, take_snapshot
from nthrun.scheduling.limits import Limits, read_limits, require_runnable
from nthrun.scheduling.pending import WantedRuns, pending_runs
from nthrun.scheduling.plan import Plan, write_plan
from nthrun.scheduling.plan_draft import Choices, Draft, draft_plan
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
from nthrun.specs.cluster_spec import ClusterSpec, read_cluster_spec
from nthrun.specs.documents import ENVIRONMENT, of_spec, parse_overrides
from nthrun.specs.project import find_project, use_project
from nthrun.specs.search.adaptive_sweep import require_tried
from nthrun.specs.search.search_spec import BAYES
from nthrun.specs.selection import select
from nthrun.specs.solver_limits import require_solvable
from nthrun.terminal import note, show, show_text

if TYPE_CHECKING:
    from nthrun.commands.schedule import ScheduleOptions

ONE_FILE = "what main.py merges of several agent files, write into one"
NO_LIMITS = Limits(10**9, None)


@dataclass(frozen=True, slots=True)
class Submission:
    """What a command line of `schedule.py` asks for.

    Attributes:
        cluster: file of the cluster spec.
        overrides: its fields given on the command line.
        executable, root: the entry point, which must be main.py, and the checkout it is in.
        environment, agents: files of the specs; each agent is an experiment.
        save_dir: see `experiment_directory`.
        num_runs: of each setting.
        stage: of every run.
        options: which settings, and how they are run.
    """

    cluster: str
    overrides: dict[str, object]
    executable: str
    root: str
    environment: str
    save_dir: str
    agents: tuple[str, ...]
    num_runs: int
    stage: int
    options: ScheduleOptions

    def wanted(self, spec: ExperimentSpec) -> WantedRuns:
        """Which runs of an experiment.

        Raises:
            IndexSpecError: it has no such settings.
        """
        space, options = spec.agent.space, self.options
        selection = select(spec.sweep, space, self.num_runs, options.settings, options.where)
        return WantedRuns(selection, self.stage, options.retry_failed)


def submit(submission: Submission) -> int:
    """Submit the runs that are missing, or run them here where the cluster spec is local.

    Returns:
        0.

    Raises:
        RunFailedError: runs failed here; the other experiments were run all the same.
        NthrunError: bad input, no cluster, a refusal, a full disk.
        Abort: the question was answered with no.
    """
    cluster = _own_account(read_cluster_spec(submission.cluster, submission.overrides))
    for line in cluster.notes:
        note(f"{submission.cluster}: {line}")
    if Path(submission.executable).name != ENTRY:
        raise click.UsageError(f"{submission.executable}: the executable must be {ENTRY}")
    require_code_root(Path(submission.root))
    files = (submission.environment, *submission.agents)
    use_project(find_project(files, submission.options.project))
    specs = _specs(submission)
    if not cluster.is_local:
        require_plain_paths(cluster, specs)
    drafts = _drafts(submission, cluster, specs)
    show_costs(drafts)
    chosen = [draft for draft in drafts if draft.plan.tasks]
    if submission.options.dry_run:
        _show_scripts(chosen, snapshot_name(Path(submission.root)))
    if submission.options.dry_run or not chosen:
        return 0
    if not submission.options.yes:
        _ask(chosen)
    failure: RunFailedError | None = None
    for draft in chosen:
        try:
            _carry_out(draft, submission)
        except RunFailedError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return 0


def _own_account(cluster: ClusterSpec) -> ClusterSpec:
    """A cluster spec that names no account takes the user's $SBATCH_ACCOUNT, as sbatch would."""
    account = os.environ.get("SBATCH_ACCOUNT", "")
    if cluster.text("account") or not account:
        return cluster
    return replace(cluster, values={**cluster.values, "account": account})


def _specs(submission: Submission) -> dict[Path, ExperimentSpec]:
    """The experiments, by directory.

    Raises:
        SpecError: a fault of a spec.
        UnsupportedOperationError: a solver is to be compiled.
        DataFileError: two agent files belong into one directory.
    """
    specs: dict[Path, ExperimentSpec] = {}
    overrides = parse_overrides(submission.options.fields)
    for agent in submission.agents:
        try:
            spec = read_experiment_spec([submission.environment], [agent], overrides)
        except SpecError as error:
            raise SpecError(_apart(error.faults, agent, submission)) from error
        files = [submission.environment]
        own = of_spec(overrides, ENVIRONMENT)
        if spec.agent.search.method == BAYES:
            spec = with_suggestions(spec, submission.save_dir)
        backend = submission.options.backend
        require_solvable(spec.agent.declaration, spec.environment, files, backend, own)
        root = spec.directory(submission.save_dir).absolute()
        if root in specs:
            raise DataFileError(
                f"{agent}: belongs into {place_of(root)}, as another agent file of this command",
                f"give them different save dirs, in commands of their own; {ONE_FILE}",
            )
        for line in spec.notes:
            note(f"{agent}: {line}")
        specs[root] = spec
    return specs


def _apart(faults: Sequence[Fault], agent: str, submission: Submission) -> list[Fault]:
    """Faults with a hint where an agent file of several is no whole one."""
    hint = f"each agent file here is an experiment of its own: {ONE_FILE}"
    several = len(submission.agents) > 1
    return [
        replace(fault, hint=hint)
        if several and fault.file == agent and fault.problem.startswith("missing")
        else fault
        for fault in faults
    ]


def _drafts(
    submission: Submission, cluster: ClusterSpec, specs: dict[Path, ExperimentSpec]
) -> list[Draft]:
    queue, limits = _cluster_says(cluster, submission.options.dry_run)
    drafts = []
    for root, spec in specs.items():
        wanted = submission.wanted(spec)
        indices = wanted.selection.indices(spec.sweep.num_settings)
        require_tried(spec.sweep, indices, wanted.stage)
        pending = pending_runs(spec, root, wanted, queue, touch=not submission.options.dry_run)
        require_parents(spec, pending.missing, root.parent)
        choices = Choices(submission.options.backend, submission.options.pack_lanes, limits)
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


def _show_scripts(drafts: Sequence[Draft], code: str) -> None:
    for draft in drafts:
        if draft.plan.cluster.is_local:
            continue
        plan = replace(draft.plan, code=code)
        for array in range(len(plan.arrays)):
            show_text(f"\n{script_of(plan, array)}".rstrip())


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


def _carry_out(draft: Draft, submission: Submission) -> None:
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
        now = pending_runs(draft.spec, root, submission.wanted(draft.spec), queue)
        if now.missing != draft.pending.missing:
            raise DataFileError(
                f"{place_of(root)}: what is missing has changed since it was shown",
                "give the same command again",
            )
        if not draft.plan.cluster.is_local:
            submit_arrays(replace(draft.plan, code=take_snapshot(Path(submission.root), root)))
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
