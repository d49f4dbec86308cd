#!/usr/bin/env python3
"""Plot learning curves: the mean step-weighted return over the runs of one setting.

Runs of solvers, which have no training episodes, are shown by the returns of their evaluations.

    python utils/plot_mse_data.py                       the demo data under docs/demo/
    python utils/plot_mse_data.py DATA [DATA ...]       data.json, data.h5, experiments, shards

Of each DATA the best setting is drawn; DATA of one environment share a figure.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
# A script sees its own folder only; nthrun lies beside it, wherever it is called from.
sys.path.insert(0, str(ROOT))

from nthrun.analysis.curves import learning_curve
from nthrun.analysis.figures.curves import (
    CurveView,
    learning_curve_figure,
    shown_of_curves,
)
from nthrun.commands.curve_options import Which, curve_options
from nthrun.commands.entry import execute
from nthrun.commands.figure_data import (
    Paths,
    agents_of,
    demo_files,
    open_groups,
    require_one,
)
from nthrun.commands.figure_options import Output, echo_paths, figure_command


def plot_mse_data(
    data: Paths = (),
    labels: Sequence[str] | None = None,
    output: Output | None = None,
    which: Which | None = None,
    view: CurveView | None = None,
) -> list[Path]:
    """Plot the learning curve of one setting of each DATA, one figure an environment.

    Args:
        data: data.json, data.h5, experiment directories or shards; none is docs/demo/*.json.
        labels: one for each DATA; None takes them from the files' names.
        output: where the figures go; they are called after the environment and the metric.
        which: whose curve, and of what.
        view: what is drawn of it.

    Returns:
        the paths written: for each figure a .png, a .pdf and a .runs.json.

    Raises:
        NthrunError: a file cannot be read or has nothing to show, the labels do not fit, or one
            name is given for several figures. StorageError: a figure could not be written.
    """
    output, which = output or Output(), which or Which()
    groups = open_groups(data or demo_files("*.json"), labels)
    require_one(groups, output.name)
    names = {env: f"{env}_{which.metric}" if which.metric else env for env in groups}
    output.require_apart(names.values())
    written: list[Path] = []
    for env, labelled in groups.items():
        curves = {
            label: learning_curve(one, which.setting, which.stage, which.metric)
            for label, one in labelled.items()
        }
        title = output.title or env
        figure = learning_curve_figure(curves, title, agents_of(labelled), view, output.style)
        written += output.save(figure, names[env], shown_of_curves(curves))
    return written


@figure_command
@click.option("--stage", type=int, help="Stage of the runs.  [default: the lowest recorded]")
@click.option(
    "--setting",
    type=int,
    help="Setting to plot.  [default: the best of each DATA, by --metric if it is known which is "
    "better, else by the search's metric]",
)
@click.option("--metric", help="A metric, such as oracle_gap.  [default: the return]")
@curve_options
def main(
    data: Paths, labels: Sequence[str] | None, output: Output, which: Which, view: CurveView
) -> None:
    """Plot the learning curve of each DATA's best setting, one figure an environment.

    DATA is a data.json, a data.h5, an experiment directory or a shard; without any, the demo
    data under docs/demo/ are plotted. Prints the paths written.
    """
    echo_paths(plot_mse_data(data, labels, output, which, view))


if __name__ == "__main__":
    execute(main)
