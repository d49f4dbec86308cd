"""Heat maps of two hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from nthrun.analysis.figures.base import SCORE_OPTIONS, SWEEP, Drawn, FigureData, plot
from nthrun.analysis.figures.reading import runs_of_settings
from nthrun.analysis.figures.saving import PlottedRuns
from nthrun.analysis.figures.sensitivity import OTHERS, Others
from nthrun.analysis.figures.style import (
    COLOUR_MAP,
    Style,
    legend_below,
    new_figure,
    number_axis,
    panels_of,
)
from nthrun.analysis.figures.value_scale import ValueScale, value_scale, value_text
from nthrun.analysis.ranking import RankedSettings, ranked_settings, require_varying, tied
from nthrun.analysis.scores import Scores, read_scores
from nthrun.errors import NthrunError

MAX_WRITTEN = 10
"""Rows or columns of cells that still have room for their numbers."""
EMPTY_COLOUR = "0.85"


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A map of two hyperparameters.

    Attributes:
        across, up: the scales of both.
        places: `(num_up, num_across)` the setting that each cell is of; -1 where there is none.
        values: `(num_up, num_across)` mean score of its runs.
        num_lost: `(num_up, num_across)` runs it lost.
    """

    across: ValueScale
    up: ValueScale
    places: np.ndarray
    values: np.ndarray
    num_lost: np.ndarray


@plot(
    of="data",
    demo=SWEEP,
    options=[
        *SCORE_OPTIONS,
        click.Option(
            ["--parameter", "parameters"],
            multiple=True,
            help="A hyperparameter, twice.  [default: the two with the most values]",
        ),
        click.Option(
            ["--others"],
            type=click.Choice(OTHERS),
            default="best",
            show_default=True,
            help="The others at their best for each cell, or as in the best setting of all.",
        ),
    ],
)
def heat_map(group: FigureData, parameters: Sequence[str], others: Others, **scored: Any) -> Drawn:
    """Plot the score over two hyperparameters, one figure for each DATA, a sweep.

    Cells say how many of their runs were lost.
    """
    [data] = group.data.values()
    scores = read_scores(data, **scored)
    return heat_map_figure(scores, parameters, group.caption, others, group.style)


def cells_of(settings: RankedSettings, names: tuple[str, str], others: Others = "best") -> Cells:
    """The map of two hyperparameters, the others at their best or as in the best setting."""
    across, up = (value_scale(name, settings.values(name)) for name in names)
    allowed = np.ones(len(settings.numbers), bool)
    if others == "slice":
        best = settings.best()
        for other in set(settings.varying()).difference(*(tied(settings, name) for name in names)):
            keys = settings.keys(other)
            allowed &= keys == keys[best]
    columns, rows = (scale.numbers(settings.values(scale.name)) for scale in (across, up))
    places = np.full((len(up.values), len(across.values)), -1)
    order = np.argsort(settings.ranks)[::-1]  # the best comes last, and stays
    order = order[allowed[order]]
    places[rows[order], columns[order]] = order
    there = places >= 0
    values = np.where(there, settings.means[places], np.nan)
    return Cells(across, up, places, values, np.where(there, settings.num_lost[places], 0))


