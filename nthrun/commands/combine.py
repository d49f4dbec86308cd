"""`simple_combine.py`: merge an experiment's records into one file."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from nthrun.errors import DataFileError
from nthrun.records.combine import Combined
from nthrun.records.combine import combine as combine_records
from nthrun.records.experiment import Experiment, open_experiment


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
    return _report(experiment, result)


def _report(experiment: Experiment, result: Combined) -> int:
    for path, problem in result.unreadable:
        print(f"error: could not read {path}: {problem}", file=sys.stderr)
    for (setting_number, stage, run_number), key in result.conflicts:
        index = run_number * experiment.manifest.num_settings + setting_number
        forget = f"python -m nthrun forget {shlex.quote(str(experiment.root))} --index {index}"
        print(
            f"error: conflict: index {index} of stage {stage} (setting {setting_number}, run "
            f"{run_number}) has records that differ in {key}; all are kept; hint: `{forget} "
            f"--stage {stage}` removes them, then run it again",
            file=sys.stderr,
        )
    if result.carried:
        print(
            f"note: {result.carried} of the records are held by an earlier file alone",
            file=sys.stderr,
        )
    runs = f"{result.num_runs} run{'' if result.num_runs == 1 else 's'}"
    click.echo(f"{result.output}: {runs}{'' if result.written else ' (unchanged)'}")
    return 1 if result.unreadable or result.conflicts else 0
