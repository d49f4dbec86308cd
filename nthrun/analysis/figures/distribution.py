"""How scores of runs are distributed: histograms, densities and cumulative shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import click
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation
from scipy.stats import gaussian_kde

from nthrun.analysis.figures.base import SCORE_OPTIONS, Drawn, FigureData, plot
from nthrun.analysis.figures.reading import scores_of_best
from nthrun.analysis.figures.style import (
    Look,
    Style,
    finite_range,
    legend_below,
    looks,
    new_figure,
    number_axis,
    panels_of,
)

Shape = Literal["histogram", "density", "cumulative"]
SHAPES: tuple[Shape, ...] = ("histogram", "density", "cumulative")
MAX_BINS = 60
LEAST_FOR_DENSITY = 3


@plot(
    of="environment",
    demo="agents/*.json",
    options=[
        *SCORE_OPTIONS,
        click.Option(
            ["--setting"], type=int, help="Setting to plot.  [default: the best of each DATA]"
        ),
        click.Option(
            ["--shape"], type=click.Choice(SHAPES), default="histogram", show_default=True
        ),
    ],
)
def distribution(group: FigureData, setting: int | None, shape: Shape, **scored: Any) -> Drawn:
    """Plot the distribution of the scores of one setting's runs, one figure an environment.

    Strokes below the axis are runs.
    """
    best = scores_of_best(group.data, setting, **scored)
    figure = distribution_figure(
        best.values, best.label, group.caption, shape, group.agents, group.style
    )
    return figure, best.shown


def distribution_figure(
    values: Mapping[str, np.ndarray],
    axis_label: str,
    title: str,
    shape: Shape = "histogram",
    agents: Mapping[str, str] | None = None,
    style: Style | None = None,
) -> Figure:
    """The distribution of one number a run; short strokes below are the runs.

    A density is by Gaussian kernels of Scott's width; of fewer than three different values it is
    left out, and the strokes stay. Infinite values and NaN are counted in the legend.

    Args:
        values: label -> `(num_runs,)`.
        axis_label: what the numbers are.
        title: above the axes.
        shape: of what is drawn.
        agents: label -> the agent whose colour it has, if not the label.
        style: width and fonts.
    """
    style = style or Style()
    with style.context():
        figure = new_figure(style)
        [axes] = panels_of(figure, 1, (1, 1), style)
        kept = {label: one[np.isfinite(one)] for label, one in values.items()}
        edges = _edges(np.concatenate([*kept.values(), np.empty(0)]))
        handles = []
        of_agents = looks((agents or {}).get(label, label) for label in values)
        for number, (label, look) in enumerate(zip(values, of_agents, strict=True)):
            _draw(axes, kept[label], look, shape, edges)
            _strokes(figure, axes, kept[label], look, number)
            text = _text(label, kept[label], len(values[label]) - len(kept[label]))
            handles.append(Line2D([], [], color=look.colour, ls=look.style, label=text))
        axes.set(title=title, xlabel=axis_label, ylabel=_height(shape))
        number_axis(axes.xaxis)
        number_axis(axes.yaxis)
        legend_below(figure, style, handles)
    return figure


def _draw(axes: Axes, values: np.ndarray, look: Look, shape: Shape, edges: np.ndarray) -> None:
    if not len(values):
        return
    if shape == "histogram":
        counts, _ = np.histogram(values, edges)
        axes.stairs(counts, edges, color=look.colour, alpha=0.25, fill=True)
        axes.stairs(counts, edges, color=look.colour, ls=look.style, lw=1.2)
        axes.axvline(values.mean(), color=look.colour, ls=look.style, lw=0.9)
    elif shape == "cumulative":
        ordered = np.sort(values)
        shares = np.arange(1, len(values) + 1) / len(values)
        axes.step(
            np.r_[ordered[0], ordered],
            np.r_[0, shares],
            where="post",
            color=look.colour,
            ls=look.style,
            lw=1.3,
        )
    elif len(np.unique(values)) >= LEAST_FOR_DENSITY:
        low, high = edges[0], edges[-1]
        grid = np.linspace(low - 0.4 * (high - low), high + 0.4 * (high - low), 300)
        density = gaussian_kde(values)(grid)
        axes.plot(grid, density, color=look.colour, ls=look.style, lw=1.3)
        axes.fill_between(grid, 0, density, color=look.colour, alpha=0.2, lw=0)


def _strokes(figure: Figure, axes: Axes, values: np.ndarray, look: Look, number: int) -> None:
    """A stroke a run, below the axis's zero, a row for each label."""
    below = ScaledTranslation(0, -(5 + 6 * number) / 72, figure.dpi_scale_trans)
    axes.plot(
        values,
        np.zeros(len(values)),
        ls="none",
        marker="|",
        ms=5,
        color=look.colour,
        alpha=0.7,
        transform=axes.get_xaxis_transform() + below,
        clip_on=False,
    )
    axes.tick_params(axis="x", pad=6 + 6 * (number + 1))


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of bins that all labels share, by the rule of Freedman and Diaconis or of Sturges."""
    low, high = finite_range(values)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        width = abs(low) / 2 or 0.5
        return np.array([low - width, low + width])
    number = len(np.histogram_bin_edges(values, "auto")) - 1
    return np.linspace(low, high, min(number, MAX_BINS) + 1)


def _height(shape: Shape) -> str:
    return {"histogram": "runs", "density": "density", "cumulative": "share of runs"}[shape]


def _text(label: str, kept: np.ndarray, num_lost: int) -> str:
    number = f"{len(kept)} run{'s' * (len(kept) != 1)}"
    return f"{label}, {number}" + (f" ({num_lost} without a score)" if num_lost else "")
