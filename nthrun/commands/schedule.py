"""`schedule.py`: submit what is missing, show its status, cancel it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import click

from nthrun.commands.options import (
    Command,
    Option,
    SweepOptions,
    debug_option,
    takes_options,
)
from nthrun.specs.cluster_spec import FIELDS

POSITIONS = "CLUSTER main.py ROOT ENV_JSON SAVE_DIR AGENT_JSON..."
NUM_POSITIONS = 6


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for every field of a cluster spec, of the same name."""
    for field in reversed(FIELDS):
        text = f"{field.doc}; instead of the cluster spec's."
        option = click.option(
            f"--{field.name}", f"field_{field.name}", multiple=field.is_list, help=text
        )
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleOptions(SweepOptions):
    """The options of `schedule.py`, but for those that are fields of the cluster spec."""

    runs: Annotated[
        int | None,
        Option(
            *("-r", "--runs"),
            type=click.IntRange(min=1),
            metavar="N",
            help="Runs of each setting that are wanted: N times as many indices as settings, from "
            "0.",
        ),
    ]
    yes: Annotated[bool, Option("-y", "--yes", is_flag=True, help="Submit without asking.")]
    dry_run: Annotated[
        bool,
        Option(
            "--dry-run",
            is_flag=True,
            help="Show the plan and the batch scripts, and touch nothing.",
        ),
    ]
    status: Annotated[
        bool,
        Option("--status", is_flag=True, help="Show the state of the experiments of SAVE_DIR."),
    ]
    cancel: Annotated[
        bool,
        Option("--cancel", is_flag=True, help="End what is queued or running of SAVE_DIR."),
    ]


@click.command(cls=Command)
@click.argument("arguments", nargs=-1, metavar=f"{POSITIONS} | SAVE_DIR...")
@takes_options(ScheduleOptions)
@cluster_options
def schedule(arguments: tuple[str, ...], **values: Any) -> int:
    """Submit the runs that are missing, as tasks that fit the cluster.

    \b
    python schedule.py --runs N CLUSTER main.py ROOT ENV_JSON SAVE_DIR AGENT_JSON...
    python schedule.py --status SAVE_DIR...
    python schedule.py --cancel SAVE_DIR...

    The same command can be given again at any time: only what is neither recorded nor queued is
    submitted. ROOT is the checkout that the tasks run a snapshot of. Each AGENT_JSON is an
    experiment of its own.
    """
    overrides = _overrides({field.name: values.pop(f"field_{field.name}") for field in FIELDS})
    options = ScheduleOptions(**values)
    if options.status or options.cancel:
        return _follow_up(arguments, options)
    if len(arguments) < NUM_POSITIONS:
        raise click.UsageError(f"got {len(arguments)} arguments, allowed: {POSITIONS}")
    if options.runs is None:
        raise click.UsageError("--runs is missing: how many runs of each setting, such as --runs 5")
    from nthrun.commands.submit import Submission, submit  # noqa: PLC0415 - --help need not wait

    cluster, executable, root, environment, save_dir, *agents = arguments
    return submit(
        Submission(
            cluster=cluster,
            overrides=overrides,
            executable=executable,
            root=root,
            environment=environment,
            save_dir=save_dir,
            agents=tuple(agents),
            num_runs=options.runs,
            stage=options.chosen_stage,
            options=options,
        )
    )


@click.command(cls=Command)
@click.argument("places", nargs=-1, required=True, metavar="DIR...")
@debug_option
def status(places: tuple[str, ...], debug: bool) -> int:
    """Show how the experiments in DIRs stand: what is recorded, running, queued, failed, missing.

    DIR is a save dir or an experiment's directory. The same as `schedule.py --status`.
    """
    from nthrun.commands import status as follow_up  # noqa: PLC0415 - imports h5py

    return follow_up.status(places)


@click.command(cls=Command)
@click.argument("places", nargs=-1, required=True, metavar="DIR...")
@click.option("-y", "--yes", is_flag=True, help="End them without asking.")
@debug_option
def cancel(places: tuple[str, ...], yes: bool, debug: bool) -> int:
    """End what is queued or running of the experiments in DIRs; what is recorded stays.

    DIR is a save dir or an experiment's directory. The same as `schedule.py --cancel`.
    """
    from nthrun.commands import status as follow_up  # noqa: PLC0415 - imports h5py

    return follow_up.cancel(places, yes)


def _follow_up(save_dirs: tuple[str, ...], options: ScheduleOptions) -> int:
    """`--status` and `--cancel`."""
    from nthrun.commands import status as follow_up  # noqa: PLC0415 - imports h5py

    if options.status and options.cancel:
        raise click.UsageError("give --status or --cancel, not both")
    if not save_dirs:
        raise click.UsageError("got no directory, allowed: SAVE_DIR...")
    if options.cancel:
        return follow_up.cancel(save_dirs, options.yes)
    return follow_up.status(save_dirs)


def _overrides(given: Mapping[str, Any]) -> dict[str, object]:
    """Field -> text, for the fields given on the command line."""
    return {
        name: value[0] if isinstance(value, tuple) and len(value) == 1 else value
        for name, value in given.items()
        if value not in (None, ())
    }
