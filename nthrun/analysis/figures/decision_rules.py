"""The figure of decision rules: four panels of what a household does as one thing varies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from nthrun.analysis.figures.style import COLOURS, DOTS_PER_INCH
from nthrun.environments.bewley.decision_rules import Choice

SIZE_INCHES = (7.6, 6.4)
PANELS = {
    "consumption": "consumption c (output)",
    "labour": "labour l (share of time)",
    "savings": "savings a′ (output)",
    "share": "savings ratio a′ / resources",
}
"""Parts of a `Choice` -> their axes' labels."""
VARIED = {
    "wealth": "wealth a (output)",
    "ability": "ability v (mean 1)",
    "savings": "share of resources that is saved",
}
STYLES = ("-", "--", ":")
MARKERS = (("o", "none"), ("x", None))
"""Marker and filling of each single choice."""
OWN_COLOUR = "0.6"


@dataclass(frozen=True, slots=True, eq=False)
class RuleLine:
    """One line; of one point where a single choice is shown.

    Attributes:
        at: `(number,)` what varies.
        choice: what is done there.
    """

    at: np.ndarray
    choice: Choice


@dataclass(frozen=True, slots=True, eq=False)
class RulePicture:
    """What the figure shows.

    Attributes:
        vary: a key of `VARIED`.
        values: `(number,)` of it, rising.
        lines: by their text in the legend.
        own: where the household itself stands; None where that is no one place.
        title: of a few lines.
    """

    vary: str
    values: np.ndarray
    lines: Mapping[str, RuleLine]
    own: float | None
    title: str


def decision_rules_figure(picture: RulePicture) -> Figure:
    """Draw consumption, labour, savings and the savings ratio.

    A dotted vertical is where the household itself stands, if that is within the values.
    """
    figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2, sharex=True)
    own = picture.own
    handles: list[Line2D] = []
    for axes, (part, label) in zip(panels.flat, PANELS.items(), strict=True):
        handles = _draw(axes, picture, part)
        if own is not None and picture.values[0] <= own <= picture.values[-1]:
            here = axes.axvline(own, color=OWN_COLOUR, lw=0.9, ls=(0, (1, 1.5)), zorder=1)
            here.set_label("where the household stands")
            handles.append(here)
        axes.set_ylabel(label)
        _finish(axes, picture.vary == "ability")
    for axes in panels[1]:
        axes.set_xlabel(VARIED[picture.vary])
    figure.suptitle(picture.title, fontsize="medium")
    figure.legend(handles=handles, loc="outside lower center", fontsize="small", frameon=False)
    return figure


def _draw(axes: Axes, picture: RulePicture, part: str) -> list[Line2D]:
    """Lines and single choices of one panel; beside single choices a line is solid."""
    handles = []
    mixed = any(len(line.at) == 1 for line in picture.lines.values())
    for number, (text, line) in enumerate(picture.lines.items()):
        looks: dict[str, Any] = {"ls": "-" if mixed else STYLES[number], "lw": 1.6}
        if len(line.at) == 1:
            marker, fill = MARKERS[number]
            looks = {"ls": "none", "marker": marker, "mfc": fill, "mew": 1.6, "ms": 8, "zorder": 3}
        (drawn,) = axes.plot(
            line.at, getattr(line.choice, part), color=COLOURS[number], label=text, **looks
        )
        handles.append(drawn)
    return handles


def _finish(axes: Axes, logarithmic: bool) -> None:
    """Spines, ticks, and room for a line that is flat but for its last digits."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.02, y=0.06)
    low, high = axes.get_ylim()
    least = 0.02 * max(abs(low), abs(high), 1e-6)
    if high - low < least:
        middle = (low + high) / 2
        axes.set_ylim(middle - least, middle + least)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
