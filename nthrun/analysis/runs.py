"""The runs of settings side by side: what a choice among them is made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nthrun.analysis.scores import Scores

Key = str
"""A setting by what it is, its hyperparameters, whatever its number."""


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """The runs of the settings of an experiment; of two values the higher is better.

    Attributes:
        numbers: `(num_settings,)` setting numbers, rising.
        sizes: `(num_settings,)` how many runs each has.
        values: `(num_settings, most_runs)`, -inf beyond a setting's runs and where there is none.
        lost: `(num_settings, most_runs)` bool, see `Scores`.
        paired: whether all settings have runs of the same stages and run numbers, in that order,
            and so of the same seeds.
    """

    numbers: np.ndarray
    sizes: np.ndarray
    values: np.ndarray
    lost: np.ndarray
    paired: bool

    def take(self, places: np.ndarray) -> Runs:
        """Some of the settings, in another order."""
        return Runs(
            self.numbers[places],
            self.sizes[places],
            self.values[places],
            self.lost[places],
            self.paired,
        )


def runs_by_setting(scores: Scores) -> Runs:
    """Runs of an experiment, setting by setting."""
    numbers, firsts, sizes = np.unique(scores.settings, return_index=True, return_counts=True)
    rows = np.repeat(np.arange(len(numbers)), sizes)
    columns = np.arange(len(scores)) - np.repeat(firsts, sizes)
    shape = len(numbers), int(sizes.max(initial=0))
    oriented = scores.values if scores.higher_is_better else -scores.values
    values, lost = np.full(shape, -np.inf), np.ones(shape, np.bool_)
    values[rows, columns] = np.where(np.isfinite(oriented), oriented, -np.inf)
    lost[rows, columns] = scores.lost
    seeds = np.stack([scores.stages, scores.run_numbers])
    table = np.full((2, *shape), -1)
    table[:, rows, columns] = seeds
    paired = bool((table == table[:, :1]).all()) if len(numbers) else True
    return Runs(numbers, sizes, values, lost, paired)


def setting_key(parameters: Mapping[str, Any]) -> Key:
    """Hyperparameters as a text that is equal where they are, in whatever order."""
    return json.dumps(parameters, sort_keys=True)


def ecdf(runs: Runs) -> Runs:
    """Runs ranked among all completed ones of the experiment, from 0 to 1.

        F(x) = (#{x_i < x} + #{x_i <= x}) / (2 N)

    the empirical distribution function, ties at the middle of their step.
    """
    known = np.sort(runs.values[~runs.lost])
    below, up_to = (np.searchsorted(known, runs.values, side) for side in ("left", "right"))
    ranks = (below + up_to) / max(2 * len(known), 1)
    values = np.where(np.isfinite(runs.values), ranks, -np.inf)
    return Runs(runs.numbers, runs.sizes, values, runs.lost, runs.paired)
