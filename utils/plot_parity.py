#!/usr/bin/env python3
"""Plot a metric of one experiment against that of another, seed by seed.

python utils/plot_parity.py                                 two demo agents under docs/demo/
python utils/plot_parity.py DATA DATA --metric final_evaluation
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A script sees its own folder only; nthrun lies beside it, wherever it is called from.
sys.path.insert(0, str(ROOT))

from nthrun.analysis.figures.parity import pairs_of, parity_figure
from nthrun.commands.entry import execute
from nthrun.commands.figure_data import (
    Paths,
    agents_of,
    demo_files,
    env_names,
    open_labelled,
)
from nthrun.commands.figure_options import (
    Output,
    ScoreChoice,
    echo_paths,
    figure_command,
    score_options,
)
from nthrun.commands.figure_scores import scores_of_best
from nthrun.errors import NthrunError


def plot_parity(
    data: Paths, labels: Sequence[str] | None, choice: ScoreChoice, output: Output
) -> list[Path]:
    """Plot the best settings of two experiments against each other; gives the paths written.

    Args:
        data: of two experiments; none is the demo's.
        labels: one for each; None takes them from the files' names.
        choice: what stands for a run.
        output: where the figure goes.

    Raises:
        NthrunError: data cannot be read, or are not two.
    """
    labelled = open_labelled(data or demo_files("agents/MountainCar*.json"), labels)
    if len(labelled) != 2:
        raise NthrunError(
            f"parity: got {len(labelled)} data, allowed: 2", "give the two to compare"
        )
    found = scores_of_best(labelled, choice)
    first, second = labelled
    pairs = pairs_of(
        found.scores[first], found.settings[first], found.scores[second], found.settings[second]
    )
    names = (f"{first}: {found.label}", f"{second}: {found.label}")
    title = output.title or env_names(labelled)
    agents = {"runs": agents_of(labelled)[second]}
    figure = parity_figure({"runs": pairs}, names, title, agents, output.style)
    return output.save(figure, f"{env_names(labelled)}_parity", found.shown)


@figure_command
@score_options
def main(data: Paths, labels: Sequence[str] | None, choice: ScoreChoice, output: Output) -> None:
    """Plot the score of one DATA against that of another, a point for each seed both were run with.

    Of each DATA (data.json, data.h5, an experiment directory or a shard) the best setting is taken.
    Prints the paths written.
    """
    echo_paths(plot_parity(data, labels, choice, output))


if __name__ == "__main__":
    execute(main)
