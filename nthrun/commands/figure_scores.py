"""Scores that figures of single settings are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nthrun.analysis.compatibility_checks import require_one_metric
from nthrun.analysis.figures.saving import Shown
from nthrun.analysis.figures.setting_scores import shown_of_settings
from nthrun.analysis.ranking import ranked_settings
from nthrun.analysis.scores import Scores, read_scores
from nthrun.commands.figure_data import Labelled
from nthrun.commands.figure_options import ScoreChoice
from nthrun.errors import NthrunError


@dataclass(frozen=True, slots=True, eq=False)
class BestScores:
    """One setting of each of several data.

    Attributes:
        scores: label -> all its scores.
        settings: label -> the setting's number.
        values: label -> `(num_runs,)` of that setting, NaN of lost runs.
        shown: the runs.
        label: of an axis.
        higher_is_better: which runs are good.
    """

    scores: Mapping[str, Scores]
    settings: Mapping[str, int]
    values: Mapping[str, np.ndarray]
    shown: Sequence[Shown]
    label: str
    higher_is_better: bool


def scores_of_best(
    labelled: Labelled, choice: ScoreChoice, setting: int | None = None
) -> BestScores:
    """The scores of the best setting of each data, or of one by number.

    Raises:
        NthrunError: there are no such runs, no run has the metric, or data without one asked for
            go by different ones.
    """
    scores: dict[str, Scores] = {}
    numbers: dict[str, int] = {}
    values: dict[str, np.ndarray] = {}
    shown: list[Shown] = []
    for label, data in labelled.items():
        one = read_scores(data, choice.metric, choice.last, choice.stage, choice.direction)
        settings = ranked_settings(one)
        places = np.arange(len(settings.numbers))
        if setting is not None:
            places = np.flatnonzero(settings.numbers == setting)
            if not len(places):
                known = f"{settings.numbers[0]} to {settings.numbers[-1]}"
                raise NthrunError(
                    f"{data.source}: no run of setting {setting}", f"settings with runs: {known}"
                )
        place = settings.best(places)
        rows = settings.rows[place]
        scores[label], numbers[label] = one, int(settings.numbers[place])
        values[label] = np.where(one.lost, np.nan, one.values)[rows]
        shown += shown_of_settings(settings, [place], label)
    require_one_metric(scores.values())
    first = next(iter(scores.values()))
    return BestScores(scores, numbers, values, shown, first.label, first.higher_is_better)
