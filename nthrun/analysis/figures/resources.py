"""What runs cost: histograms of time and memory, and what to ask a cluster for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nthrun.analysis.figures.base import STAGE_OPTION, Drawn, FigureData, plot
from nthrun.analysis.figures.reading import runs_of_entries
from nthrun.analysis.figures.style import (
    Style,
    finite_range,
    legend_below,
    looks,
    new_figure,
    number_axis,
    panels_of,
)
from nthrun.analysis.scores import Stage, chosen_entries, read_scores
from nthrun.records.data import Data

RESERVE = 1.25
"""What is suggested, as a multiple of the most that was seen."""
UNITS = ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
TIME_STEP_SECONDS = 300
MEMORY_STEP_MB = 256
NUM_BINS = 30
LEAST_SPREAD = 0.05
"""Numbers whose range is a smaller share of the greatest are drawn close to one another."""


@dataclass(frozen=True, slots=True, eq=False)
class Costs:
    """What the runs of one experiment cost.

    Attributes:
        seconds: `(num_runs,)` training and evaluation, each run's share of its pack.
        memory_mb: `(num_runs,)` peak of the process that each ran in; NaN where it is not known.
    """

    seconds: np.ndarray
    memory_mb: np.ndarray


@plot(of="all", demo="agents/MountainCar*.json", options=[STAGE_OPTION])
def resources(group: FigureData, stage: Stage) -> Drawn:
    """Plot histograms of the time of all runs of each DATA and of the memory of their processes.

    A run's time is its share of its pack; the legend says what to ask a cluster for, a quarter more
    than the most.
    """
    costs = {label: costs_of(data, stage) for label, data in group.labelled}
    figure = resources_figure(costs, group.caption, group.agents, group.style)
    return figure, [
        shown
        for label, data in group.labelled
        for shown in runs_of_entries(data, chosen_entries(data, stage), label)
    ]


def costs_of(data: Data, stage: Stage = None) -> Costs:
    """Time and memory of all runs of a stage."""
    times = [read_scores(data, name, stage=stage).values for name in ("train_time", "eval_time")]
    memory = read_scores(data, "peak_memory", stage=stage).values
    return Costs(times[0] + np.where(np.isfinite(times[1]), times[1], 0.0), memory)


def resources_figure(
    costs: Mapping[str, Costs],
    title: str,
    agents: Mapping[str, str] | None = None,
    style: Style | None = None,
) -> Figure:
    """Two histograms: time of the runs and peak memory of their processes.

    Args:
        costs: label -> of its runs.
        title: above all.
        agents: label -> the agent whose colour it has, if not the label.
        style: width and fonts.
    """
    style = style or Style()
    seconds = np.concatenate([cost.seconds for cost in costs.values()])
    unit, unit_name = _unit(finite_range(seconds)[1])
    with style.context():
        figure = new_figure(style, (1, 2))
        panels = panels_of(figure, 2, (1, 2), style)
        of_agents = looks((agents or {}).get(label, label) for label in costs)
        handles = []
        columns = [
            {label: cost.seconds / unit for label, cost in costs.items()},
            {label: cost.memory_mb for label, cost in costs.items()},
        ]
        for axes, column in zip(panels, columns, strict=True):
            edges = _edges(np.concatenate([*column.values()]))
            for values, look in zip(column.values(), of_agents, strict=True):
                counts, _ = np.histogram(values[np.isfinite(values)], edges)
                axes.stairs(counts, edges, fill=True, color=look.colour, alpha=0.25)
                axes.stairs(counts, edges, color=look.colour, ls=look.style, lw=1.2)
            number_axis(axes.xaxis)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
        panels[0].set(xlabel=f"time of a run ({unit_name})", ylabel="runs")
        panels[1].set(xlabel="peak memory of its process (MB)")
        for label, look in zip(costs, of_agents, strict=True):
            text = f"{label}, {len(costs[label].seconds)} runs: ask for {suggestion(costs[label])}"
            handles.append(Line2D([], [], color=look.colour, ls=look.style, label=text))
        figure.suptitle(title, fontsize=style.font_points)
        legend_below(figure, style, handles)
    return figure


def suggestion(costs: Costs) -> str:
    """Time of a run and memory of a process to ask a cluster for: the most seen and a quarter."""
    most = finite_range(costs.seconds)[1] * RESERVE
    seconds = max(1, -int(-most // TIME_STEP_SECONDS)) * TIME_STEP_SECONDS
    hours, rest = divmod(seconds, 3600)
    text = f"{hours}:{rest // 60:02d}:00 a run"
    known = costs.memory_mb[np.isfinite(costs.memory_mb)]
    if not len(known):
        return text
    memory = -int(-known.max() * RESERVE // MEMORY_STEP_MB) * MEMORY_STEP_MB
    return f"{text}, {memory} MB a process"


def _unit(most_seconds: float) -> tuple[float, str]:
    return next((unit for unit in UNITS if most_seconds >= 2 * unit[0]), UNITS[-1])


def _edges(values: np.ndarray) -> np.ndarray:
    low, high = finite_range(values)
    if high - low <= LEAST_SPREAD * abs(high):
        width = LEAST_SPREAD * abs(high) or 0.5
        return np.linspace(low - width, high + width, 8)
    return np.linspace(low, high, NUM_BINS + 1)
