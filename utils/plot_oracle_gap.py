#!/usr/bin/env python3
"""Plot how far solvers are from the exact solution, over their steps, on a logarithmic axis.

python utils/plot_oracle_gap.py                             the demo solvers under docs/demo/
python utils/plot_oracle_gap.py DATA DATA --band tolerance
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
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


def plot_oracle_gap(
    data: Paths,
    labels: Sequence[str] | None,
    output: Output,
    which: Which,
    view: CurveView,
) -> list[Path]:
    """Plot the magnitude of a gap over steps, one figure an environment; gives the paths written.

    Args:
        data: of experiments whose environment has an oracle; none is the demo's.
        labels: one for each; None takes them from the files' names.
        output: where the figures go.
        which: whose gap; of which metric, if not `oracle_gap`.
        view: what is drawn of it.

    Raises:
        NthrunError: data cannot be read, or have no such metric.
    """
    groups = open_groups(data or demo_files("solvers/*.h5"), labels)
    require_one(groups, output.name)
    metric = which.metric or "oracle_gap"
    names = {env: f"{env}_{metric}" for env in groups}
    output.require_apart(names.values())
    written: list[Path] = []
    for env, labelled in groups.items():
        curves = {
            label: learning_curve(one, which.setting, which.stage, metric)
            for label, one in labelled.items()
        }
        title = output.title or env
        look = replace(view, log_y=True)
        figure = learning_curve_figure(curves, title, agents_of(labelled), look, output.style)
        written += output.save(figure, names[env], shown_of_curves(curves))
    return written


@figure_command
@click.option("--stage", type=int, help="Stage of the runs.  [default: the lowest recorded]")
@click.option(
    "--setting",
    type=int,
    help="Setting to plot.  [default: the best of each DATA, of the smallest gap, or by the "
    "search's metric where it is not known of --metric which is better]",
)
@click.option("--metric", help="Another metric of evaluations.  [default: oracle_gap]")
@curve_options
def main(
    data: Paths, labels: Sequence[str] | None, output: Output, which: Which, view: CurveView
) -> None:
    """Plot the distance from the exact solution over training, one figure an environment.

    DATA are data.json, data.h5, experiment directories or shards. Runs are shown by the magnitude
    of their gap, since luck in evaluation can make one negative. Prints the paths written.
    """
    echo_paths(plot_oracle_gap(data, labels, output, which, view))


if __name__ == "__main__":
    execute(main)
