"""Comparisons: several agents in several environments, as points with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import click
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nthrun.analysis.compatibility_checks import require_one_metric
from nthrun.analysis.figures.bands import Kind, band_of
from nthrun.analysis.figures.base import BAND_OPTION, SCORE_OPTIONS, Drawn, FigureData, plot
from nthrun.analysis.figures.reading import scores_of_best
from nthrun.analysis.figures.style import (
    LOST_COLOUR,
    Look,
    Style,
    finite_range,
    grid_of,
    legend_below,
    looks,
    new_figure,
    number_axis,
    panels_of,
)

Normalisation = Literal["none", "range", "ecdf"]
NORMALISATIONS: tuple[Normalisation, ...] = ("none", "range", "ecdf")

Groups = Mapping[str, Mapping[str, np.ndarray]]
"""Environment -> label -> `(num_runs,)` scores, NaN of a lost run."""


@plot(
    of="environments",
    demo="agents/*.json",
    options=[
        *SCORE_OPTIONS,
        click.Option(
            ["--normalise"],
            type=click.Choice(NORMALISATIONS),
            default="none",
            show_default=True,
            help="range: 0 and 1 are the worst and the best run of the environment; ecdf: the "
            "share of its runs that are no better.",
        ),
        BAND_OPTION,
    ],
    file_name=lambda group, values: "comparison",
)
def comparison(
    group: FigureData, normalise: Normalisation, band: Kind | None, **scored: Any
) -> Drawn:
    """Plot the best setting of each DATA as a point with its interval, a panel an environment.

    DATA of one label, such as an agent's name, have one colour.
    """
    best = {env: scores_of_best(part, **scored) for env, part in group.environments.items()}
    require_one_metric(scores for one in best.values() for scores in one.scores.values())
    first = next(iter(best.values()))
    values = {env: one.values for env, one in best.items()}
    figure = comparison_figure(
        normalised(values, normalise, first.higher_is_better),
        first.label + ("" if normalise == "none" else f", normalised ({normalise})"),
        group.title or "",
        group.agents,
        band,
        group.style,
    )
    return figure, [shown for one in best.values() for shown in one.shown]


def comparison_figure(
    groups: Groups,
    axis_label: str,
    title: str,
    agents: Mapping[str, str] | None = None,
    band: Kind | None = None,
    style: Style | None = None,
) -> Figure:
    """A panel for each environment, a point with its interval for each label, and its runs.

    Args:
        groups: the scores; a label that an environment lacks has an empty place.
        axis_label: what the scores are.
        title: above all.
        agents: label -> the agent whose colour it has, if not the label.
        band: the interval.
        style: width and fonts.
    """
    style = style or Style()
    labels = list(dict.fromkeys(label for group in groups.values() for label in group))
    with style.context():
        shape = grid_of(len(groups), style, 4)
        figure = new_figure(style, shape)
        panels = panels_of(figure, len(groups), shape, style)
        bands: dict[str, None] = {}
        of_agents = looks((agents or {}).get(label, label) for label in labels)
        for axes, (environment, group) in zip(panels, groups.items(), strict=True):
            for place, (label, look) in enumerate(zip(labels, of_agents, strict=True)):
                bands[_draw(axes, place, group.get(label, np.empty(0)), look, band)] = None
            axes.set_title(environment, fontsize=style.small_points * 1.05)
            axes.set(xlim=(-0.7, len(labels) - 0.3), xticks=[])
            number_axis(axes.yaxis)
        figure.supylabel(axis_label, fontsize=style.font_points)
        if title:
            figure.suptitle(title, fontsize=style.font_points)
        handles = [
            Line2D([], [], color=look.colour, marker=look.marker, ls="none", label=label)
            for label, look in zip(labels, of_agents, strict=True)
        ]
        note = ", ".join(["mean over runs", *filter(None, bands)]).replace("band", "interval")
        legend_below(figure, style, handles, f"{note}; pale: single runs, ×: lost ones")
    return figure


def normalised(
    groups: Groups, kind: Normalisation, higher_is_better: bool = True
) -> dict[str, dict[str, np.ndarray]]:
    """Scores that environments can be compared by; NaN stays.

    - range: 0 is the worst and 1 the best score of any run of the environment.
    - ecdf: the share of all runs of the environment that are no better.
    """
    changed: dict[str, dict[str, np.ndarray]] = {}
    for environment, group in groups.items():
        sign = 1.0 if higher_is_better else -1.0
        known = np.concatenate([*group.values()]) * sign
        known = np.sort(known[np.isfinite(known)])
        low, high = finite_range(known)
        changed[environment] = {}
        for label, values in group.items():
            if kind == "none":
                result = values
            elif kind == "range":
                result = (sign * values - low) / ((high - low) or 1.0)
            else:
                shares = np.searchsorted(known, sign * values, side="right") / max(1, len(known))
                result = np.where(np.isfinite(values), shares, np.nan)
            changed[environment][label] = result
    return changed


def _draw(axes: Axes, place: int, values: np.ndarray, look: Look, kind: Kind | None) -> str:
    """Draw the runs of one label, and give what its interval is."""
    text = ""
    kept = values[np.isfinite(values)]
    num_lost = len(values) - len(kept)
    if len(kept):
        spread = 0.22 * np.linspace(-1, 1, len(kept)) if len(kept) > 1 else np.zeros(1)
        axes.plot(
            place + spread, kept, ls="none", marker=".", ms=7, mew=0, color=look.colour, alpha=0.4
        )
        band = band_of(kept[:, None], kind if len(kept) > 1 else "none")
        text = band.text
        ends = np.abs(np.stack([band.centre - band.low, band.high - band.centre]))
        axes.errorbar(
            place,
            band.centre,
            ends if band.text else None,
            fmt=look.marker,
            ms=5,
            color=look.colour,
            mec="white",
            mew=0.5,
            capsize=3,
            lw=1.4,
            zorder=4,
        )
    if num_lost:
        axes.annotate(
            f"×{num_lost}",
            (place, 0.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            color=LOST_COLOUR,
            fontsize="small",
        )
    return text
