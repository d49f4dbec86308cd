"""Games: what roles earn and what a game shows of itself as they learn, and best responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import click
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from nthrun.analysis.best_responses import (
    WHO,
    Case,
    Checkpoint,
    Responses,
    best_responses_of,
    over_parents,
)
from nthrun.analysis.figures.bands import band_of
from nthrun.analysis.figures.base import Drawn, FigureData, plot
from nthrun.analysis.figures.metrics import metric_names, thinned
from nthrun.analysis.figures.reading import entries_of, runs_of_entries
from nthrun.analysis.figures.style import (
    COLOURS,
    MARKERS,
    QUIET_COLOUR,
    Style,
    grid_of,
    legend_below,
    new_figure,
    number_axis,
    panels_of,
    step_axis,
)
from nthrun.analysis.intervals import student_or_mean
from nthrun.analysis.scores import ALL_STAGES, chosen_entries
from nthrun.errors import DataFileError, SpecError
from nthrun.planning.experiment_spec import recorded_spec
from nthrun.records.data import Data
from nthrun.records.record_table import Ragged
from nthrun.records.sources import Entry, read_table

REWARD, LOW, HIGH = "reward_", "_q25", "_q75"
"""The beginning of the names of roles' rewards, and the ends of quartiles' names."""
STARTS = "learning_start"
"""The hyperparameter that says from which step on each role learns."""
LEAST_CHANGE = 0.01
"""Changes of rewards by less than that share have no arrow, as in the original."""
Shape = Literal["bars", "arrows"]
SHAPES: tuple[Shape, ...] = ("bars", "arrows")


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """What is shown of a number of every agent, or of every firm, at each step.

    Attributes:
        name: of it.
        mean, low, high: the mean and the quartiles, means over runs, `(num_points,)`.
        grid: the steps, `(num_points,)`.
    """

    name: str
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    grid: np.ndarray


@dataclass(frozen=True, slots=True)
class Point:
    """What agents of two roles earn in a step, on average.

    Attributes:
        roles: their names.
        step: training steps that the parent had taken; -1 where there is none.
        before: by what the parent had learned, of both.
        after: of each by its own response, while the other plays as before.
    """

    roles: tuple[str, str]
    step: int
    before: Sequence[float]
    after: Sequence[float]


@plot(
    of="data",
    demo="games/*_ppo_types.h5",
    options=[
        click.Option(
            ["--setting"],
            type=int,
            help="Setting to plot.  [default: the best by the search's metric]",
        ),
        click.Option(["--stage"], type=int, help="Stage of the runs.  [default: the only one]"),
    ],
)
def game(group: FigureData, setting: int | None, stage: int | None) -> Drawn:
    """Plot what the roles of a game earn and what it shows of itself as they learn.

    One figure for each DATA, of the runs of one setting, which have "metrics" in "record". Bands
    are from the lower to the upper quartile over agents and worlds, as means over runs.
    """
    [(label, data)] = group.labelled
    entries = entries_of(data, setting, stage)
    shown, starts = spreads_of(data, entries), starts_of(data, entries)
    figure = game_figure(shown, starts, group.caption, group.style)
    return figure, runs_of_entries(data, entries, label)


@plot(
    of="data",
    demo="games/*_best_response.json",
    options=[
        click.Option(
            ["--shape"],
            type=click.Choice(SHAPES),
            default="bars",
            show_default=True,
            help="bars: before and after; arrows: two roles' rewards against one another.",
        )
    ],
)
def best_responses(group: FigureData, shape: Shape) -> Drawn:
    """Plot what best responses to runs of a game gain, one figure for each DATA.

    Bars are what an agent of the role that responds earns in a step before and after it learned
    to, by checkpoint, over all parents. Arrows go from what agents of two roles earn by a parent to
    what one of them earns by its response; changes of less than 1 % have none.
    """
    [(label, data)] = group.labelled
    cases = best_responses_of(data)
    if shape == "bars":
        figure = bars_figure(over_parents(cases), group.caption, group.style)
    else:
        figure = arrows_figure(points_of(data, cases), group.caption, group.style)
    return figure, runs_of_entries(data, chosen_entries(data, ALL_STAGES), label)


def spreads_of(data: Data, entries: Sequence[Entry]) -> list[Spread]:
    """The numbers of which runs recorded mean and quartiles, rewards first, in the game's order.

    Raises:
        DataFileError: there are none.
    """
    known = metric_names(data, entries)
    ordered = dict.fromkeys([*_names(data), *known])
    names = [name for name in ordered if {name, name + LOW, name + HIGH} <= {*known}]
    if not names:
        hint = 'plot runs of ppo_types or pg_types, with "metrics" in "record" of the environment'
        raise DataFileError(f"{data.source}: no rewards of roles are recorded", hint)
    columns = [f"metrics/{name}{end}" for name in names for end in ("", LOW, HIGH)]
    table = read_table(entries, columns)
    spreads = []
    for name in names:
        each = [table.ragged(f"metrics/{name}{end}") for end in ("", LOW, HIGH)]
        length = int(each[0].sizes.max())
        grid, _ = thinned(np.zeros(length), length)
        mean, low, high = (_mean_of_runs(series, len(entries), grid) for series in each)
        spreads.append(Spread(name, mean, low, high, grid))
    return spreads


def starts_of(data: Data, entries: Sequence[Entry]) -> dict[str, int]:
    """The step from which on each role learns; of those that do not from the beginning."""
    roles = [name.removeprefix(REWARD) for name in _names(data) if name.startswith(REWARD)]
    starts = entries[0].load(()).get("agent_params", {}).get(STARTS, ())
    each = zip(roles, [*starts] * len(roles) if len(starts) == 1 else starts, strict=False)
    return {role: step for role, step in each if step > 0}


def _names(data: Data) -> list[str]:
    """Rewards of the roles and what the game shows, in its order; none of a game whose class is
    somebody's own, which is not imported."""
    try:
        interface = recorded_spec(data["experiment"], str(data.source)).environment.interface
    except SpecError:
        return []
    return [*(f"{REWARD}{role.name}" for role in interface.roles), *interface.aggregates]