def heat_map_figure(
    scores: Scores,
    names: Sequence[str],
    title: str,
    others: Others = "best",
    style: Style | None = None,
) -> tuple[Figure, list[PlottedRuns]]:
    """The mean score over the values of two hyperparameters.

    Every value has a cell of the same width. Cells with lost runs say how many, or bear a × where
    there is no room; grey ones have no run with a score, white ones no setting.

    Args:
        scores: of the runs of a sweep.
        names: of two hyperparameters; of none, the two with the most values are taken.
        title: above the map.
        others: what the other hyperparameters do.
        style: width and fonts.

    Returns:
        the figure, and the runs it shows.

    Raises:
        NthrunError: not two hyperparameters, or ones that settings do not differ in.
    """
    style = style or Style()
    settings = ranked_settings(scores)
    cells = cells_of(settings, _two(settings, names), others)
    with style.context():
        figure = new_figure(style)
        [axes] = panels_of(figure, 1, (1, 1), style)
        drawn = axes.pcolormesh(
            np.ma.masked_invalid(cells.values), cmap=_map(scores), edgecolors="white", lw=0.5
        )
        draw_cells(axes, cells, drawn.norm, _map(scores), style)
        bar = figure.colorbar(drawn, ax=axes, label=scores.label)
        number_axis(bar.ax.yaxis)
        bar.ax.tick_params(labelsize=style.small_points)
        bar.outline.set_visible(False)
        axes.set_title(title)
        handles = []
        if (np.isnan(cells.values) & (cells.places >= 0)).any():
            handles.append(Patch(color=EMPTY_COLOUR, label="no run has a score"))
        legend_below(figure, style, handles, _heading(settings, others))
        if not handles:
            figure.supxlabel(_heading(settings, others), fontsize=style.small_points)
    places = cells.places[cells.places >= 0]
    return figure, runs_of_settings(settings, places, f"others at {others}")


def draw_cells(
    axes: Axes, cells: Cells, norm: Any, colours: mpl.colors.Colormap, style: Style
) -> None:
    """Axes, grey cells and numbers of a map whose colours are drawn."""
    for scale, axis in ((cells.across, axes.xaxis), (cells.up, axes.yaxis)):
        scale.dress(axis, 0.7 * style.legend_characters, even=True)
    axes.set(xlim=(0, len(cells.across.values)), ylim=(0, len(cells.up.values)))
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0, labelsize=style.small_points)
    texts = {
        (row, column): _cell_text(cells, (row, column))
        for row, column in np.argwhere(cells.places >= 0).tolist()
    }
    longest = max(len(line) for text in texts.values() for line in text.split("\n"))
    rows, columns = cells.values.shape
    room = 0.6 * style.legend_characters / columns
    written = rows <= MAX_WRITTEN and longest < room
    for (row, column), text in texts.items():
        value = cells.values[row, column]
        if np.isnan(value):
            axes.add_patch(Rectangle((column, row), 1, 1, fc=EMPTY_COLOUR, ec="white"))
        dark = np.isfinite(value) and _lightness(colours(norm(value))) < 0.5
        axes.text(
            column + 0.5,
            row + 0.5,
            text if written else "×" * bool(cells.num_lost[row, column]),
            ha="center",
            va="center",
            color="white" if dark else "black",
            fontsize=style.small_points,
        )


def _cell_text(cells: Cells, place: tuple[int, int]) -> str:
    """The value of a cell, and how many runs were lost."""
    value, lost = cells.values[place], cells.num_lost[place]
    lines = [] if np.isnan(value) else [value_text(float(f"{value:.3g}"))]
    return "\n".join(lines + [f"{lost} lost"] * bool(lost))


def _two(settings: RankedSettings, names: Sequence[str]) -> tuple[str, str]:
    known = require_varying(settings, names)
    if len(set(known)) < len(known):
        raise NthrunError(
            f"{settings.scores.source}: parameter: got {', '.join(known)}, allowed: two that "
            "differ",
            "give --parameter twice, with two hyperparameters, or plot the sensitivity of one",
        )
    if not names and len(known) > 1:
        known = sorted(known, key=lambda name: -len(np.unique(settings.keys(name))))[:2]
    if len(known) != 2:
        raise NthrunError(
            f"{settings.scores.source}: parameter: got {', '.join(known)}, allowed: two of them",
            "give --parameter twice, or plot the sensitivity of one",
        )
    return known[0], known[1]


def _map(scores: Scores) -> mpl.colors.Colormap:
    """Bright is good, whatever the direction."""
    colours = mpl.colormaps[COLOUR_MAP]
    return colours if scores.higher_is_better else colours.reversed()


def _heading(settings: RankedSettings, others: Others) -> str:
    runs = np.unique(settings.num_runs)
    number = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    text = {"best": "others at their best", "slice": "others as in the best setting"}[others]
    return f"mean over {number} run{'s' * (number != '1')} a setting, {text}"


def _lightness(colour: tuple[float, ...]) -> float:
    red, green, blue, _ = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue
