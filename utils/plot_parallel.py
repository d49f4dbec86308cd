#!/usr/bin/env python3
"""Plot every setting of a sweep as a line over its hyperparameters.

python utils/plot_parallel.py                               the demo sweep under docs/demo/
python utils/plot_parallel.py DATA --parameter critic_lr --parameter decay
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
# A script sees its own folder only; nthrun lies beside it, wherever it is called from.
sys.path.insert(0, str(ROOT))

from nthrun.analysis.figures.parallel import parallel_figure
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


def plot_parallel(
    data: Paths,
    labels: Sequence[str] | None,
    choice: ScoreChoice,
    output: Output,
    parameters: Sequence[str] = (),
) -> list[Path]:
    """Plot parallel coordinates of each sweep; gives the paths written.

    Args:
        data: of sweeps; none is the demo's.
        labels: one for each; None takes them from the files' names.
        choice: what stands for a run.
        output: where the figures go.
        parameters: hyperparameters; none is all that settings differ in.

    Raises:
        NthrunError: data cannot be read, or do not differ in such a hyperparameter, or two figures
            would have one name.
    """
    written: list[Path] = []
    labelled = open_labelled(data or demo_files(SWEEP), labels)
    names = {label: f"{env_name(one)}_{label}_parallel" for label, one in labelled.items()}
    output.require_apart(names.values())
    for label, one in labelled.items():
        scores = read_scores(one, choice.metric, choice.last, choice.stage, choice.direction)
        title = output.title or f"{env_name(one)}, {label}"
        figure, shown = parallel_figure(scores, parameters, title, output.style)
        written += output.save(figure, names[label], shown)
    return written


@figure_command
@score_options
@click.option(
    "--parameter", "parameters", multiple=True, help="A hyperparameter.  [default: all swept]"
)
def main(
    data: Paths,
    labels: Sequence[str] | None,
    choice: ScoreChoice,
    output: Output,
    parameters: Sequence[str],
) -> None:
    """Plot settings as lines over their hyperparameters, one figure for each DATA.

    DATA are sweeps: data.json, data.h5, experiment directories or shards. Colours are scores, the
    best setting is drawn thick, and settings that lost runs are dotted. Prints the paths written.
    """
    echo_paths(plot_parallel(data, labels, choice, output, parameters))


if __name__ == "__main__":
    execute(main)
