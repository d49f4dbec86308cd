#!/usr/bin/env python3
"""Plot what runs recorded of their updates and actions: losses, entropy, actions over time.

python utils/plot_metrics.py                                the demo data under docs/demo/
python utils/plot_metrics.py DATA --metric entropy --setting 3
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
# A script sees its own folder only; nthrun lies beside it, wherever it is called from.
sys.path.insert(0, str(ROOT))

from nthrun.analysis.figures.bands import STATISTICS, Statistic
from nthrun.analysis.figures.metrics import (
    actions_of,
    metric_figure,
    require_recorded,
    series_of,
)
from nthrun.analysis.figures.reading import entries_of, shown_of_entries
from nthrun.commands.curve_options import Which
from nthrun.commands.entry import execute
from nthrun.commands.figure_data import Paths, demo_files, env_name, open_labelled
from nthrun.commands.figure_options import Output, echo_paths, figure_command


def plot_metrics(
    data: Paths,
    labels: Sequence[str] | None,
    output: Output,
    metrics: Sequence[str] = (),
    which: Which | None = None,
    statistic: Statistic = "mean",
) -> list[Path]:
    """Plot panels of recorded series, one figure for each of the data; gives the paths written.

    Args:
        data: with metrics or actions; none is the demo's.
        labels: one for each; None takes them from the files' names.
        output: where the figures go.
        metrics: names; none is all that are recorded, and actions.
        which: whose runs; no setting is the best by the search's metric, no stage the only one.
        statistic: the thick line.

    Raises:
        NthrunError: data cannot be read, leave these series out or have none of a name, or two
            figures would have one name.
    """
    which = which or Which()
    written: list[Path] = []
    labelled = open_labelled(data or demo_files("metrics/*.h5"), labels)
    names = {label: f"{env_name(one)}_{label}_metrics" for label, one in labelled.items()}
    output.require_apart(names.values())
    for label, one in labelled.items():
        entries = entries_of(one, which.setting, which.stage)
        series = series_of(one, entries, metrics)
        actions = [] if metrics else actions_of(entries)
        require_recorded(one, series, actions)
        title = output.title or f"{env_name(one)}, {label}"
        figure = metric_figure(series, title, actions, statistic, output.style)
        shown = shown_of_entries(one, entries, label)
        written += output.save(figure, names[label], shown)
    return written


@figure_command
@click.option("--metric", "metrics", multiple=True, help="A series.  [default: all, and actions]")
@click.option(
    "--setting", type=int, help="Setting to plot.  [default: the best by the search's metric]"
)
@click.option("--stage", type=int, help="Stage of the runs.  [default: the only one]")
@click.option("--statistic", type=click.Choice(STATISTICS), default="mean", show_default=True)
def main(
    data: Paths,
    labels: Sequence[str] | None,
    output: Output,
    metrics: Sequence[str],
    statistic: Statistic,
    **which: int | None,
) -> None:
    """Plot what the runs of one setting recorded of every update, one figure for each DATA.

    DATA are data.h5, experiment directories, shards, or a data.json combined with --full, of runs
    with "metrics" or "train_actions" in "record". Prints the paths written.
    """
    echo_paths(plot_metrics(data, labels, output, metrics, Which(**which), statistic))


if __name__ == "__main__":
    execute(main)
