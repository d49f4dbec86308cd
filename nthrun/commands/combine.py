"""`simple_combine.py`: merge an experiment's records into one file."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from nthrun.commands.experiment_paths import data_path
from nthrun.commands.options import Command, debug_option
from nthrun.errors import DataFileError
from nthrun.index import join_index
from nthrun.legacy.results import Imported, import_old, old_pickles
from nthrun.records.combine import Combined
from nthrun.records.combine import combine as combine_records
from nthrun.records.data import open_data
from nthrun.records.experiment import Experiment, is_experiment, open_experiment
from nthrun.records.listing import is_there, require_inside
from nthrun.specs.directory import save_directory
from nthrun.terminal import complain, note, show

TABLES = (".csv", ".parquet")
"""What a table is written as."""
MAX_REPAIRED = 10
"""Records that are named one by one."""


@click.command(cls=Command)
@click.argument("directory", metavar="DIR")
@click.argument("output", type=click.Path(path_type=Path), metavar="[OUT]", required=False)
@click.option("--full", is_flag=True, help="Leave nothing out of a .json file.")
@click.option(
    "--compact", is_flag=True, help="First write records that lie in a file each into few files."
)
@click.option(
    "--rows",
    type=click.Choice(["runs", "episodes", "evaluations"]),
    default="runs",
    show_default=True,
    help="What a row of a .csv or .parquet file is.",
)
@debug_option
def combine(
    directory: str, output: Path | None, full: bool, compact: bool, rows: str, debug: bool
) -> int:
    """Merge the records of the experiment directory DIR, or of the one in a save dir, into OUT.

    OUT ends in .json (default: DIR/data.json; learned parameters and per-step series are left
    out unless --full) or .h5 (holds everything); DIR/summary.json says how its settings compare.
    Combining again adds what is new; records whose shards are gone stay. DIR may also hold the
    result pickles (.pkl) of the tool whose files nthrun keeps to; nothing in them is run.

    An OUT that ends in .csv or .parquet (needs pyarrow) is a table, with a row a run, or a training
    episode or an episode of an evaluation by --rows.
    """
    if old := _with_old_pickles(directory):
        with _progress_bar("importing") as progress:
            imported = import_old(old, output or old / "data.json", full, progress)
        return _print_imported(imported)
    experiment = open_experiment(data_path(directory))
    if compact:
        _compact(experiment)
    if output is not None and output.suffix in TABLES:
        return _write_table(experiment.root, output, rows)
    if rows != "runs":
        raise click.UsageError(f"--rows {rows}: of OUT in {' or '.join(TABLES)} only")
    output = output or experiment.root / "data.json"
    with _progress_bar("combining") as progress:
        result = combine_records(experiment, output, full, progress)
    _require_records(experiment, result)
    code = _print_combined(experiment, result)
    if result.num_runs:
        from nthrun.commands.summary_file import report_summary  # noqa: PLC0415 - imports scipy

        data = open_data(result.output) if result.data is None else result.data
        report_summary(data, experiment.root, stage=0)
    return code


def _write_table(root: Path, output: Path, rows: str) -> int:
    """Write a table, and say how long it is; 1 where records were left out or conflict."""
    from nthrun.commands.labelled_data import act_on_readable, open_labelled  # noqa: PLC0415
    from nthrun.records.frames import write_table  # noqa: PLC0415

    labelled = open_labelled([root])
    number, code = act_on_readable(labelled, lambda given: write_table(given[0][1], output, rows))
    [(_, data)] = labelled
    repeated = len(data.entries) - len({entry.identity for entry in data.entries})
    if repeated:
        complain(f"{data.source}: {repeated} records conflict with others; combining names them")
    show(f"{output}: {number} row{'' if number == 1 else 's'}")
    return 1 if repeated else code


def _compact(experiment: Experiment) -> None:
    """Write records that lie in a file each into few files.

    Raises:
        DataFileError: the experiment is running.
    """
    from nthrun.commands.check import is_running  # noqa: PLC0415 - imports submitit
    from nthrun.records.compact import compact  # noqa: PLC0415

    if is_running(experiment.root):
        raise DataFileError(f"{experiment.root}: is running", "compact it when that has ended")
    require_inside(experiment.root)
    num_records, num_shards = compact(experiment)
    if num_records:
        files = f"{num_shards} file{'s' * (num_shards != 1)}"
        show(f"{experiment.runs}: {num_records} records, one a file, are {files} now")


def _require_records(experiment: Experiment, result: Combined) -> None:
    """Check that there was something to combine; what could not be read is named first.

    Raises:
        DataFileError: there was not.
    """
    if result.num_runs or (is_there(result.output) and not result.unreadable):
        return
    for path, problem in result.unreadable:
        complain(f"could not read {path}: {problem}")
    if result.unreadable:
        hint = f"`python -m nthrun check {shlex.quote(str(experiment.root))}` says what to do"
        raise DataFileError(f"{experiment.root}: no record that can be read", hint)
    raise DataFileError(f"{experiment.root}: no records yet")


def _with_old_pickles(text: str) -> Path | None:
    """The directory of old results that a text names; None if it names something else.

    Raises:
        DataFileError: it names one pickle.
    """
    if text.endswith(".pkl") and Path(text).is_file():
        folder = shlex.quote(str(Path(text).parent))
        raise DataFileError(f"{text}: one result of many", f"give the folder it lies in: {folder}")
    for place in (Path(text), save_directory(text)):
        if is_experiment(place):
            return None
        if old_pickles(place):
            return place
    return None


@contextlib.contextmanager
def _progress_bar(activity: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, moved by (done, total)."""
    console = Console(file=sys.stderr)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(activity, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _print_combined(experiment: Experiment, result: Combined) -> int:
    for (setting_number, stage, run_number), key in result.conflicts:
        index = join_index(setting_number, run_number, experiment.manifest.num_settings)
        forget = f"python -m nthrun forget {shlex.quote(str(experiment.root))} --index {index}"
        complain(
            f"conflict: index {index} of stage {stage} (setting {setting_number}, run "
            f"{run_number}) has records that differ in {key}; all are kept; hint: `{forget} "
            f"--stage {stage}` removes them, then run it again"
        )
    for (setting_number, stage, run_number), key in result.repaired[:MAX_REPAIRED]:
        index = join_index(setting_number, run_number, experiment.manifest.num_settings)
        complain(
            f"{result.output}: index {index} of stage {stage} differed from its shard in {key}; it "
            "is now what the shard says"
        )
    if len(result.repaired) > MAX_REPAIRED:
        complain(f"and {len(result.repaired) - MAX_REPAIRED} more like it")
    return _print_outcome(result)


def _print_imported(imported: Imported) -> int:
    result = imported.combined
    for path, keys in imported.left_out:
        note(f"{path}: left out: {', '.join(keys)}")
    for (setting_number, stage, run_number), key in result.conflicts:
        complain(
            f"conflict: setting {setting_number}, run {run_number} of stage {stage} has "
            f"records that differ in {key}; all are kept; hint: their `imported_from` names the "
            f"pickles; move the wrong one and {result.output} away, then combine again"
        )
    return _print_outcome(result)


def _print_outcome(result: Combined) -> int:
    for path, problem in result.unreadable:
        complain(f"could not read {path}: {problem}")
    if result.carried:
        note(f"{result.carried} of the records are held by an earlier file alone")
    runs = f"{result.num_runs} run{'' if result.num_runs == 1 else 's'}"
    show(f"{result.output}: {runs}{'' if result.written else ' (unchanged)'}")
    return 1 if result.unreadable or result.conflicts or result.repaired else 0
