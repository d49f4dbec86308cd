"""The figure of a firm's policy: maps over cash and the time left, and slices through them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nthrun.analysis.figures.style import COLOURS, DOTS_PER_INCH

PANEL_INCHES, HEIGHT_INCHES = 3.7, 6.6
COLOUR_MAP = "cividis"
"""A colour map made for colour-blind readers, rising in lightness."""
COLOURED = 0.99
"""Share of a map whose numbers the colours tell apart."""
NOTICEABLE = 1e-3
"""Least number that a scale is fitted to, as a share of what is allowed."""
SLICE_STYLES = ("-", "--", "-.", (0, (4, 1, 1, 1, 1, 1)), (0, (1, 1)))
SLICE_COLOURS = (COLOURS[0], COLOURS[2], COLOURS[4], COLOURS[5], COLOURS[6])


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """What a policy does, and expects.

    Attributes:
        cash: `(num_cash,)` c, rising, per unit of productivity.
        years_left: `(num_times,)` τ, rising.
        dividend, issuance: `(num_times, num_cash)` a_L and a_E.
        value: `(num_times, num_cash)` what is expected; None where the agent does not say.
    """

    cash: np.ndarray
    years_left: np.ndarray
    dividend: np.ndarray
    issuance: np.ndarray
    value: np.ndarray | None


@dataclass(frozen=True, slots=True, eq=False)
class MapPicture:
    """What the figure shows.

    Attributes:
        surface: of the maps.
        slices: at the times of the slices.
        highest: dividend and issuance that the rules allow.
        least_issue: issuance below it is none.
        unit: of both.
        payout, target: the payout boundary and the refinancing target of continuous time, if any.
        title: above all.
    """

    surface: Surface
    slices: Surface
    highest: tuple[float, float]
    least_issue: float
    unit: str
    payout: float | None
    target: float | None
    title: str


def policy_map_figure(picture: MapPicture) -> Figure:
    """Draw dividends, issuance and, if it is known, value: maps above, slices below."""
    names = ["dividend", "issuance"] + ["value"] * (picture.surface.value is not None)
    size = (PANEL_INCHES * len(names), HEIGHT_INCHES)
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, len(names), sharex=True, height_ratios=(1.15, 1))
    handles: dict[str, Line2D] = {}
    for (above, below), name in zip(panels.T, names, strict=True):
        _draw_map(figure, above, picture, name)
        drawn = [*_draw_slices(below, picture, name)]
        drawn += [line for axes in (above, below) for line in _boundaries(axes, picture)]
        handles |= {str(line.get_label()): line for line in drawn}
        below.set_xlabel("cash c (per unit of productivity)")
    panels[0, 0].set_ylabel("time left τ (years)")
    figure.suptitle(picture.title, fontsize="medium")
    figure.legend(
        handles=[*handles.values()],
        loc="outside lower center",
        fontsize="small",
        frameon=False,
        ncols=len(names) + 1,
    )
    return figure


def _label(picture: MapPicture, name: str) -> str:
    labels = {
        "dividend": f"dividends $a_L$ ({picture.unit})",
        "issuance": f"issuance $a_E$ ({picture.unit})",
        "value": "value expected at τ",
    }
    return labels[name]


def _draw_map(figure: Figure, axes: Axes, picture: MapPicture, name: str) -> None:
    """One map; its colours leave out the highest numbers, which the last step before the horizon
    may have by far."""
    surface = picture.surface
    numbers = getattr(surface, name)
    top = float(np.quantile(numbers, COLOURED))
    low, high = None, None
    if name != "value":
        low, high = 0.0, _top(picture, name, top)
    drawn = axes.pcolormesh(
        surface.cash,
        surface.years_left,
        numbers,
        cmap=COLOUR_MAP,
        vmin=low,
        vmax=high,
        shading="nearest",
        rasterized=True,
    )
    extend = "max" if high is not None and numbers.max() > 1.001 * high else "neither"
    bar = figure.colorbar(drawn, ax=axes, location="top", fraction=0.06, pad=0.02, extend=extend)
    bar.set_label(_label(picture, name))


def _top(picture: MapPicture, name: str, reached: float) -> float:
    """The highest number of a scale: what is reached, or what is allowed where that is next to
    nothing, or an issue that is none."""
    issues = name == "issuance"
    allowed = picture.highest[issues]
    least = max(NOTICEABLE * allowed, picture.least_issue if issues else 0.0)
    return reached if reached > least else max(allowed, NOTICEABLE)


def _draw_slices(axes: Axes, picture: MapPicture, name: str) -> Iterator[Line2D]:
    """Lines over cash, one a time."""
    cuts, count = picture.slices, len(SLICE_COLOURS)
    numbers = getattr(cuts, name)
    for number, (years, row) in enumerate(zip(cuts.years_left, numbers, strict=True)):
        colour = SLICE_COLOURS[number % count]
        style = SLICE_STYLES[(number + number // count) % count]
        (line,) = axes.plot(
            cuts.cash, row, color=colour, ls=style, lw=1.5, label=f"τ = {years:g} years"
        )
        yield line
    if name != "value":
        top = _top(picture, name, float(numbers.max()))
        axes.set_ylim(-0.04 * top, 1.06 * top)
    if name == "issuance" and picture.least_issue > 0:
        yield axes.axhline(
            picture.least_issue, color="0.6", lw=0.9, zorder=1, label="least issue: less is none"
        )
    axes.set_ylabel(_label(picture, name))
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0)


def _boundaries(axes: Axes, picture: MapPicture) -> Iterator[Line2D]:
    """The free boundary of continuous time, where it is within the cash drawn."""
    marks = (
        (picture.payout, COLOURS[1], "-", "payout boundary, continuous time"),
        (picture.target, COLOURS[3], "--", "refinancing target, continuous time"),
    )
    for place, colour, style, text in marks:
        if place is not None and place <= picture.surface.cash[-1]:
            yield axes.axvline(place, color=colour, ls=style, lw=1.4, label=text, zorder=4)
