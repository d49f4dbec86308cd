"""Figures by the names that users of earlier plotting scripts know, made of the same parts.

Each takes opened data, `label -> Data` or one `Data`, and returns a figure for `save_as`. Where
`setting` is None it is the best one; see `reading.entries_of` and `statistics.learning_curve`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nthrun.analysis.figures.comparison import comparison_figure
from nthrun.analysis.figures.curves import CurveView, learning_curve_figure
from nthrun.analysis.figures.distribution import Shape, distribution_figure
from nthrun.analysis.figures.grids import (
    curve_grid_figure,
    individual_runs_figure,
    sensitivity_grid_figure,
)
from nthrun.analysis.figures.heat_map import cells_of
from nthrun.analysis.figures.reading import (
    EPISODE_STEPS,
    actions_of,
    curve_of,
    entries_of,
    metric_names,
    require_recorded,
    return_of,
    series_of,
)
from nthrun.analysis.figures.sensitivity_figure import SensitivityView, sensitivity_figure
from nthrun.analysis.figures.series import action_count_figure, metric_figure
from nthrun.analysis.figures.setting_scores import require_swept, setting_scores
from nthrun.analysis.figures.style import Style
from nthrun.analysis.returns import read_series
from nthrun.analysis.scores import read_scores
from nthrun.analysis.statistics import Curve, learning_curve
from nthrun.errors import DataFileError
from nthrun.records.data import Data

Datas = Data | Mapping[str, Data]


def episode_steps(data: Datas, setting: int | None = None, style: Style | None = None) -> Figure:
    """How long episodes are, over training, with a bootstrap band."""
    curves = {
        label: curve_of(one, EPISODE_STEPS, entries_of(one, setting))
        for label, one in _labelled(data).items()
    }
    return learning_curve_figure(curves, _title(data), _agents(data), style=style)


def hyper_sensitivity(
    data: Datas, name: str, metric: str = "return", style: Style | None = None
) -> Figure:
    """Sensitivity to one hyperparameter, the others at their best for each of its values."""
    scores = {label: read_scores(one, metric) for label, one in _labelled(data).items()}
    view, agents = SensitivityView(("best",)), _agents(data)
    return sensitivity_figure(scores, [name], _title(data), view, style, agents=agents)[0]


def multi_hyper_sensitivity(
    data: Data, names: tuple[str, str, str], metric: str = "return", style: Style | None = None
) -> Figure:
    """Sensitivity to three: over the first, lines of the second, panels of the third."""
    return sensitivity_grid_figure(read_scores(data, metric), names, _title(data), style=style)


def multi_learning_curves(
    data: Data, names: tuple[str, str], view: CurveView | None = None, style: Style | None = None
) -> Figure:
    """Learning curves in a grid over two hyperparameters, the others at their best.

    Raises:
        NthrunError: a hyperparameter that settings do not differ in.
    """
    settings = setting_scores(read_scores(data))
    require_swept(settings, names)
    cells = cells_of(settings, names)
    curves = {}
    for (row, column), place in np.ndenumerate(cells.places):
        if place >= 0 and np.isfinite(cells.values[row, column]):
            entries = entries_of(data, int(settings.numbers[place]))
            curves[column, row] = curve_of(data, return_of(entries), entries)
    return curve_grid_figure(curves, (cells.across, cells.up), _title(data), view, style)


def multi_individual_runs(
    data: Data, settings: Sequence[int] = (), style: Style | None = None
) -> Figure:
    """A panel for each setting, in it a line for each run; no settings is up to the best 16."""
    scored = setting_scores(read_scores(data))
    best = scored.numbers[np.argsort(scored.ranks)][:16].tolist()
    curves = {}
    for number in settings or best:
        entries = entries_of(data, number)
        quantity = return_of(entries)
        if settings or read_series(entries, quantity).values.size:
            curves[f"setting {number}"] = curve_of(data, quantity, entries)
    return individual_runs_figure(curves, _title(data), style)


def multi_metric(
    data: Data,
    names: Sequence[str] = (),
    setting: int | None = None,
    style: Style | None = None,
) -> Figure:
    """Panels of what each run recorded of its updates, and of its actions over time.

    Args:
        data: with `metrics` or `train_actions` recorded; not a data.json without them.
        names: of metrics; none is all that are recorded, and actions.
        setting: whose runs.
        style: width and fonts.

    Raises:
        DataFileError: the data leave these out, or nothing of them was recorded.
    """
    entries = entries_of(data, setting)
    chosen = list(names) or metric_names(data, entries)
    actions = [] if names else actions_of(entries)
    require_recorded(data, chosen, actions)
    return metric_figure(series_of(entries, chosen), _title(data), actions, style=style)


def action_count(data: Datas, setting: int | None = None, style: Style | None = None) -> Figure:
    """How often each discrete action is taken, over time.

    Raises:
        DataFileError: no run recorded `train_actions`.
    """
    actions = {}
    for label, one in _labelled(data).items():
        actions[label] = actions_of(entries_of(one, setting))
        if not actions[label]:
            hint = 'name "train_actions" in "record" of the environment spec'
            raise DataFileError(f"{one.source}: no actions are recorded", hint)
    return action_count_figure(actions, _title(data), style)


def mean_with_bootstrap_conf(
    data: Datas, setting: int | None = None, style: Style | None = None
) -> Figure:
    """Learning curves: the mean with its 95 % percentile-bootstrap band."""
    return _curves(data, setting, CurveView(show_runs=False), style)


def plot_mean_with_runs(
    data: Datas, setting: int | None = None, style: Style | None = None
) -> Figure:
    """Learning curves: the mean, and a thin line for each run."""
    return _curves(data, setting, CurveView(band="none"), style)


def mean_with_stderr(data: Datas, setting: int | None = None, style: Style | None = None) -> Figure:
    """Learning curves: the mean ± one standard error.

    Standard errors are discouraged: ± one of them covers the mean in 68 % of cases with many runs
    and in fewer with few, says nothing of how runs differ, and looks like more than it is. Use
    `mean_with_bootstrap_conf`, or a tolerance band for how runs differ.
    """
    return _curves(data, setting, CurveView(band="stderr", show_runs=False), style)


def plot_mean_with_stderr_summary(
    data: Datas, metric: str = "return", style: Style | None = None
) -> Figure:
    """The mean score of each experiment's best setting ± one standard error, as a point.

    Standard errors are discouraged, see `mean_with_stderr`; `comparison_figure` draws intervals.
    """
    return comparison_figure(*_of_best(data, metric), "", _agents(data), "stderr", style)


def return_distribution(
    data: Datas, shape: Shape = "histogram", metric: str = "return", style: Style | None = None
) -> Figure:
    """How the scores of the runs of each experiment's best setting are distributed."""
    groups, label = _of_best(data, metric)
    [values] = groups.values()
    return distribution_figure(values, label, _title(data), shape, _agents(data), style)


