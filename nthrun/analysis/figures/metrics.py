"""What runs recorded of every update or action, as panels over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nthrun.analysis.figures.bands import Statistic, band_of
from nthrun.analysis.figures.base import STATISTIC_OPTION, Drawn, FigureData, plot
from nthrun.analysis.figures.curves import shown_runs
from nthrun.analysis.figures.reading import entries_of, runs_of_entries
from nthrun.analysis.figures.style import (
    COLOUR_MAP,
    COLOURS,
    Style,
    grid_of,
    legend_below,
    new_figure,
    number_axis,
    panels_of,
    step_axis,
)
from nthrun.errors import DataFileError
from nthrun.records.data import Data
from nthrun.records.sources import Entry, read_table

ACTIONS = "train_actions"
NUM_POINTS = 400
NUM_BINS = 40
MAX_NAMED_ACTIONS = 8
COLOURED = 0.99
"""Share of a histogram's cells whose numbers the colours tell apart."""


@dataclass(frozen=True, slots=True, eq=False)
class SeriesOfRuns:
    """One recorded series of some runs.

    Attributes:
        name: of the series.
        runs: of each, `(length,)`; lengths differ where runs ended early.
        lost: of each, whether it did not complete.
    """

    name: str
    runs: Sequence[np.ndarray]
    lost: Sequence[bool]


@plot(
    of="data",
    demo="metrics/*.h5",
    options=[
        click.Option(
            ["--metric", "names"], multiple=True, help="A series.  [default: all, and actions]"
        ),
        click.Option(
            ["--setting"],
            type=int,
            help="Setting to plot.  [default: the best by the search's metric]",
        ),
        click.Option(["--stage"], type=int, help="Stage of the runs.  [default: the only one]"),
        STATISTIC_OPTION,
    ],
)
def metrics(
    group: FigureData,
    names: Sequence[str],
    setting: int | None,
    stage: int | None,
    statistic: Statistic,
) -> Drawn:
    """Plot what the runs of one setting recorded of every update, one figure for each DATA.

    The runs have "metrics" or "train_actions" in "record", and a data.json is combined with --full.
    """
    [(label, data)] = group.labelled
    entries = entries_of(data, setting, stage)
    series = series_of(data, entries, names)
    actions = [] if names else actions_of(entries)
    require_recorded(data, series, actions)
    figure = metric_figure(series, group.caption, actions, statistic, group.style)
    return figure, runs_of_entries(data, entries, label)


def metric_names(data: Data, entries: Sequence[Entry]) -> list[str]:
    """The series of `metrics` that the first run with any recorded.

    Raises:
        DataFileError: this is a data.json that leaves them out.
    """
    if not data.full:
        raise DataFileError(
            f"{data.source}: leaves out metrics and actions",
            "combine with --full, or read data.h5 or the experiment directory",
        )
    return next(
        (list(metrics) for metrics in (e.load(()).get("metrics") for e in entries) if metrics), []
    )


def series_of(data: Data, entries: Sequence[Entry], names: Sequence[str]) -> list[SeriesOfRuns]:
    """Series of `metrics`, by name, none being all; a run without one has no values.

    Raises:
        DataFileError: this is a data.json that leaves them out, or no run has one of the names.
    """
    known = metric_names(data, entries)
    names = list(names) or known
    table = read_table(entries, [f"metrics/{name}" for name in names])
    columns = {name: table.ragged(f"metrics/{name}") for name in names}
    for name in names:
        if name not in known and not columns[name].values.size:
            number = entries[0].identity.setting_number
            raise DataFileError(
                f"{data.source}: no run of setting {number} has a series {name!r} of `metrics`",
                f"there are: {', '.join(known) or 'none'}; what is measured by evaluations is "
                "plotted by utils/plot_mse_data.py --metric",
            )
    lost = [entry.status != "completed" for entry in entries]
    return [
        SeriesOfRuns(name, [columns[name].row(n) for n in range(len(entries))], lost)
        for name in names
    ]


def actions_of(entries: Sequence[Entry]) -> list[np.ndarray]:
    """Every training action of each run that recorded them, `(num_steps, action_dim)`."""
    actions = read_table(entries, (ACTIONS,)).ragged(ACTIONS)
    steps = read_table(entries).numbers["total_timesteps"].tolist()
    rows = [actions.row(n) for n in range(len(entries))]
    return [row.reshape(n, -1) for row, n in zip(rows, steps, strict=True) if row.size]


