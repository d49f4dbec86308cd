#!/usr/bin/env python3
"""Plot what a household of a Bewley run does: the learned policy beside the exact rules.

python utils/plot_decision_rules.py DATA                      as its wealth varies
python utils/plot_decision_rules.py DATA --vary ability       as its ability varies
python utils/plot_decision_rules.py DATA --step 2000          by the snapshot of that step
"""

from __future__ import annotations

import sys
from os import PathLike
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[1]
# A script sees its own folder only; nthrun lies beside it, wherever it is called from.
sys.path.insert(0, str(ROOT))

from nthrun.analysis.figures.decision_rules import decision_rules_figure
from nthrun.analysis.figures.saving import require_kind, save_as
from nthrun.commands.decision_rules import View, rule_picture
from nthrun.commands.entry import execute
from nthrun.commands.figure_data import demo_files
from nthrun.environments.bewley.decision_rules import VARIED
from nthrun.training.saved_policy import read_learned

DEMO = "solvers/Bewley_euler_quadrature.h5"


def plot_decision_rules(
    data: str | PathLike[str] | None,
    view: View,
    out: str | PathLike[str] | None = None,
    index: int | None = None,
    stage: int | None = None,
    step: int | None = None,
) -> Path:
    """Plot consumption, labour, savings and the savings ratio of one household.

    Args:
        data: an experiment directory, a shard or data.h5; None is the demo's.
        view: what varies, and whose rules.
        out: .png, .pdf or .svg; None is `decision_rules_agent<I>_batch<B>.png`.
        index, stage: which run; None is the lowest recorded.
        step: which snapshot; None is the policy at the end of the run.

    Returns:
        the path written.

    Raises:
        NthrunError: there is no such run, step, household, world or range, or it is no Bewley run.
        StorageError: the figure could not be written.
    """
    path = Path(out or f"decision_rules_agent{view.household}_batch{view.world}.png")
    require_kind(path)
    learned = read_learned(Path(data or demo_files(DEMO)[0]), index, stage, step)
    save_as(decision_rules_figure(rule_picture(learned, view)), path)
    return path


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", required=False)
@click.option("--index", type=int, help="Which run.  [default: the lowest recorded]")
@click.option("--stage", type=int, help="Stage of the run.  [default: the lowest recorded]")
@click.option("--step", type=int, help="Training step of a snapshot.  [default: the end]")
@click.option(
    "--vary", type=click.Choice(VARIED), default="wealth", show_default=True, help="What varies."
)
@click.option(
    "--range",
    "bounds",
    type=(float, float),
    metavar="LO HI",
    help="Values of it.  [default: 0.1 10 for wealth, else all there is]",
)
@click.option("--points", type=click.IntRange(2, 10_000), default=50, show_default=True)
@click.option("--household", type=int, default=0, show_default=True, help="Whose rules, from 0.")
@click.option("--world", type=int, default=0, show_default=True, help="In which world, from 0.")
@click.option(
    "--out",
    metavar="FILE",
    help=".png, .pdf or .svg.  [default: decision_rules_agent<household>_batch<world>.png]",
)
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def main(debug: bool, data: str | None, out: str | None, **options: Any) -> None:
    """Plot consumption, labour, savings and the savings ratio of a household of a Bewley run.

    DATA is an experiment directory, a shard or data.h5; without it, demo data are plotted.
    The run's agent decides, with what it had
    learned at the end or at the --step of a snapshot; dashed are the exact rules at the prices that
    the household sees, dotted those of the exact equilibrium.

    All but what varies stays as it is in one world: world B is the state at the end of episode B
    of the last evaluation up to that step, played again with the run's own seeds. Wealth and
    ability of the other households and both prices are held. Between two states of ability, rules
    are interpolated linearly in the logarithm of ability. With --vary savings the share saved is
    forced, labour is the best with that share, and what the rules choose are points.

    What a record does not hold of the agent's own simulation is put in: the exact equilibrium's
    rebate and, where the environment shows no prices, its labour to form them with, at the end the
    world's.

    Prints the path written.
    """
    run = {name: options.pop(name) for name in ("index", "stage", "step")}
    click.echo(plot_decision_rules(data, View(**options), out, **run))


if __name__ == "__main__":
    execute(main)
