"""Parallel coordinates: every setting of a sweep as one line over its hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nthrun.analysis.figures.base import (
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
    COLOUR_MAP,
    LOST_COLOUR,
    Style,
    finite_range,
    legend_below,
    new_figure,
    panels_of,
)
from nthrun.analysis.figures.value_scale import ValueScale, value_scale, value_text
from nthrun.analysis.ranking import RankedSettings, ranked_settings, require_varying
from nthrun.analysis.scores import Scores, read_scores

SPREAD = 0.035
"""Settings of one value lie so far around it at most, so that lines can be told apart."""
NO_SCORE = -0.1
"""Where a setting without a score ends, below its axis."""
MAX_LABELS = 12


@plot(of="data", demo=SWEEP, options=[*SCORE_OPTIONS, PARAMETERS_OPTION])
def parallel(group: FigureData, parameters: Sequence[str], **scored: Any) -> Drawn:
    """Plot settings as lines over their hyperparameters, one figure for each DATA, a sweep.

    Colours are scores, the best setting is drawn thick, and settings that lost runs are dotted.
    """
    [data] = group.data.values()
    return parallel_figure(read_scores(data, **scored), parameters, group.caption, group.style)


def parallel_figure(
    scores: Scores, names: Sequence[str], title: str, style: Style | None = None
) -> tuple[Figure, list[PlottedRuns]]:
    """A line for each setting, coloured by its mean score, the best on top.

    Axes are logarithmic where values are log-spaced. The last axis is the score; a setting that
    lost runs is drawn dotted in another colour, and ends below that axis if none of its runs has a
    score.

    Args:
        scores: of the runs of a sweep.
        names: of hyperparameters; none is all that settings differ in.
        title: above all.
        style: width and fonts.

    Returns:
        the figure, and the runs it shows.

    Raises:
        NthrunError: a hyperparameter that settings do not differ in.
    """
    style = style or Style()
    settings = ranked_settings(scores)
    names = require_varying(settings, names)
    scales = [value_scale(name, settings.values(name)) for name in names]
    with style.context():
        figure = new_figure(style)
        [axes] = panels_of(figure, 1, (1, 1), style)
        _draw_settings(axes, settings, scales)
        _draw_axes(axes, scales, settings, style)
        figure.suptitle(title, fontsize=style.font_points)
        lost = int((settings.num_lost > 0).sum())
        text = f"lost runs ({lost} of {len(settings.numbers)} settings)"
        handle = Line2D([], [], color=LOST_COLOUR, ls=":", lw=1.2, label=text)
        legend_below(figure, style, [handle] if lost else [])
    return figure, runs_of_settings(settings, settings.order, "setting")


def crossings(settings: RankedSettings, scale: ValueScale) -> np.ndarray:
    """Where each setting crosses the axis of a hyperparameter, `(num_settings,)`: 0 to 1, spread a
    little by rank."""
    base = unit_positions(scale)[scale.numbers(settings.values(scale.name))]
    count = max(1, len(settings.numbers) - 1)
    room = min(SPREAD, 0.25 / max(1, len(scale.values) - 1))
    return np.asarray(base + room * (2 * (count - settings.ranks) / count - 1))


def unit_positions(scale: ValueScale) -> np.ndarray:
    """Where the values of a hyperparameter stand on its axis, `(num_values,)`, 0 to 1."""
    places = np.log(scale.places) if scale.kind == "log" else scale.places
    span = places[-1] - places[0]
    return np.asarray((places - places[0]) / span if span else np.full(len(places), 0.5))


def score_positions(settings: RankedSettings) -> np.ndarray:
    """Where each setting crosses the axis of the score, `(num_settings,)`: 0 to 1, and below it if
    the setting has no score."""
    low, high = finite_range(settings.means)
    share = (settings.means - low) / ((high - low) or 1.0)
    return np.where(np.isfinite(share), share, NO_SCORE)


def _draw_settings(axes: Axes, settings: RankedSettings, scales: Sequence[ValueScale]) -> None:
    ends = score_positions(settings)
    columns = [crossings(settings, scale) for scale in scales]
    points = np.stack([*columns, ends], axis=1)
    number = np.arange(points.shape[1], dtype=np.float64)
    lines = np.stack([np.broadcast_to(number, points.shape), points], axis=2)
    order = np.argsort(-settings.ranks)
    lost = settings.num_lost[order] > 0
    colours = _map(settings.scores)(np.clip(ends, 0, 1))
    opacity = float(np.clip(40 / len(order), 0.15, 0.9))
    kept, gone = order[~lost], order[lost]
    axes.add_collection(
        LineCollection(list(lines[gone]), colors=LOST_COLOUR, lw=0.8, ls=":", alpha=opacity)
    )
    axes.add_collection(
        LineCollection(list(lines[kept]), colors=colours[kept], lw=1, alpha=opacity)
    )
    best = kept[-1:]
    axes.add_collection(LineCollection(list(lines[best]), colors="black", lw=2.2, zorder=3))
    axes.add_collection(LineCollection(list(lines[best]), colors=colours[best], lw=1.2, zorder=4))


def _draw_axes(
    axes: Axes, scales: Sequence[ValueScale], settings: RankedSettings, style: Style
) -> None:
    means, label = settings.means, settings.scores.label
    colours = _map(settings.scores)
    last = len(scales)
    axes.set(xlim=(-0.05, last + 0.35), ylim=(-0.14, 1.06), xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    for number in range(last + 1):
        axes.plot([number, number], [-0.04, 1.04], color="0.3", lw=0.8, zorder=5)
    strip = np.linspace(0, 1, 64)
    axes.pcolormesh([last, last + 0.06], strip, strip[1:, None], cmap=colours, zorder=5)
    names = [*(scale.name for scale in scales), label]
    room = style.legend_characters / (last + 0.4)
    for number, name in enumerate(names):
        _write_name(axes, number, name, max(map(len, names)) > room, style)
    for number, scale in enumerate(scales):
        places = unit_positions(scale)
        few = np.linspace(0, len(places) - 1, min(MAX_LABELS, len(places))).round().astype(int)
        for which in few:
            text = value_text(scale.values[which])
            shorter = text if len(text) < room else text[: max(3, int(room) - 1)] + "…"
            _write_value(axes, number, places[which], shorter, style)
    low, high = finite_range(means)
    for place in (0.0, 0.5, 1.0) if high > low else (0.0,):
        text = f"{low + place * (high - low):.4g}".replace("-", "−")
        _write_value(axes, last + 0.06, place, text, style)
    if not np.isfinite(means).all():
        _write_value(axes, last, NO_SCORE, "none", style)


def _write_name(axes: Axes, x: float, name: str, tilted: bool, style: Style) -> None:
    """The name of an axis above it."""
    axes.annotate(
        fill(name, 16, break_on_hyphens=False) if not tilted else name,
        (x, 1.07),
        ha="left" if tilted else "center",
        va="bottom",
        rotation=20 if tilted else 0,
        rotation_mode="anchor",
        fontsize=style.small_points,
        annotation_clip=False,
    )


def _write_value(axes: Axes, x: float, y: float, text: str, style: Style) -> None:
    """A value right of its axis, on a ground that lines do not hide."""
    axes.annotate(
        text,
        (x, y),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=style.small_points * 0.9,
        bbox={"fc": "white", "ec": "none", "alpha": 0.75, "pad": 0.6},
        zorder=6,
        annotation_clip=False,
    )


def _map(scores: Scores) -> mpl.colors.Colormap:
    """Bright is good, whatever the direction."""
    colours = mpl.colormaps[COLOUR_MAP]
    return colours if scores.higher_is_better else colours.reversed()
