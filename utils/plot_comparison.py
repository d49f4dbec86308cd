#!/usr/bin/env python3
"""Plot agents beside each other in each environment, as points with intervals.

python utils/plot_comparison.py                             the demo agents under docs/demo/
python utils/plot_comparison.py DATA DATA DATA --normalise range --last 10
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
# A script sees its own folder only; nthrun lies beside it, wherever it is called from.
sys.path.insert(0, str(ROOT))

from nthrun.analysis.compatibility_checks import require_one_metric
from nthrun.analysis.figures.bands import OFFERED, Kind
from nthrun.analysis.figures.comparison import (
    NORMALISATIONS,
    Normalisation,
    comparison_figure,
    normalised,
)
from nthrun.commands.entry import execute
from nthrun.commands.figure_data import Paths, agents_of, demo_files, open_groups
from nthrun.commands.figure_options import (
    Output,
    ScoreChoice,
    echo_paths,
    figure_command,
    score_options,
)
from nthrun.commands.figure_scores import scores_of_best


def plot_comparison(
    data: Paths,
    labels: Sequence[str] | None,
    choice: ScoreChoice,
    output: Output,
    normalise: Normalisation = "none",
    band: Kind = "bootstrap",
) -> list[Path]:
    """Plot the best setting of each experiment, a panel an environment; gives the paths written.

    Args:
        data: of experiments; none is the demo's.
        labels: one for each; None takes them from the files' names.
        choice: what stands for a run.
        output: where the figure goes.
        normalise: how environments are made comparable.
        band: the interval.

    Raises:
        NthrunError: data cannot be read, or are of different metrics.
    """
    groups = open_groups(data or demo_files("agents/*.json"), labels)
    found = {env: scores_of_best(labelled, choice) for env, labelled in groups.items()}
    require_one_metric(scores for one in found.values() for scores in one.scores.values())
    first = next(iter(found.values()))
    values = {env: one.values for env, one in found.items()}
    agents = {label: agent for one in groups.values() for label, agent in agents_of(one).items()}
    text = first.label + ("" if normalise == "none" else f", normalised ({normalise})")
    figure = comparison_figure(
        normalised(values, normalise, first.higher_is_better),
        text,
        output.title or "",
        agents,
        band,
        output.style,
    )
    shown = [part for one in found.values() for part in one.shown]
    return output.save(figure, "comparison", shown)


@figure_command
@score_options
@click.option(
    "--normalise",
    type=click.Choice(NORMALISATIONS),
    default="none",
    show_default=True,
    help="range: 0 and 1 are the worst and the best run of the environment; ecdf: the share of its "
    "runs that are no better.",
)
@click.option("--band", type=click.Choice(OFFERED), default="bootstrap", show_default=True)
def main(
    data: Paths,
    labels: Sequence[str] | None,
    choice: ScoreChoice,
    output: Output,
    normalise: Normalisation,
    band: Kind,
) -> None:
    """Plot the best setting of each DATA as a point with its interval, a panel an environment.

    DATA are data.json, data.h5, experiment directories or shards; those of one label, such as an
    agent's name, have one colour. Prints the paths written.
    """
    echo_paths(plot_comparison(data, labels, choice, output, normalise, band))


if __name__ == "__main__":
    execute(main)
