"""How figures look: widths of venues, fonts, colours of agents, axes of training steps."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from nthrun.analysis.figures.value_scale import value_text

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#F0E442",
)
"""The palette of Okabe and Ito, which colour-blind readers can tell apart; the palest last."""
NUM_DARK = 6
"""How many of them, from the first on, an agent may get by its name."""
LINE_STYLES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P")
COLOUR_MAP = "cividis"
"""A colour map made for colour-blind readers, rising in lightness."""
LOST_COLOUR = "#D55E00"
QUIET_COLOUR = "0.6"
DOTS_PER_INCH = 200
ASPECT = 4.4 / 6.4
NUM_LEGEND_LINES, ROOM_INCHES = 3, 0.07
"""Lines of a legend that a figure has room for; the room, times the font's points."""

AGENT_COLOURS = {
    "SAC": COLOURS[0],
    "GreedyAC": COLOURS[1],
    "VAC": COLOURS[2],
    "FKL": COLOURS[3],
    "epsgreedy": COLOURS[4],
    "GreedyACNoEntReg": COLOURS[5],
    "random": COLOURS[6],
    "epsgreedy_SGD": "#882255",
    "epsgreedy_optimizer": COLOURS[6],
    "linearAC": COLOURS[1],
    "SoftmaxAC": COLOURS[0],
    "Sarsa": COLOURS[4],
    "ExpectedSarsa": COLOURS[2],
    "PPO": "#44AA99",
    "mc_pg": COLOURS[0],
    "barrier": COLOURS[4],
    "dp": COLOURS[6],
    "euler_quadrature": COLOURS[0],
    "euler_all_in_one": COLOURS[1],
    "egm": COLOURS[6],
    "euler_ks": COLOURS[0],
    "bellman_ac": COLOURS[1],
    "ks_linear": COLOURS[6],
    "ppo_types": COLOURS[0],
    "pg_types": COLOURS[1],
    "best_response": COLOURS[2],
    "exact_response": COLOURS[4],
}
"""Agents that are compared with one another differ; any other has the colour its name gives it."""


@dataclass(frozen=True, slots=True)
class Style:
    """What a place of publication asks for.

    Attributes:
        width_inches: of the whole figure.
        font_points: of its text; ticks and legends are a sixth smaller.
    """

    width_inches: float = 6.4
    font_points: float = 10.0

    def context(self) -> AbstractContextManager[None]:
        """Matplotlib's settings while a figure is drawn; they are put back after."""
        return mpl.rc_context(
            {
                "font.size": self.font_points,
                "axes.titlesize": "medium",
                "legend.fontsize": "small",
                "legend.title_fontsize": "small",
                "legend.frameon": False,
                "xtick.labelsize": "small",
                "ytick.labelsize": "small",
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.prop_cycle": cycler(color=COLOURS),
                "text.parse_math": False,  # a dollar in a name is a dollar
                "text.usetex": False,  # whatever a matplotlibrc says: there may be no TeX
            }
        )

    @property
    def small_points(self) -> float:
        """The size of ticks, legends and notes."""
        return self.font_points / 1.2

    @property
    def legend_characters(self) -> int:
        """About how many fit into one line of a legend."""
        return int(self.width_inches * 125 / self.font_points)


VENUES = {
    "screen": Style(),
    "column": Style(3.25, 8.0),
    "neurips": Style(5.5, 9.0),
    "iclr": Style(5.5, 9.0),
    "icml": Style(6.75, 9.0),
    "jmlr": Style(6.0, 9.0),
    "full": Style(6.75, 9.0),
    "slide": Style(10.0, 16.0),
}
"""Text widths of venues; `column` is a single column of a page of two."""


@dataclass(frozen=True, slots=True)
class Look:
    """How one line is told from the others."""

    colour: str
    style: Any
    marker: str


def agent_colour(agent: str) -> str:
    """The colour of an agent, the same in every figure."""
    return AGENT_COLOURS.get(agent) or COLOURS[zlib.crc32(agent.encode()) % NUM_DARK]


