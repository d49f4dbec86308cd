#!/usr/bin/env python3
"""Plot how much each swept hyperparameter matters.

python utils/plot_sensitivity.py                            the demo sweep under docs/demo/
python utils/plot_sensitivity.py DATA --parameter critic_lr --others best
python utils/plot_sensitivity.py DATA DATA                  several agents in the same panels
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
from nthrun.analysis.figures.sensitivity import OTHERS, Others, SensitivityView, sensitivity_figure
from nthrun.analysis.scores import read_scores
from nthrun.commands.entry import execute
from nthrun.commands.figure_data import (
    SWEEP,
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


def plot_sensitivity(
    data: Paths,
    labels: Sequence[str] | None,
    choice: ScoreChoice,
    output: Output,
    parameters: Sequence[str] = (),
    view: SensitivityView | None = None,
) -> list[Path]:
    """Plot sensitivity curves; gives the paths written.

    Args:
        data: of sweeps; none is the demo's.
        labels: one for each; None takes them from the files' names.
        choice: what stands for a run.
        output: where the figure goes.
        parameters: hyperparameters; none is all that settings differ in.
        view: what is drawn.

    Raises:
        NthrunError: data cannot be read, or do not differ in such a hyperparameter, or are of
            different metrics.
    """
    labelled = open_labelled(data or demo_files(SWEEP), labels)
    scores = {
        label: read_scores(one, choice.metric, choice.last, choice.stage, choice.direction)
        for label, one in labelled.items()
    }
    require_one_metric(scores.values())
    title = output.title or env_names(labelled)
    figure, shown = sensitivity_figure(
        scores, parameters, title, view, output.style, agents=agents_of(labelled)
    )
    return output.save(figure, f"{env_names(labelled)}_sensitivity", shown)


@figure_command
@score_options
@click.option(
    "--parameter", "parameters", multiple=True, help="A hyperparameter.  [default: all swept]"
)
@click.option(
    "--others",
    type=click.Choice([*OTHERS, "both"]),
    default="both",
    show_default=True,
    help="The others at their best for each value, or as in the best setting of all.",
)
@click.option("--band", type=click.Choice(OFFERED), default="bootstrap", show_default=True)
def main(
    data: Paths,
    labels: Sequence[str] | None,
    choice: ScoreChoice,
    output: Output,
    parameters: Sequence[str],
    **drawn: str,
) -> None:
    """Plot the score over the values of each hyperparameter.

    DATA are sweeps: data.json, data.h5, experiment directories or shards. Above each point stand
    its runs and, after a minus, how many of them were lost. Prints the paths written.
    """
    others: tuple[Others, ...] = OTHERS if drawn["others"] == "both" else (drawn["others"],)  # type: ignore[assignment]
    band: Kind = drawn["band"]  # type: ignore[assignment]
    view = SensitivityView(others, band)
    echo_paths(plot_sensitivity(data, labels, choice, output, parameters, view))


if __name__ == "__main__":
    execute(main)