def _mean_of_runs(series: Ragged, num_runs: int, grid: np.ndarray) -> np.ndarray:
    """The mean over runs of a thinned series, `(num_points,)`."""
    rows = np.full((num_runs, len(grid)), np.nan)
    for number, row in enumerate(rows):
        _, values = thinned(series.row(number), int(series.sizes.max()))
        row[: len(values)] = values
    return band_of(rows, "none").centre


def game_figure(
    spreads: Sequence[Spread],
    starts: Mapping[str, int],
    title: str,
    style: Style | None = None,
) -> Figure:
    """A panel for each role's reward, and for what else is shown; taxes share one.

    Args:
        spreads: what is shown.
        starts: role -> step from which on it learns, a vertical line each.
        title: above all.
        style: width and fonts.
    """
    style = style or Style()
    panels = _panels(spreads)
    with style.context():
        shape = grid_of(len(panels), style)
        figure = new_figure(style, shape)
        drawn = panels_of(figure, len(panels), shape, style)
        for axes, (name, together) in zip(drawn, panels.items(), strict=True):
            for spread, colour in zip(together, COLOURS, strict=False):
                text = spread.name.replace("_", " ")
                axes.fill_between(
                    spread.grid, spread.low, spread.high, color=colour, alpha=0.2, lw=0
                )
                axes.plot(spread.grid, spread.mean, color=colour, lw=1.2, label=text)
            if len(together) > 1:
                axes.legend(fontsize=0.8 * style.small_points)
            for number, step in enumerate(starts.values()):
                axes.axvline(step, color=COLOURS[-2], lw=0.8, ls=_DASHES[number % len(_DASHES)])
            axes.set_ylabel(name)
            step_axis(axes, "step", 3)
            number_axis(axes.yaxis)
        figure.suptitle(title, fontsize=style.font_points)
        legend_below(figure, style, [*_handles(starts)])
    return figure


_DASHES = ("--", ":", "-.")


def _panels(spreads: Sequence[Spread]) -> dict[str, list[Spread]]:
    """Label of an axis -> what its panel shows: each alone, but what ends alike together."""
    panels: dict[str, list[Spread]] = {}
    for spread in spreads:
        reward = spread.name.startswith(REWARD)
        name = f"{spread.name.removeprefix(REWARD)}: reward" if reward else spread.name
        panels.setdefault(name if reward else name.rpartition("_")[2], []).append(spread)
    return panels


def _handles(starts: Mapping[str, int]) -> Iterator[Any]:
    yield Line2D([], [], color=COLOURS[0], lw=1.2, label="mean of a step")
    yield Patch(color=COLOURS[0], alpha=0.2, label="quartiles over agents and worlds")
    for number, role in enumerate(starts):
        style = _DASHES[number % len(_DASHES)]
        yield Line2D([], [], color=COLOURS[-2], lw=0.8, ls=style, label=f"{role} begins to learn")


def bars_figure(
    found: Mapping[Checkpoint, Responses], title: str, style: Style | None = None
) -> Figure:
    """A panel for each role: bars of before and after at each checkpoint, and single parents.

    Args:
        found: what responses earned.
        title: above all.
        style: width and fonts.
    """
    style = style or Style()
    roles = list(dict.fromkeys(checkpoint.role for checkpoint in found))
    with style.context():
        shape = grid_of(len(roles), style)
        figure = new_figure(style, shape)
        for axes, role in zip(panels_of(figure, len(roles), shape, style), roles, strict=True):
            _draw_bars(axes, {c: r for c, r in found.items() if c.role == role}, found)
            axes.set(title=role, ylabel="reward of a step")
            axes.axhline(0.0, color=QUIET_COLOUR, lw=0.6)
            number_axis(axes.yaxis)
        figure.suptitle(title, fontsize=style.font_points)
        whose = ", ".join(dict.fromkeys(WHO[checkpoint.deviators] for checkpoint in found))
        handles = [
            Patch(color=COLOURS[0], alpha=0.5, label="before"),
            Patch(color=COLOURS[1], alpha=0.5, label="after the response"),
        ]
        legend_below(figure, style, handles, f"{whose} respond; 95 % Student's intervals")
    return figure


