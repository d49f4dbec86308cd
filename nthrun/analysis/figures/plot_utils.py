"""Figures by the names that users of earlier plotting scripts know, made of the same parts.

Each takes opened data, `label -> Data` or one `Data`, and returns a figure for `save_as`. Where
`setting` is None it is the best one; see `reading.entries_of` and `curves.learning_curve`.
`stage` says whose runs; None is the only stage there is, of learning curves the lowest.

Curves and `hyper_sensitivity` take what those scripts gave them, too: a list of data, "train" or
"eval", lists of settings, what to smooth over, names. They then return the figure and its axes.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec

import numpy as np
from matplotlib.figure import Figure

from nthrun.analysis.compatibility_checks import require_one_metric
from nthrun.analysis.curves import Curve, curve_of, learning_curve
from nthrun.analysis.figures import setting_panels
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
from nthrun.analysis.figures.setting_panels import sensitivity_grid_figure
from nthrun.analysis.figures.style import Style
from nthrun.analysis.scores import Stage, read_scores
from nthrun.errors import DataFileError, NthrunError
from nthrun.records.data import Data
from nthrun.terminal import note

Datas = Data | Mapping[str, Data]
Setting = int | Mapping[str, int] | None
"""Whose runs: of all data, or by label; None is the best setting of each."""
P = ParamSpec("P")
Draw = Callable[P, Figure]
TYPES = {"train": "return", "eval": "evaluation"}
"""What earlier scripts plotted -> the metric."""
SMOOTHED = ("type_", "ind", "smooth_over", "names")


def _or_older(*order: str) -> Callable[[Draw[P]], Draw[P]]:
    """Has a function of data and settings take the arguments of earlier scripts, too.

    Args:
        order: of those behind the list of data.
    """

    def decorate(draw: Draw[P]) -> Draw[P]:
        @wraps(draw)
        def either(*arguments: Any, **keywords: Any) -> Any:
            given = dict(zip(("data", *order), arguments, strict=False)) | keywords
            if not isinstance(given.get("data"), list):
                return draw(*arguments, **keywords)
            known = {"data", "names", "labels", *order}
            if passed := [name for name in given if name not in known]:
                instead = "Style has widths and fonts, save_as writes the figure"
                note(f"plot_utils.{draw.__name__}: passed over: {', '.join(passed)}: {instead}")
            if order[0] == "hyper" and not isinstance(given.get("hyper"), str):
                got = f"got {given['hyper']!r}" if "hyper" in given else "missing"
                allowed = "the name of a hyperparameter"
                raise NthrunError(f"plot_utils.{draw.__name__}: hyper: {got}, allowed: {allowed}")
            figure = draw(**_as_ours(draw.__name__, given))  # type: ignore[call-arg]
            return figure, figure.axes[0]

        return either

    return decorate


def _not_older(draw: Draw[P]) -> Draw[P]:
    """Has a function that differs from that of earlier scripts say what it takes instead."""

    @wraps(draw)
    def either(*arguments: P.args, **keywords: P.kwargs) -> Figure:
        if arguments and isinstance(arguments[0], list):
            names = inspect.signature(draw).parameters
            raise NthrunError(
                f"plot_utils.{draw.__name__}: got a list of data, allowed: opened data, or, of "
                "several figures, a mapping of labels to them",
                f"call {draw.__name__}({', '.join(names)})",
            )
        return draw(*arguments, **keywords)

    return either


multi_learning_curves = _not_older(setting_panels.multi_learning_curves)
multi_individual_runs = _not_older(setting_panels.multi_individual_runs)


def _as_ours(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an earlier script as ours.

    Raises:
        NthrunError: they do not go together, or are not what they have to be.
    """
    labels = given.get("names") or given.get("labels")
    labelled = _of_list(name, given["data"], labels)
    if (kind := given.get("type_", "train")) not in TYPES:
        raise NthrunError(f"plot_utils.{name}: type_: got {kind!r}, allowed: train, eval")
    if any(given.get("smooth_over") or ()):
        note(f"plot_utils.{name}: passed over: smooth_over: curves are weighted by steps instead")
    metric = {} if name == "episode_steps" else {"metric": TYPES[kind]}
    if name == "episode_steps" and kind != "train":
        raise NthrunError(f"plot_utils.{name}: type_: got {kind!r}, allowed: train")
    if "hyper" in given:
        return {"data": labelled, "name": given["hyper"], **metric}
    lists = given.get("ind")
    if not isinstance(lists, (list, tuple)) or len(lists) != len(labelled):
        allowed = f"{len(labelled)} lists of settings, one of each data"
        raise NthrunError(f"plot_utils.{name}: ind: got {lists!r}, allowed: {allowed}")
    datas, settings = {}, {}
    for (label, data), given_numbers in zip(labelled.items(), lists, strict=True):
        numbers = _numbers(name, given_numbers)
        for number in numbers:
            text = label if len(numbers) == 1 else f"{label}, setting {number}"
            datas[text], settings[text] = data, number
    return {"data": datas, "setting": settings, **metric}