def require_recorded(
    data: Data, series: Sequence[SeriesOfRuns], actions: Sequence[np.ndarray]
) -> None:
    """Check that there is something to show of updates or actions.

    Raises:
        DataFileError: nothing was recorded.
    """
    if not series and not actions:
        hint = 'name "metrics" or "train_actions" in "record" of the environment spec'
        raise DataFileError(f"{data.source}: no metrics or actions are recorded", hint)


def metric_figure(
    series: Sequence[SeriesOfRuns],
    title: str,
    actions: Sequence[np.ndarray] = (),
    statistic: Statistic = "mean",
    style: Style | None = None,
) -> Figure:
    """A panel for each series, a thin line for each run and a thick one over them.

    A long series is drawn as means of equally many updates. Lines of runs that did not complete
    are dotted. Actions get a panel for each dimension: how often each was taken, over time.

    Args:
        series: such as entropy and losses.
        title: above all.
        actions: of each run, `(num_steps, action_dim)`; discrete ones are whole numbers.
        statistic: the thick line.
        style: width and fonts.
    """
    style = style or Style()
    dimensions = max((one.shape[1] for one in actions if one.ndim == 2), default=0)
    number = len(series) + dimensions
    with style.context():
        shape = grid_of(number, style)
        figure = new_figure(style, shape)
        panels = panels_of(figure, number, shape, style)
        for axes, one in zip(panels, series, strict=False):
            _draw_series(axes, one, statistic)
        for dimension, axes in enumerate(panels[len(series) :]):
            taken = [one[:, dimension] for one in actions]
            draw_actions(figure, axes, taken, style, f"action {dimension}" * (dimensions > 1))
        for axes in panels:
            axes.tick_params(labelsize=style.small_points)
        figure.suptitle(title, fontsize=style.font_points)
        legend_below(figure, style, _handles(statistic, series))
    return figure


def action_count_figure(
    actions: Mapping[str, Sequence[np.ndarray]], title: str, style: Style | None = None
) -> Figure:
    """How often each discrete action is taken over time, a panel for each label.

    Args:
        actions: label -> of each run, `(num_steps,)` or `(num_steps, 1)` whole numbers.
        title: above all.
        style: width and fonts.
    """
    style = style or Style()
    with style.context():
        shape = grid_of(len(actions), style)
        figure = new_figure(style, shape)
        panels = panels_of(figure, len(actions), shape, style, sharey=True)
        named = _most_taken([run for runs in actions.values() for run in runs])
        handles: dict[str, Line2D] = {}
        for axes, (label, runs) in zip(panels, actions.items(), strict=True):
            drawn = _stack_actions(axes, [run.reshape(-1) for run in runs], named)
            handles |= {str(handle.get_label()): handle for handle in drawn}
            axes.set(title=label, ylabel="share of actions")
            axes.tick_params(labelsize=style.small_points)
        figure.suptitle(title, fontsize=style.font_points)
        legend_below(figure, style, [*handles.values()])
    return figure


