"""Grids of panels over the values of hyperparameters, and a panel for each setting.

They say how many settings and runs have nothing to show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nthrun.analysis.curves import Curve, curve_of
from nthrun.analysis.figures.bands import Kind
from nthrun.analysis.figures.curves import CurveView, draw_curves
from nthrun.analysis.figures.heat_map import cells_of
from nthrun.analysis.figures.reading import entries_of, return_of
from nthrun.analysis.figures.sensitivity import SensitivityLine, draw_lines, sensitivity_line
from nthrun.analysis.figures.style import (
    LOST_COLOUR,
    Look,
    Style,
    distinct_looks,
    grid_of,
    legend_below,
    limit,
    new_figure,
    number_axis,
    panels_of,
    step_axis,
)
from nthrun.analysis.figures.value_scale import ValueScale, value_scale, value_text
from nthrun.analysis.hyperparameters import value_key
from nthrun.analysis.ranking import ranked_settings, require_varying
from nthrun.analysis.returns import read_series
from nthrun.analysis.scores import Scores, Stage, read_scores
from nthrun.errors import DataFileError
from nthrun.records.data import Data
from nthrun.records.sources import Entry


def multi_learning_curves(
    data: Data,
    names: tuple[str, str],
    view: CurveView | None = None,
    style: Style | None = None,
    *,
    stage: Stage = None,
) -> Figure:
    """Learning curves in a grid over two hyperparameters, the others at their best.

    Panels of settings without a return say how many runs they have.

    Raises:
        NthrunError: a hyperparameter that settings do not differ in. DataFileError: no setting
            has a return to show.
    """
    settings = ranked_settings(read_scores(data, stage=stage))
    require_varying(settings, names)
    cells = cells_of(settings, names)
    curves, empty = {}, {}
    for (row, column), place in np.ndenumerate(cells.places):
        if place >= 0:
            entries = entries_of(data, int(settings.numbers[place]), stage)
            if (curve := _curve(data, entries)) is None:
                empty[column, row] = len(entries)
            else:
                curves[column, row] = curve
    if not curves:
        raise _nothing_to_show(data)
    scales = cells.across, cells.up
    return curve_grid_figure(curves, scales, data.env_name, view, style, empty=empty)


def multi_individual_runs(
    data: Data,
    settings: Sequence[int] = (),
    style: Style | None = None,
    *,
    stage: Stage = None,
) -> Figure:
    """A panel for each setting, in it a line for each run; no settings is up to the best 16.

    Settings without a return have none, and are counted in the title.

    Raises:
        DataFileError: no setting has a return to show.
    """
    numbers = list(settings)
    if not numbers:
        scored = ranked_settings(read_scores(data, stage=stage))
        numbers = scored.numbers[np.argsort(scored.ranks)][:16].tolist()
    found = {n: _curve(data, entries_of(data, n, stage)) for n in numbers}
    curves = {f"setting {n}": curve for n, curve in found.items() if curve is not None}
    if not curves:
        raise _nothing_to_show(data)
    left_out = len(found) - len(curves)
    note = f" ({left_out} setting{'s' * (left_out != 1)} without a return left out)"
    return individual_runs_figure(curves, data.env_name + note * bool(left_out), style)


def curve_grid_figure(
    curves: Mapping[tuple[int, int], Curve],
    scales: tuple[ValueScale, ValueScale],
    title: str,
    view: CurveView | None = None,
    style: Style | None = None,
    *,
    empty: Mapping[tuple[int, int], int] | None = None,
) -> Figure:
    """A learning curve for each pair of values of two hyperparameters.

    Args:
        curves: (number of a value of the first, of the second) -> curve; missing ones stay empty.
        scales: of both; the first goes across, the second up.
        title: above all.
        view: what is drawn of each.
        style: width and fonts.
        empty: pair as in `curves` -> how many runs it has of which none has a value.
    """
    style, view, empty = style or Style(), view or CurveView(), empty or {}
    across, up = scales
    rows, columns = len(up.values), len(across.values)
    with style.context():
        figure = new_figure(style, (rows, columns))
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        heading = ""
        for (row, column), axes in np.ndenumerate(panels):
            key = column, rows - 1 - row
            axes.tick_params(labelsize=style.small_points)
            if key in curves:
                curve = curves[key]
                _, heading = draw_curves(axes, {"": curve}, {"": "SAC"}, view, style)
                _note(axes, curve, style)
                limit(axes, view.x_limits, view.y_limits)
            else:
                runs = f"{empty[key]} without a value" if key in empty else "no run"
                axes.text(0.5, 0.5, runs, ha="center", size="small", transform=axes.transAxes)
            step_axis(axes, "training step" if row == rows - 1 else "", 3)
            if row == 0:
                _set_title(axes, f"{across.name} {value_text(across.values[column])}", style)
            if column == 0:
                text = f"{up.name} {value_text(up.values[key[1]])}"
                axes.set_ylabel(text, fontsize=style.small_points)
        names = dict.fromkeys(curve.quantity for curve in curves.values())
        figure.supylabel(" or ".join(names), fontsize=style.font_points)
        figure.suptitle(title, fontsize=style.font_points)
        figure.supxlabel(heading, fontsize=style.small_points)
    return figure


def individual_runs_figure(
    curves: Mapping[str, Curve], title: str, style: Style | None = None
) -> Figure:
    """A panel for each curve, in it a line for each run; dotted are those that ended early.

    Args:
        curves: label -> curve.
        title: above all.
        style: width and fonts.
    """
    style = style or Style()
    with style.context():
        shape = grid_of(len(curves), style, 4)
        figure = new_figure(style, shape)
        panels = panels_of(figure, len(curves), shape, style, sharex=True, sharey=True)
        for axes, (label, curve) in zip(panels, curves.items(), strict=True):
            for run, status in zip(curve.runs, curve.statuses, strict=True):
                axes.plot(curve.grid, run, lw=0.7, ls="-" if status == "completed" else ":")
            _note(axes, curve, style)
            _set_title(axes, label, style)
            step_axis(axes, "training step", 3)
            axes.label_outer()
        names = dict.fromkeys(curve.quantity for curve in curves.values())
        figure.supylabel(" or ".join(names), fontsize=style.font_points)
        figure.suptitle(title, fontsize=style.font_points)
    return figure


def sensitivity_grid_figure(
    scores: Scores,
    names: Sequence[str],
    title: str,
    band: Kind | None = None,
    style: Style | None = None,
) -> Figure:
    """Sensitivity to three hyperparameters: over the first, a line for each value of the second,
    a panel for each value of the third; all others at their best.

    Args:
        scores: of the runs of a sweep.
        names: of three hyperparameters that settings differ in.
        title: above all.
        band: around each line.
        style: width and fonts.

    Raises:
        NthrunError: a hyperparameter that settings do not differ in.
    """
    style = style or Style()
    whole = ranked_settings(scores)
    require_varying(whole, names)
    over, lines_of, panels_over = names
    scale = value_scale(over, whole.values(over))
    lines_scale = value_scale(lines_of, whole.values(lines_of))
    panels_scale = value_scale(panels_over, whole.values(panels_over))
    with style.context():
        number = len(panels_scale.values)
        shape = grid_of(number, style)
        room = style.legend_characters / shape[1]
        figure = new_figure(style, shape)
        panels = panels_of(figure, number, shape, style, sharey=True)
        handles: dict[str, Line2D] = {}
        for axes, value in zip(panels, panels_scale.values, strict=True):
            within = restricted(scores, panels_over, value)
            lines = _lines_of(within, scale, lines_scale, band)
            for handle in draw_lines(axes, [*lines], [*lines.values()], room, style):
                handles[str(handle.get_label())] = handle
            _set_title(axes, f"{panels_over} {value_text(value)}", style)
            number_axis(axes.yaxis)
        figure.supylabel(scores.label, fontsize=style.font_points)
        figure.suptitle(title, fontsize=style.font_points)
        legend_below(figure, style, [*handles.values()])
    return figure


def restricted(scores: Scores, name: str, value: object) -> Scores:
    """The runs of the settings whose hyperparameter has a value."""
    key = value_key(value)
    kept = {n: p for n, p in scores.parameters.items() if value_key(p.get(name)) == key}
    rows = np.isin(scores.settings, list(kept))
    return replace(
        scores,
        settings=scores.settings[rows],
        stages=scores.stages[rows],
        run_numbers=scores.run_numbers[rows],
        indices=scores.indices[rows],
        statuses=scores.statuses[rows],
        values=scores.values[rows],
        lost=scores.lost[rows],
        parameters=kept,
    )


def _lines_of(
    scores: Scores, over: ValueScale, each: ValueScale, band: Kind | None
) -> dict[SensitivityLine, Look]:
    """The lines over the values of one hyperparameter, one for each value of another that some
    run has, and the look of each."""
    lines = {}
    for value, look in zip(each.values, distinct_looks(len(each.values)), strict=True):
        part = restricted(scores, each.name, value)
        if len(part):
            label = f"{each.name} {value_text(value)}"
            line = sensitivity_line(ranked_settings(part), over, "best", label, band)
            lines[line] = look
    return lines


def _curve(data: Data, entries: Sequence[Entry]) -> Curve | None:
    """The curve of returns; None where no run has any."""
    quantity = return_of(entries)
    some = np.isfinite(read_series(entries, quantity).values).any()
    return curve_of(data, quantity, entries) if some else None


def _nothing_to_show(data: Data) -> DataFileError:
    return DataFileError(
        f"{data.source}: no run of these settings has a finite return",
        "train for longer than an episode, or plot other settings",
    )


def _set_title(axes: Axes, text: str, style: Style) -> None:
    axes.set_title(text, fontsize=style.small_points, pad=4 + style.small_points)


def _note(axes: Axes, curve: Curve, style: Style) -> None:
    """How many runs a panel is of, how many of them ended early, and how many it cannot show."""
    num_runs = len(curve.runs)
    num_early = sum(status != "completed" for status in curve.statuses)
    num_empty = int((~np.isfinite(curve.runs).any(axis=1)).sum())
    text = f"{num_runs} run{'s' * (num_runs != 1)}"
    text += f", {num_early} ended early" * bool(num_early)
    text += f", {num_empty} without a value" * bool(num_empty)
    axes.text(
        0.5,
        1.02,
        text,
        ha="center",
        fontsize=0.85 * style.small_points,
        color=LOST_COLOUR if num_early or num_empty else "0.4",
        transform=axes.transAxes,
    )
