"""Estimates: one setting's runs as a sample, a statistic of it, and its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
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
    num_settings: int = 1,
) -> Estimate:
    """A statistic of the runs that are not lost, and its interval, see `intervals`.

    Args:
        runs: of one setting.
        statistic: of them.
        method: None is Student's, and of the median that of ranks, which is of nothing else.
        confidence: of the interval.
        num_resamples: of the bootstrap.
        num_settings: among which the setting was chosen by these runs.

    Raises:
        NthrunError: Student's interval of the median, ranks of another statistic, or any but
            Student's of a setting that was chosen: there are none.
    """
    own: Method = "rank" if statistic == "median" else "student"
    method = method or own
    if method not in (own, "bootstrap"):
        raise NthrunError(f"method: got {method!r} for the {statistic}, allowed: {own}, bootstrap")
    if method != "student" and num_settings > 1:
        raise NthrunError(f"num_settings: got {num_settings} for {method!r}, allowed: 1")
    low = high = np.full(1, math.nan)
    column = runs.values[:, None]
    differ = bool((column != column[:1]).any())
    if differ and method == "bootstrap":
        low, high = percentile_bootstrap(column, confidence, num_resamples, statistic=statistic)
    elif differ and method == "rank":
        low, high = rank_interval(column, confidence)
    elif differ:
        low, high = student_interval(column, for_each(confidence, num_settings), statistic)
    return Estimate(
        statistic=statistic,
        method=method,
        value=float(location(column, statistic)[0]),
        low=float(low[0]),
        high=float(high[0]),
        confidence=confidence,
        num_runs=runs.num_runs,
        num_lost=runs.num_lost,
        num_missing=runs.num_missing,
        num_pruned=runs.num_pruned,
        alike=len(column) > 1 and not differ,
        num_settings=num_settings,
    )
