"""Options of learning curves: whose, of what, and what is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from nthrun.analysis.figures.bands import OFFERED, STATISTICS
from nthrun.analysis.figures.curves import CurveView

Command = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Which:
    """Whose curve, and of what.

    Attributes:
        setting, stage: None is the best setting, and the lowest stage, or the only one where
            figures do not mix stages.
        metric: by name; None is the return.
    """

    setting: int | None = None
    stage: int | None = None
    metric: str | None = None


def curve_options(function: Command) -> Command:
    """Options of a curve: gives `which` and `view`.

    The command declares `--stage`, `--setting` and `--metric` itself.
    """

    def run(setting: int | None, stage: int | None, metric: str | None, **options: Any) -> None:
        drawn = {name: options.pop(name) for name in CurveView.__slots__ if name in options}
        function(which=Which(setting, stage, metric), view=CurveView(**drawn), **options)

    run.__doc__ = function.__doc__
    run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    for option in reversed(_CURVE_OPTIONS):
        option(run)
    return run


_CURVE_OPTIONS = (
    click.option("--band", type=click.Choice(OFFERED), default="bootstrap", show_default=True),
    click.option("--statistic", type=click.Choice(STATISTICS), default="mean", show_default=True),
    click.option(
        "--runs/--no-runs", "show_runs", default=True, show_default=True, help="Thin lines of runs."
    ),
    click.option(
        "--smooth",
        "smooth_steps",
        type=click.IntRange(min=0),
        default=0,
        metavar="STEPS",
        help="Mean of each run over the last so many steps.  [default: no smoothing]",
    ),
    click.option(
        "--x-limits", type=(float, float), default=None, metavar="LO HI", help="Steps shown."
    ),
    click.option(
        "--y-limits", type=(float, float), default=None, metavar="LO HI", help="Values shown."
    ),
)