def looks(agents: Iterable[str]) -> list[Look]:
    """One look for each line, all different while colours and line styles last.

    Args:
        agents: whose line each is; several of one agent share its colour, and differ in style.
    """
    chosen: list[Look] = []
    used: Counter[str] = Counter()
    for agent in agents:
        colour = agent_colour(agent)
        if used[colour] == len(LINE_STYLES):
            colour = min(COLOURS, key=lambda other: used[other])
        number = used[colour] % len(LINE_STYLES)
        used[colour] += 1
        chosen.append(Look(colour, LINE_STYLES[number], MARKERS[number]))
    return chosen


def distinct_looks(number: int) -> list[Look]:
    """As many looks as asked for, in the palette's order, for what is no agent."""
    styles = [LINE_STYLES[(n // len(COLOURS)) % len(LINE_STYLES)] for n in range(number)]
    return [
        Look(COLOURS[n % len(COLOURS)], style, MARKERS[n % len(MARKERS)])
        for n, style in enumerate(styles)
    ]


def new_figure(style: Style, shape: tuple[int, int] = (1, 1), height: float = 0.0) -> Figure:
    """An empty figure as wide as the style says.

    Args:
        style: its width and fonts.
        shape: rows and columns of its panels, which give the height.
        height: in inches, if not that.
    """
    rows, columns = shape
    panel = style.width_inches / columns * (ASPECT if columns == 1 else 0.9)
    size = (style.width_inches, height or rows * panel + ROOM_INCHES * style.font_points)
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def grid_of(number: int, style: Style, widest: int = 3) -> tuple[int, int]:
    """Rows and columns for a number of panels."""
    columns = max(1, min(number, widest, int(style.width_inches / 1.5)))
    if number == columns + 1 and columns > 2:  # rather 2 + 2 than 3 + 1
        columns = (number + 1) // 2
    return -(-number // columns), columns


def panels_of(
    figure: Figure, number: int, shape: tuple[int, int], style: Style, **sharing: Any
) -> list[Axes]:
    """Axes of so many panels of a grid, row by row; places left over stay empty."""
    rows, columns = shape
    panels = figure.subplots(rows, columns, squeeze=False, **sharing)
    for axes in panels.flat[number:]:
        axes.remove()
    for axes in panels.flat[:number]:
        axes.tick_params(labelsize=style.small_points)
    return list(panels.flat[:number])


def step_axis(axes: Axes, label: str = "training step", num_ticks: int = 6) -> None:
    """The horizontal axis of training steps: 20k instead of 20000."""
    axes.set_xlabel(label)
    axes.margins(x=0.01)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=num_ticks, steps=[1, 2, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def number_axis(axis: Axis) -> None:
    """Ticks that say the whole number: no factor beside the axis, which would lie on something."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: value_text(value)))


def legend_below(figure: Figure, style: Style, handles: Sequence[Any], title: str = "") -> None:
    """The legend under all panels, in the columns that fit; a long one makes the figure higher."""
    if not handles:
        return
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), style.legend_characters // (longest + 6), 4))
    title = fill(title, style.legend_characters)
    lines = sum(1 + str(handle.get_label()).count("\n") for handle in handles) / columns
    more = max(0.0, lines + title.count("\n") - NUM_LEGEND_LINES)
    figure.set_figheight(figure.get_figheight() + 1.45 * more * style.small_points / 72)
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns,
        fontsize=style.small_points,
        frameon=False,
        title=title or None,
        handlelength=2.6,
        title_fontsize=style.small_points,
    )


def limit(axes: Axes, x_limits: Sequence[float] | None, y_limits: Sequence[float] | None) -> None:
    """Show no more than is asked for."""
    if x_limits is not None:
        axes.set_xlim(*x_limits)
    if y_limits is not None:
        axes.set_ylim(*y_limits)


def finite_range(values: np.ndarray) -> tuple[float, float]:
    """Least and greatest finite value; 0 and 1 if there is none."""
    kept = values[np.isfinite(values)]
    return (float(kept.min()), float(kept.max())) if kept.size else (0.0, 1.0)
