"""Parallel coordinates as the page draws them: every setting a line over its hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nthrun.analysis.figures.parallel import crossings, score_positions, unit_positions
from nthrun.analysis.figures.style import LOST_COLOUR, finite_range
from nthrun.analysis.figures.value_scale import ValueScale, value_scale, value_text
from nthrun.analysis.hyperparameters import is_number
from nthrun.analysis.ranking import RankedSettings
from nthrun.analysis.report.settings_table import SettingsTable

WIDTH, TOP, BOTTOM, EDGE = 720, 44, 318, 60
"""The drawing, in units of the SVG."""
MAX_LINES = 600
"""Settings drawn; of more, the best half of these, and the rest evenly by rank."""
MAX_LABELS = 9
COLOURS = (
    *("#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78"),
    *("#9b9476", "#bcae6c", "#dec958", "#fee838"),
)
"""Even steps through the map of the other figures, cividis."""


@dataclass(frozen=True, slots=True, eq=False)
class ParallelAxis:
    """A vertical axis.

    Attributes:
        name: its name.
        x: its position.
        crossings: `(num_rows,)` where the line of each row of the table crosses it.
        labels: (position, text) of the values named beside it.
    """

    name: str
    x: float
    crossings: np.ndarray
    labels: Sequence[tuple[float, str]]

    @property
    def title(self) -> str:
        """Its name, short enough to stand above it."""
        return value_text(self.name)


@dataclass(frozen=True, slots=True)
class SettingLine:
    """The line of one setting.

    Attributes:
        row: its row in the table of settings; 0 is the best setting.
        points: as SVG takes them.
        colour: bright is good.
        lost: whether the setting lost runs.
    """

    row: int
    points: str
    colour: str
    lost: bool


@dataclass(frozen=True, slots=True)
class ParallelChart:
    """Parallel coordinates.

    Attributes:
        summary: what they show, for those who do not see them.
        axes: the hyperparameters, and last the metric.
        lines: the settings drawn, the best last, on top of the others.
    """

    macro: ClassVar[str] = "parallel_chart"
    summary: str
    axes: Sequence[ParallelAxis]
    lines: Sequence[SettingLine]

    @property
    def numbers(self) -> Mapping[str, Any]:
        """The numbers by which a script finds the settings under a brush."""
        axes = [{"x": axis.x, "y": axis.crossings.round(1).tolist()} for axis in self.axes]
        return {"top": TOP, "bottom": BOTTOM, "axes": axes}


def parallel_chart(settings: RankedSettings, table: SettingsTable) -> ParallelChart:
    """The parallel coordinates of the settings of a table.

    Bright is good. A setting that lost runs is dotted, one without a score ends below the last
    axis, and the best is thick.

    Args:
        settings: of one stage.
        table: of the same settings, whose rows the lines are.
    """
    axes = _axes(settings, table)
    summary = (
        f"Parallel coordinates of {len(drawn_rows(len(table.rows)))} of {len(table.rows)} settings "
        f"over {', '.join(axis.name for axis in axes)}; the best is thick, those that lost runs "
        "dotted."
    )
    return ParallelChart(summary, axes, _lines(settings, table, axes))


def drawn_rows(number: int) -> list[int]:
    """Rows of the table that are drawn, the best first."""
    if number <= MAX_LINES:
        return list(range(number))
    half = MAX_LINES // 2
    rest = np.linspace(half, number - 1, MAX_LINES - half).round().astype(int)
    return [*range(half), *rest.tolist()]


def _axes(settings: RankedSettings, table: SettingsTable) -> list[ParallelAxis]:
    order = np.array(table.positions)
    names = table.hyperparameters
    positions = np.linspace(EDGE, WIDTH - EDGE - 30, len(names) + 1).round(1).tolist()
    axes = []
    for name, x in zip(names, positions, strict=False):
        scale = value_scale(name, settings.values(name))
        heights = _heights(unit_positions(scale)).tolist()
        few = np.unique(np.linspace(0, len(heights) - 1, MAX_LABELS).round().astype(int))
        labels = [(heights[n], _label(scale, n)) for n in few.tolist()]
        axes.append(ParallelAxis(name, x, _heights(crossings(settings, scale))[order], labels))
    low, high = finite_range(settings.means)
    ends = [(BOTTOM, low), (TOP, high)] if high > low else [(BOTTOM, low)]
    labels = [(float(y), value_text(float(f"{value:.4g}"))) for y, value in ends]
    scores = _heights(score_positions(settings))[order]
    return [*axes, ParallelAxis(settings.scores.metric, positions[-1], scores, labels)]


def _heights(positions: np.ndarray) -> np.ndarray:
    """Positions from 0 to 1 along an axis, in units of the SVG."""
    return BOTTOM + positions * (TOP - BOTTOM)


def _label(scale: ValueScale, number: int) -> str:
    """One of its values as text; short where there are more values than labels."""
    value = scale.values[number]
    short = len(scale.values) > MAX_LABELS and is_number(value)
    return value_text(float(f"{value:.3g}") if short else value)


def _lines(
    settings: RankedSettings, table: SettingsTable, axes: Sequence[ParallelAxis]
) -> list[SettingLine]:
    crossings = np.stack([axis.crossings for axis in axes], axis=1).tolist()
    colours = _colours(settings, table)
    lost = settings.num_lost[np.array(table.positions)] > 0
    return [
        SettingLine(
            row=row,
            points=" ".join(
                f"{axis.x:g},{y:.1f}" for axis, y in zip(axes, crossings[row], strict=True)
            ),
            colour=LOST_COLOUR if lost[row] else colours[row],
            lost=bool(lost[row]),
        )
        for row in drawn_rows(len(table.rows))[::-1]
    ]


def _colours(settings: RankedSettings, table: SettingsTable) -> list[str]:
    share = np.clip(score_positions(settings), 0, 1)[np.array(table.positions)]
    if not settings.scores.higher_is_better:
        share = 1 - share
    return [COLOURS[n] for n in (share * (len(COLOURS) - 1)).round().astype(int).tolist()]