def _draw_bars(
    axes: Axes, own: Mapping[Checkpoint, Responses], found: Mapping[Checkpoint, Responses]
) -> None:
    """The bars of one role."""
    for place, responses in enumerate(own.values()):
        for side, values in enumerate((responses.before, responses.after)):
            at = place + 0.4 * (side - 0.5)
            axes.bar(at, values.mean(), 0.36, color=COLOURS[side], alpha=0.5)
            spread = at + 0.1 * np.linspace(-1, 1, len(values)) if len(values) > 1 else [at]
            axes.plot(spread, values, ls="none", marker=".", ms=4, mew=0, color=COLOURS[side])
            if len(values) > 1:
                (low,), (high,) = student_or_mean(values[:, None])
                ends = np.abs([[values.mean() - low], [high - values.mean()]])
                axes.errorbar(at, values.mean(), ends, color="black", capsize=2, lw=0.9)
    axes.set_xticks(range(len(own)), [_place(checkpoint, found) for checkpoint in own])
    axes.set_xlim(-0.6, len(own) - 0.4)


def _place(checkpoint: Checkpoint, found: Mapping[Checkpoint, Responses]) -> str:
    """What a place of bars is of."""
    lines = [f"step {checkpoint.step:,}" if checkpoint.step >= 0 else "uniform"]
    if len({other.deviators for other in found}) > 1:
        lines.append(checkpoint.deviators)
    if len({other.directory for other in found}) > 1:
        lines.append(checkpoint.directory.rpartition("/")[2])
    if len({other.answer for other in found}) > 1:
        lines.append(f"answer {checkpoint.answer}")
    return "\n".join(lines)


def points_of(data: Data, cases: Mapping[Case, Responses]) -> list[Point]:
    """Where the parents are of which two roles were responded to for, the first two by name.

    Raises:
        DataFileError: there are none.
    """
    roles = sorted({case.checkpoint.role for case in cases})[:2]
    together: dict[Any, dict[str, Responses]] = {}
    for case, found in cases.items():
        key = case.parent, case.stage, replace(case.checkpoint, role="")
        together.setdefault(key, {})[case.checkpoint.role] = found
    points = []
    for (_, _, checkpoint), by_role in together.items():
        if len(roles) == 2 and {*roles} <= {*by_role}:
            two = [by_role[role] for role in roles]
            before = [responses.before.mean() for responses in two]
            after = [responses.after.mean() for responses in two]
            points.append(Point((roles[0], roles[1]), checkpoint.step, before, after))
    if not points:
        hint = "respond to the same runs by a second role"
        raise DataFileError(f"{data.source}: no run was responded to by two roles", hint)
    return points


def arrows_figure(points: Sequence[Point], title: str, style: Style | None = None) -> Figure:
    """What two roles earn by each parent, and an arrow for what each of them earns by its response.

    Args:
        points: of one pair of roles.
        title: above all.
        style: width and fonts.
    """
    style = style or Style()
    first, second = points[0].roles
    steps = sorted({point.step for point in points})
    with style.context():
        figure = new_figure(style)
        axes = figure.subplots()
        for point in points:
            marker = MARKERS[steps.index(point.step) % len(MARKERS)]
            axes.plot(*point.before, marker=marker, color=COLOURS[-2], ls="none", ms=5, zorder=3)
            for place, (begin, end) in enumerate(zip(point.before, point.after, strict=True)):
                moved = [end if side == place else value for side, value in enumerate(point.before)]
                axes.plot(*moved, alpha=0.0)  # the axes are to hold where arrows end
                if abs(end - begin) > LEAST_CHANGE * abs(begin):
                    arrow = {"arrowstyle": "->", "color": COLOURS[place], "lw": 1.3}
                    ends = (moved[0], moved[1]), (point.before[0], point.before[1])
                    axes.annotate("", *ends, arrowprops=arrow)
        axes.set(
            title=title, xlabel=f"{first}: reward of a step", ylabel=f"{second}: reward of a step"
        )
        number_axis(axes.xaxis)
        number_axis(axes.yaxis)
        legend_below(figure, style, [*_arrow_handles(points[0].roles, steps)])
    return figure


def _arrow_handles(roles: Sequence[str], steps: Sequence[int]) -> Iterator[Line2D]:
    for number, step in enumerate(steps):
        text = f"learned in {step:,} steps" if step >= 0 else "uniform play"
        marker = MARKERS[number % len(MARKERS)]
        yield Line2D([], [], color=COLOURS[-2], marker=marker, ls="none", ms=5, label=text)
    for role, colour in zip(roles, COLOURS, strict=False):
        yield Line2D([], [], color=colour, lw=1.3, label=f"{role} by its response")
