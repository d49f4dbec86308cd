#!/usr/bin/env python3
"""Plot the policy of a GHM run over cash and the time left.

python utils/plot_policy_map.py DATA                           the policy at the end of the run
python utils/plot_policy_map.py DATA --step 2000               that of a snapshot
python utils/plot_policy_map.py DATA --slices 1,5 --cash-max 1
"""

from __future__ import annotations

import sys
from os import PathLike
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[1]
# A script sees its own folder only; nthrun lies beside it, wherever it is called from.
sys.path.insert(0, str(ROOT))

from nthrun.analysis.figures.policy_map import policy_map_figure
from nthrun.analysis.figures.saving import require_kind, save_as
from nthrun.commands.entry import execute
from nthrun.commands.figure_data import demo_files
from nthrun.commands.policy_map import MapView, map_picture
from nthrun.training.saved_policy import read_learned

DEMO = "solvers/GHM_mc_pg.h5"


def plot_policy_map(
    data: str | PathLike[str] | None,
    view: MapView,
    out: str | PathLike[str] | None = None,
    index: int | None = None,
    stage: int | None = None,
    step: int | None = None,
) -> Path:
    """Plot dividends, issuance and the value expected: maps, and slices at some times.

    Args:
        data: an experiment directory, a shard or data.h5; None is the demo's.
        view: how much cash, which slices, how finely.
        out: .png, .pdf or .svg; None is `policy_map_index<INDEX>.png`.
        index, stage: which run; None is the lowest recorded.
        step: which snapshot; None is the policy at the end of the run.

    Returns:
        the path written.

    Raises:
        NthrunError: there is no such run, step, time or cash, or it is no GHM run.
        StorageError: the figure could not be written.
    """
    if out is not None:
        require_kind(Path(out))
    learned = read_learned(Path(data or demo_files(DEMO)[0]), index, stage, step)
    path = Path(out or f"policy_map_index{learned.index}.png")
    save_as(policy_map_figure(map_picture(learned, view)), path)
    return path


def _years(context: click.Context, option: click.Parameter, text: str | None) -> tuple[float, ...]:
    """Numbers with commas between them.

    Raises:
        BadParameter: it is something else.
    """
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.BadParameter(f"got {text}, allowed: years such as 0.5,2.5,10") from None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", required=False)
@click.option("--index", type=int, help="Which run.  [default: the lowest recorded]")
@click.option("--stage", type=int, help="Stage of the run.  [default: the lowest recorded]")
@click.option("--step", type=int, help="Training step of a snapshot.  [default: the end]")
@click.option(
    "--points",
    type=click.IntRange(2, 2000),
    default=MapView().points,
    show_default=True,
    help="Levels of cash, and times at most.",
)
@click.option(
    "--cash-max",
    type=float,
    help="Highest cash.  [default: 2.5 payout boundaries, at most that of the start]",
)
@click.option(
    "--slices",
    callback=_years,
    metavar="YEARS",
    help="Years left, such as 0.5,2.5,10.  [default: 5, 25, 50, 75 and 100 % of the horizon]",
)
@click.option(
    "--out", metavar="FILE", help=".png, .pdf or .svg.  [default: policy_map_index<I>.png]"
)
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def main(debug: bool, data: str | None, out: str | None, **options: Any) -> None:
    """Plot the policy of a GHM run: dividends and issuance over cash and the time left.

    DATA is an experiment directory, a shard or data.h5; without it, demo data are plotted.
    The run's agent decides, with what it had
    learned at the end or at the --step of a snapshot; shown is its action in evaluation, before the
    firm pays no more than it has and takes an issue below the least (a grey line) for none. The
    value is what the agent itself expects, where it does: the baseline of mc_pg, the table of dp.

    Vertical lines are the optimum in continuous time without end: the payout boundary, above which
    all cash is paid out, and the target up to which equity is issued when cash runs out.

    Prints the path written.
    """
    run = {name: options.pop(name) for name in ("index", "stage", "step")}
    click.echo(plot_policy_map(data, MapView(**options), out, **run))


if __name__ == "__main__":
    execute(main)
