"""`python -m nthrun forget`: remove records on purpose."""

from __future__ import annotations

from pathlib import Path

import click

from nthrun.commands.options import debug_option
from nthrun.index import MAX_STAGE, format_indices, parse_indices
from nthrun.records.combine import forget as forget_records
from nthrun.records.experiment import open_experiment


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--index", required=True, metavar="INDICES", help="Which runs: 5, 0-255 or 3,7,10-12."
)
@click.option(
    "--stage", type=click.IntRange(0, MAX_STAGE), default=0, metavar="S", help="Their stage."
)
@debug_option
def forget(directory: Path, index: str, stage: int, debug: bool) -> int:
    """Remove the records of some indices from the experiment directory DIR.

    They count as missing from then on, and the next combining drops them.
    """
    forgotten = forget_records(open_experiment(directory), stage, parse_indices(index))
    click.echo(
        f"{directory}: forgot {format_indices(forgotten) or 'nothing: none of them is recorded'}"
    )
    return 0
