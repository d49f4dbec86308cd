"""Estimates: one setting's runs as a sample, a statistic of it, and its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from nthrun.analysis.intervals import (
    CONFIDENCE,
    FEW_RUNS,
    NUM_RESAMPLES,
    Statistic,
    for_each,
    location,
    percentile_bootstrap,
    rank_interval,
    student_interval,
)
from nthrun.analysis.scores import Scores
from nthrun.errors import DataFileError, NthrunError

Method = Literal["bootstrap", "student", "rank"]
TOO_FEW = "too few runs for an interval"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The runs of one setting, by one metric.

    Attributes:
        source, setting: whose runs.
        higher_is_better: which runs are good.
        values: `(num_kept,)` of the runs that are not lost.
        seeds: `(num_kept, 2)` their stages and run numbers.
        lost_seeds: `(num_lost, 2)` those of the lost ones: not completed, or without a value.
        num_missing: seeds that another setting has been run with and this one has not.
        num_pruned: runs that were ended early, which have a value up to there.
    """

    source: str
    setting: int
    higher_is_better: bool
    values: np.ndarray
    seeds: np.ndarray
    lost_seeds: np.ndarray
    num_missing: int
    num_pruned: int = 0

    @property
    def num_lost(self) -> int:
        """Recorded runs that were lost."""
        return len(self.lost_seeds)

    @property
    def num_runs(self) -> int:
        """Runs recorded, lost ones included."""
        return len(self.values) + self.num_lost

    @property
    def ranked(self) -> np.ndarray:
        """`(num_runs,)` the higher the better, a lost run below all others: -inf."""
        oriented = self.values if self.higher_is_better else -self.values
        return np.append(oriented, np.full(self.num_lost, -np.inf))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic of runs, with what it leaves out.

    Attributes:
        statistic, method: of what, and how its interval was made.
        value: NaN if every run was lost.
        low, high: NaN where there is no interval: of fewer than two runs, or of runs that are all
            the same.
        confidence: of the interval.
        num_runs, num_lost, num_missing, num_pruned: see `Sample`; the lost and the pruned are
            counted among the runs.
        alike: whether there are several runs not lost, all of the same value.
        num_settings: among which the setting was chosen by these runs. The intervals of all of them
            hold at once with the confidence, and so does this one whichever was chosen.
    """

    statistic: Statistic
    method: Method
    value: float
    low: float
    high: float
    confidence: float
    num_runs: int
    num_lost: int
    num_missing: int
    num_pruned: int = 0
    alike: bool = False
    num_settings: int = 1

    def text(self) -> str:
        """In words: `-161.2 (95 % Student interval -170.1 to -150.3; 30 runs, 1 lost)`."""
        return f"{self.value:.6g} ({self.interval_text()}; {self._runs()})"

    def interval_text(self) -> str:
        """The interval and how it was made, or why there is none."""
        if math.isnan(self.low):
            return "no interval: the runs do not differ" if self.alike else TOO_FEW
        return f"{self.interval_name()} {self.low:.6g} to {self.high:.6g}"

    def interval_name(self) -> str:
        """How the interval was made, and how sure it is."""
        share = f"{100 * self.confidence:g} %"
        if self.num_settings > 1:
            return f"at least {share} Student interval for any of {self.num_settings} settings"
        few = self.num_runs - self.num_lost < FEW_RUNS
        return {
            "student": f"{share} Student interval",
            "rank": f"at least {share} rank interval",
            "bootstrap": f"bootstrap interval, too narrow to be one of {share},"
            if few
            else f"{share} bootstrap interval",
        }[self.method]

    def _runs(self) -> str:
        text = f"{self.num_runs} run{'' if self.num_runs == 1 else 's'}, {self.num_lost} lost"
        others = {"pruned": self.num_pruned, "missing": self.num_missing}
        return ", ".join([text, *(f"{number} {name}" for name, number in others.items() if number)])


def sample(scores: Scores, setting: int) -> Sample:
    """The runs of one setting.

    Raises:
        DataFileError: it has none.
    """
    own = scores.settings == setting
    if not own.any():
        raise DataFileError(
            f"{scores.source}: no run of setting {setting}",
            f"settings with runs: {len(scores.parameters)}, from {min(scores.parameters)} to "
            f"{max(scores.parameters)}",
        )
    seeds = np.stack([scores.stages, scores.run_numbers], axis=1)
    kept, lost = own & ~scores.lost, own & scores.lost
    return Sample(
        source=scores.source,
        setting=setting,
        higher_is_better=scores.higher_is_better,
        values=scores.values[kept],
        seeds=seeds[kept],
        lost_seeds=seeds[lost],
        num_missing=len(np.unique(seeds, axis=0)) - int(own.sum()),
        num_pruned=int((scores.pruned & own).sum()),
    )


def estimate(
    runs: Sample,
    statistic: Statistic = "mean",
    method: Method | None = None,
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
) -> Estimate:
    """A statistic of the runs that are not lost, and its interval, see `intervals`.

    Args:
        runs: of one setting, which they did not choose; else see `estimate_of_chosen`.
        statistic: of them.
        method: None is Student's, and of the median that of ranks, which is of nothing else.
        confidence: of the interval.
        num_resamples: of the bootstrap.

    Raises:
        NthrunError: Student's interval of the median, or ranks of another statistic.
    """
    own: Method = "rank" if statistic == "median" else "student"
    method = method or own
    if method not in (own, "bootstrap"):
        raise NthrunError(f"method: got {method!r} for the {statistic}, allowed: {own}, bootstrap")
    column = runs.values[:, None]
    differ = bool((column != column[:1]).any())
    low, high = np.full((2, 1), math.nan)
    if differ and method == "bootstrap":
        low, high = percentile_bootstrap(column, confidence, num_resamples, statistic=statistic)
    elif differ and method == "rank":
        low, high = rank_interval(column, confidence)
    elif differ:
        low, high = student_interval(column, confidence, statistic)
    return _estimate(runs, statistic, method, confidence, (low, high))


def estimate_of_chosen(
    scores: Scores, setting: int, num_settings: int, confidence: float = CONFIDENCE
) -> Estimate:
    """The mean of a setting that its runs have chosen, and an interval that allows for that.

    The intervals of all settings that could have been chosen hold at once with the confidence
    (Bonferroni), and so does this one whichever was. Luck that makes a setting the best makes it
    look steady, too, where bad runs are rare: so its deviation is taken no smaller than that of the
    setting in the middle.

    Args:
        scores: that it was chosen by.
        setting: its number.
        num_settings: that it was chosen from; of one there was no choice.
        confidence: of the interval.
    """
    runs = sample(scores, setting)
    if num_settings == 1:
        return estimate(runs, confidence=confidence)
    bounds = student_interval(
        runs.values[:, None],
        for_each(confidence, num_settings),
        least_deviation=typical_deviation(scores),
    )
    found = _estimate(runs, "mean", "student", confidence, bounds)
    return replace(found, num_settings=num_settings)


def typical_deviation(scores: Scores) -> float:
    """The median over settings of the standard deviation of their runs; 0 where none has two."""
    settings, values = scores.settings[~scores.lost], scores.values[~scores.lost]
    _, first, row, count = np.unique(
        settings, return_index=True, return_inverse=True, return_counts=True
    )
    beyond = values - values[first][row]  # exactly 0 of runs that are all the same
    means = np.bincount(row, beyond) / count
    squares = np.bincount(row, (beyond - means[row]) ** 2)
    several = count > 1
    variances = squares[several] / (count[several] - 1)
    return float(np.sqrt(np.median(variances))) if several.any() else 0.0


def _estimate(
    runs: Sample,
    statistic: Statistic,
    method: Method,
    confidence: float,
    bounds: Sequence[np.ndarray],
) -> Estimate:
    column = runs.values[:, None]
    return Estimate(
        statistic=statistic,
        method=method,
        value=float(location(column, statistic)[0]),
        low=float(bounds[0][0]),
        high=float(bounds[1][0]),
        confidence=confidence,
        num_runs=runs.num_runs,
        num_lost=runs.num_lost,
        num_missing=runs.num_missing,
        num_pruned=runs.num_pruned,
        alike=len(column) > 1 and not (column != column[:1]).any(),
    )
