"""Figures by the names that users of earlier plotting scripts know, made of the same parts.

Each takes opened data, `label -> Data` or one `Data`, and returns a figure for `save_as`. Where
`setting` is None it is the best one; see `reading.entries_of` and `curves.learning_curve`.
`stage` says whose runs; None is the only stage there is, of learning curves the lowest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from nthrun.analysis.compatibility_checks import require_one_metric
from nthrun.analysis.curves import Curve, curve_of, learning_curve
from nthrun.analysis.figures.comparison import comparison_figure
from nthrun.analysis.figures.curves import CurveView, learning_curve_figure
from nthrun.analysis.figures.distribution import Shape, distribution_figure
from nthrun.analysis.figures.metrics import (
    action_count_figure,
    actions_of,
    metric_figure,
    require_recorded,
    series_of,
)
from nthrun.analysis.figures.reading import EPISODE_STEPS, entries_of, scores_of_best
from nthrun.analysis.figures.sensitivity import SensitivityView, sensitivity_figure
from nthrun.analysis.figures.setting_panels import (
    multi_individual_runs as multi_individual_runs,
)
from nthrun.analysis.figures.setting_panels import (
    multi_learning_curves as multi_learning_curves,
)
from nthrun.analysis.figures.setting_panels import sensitivity_grid_figure
from nthrun.analysis.figures.style import Style
from nthrun.analysis.scores import Stage, read_scores
from nthrun.errors import DataFileError
from nthrun.records.data import Data

Datas = Data | Mapping[str, Data]


def episode_steps(
    data: Datas, setting: int | None = None, style: Style | None = None, *, stage: Stage = None
) -> Figure:
    """How long episodes are, over training, with a Student band."""
    curves = {
        label: curve_of(each, EPISODE_STEPS, entries_of(each, setting, stage))
        for label, each in _labelled(data).items()
    }
    return learning_curve_figure(curves, _title(data), _agents(data), style=style)


def hyper_sensitivity(
    data: Datas,
    name: str,
    metric: str = "return",
    style: Style | None = None,
    *,
    stage: Stage = None,
) -> Figure:
    """Sensitivity to one hyperparameter, the others at their best for each of its values."""
    scores = {
        label: read_scores(each, metric, stage=stage) for label, each in _labelled(data).items()
    }
    require_one_metric(scores.values())
    view, agents = SensitivityView(("best",)), _agents(data)
    return sensitivity_figure(scores, [name], _title(data), view, style, agents=agents)[0]


def multi_hyper_sensitivity(
    data: Data,
    names: tuple[str, str, str],
    metric: str = "return",
    style: Style | None = None,
    *,
    stage: Stage = None,
) -> Figure:
    """Sensitivity to three: over the first, lines of the second, panels of the third."""
    scores = read_scores(data, metric, stage=stage)
    return sensitivity_grid_figure(scores, names, _title(data), style=style)


def multi_metric(
    data: Data,
    names: Sequence[str] = (),
    setting: int | None = None,
    style: Style | None = None,
    *,
    stage: Stage = None,
) -> Figure:
    """Panels of what each run recorded of its updates, and of its actions over time.

    Args:
        data: with `metrics` or `train_actions` recorded; not a data.json without them.
        names: of metrics; none is all that are recorded, and actions.
        setting: whose runs.
        style: width and fonts.
        stage: whose runs.

    Raises:
        DataFileError: the data leave these out, or nothing of them was recorded.
    """
    entries = entries_of(data, setting, stage)
    series = series_of(data, entries, names)
    actions = [] if names else actions_of(entries)
    require_recorded(data, series, actions)
    return metric_figure(series, _title(data), actions, style=style)


def action_count(
    data: Datas, setting: int | None = None, style: Style | None = None, *, stage: Stage = None
) -> Figure:
    """How often each discrete action is taken, over time.

    Raises:
        DataFileError: no run recorded `train_actions`.
    """
    actions = {}
    for label, each in _labelled(data).items():
        actions[label] = actions_of(entries_of(each, setting, stage))
        if not actions[label]:
            hint = 'name "train_actions" in "record" of the environment spec'
            raise DataFileError(f"{each.source}: no actions are recorded", hint)
    return action_count_figure(actions, _title(data), style)


def mean_with_bootstrap_conf(
    data: Datas, setting: int | None = None, style: Style | None = None, *, stage: int | None = None
) -> Figure:
    """Learning curves: the mean with its percentile-bootstrap band, too narrow for few runs."""
    return _curves(data, setting, CurveView("bootstrap", show_runs=False), style, stage)


def plot_mean_with_runs(
    data: Datas, setting: int | None = None, style: Style | None = None, *, stage: int | None = None
) -> Figure:
    """Learning curves: the mean, and a thin line for each run."""
    return _curves(data, setting, CurveView(band="none"), style, stage)


def mean_with_stderr(
    data: Datas, setting: int | None = None, style: Style | None = None, *, stage: int | None = None
) -> Figure:
    """Learning curves: the mean ± one standard error.

    Standard errors are discouraged: ± one of them covers the mean in 68 % of cases with many runs
    and in fewer with few, says nothing of how runs differ, and looks like more than it is. Use the
    Student band of `learning_curve_figure`, or a tolerance band for how runs differ.
    """
    return _curves(data, setting, CurveView(band="stderr", show_runs=False), style, stage)


def plot_mean_with_stderr_summary(
    data: Datas, metric: str = "return", style: Style | None = None, *, stage: Stage = None
) -> Figure:
    """The mean score of each experiment's best setting ± one standard error, as a point.

    Standard errors are discouraged, see `mean_with_stderr`; `comparison_figure` draws intervals.
    """
    best = scores_of_best(_labelled(data), metric=metric, stage=stage)
    groups = {_title(data): best.values}
    return comparison_figure(groups, best.label, "", _agents(data), "stderr", style)


def return_distribution(
    data: Datas,
    shape: Shape = "histogram",
    metric: str = "return",
    style: Style | None = None,
    *,
    stage: Stage = None,
) -> Figure:
    """How the scores of the runs of each experiment's best setting are distributed."""
    best = scores_of_best(_labelled(data), metric=metric, stage=stage)
    return distribution_figure(best.values, best.label, _title(data), shape, _agents(data), style)


def _curves(
    data: Datas, setting: int | None, view: CurveView, style: Style | None, stage: int | None
) -> Figure:
    curves: dict[str, Curve] = {
        label: learning_curve(each, setting, stage) for label, each in _labelled(data).items()
    }
    return learning_curve_figure(curves, _title(data), _agents(data), view, style)


def _labelled(data: Datas) -> Mapping[str, Data]:
    return {data.agent_name: data} if isinstance(data, Data) else data


def _agents(data: Datas) -> dict[str, str]:
    return {label: each.agent_name for label, each in _labelled(data).items()}


def _title(data: Datas) -> str:
    return ", ".join(dict.fromkeys(each.env_name for each in _labelled(data).values()))
