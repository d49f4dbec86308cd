#!/usr/bin/env python3
"""Plot how the scores of runs are distributed.

python utils/plot_distribution.py                           the demo agents under docs/demo/
python utils/plot_distribution.py DATA DATA --shape density --metric evaluation --last 10
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
# A script sees its own folder only; nthrun lies beside it, wherever it is called from.
sys.path.insert(0, str(ROOT))

from nthrun.analysis.figures.distribution import (
    SHAPES,
    Shape,
    distribution_figure,
)
from nthrun.commands.entry import execute
from nthrun.commands.figure_data import (
    Paths,
    agents_of,
    demo_files,
    open_groups,
    require_one,
)
from nthrun.commands.figure_options import (
    Output,
    ScoreChoice,
    echo_paths,
    figure_command,
    score_options,
)
from nthrun.commands.figure_scores import scores_of_best


def plot_distribution(
    data: Paths,
    labels: Sequence[str] | None,
    choice: ScoreChoice,
    output: Output,
    setting: int | None = None,
    shape: Shape = "histogram",
) -> list[Path]:
    """Plot the distribution of scores, one figure an environment; gives the paths written.

    Args:
        data: of experiments; none is the demo's.
        labels: one for each; None takes them from the files' names.
        choice: what stands for a run.
        output: where the figures go.
        setting: whose runs; None is the best of each.
        shape: of what is drawn.

    Raises:
        NthrunError: data cannot be read, or one name is given for several figures.
    """
    groups = open_groups(data or demo_files("agents/*.json"), labels)
    require_one(groups, output.name)
    names = {env: f"{env}_distribution" for env in groups}
    output.require_apart(names.values())
    written: list[Path] = []
    for env, labelled in groups.items():
        found = scores_of_best(labelled, choice, setting)
        title = output.title or env
        figure = distribution_figure(
            found.values, found.label, title, shape, agents_of(labelled), output.style
        )
        written += output.save(figure, names[env], found.shown)
    return written


@figure_command
@score_options
@click.option("--setting", type=int, help="Setting to plot.  [default: the best of each DATA]")
@click.option("--shape", type=click.Choice(SHAPES), default="histogram", show_default=True)
def main(
    data: Paths,
    labels: Sequence[str] | None,
    choice: ScoreChoice,
    output: Output,
    setting: int | None,
    shape: Shape,
) -> None:
    """Plot the distribution of the scores of one setting's runs, one figure an environment.

    DATA are data.json, data.h5, experiment directories or shards. Strokes below the axis are runs.
    Prints the paths written.
    """
    echo_paths(plot_distribution(data, labels, choice, output, setting, shape))


if __name__ == "__main__":
    execute(main)
