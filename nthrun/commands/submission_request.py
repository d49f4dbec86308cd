"""What a command line of `schedule.py` asks for: experiments, which runs of each, and where.

Experiments are named by the specs' files, as `main.py` takes them; by the six positions; or by a
directory that already has one, of which it is asked to finish what plans have asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nthrun.commands.experiment_opening import with_suggestions
from nthrun.commands.experiment_paths import experiments_at
from nthrun.commands.request import refuse_contradictions
from nthrun.commands.schedule_tables import place_of
from nthrun.errors import DataFileError, Fault, SpecError
from nthrun.index import format_indices, parse_indices
from nthrun.planning.experiment_spec import ExperimentSpec, experiment_spec_of, read_experiment_spec
from nthrun.records.experiment import is_experiment, open_experiment
from nthrun.scheduling.pending import WantedRuns
from nthrun.scheduling.plan import Plan, read_plans
from nthrun.specs.cluster_spec import ClusterSpec, read_cluster_spec
from nthrun.specs.documents import ENVIRONMENT, of_spec
from nthrun.specs.project import find_project, use_project
from nthrun.specs.search.search_spec import BAYES
from nthrun.specs.selection import Selection, select
from nthrun.specs.solver_limits import require_solvable
from nthrun.specs.trust import Trust, may_run
from nthrun.terminal import note

if TYPE_CHECKING:
    from nthrun.commands.schedule import ScheduleOptions

ONE_FILE = "what main.py merges of several agent files, write into one"
SHELL_FIELDS = ("setup", "prefix", "python", "sbatch", "output")
"""Fields of a cluster spec that have more done than a task to be run."""


@dataclass(frozen=True, slots=True)
class WantedExperiment:
    """An experiment, and which of its runs are wanted.

    Attributes:
        spec: of the experiment.
        root: its directory, absolute.
        wanted: which runs.
    """

    spec: ExperimentSpec
    root: Path
    wanted: WantedRuns


@dataclass(frozen=True, slots=True)
class SubmissionRequest:
    """What a command line of `schedule.py` asks for.

    Attributes:
        cluster: where tasks run.
        checkout: the checkout of nthrun that tasks run from; None is what this process runs from.
        project: the user's, see `find_project`.
        experiments: what is wanted.
        options: how it is run.
    """

    cluster: ClusterSpec
    checkout: Path | None
    project: Path
    experiments: tuple[WantedExperiment, ...]
    options: ScheduleOptions


def of_positions(
    positions: Sequence[str], overrides: dict[str, object], options: ScheduleOptions
) -> SubmissionRequest:
    """What the six positions ask for; each agent file is an experiment.

    Raises:
        NthrunError: bad input.
    """
    cluster_file, _, root, environment, save_dir, *agents = positions
    project = find_project((environment, *agents), options.project)
    use_project(project)
    cluster = cluster_of(cluster_file, overrides)
    experiments: dict[Path, WantedExperiment] = {}
    for agent in agents:
        try:
            spec = _read([environment], [agent], save_dir, options)
        except SpecError as error:
            raise SpecError(_apart(error.faults, agent, len(agents))) from error
        experiment = _wanted(spec, save_dir, options)
        if experiment.root in experiments:
            raise DataFileError(
                f"{agent}: belongs into {place_of(experiment.root)}, as another agent file of this "
                "command",
                f"give them different save dirs, in commands of their own; {ONE_FILE}",
            )
        for line in spec.notes:
            note(f"{agent}: {line}")
        experiments[experiment.root] = experiment
    return SubmissionRequest(cluster, Path(root), project, tuple(experiments.values()), options)


def of_options(overrides: dict[str, object], options: ScheduleOptions) -> SubmissionRequest:
    """What options ask for that `main.py` takes, too.

    Raises:
        NthrunError: bad input.
    """
    project = find_project((*options.env_json, *options.agent_json), options.project)
    use_project(project)
    cluster = cluster_of(_named_cluster(options), overrides)
    if options.device not in ("auto", cluster.device):
        raise click.UsageError(
            f"--device {options.device}: tasks of {cluster.name} have {cluster.integer('gpus')} "
            "GPUs, which --gpus says"
        )
    spec = _read(options.env_json, options.agent_json, options.save_dir, options)
    for line in spec.notes:
        note(line)
    if options.workers > 1:
        note(f"--workers {options.workers}: a task has one for each core of its cluster spec")
    experiment = _wanted(spec, options.save_dir, options)
    return SubmissionRequest(cluster, None, project, (experiment,), options)


def of_directory(
    place: str, overrides: dict[str, object], options: ScheduleOptions
) -> SubmissionRequest:
    """What is left to do in an experiment's directory: what its plans have asked for, stage by
    stage, or what options say.

    The cluster is that of the newest plan, unless one is named. A directory may be anybody's: code
    of its own that it names, and lines of shell in its plan, are run only where that is trusted.

    Raises:
        NthrunError: bad input.
    """
    [root, *others] = experiments_at(place)
    if others:
        names = ", ".join(place_of(each) for each in (root, *others)[:5])
        raise DataFileError(f"{place}: holds several experiments, allowed: one", f"name {names}")
    files = (*options.env_json, *options.agent_json)
    project = find_project(files, options.project)
    if files or options.project or options.trust:
        use_project(project)  # else nothing is imported from a folder that may be anybody's
    plans = list(read_plans(root))
    spec = _given(root, options) if files else _recorded(root, plans, options.trust)
    if spec.agent.search.method == BAYES:
        spec = with_suggestions(spec, str(root.parent))
    wanted = _left(spec, plans, options) if not options.says_which else [_selected(spec, options)]
    experiments = tuple(WantedExperiment(spec, root, each) for each in wanted)
    cluster = _cluster_again(plans, overrides, options)
    return SubmissionRequest(cluster, None, project, experiments, options)


def cluster_of(name: str, overrides: dict[str, object]) -> ClusterSpec:
    """The cluster spec of a file's name; one without an account takes the user's $SBATCH_ACCOUNT,
    as sbatch would.

    Raises:
        SpecError: a fault of it.
    """
    cluster = read_cluster_spec(name, overrides)
    for line in cluster.notes:
        note(f"{name}: {line}")
    account = os.environ.get("SBATCH_ACCOUNT", "")
    if cluster.text("account") or not account:
        return cluster
    return replace(cluster, values={**cluster.values, "account": account})


def _named_cluster(options: ScheduleOptions) -> str:
    if options.cluster is None:
        raise click.UsageError(
            "--cluster is missing: where tasks run, such as --cluster fir, --cluster my.json, or "
            "--cluster local for this machine"
        )
    return options.cluster


def _cluster_again(
    plans: Sequence[Plan], overrides: dict[str, object], options: ScheduleOptions
) -> ClusterSpec:
    """The cluster that is named, or that of the newest plan.

    Raises:
        UsageError: none is named, and there is no plan, or it is to be changed, or would run lines
            of shell.
    """
    if options.cluster is not None or not plans:
        return cluster_of(_named_cluster(options), overrides)
    cluster = plans[0].cluster
    if overrides:
        raise click.UsageError(
            f"--{next(iter(overrides))}: give --cluster too, as the plan's fields stay as they are"
        )
    said = [name for name in SHELL_FIELDS if cluster.values[name]]
    if said and not options.trust:
        raise click.UsageError(
            f"{plans[0].path}: its cluster has {', '.join(said)}, which is not taken from a file "
            "that may be anybody's: give --cluster, or --trust"
        )
    return cluster


def _read(
    environment: Sequence[str], agent: Sequence[str], save_dir: str, options: ScheduleOptions
) -> ExperimentSpec:
    """The experiment of some files.

    Raises:
        SpecError: a fault of a spec.
        UnsupportedOperationError: a solver is to be compiled.
    """
    overrides = options.overrides()
    spec = read_experiment_spec(environment, agent, overrides)
    if spec.agent.search.method == BAYES:
        spec = with_suggestions(spec, save_dir)
    own = of_spec(overrides, ENVIRONMENT)
    declaration = spec.agent.declaration
    require_solvable(declaration, spec.environment, environment, own)
    return spec


def _given(root: Path, options: ScheduleOptions) -> ExperimentSpec:
    """The specs that are given beside an experiment's directory, whose own they have to be.

    Raises:
        UsageError: one is missing.
        DataFileError: they are of another directory.
    """
    if not (options.env_json and options.agent_json):
        raise click.UsageError("--env-json and --agent-json: give both, or neither")
    spec = _read(options.env_json, options.agent_json, str(root.parent), options)
    if spec.directory(str(root.parent)).absolute() != root:
        raise DataFileError(f"{place_of(root)}: these specs are of another experiment")
    return spec


def _recorded(root: Path, plans: Sequence[Plan], trust: bool) -> ExperimentSpec:
    """The specs that an experiment's directory has.

    Raises:
        SpecError: they name code that is not trusted.
        DataFileError: it has none.
    """
    if not is_experiment(root) and not plans:
        raise DataFileError(f"{place_of(root)}: no plan that can be read, and no manifest")
    origin = open_experiment(root).manifest if is_experiment(root) else plans[0]
    environment, agent = origin.environment, origin.agent
    whose = Trust.USER if trust else Trust.READ
    for document in (environment, agent):
        if trust and not may_run(document, Trust.READ):
            named = document.get("command") or document.get("agent_name") or document["env_name"]
            note(f"{place_of(root)}: runs {named}, as --trust says")
    return experiment_spec_of(environment, agent, str(root), whose)


def _left(
    spec: ExperimentSpec, plans: Sequence[Plan], options: ScheduleOptions
) -> Iterator[WantedRuns]:
    """All that plans have asked for, a stage at a time.

    Raises:
        UsageError: there are none.
    """
    if not plans:
        raise click.UsageError(
            "nothing was scheduled here yet, so it is not known which runs are wanted: give "
            "--runs N, or --index"
        )
    for stage in sorted({plan.stage for plan in plans}):
        indices = {i for plan in plans if plan.stage == stage for i in plan.wanted}
        named = format_indices(sorted(indices))
        yield WantedRuns(Selection(1, named=named), stage, options.retry_failed)


def _wanted(spec: ExperimentSpec, save_dir: str, options: ScheduleOptions) -> WantedExperiment:
    root = spec.directory(save_dir).absolute()
    return WantedExperiment(spec, root, _selected(spec, options))


def _selected(spec: ExperimentSpec, options: ScheduleOptions) -> WantedRuns:
    """Which runs of an experiment options ask for.

    Raises:
        IndexSpecError: it has no such settings or indices.
        UsageError: nothing says which, or twice.
    """
    refuse_contradictions(options)
    if options.index is not None:
        indices = parse_indices(options.index)
        for index in indices[:1] + indices[-1:]:
            spec.sweep.locate(index)
        selection = Selection(1, named=format_indices(indices))
    elif not options.says_which:
        raise click.UsageError(
            "--runs is missing: how many runs of each setting, such as --runs 5; or name them one "
            "by one with --index"
        )
    else:
        num_runs, space = options.runs or 1, spec.agent.space
        selection = select(spec.sweep, space, num_runs, options.settings, options.where)
    return WantedRuns(selection, options.chosen_stage, options.retry_failed)


def _apart(faults: Sequence[Fault], agent: str, num_agents: int) -> list[Fault]:
    """Faults with a hint where an agent file of several is no whole one."""
    hint = f"each agent file here is an experiment of its own: {ONE_FILE}"
    return [
        replace(fault, hint=hint)
        if num_agents > 1 and fault.file == agent and fault.problem.startswith("missing")
        else fault
        for fault in faults
    ]
