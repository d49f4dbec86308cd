"""`schedule.py`: submit what is missing, show its status, cancel it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import click

from nthrun.commands.options import Command, Option, debug_option, takes_options
from nthrun.commands.request import RunOptions, spec_option
from nthrun.specs.cluster_spec import FIELDS

ENTRY = "main.py"
POSITIONS = "CLUSTER main.py ROOT ENV_JSON SAVE_DIR AGENT_JSON..."
NUM_POSITIONS = 6
OTHER_NAMES = {"gpus": ("-g", "--gpu")}
"""Field of a cluster spec -> its options in the older tool."""


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for every field of a cluster spec, of the same name."""
    for field in reversed(FIELDS):
        text = f"{field.doc}; instead of the cluster spec's."
        names = (*OTHER_NAMES.get(field.name, ()), f"--{field.name}", f"field_{field.name}")
        option = click.option(*names, multiple=field.is_list, help=text)
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleOptions(RunOptions):
    """The options of `schedule.py`: those of `main.py`, and how they are scheduled, but for those
    that are fields of the cluster spec."""

    cluster: Annotated[
        str | None,
        Option(
            "--cluster",
            metavar="FILE",
            help="Cluster spec, or the name of one: in this folder or its clusters/, or shipped.",
        ),
    ]
    env_json: Annotated[tuple[str, ...], spec_option("--env-json", "Environment", required=False)]
    agent_json: Annotated[tuple[str, ...], spec_option("--agent-json", "Agent", required=False)]
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
    trust: Annotated[
        bool,
        Option(
            "--trust",
            is_flag=True,
            help="Of an experiment's DIR alone: run the code of its own that it names.",
        ),
    ]
    status: Annotated[
        bool, Option("--status", is_flag=True, help="Show the state of the experiments of DIRs.")
    ]
    cancel: Annotated[
        bool, Option("--cancel", is_flag=True, help="End what is queued or running of DIRs.")
    ]
    debug: Annotated[bool, Option("-d", "--debug", is_flag=True, help="Show tracebacks.")]


@click.command(cls=Command)
@click.argument("arguments", nargs=-1, metavar=f"[DIR... | {POSITIONS}]")
@takes_options(ScheduleOptions)
@cluster_options
def schedule(arguments: tuple[str, ...], **values: Any) -> int:
    """Submit the runs that are missing, as tasks that fit the cluster.

    \b
    nthrun schedule --cluster CLUSTER --env-json ENV --agent-json AGENT --runs N
    nthrun schedule DIR
    python schedule.py --runs N CLUSTER main.py ROOT ENV_JSON SAVE_DIR AGENT_JSON...

    The first takes the options of `nthrun run`. The second finishes what was scheduled in an
    experiment's directory. In the third ROOT is the checkout of nthrun that tasks run a snapshot
    of, and each AGENT_JSON is an experiment of its own. The same command can be given again at any
    time: only what is neither recorded nor queued is submitted. --status DIR... shows how
    experiments stand, --cancel DIR... ends what is queued or running.
    """
    overrides = _overrides({field.name: values.pop(f"field_{field.name}") for field in FIELDS})
    options = ScheduleOptions(**values)
    if options.status or options.cancel:
        return _follow_up(arguments, options)
    _require_schedulable(options)
    if len(arguments) >= NUM_POSITIONS:
        _require_positions(arguments, options)
    elif len(arguments) > 1:
        raise click.UsageError(f"got {len(arguments)} arguments, allowed: {POSITIONS}")
    from nthrun.commands import submission_request as request  # noqa: PLC0415 - imports h5py
    from nthrun.commands.submit import submit  # noqa: PLC0415 - --help need not wait

    if len(arguments) >= NUM_POSITIONS:
        return submit(request.of_positions(arguments, overrides, options))
    if arguments:
        return submit(request.of_directory(arguments[0], overrides, options))
    return submit(request.of_options(overrides, options))


def _require_positions(arguments: tuple[str, ...], options: ScheduleOptions) -> None:
    """Check what the six positions are given with.

    Raises:
        UsageError: an option says the same again, or the executable is another than main.py.
    """
    if options.cluster or options.env_json or options.agent_json:
        raise click.UsageError(
            "--cluster, --env-json, --agent-json: the positions say that, give one or the other"
        )
    if Path(arguments[1]).name != ENTRY:
        raise click.UsageError(f"{arguments[1]}: the executable must be {ENTRY}")


def _require_schedulable(options: ScheduleOptions) -> None:
    """Check that no option is given that tasks cannot heed.

    Raises:
        UsageError: one is.
    """
    refused = {
        "--monitor": (options.monitor, "nobody sees what a task draws"),
        "--verify": (options.verify, "it records nothing"),
        "--describe": (options.describe, "nothing is scheduled by it"),
        "--overwrite": (
            options.overwrite,
            "tasks replace no record; `nthrun forget` removes those that are to be made again",
        ),
    }
    for name, (given, reason) in refused.items():
        if given:
            raise click.UsageError(f"{name} is for `nthrun run`: {reason}")


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