def _numbers(name: str, given: Any) -> list[int]:
    """Numbers of settings: one or several, Python's or NumPy's."""
    try:
        items = given if isinstance(given, (list, tuple, np.ndarray)) else [given]
        numbers = [operator.index(item) for item in items]
    except TypeError:
        numbers = []
    if not numbers:
        raise NthrunError(f"plot_utils.{name}: ind: got {given!r}, allowed: numbers of settings")
    return numbers


def _of_list(name: str, datas: Sequence[Any], names: Sequence[str] | None) -> dict[str, Data]:
    """Data by label; without names by those of their agents."""
    for place, data in enumerate(datas):
        if not isinstance(data, Data):
            problem = f"data[{place}]: got a {type(data).__name__}, allowed: what open_data gives"
            hint = "open_data reads what simple_combine.py makes of result pickles"
            raise NthrunError(f"plot_utils.{name}: {problem}", hint)
    labels = list(names or (data.agent_name for data in datas))
    if len(labels) != len(datas) or len(set(labels)) < len(labels):
        allowed = f"{len(datas)} different ones"
        raise NthrunError(f"plot_utils.{name}: names: got {labels!r}, allowed: {allowed}")
    return dict(zip(labels, datas, strict=True))


def _of(setting: Setting, label: str) -> int | None:
    return setting[label] if isinstance(setting, Mapping) else setting


@_or_older("type_", "ind", "labels")
def episode_steps(
    data: Datas, setting: Setting = None, style: Style | None = None, *, stage: Stage = None
) -> Figure:
    """How long episodes are, over training, with a Student band."""
    curves = {
        label: curve_of(each, EPISODE_STEPS, entries_of(each, _of(setting, label), stage))
        for label, each in _labelled(data).items()
    }
    return learning_curve_figure(curves, _title(data), _agents(data), style=style)


@_or_older("hyper", "type_")
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


@_not_older
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


@_not_older
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


@_not_older
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


@_or_older(*SMOOTHED)
def mean_with_bootstrap_conf(
    data: Datas,
    setting: Setting = None,
    style: Style | None = None,
    *,
    stage: int | None = None,
    metric: str | None = None,
) -> Figure:
    """Learning curves: the mean with its percentile-bootstrap band, too narrow for few runs."""
    view = CurveView("bootstrap", show_runs=False)
    return _curves(data, setting, view, style, stage=stage, metric=metric)


@_or_older(*SMOOTHED)
def plot_mean_with_runs(
    data: Datas,
    setting: Setting = None,
    style: Style | None = None,
    *,
    stage: int | None = None,
    metric: str | None = None,
) -> Figure:
    """Learning curves: the mean, and a thin line for each run."""
    return _curves(data, setting, CurveView(band="none"), style, stage=stage, metric=metric)


@_or_older(*SMOOTHED)
def mean_with_stderr(
    data: Datas,
    setting: Setting = None,
    style: Style | None = None,
    *,
    stage: int | None = None,
    metric: str | None = None,
) -> Figure:
    """Learning curves: the mean ± one standard error.

    Standard errors are discouraged: ± one of them covers the mean in 68 % of cases with many runs
    and in fewer with few, says nothing of how runs differ, and looks like more than it is. Use the
    Student band of `learning_curve_figure`, or a tolerance band for how runs differ.
    """
    view = CurveView(band="stderr", show_runs=False)
    return _curves(data, setting, view, style, stage=stage, metric=metric)


@_not_older
def plot_mean_with_stderr_summary(
    data: Datas, metric: str = "return", style: Style | None = None, *, stage: Stage = None
) -> Figure:
    """The mean score of each experiment's best setting ± one standard error, as a point.

    Standard errors are discouraged, see `mean_with_stderr`; `comparison_figure` draws intervals.
    """
    best = scores_of_best(_labelled(data), metric=metric, stage=stage)
    groups = {_title(data): best.values}
    return comparison_figure(groups, best.label, "", _agents(data), "stderr", style)


@_not_older
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
    data: Datas, setting: Setting, view: CurveView, style: Style | None, **chosen: Any
) -> Figure:
    curves: dict[str, Curve] = {
        label: learning_curve(each, _of(setting, label), **chosen)
        for label, each in _labelled(data).items()
    }
    return learning_curve_figure(curves, _title(data), _agents(data), view, style)


def _labelled(data: Datas) -> Mapping[str, Data]:
    return {data.agent_name: data} if isinstance(data, Data) else data


def _agents(data: Datas) -> dict[str, str]:
    return {label: each.agent_name for label, each in _labelled(data).items()}


def _title(data: Datas) -> str:
    return ", ".join(dict.fromkeys(each.env_name for each in _labelled(data).values()))
