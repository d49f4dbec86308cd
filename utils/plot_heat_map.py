#!/usr/bin/env python3
"""Plot the score over two hyperparameters as a map.

python utils/plot_heat_map.py                               the demo sweep under docs/demo/
python utils/plot_heat_map.py DATA --parameter critic_lr --parameter decay
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
# A script sees its own folder only; nthrun lies beside it, wherever it is called from.
sys.path.insert(0, str(ROOT))

from nthrun.analysis.figures.heat_map import heat_map_figure
from nthrun.analysis.figures.sensitivity import OTHERS, Others
from nthrun.analysis.scores import read_scores
from nthrun.commands.entry import execute
from nthrun.commands.figure_data import (
    SWEEP,
    Paths,
    demo_files,
    env_name,
    open_labelled,
)
from nthrun.commands.figure_options import (
    Output,
    ScoreChoice,
    echo_paths,
    figure_command,
    score_options,
)


def plot_heat_map(
    data: Paths,
    labels: Sequence[str] | None,
    choice: ScoreChoice,
    output: Output,
    parameters: Sequence[str] = (),
    others: Others = "best",
) -> list[Path]:
    """Plot a heat map of each sweep; gives the paths written.

    Args:
        data: of sweeps; none is the demo's.
        labels: one for each; None takes them from the files' names.
        choice: what stands for a run.
        output: where the figures go.
        parameters: two hyperparameters; none is the two with the most values.
        others: what the other hyperparameters do.

    Raises:
        NthrunError: data cannot be read, or do not differ in two such hyperparameters, or two
            figures would have one name.
    """
    written: list[Path] = []
    labelled = open_labelled(data or demo_files(SWEEP), labels)
    names = {label: f"{env_name(one)}_{label}_heat_map" for label, one in labelled.items()}
    output.require_apart(names.values())
    for label, one in labelled.items():
        scores = read_scores(one, choice.metric, choice.last, choice.stage, choice.direction)
        title = output.title or f"{env_name(one)}, {label}"
        figure, shown = heat_map_figure(scores, parameters, title, others, output.style)
        written += output.save(figure, names[label], shown)
    return written


@figure_command
@score_options
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    help="A hyperparameter, twice.  [default: the two with the most values]",
)
@click.option(
    "--others",
    type=click.Choice(OTHERS),
    default="best",
    show_default=True,
    help="The others at their best for each cell, or as in the best setting of all.",
)
def main(
    data: Paths,
    labels: Sequence[str] | None,
    choice: ScoreChoice,
    output: Output,
    parameters: Sequence[str],
    others: Others,
) -> None:
    """Plot the score over two hyperparameters, one figure for each DATA.

    DATA are sweeps: data.json, data.h5, experiment directories or shards. Cells say how many of
    their runs were lost. Prints the paths written.
    """
    echo_paths(plot_heat_map(data, labels, choice, output, parameters, others))


if __name__ == "__main__":
    execute(main)
