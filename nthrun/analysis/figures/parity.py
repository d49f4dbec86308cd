"""Parity plots: a metric of one experiment against that of another, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nthrun.analysis.figures.base import SCORE_OPTIONS, Drawn, FigureData, plot
from nthrun.analysis.figures.reading import scores_of_best
from nthrun.analysis.figures.style import (
    LOST_COLOUR,
    QUIET_COLOUR,
    Look,
    Style,
    finite_range,
    legend_below,
    looks,
    new_figure,
    number_axis,
    panels_of,
)
from nthrun.analysis.scores import Scores
from nthrun.errors import NthrunError

LOST_PLACE = 0.02
"""Where a lost run stands, as a share of the axis."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Runs of the same seeds in two experiments.

    Attributes:
        across, up: `(num_pairs,)` scores; NaN of a lost run.
        num_alone: runs whose seed the other experiment lacks.
    """

    across: np.ndarray
    up: np.ndarray
    num_alone: int


@plot(of="all", demo="agents/MountainCar*.json", options=SCORE_OPTIONS)
def parity(group: FigureData, **scored: Any) -> Drawn:
    """Plot the score of one DATA against that of another, a point for each seed both were run with.

    Of each DATA the best setting is taken.
    """
    if len(group.data) != 2:
        raise NthrunError(
            f"parity: got {len(group.data)} data, allowed: 2", "give the two to compare"
        )
    best = scores_of_best(group.data, **scored)
    first, second = group.data
    pairs = pairs_of(
        best.scores[first], best.settings[first], best.scores[second], best.settings[second]
    )
    labels = (f"{first}: {best.label}", f"{second}: {best.label}")
    agents = {"runs": group.agents[second]}
    figure = parity_figure({"runs": pairs}, labels, group.caption, agents, group.style)
    return figure, best.shown


def pairs_of(first: Scores, first_setting: int, second: Scores, second_setting: int) -> Pairs:
    """Runs of one setting each, matched by stage and run number."""
    one, other = _by_seed(first, first_setting), _by_seed(second, second_setting)
    both = sorted(one.keys() & other.keys())
    return Pairs(
        np.array([one[seed] for seed in both]),
        np.array([other[seed] for seed in both]),
        len(one.keys() ^ other.keys()),
    )


def parity_figure(
    pairs: Mapping[str, Pairs],
    labels: tuple[str, str],
    title: str,
    agents: Mapping[str, str] | None = None,
    style: Style | None = None,
) -> Figure:
    """A point for each seed, and the line on which both are equal.

    A run that only one of both lost stands as a cross at the edge of the other's score.

    Args:
        pairs: label -> runs.
        labels: of both axes.
        title: above the axes.
        agents: label -> the agent whose colour it has, if not the label.
        style: width and fonts.
    """
    style = style or Style()
    with style.context():
        figure = new_figure(style, height=0.85 * style.width_inches)
        [axes] = panels_of(figure, 1, (1, 1), style)
        values = [np.concatenate([one.across, one.up]) for one in pairs.values()]
        low, high = finite_range(np.concatenate([*values, np.empty(0)]))
        margin = 0.08 * (high - low) or 0.5
        ends = low - margin, high + margin
        axes.plot(ends, ends, color=QUIET_COLOUR, lw=0.9, zorder=1)
        of_agents = looks((agents or {}).get(label, label) for label in pairs)
        handles = [
            _draw(axes, label, one, look)
            for (label, one), look in zip(pairs.items(), of_agents, strict=True)
        ]
        axes.set(xlim=ends, ylim=ends, aspect="equal", title=title)
        axes.set(xlabel=labels[0], ylabel=labels[1])
        number_axis(axes.xaxis)
        number_axis(axes.yaxis)
        handles.append(Line2D([], [], color=QUIET_COLOUR, lw=0.9, label="equal"))
        legend_below(figure, style, handles)
    return figure


def _by_seed(scores: Scores, setting: int) -> dict[tuple[int, int], float]:
    rows = np.flatnonzero(scores.settings == setting)
    values = np.where(scores.lost, np.nan, scores.values)
    seeds = zip(scores.stages[rows].tolist(), scores.run_numbers[rows].tolist(), strict=True)
    return dict(zip(seeds, values[rows].tolist(), strict=True))


def _draw(axes: Axes, label: str, pairs: Pairs, look: Look) -> Line2D:
    across, up = pairs.across, pairs.up
    axes.plot(across, up, ls="none", marker=look.marker, ms=4.5, color=look.colour, alpha=0.75)
    crosses: dict[str, Any] = {"ls": "none", "marker": "x", "ms": 6, "color": LOST_COLOUR}
    only_across, only_up = np.isnan(up) & ~np.isnan(across), np.isnan(across) & ~np.isnan(up)
    edge = np.full(len(across), LOST_PLACE)
    axes.plot(
        across[only_across], edge[only_across], transform=axes.get_xaxis_transform(), **crosses
    )
    axes.plot(edge[only_up], up[only_up], transform=axes.get_yaxis_transform(), **crosses)
    both = int((np.isnan(across) & np.isnan(up)).sum())
    notes = [
        f"{number} {text}"
        for number, text in (
            (int(only_across.sum() + only_up.sum()), "lost in one (×)"),
            (both, "lost in both"),
            (pairs.num_alone, "without a partner"),
        )
        if number
    ]
    seeds = f"{len(across)} seed{'s' * (len(across) != 1)}"
    text = f"{label}, {seeds}" + (f" ({', '.join(notes)})" if notes else "")
    return Line2D([], [], ls="none", marker=look.marker, ms=4.5, color=look.colour, label=text)
