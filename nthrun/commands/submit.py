"""Submitting what is missing: survey, draft, cost, question, snapshot, arrays."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from nthrun.commands.experiment_opening import with_suggestions
from nthrun.commands.request import pack_lanes
from nthrun.commands.schedule_tables import place_of, show_costs
from nthrun.commands.submit_arrays import submit_arrays
from nthrun.errors import DataFileError, RunFailedError, SlurmError
from nthrun.planning.experiment_spec import ExperimentSpec, read_experiment_spec
from nthrun.scheduling.drafting import Choices, Draft, draft_plan
from nthrun.scheduling.limits import Limits, read_limits, require_runnable
from nthrun.scheduling.locking import scheduling_lock
from nthrun.scheduling.plan import write_plan
from nthrun.scheduling.slurm import Queue, has_slurm, read_queue
from nthrun.scheduling.snapshot import ENTRY, require_code_root, snapshot_name, take_snapshot
from nthrun.scheduling.submission import script_of
from nthrun.scheduling.survey import Asked, take_survey
from nthrun.specs.cluster_spec import ClusterSpec, read_cluster_spec
from nthrun.specs.documents import ENVIRONMENT, of_spec, parse_overrides
from nthrun.specs.search.adaptive_sweep import require_tried
from nthrun.specs.search.search_spec import BAYES
from nthrun.specs.selection import select
from nthrun.specs.solver_limits import require_solvable
from nthrun.training.progress import note

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
        num_runs, settings, where: which runs, see `select`.
        fields: of the specs, given on the command line.
        stage: of every run.
        retry_failed: whether failed runs are run again.
        backend: "auto", "compile" or "eager".
        pack: "auto" or lanes of a pack at most.
        yes: whether nothing is asked.
        dry_run: whether nothing is touched.
    """

    cluster: str
    overrides: dict[str, object]
    executable: str
    root: str
    environment: str
    save_dir: str
    agents: tuple[str, ...]
    num_runs: int
    settings: str | None
    where: tuple[str, ...]
    fields: tuple[str, ...]
    stage: int
    retry_failed: bool
    backend: str
    pack: str
    yes: bool
    dry_run: bool

    def asked(self, spec: ExperimentSpec) -> Asked:
        """Which runs of an experiment.

        Raises:
            IndexSpecError: it has no such settings.
        """
        space = spec.agent.space
        selection = select(spec.sweep, space, self.num_runs, self.settings, self.where)
        return Asked(selection, self.stage, self.retry_failed)


def submit(wanted: Submission) -> int:
    """Submit the runs that are missing, or run them here where the cluster spec is local.

    Returns:
        0.

    Raises:
        RunFailedError: runs failed here; the other experiments were run all the same.
        NthrunError: bad input, no cluster, a refusal, a full disk.
        Abort: the question was answered with no.
    """
    cluster = _own_account(read_cluster_spec(wanted.cluster, wanted.overrides))
    if Path(wanted.executable).name != ENTRY:
        raise click.UsageError(f"{wanted.executable}: the executable must be {ENTRY}")
    require_code_root(Path(wanted.root))
    specs = _specs(wanted)
    drafts = _drafts(wanted, cluster, specs)
    show_costs(drafts)
    chosen = [draft for draft in drafts if draft.plan.tasks]
    if wanted.dry_run:
        _show_scripts(chosen, snapshot_name(Path(wanted.root)))
    if wanted.dry_run or not chosen:
        return 0
    if not wanted.yes:
        _ask(chosen)
    failure: RunFailedError | None = None
    for draft in chosen:
        try:
            _carry_out(draft, wanted)
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


def _specs(wanted: Submission) -> dict[Path, ExperimentSpec]:
    """The experiments, by directory.

    Raises:
        SpecError: a fault of a spec.
        UnsupportedOperationError: a solver is to be compiled.
        DataFileError: two agent files belong into one directory.
    """
    specs: dict[Path, ExperimentSpec] = {}
    overrides = parse_overrides(wanted.fields)
    for agent in wanted.agents:
        spec = read_experiment_spec([wanted.environment], [agent], overrides)
        declared, asked, files = spec.agent.declaration, wanted.backend, [wanted.environment]
        own = of_spec(overrides, ENVIRONMENT)
        if spec.agent.search.method == BAYES:
            spec = with_suggestions(spec, wanted.save_dir)
        require_solvable(declared, spec.environment, files, asked, own)
        root = spec.directory(wanted.save_dir).absolute()
        if root in specs:
            raise DataFileError(
                f"{agent}: belongs into {place_of(root)}, as another agent file of this command",
                "give them different save dirs, in commands of their own",
            )
        specs[root] = spec
    return specs


def _drafts(
    wanted: Submission, cluster: ClusterSpec, specs: dict[Path, ExperimentSpec]
) -> list[Draft]:
    queue, limits = _cluster_says(cluster, wanted.dry_run)
    drafts = []
    for root, spec in specs.items():
        asked = wanted.asked(spec)
        indices = asked.selection.indices(spec.sweep.num_settings)
        require_tried(spec.sweep, indices, asked.stage)
        survey = take_survey(spec, root, asked, queue, touch=not wanted.dry_run)
        choices = Choices(wanted.backend, pack_lanes(wanted.pack), limits)
        drafts.append(draft_plan(spec, survey, asked, cluster, choices))
        if limits.free_tasks is not None:
            free = limits.free_tasks - len(drafts[-1].plan.tasks)
            limits = replace(limits, free_tasks=free)
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
            print(f"\n{script_of(plan, array)}".rstrip())


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


def _carry_out(draft: Draft, wanted: Submission) -> None:
    """Submit a draft, or run it here.

    Raises:
        RunFailedError: runs failed here.
        DataFileError: another submission has come in between.
        StorageError: nothing can be written.
        SlurmError: Slurm refuses.
    """
    root = draft.survey.root
    with scheduling_lock(root):
        queue = queue_if_known() if draft.plan.cluster.is_local else read_queue()
        now = take_survey(draft.spec, root, wanted.asked(draft.spec), queue)
        if now.missing != draft.survey.missing:
            raise DataFileError(
                f"{place_of(root)}: what is missing has changed since it was shown",
                "give the same command again",
            )
        if not draft.plan.cluster.is_local:
            submit_arrays(replace(draft.plan, code=take_snapshot(Path(wanted.root), root)))
            return
        write_plan(draft.plan)
        from nthrun.commands.local_plan import run_plan  # noqa: PLC0415 - imports torch

        # Its later tasks have no sign of life yet, so that only the lock tells others of them.
        run_plan(draft.plan)