def thinned(run: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of a series over equally many of its values: where they end, and what they are.

    Args:
        run: `(num_values,)`.
        length: of the longest run, from which the number of values to a mean follows.
    """
    size = max(1, -(-length // NUM_POINTS))
    ends = np.arange(size, len(run) + size, size).clip(max=len(run))
    if not len(run):
        return ends, np.empty(0)
    starts = np.r_[0, ends[:-1]]
    return ends, np.add.reduceat(run.astype(np.float64), starts) / (ends - starts)


def draw_actions(
    figure: Figure, axes: Axes, runs: Sequence[np.ndarray], style: Style, name: str = ""
) -> None:
    """How often each action is taken, over time: shares of discrete ones, else a histogram."""
    joined = np.concatenate([*runs, np.empty(0)])
    if _discrete(runs):
        handles = _stack_actions(axes, runs, _most_taken(runs))
        axes.set_ylabel(f"{name or 'action'}, share")
        axes.legend(handles=handles, fontsize=0.8 * style.small_points, loc="center right")
        return
    finite = joined[np.isfinite(joined)]
    length = max((len(run) for run in runs), default=1)
    steps = np.concatenate([*(np.arange(1, len(run) + 1) for run in runs), np.empty(0)])
    counts, across, up = np.histogram2d(
        steps[np.isfinite(joined)], finite, bins=(min(NUM_BINS, length), NUM_BINS)
    )
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    top = float(np.quantile(shares, COLOURED)) or None
    drawn = axes.pcolormesh(across, up, shares.T, cmap=COLOUR_MAP, vmax=top, rasterized=True)
    bar = figure.colorbar(drawn, ax=axes, label="share of actions", extend="max")
    bar.ax.tick_params(labelsize=style.small_points)
    step_axis(axes, num_ticks=4)
    axes.margins(0)
    axes.set_ylabel(name or "action")


def _draw_series(axes: Axes, series: SeriesOfRuns, statistic: Statistic) -> None:
    length = max((len(run) for run in series.runs), default=0)
    if not length:
        axes.text(0.5, 0.5, "not recorded", ha="center", size="small", transform=axes.transAxes)
        axes.set(ylabel=series.name, xticks=[], yticks=[])
        return
    thin = [thinned(run, length) for run in series.runs]
    grid = max((ends for ends, _ in thin), key=len)
    table = np.full((len(thin), len(grid)), np.nan)
    for row, (_, values) in zip(table, thin, strict=True):
        row[: len(values)] = values
    for row in shown_runs(table):
        style = ":" if series.lost[row] else "-"
        axes.plot(grid, table[row], color=COLOURS[0], lw=0.6, ls=style, alpha=0.5)
    if len(thin) > 1:
        axes.plot(grid, band_of(table, "none", statistic).centre, color="black", lw=1.1)
    step_axis(axes, "update", 4)
    number_axis(axes.yaxis)
    axes.set_ylabel(series.name)


def _most_taken(runs: Sequence[np.ndarray]) -> np.ndarray:
    """The discrete actions that are told apart, rising."""
    joined = np.concatenate([*(run.reshape(-1) for run in runs), np.empty(0)])
    actions, counts = np.unique(joined, return_counts=True)
    return np.sort(actions[np.argsort(-counts, kind="stable")][:MAX_NAMED_ACTIONS])


def _stack_actions(axes: Axes, runs: Sequence[np.ndarray], named: np.ndarray) -> list[Line2D]:
    """Shares of discrete actions over time, one on top of the other; rare ones are joined."""
    length = max((len(run) for run in runs), default=0)
    edges = np.unique(np.linspace(0, length, min(NUM_BINS, max(1, length)) + 1).astype(int))
    shares = []
    for action in named:
        taken = sum(
            np.histogram(np.flatnonzero(run == action), edges)[0].astype(np.float64) for run in runs
        )
        shares.append(taken)
    total = np.sum([np.histogram(np.arange(len(run)), edges)[0] for run in runs], axis=0)
    parts = np.array(shares) / np.maximum(total, 1)
    rest = (total > 0) - parts.sum(0)
    names = [f"{action:g}" for action in named]
    if (rest > 1e-9).any():
        parts, names = np.vstack([parts, rest]), [*names, "others"]
    below = np.zeros(len(edges) - 1)
    handles = []
    for part, name, colour in zip(parts, names, [*COLOURS[: len(named)], "0.6"], strict=False):
        axes.stairs(below + part, edges, baseline=below, fill=True, color=colour, alpha=0.75)
        axes.stairs(below + part, edges, baseline=None, color="white", lw=0.6)
        handles.append(Line2D([], [], color=colour, lw=5, label=name))
        below = below + part
    step_axis(axes, num_ticks=4)
    axes.margins(0)
    axes.set_ylim(0, 1)
    return handles


def _discrete(runs: Sequence[np.ndarray]) -> bool:
    return any(len(run) for run in runs) and all(
        np.issubdtype(run.dtype, np.integer) or bool((run == np.round(run)).all()) for run in runs
    )


def _handles(statistic: Statistic, series: Sequence[SeriesOfRuns]) -> list[Line2D]:
    """What lines are; nothing where there are single runs only."""
    handles = []
    if any(len(one.runs) > 1 for one in series):
        handles.append(Line2D([], [], color="black", lw=1.1, label=f"{statistic} over runs"))
        handles.append(Line2D([], [], color=COLOURS[0], lw=0.8, label="single runs"))
    if any(flag for one in series for flag in one.lost):
        text = "runs that did not complete"
        handles.append(Line2D([], [], color=COLOURS[0], lw=0.8, ls=":", label=text))
    return handles
