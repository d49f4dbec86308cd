"""Parallel coordinates as an SVG: every setting a line over its hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nthrun.analysis.figures.style import LOST_COLOUR, finite_range
from nthrun.analysis.figures.value_scale import ValueScale, value_scale, value_text
from nthrun.analysis.hyperparameters import is_number, value_key
from nthrun.analysis.ranking import RankedSettings
from nthrun.analysis.report.line_chart import axis_label
from nthrun.analysis.report.markup import Html, element
from nthrun.analysis.report.scale import tick_text
from nthrun.analysis.report.standing import Standing

WIDTH, HEIGHT, TOP, BOTTOM, EDGE = 720, 360, 44, 318, 60
MAX_LINES = 600
"""Settings drawn; of more, the best half of these, and the rest evenly by rank."""
MAX_LABELS = 9
SPREAD = 5.0
"""How far lines of one value may lie around it, in units of the drawing."""
COLOURS = (
    *("#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78"),
    *("#9b9476", "#bcae6c", "#dec958", "#fee838"),
)
"""Even steps through the map of the other figures, cividis."""


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
    """A vertical axis: where each row crosses it, and the values named beside it."""

    name: str
    x: float
    crossings: np.ndarray
    labels: Sequence[tuple[float, str]]


def draw(name: str, settings: RankedSettings, table: Standing) -> tuple[Html, dict[str, Any]]:
    """The SVG, and the numbers for a script.

    Bright is good. A setting that lost runs is dotted, one without a score ends below the last
    axis, and the best is thick.

    Args:
        name: of the plot, unique on the page.
        settings: of one stage.
        table: of the same, whose rows the lines are.
    """
    axes = _axes(settings, table)
    summary = (
        f"Parallel coordinates of {len(drawn_rows(len(table.rows)))} of {len(table.rows)} settings "
        f"over {', '.join(axis.name for axis in axes)}; the best is thick, those that lost runs "
        "dotted."
    )
    svg = element(
        "svg",
        element("g", *_lines(settings, table, axes), class_="lines"),
        *map(_drawn_axis, axes),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=summary,
    )
    whole = element(
        "div",
        element("div", svg, class_="paper"),
        element("output", class_="hover"),
        class_="parallel",
        data_plot=name,
    )
    told = [{"name": a.name, "x": a.x, "y": a.crossings.round(1).tolist()} for a in axes]
    return whole, {"name": name, "top": TOP, "bottom": BOTTOM, "axes": told}


def drawn_rows(number: int) -> list[int]:
    """Rows of the table that are drawn, the best first."""
    if number <= MAX_LINES:
        return list(range(number))
    half = MAX_LINES // 2
    rest = np.linspace(half, number - 1, MAX_LINES - half).round().astype(int)
    return [*range(half), *rest.tolist()]


def _axes(settings: RankedSettings, table: Standing) -> list[_Axis]:
    names = table.columns[table.num_own :]
    places = np.linspace(EDGE, WIDTH - EDGE - 30, len(names) + 1).tolist()
    number = max(1, len(table.rows) - 1)
    spread = SPREAD * (1 - 2 * np.arange(len(table.rows)) / number)
    order = np.array(table.places)
    axes = []
    for name, x in zip(names, places, strict=False):
        values = settings.values(name)
        scale = value_scale(name, values)
        heights = BOTTOM + _unit(scale) * (TOP - BOTTOM)
        of_key = {value_key(v): h for v, h in zip(scale.values, heights.tolist(), strict=True)}
        room = np.minimum(1.0, 60 / max(1, len(scale.values)) / SPREAD)
        crossings = np.array([of_key[value_key(value)] for value in values])[order]
        few = np.unique(np.linspace(0, len(heights) - 1, MAX_LABELS).round().astype(int))
        labels = [(float(heights[n]), _label(scale, n)) for n in few.tolist()]
        axes.append(_Axis(name, round(x, 1), crossings - room * spread, labels))
    low, high = finite_range(settings.means)
    share = (settings.means[order] - low) / ((high - low) or 1.0)
    heights = np.where(np.isfinite(share), BOTTOM + share * (TOP - BOTTOM), BOTTOM + 16)
    ends = [(float(BOTTOM), low), (float(TOP), high)] if high > low else [(float(BOTTOM), low)]
    labels = [(y, tick_text(float(f"{value:.4g}"))) for y, value in ends]
    return [*axes, _Axis(settings.scores.metric, round(places[-1], 1), heights, labels)]


def _label(scale: ValueScale, number: int) -> str:
    """One of its values as text; short where there are more values than labels."""
    value = scale.values[number]
    short = len(scale.values) > MAX_LABELS and is_number(value)
    return value_text(float(f"{value:.3g}") if short else value)


def _unit(scale: ValueScale) -> np.ndarray:
    places = np.log(scale.places) if scale.kind == "log" else scale.places
    span = places[-1] - places[0]
    return np.asarray((places - places[0]) / span if span else np.full(len(places), 0.5))


def _colours(settings: RankedSettings, table: Standing) -> list[str]:
    means = settings.means[np.array(table.places)]
    low, high = finite_range(means)
    share = np.nan_to_num((means - low) / ((high - low) or 1.0))
    if not settings.scores.higher_is_better:
        share = 1 - share
    return [COLOURS[n] for n in (share * (len(COLOURS) - 1)).round().astype(int).tolist()]


def _lines(settings: RankedSettings, table: Standing, axes: Sequence[_Axis]) -> list[Html]:
    """The best last, on top of the others."""
    points = np.stack([axis.crossings for axis in axes], axis=1)
    colours = _colours(settings, table)
    lost = settings.num_lost[np.array(table.places)] > 0
    rows = drawn_rows(len(table.rows))[::-1]
    return [_line(row, points[row], axes, colours[row], bool(lost[row])) for row in rows]


def _line(row: int, heights: np.ndarray, axes: Sequence[_Axis], colour: str, lost: bool) -> Html:
    points = " ".join(
        f"{axis.x:g},{height:.1f}" for axis, height in zip(axes, heights.tolist(), strict=True)
    )
    return element(
        "polyline",
        points=points,
        stroke=LOST_COLOUR if lost else colour,
        stroke_dasharray="2 3" if lost else None,
        class_="best" if row == 0 else None,
        data_row=row,
    )


def _drawn_axis(axis: _Axis) -> Html:
    labels = [
        element("text", text, x=axis.x + 6, y=round(y + 4, 1), class_="value")
        for y, text in axis.labels
    ]
    return element(
        "g",
        element("line", class_="axis", x1=axis.x, x2=axis.x, y1=TOP - 6, y2=BOTTOM + 6),
        axis_label(axis.x, TOP - 22, value_text(axis.name)),
        *labels,
        class_="axes",
    )