def _curves(data: Datas, setting: int | None, view: CurveView, style: Style | None) -> Figure:
    curves: dict[str, Curve] = {
        label: learning_curve(one, setting) for label, one in _labelled(data).items()
    }
    return learning_curve_figure(curves, _title(data), _agents(data), view, style)


def _of_best(data: Datas, metric: str) -> tuple[dict[str, dict[str, np.ndarray]], str]:
    """Title -> label -> scores of the best setting, lost runs NaN; and what they are."""
    values, label = {}, ""
    for name, one in _labelled(data).items():
        scores = read_scores(one, metric)
        settings = setting_scores(scores)
        rows = settings.rows[settings.best(np.arange(len(settings.numbers)))]
        values[name] = np.where(scores.lost, np.nan, scores.values)[rows]
        label = scores.label
    return {_title(data): values}, label


def _labelled(data: Datas) -> Mapping[str, Data]:
    return {_spec(data, "agent", "agent_name"): data} if isinstance(data, Data) else data


def _agents(data: Datas) -> dict[str, str]:
    return {label: _spec(one, "agent", "agent_name") for label, one in _labelled(data).items()}


def _title(data: Datas) -> str:
    names = [_spec(one, "environment", "env_name") for one in _labelled(data).values()]
    return ", ".join(dict.fromkeys(names))


def _spec(data: Data, part: str, key: str) -> Any:
    return str(data["experiment"][part][key])
