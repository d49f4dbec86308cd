"""What figures of a sweep are made of: how each setting did, and the best of some of them.

Which of two settings is better is as `ranking` has it; one without any score is the worst.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nthrun.analysis.figures.saving import Shown
from nthrun.analysis.figures.value_scale import swept, value_key
from nthrun.analysis.ranking import as_recorded, runs_by_setting
from nthrun.analysis.scores import Scores
from nthrun.errors import NthrunError


@dataclass(frozen=True, slots=True, eq=False)
class SettingScores:
    """The settings of an experiment, by number.

    Attributes:
        scores: of their runs.
        numbers: `(num_settings,)` rising.
        num_runs, num_lost: `(num_settings,)` of each.
        means: `(num_settings,)` over the runs not lost; over the lost ones with a value if all
            are; NaN if none has one.
        ranks: `(num_settings,)` of each, the best setting's being 0.
        rows: for each setting its runs, as places in `scores`.
    """

    scores: Scores
    numbers: np.ndarray
    num_runs: np.ndarray
    num_lost: np.ndarray
    means: np.ndarray
    ranks: np.ndarray
    rows: Sequence[np.ndarray]

    def best(self, among: np.ndarray) -> int:
        """The place of the best of the settings at some places; there is one at least."""
        return int(among[np.argmin(self.ranks[among])])

    def kept(self, place: int) -> np.ndarray:
        """Scores of the runs not lost of the setting at a place, or of the lost ones if all are."""
        rows = self.rows[place]
        values, lost = self.scores.values[rows], self.scores.lost[rows]
        chosen = values if lost.all() else values[~lost]
        return np.asarray(chosen[np.isfinite(chosen)])

    def keys(self, name: str) -> np.ndarray:
        """A hyperparameter's value of each setting, as texts that equal values share."""
        return np.array(
            [value_key(self.scores.parameters[n].get(name)) for n in self.numbers.tolist()]
        )

    def values(self, name: str) -> list[Any]:
        """A hyperparameter's value of each setting."""
        return [self.scores.parameters[number].get(name) for number in self.numbers.tolist()]

    def shown(self, places: Sequence[int] | np.ndarray, label: str) -> list[Shown]:
        """The runs of the settings at some places, by stage."""
        found = []
        for place in places:
            rows = self.rows[place]
            stages = self.scores.stages[rows]
            for stage in np.unique(stages):
                indices = tuple(self.scores.indices[rows[stages == stage]].tolist())
                number = int(self.numbers[place])
                found.append(Shown(self.scores.source, label, int(stage), number, indices))
        return found


def setting_scores(scores: Scores) -> SettingScores:
    """Scores by setting."""
    runs = runs_by_setting(scores)
    share, mean = as_recorded(runs)
    ranking = np.lexsort((runs.numbers, -mean, np.where(mean > -np.inf, share, 2.0)))
    means = np.where(np.isfinite(mean), mean if scores.higher_is_better else -mean, np.nan)
    rows = np.split(np.argsort(scores.settings, kind="stable"), np.cumsum(runs.sizes)[:-1])
    num_lost = np.array([int(scores.lost[of_setting].sum()) for of_setting in rows])
    return SettingScores(
        scores, runs.numbers, runs.sizes, num_lost, means, np.argsort(ranking), rows
    )


def require_swept(settings: SettingScores, names: Sequence[str]) -> list[str]:
    """The hyperparameters asked for; all that settings differ in if none is.

    Raises:
        NthrunError: a name that is not among them, or there are none.
    """
    known = swept(settings.scores.parameters)
    source = settings.scores.source
    if not known:
        raise NthrunError(
            f"{source}: all settings have the same hyperparameters", "give the data of a sweep"
        )
    for name in names:
        if name not in known:
            problem = f"{source}: hyperparameter: got {name!r}, allowed: {', '.join(known)}"
            raise NthrunError(problem, "name one that the settings differ in")
    return list(names) or known


def tied(settings: SettingScores, name: str) -> set[str]:
    """Hyperparameters that vary together with one, itself included: a value of it, one of each."""
    parameters: Mapping[int, Mapping[str, Any]] = settings.scores.parameters
    keys = settings.keys(name)
    number = len(np.unique(keys))
    found = {name}
    for other in swept(parameters):
        others = settings.keys(other)
        pairs = {*zip(keys.tolist(), others.tolist(), strict=True)}
        if len(pairs) == number == len(np.unique(others)):
            found.add(other)
    return found
