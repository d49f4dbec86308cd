"""Learning curves: a line over runs, its band, and thin lines for the runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import click
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nthrun.analysis.curves import Curve, learning_curve
from nthrun.analysis.figures.bands import TEXTS, Band, Kind, Statistic, band_of
from nthrun.analysis.figures.base import BAND_OPTION, STATISTIC_OPTION, Drawn, FigureData, plot
from nthrun.analysis.figures.saving import PlottedRuns
from nthrun.analysis.figures.style import (
    Look,
    Style,
    legend_below,
    limit,
    looks,
    new_figure,
    panels_of,
    step_axis,
)

MAX_THIN_LINES = 30
NUM_PER_GROUP = 5


@dataclass(frozen=True, slots=True)
class CurveView:
    """What is drawn of each curve.

    Attributes:
        band: around the line; None as in `band_of`.
        statistic: the line.
        show_runs: thin lines of the runs.
        smooth_steps: each run is its mean over so many steps before each point; 0 is off.
        x_limits, y_limits: of the axes; None fits the curves.
        log_y: logarithmic, of magnitudes.
    """

    band: Kind | None = None
    statistic: Statistic = "mean"
    show_runs: bool = True
    smooth_steps: int = 0
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    log_y: bool = False


def _ascending(
    context: click.Context, option: click.Parameter, limits: tuple[float, float] | None
) -> tuple[float, float] | None:
    """The limits of an axis.

    Raises:
        BadParameter: the first is not below the second.
    """
    if limits is not None and limits[0] >= limits[1]:
        got = "{:g} {:g}".format(*limits)
        raise click.BadParameter(f"got {got}, allowed: two numbers, the lower one first")
    return limits


CURVE_OPTIONS = (
    BAND_OPTION,
    STATISTIC_OPTION,
    click.Option(
        ["--runs/--no-runs", "show_runs"],
        default=True,
        show_default=True,
        help="Thin lines of runs.",
    ),
    click.Option(
        ["--smooth", "smooth_steps"],
        type=click.IntRange(min=0),
        default=0,
        metavar="STEPS",
        help="Mean of each run over the last so many steps.  [default: no smoothing]",
    ),
    click.Option(
        ["--x-limits"],
        type=(float, float),
        default=None,
        callback=_ascending,
        metavar="LO HI",
        help="Steps shown.",
    ),
    click.Option(
        ["--y-limits"],
        type=(float, float),
        default=None,
        callback=_ascending,
        metavar="LO HI",
        help="Values shown.",
    ),
    click.Option(["--stage"], type=int, help="Stage of the runs.  [default: the lowest recorded]"),
)
"""The options of every curve; all but the last are fields of `CurveView`."""


@plot(
    of="environment",
    demo="*.json",
    options=[
        click.Option(["--metric"], help="A metric, such as oracle_gap.  [default: the return]"),
        click.Option(
            ["--setting"],
            type=int,
            help="Setting to plot.  [default: the best of each DATA, by --metric if it is known "
            "which is better, else by the search's metric]",
        ),
        *CURVE_OPTIONS,
    ],
    file_name=lambda group, values: "_".join(filter(None, [group.name, values["metric"]])),
)
def learning_curves(
    group: FigureData, setting: int | None, stage: int | None, metric: str | None, **view: Any
) -> Drawn:
    """Plot the learning curve of each DATA's best setting, one figure an environment.

    Performance is step-weighted: at each training step, the return of the episode it belongs to.
    Runs of solvers, which have no training episodes, are shown by the returns of their evaluations.
    """
    curves = {label: learning_curve(data, setting, stage, metric) for label, data in group.labelled}
    figure = learning_curve_figure(
        curves, group.caption, group.agents, CurveView(**view), group.style
    )
    return figure, runs_of_curves(curves)


@plot(
    of="environment",
    demo="solvers/*.h5",
    options=[
        click.Option(
            ["--metric"],
            default="oracle_gap",
            show_default=True,
            help="Another metric of evaluations.",
        ),
        click.Option(
            ["--setting"],
            type=int,
            help="Setting to plot.  [default: the best of each DATA, of the smallest gap, or by "
            "the search's metric where it is not known of --metric which is better]",
        ),
        *CURVE_OPTIONS,
    ],
    file_name=lambda group, values: f"{group.name}_{values['metric']}",
)
def oracle_gap(group: FigureData, **values: Any) -> Drawn:
    """Plot the distance from the exact solution over training, one figure an environment.

    Runs are shown by the magnitude of their gap, since luck in evaluation can make one negative.
    """
    return learning_curves.draw(group, log_y=True, **values)


def learning_curve_figure(
    curves: Mapping[str, Curve],
    title: str,
    agents: Mapping[str, str] | None = None,
    view: CurveView | None = None,
    style: Style | None = None,
) -> Figure:
    """Learning curves: the mean over runs, its band, and thin lines for the runs.

    Of more than 30 runs only the best five, the middle five and the worst five are drawn. One
    run is drawn as one line without a band.

    Args:
        curves: label -> curve, drawn in this order.
        title: above the axes.
        agents: label -> the agent whose colour a curve has, if not the label.
        view: what is drawn of each.
        style: width and fonts.
    """
    style, view = style or Style(), view or CurveView()
    with style.context():
        figure = new_figure(style)
        [axes] = panels_of(figure, 1, (1, 1), style)
        handles, heading = draw_curves(axes, curves, agents or {}, view, style)
        axes.set_title(title)
        step_axis(axes)
        axes.set_ylabel(quantity_text(list(curves.values()), view))
        limit(axes, view.x_limits, view.y_limits)
        legend_below(figure, style, handles, heading)
    return figure


def draw_curves(
    axes: Axes,
    curves: Mapping[str, Curve],
    agents: Mapping[str, str],
    view: CurveView,
    style: Style,
) -> tuple[list[Line2D], str]:
    """Draw curves into axes; returns their handles and what lines and bands are."""
    handles, texts = [], []
    of_agents = looks(agents.get(label, label) for label in curves)
    for (label, curve), look in zip(curves.items(), of_agents, strict=True):
        drawn = viewed(curve, view)
        band = _band(drawn, view)
        text = fill(legend_text(label, curve), style.legend_characters)
        handles.append(_draw_band(axes, curve.grid, band, look, text))
        if view.show_runs and len(drawn.runs) > 1:
            thin = drawn.runs[shown_runs(drawn.runs)]
            axes.plot(curve.grid, thin.T, color=look.colour, lw=0.4, alpha=0.2, zorder=1)
        texts.append(band.text)
    if view.log_y:
        axes.set_yscale("log", nonpositive="mask")
    return handles, _heading(curves, texts, view)


def viewed(curve: Curve, view: CurveView) -> Curve:
    """A curve as it is drawn: smoothed, of magnitudes on a logarithmic axis."""
    drawn = curve.magnitudes() if view.log_y else curve
    return drawn.smoothed(view.smooth_steps) if view.smooth_steps else drawn


def shown_runs(runs: np.ndarray) -> np.ndarray:
    """Rows of `runs` to draw one by one, best first.

    Args:
        runs: `(num_runs, num_points)`; rows without a finite value are never drawn.

    Returns:
        all rows if they are at most 30; else the five of the highest mean over the grid, the
        five around the median, the five of the lowest.
    """
    rows = np.flatnonzero(np.isfinite(runs).any(1))
    means = np.array([runs[row][np.isfinite(runs[row])].mean() for row in rows])
    order = rows[np.argsort(-means, kind="stable")]
    if len(order) <= MAX_THIN_LINES:
        return order
    middle = (len(order) - NUM_PER_GROUP) // 2
    groups = order[:NUM_PER_GROUP], order[middle : middle + NUM_PER_GROUP], order[-NUM_PER_GROUP:]
    return np.concatenate(groups)


def legend_text(label: str, curve: Curve) -> str:
    """What a line is: label, setting, number of runs, and how many of them ended early."""
    num_runs = len(curve.indices)
    text = f"{label}, setting {curve.setting_number}, {num_runs} run{'s' * (num_runs != 1)}"
    stage = f", stage {curve.stage}" if curve.stage else ""
    early = Counter(status for status in curve.statuses if status != "completed")
    notes = [f"{count} {status}" for status, count in early.items()]
    if empty := int((~np.isfinite(curve.runs).any(1)).sum()):
        notes.append(f"{empty} without a finished episode")
    return text + stage + (f" ({', '.join(notes)})" if notes else "")


def quantity_text(curves: Sequence[Curve], view: CurveView) -> str:
    """The label of the vertical axis: each quantity once."""
    names = dict.fromkeys(curve.quantity for curve in curves)
    return " or ".join(f"|{name}|" if view.log_y else name for name in names)


def runs_of_curves(curves: Mapping[str, Curve]) -> list[PlottedRuns]:
    """The runs that curves are of."""
    return [
        PlottedRuns(curve.source, label, curve.stage, curve.setting_number, curve.indices)
        for label, curve in curves.items()
    ]


def _band(curve: Curve, view: CurveView) -> Band:
    """The band of a curve as it is drawn; there is none around one run."""
    kind = view.band if len(curve.runs) > 1 else "none"
    if kind in (None, "student") and view.statistic == "mean":
        return Band(curve.mean, *curve.band, TEXTS["student"])
    return band_of(curve.runs, kind, view.statistic)


def _draw_band(axes: Axes, grid: np.ndarray, band: Band, look: Look, text: str) -> Line2D:
    marker = look.marker if np.isfinite(band.centre).sum() == 1 else None
    (line,) = axes.plot(
        grid,
        band.centre,
        color=look.colour,
        ls=look.style,
        lw=1.4,
        marker=marker,
        label=text,
        zorder=3,
    )
    if band.text:
        axes.fill_between(grid, band.low, band.high, color=look.colour, alpha=0.3, lw=0, zorder=2)
    return line


def _heading(curves: Mapping[str, Curve], texts: Sequence[str], view: CurveView) -> str:
    """The legend's title: what line and band are; nothing where there is one run only."""
    if all(len(curve.runs) == 1 for curve in curves.values()):
        return ""
    bands = [text for text in dict.fromkeys(texts) if text]
    parts = [f"{view.statistic} over runs", *bands]
    if view.smooth_steps:
        parts.append(f"smoothed over {view.smooth_steps:,} steps")
    return ", ".join(parts) + ("; thin: single runs" if view.show_runs else "")
