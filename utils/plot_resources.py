#!/usr/bin/env python3
"""Plot what runs cost: time and memory, and what to ask a cluster for.

python utils/plot_resources.py                              the demo agents under docs/demo/
python utils/plot_resources.py DATA DATA --stage all
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
# A script sees its own folder only; nthrun lies beside it, wherever it is called from.
sys.path.insert(0, str(ROOT))

from nthrun.analysis.figures.reading import shown_of_entries
from nthrun.analysis.figures.resources import (
    costs_of,
    resources_figure,
)
from nthrun.analysis.scores import chosen_entries
from nthrun.commands.entry import execute
from nthrun.commands.figure_data import (
    Paths,
    agents_of,
    demo_files,
    env_names,
    open_labelled,
)
from nthrun.commands.figure_options import (
    STAGE,
    Output,
    echo_paths,
    figure_command,
)


def plot_resources(
    data: Paths, labels: Sequence[str] | None, output: Output, stage: int | str | None = None
) -> list[Path]:
    """Plot time and memory of all runs; gives the paths written.

    Args:
        data: of experiments; none is the demo's.
        labels: one for each; None takes them from the files' names.
        output: where the figure goes.
        stage: whose runs.

    Raises:
        NthrunError: data cannot be read.
    """
    labelled = open_labelled(data or demo_files("agents/MountainCar*.json"), labels)
    costs = {label: costs_of(one, stage) for label, one in labelled.items()}
    title = output.title or env_names(labelled)
    figure = resources_figure(costs, title, agents_of(labelled), output.style)
    shown = [
        part
        for label, one in labelled.items()
        for part in shown_of_entries(one, chosen_entries(one, stage), label)
    ]
    return output.save(figure, f"{env_names(labelled)}_resources", shown)


@figure_command
@click.option("--stage", type=STAGE, help="Stage of the runs, or all.  [default: the only one]")
def main(
    data: Paths, labels: Sequence[str] | None, output: Output, stage: int | str | None
) -> None:
    """Plot histograms of the time of all runs of each DATA and of the memory of their processes.

    DATA are data.json, data.h5, experiment directories or shards. A run's time is its share of its
    pack; the legend says what to ask a cluster for, a quarter more than the most. Prints the paths
    written.
    """
    echo_paths(plot_resources(data, labels, output, stage))


if __name__ == "__main__":
    execute(main)
