"""`python -m nthrun forget`: remove records on purpose."""

from __future__ import annotations

import click

from nthrun.commands.experiment_paths import data_path
from nthrun.commands.options import Command, debug_option, joined
from nthrun.index import MAX_STAGE, format_indices, parse_indices
from nthrun.records.combine import forget as forget_records
from nthrun.records.experiment import open_experiment
from nthrun.records.listing import require_inside
from nthrun.terminal import show


@click.command(cls=Command)
@click.argument("directory", metavar="DIR")
@click.option(
    "--index",
    multiple=True,
    callback=joined,
    required=True,
    metavar="INDICES",
    help="Which runs: 5, 0-255 or 3,7,10-12; may be repeated.",
)
@click.option(
    "--stage", type=click.IntRange(0, MAX_STAGE), default=0, metavar="S", help="Their stage."
)
@debug_option
def forget(directory: str, index: str, stage: int, debug: bool) -> int:
    """Remove the records of some indices from the experiment directory DIR.

    They count as missing from then on, and the next combining drops them.
    """
    experiment = open_experiment(data_path(directory))
    require_inside(experiment.root)
    forgotten = forget_records(experiment, stage, parse_indices(index))
    names = format_indices(forgotten) or "nothing: none of them is recorded"
    show(f"{experiment.root}: forgot {names}")
    return 0
