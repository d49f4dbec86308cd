"""Panels of settings: learning curves over two hyperparameters, and the runs of each setting.

They say how many settings and runs have nothing to show.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from nthrun.analysis.figures.curves import CurveView
from nthrun.analysis.figures.grids import curve_grid_figure, individual_runs_figure
from nthrun.analysis.figures.heat_map import cells_of
from nthrun.analysis.figures.reading import curve_of, entries_of, return_of
from nthrun.analysis.figures.setting_scores import require_swept, setting_scores
from nthrun.analysis.figures.style import Style
from nthrun.analysis.returns import read_series
from nthrun.analysis.scores import Stage, read_scores
from nthrun.analysis.statistics import Curve
from nthrun.errors import DataFileError
from nthrun.records.data import Data
from nthrun.records.entries import Entry


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
    settings = setting_scores(read_scores(data, stage=stage))
    require_swept(settings, names)
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
    return curve_grid_figure(curves, scales, _title(data), view, style, empty=empty)


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
        scored = setting_scores(read_scores(data, stage=stage))
        numbers = scored.numbers[np.argsort(scored.ranks)][:16].tolist()
    found = {n: _curve(data, entries_of(data, n, stage)) for n in numbers}
    curves = {f"setting {n}": curve for n, curve in found.items() if curve is not None}
    if not curves:
        raise _nothing_to_show(data)
    left_out = len(found) - len(curves)
    note = f" ({left_out} setting{'s' * (left_out != 1)} without a return left out)"
    return individual_runs_figure(curves, _title(data) + note * bool(left_out), style)


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


def _title(data: Data) -> str:
    return str(data["experiment"]["environment"]["env_name"])
