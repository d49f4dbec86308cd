"""Figures of an economy of Krusell and Smith: rules, a path, laws of motion, impulse responses.

Each draws arrays by name, as `nthrun.commands.krusell_smith` computes them; names that begin with
`exact_` are of the classical solution, which is drawn dashed and may not be there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nthrun.analysis.figures.style import COLOUR_MAP, COLOURS, DOTS_PER_INCH, QUIET_COLOUR

Arrays = Mapping[str, np.ndarray]
EXACT = "exact_"
FUNCTIONS = {"c": "consumption c", "a_next": "savings a′", "v": "value"}
"""Arrays of rules -> their axes' labels."""
SERIES = {
    "tfp": "productivity Z",
    "capital": "capital K",
    "output": "output Y",
    "consumption": "consumption C",
    "r": "interest rate r",
    "w": "wage w",
}
"""Arrays of a path -> their axes' labels."""
MOST_LINES = 5


def functions_figure(arrays: Arrays, title: str) -> Figure:
    """Lines over wealth, one a kind of household, of arrays `(kinds, points)`; grey is a′ = a."""
    names = [name for name in FUNCTIONS if name in arrays]
    figure = _figure(3.6 * len(names), 3.9)
    panels = np.atleast_1d(figure.subplots(1, len(names)))
    kinds = _spread(len(arrays["z"]), MOST_LINES)
    for axes, name in zip(panels, names, strict=True):
        for number, kind in enumerate(kinds):
            text = f"z = {arrays['z'][kind, 0]:.3g}"
            rows = [each[kind] for each in _both(arrays, name)]
            _pair(axes, arrays["a"][kind], rows, COLOURS[number], text)
        if name == "a_next":
            owned = arrays["a"][0]
            axes.plot(owned, owned, color=QUIET_COLOUR, lw=0.8, zorder=1)
        axes.set(xlabel="wealth a", ylabel=FUNCTIONS[name])
        _plain(axes)
    _finish(figure, title, [*_legend(panels[0]), *_exact_line(arrays)])
    return figure


def scatter_figure(arrays: Arrays, title: str) -> Figure:
    """The same as points over productivity and wealth."""
    names = [name for name in FUNCTIONS if name in arrays]
    figure = _figure(4.2 * len(names), 4.2)
    for number, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), number + 1, projection="3d")
        points = (arrays[part].ravel() for part in ("z", "a", name))
        axes.scatter(*points, s=2, color=COLOURS[number], depthshade=False, rasterized=True)
        axes.set(xlabel="productivity z", ylabel="wealth a", zlabel=FUNCTIONS[name])
        axes.set_box_aspect(None, zoom=0.82)
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.set_major_locator(MaxNLocator(4))
    figure.suptitle(title, fontsize="medium")
    return figure


def path_figure(arrays: Arrays, title: str, agent: str) -> Figure:
    """Series over periods, the agent's by its name, and the distribution of wealth at chosen
    dates."""
    figure = _figure(10.4, 7.4)
    panels = figure.subplots(3, 3)
    for axes, (name, label) in zip(panels.flat, SERIES.items(), strict=False):
        _pair(axes, arrays["period"], _both(arrays, name), COLOURS[0], agent)
        axes.set_ylabel(label)
        axes.set_xlabel("period")
        _plain(axes)
    grid = panels[2, 0].get_gridspec()
    for axes in panels[2]:
        axes.remove()
    below = figure.add_subplot(grid[2, :])
    dates = arrays["date"]
    shades = _shades(len(dates))
    for number, date in enumerate(dates):
        below.plot(
            arrays["wealth"], arrays["density"][number], color=shades[number], label=f"t = {date}"
        )
    below.set(xlabel="wealth a", ylabel="density of households")
    below.legend(fontsize="small", frameon=False, ncols=len(dates))
    _plain(below)
    _finish(figure, title, [*_legend(panels[0, 0]), *_exact_line(arrays)])
    return figure


