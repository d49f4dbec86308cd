"""`schedule.py`: submit what is missing, show its status, cancel it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from nthrun.commands.options import (
    backend_option,
    debug_option,
    pack_option,
    rerun_option,
    retry_failed_option,
    set_option,
    settings_option,
    stage_option,
    where_option,
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


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("arguments", nargs=-1, metavar=f"{POSITIONS} | SAVE_DIR...")
@click.option(
    "-r",
    "--runs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Runs of each setting that are wanted: N times as many indices as settings, from 0.",
)
@settings_option
@where_option
@set_option
@click.option("-y", "--yes", is_flag=True, help="Submit without asking.")
@click.option(
    "--dry-run", is_flag=True, help="Show the plan and the batch scripts, and touch nothing."
)
@click.option(
    "--status", "shows_status", is_flag=True, help="Show how the experiments of SAVE_DIR stand."
)
@click.option("--cancel", is_flag=True, help="End what is queued or running of SAVE_DIR.")
@rerun_option
@stage_option
@retry_failed_option
@backend_option
@pack_option
@debug_option
@cluster_options
def schedule(arguments: tuple[str, ...], **options: Any) -> int:
    """Submit the runs that are missing, as tasks that fit the cluster.

    \b
    python schedule.py --runs N CLUSTER main.py ROOT ENV_JSON SAVE_DIR AGENT_JSON...
    python schedule.py --status SAVE_DIR...
    python schedule.py --cancel SAVE_DIR...

    The same command can be given again at any time: only what is neither recorded nor queued is
    submitted. ROOT is the checkout that the tasks run a snapshot of.
    """
    if options["shows_status"] or options["cancel"]:
        return _follow_up(arguments, options)
    if len(arguments) < NUM_POSITIONS:
        raise click.UsageError(f"got {len(arguments)} arguments, allowed: {POSITIONS}")
    if options["runs"] is None:
        raise click.UsageError("--runs is missing: how many runs of each setting, such as --runs 5")
    if options["rerun"] and options["stage"] > 1:
        raise click.UsageError(
            f"--rerun is --stage 1, got --stage {options['stage']}: give one of them"
        )
    from nthrun.commands.submit import Submission, submit  # noqa: PLC0415 - --help need not wait

    cluster, executable, root, environment, save_dir, *agents = arguments
    return submit(
        Submission(
            cluster=cluster,
            overrides=_overrides(options),
            executable=executable,
            root=root,
            environment=environment,
            save_dir=save_dir,
            agents=tuple(agents),
            num_runs=options["runs"],
            settings=options["settings"],
            where=options["where"],
            fields=options["fields"],
            stage=1 if options["rerun"] else options["stage"],
            retry_failed=options["retry_failed"],
            backend=options["backend"],
            pack=options["pack"],
            yes=options["yes"],
            dry_run=options["dry_run"],
        )
    )


def _follow_up(save_dirs: tuple[str, ...], options: dict[str, Any]) -> int:
    """`--status` and `--cancel`."""
    from nthrun.commands.status import cancel, status  # noqa: PLC0415 - imports h5py

    if options["shows_status"] and options["cancel"]:
        raise click.UsageError("give --status or --cancel, not both")
    if not save_dirs:
        raise click.UsageError("got no directory, allowed: SAVE_DIR...")
    if options["cancel"]:
        return cancel(save_dirs, options["yes"])
    return status(save_dirs)


def _overrides(options: dict[str, Any]) -> dict[str, object]:
    """Field -> text, for the fields given on the command line."""
    given = {field.name: options[f"field_{field.name}"] for field in FIELDS}
    return {
        name: value[0] if isinstance(value, tuple) and len(value) == 1 else value
        for name, value in given.items()
        if value not in (None, ())
    }
