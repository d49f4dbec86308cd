"""The plots of one experiment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nthrun.analysis.curves import Curve, learning_curve
from nthrun.analysis.figures.setting_scores import shown_of_settings
from nthrun.analysis.figures.style import distinct_looks
from nthrun.analysis.ranking import RankedSettings
from nthrun.analysis.report import coordinates, line_chart, pictures
from nthrun.analysis.report.findings import ORACLE_GAP, Findings
from nthrun.analysis.report.line_chart import Chart
from nthrun.analysis.report.plot import Plot
from nthrun.analysis.report.standing import Standing
from nthrun.analysis.returns import NAMED, TRAINING_RETURN
from nthrun.analysis.scores import Scores, read_scores
from nthrun.errors import NthrunError

MAX_CONTENDERS = 3
"""Whose learning curves are shown beside the best one's."""
Numbers = dict[str, list[Any]]
"""What scripts read: kind of plot -> its plots' numbers."""


def plots_of(
    found: Findings, number: int, settings: RankedSettings, table: Standing, numbers: Numbers
) -> Iterator[Plot | str]:
    """Every plot of an experiment, or why there is none.

    Args:
        found: what there is to say of it.
        number: of the experiment in the report.
        settings: of the stage that chooses.
        table: of the same.
        numbers: added to.
    """
    yield _learning_curves(found, number, numbers)
    if found.has_oracle_gap:
        yield _oracle_gap(found, number, numbers)
    names = table.columns[table.num_own :]
    yield from filter(None, [pictures.sensitivity(found, settings, names)])
    yield from filter(None, [pictures.heat_map(found, settings, names)])
    yield from filter(None, [pictures.distribution(_stages(found))])
    yield pictures.resources(found)


def curve_of(found: Findings, setting: int, stage: int) -> Curve:
    """The learning curve of a setting by the metric, or by the return where that has no course.

    Raises:
        NthrunError: there is nothing to show.
    """
    metric = found.question.metric
    one_number = metric in NAMED and NAMED[metric].one_number
    plain = one_number or metric == TRAINING_RETURN.name
    return learning_curve(found.data, setting, stage, None if plain else metric)


def _learning_curves(found: Findings, number: int, numbers: Numbers) -> Plot | str:
    """Of the best setting, of what else could be, and of the best one in other stages."""
    if found.choice is None or found.setting is None:
        return "No learning curve: no run has a finite value."
    curves: dict[str, Curve] = {}
    try:
        curves["best"] = curve_of(found, found.setting, found.stage)
        for stage, estimate in found.elsewhere.items():
            if estimate is not None:
                curves[f"best, seeds of stage {stage}"] = curve_of(found, found.setting, stage)
        for rank, each in enumerate(found.choice.contenders, 1):
            setting = each.settings[0]
            if setting != found.setting and len(curves) <= MAX_CONTENDERS:
                label = f"contender {rank} (probability {each.probability:.3g})"
                curves[label] = curve_of(found, setting, found.stage)
    except NthrunError as error:
        if not curves:
            return f"No learning curve: {error.message}."
    text = (
        f"Learning curves of {found.label}: mean over runs, 95 % bootstrap band, and thin lines "
        "for single runs."
    )
    return charted(
        Chart(f"curves-{number}", text, curves, distinct_looks(len(curves))),
        "Learning curves",
        numbers,
    )


def _oracle_gap(found: Findings, number: int, numbers: Numbers) -> Plot | str:
    if found.setting is None:
        return "No curve of the oracle gap: no setting is the best."
    try:
        curve = learning_curve(found.data, found.setting, found.stage, ORACLE_GAP)
    except NthrunError as error:
        return f"No curve of the oracle gap: {error.message}."
    text = (
        "Distance from the exact solution over training, on a logarithmic axis; runs by the "
        "magnitude of their gap, which luck in evaluation can make negative."
    )
    chart = Chart(f"gap-{number}", text, {"best": curve}, distinct_looks(1), log=True)
    return charted(chart, "Oracle gap", numbers)


def charted(chart: Chart, title: str, numbers: Numbers) -> Plot:
    """A chart of learning curves, its numbers added to those that scripts read."""
    body, shown = line_chart.draw(chart)
    numbers.setdefault("charts", []).append(shown)
    return Plot(title, body, chart.summary, chart.shown())


def parallel(
    found: Findings, number: int, settings: RankedSettings, table: Standing, numbers: Numbers
) -> Iterator[Plot]:
    """Parallel coordinates, where settings differ; arguments are as in `plots_of`."""
    if table.num_own == len(table.columns):
        return
    body, shown = coordinates.draw(f"parallel-{number}", settings, table)
    numbers.setdefault("parallels", []).append({**shown, "table": f"settings-{number}"})
    drawn, every = len(coordinates.drawn_rows(len(table.rows))), len(table.rows)
    which = (
        f"{drawn} of {every} settings, the best {drawn // 2} and others evenly by rank"
        if drawn < every
        else f"all {every} settings"
    )
    text = (
        f"{which}, coloured by {found.scores.label}, brighter is better; the best is thick, those "
        "that lost runs are dotted. Drag along an axis to keep the settings that cross it there; "
        "a click on it lets them go; the table below follows."
    )
    places = [table.places[row] for row in coordinates.drawn_rows(every)]
    yield Plot("Parallel coordinates", body, text, shown_of_settings(settings, places, "setting"))


def _stages(found: Findings) -> dict[str, tuple[Findings, Scores]]:
    """Name -> scores of each stage that the best setting has runs in."""
    question = found.question
    stages = {f"{found.label}, stage {found.stage}": (found, found.scores)}
    for stage, estimate in found.elsewhere.items():
        if estimate is not None:
            scores = read_scores(
                found.data, question.metric, question.last, stage, question.direction
            )
            stages[f"{found.label}, stage {stage}"] = found, scores
    return stages