def law_figure(arrays: Arrays, title: str) -> Figure:
    """What capital becomes in each state of productivity, and what the law leaves of it."""
    figure = _figure(9.4, 4.6)
    left, right = figure.subplots(1, 2)
    states = range(len(arrays["tfp"]))
    for number in _spread(len(states), 2 * MOST_LINES):
        colour = COLOURS[number % len(COLOURS)]
        here = arrays["state"] == number
        owned, growth = arrays["log_capital"][here], arrays["log_growth"][here]
        left.plot(owned, 100 * growth, ".", ms=1.6, color=colour, rasterized=True)
        line = (arrays["line_log_capital"][number], 100 * arrays["line_log_growth"][number])
        left.plot(*line, color=colour, lw=1.2, label=f"Z = {arrays['tfp'][number]:.3g}")
        if "exact_line_log_growth" in arrays:
            exact = arrays["exact_line_log_growth"][number]
            left.plot(line[0], 100 * exact, color="black", ls="--", lw=1.0)
        rest = 100 * arrays["residual"][here]
        right.plot(owned, rest, ".", ms=1.6, color=colour, rasterized=True)
    left.set(xlabel="log K", ylabel="log K′ - log K (%)")
    right.set(xlabel="log K", ylabel="log K′ less what the law says (%)")
    for axes in (left, right):
        _plain(axes)
    _finish(figure, title, [*_legend(left), *_exact_line(arrays, "black")])
    return figure


def response_figure(arrays: Arrays, title: str, agent: str) -> Figure:
    """Responses in percent over periods after the change, the agent's by its name."""
    figure = _figure(10.0, 5.6)
    panels = figure.subplots(2, 3, sharex=True)
    for axes, (name, label) in zip(panels.flat, SERIES.items(), strict=True):
        axes.axhline(0.0, color=QUIET_COLOUR, lw=0.8)
        _pair(axes, arrays["period"], _both(arrays, name), COLOURS[0], agent)
        unit = "points" if name == "r" else "%"
        axes.set_ylabel(f"{label} ({unit})")
        _plain(axes)
    for axes in panels[1]:
        axes.set_xlabel("periods after the change")
    _finish(figure, title, [*_legend(panels[0, 0]), *_exact_line(arrays)])
    return figure


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _pair(axes: Axes, at: np.ndarray, both: Sequence[np.ndarray], colour: str, text: str) -> None:
    """The run's own, and dashed what is exact if that is there."""
    own, *exact = both
    axes.plot(at, own, color=colour, lw=1.4, label=text)
    for each in exact:
        axes.plot(at, each, color="black", ls="--", lw=1.0)


def _both(arrays: Arrays, name: str) -> list[np.ndarray]:
    """The run's own, and what is exact if that is there."""
    return [arrays[each] for each in (name, EXACT + name) if each in arrays]


def _exact_line(arrays: Arrays, colour: str = "black") -> list[Line2D]:
    """An entry of the legend, where anything exact is drawn."""
    if not any(name.startswith(EXACT) for name in arrays):
        return []
    return [Line2D([], [], color=colour, ls="--", lw=1.0, label="exact solution")]


def _legend(axes: Axes) -> list[Line2D]:
    return [line for line in axes.lines if not str(line.get_label()).startswith("_")]


def _finish(figure: Figure, title: str, handles: Sequence[Line2D]) -> None:
    figure.suptitle(title, fontsize="medium")
    figure.legend(
        handles=handles,
        loc="outside lower center",
        fontsize="small",
        frameon=False,
        ncols=min(len(handles), 8),
    )


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)


def _spread(count: int, most: int) -> list[int]:
    """Up to `most` numbers below `count`, evenly, the first and the last among them."""
    return sorted({round(x) for x in np.linspace(0, count - 1, min(count, most))})


def _shades(count: int) -> np.ndarray:
    return np.asarray(mpl.colormaps[COLOUR_MAP](np.linspace(0.0, 0.85, count)))
