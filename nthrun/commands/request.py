"""What a command line of `main.py` asks for: its options, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import click

from nthrun.commands.options import Option, SweepOptions, joined
from nthrun.errors import IndexSpecError
from nthrun.index import parse_indices, program_seed
from nthrun.planning.experiment_spec import ExperimentSpec
from nthrun.specs.selection import select

MAX_WORKERS = 1024


def spec_option(name: str, noun: str, required: bool) -> Option:
    """The option that names the files of a spec."""
    return Option(
        name,
        multiple=True,
        required=required,
        metavar="FILE",
        help=f"{noun} spec, JSON or YAML; given again, later files override earlier ones.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(SweepOptions):
    """The options of `main.py`."""

    env_json: Annotated[tuple[str, ...], spec_option("--env-json", "Environment", required=True)]
    agent_json: Annotated[tuple[str, ...], spec_option("--agent-json", "Agent", required=True)]
    index: Annotated[
        str | None,
        Option(
            "--index",
            multiple=True,
            callback=joined,
            metavar="INDICES",
            help="Which runs: 5, 0-255 or 3,7,10-12, counting from 0; may be repeated.",
        ),
    ]
    runs: Annotated[
        int | None,
        Option(
            *("-r", "--runs"),
            type=click.IntRange(min=1),
            metavar="N",
            help="Instead of indices: the first N runs of each setting.",
        ),
    ]
    save_dir: Annotated[
        str,
        Option(
            "--save-dir",
            default="results",
            show_default=True,
            metavar="DIR",
            help="Where experiments go; a relative one lies under results/.",
        ),
    ]
    monitor: Annotated[
        bool,
        Option("-m", "--monitor", is_flag=True, help="Render as the agent trains (needs pygame)."),
    ]
    after: Annotated[
        int,
        Option(
            *("-a", "--after"),
            type=click.IntRange(min=-1),
            default=-1,
            metavar="N",
            help="Training steps to pass before rendering starts.",
        ),
    ]
    device: Annotated[
        str,
        Option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            show_default=True,
            help="Where to train.",
        ),
    ]
    workers: Annotated[
        int,
        Option(
            "--workers",
            type=click.IntRange(1, MAX_WORKERS),
            default=1,
            show_default=True,
            metavar="N",
            help="Processes to spread the packs over; the bits do not depend on it.",
        ),
    ]
    overwrite: Annotated[
        bool,
        Option(
            "--overwrite", is_flag=True, help="Run every index named again and replace its record."
        ),
    ]
    describe: Annotated[
        bool,
        Option(
            "--describe",
            is_flag=True,
            help="Print the sweep, what the indices mean and the packs they form, and train "
            "nothing.",
        ),
    ]
    dry_run: Annotated[
        bool,
        Option(
            "--dry-run",
            is_flag=True,
            help="Print what would be run, of a program the command line and the variables of each "
            "index, and run nothing.",
        ),
    ]
    verify: Annotated[
        bool,
        Option(
            "--verify",
            is_flag=True,
            help="Run recorded indices again and compare every bit; record nothing.",
        ),
    ]

    @property
    def says_which(self) -> bool:
        """Whether an option says which runs."""
        named = self.index is not None or self.runs is not None
        return named or self.settings is not None or bool(self.where)


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for.

    Attributes:
        indices: ascending.
        save_dir: see `experiment_directory`.
        stage: of all indices.
        device: "auto", "cpu" or "cuda".
        backend: "auto", "compile" or "eager".
        workers: processes that train, at most.
        pack: lanes of a pack at most; 0 leaves it to the planner.
        overwrite: whether recorded indices are run again and replaced.
        retry_failed: whether failed ones are run again.
        monitor_after: steps before rendering starts; None never renders.
    """

    indices: tuple[int, ...]
    save_dir: str
    stage: int
    device: str
    backend: str
    workers: int
    pack: int
    overwrite: bool
    retry_failed: bool
    monitor_after: int | None


def make_request(options: RunOptions, spec: ExperimentSpec) -> Request:
    """What the options ask for.

    Raises:
        IndexSpecError: nothing says which runs, or what does is unreadable or out of range.
        UsageError: an option's value is not allowed, or takes back another option.
    """
    refuse_contradictions(options)
    agent = spec.agent.declaration
    if options.monitor and agent.solves:
        message = f"--monitor shows training steps, and {agent.name} is a solver, which takes none"
        raise click.UsageError(message)
    indices = _indices(options, spec)
    for index in indices[:1] + indices[-1:]:
        spec.sweep.locate(index)
    if agent.is_program:
        require_program(options, spec, indices)
    return Request(
        indices,
        options.save_dir,
        options.chosen_stage,
        options.device,
        options.backend,
        options.workers,
        options.pack_lanes,
        options.overwrite,
        options.retry_failed,
        max(options.after, 0) if options.monitor else None,
    )


def require_program(options: RunOptions, spec: ExperimentSpec, indices: Sequence[int]) -> None:
    """Check that nothing is asked of a program that it lacks.

    Raises:
        UsageError: an option is for agents alone.
        IndexSpecError: a run's seed would be too large.
    """
    if options.monitor:
        raise click.UsageError("--monitor shows the steps of agents: a program draws its own")
    if options.backend == "compile":
        raise click.UsageError("--backend compile is for agents: a program runs as it is")
    for index in indices[-1:]:
        program_seed(options.chosen_stage, spec.sweep.locate(index)[1])


def _indices(options: RunOptions, spec: ExperimentSpec) -> tuple[int, ...]:
    """The indices that are named, or that settings and runs select; none may only be described.

    Raises:
        IndexSpecError: nothing says which runs, or what does is unreadable or out of range.
    """
    if options.index is not None:
        return parse_indices(options.index)
    selected = options.settings is not None or options.where
    if options.runs is not None or selected:
        num_runs = options.runs or 1
        space = spec.agent.space
        selection = select(spec.sweep, space, num_runs, options.settings, options.where)
        return tuple(selection.indices(spec.sweep.num_settings))
    if options.describe:
        return ()
    num_settings = spec.sweep.num_settings
    raise IndexSpecError(
        f"--index is missing: which runs to train, counting from 0; this spec has "
        f"{num_settings} setting{'s' * (num_settings != 1)}, so 0-{num_settings - 1} is one "
        f"run of each and {num_settings}-{2 * num_settings - 1} the second",
        "add for example --index 0, or --settings 0-9 --runs 2 for two runs of each of ten, or "
        "--describe to see them",
    )


def refuse_contradictions(options: RunOptions) -> None:
    """Check that no option takes back another.

    Raises:
        UsageError: one does.
    """
    several = options.workers > 1
    selects = options.runs is not None or options.settings is not None or options.where
    contradictions = (
        (
            options.index is not None and selects,
            "--index names runs one by one: give it without --runs, --settings, --where",
        ),
        (
            options.verify and (options.overwrite or options.retry_failed),
            "--verify records nothing: give it without --overwrite, --retry-failed",
        ),
        (
            options.after >= 0 and not options.monitor,
            "--after says when --monitor begins: give --monitor too",
        ),
        (options.verify and several, "--verify takes one process: give it without --workers"),
        (options.monitor and several, "--monitor shows one process: give it without --workers"),
    )
    for applies, message in contradictions:
        if applies:
            raise click.UsageError(message)
