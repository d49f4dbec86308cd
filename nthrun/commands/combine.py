"""`simple_combine.py`: merge an experiment's records into one file."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from nthrun.errors import DataFileError
from nthrun.records.combine import Combined
from nthrun.records.combine import combine as combine_records
from nthrun.records.experiment import open_experiment


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("output", type=click.Path(path_type=Path), metavar="[OUT]", required=False)
@click.option("--full", is_flag=True, help="Leave nothing out of a .json file.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def combine(directory: Path, output: Path | None, full: bool, debug: bool) -> int:
    """Merge the records of the experiment directory DIR into OUT.

    OUT ends in .json (default: DIR/data.json; learned parameters and per-step series are left
    out unless --full) or .h5 (holds everything). Combining again adds what is new; records
    whose shards are gone stay.
    """
    experiment = open_experiment(directory)
    console = Console(file=sys.stderr)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("combining", total=None)
        result = combine_records(
            experiment,
            output or directory / "data.json",
            full,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    if not result.num_runs and not result.unreadable and not result.output.exists():
        raise DataFileError(f"{directory}: no records yet")
    return _report(result)


def _report(result: Combined) -> int:
    for path, problem in result.unreadable:
        print(f"error: could not read {path}: {problem}", file=sys.stderr)
    for identity, key in result.conflicts:
        print(
            f"error: conflict: setting {identity.setting_number}, run {identity.run_number}, "
            f"stage {identity.stage} has records that differ in {key}; all are kept; "
            "hint: --overwrite runs the index again",
            file=sys.stderr,
        )
    if result.carried:
        print(f"note: {result.carried} records come from an earlier file alone", file=sys.stderr)
    state = "" if result.written else " (unchanged)"
    click.echo(f"{result.output}: {result.num_runs} runs{state}")
    return 1 if result.unreadable or result.conflicts else 0
