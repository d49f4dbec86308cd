"""Sensitivity curves: how much the value of one hyperparameter matters.

`best`: at each value, the others are as good as they can be. `slice`: the others stay as in the
best setting of all. The best of many settings is chosen and shown by the same runs here, so that
its score flatters; confirm it with runs of another stage. The figure has a panel for each
hyperparameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import click
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nthrun.analysis.compatibility_checks import require_one_metric
from nthrun.analysis.figures.bands import FLATTERED, Kind, band_of
from nthrun.analysis.figures.base import (
    BAND_OPTION,
    PARAMETERS_OPTION,
    SCORE_OPTIONS,
    SWEEP,
    Drawn,
    FigureData,
    plot,
)
from nthrun.analysis.figures.reading import runs_of_settings
from nthrun.analysis.figures.saving import PlottedRuns
from nthrun.analysis.figures.style import (
    LOST_COLOUR,
    Look,
    Style,
    grid_of,
    legend_below,
    looks,
    new_figure,
    number_axis,
    panels_of,
)
from nthrun.analysis.figures.value_scale import ValueScale, value_scale
from nthrun.analysis.hyperparameters import value_key
from nthrun.analysis.ranking import RankedSettings, ranked_settings, require_varying, tied
from nthrun.analysis.scores import Scores, read_scores

Others = Literal["best", "slice"]
OTHERS: tuple[Others, ...] = ("best", "slice")
MAX_COUNT_ROWS = 3


@dataclass(frozen=True, slots=True)
class SensitivityView:
    """What is drawn.

    Attributes:
        others: what the other hyperparameters do; several draw a line each.
        band: around each line.
    """

    others: tuple[Others, ...] = OTHERS
    band: Kind | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SensitivityLine:
    """One sensitivity curve.

    Attributes:
        label: of the legend.
        scale: the hyperparameter's values.
        places: `(num_values,)` which setting stands for each value, as places in the settings; -1
            where there is none.
        centre, low, high: `(num_values,)` mean score of its runs, and its band.
        num_runs, num_lost: `(num_values,)` of that setting.
        band: what the band is, for a legend; empty where there is none.
    """

    label: str
    scale: ValueScale
    places: np.ndarray
    centre: np.ndarray
    low: np.ndarray
    high: np.ndarray
    num_runs: np.ndarray
    num_lost: np.ndarray
    band: str


@plot(
    of="all",
    demo=SWEEP,
    options=[
        *SCORE_OPTIONS,
        PARAMETERS_OPTION,
        click.Option(
            ["--others"],
            type=click.Choice([*OTHERS, "both"]),
            default="both",
            show_default=True,
            help="The others at their best for each value, or as in the best setting of all.",
        ),
        BAND_OPTION,
    ],
)
def sensitivity(
    group: FigureData,
    parameters: Sequence[str],
    others: Literal["best", "slice", "both"],
    band: Kind | None,
    **scored: Any,
) -> Drawn:
    """Plot the score over the values of each hyperparameter, of sweeps.

    Above each point stand its runs and, after a minus, how many of them were lost.
    """
    scores = {label: read_scores(data, **scored) for label, data in group.labelled}
    require_one_metric(scores.values())
    view = SensitivityView(OTHERS if others == "both" else (others,), band)
    return sensitivity_figure(
        scores, parameters, group.caption, view, group.style, agents=group.agents
    )


def sensitivity_figure(
    scores: Mapping[str, Scores],
    names: Sequence[str],
    title: str,
    view: SensitivityView | None = None,
    style: Style | None = None,
    *,
    agents: Mapping[str, str] | None = None,
) -> tuple[Figure, list[PlottedRuns]]:
    """A panel for each hyperparameter, a line in it for each label and each of `view.others`.

    Filled markers are settings whose runs all completed. Hollow ones lost some, and a cross on the
    lower edge is a setting without any score; how many runs each point has, and how many of them
    it lost, stands above it, where there is room.

    Args:
        scores: label -> scores, of agents or experiments that have the hyperparameters.
        names: of hyperparameters; none is all that the first one's settings differ in.
        title: above all.
        view: what is drawn.
        style: width and fonts.
        agents: label -> the agent whose colour it has, if not the label.

    Returns:
        the figure, and the runs it shows.

    Raises:
        NthrunError: a hyperparameter that settings do not differ in.
    """
    style, view = style or Style(), view or SensitivityView()
    settings = {label: ranked_settings(one) for label, one in scores.items()}
    for one in settings.values():
        names = require_varying(one, names)
    shown: list[PlottedRuns] = []
    with style.context():
        shape = grid_of(len(names), style)
        room = style.legend_characters / shape[1]
        figure = new_figure(style, shape)
        panels = panels_of(figure, len(names), shape, style, sharey=True)
        handles: dict[str, Line2D] = {}
        bands: dict[str, None] = {}
        for axes, name in zip(panels, names, strict=True):
            lines = _lines_of(settings, name, view)
            of_lines = looks((agents or {}).get(label, label) for label, _ in lines)
            drawn = draw_lines(axes, [line for _, line in lines], of_lines, room, style)
            handles |= {str(handle.get_label()): handle for handle in drawn}
            bands |= dict.fromkeys(line.band for _, line in lines)
            for label, line in lines:
                places = np.unique(line.places[line.places >= 0])
                shown += runs_of_settings(settings[label], places, f"{line.label}, {name}")
        figure.supylabel(next(iter(scores.values())).label, fontsize=style.font_points)
        figure.suptitle(title, fontsize=style.font_points)
        legend_below(figure, style, [*handles.values()], _heading(bands))
    return figure, shown


def sensitivity_line(
    settings: RankedSettings,
    scale: ValueScale,
    others: Others,
    label: str,
    band: Kind | None = None,
) -> SensitivityLine:
    """The sensitivity curve of one hyperparameter.

    With `slice`, hyperparameters that vary together with this one go with it.

    Args:
        settings: with the scores of their runs.
        scale: the values of a hyperparameter; a setting may lack some of them.
        others: what the other hyperparameters do.
        label: of the legend.
        band: around the mean.
    """
    name = scale.name
    keys, allowed = settings.keys(name), np.ones(len(settings.numbers), bool)
    if others == "slice":
        best = settings.best()
        together = tied(settings, name)
        for other in settings.varying():
            if other not in together:
                other_keys = settings.keys(other)
                allowed &= other_keys == other_keys[best]
    places = np.full(len(scale.values), -1)
    for number, value in enumerate(scale.values):
        among = np.flatnonzero(allowed & (keys == value_key(value)))
        if len(among):
            places[number] = settings.best(among)
    return _line(settings, label, scale, places, band)


def draw_lines(
    axes: Axes,
    lines: Sequence[SensitivityLine],
    of_lines: Sequence[Look],
    room: float,
    style: Style,
) -> list[Line2D]:
    """Sensitivity curves of one hyperparameter, with the numbers of runs above; their handles.

    Args:
        axes: to draw into.
        lines: of one hyperparameter.
        of_lines: the look of each.
        room: about how many characters fit across the axes.
        style: fonts.
    """
    handles = [_draw(axes, line, look) for line, look in zip(lines, of_lines, strict=True)]
    counts = {_counts(line): look for line, look in zip(lines, of_lines, strict=True)}
    if len(counts) <= MAX_COUNT_ROWS and max(len("".join(row)) for row in counts) < 0.6 * room:
        for row, (texts, look) in enumerate(reversed(counts.items())):
            colour = look.colour if len(counts) > 1 else "0.3"
            _write_counts(axes, zip(lines[0].scale.places, texts, strict=True), colour, row, style)
    lines[0].scale.dress(axes.xaxis, 0.8 * room)
    number_axis(axes.yaxis)
    axes.margins(x=0.08)
    if any(line.num_lost.any() for line in lines):
        handles.append(_hollow())
    if any((np.isnan(line.centre) & (line.places >= 0)).any() for line in lines):
        handles.append(_cross())
    return handles


def _lines_of(
    settings: Mapping[str, RankedSettings], name: str, view: SensitivityView
) -> list[tuple[str, SensitivityLine]]:
    """The label of each line over the values of a hyperparameter, and the line."""
    scale = value_scale(name, (value for one in settings.values() for value in one.values(name)))
    lines = []
    for label, one in settings.items():
        for others in view.others:
            text = _text(label, others, len(settings))
            lines.append((label, sensitivity_line(one, scale, others, text, view.band)))
    return lines


def _line(
    settings: RankedSettings, label: str, scale: ValueScale, places: np.ndarray, band: Kind | None
) -> SensitivityLine:
    there = places >= 0
    kept = [settings.kept(place) if place >= 0 else np.empty(0) for place in places]
    runs = np.full((max(map(len, kept)) or 1, len(kept)), np.nan)
    for number, values in enumerate(kept):
        runs[: len(values), number] = values
    drawn = band_of(runs, band)
    num_runs, num_lost = (
        np.where(there, column[places], 0) for column in (settings.num_runs, settings.num_lost)
    )
    bounds = drawn.centre, drawn.low, drawn.high
    return SensitivityLine(label, scale, places, *bounds, num_runs, num_lost, drawn.text)


def _draw(axes: Axes, line: SensitivityLine, look: Look) -> Line2D:
    x, low, high = line.scale.places, line.low, line.high
    there = line.places >= 0
    axes.plot(x[there], line.centre[there], color=look.colour, ls=look.style, lw=1.3, zorder=3)
    axes.fill_between(x[there], low[there], high[there], color=look.colour, alpha=0.25, lw=0)
    alone = np.isfinite(line.centre) & _without_neighbours(line.centre)
    if alone.any():  # a band between points cannot be seen at a single one
        spread = np.abs(np.stack([line.centre - low, high - line.centre]))[:, alone]
        axes.errorbar(x[alone], line.centre[alone], spread, fmt="none", ecolor=look.colour, lw=1)
    for lost, face in ((False, look.colour), (True, "white")):
        at = np.isfinite(line.centre) & ((line.num_lost > 0) == lost)
        axes.plot(
            x[at],
            line.centre[at],
            ls="none",
            marker=look.marker,
            ms=4.5,
            mec=look.colour,
            mfc=face,
            zorder=4,
        )
    empty = np.isnan(line.centre) & (line.places >= 0)
    axes.plot(
        x[empty],
        np.full(empty.sum(), 0.03),
        ls="none",
        marker="x",
        ms=6,
        mew=1.6,
        color=LOST_COLOUR,
        transform=axes.get_xaxis_transform(),
        zorder=5,
    )
    return Line2D(
        [], [], color=look.colour, ls=look.style, marker=look.marker, ms=4.5, label=line.label
    )


def _counts(line: SensitivityLine) -> tuple[str, ...]:
    """How many runs each point has, and after a minus how many of them were lost."""
    pairs = zip(line.num_runs.tolist(), line.num_lost.tolist(), strict=True)
    return tuple(f"{runs}−{lost}" if lost else f"{runs or ''}" for runs, lost in pairs)


def _write_counts(
    axes: Axes, texts: Iterable[tuple[float, str]], colour: str, row: int, style: Style
) -> None:
    """Numbers of runs above the axes, in a row of their own."""
    for x, text in texts:
        axes.annotate(
            text,
            (x, 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(0, 2 + row * style.small_points * 1.1),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=style.small_points * 0.85,
            color=LOST_COLOUR if "−" in text else colour,
        )


def _without_neighbours(values: np.ndarray) -> np.ndarray:
    padded = np.pad(np.isfinite(values), 1)
    return np.asarray(~padded[:-2] & ~padded[2:])


def _hollow() -> Line2D:
    return Line2D(
        [], [], ls="none", marker="o", mfc="white", mec="0.3", ms=4.5, label="lost some runs"
    )


def _cross() -> Line2D:
    return Line2D(
        [], [], ls="none", marker="x", color=LOST_COLOUR, mew=1.6, label="no run has a score"
    )


def _text(label: str, others: Others, num_labels: int) -> str:
    text = {"best": "others at their best", "slice": "others as in the best setting"}[others]
    return text if num_labels == 1 else f"{label}, {text}"


def _heading(bands: Iterable[str]) -> str:
    parts = ["mean over runs", *filter(None, bands)]
    return f"{', '.join(parts)}; {FLATTERED}; above: runs − lost runs"
