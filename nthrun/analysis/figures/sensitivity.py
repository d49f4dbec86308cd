"""Sensitivity curves: how much the value of one hyperparameter matters.

`best`: at each value, the others are as good as they can be. `slice`: the others stay as in the
best setting of all. The best of many settings is chosen and shown by the same runs here, so that
its score flatters; confirm it with runs of another stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from nthrun.analysis.figures.bands import Kind, band_of
from nthrun.analysis.figures.setting_scores import SettingScores, tied
from nthrun.analysis.figures.value_scale import ValueScale, swept, value_key

Others = Literal["best", "slice"]
OTHERS: tuple[Others, ...] = ("best", "slice")


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One sensitivity curve.

    Attributes:
        label: of the legend.
        scale: the hyperparameter's values.
        places: `(num_values,)` which setting stands for each value, as places in the settings; -1
            where there is none.
        centre, low, high: `(num_values,)` mean score of its runs, and its band.
        num_runs, num_lost: `(num_values,)` of that setting.
        band: what the band is, for a legend; empty where there is none.
    """

    label: str
    scale: ValueScale
    places: np.ndarray
    centre: np.ndarray
    low: np.ndarray
    high: np.ndarray
    num_runs: np.ndarray
    num_lost: np.ndarray
    band: str


def sensitivity_line(
    settings: SettingScores, scale: ValueScale, others: Others, label: str, band: Kind = "bootstrap"
) -> Line:
    """The sensitivity curve of one hyperparameter.

    With `slice`, hyperparameters that vary together with this one go with it.

    Args:
        settings: with the scores of their runs.
        scale: the values of a hyperparameter; a setting may lack some of them.
        others: what the other hyperparameters do.
        label: of the legend.
        band: around the mean.
    """
    name = scale.name
    keys, allowed = settings.keys(name), np.ones(len(settings.numbers), bool)
    if others == "slice":
        best = settings.best(np.arange(len(settings.numbers)))
        together = tied(settings, name)
        for other in swept(settings.scores.parameters):
            if other not in together:
                found = settings.keys(other)
                allowed &= found == found[best]
    places = np.full(len(scale.values), -1)
    for number, value in enumerate(scale.values):
        among = np.flatnonzero(allowed & (keys == value_key(value)))
        if len(among):
            places[number] = settings.best(among)
    return _line(settings, label, scale, places, band)


def _line(
    settings: SettingScores, label: str, scale: ValueScale, places: np.ndarray, band: Kind
) -> Line:
    there = places >= 0
    kept = [settings.kept(place) if place >= 0 else np.empty(0) for place in places]
    runs = np.full((max(map(len, kept)) or 1, len(kept)), np.nan)
    for number, values in enumerate(kept):
        runs[: len(values), number] = values
    found = band_of(runs, band)
    num_runs, num_lost = (
        np.where(there, column[places], 0) for column in (settings.num_runs, settings.num_lost)
    )
    bounds = found.centre, found.low, found.high
    return Line(label, scale, places, *bounds, num_runs, num_lost, found.text)
