"""The plots of the page, of one experiment or of several together, and the runs that they show."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nthrun.analysis.best_responses import AGENT as RESPONDER
from nthrun.analysis.best_responses import best_responses_of, over_parents
from nthrun.analysis.curves import Curve, learning_curve
from nthrun.analysis.figures.bands import TEXTS
from nthrun.analysis.figures.curves import runs_of_curves
from nthrun.analysis.figures.distribution import distribution_figure
from nthrun.analysis.figures.games import bars_figure, game_figure, spreads_of, starts_of
from nthrun.analysis.figures.heat_map import heat_map_figure
from nthrun.analysis.figures.reading import entries_of, runs_of_entries, runs_of_settings
from nthrun.analysis.figures.resources import costs_of, resources_figure, suggestion
from nthrun.analysis.figures.saving import PlottedRuns, save_as
from nthrun.analysis.figures.sensitivity import sensitivity_figure
from nthrun.analysis.figures.style import Look, distinct_looks, looks
from nthrun.analysis.ranking import RankedSettings, ranked_settings
from nthrun.analysis.report.experiment_summary import ORACLE_GAP, ExperimentSummary
from nthrun.analysis.report.line_chart import LineChart, line_chart
from nthrun.analysis.report.parallel_chart import ParallelChart, drawn_rows, parallel_chart
from nthrun.analysis.report.settings_table import SettingsTable
from nthrun.analysis.returns import NAMED, TRAINING_RETURN
from nthrun.analysis.scores import ALL_STAGES, Scores, chosen_entries
from nthrun.errors import NthrunError
from nthrun.index import format_indices
from nthrun.terminal import readable_text

MAX_CONTENDERS = 3
"""Contenders whose learning curves are shown beside the best one's."""
MAX_RUN_ROWS = 40
"""Settings whose runs are listed one by one under a plot."""
MAX_VALUES = 30
"""Values of a hyperparameter that sensitivity curves and heat maps show."""
MAX_TEXT = 60
"""Characters of a name in a picture."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure of `nthrun.analysis.figures` as a picture within the page.

    Attributes:
        address: the picture itself, as a data address.
        text: what it shows, for those who do not see it.
    """

    macro: ClassVar[str] = "picture"
    address: str
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot of the page.

    Attributes:
        title: its title.
        chart: what is drawn, by the macro of `charts.html` that it names.
        caption: what it shows.
        shown: the runs.
    """

    title: str
    chart: LineChart | ParallelChart | Picture
    caption: str
    shown: Sequence[PlottedRuns]

    @property
    def num_runs(self) -> int:
        """The number of different runs that it shows."""
        return len({(runs.source, runs.stage, n) for runs in self.shown for n in runs.indices})

    @property
    def run_rows(self) -> list[list[str]]:
        """(label, source, stage, settings, indices) of the runs; of many settings, those of one
        label and stage in one row."""
        many = len(self.shown) > MAX_RUN_ROWS
        indices: dict[tuple[str, str, int, str], set[int]] = {}
        settings: dict[tuple[str, str, int, str], set[int]] = {}
        for runs in self.shown:
            number = "" if many else str(runs.setting_number)
            key = (runs.label, runs.source, runs.stage, number)
            indices.setdefault(key, set()).update(runs.indices)
            settings.setdefault(key, set()).add(runs.setting_number)
        return [
            [*key[:2], str(key[2]), format_indices(settings[key]), format_indices(indices[key])]
            for key in indices
        ]


def plots_of(
    summary: ExperimentSummary, settings: RankedSettings, names: Sequence[str]
) -> Iterator[Plot | str]:
    """Every plot of an experiment but its parallel coordinates, or why there is none.

    Args:
        summary: of the experiment.
        settings: of the stage that chooses.
        names: hyperparameters that settings differ in.
    """
    yield _learning_curves(summary)
    if summary.has_oracle_gap:
        yield _oracle_gap(summary)
    pictures = (
        _sensitivity(summary, settings, names),
        _heat_map(summary, settings, names),
        distribution(_stages(summary)),
        _resources(summary),
    )
    yield from filter(None, pictures)
    if summary.spec is not None and summary.spec.environment.interface.roles:
        yield from _game(summary)


def _game(summary: ExperimentSummary) -> Iterator[Plot | str]:
    """What best responses gain, or what roles earn while they learn, or why there is neither."""
    title = _title(summary)
    try:
        if summary.agent_name == RESPONDER:
            entries = chosen_entries(summary.data, ALL_STAGES)
            gains = over_parents(best_responses_of(summary.data))
            figure = bars_figure(gains, title)
            name, text = "Best responses", "What agents earn in a step before and after responding."
        else:
            entries = entries_of(summary.data, summary.setting, summary.stage)
            starts = starts_of(summary.data, entries)
            figure = game_figure(spreads_of(summary.data, entries), starts, title)
            name, text = "Roles", "What roles earn and the game shows of itself, means of a step."
    except NthrunError as error:
        yield f"No figure of the game: {error.message}."
        return
    yield _plot(name, text, figure, runs_of_entries(summary.data, entries, "runs"))


def parallel_coordinates(
    summary: ExperimentSummary, settings: RankedSettings, table: SettingsTable
) -> Iterator[Plot]:
    """Parallel coordinates, where settings differ; arguments are as in `plots_of`."""
    if not table.hyperparameters:
        return
    every = len(table.rows)
    rows = drawn_rows(every)
    which = (
        f"{len(rows)} of {every} settings, the best {len(rows) // 2} and others evenly by rank"
        if len(rows) < every
        else f"all {every} settings"
    )
    text = (
        f"{which}, coloured by {summary.scores.label}, brighter is better; the best is thick, "
        "those that lost runs are dotted. Drag along an axis to keep the settings that cross it "
        "there; a click on it lets them go; the table below follows."
    )
    shown = runs_of_settings(settings, [table.positions[row] for row in rows], "setting")
    yield Plot("Parallel coordinates", parallel_chart(settings, table), text, shown)


def plots_together(env_name: str, summaries: Sequence[ExperimentSummary]) -> Iterator[Plot | str]:
    """Plots of the experiments of one environment, or why there is none."""
    curves: dict[str, Curve] = {}
    for summary in summaries:
        try:
            if summary.setting is not None:
                curves[summary.label] = curve_of(summary, summary.setting, summary.stage)
        except NthrunError as error:
            yield f"No learning curve of {summary.label}: {error.message}."
    if curves:
        agents = {summary.label: summary.agent_name for summary in summaries}
        text = (
            f"Learning curves on {env_name}: the best setting of each experiment, mean over runs, "
            f"{TEXTS['student']}.{_flattered(*summaries)}"
        )
        of_agents = looks(agents[label] for label in curves)
        yield _curves_plot("Learning curves together", text, curves, of_agents)
    scores = {summary.label: (summary, summary.scores) for summary in summaries}
    yield from filter(None, [distribution(scores)])


def curve_of(summary: ExperimentSummary, setting: int, stage: int) -> Curve:
    """The learning curve of a setting by the metric, or by the return where that has no course.

    Raises:
        NthrunError: there is nothing to show.
    """
    metric = summary.question.metric
    one_number = metric in NAMED and NAMED[metric].one_number
    plain = one_number or metric == TRAINING_RETURN.name
    return learning_curve(summary.data, setting, stage, None if plain else metric)


def _learning_curves(summary: ExperimentSummary) -> Plot | str:
    """Curves of the best setting, of its runs in other stages, and of its contenders."""
    if summary.choice is None or summary.setting is None:
        return "No learning curve: no run has a finite value."
    curves: dict[str, Curve] = {}
    try:
        curves["best"] = curve_of(summary, summary.setting, summary.stage)
        for stage, estimate in summary.other_stages.items():
            if estimate is not None:
                curves[f"best, seeds of stage {stage}"] = curve_of(summary, summary.setting, stage)
        for rank, each in enumerate(summary.choice.contenders, 1):
            setting = each.settings[0]
            if setting != summary.setting and len(curves) <= MAX_CONTENDERS:
                label = f"contender {rank} (chosen again in {each.probability:.3g})"
                curves[label] = curve_of(summary, setting, summary.stage)
    except NthrunError as error:
        if not curves:
            return f"No learning curve: {error.message}."
    text = (
        f"Learning curves of {summary.label}: mean over runs, {TEXTS['student']}, and thin lines "
        f"for single runs.{_flattered(summary)}"
    )
    return _curves_plot("Learning curves", text, curves, distinct_looks(len(curves)))


def _flattered(*summaries: ExperimentSummary) -> str:
    """What has to be known of the bands of settings that the runs shown have chosen."""
    if all(each.choice is None or each.choice.num_settings == 1 for each in summaries):
        return ""
    return (
        " Bands are those of settings named beforehand; of the best, its contenders and others at "
        "their best, which these runs chose, they lie too high or too low."
    )


def _oracle_gap(summary: ExperimentSummary) -> Plot | str:
    if summary.setting is None:
        return "No curve of the oracle gap: no setting is the best."
    try:
        curve = learning_curve(summary.data, summary.setting, summary.stage, ORACLE_GAP)
    except NthrunError as error:
        return f"No curve of the oracle gap: {error.message}."
    text = (
        "Distance from the exact solution over training, on a logarithmic axis; runs by the "
        "magnitude of their gap, which luck in evaluation can make negative; mean over runs, "
        f"{TEXTS['student']}.{_flattered(summary)}"
    )
    return _curves_plot("Oracle gap", text, {"best": curve}, distinct_looks(1), log=True)


def _curves_plot(
    title: str, text: str, curves: Mapping[str, Curve], looks: Sequence[Look], log: bool = False
) -> Plot:
    return Plot(title, line_chart(text, curves, looks, log), text, runs_of_curves(curves))


def _stages(summary: ExperimentSummary) -> dict[str, tuple[ExperimentSummary, Scores]]:
    """Name -> scores of each stage that the best setting has runs in."""
    question = summary.question
    stages = {f"{summary.label}, stage {summary.stage}": (summary, summary.scores)}
    for stage, estimate in summary.other_stages.items():
        if estimate is not None:
            scores = question.scores(summary.data, stage)
            stages[f"{summary.label}, stage {stage}"] = summary, scores
    return stages


def _sensitivity(
    summary: ExperimentSummary, settings: RankedSettings, names: Sequence[str]
) -> Plot | None:
    """Sensitivity curves of hyperparameters with few values; None where there are none."""
    few = [name for name in names if 1 < len(np.unique(settings.keys(name))) <= MAX_VALUES]
    if not few or summary.choice is None:
        return None
    label = _plain(summary.label)
    agents = {label: summary.agent_name}
    figure, shown = sensitivity_figure({label: summary.scores}, few, _title(summary), agents=agents)
    others = [name for name in names if name not in few]
    note = (
        f"Not shown, having more than {MAX_VALUES} values: {', '.join(others)}." if others else ""
    )
    text = (
        f"Sensitivity of {summary.scores.label} to {', '.join(few)}: the best setting at each "
        f"value, and the others held as in the best setting.{_flattered(summary)}"
    )
    return _plot("Sensitivity", text, figure, shown, note)


def _heat_map(
    summary: ExperimentSummary, settings: RankedSettings, names: Sequence[str]
) -> Plot | None:
    """The two hyperparameters with the most values; None where fewer than two have few."""
    counts = {name: len(np.unique(settings.keys(name))) for name in names}
    two = sorted((n for n in names if counts[n] <= MAX_VALUES), key=lambda name: -counts[name])[:2]
    if len(two) < 2 or summary.choice is None:
        return None
    figure, shown = heat_map_figure(summary.scores, two, _title(summary))
    text = f"Mean {summary.scores.label} over {two[0]} and {two[1]}, the others at their best."
    return _plot("Two hyperparameters", text, figure, shown)


def distribution(lines: Mapping[str, tuple[ExperimentSummary, Scores]]) -> Plot | None:
    """How the runs of best settings are distributed; None where none has a value.

    Args:
        lines: name -> an experiment, and the scores of one of its stages.
    """
    values: dict[str, np.ndarray] = {}
    shown: list[PlottedRuns] = []
    for name, (summary, scores) in lines.items():
        own = scores.settings == summary.setting
        if own.any():
            values[name] = np.where(scores.lost, np.nan, scores.values)[own]
            settings = ranked_settings(scores)
            best = np.flatnonzero(settings.numbers == summary.setting)
            shown += runs_of_settings(settings, best, name)
    if not any(np.isfinite(scores).any() for scores in values.values()):
        return None
    axis = " or ".join(dict.fromkeys(lines[name][1].label for name in values))
    plain = _apart(list(values))
    agents = {text: lines[name][0].agent_name for text, name in plain.items()}
    figure = distribution_figure(
        {text: values[name] for text, name in plain.items()},
        axis,
        "runs of the best settings",
        agents=agents,
    )
    text = f"Histogram of {axis} of the runs of {', '.join(values)}."
    return _plot("Distribution over runs", text, figure, shown)


def _resources(summary: ExperimentSummary) -> Plot:
    """Time and memory of all runs of all stages."""
    costs = costs_of(summary.data, ALL_STAGES)
    figure = resources_figure(
        {_plain(summary.label): costs}, _title(summary), {_plain(summary.label): summary.agent_name}
    )
    seconds = costs.seconds[np.isfinite(costs.seconds)]
    text = (
        f"Histograms of time and peak memory of {len(costs.seconds)} runs: "
        f"{_duration(seconds.sum())} in all; ask a cluster for {suggestion(costs)}."
    )
    shown = runs_of_entries(summary.data, chosen_entries(summary.data, ALL_STAGES), "all runs")
    return _plot("Time and memory", text, figure, shown)


def data_address(content: bytes, media_type: str) -> str:
    """The content of a file as an address of its own."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds_left = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds_left} s"


def _apart(names: Sequence[str]) -> dict[str, str]:
    """Short texts, numbered where two would be the same -> the names that they stand for."""
    texts = [_plain(name) for name in names]
    if len(set(texts)) < len(texts):
        texts = [f"{number}: {text}" for number, text in enumerate(texts, 1)]
    return dict(zip(texts, names, strict=True))


def _title(summary: ExperimentSummary) -> str:
    return _plain(f"{summary.env_name}, {summary.label}")


def _plain(text: str) -> str:
    """A short text, with a letter for every byte."""
    return readable_text(_short(text))


def _short(text: str) -> str:
    half = MAX_TEXT // 2
    return text if len(text) <= MAX_TEXT else f"{text[:half]}…{text[-half:]}"


def _plot(title: str, text: str, figure: Any, shown: Sequence[PlottedRuns], note: str = "") -> Plot:
    """A plot of one of Matplotlib's figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "figure.svg")
        save_as(figure, path)
        address = data_address(path.read_bytes(), "image/svg+xml")
    return Plot(title, Picture(address, text), " ".join(filter(None, (text, note))), shown)
